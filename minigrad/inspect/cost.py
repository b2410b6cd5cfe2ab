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
from minigrad.structure import Columns, Cotangent, Kept, Rows, Slices, Structured, share
from minigrad.typing import Array, Seed, Shape

__all__ = ["cost"]


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
    products, which shrink with the fraction kept (Theory §2). Where an estimator kept some rows or samples, the
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

    Kept samples stay kept samples, kept rows stay kept rows, and kept heads what they become where axes are moved and
    merged, where the VJP rule lets them; all else becomes dense.
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
            left = _left(node, edge, arrival.kept)
            out.append((parent, _WHOLE if left is None else replace(arrival, kept=left)))
    return out


def _left(node: Node, edge: int, kept: Kept) -> Kept | None:
    """The part of an input's cotangent that is left where this part of the output's was kept; None where it is dense.

    The VJP rule is asked, with one row, sample or slice of zeros.
    """
    after = node.shape
    if not node.in_shapes[edge] or 0 in after or len(after) < 2:
        return None
    one: Structured
    share_of_rows = 1.0
    if kept.structure is Slices and kept.axis is not None:
        values = np.zeros([1 if a - len(after) == kept.axis else n for a, n in enumerate(after)], node.dtype)
        one = Slices(values, np.zeros(1, np.intp), after, kept.axis)
    elif kept.structure is Rows:
        # The input may have more rows, as that of a strided 1×1 convolution: the same rows are then a smaller share.
        rows = [math.prod(shape[: 1 if kept.samples else -1]) for shape in (node.in_shapes[edge] or (), after)]
        if rows[0] < rows[1]:
            return None
        share_of_rows = rows[1] / rows[0]
        lead = 1 if kept.samples else len(after) - 1
        one = Rows(np.zeros((1, *after[lead:]), node.dtype), np.zeros(1, np.intp), after)
    else:
        return None
    g: Cotangent = node.primitive.pull(one, node.saved, edge)
    if kept.structure is Rows:
        if not isinstance(g, Rows) or len(g.indices) != 1:
            return None
        as_before = g.whole_samples if kept.samples else len(g.trailing) == 1
        return replace(kept, fraction=kept.fraction * share_of_rows) if as_before else None
    if not isinstance(g, (Slices, Rows, Columns)) or not math.isclose(share(g), share(one)):
        return None
    return replace(kept, structure=type(g), axis=g.axis if isinstance(g, Slices) else None)


def _node_cost(node: Node, arrived: _Arrival, shares: Shares) -> NodeCost:
    edges = [edge for edge, parent in enumerate(node.parents) if parent is not None]
    exact = {edge: _flops(node, edge, Kept()) for edge in edges}
    expected = {edge: _flops(node, edge, arrived.kept) for edge in edges}
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
            expected[edge] = _flops(node, edge, kept)
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


def _flops(node: Node, edge: int, kept: Kept) -> float:
    """Operations of one VJP; those of all rows where its rule makes such a cotangent dense first.

    Where an input has the rows (or samples) of the output, its rule hands on few rows, or has worked on all of them.
    Products, and inputs that serve all rows, sum over few rows all the same.
    """
    primitive = node.primitive
    if kept.structure is Rows and not primitive.counts_rows and primitive.takes(Rows):
        shape = node.in_shapes[edge] or ()
        if (len(node.parents) == 1 or shape[:1] == node.shape[:1]) and _left(node, edge, kept) is None:
            kept = Kept()
    return primitive.backward_flops(node, edge, kept)


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
    """Expected bytes of a cotangent, as its structure counts them."""
    if kept.fraction >= 1 and kept.bits is None:
        return float(math.prod(shape) * itemsize)
    return kept.structure.expected_bytes(kept, shape, itemsize)
