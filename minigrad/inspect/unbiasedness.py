"""Is a randomised gradient unbiased? Exactly where all outcomes can be listed, and by a test on draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.estimator import TooManyOutcomes
from minigrad.inspect.leaves import Wanted, drawn
from minigrad.inspect.moments import outcomes
from minigrad.inspect.probes import Family, bernstein, detectable_mean
from minigrad.inspect.variance import draw_key, increments
from minigrad.report import Table
from minigrad.sweep import stream
from minigrad.tape import Tape
from minigrad.tensor import Tensor
from minigrad.typing import Array, Seed

__all__ = ["Unbiasedness", "unbiasedness"]

LIMIT = 4096
"""Joint outcomes up to which the mean is computed exactly."""

EFFECTIVE = 20.0
"""A probe that saw fewer large events than this says nothing."""


@dataclass(frozen=True)
class ParameterVerdict:
    """What was found out about one parameter.

    Attributes
    ----------
    name : str
    worst_row : int or None
        The row with the smallest p-value; None if the parameter as a whole has a smaller one.
    bias : float
        Mean of ĝ along g, minus 1: −0.1 means that a tenth is lost. By enumeration where there was one.
    p_value : float
        Smallest of this parameter's probes, adjusted for the number of all probes.
    detectable : float
        The relative bias along g of the whole parameter that these draws would have detected.
    conclusive : bool
        Whether the probe of the whole parameter saw enough events.
    """

    name: str
    worst_row: int | None
    bias: float
    p_value: float
    detectable: float
    conclusive: bool


@dataclass(frozen=True)
class Unbiasedness:
    """The answer of `unbiasedness`.

    Attributes
    ----------
    passed : bool
        Nothing speaks against E ĝ = g, and there was enough to see.
    verdict : {"passed", "failed", "inconclusive"}
    p_value : float
        Smallest adjusted p-value of all probes: the chance of seeing something as extreme if ĝ were unbiased. 0 where
        enumeration shows a bias.
    alpha : float
        The family-wise false-alarm rate.
    method : str
        How it was found out, and on what the false-alarm rate rests.
    draws : int
    enumerated : int
        Joint outcomes that were listed; 0 for none.
    parameters : tuple of ParameterVerdict
    worst_parameter : str or None
    worst_node : int or None
        Index of the node whose own noise has the smallest p-value; looked for when the test fails.
    worst_node_label : str or None
    detectable : float
        The largest over parameters of the smallest relative bias that would have been detected.
    """

    passed: bool
    verdict: str
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
            [p.name, "all" if p.worst_row is None else p.worst_row, f"{100 * p.bias:+.3g}".rjust(8), p.p_value,
             f"{100 * p.detectable:.3g}".rjust(10)]
            for p in self.parameters
        ]  # fmt: skip
        notes = [f"{self.method}; family-wise false-alarm rate {self.alpha:g}", *self.notes]
        if self.worst_node is not None:
            notes.append(f"look at node {self.worst_node}: {self.worst_node_label}")
        title = f"unbiasedness: {self.verdict} (p = {self.p_value:.2g})"
        heads = ["parameter", "worst row", "bias / %", "p-value", "detectable / %"]
        return Table(heads, rows, title, notes)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**fields, "parameters": [vars(p) for p in self.parameters], "notes": list(self.notes)}


def unbiasedness(
    tape: Tape,
    loss: Tensor,
    wrt: Sequence[Tensor] | None = None,
    draws: int = 2000,
    rng: Seed = None,
    *,
    alpha: float = 1e-6,
    limit: int = LIMIT,
    cotangent: Array | None = None,
) -> Unbiasedness:
    """Test whether the randomised gradient of a recorded tape has the exact one as its mean.

    Where the joint outcomes of all estimators are at most ``limit``, the mean is computed exactly, to rounding. In any
    case draws are tested as well, for an estimator may draw other things than it lists, or two nodes may share a draw.

    Parameters
    ----------
    tape : Tape
    loss : Tensor
        Recorded on that tape.
    wrt : sequence of Tensor, optional
        Default: every leaf that the tape read.
    draws : int, default 2000
        Backward passes; at least 100. A quarter is the pilot that says where to look.
    rng : Generator, int or None
    alpha : float, default 1e-6
        Family-wise false-alarm rate, over all probes.
    limit : int, default 4096
        Joint outcomes up to which the mean is computed exactly.
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.

    Returns
    -------
    Unbiasedness

    Raises
    ------
    ValueError
        If there are too few draws, or alpha is outside (0, 1).

    Notes
    -----
    For each parameter and each of its rows (entries of the first axis), two projections of ĝ − g must have mean 0: one
    along g, and one along the mean error of the pilot. Their means are tested with Bernstein's inequality, and the
    p-values multiplied by the number of probes (Bonferroni). With all outcomes listed, the largest possible |z| is
    known and the test is distribution-free. Otherwise the range is taken as twice the largest |z| seen, which is right
    for many draws only: the method is then labelled asymptotic. Rounding of the arithmetic is allowed for.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import Mask, TopK
    >>> w = mg.Tensor(np.eye(3), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((2, 3)), w, vjp=Mask(0.5)).sum()
    >>> unbiasedness(tape, loss, rng=0).verdict
    'passed'
    >>> tape.nodes[0].vjp = TopK(0.5)
    >>> unbiasedness(tape, loss, rng=0).verdict
    'failed'
    """
    if draws < 100:
        raise ValueError(f"unbiasedness: draws={draws}; at least 100 are needed for a pilot and a test")
    if not 0 < alpha < 1:
        raise ValueError(f"unbiasedness: alpha={alpha} must lie in (0, 1)")
    wanted = Wanted(tape, loss, wrt, cotangent)
    exact, key = wanted.exact(), stream(rng)
    epsilon = max(np.finfo(tensor.dtype).eps for tensor in wanted.tensors)
    pilot, second = _moments(wanted, exact, key, draws // 4)
    families = [Family(wanted, exact), Family(wanted, _direction(pilot, second))]
    listed = _enumerate(wanted, exact, families, limit)
    values = _values(wanted, exact, families, key, draws // 4, draws)
    size = np.sqrt(np.square(exact) + second)
    rounding = np.concatenate([64 * epsilon * family.scale(size) for family in families])
    probes = values.shape[1]
    count = len(values)

    mean = values.mean(axis=0)
    excess = np.maximum(np.abs(mean) - rounding, 0.0)
    power = np.square(values).mean(axis=0)
    top = np.abs(values).max(axis=0)
    bound = 2 * top if listed is None else np.maximum(listed.top, rounding)
    spread = power if listed is None else listed.variance
    p = np.minimum(1.0, probes * bernstein(excess, np.maximum(spread, rounding**2), bound, count))
    if listed is not None:
        p[np.abs(listed.mean) > rounding] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(top > rounding, power * count / np.square(top), np.inf)
    smallest = detectable_mean(spread, bound, count, alpha / probes) + rounding
    conclusive = effective >= EFFECTIVE

    means = mean if listed is None else listed.mean
    verdicts = _by_parameter(families, exact, means, p, smallest, conclusive | (p < alpha))
    worst = min(verdicts, key=lambda v: v.p_value)
    failed = bool((p < alpha)[conclusive | (p == 0)].any())
    unclear = not failed and not all(v.conclusive for v in verdicts)
    verdict = "failed" if failed else "inconclusive" if unclear else "passed"
    node = _worst_node(wanted, families, key, min(count, 500)) if failed else None
    notes = []
    if unclear:
        names = ", ".join(v.name for v in verdicts if not v.conclusive)
        notes.append(f"too few events in {names}: take more draws (effective count below {EFFECTIVE:g})")
    return Unbiasedness(
        passed=verdict == "passed",
        verdict=verdict,
        p_value=float(p.min()),
        alpha=alpha,
        method=_method(listed, count),
        draws=draws,
        enumerated=0 if listed is None else listed.count,
        parameters=tuple(verdicts),
        worst_parameter=worst.name if worst.p_value < 1 else None,
        worst_node=node,
        worst_node_label=None if node is None else f"{tape.nodes[node].label}, {tape.nodes[node].vjp!r}",
        detectable=max(v.detectable for v in verdicts),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Listed:
    """Moments of the probes from the list of all outcomes."""

    mean: Array
    variance: Array
    top: Array
    count: int


def _method(listed: _Listed | None, draws: int) -> str:
    if listed is None:
        return f"{draws} draws after a pilot, asymptotic (the range of the draws is estimated)"
    return f"all {listed.count} outcomes listed: exact; {draws} draws, distribution-free"


def _moments(wanted: Wanted, exact: Array, key: int, draws: int) -> tuple[Array, Array]:
    """Mean and mean square of the error over the pilot, entry by entry."""
    mean, second = np.zeros_like(exact), np.zeros_like(exact)
    for number in range(draws):
        error = drawn(wanted, draw_key(key, number)) - exact
        mean += error
        second += np.square(error)
    return mean / draws, second / draws


def _direction(mean: Array, second: Array) -> Array:
    """The mean error of the pilot, with noisy entries weighing less."""
    typical = float(second.mean())
    return mean / (second + typical) * typical if typical > 0 else mean


def _values(wanted: Wanted, exact: Array, families: list[Family], key: int, start: int, stop: int) -> Array:
    out = []
    for number in range(start, stop):
        error = drawn(wanted, draw_key(key, number)) - exact
        out.append(np.concatenate([family.values(error) for family in families]))
    return np.array(out)


def _enumerate(wanted: Wanted, exact: Array, families: list[Family], limit: int) -> _Listed | None:
    """The probes' moments over all outcomes, or None where these cannot be listed."""
    mean = squares = top = np.zeros(())
    count = 0
    try:
        for probability, gradient in outcomes(wanted, limit):
            z = np.concatenate([family.values(gradient - exact) for family in families])
            mean = mean + probability * z
            squares = squares + probability * np.square(z)
            top = np.maximum(top, np.abs(z))
            count += 1
    except (TooManyOutcomes, NotImplementedError):
        return None
    return _Listed(mean, squares, top, count)


def _by_parameter(
    families: list[Family], exact: Array, mean: Array, p: Array, smallest: Array, conclusive: Array
) -> list[ParameterVerdict]:
    family = families[0]
    labels = [label for each in families for label in each.labels]
    squares = family.values(exact)  # ‖g‖² of each parameter and row
    verdicts = []
    for k, (name, row) in enumerate(family.labels):
        if row is not None:
            continue
        mine = [j for j, label in enumerate(labels) if label[0] == name]
        worst = min(mine, key=lambda j: p[j])
        norm = squares[k]
        verdicts.append(
            ParameterVerdict(
                name=name,
                worst_row=labels[worst][1],
                bias=float(mean[k] / norm) if norm else 0.0,
                p_value=float(p[worst]),
                detectable=float(smallest[k] / norm) if norm else 0.0,
                conclusive=bool(conclusive[k]),
            )
        )
    return verdicts


def _worst_node(wanted: Wanted, families: list[Family], key: int, draws: int) -> int | None:
    """The node whose own increments are furthest from mean 0."""
    sums: dict[int, list[Array]] = {}
    for number in range(draws):
        for index, _, increment in increments(wanted, draw_key(key, draws + number)):
            z = np.concatenate([family.values(increment) for family in families])
            sums.setdefault(index, []).append(z)
    scores = {}
    for index, values in sums.items():
        z = np.array(values)
        variance = np.maximum(np.square(z).mean(axis=0), np.finfo(float).tiny)
        scores[index] = float(np.max(np.square(z.mean(axis=0)) / variance))
    return max(scores, key=lambda k: scores[k]) if scores else None
