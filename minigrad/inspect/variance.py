"""The variance of a randomised gradient, split exactly among the nodes that cause it.

Let H_k be the gradient when the first k nodes that the sweep meets are random and the rest exact. The increments
H_k − H_{k−1} are martingale differences, hence orthogonal: E‖ĝ − g‖² = Σ_k E‖H_k − H_{k−1}‖² (THEORY.md §4). The
increment of node k is the exact backward pass, from there, of its cotangent sketched minus unsketched. See
`minigrad.inspect.increments` for what one draw takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.cotangents import Cotangent, dense
from minigrad.inspect.gradients import inner_product, squared_distances, squared_norm
from minigrad.inspect.increments import increments
from minigrad.inspect.leaves import Wanted
from minigrad.inspect.recorded import Record, wanted_of
from minigrad.node import vjp_text
from minigrad.report import Table, json_ready
from minigrad.streams import draw_key, key_of
from minigrad.tape import Tape
from minigrad.tensor import Tensor
from minigrad.typing import Array, Seed

__all__ = ["Variance", "variance"]


@dataclass(frozen=True)
class Variance:
    """How noisy a gradient is, and whose fault it is.

    All variances are sums over the entries of all inspected tensors, for the loss as it was recorded: under a mean over
    the batch they are those of the mean gradient.

    Attributes
    ----------
    by_node : dict of int to float
        For each random node, by its index on the tape, its share of the variance. They sum to ``total``. A node that
        the sweep does not meet on its way from the loss is left out.
    by_parameter : dict of str to float
        The share of each tensor; they sum to ``total``.
    standard_errors : dict of int to float
        Of the shares in ``by_node``.
    standard_error : float
        Of ``total``.
    norm : float
        ‖g‖ of the exact gradient.
    cosine : float
        Mean cosine of the angle between ĝ and g; 0 for a draw where either is 0.
    growth : dict of int to float
        For each random node, E‖ĝ_k − g_k‖² / ‖g_k‖² of the cotangent that arrives there, before its own estimator.
    labels, estimators : dict of int to str
        For each random node, its operation and its estimator.
    draws : int
    biased : tuple of int
        Nodes whose estimator says that it is biased: their shares are squared errors, and what follows them is no
        orthogonal decomposition.
    residuals : float
        With ``record=``, the share of all residual sketches (``save=``) together. Given these, the shares in
        ``by_node`` are those of the backward pass; all are orthogonal.
    residuals_error : float
        The standard error of that.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5)).sum()
    >>> noise = inspect.variance(tape, loss, draws=200, rng=0)
    >>> sorted(noise.by_node), sorted(noise.by_parameter)
    ([0], ['w'])
    >>> bool(np.isclose(sum(noise.by_node.values()), noise.total))
    True
    """

    by_node: dict[int, float]
    by_parameter: dict[str, float]
    standard_errors: dict[int, float]
    standard_error: float
    norm: float
    cosine: float
    growth: dict[int, float]
    labels: dict[int, str]
    estimators: dict[int, str]
    draws: int
    biased: tuple[int, ...]
    residuals: float = 0.0
    residuals_error: float = 0.0

    @property
    def total(self) -> float:
        """E‖ĝ − g‖², the sum over nodes, and the share of residual sketches."""
        return math.fsum([*self.by_node.values(), self.residuals])

    @property
    def relative(self) -> float:
        """``total`` over ‖g‖²; infinite where g is 0."""
        return self.total / self.norm**2 if self.norm else math.inf if self.total else 0.0

    @property
    def signal_to_noise(self) -> float:
        """‖g‖ over the root of ``total``; infinite without noise."""
        return self.norm / math.sqrt(self.total) if self.total else math.inf

    def table(self) -> Table:
        """The report as a table, from the loss to the input."""
        total = self.total or 1.0
        rows: list[list[Any]] = []
        for k, value in self.by_node.items():
            error = self.standard_errors[k] / total
            share = f"{100 * value / total:.1f} ± {100 * error:.1f}"
            rows.append([k, self.labels[k], self.estimators[k], value, share.rjust(11), self.growth[k]])
        if self.residuals:
            share = f"{100 * self.residuals / total:.1f} ± {100 * self.residuals_error / total:.1f}"
            rows.append(["", "residual sketches", "", self.residuals, share.rjust(11), ""])
        notes = [
            f"total {self.total:.4g} ± {self.standard_error:.2g} over {self.draws} draws; relative {self.relative:.4g}",
            f"signal to noise {self.signal_to_noise:.3g}; mean cosine with the exact gradient {self.cosine:.3g}",
        ]
        if self.biased:
            notes.append(f"biased: node {', '.join(map(str, self.biased))}; these are squared errors")
        heads = ["node", "operation", "VJP", "variance", "share / %", "noise met"]
        return Table(heads, rows, "variance of the gradient, from the loss to the input", notes)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        found = {
            "total": self.total,
            "relative": self.relative,
            "signal_to_noise": self.signal_to_noise,
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
        }
        return dict(json_ready(found))

    def plot(self, ax: Any = None) -> Any:
        """Draw the share of each node, from the loss to the input, and the growth of the noise with depth."""
        from minigrad.plot.noise import noise_by_node

        return noise_by_node(self, ax)


def variance(
    tape: Tape | None = None,
    loss: Tensor | None = None,
    wrt: Sequence[Tensor] | None = None,
    draws: int = 200,
    rng: Seed = None,
    *,
    cotangent: Array | None = None,
    record: Record | None = None,
) -> Variance:
    """Estimate the variance of a gradient and the share of each node, from draws on one recorded tape.

    Parameters
    ----------
    tape : Tape
    loss : Tensor
        Recorded on that tape.
    wrt : sequence of Tensor, optional
        Default: every leaf that the tape read.
    draws : int, default 200
        At least 2. Each takes one random backward pass, and from every random node but the first an exact one through
        the nodes below it: see `minigrad.inspect.increments`.
    rng : Generator, int or None
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.
    record : callable, optional
        ``record(rng) -> (tape, loss)`` records the same loss afresh, inside ``with Tape(rng=rng) as tape:``; no tape
        and loss need then be given. Needed with residual sketches (``save=``), which are drawn in the forward pass. The
        exact gradient is recorded with these off.

    Returns
    -------
    Variance

    Raises
    ------
    ValueError
        If there are fewer than two draws, or the tape holds residual sketches and there is no ``record``.

    Notes
    -----
    THEORY.md §4; Bakong et al. (2026), arXiv:2602.14701. The estimates are unbiased, and the standard errors those of
    means of independent draws.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.eye(2), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((1, 2)), w, vjp=Mask(0.5)).sum()
    >>> report = variance(tape, loss, draws=400, rng=0)
    >>> report.total, list(report.by_node)                     # exactly 4, and here without sampling error
    (4.0, [0])
    """
    if draws < 2:
        raise ValueError(f"variance: draws={draws}; at least 2 are needed for a standard error")
    wanted = wanted_of(tape, loss, wrt, cotangent, record)
    exact, cotangents = _exact_sweep(wanted)
    norm = math.sqrt(squared_norm(exact))
    along = [g / g.dtype.type(norm or 1.0) for g in exact]
    norms = {index: squared_norm([g]) for index, g in cotangents.items()}
    key = key_of(rng)
    nodes: dict[int, list[float]] = {}
    met: dict[int, list[float]] = {}
    squares = np.zeros(len(exact))
    forward: list[float] = []
    cosines = []
    for number in range(draws):
        number_key = draw_key(key, number)
        fresh = wanted.fresh(number_key)
        start = exact
        if fresh is not wanted:
            start = fresh.exact_gradient()  # the sketched residuals with exact VJPs
            of_residuals = np.array(squared_distances(start, exact))
            squares += of_residuals
            forward.append(float(of_residuals.sum()))
        drawn: Sequence[Cotangent] = start
        for step in increments(fresh, number_key, start):
            of_node = np.array(step.squares())
            squares += of_node
            nodes.setdefault(step.index, []).append(float(of_node.sum()))
            (off,) = squared_distances([step.arrived], [cotangents[step.index]])
            met.setdefault(step.index, []).append(_ratio(off, norms[step.index]))
            drawn = step.after
        length = math.sqrt(squared_norm(drawn))
        cosines.append(inner_product(drawn, along) / length if length else 0.0)
    table = np.array(list(nodes.values())) if nodes else np.zeros((0, draws))
    spread = table.std(axis=1, ddof=1) / math.sqrt(draws)
    residuals = np.array(forward or [0.0] * draws)
    used = [wanted.tape.nodes[k] for k in nodes]
    return Variance(
        by_node={k: float(v) for k, v in zip(nodes, table.mean(axis=1), strict=True)},
        by_parameter=dict(zip(wanted.names, (squares / draws).tolist(), strict=True)),
        standard_errors={k: float(v) for k, v in zip(nodes, spread, strict=True)},
        standard_error=float((table.sum(axis=0) + residuals).std(ddof=1) / math.sqrt(draws)),
        norm=norm,
        cosine=float(np.mean(cosines)),
        growth={k: float(np.mean(v)) for k, v in met.items()},
        labels={node.index: node.label for node in used},
        estimators={node.index: vjp_text(node) for node in used},
        draws=draws,
        biased=tuple(node.index for node in used if any(not e.unbiased for e, _ in node.draws())),
        residuals=float(residuals.mean()),
        residuals_error=float(residuals.std(ddof=1) / math.sqrt(draws)),
    )


def _exact_sweep(wanted: Wanted) -> tuple[list[Array], dict[int, Array]]:
    """The exact gradient, one array for each tensor, and the exact cotangent at each random node."""
    cotangents = {}
    sweep = wanted.sweep()
    while (stop := sweep.advance()) is not None:
        node, g = stop
        cotangents[node.index] = g
        sweep.apply(node, [g] * len(node.parents))
    return [np.asarray(dense(g)) for g in wanted.gradient(sweep)], cotangents


def _ratio(error: float, norm: float) -> float:
    return error / norm if norm else 0.0 if not error else math.inf
