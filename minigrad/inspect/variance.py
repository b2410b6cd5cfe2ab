"""The variance of a randomised gradient, split exactly among the nodes that cause it.

Let H_k be the gradient when the first k nodes that the sweep meets are random and the rest exact. The increments
H_k − H_{k−1} are martingale differences, hence orthogonal: E‖ĝ − g‖² = Σ_k E‖H_k − H_{k−1}‖² (Theory §4). The
increment of node k is the exact backward pass, from there, of its cotangent sketched minus unsketched. See
`minigrad.inspect.increments` for what one draw takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from minigrad.counts import MOST_DRAWS, count
from minigrad.engine.drawing import draw
from minigrad.engine.node import vjp_text
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.estimators import WholeGradient
from minigrad.inspect.at_leaves import estimated_target
from minigrad.inspect.gradients import inner_product, squared_distances, squared_norm
from minigrad.inspect.increments import increments
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.means import Mean
from minigrad.inspect.recorded import Record
from minigrad.inspect.tangent_shares import Tangents
from minigrad.inspect.variance_report import Variance
from minigrad.streams import draw_key, key_of
from minigrad.structure import Cotangent, dense
from minigrad.typing import Array, Seed

__all__ = ["variance"]


def variance(
    tape: Tape | None = None,
    loss: Tensor | None = None,
    wrt: Sequence[Tensor] | None = None,
    draws: int = 200,
    rng: Seed = None,
    *,
    cotangent: Array | None = None,
    record: Record | None = None,
    directions: int | None = None,
    estimator: WholeGradient | None = None,
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
        the nodes below it: see `minigrad.inspect.increments`; or just the random one, with ``directions=``.
    rng : Generator, int or None
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.
    record : callable, optional
        ``record(rng) -> (tape, loss)`` records the same loss afresh, inside ``with Tape(rng=rng) as tape:``; no tape
        and loss need then be given. Needed with residual sketches (``save=``), which are drawn in the forward pass. The
        exact gradient is recorded with these off.
    directions : int, optional
        Measure the shares of nodes along so many random directions of the parameters: a draw then takes one backward
        pass, however deep the network. It costs as many forward passes at once, which are kept for the random nodes.
        The total is that of the draws themselves; the shares are scaled to it, and have a further error of their own,
        of about √(2 / directions) at most, which the report states. 32 is a good number.
    estimator : WholeGradient, optional
        Such as ``ForwardGradient()``: looked at in place of the estimators on the tape, which are left out. It counts
        as one random node, which joins all leaves. One that needs other values of the loss, as `EvolutionStrategy`
        does, takes ``record=``.

    Returns
    -------
    Variance

    Raises
    ------
    ValueError
        If there are fewer than two draws; if the tape holds residual sketches, or ``estimator`` computes the loss
        again, and there is no ``record``; or if with ``estimator`` or ``directions`` one of ``wrt`` is no leaf; if
        there are directions together with ``record`` or ``estimator``, or fewer than two of them.

    Notes
    -----
    Theory §4; Bakong et al. (2026), arXiv:2602.14701. The estimates are unbiased, and the standard errors those of
    means of independent draws: they are about the batch that was recorded, and say nothing of others. Squares of errors
    have heavy tails where little is kept or many layers draw. Where the standard error of the total is above an eighth
    of it, the report warns: two standard errors then cover less than 95 %, since draws that would count most are likely
    to have been missed.

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
    draws = count("variance: draws", draws, MOST_DRAWS, "draws", least=2)  # for a standard error
    target = estimated_target(tape, loss, wrt, cotangent, record, estimator)
    exact, cotangents = _exact_sweep(target)
    key = key_of(rng)
    tangents = None
    if directions is not None:
        if record is not None or estimator is not None:
            raise ValueError(
                "variance: directions= follows one recorded tape; it goes with neither record= nor estimator="
            )
        tangents = Tangents(target, count("variance: directions", directions, MOST_DRAWS, "directions", least=2), key)
    norm = math.sqrt(squared_norm(exact))
    along = [g / g.dtype.type(norm or 1.0) for g in exact]
    norms = {index: squared_norm([g]) for index, g in cotangents.items()}
    nodes: dict[int, list[Array]] = {}
    met: dict[int, list[float]] = {}
    squares = np.zeros(len(exact))
    forward: list[float] = []
    totals, cosines = [], []
    for number in range(draws):
        number_key = draw_key(key, number)
        fresh = target.fresh(number_key)
        start, before = exact, squares.sum()
        if fresh is not target:
            start = fresh.exact_gradient()  # the sketched residuals with exact VJPs
            of_residuals = np.array(squared_distances(start, exact))
            squares += of_residuals
            forward.append(float(of_residuals.sum()))
        drawn: Sequence[Cotangent] = start
        for index, arrived, added, after, by_tensor in _taken_apart(fresh, number_key, start, tangents):
            drawn = after
            squares += by_tensor
            nodes.setdefault(index, []).append(added)
            (off,) = squared_distances([arrived], [cotangents[index]])
            met.setdefault(index, []).append(_ratio(off, norms[index]))
        totals.append(float(squares.sum() - before))
        length = math.sqrt(squared_norm(drawn))
        cosines.append(inner_product(drawn, along) / length if length else 0.0)
    table = np.array([*[np.mean(rows, axis=1) for rows in nodes.values()], forward or [0.0] * draws])
    means, errors, share_errors, total = _summary(table, table.sum(axis=0) if tangents is None else np.array(totals))
    used = [target.tape.nodes[k] for k in nodes]
    return Variance(
        by_node=dict(zip(nodes, means, strict=False)),  # the residuals are last
        by_parameter=dict(zip(target.names, (squares / draws).tolist(), strict=True)),
        standard_errors=dict(zip(nodes, errors, strict=False)),
        standard_error=total.error,
        share_errors=dict(zip(nodes, share_errors, strict=False)),
        effective_draws=total.effective,
        norm=norm,
        cosine=float(np.mean(cosines)),
        relative_noise={k: float(np.mean(v)) for k, v in met.items()},
        labels={node.index: node.label for node in used},
        estimators={node.index: vjp_text(node) for node in used},
        draws=draws,
        biased=tuple(node.index for node in used if any(not e.unbiased for e, _ in node.draws())),
        residuals=means[-1],
        residuals_error=errors[-1],
        residuals_share_error=share_errors[-1],
        directions=directions or 0,
        direction_errors=_of_directions(nodes) if directions else {},
    )


def _taken_apart(
    target: InspectionTarget, key: int, start: Sequence[Cotangent], tangents: Tangents | None
) -> Iterator[tuple[int, Cotangent, Array, Sequence[Cotangent], Array]]:
    """One draw by node: the index, the cotangent that arrived, squares, and the gradient so far with what it added.

    The squares are those of the increment, or along each direction. Then the last node alone says what was added, for
    all of them.
    """
    if tangents is None:
        for step in increments(target, key, start):
            squares = np.array(step.squares())
            yield step.index, step.arrived, squares.sum(keepdims=True), step.after, squares
        return
    sweep = target.sweep()
    found = []
    while (stop := sweep.advance()) is not None:
        node, g = stop
        cotangents = draw(node, g, key)
        found.append((node.index, g, tangents.squares(node, g, cotangents)))
        sweep.apply(node, cotangents)
    drawn = target.gradient(sweep)
    added = np.array(squared_distances(drawn, start))
    for k, (index, g, squares) in enumerate(found):
        yield index, g, squares, drawn, added if k == len(found) - 1 else 0 * added


def _of_directions(nodes: dict[int, list[Array]]) -> dict[int, float]:
    """The standard error of each share that is due to the directions, of which there are few, and not to the draws."""
    by_direction = np.array([np.mean(rows, axis=0) for rows in nodes.values()])
    sums = by_direction.sum(axis=0)
    whole = float(sums.mean()) or 1.0
    off = by_direction - (by_direction.mean(axis=1, keepdims=True) / whole) * sums
    errors = off.std(axis=1, ddof=1) / (math.sqrt(len(sums)) * whole)
    return dict(zip(nodes, errors.tolist(), strict=True))


def _summary(table: Array, totals: Array) -> tuple[list[float], list[float], list[float], Mean]:
    """Of squares by part and draw: means, their standard errors, those of the shares, and the mean of the whole.

    A share is the quotient of two means over the same draws; its error is that of the mean of x − share · sum, over the
    total (the delta method). The parts of one draw are correlated, so the error of the whole is that of the totals. The
    parts are scaled to the whole: along directions they are estimates, and add up to it in the mean alone.
    """
    total = Mean.of(totals)
    sums = table.sum(axis=0)
    scale = total.value / (float(sums.mean()) or 1.0)  # 1 where they were taken apart
    table, sums = scale * table, scale * sums
    parts = [Mean.of(row) for row in table]
    means = [part.value for part in parts]
    shares = np.array(means) / (total.value or 1.0)
    off = (table - shares[:, None] * sums).std(axis=1, ddof=1) / math.sqrt(len(sums)) / (total.value or 1.0)
    return means, [part.error for part in parts], off.tolist(), total


def _exact_sweep(target: InspectionTarget) -> tuple[list[Array], dict[int, Cotangent]]:
    """The exact gradient, one array for each tensor, and the exact cotangent at each random node."""
    cotangents = {}
    sweep = target.sweep()
    while (stop := sweep.advance()) is not None:
        node, g = stop
        cotangents[node.index] = g
        sweep.apply(node, [g] * len(node.parents))
    return [np.asarray(dense(g)) for g in target.gradient(sweep)], cotangents


def _ratio(error: float, norm: float) -> float:
    return error / norm if norm else 0.0 if not error else math.inf
