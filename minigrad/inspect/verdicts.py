"""What a test of unbiasedness found out: of each parameter, from its probes, and as a whole."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from minigrad.inspect.probes import Probes, Row
from minigrad.report import Report, Table
from minigrad.typing import Array

__all__ = ["ParameterVerdict", "Unbiasedness", "by_parameter"]

Verdict: TypeAlias = Literal["passed", "failed", "inconclusive"]


@dataclass(frozen=True)
class ParameterVerdict:
    """What was found out about one parameter. A row is an entry of its first axis, or a tap of a convolution.

    Attributes
    ----------
    name : str
    worst_row : int, tuple of int or None
        The row with the smallest p-value; None if the parameter as a whole has a smaller one.
    bias : float
        Mean of ĝ along g, minus 1: −0.1 means that a tenth is lost. By enumeration where there was one. 0 where g is 0.
    p_value : float
        Smallest of this parameter's probes, adjusted for the number of all probes.
    detectable : float
        A relative bias along g of this size, of the parameter as a whole or of any of its rows, is found with a
        probability of at least 0.9; that of the row in which it is hardest to see. Infinite where g is 0, and where
        there is a row in which none can be seen.
    hardest_row : int, tuple of int or None
        That row.
    of_all : float
        The same for the parameter as a whole.
    conclusive : bool
        Whether enough events were seen in every row with a gradient, and nothing in it may have been too rare; or
        outcomes were listed.
    """

    name: str
    worst_row: Row
    bias: float
    p_value: float
    detectable: float
    hardest_row: Row
    of_all: float
    conclusive: bool


@dataclass(frozen=True, repr=False)
class Unbiasedness(Report):
    """The answer of `minigrad.inspect.unbiasedness`.

    Attributes
    ----------
    passed : bool
        Nothing speaks against E ĝ = g, and there was enough to see.
    verdict : {"passed", "failed", "inconclusive"}
        "inconclusive": nothing was proved, and part of the gradient was seen too seldom or never, or a deviation that
        was seen may be made up for by something rare.
    p_value : float
        Smallest adjusted p-value of all probes that saw enough events: the chance of seeing something as extreme if ĝ
        were unbiased. 0 where enumeration shows a bias.
    alpha : float
        The family-wise false-alarm rate.
    method : str
        How it was found out, and on what the false-alarm rate rests.
    draws : int
        All that were taken, with those of the pilot.
    enumerated : int
        Joint outcomes that were listed; 0 for none.
    parameters : tuple of ParameterVerdict
    worst_parameter : str or None
    worst_node : int or None
        Index of the node whose own noise has the smallest p-value; looked for when the test fails.
    worst_node_label : str or None
    detectable : float
        A relative bias of this size, of any parameter or row with a gradient that is not 0, is found with a probability
        of at least 0.9: the largest over parameters.
    notes : tuple of str

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5)).sum()
    >>> report = inspect.unbiasedness(tape, loss, draws=200, rng=0)
    >>> report.passed, report.enumerated, report.alpha
    (True, 4, 1e-06)
    """

    passed: bool
    verdict: Verdict
    p_value: float
    alpha: float
    method: str
    draws: int
    enumerated: int
    parameters: tuple[ParameterVerdict, ...]
    worst_parameter: str | None
    worst_node: int | None
    worst_node_label: str | None
    detectable: float
    notes: tuple[str, ...] = field(default=())

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [p.name, row_text(p.worst_row), f"{100 * p.bias:+.3g}".rjust(8), p.p_value,
             f"{100 * p.of_all:.3g}".rjust(14), f"{100 * p.detectable:.3g}".rjust(12), row_text(p.hardest_row)]
            for p in self.parameters
        ]  # fmt: skip
        notes = [f"{self.method}; family-wise false-alarm rate {self.alpha:g}", *self.notes]
        if self.worst_node is not None:
            notes.append(f"look at node {self.worst_node}: {self.worst_node_label}")
        title = f"unbiasedness: {self.verdict} (p = {self.p_value:.2g})"
        heads = ["parameter", "worst row", "bias / %", "p-value", "detectable / %", "in any row", "such as"]
        return Table(heads, rows, title, notes)


def row_text(row: Row) -> str:
    """A row in words."""
    return "all" if row is None else str(row)


def by_parameter(
    probes: Probes, mean: Array, off: Array, p: Array, order: Array, detectable: Array, conclusive: Array
) -> list[ParameterVerdict]:
    """A verdict for each parameter.

    Parameters
    ----------
    probes : Probes
        The first direction is g.
    mean, off : ndarray
        Of the probes, for the bias that is stated, and that of which a row is named.
    p, order : ndarray
        p-values, and the order of the probes, the worst first.
    detectable, conclusive : ndarray
        For the probes along g; detectable is NaN where g is 0.
    """
    labels = probes.labels
    verdicts = []
    for k, (name, row) in enumerate(labels[: probes.along]):
        if row is not None:  # the parameters come first
            break
        at = next(j for j in order.tolist() if labels[j][0] == name)
        mine = np.array([j for j in range(probes.along) if labels[j][0] == name])
        figures = detectable[mine]
        seen = np.isfinite(figures) | np.isinf(figures)
        hardest = int(mine[np.argmax(np.where(seen, figures, -1.0))])
        norm = probes.exact[k]  # ‖g‖²
        verdicts.append(
            ParameterVerdict(
                name=name,
                worst_row=_row(probes, at, off),
                bias=float(mean[k] / norm) if norm else 0.0,
                p_value=float(p[at]),
                detectable=float(detectable[hardest]) if seen.any() else math.inf,
                hardest_row=labels[hardest][1] if seen.any() else None,
                of_all=float(detectable[k]) if seen[0] else math.inf,
                conclusive=bool(conclusive[mine].all()),
            )
        )
    return verdicts


def _row(probes: Probes, probe: int, mean: Array) -> Row:
    """The row of a probe; of a whole parameter's the one, if any, that is off more than all others together."""
    name, row = probes.labels[probe]
    if row is not None:
        return row
    first = probes.along * (probe // probes.along)
    mine = [j for j in range(first, first + probes.along) if probes.labels[j][0] == name]
    rows = [j for j in mine if probes.labels[j][1] is not None]
    if len(rows) < 2:
        return None
    most = max(rows, key=lambda j: abs(mean[j]))
    return probes.labels[most][1] if abs(mean[most]) > abs(mean[probe] - mean[most]) else None
