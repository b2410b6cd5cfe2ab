"""The cost of a backward pass: floating-point operations, bytes on the tape, bytes on a wire.

Counts are of multiplications and additions, two for each multiply-add, as the primitives state them. They depend on
shapes and budgets only, not on how a loss is reduced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node, save_text, vjp_text
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.estimators import with_budget
from minigrad.estimators.dual import Dual
from minigrad.inspect.cost_report import Cost, NodeCost
from minigrad.inspect.shares import Shares, mean_shares
from minigrad.structure import Columns, Dense, Entries, Factors, Kept, Rows, matrix_shape
from minigrad.typing import Array, Seed, Shape

__all__ = ["cost"]

INDEX_BYTES = 8


def cost(
    tape: Tape,
    loss: Tensor | None = None,
    *,
    draws: int = 20,
    rng: Seed = None,
    cotangent: Array | None = None,
    shares: Shares | None = None,
) -> Cost:
    """Count what the nodes of a tape cost, exactly and with their estimators.

    Parameters
    ----------
    tape : Tape
        With the estimators that are to be counted on its nodes.
    loss : Tensor, optional
        Recorded on that tape. Estimators with a distortion keep what the cotangent asks for: with a loss the share is
        measured over draws, without one the count is an upper bound, and says so. Others need no draws.
    draws : int, default 20
    rng : Generator, int or None
        For the draws.
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.
    shares : mapping, optional
        In place of draws: ``tape.shares``, what the last backward pass kept.

    Returns
    -------
    Cost

    Notes
    -----
    A linear node of B rows, n inputs and m outputs takes 2Bmn operations forward and 2Bmn for each of its two backward
    products, which shrink with the fraction kept (THEORY.md §2). Where an estimator kept some rows or samples, the
    nodes below it that treat every row alike work on these alone, and are counted so. An estimator saves nothing at a
    primitive without a VJP rule for what it keeps, and its own work counts. Residual sketches (``save=``) show in the
    bytes; the operations that they add forward and spare backward are not counted.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((10, 20)), requires_grad=True)
    >>> with mg.Tape() as tape:
    ...     y = mg.ops.linear(np.ones((8, 20)), w, vjp=Mask(0.5))
    >>> report = cost(tape)
    >>> report.backward_exact, report.backward
    (3200.0, 1640.0)
    """
    measured = shares if shares is not None else {} if loss is None else mean_shares(tape, loss, draws, rng, cotangent)
    shared: dict[int, int] = {}
    nodes = []
    arrivals: dict[int, _Arrival] = {}
    for node in reversed(tape.nodes):
        shared.update({key: array.nbytes for key, array in node.saved_arrays().items()})
        arrived = arrivals.get(node.index, _WHOLE)
        if not node.primitive.takes(arrived.kept.structure):
            arrived = _WHOLE
        nodes.append(_node_cost(node, arrived, measured))
        for parent, arrival in _handed_on(node, arrived, measured):
            known = arrivals.get(parent, arrival)
            arrivals[parent] = arrival if known == arrival else _WHOLE
    return Cost(tuple(reversed(nodes)), sum(shared.values()))


@dataclass(frozen=True)
class _Arrival:
    """The expected state of the cotangent at a node: how much of it was kept, and by which node's estimator."""

    kept: Kept
    source: int
    bound: bool = False


_WHOLE = _Arrival(Kept(), -1)


def _handed_on(node: Node, arrived: _Arrival, shares: Shares) -> list[tuple[int, _Arrival]]:
    """For each input that was computed on the tape: what of its cotangent is expected to be left.

    Kept samples stay kept samples, kept rows stay kept rows, where the VJP rule lets them; all else becomes dense.
    """
    by_edge = dict.fromkeys(range(len(node.parents)), arrived)
    for k, (estimator, served) in enumerate(node.draws()):
        share = shares.get((node.index, k))
        for edge in served:
            by_edge[edge] = _Arrival(usable(estimator, node, share), node.index, estimator.adapts and share is None)
    out = []
    for edge, arrival in by_edge.items():
        parent = node.parents[edge]
        if isinstance(parent, int):
            kept = _still_kept(node, edge, arrival.kept) if arrival.kept.structure is Rows else None
            out.append((parent, _WHOLE if kept is None else replace(arrival, kept=kept)))
    return out


def _still_kept(node: Node, edge: int, kept: Kept) -> Kept | None:
    """The part of an input that is kept where this was kept of the output; None where that is all of it.

    The VJP rule is asked, with one row (or sample) of 0. The input may have more rows than the output, as that of a
    strided 1×1 convolution has: the same rows are then a smaller share.
    """
    lead = 1 if kept.samples else len(node.shape) - 1
    before, after = node.in_shapes[edge] or (), node.shape
    if not before or len(after) < 2 or 0 in after or 0 in before:
        return None
    rows = [math.prod(shape[: 1 if kept.samples else -1]) for shape in (before, after)]
    if rows[0] < rows[1]:
        return None
    one = Rows(np.zeros((1, *after[lead:]), node.dtype), np.zeros(1, np.intp), after)
    g = node.primitive.pull(one, node.saved, edge)
    if isinstance(g, Rows) and len(g.indices) == 1 and (g.whole_samples if kept.samples else len(g.trailing) == 1):
        return replace(kept, fraction=kept.fraction * rows[1] / rows[0])
    return None


def _node_cost(node: Node, arrived: _Arrival, shares: Shares) -> NodeCost:
    edges = [edge for edge, parent in enumerate(node.parents) if parent is not None]
    flops = node.primitive.backward_flops
    exact = {edge: flops(node, edge, Kept()) for edge in edges}
    expected = {edge: flops(node, edge, arrived.kept) for edge in edges}
    bounds = dict.fromkeys(edges, arrived.bound)
    work = 0.0
    size = math.prod(node.shape) * node.dtype.itemsize
    wire: float = size
    draws = node.draws()
    if draws:
        wire = 0.0 if sum(len(served) for _, served in draws) == len(edges) else size
    for k, (estimator, served) in enumerate(draws):
        share = shares.get((node.index, k))
        kept = usable(estimator, node, share)
        for edge in served:
            expected[edge] = flops(node, edge, kept)
            bounds[edge] = estimator.adapts and share is None
        work += _overhead(estimator, node.shape, share)
        wire += wire_bytes(_kept(estimator, node, share), node.shape, node.dtype.itemsize)
    return NodeCost(
        node=node.index,
        name=node.label,
        vjp=vjp_text(node),
        save=save_text(node),
        forward=node.primitive.forward_flops(node),
        backward_exact=sum(exact.values()),
        backward=sum(expected.values()) + work,
        saved_bytes=node.nbytes,
        wire_bytes=wire,
        bound=any(bounds.values()),
    )


def _overhead(estimator: Estimator, shape: Shape, share: float | None) -> float:
    if estimator.budget == 1:
        return 0.0
    if estimator.adapts and isinstance(estimator, Dual):
        kept = estimator.kept(shape).fraction if share is None else share
        return with_budget(estimator, max(kept, 1e-12)).overhead(shape)
    return estimator.overhead(shape)


def _kept(estimator: Estimator, node: Node, share: float | None) -> Kept:
    kept = estimator.kept(node.shape)
    return kept if share is None else replace(kept, fraction=share)


def usable(estimator: Estimator, node: Node, share: float | None = None) -> Kept:
    """The structure that the VJP rules of a node can make use of; everything else is made dense first."""
    kept = _kept(estimator, node, share)
    if len(node.shape) == 2 and kept.structure is Rows:
        kept = replace(kept, samples=True)  # the rows of a matrix are its samples
    if estimator.budget == 1 or not node.primitive.takes(kept.structure):
        return Kept()
    return kept


def wire_bytes(kept: Kept, shape: Shape, itemsize: int) -> float:
    """Expected bytes of a cotangent: its values, and 8 bytes for each index."""
    rows, columns = matrix_shape(shape)
    size = rows * columns
    if kept.structure is Dense or kept.fraction >= 1:
        return float(size * itemsize)
    if kept.structure is Factors:
        return kept.fraction * min(rows, columns) * (rows + columns) * itemsize
    indices = {Columns: columns, Rows: rows, Entries: size}[kept.structure]
    return kept.fraction * (size * itemsize + indices * INDEX_BYTES)
