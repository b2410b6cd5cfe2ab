"""What a backward pass costs: floating-point operations, bytes on the tape, bytes on a wire.

Counts are of multiplications and additions, two for each multiply-add, as the primitives state them. They depend on
shapes and budgets only, not on how a loss is reduced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node, save_text, vjp_text
from minigrad.engine.tape import Tape
from minigrad.report import Report, Table, si
from minigrad.structure import Columns, Dense, Entries, Factors, Kept, Rows, matrix_shape
from minigrad.typing import Shape

__all__ = ["Cost", "NodeCost", "cost"]

INDEX_BYTES = 8


@dataclass(frozen=True)
class NodeCost:
    """The cost of one node.

    Attributes
    ----------
    node : int
        Its index on the tape.
    name : str
        Its operation, with its layer.
    vjp : str
        Its estimator.
    save : str
        The sketches among its residuals; empty for none.
    forward : float
        Operations of the forward pass.
    backward_exact : float
        Operations of the VJP without an estimator.
    backward : float
        Expected operations of the VJP with the estimator, its scores and its rescaling included.
    saved_bytes : int
        What the node saved; memory that several nodes share is counted at each.
    wire_bytes : float
        Expected size of the cotangent after the estimator, values and indices.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5)).sum()
    >>> node = inspect.cost(tape).nodes[0]
    >>> node.name, node.vjp, node.backward_exact, node.backward
    ('linear', 'Mask(0.5)', 48.0, 28.0)
    """

    node: int
    name: str
    vjp: str
    save: str
    forward: float
    backward_exact: float
    backward: float
    saved_bytes: int
    wire_bytes: float


@dataclass(frozen=True, repr=False)
class Cost(Report):
    """The cost of a tape; ``print`` shows a table.

    Attributes
    ----------
    nodes : tuple of NodeCost
    saved_bytes : int
        Bytes that all nodes together saved, shared memory counted once.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5)).sum()
    >>> cost = inspect.cost(tape)
    >>> cost.backward_exact, cost.backward, cost.saved_bytes
    (56.0, 36.0, 96)
    """

    nodes: tuple[NodeCost, ...]
    saved_bytes: int

    @property
    def forward(self) -> float:
        """Operations of the forward pass."""
        return sum(node.forward for node in self.nodes)

    @property
    def backward_exact(self) -> float:
        """Operations of the exact backward pass."""
        return sum(node.backward_exact for node in self.nodes)

    @property
    def backward(self) -> float:
        """Expected operations of the backward pass with the estimators on the tape."""
        return sum(node.backward for node in self.nodes)

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [n.node, n.name, n.vjp, si(n.forward), si(n.backward_exact), si(n.backward),
             si(n.saved_bytes, "B") + n.save, si(n.wire_bytes, "B")]
            for n in self.nodes
        ]  # fmt: skip
        wire = sum(n.wire_bytes for n in self.nodes)
        rows.append(["", "total", "", si(self.forward), si(self.backward_exact), si(self.backward),
                     si(self.saved_bytes, "B"), si(wire, "B")])  # fmt: skip
        heads = ["node", "name", "VJP", "forward", "exact", "expected", "saved", "wire"]
        return Table(heads, rows, title="cost of the tape: flop forward, and flop backward, exact and expected")

    def data(self) -> dict[str, Any]:
        """The fields, and the totals."""
        totals = {name: getattr(self, name) for name in ("forward", "backward_exact", "backward")}
        return {**totals, **super().data()}


def cost(tape: Tape) -> Cost:
    """Count what the nodes of a tape cost, exactly and with their estimators.

    Parameters
    ----------
    tape : Tape
        With the estimators that are to be counted on its nodes.

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
    shared: dict[int, int] = {}
    nodes = []
    arrivals: dict[int, _Arrival] = {}
    for node in reversed(tape.nodes):
        shared.update({key: array.nbytes for key, array in node.saved_arrays().items()})
        arrived = arrivals.get(node.index, _WHOLE)
        if not node.primitive.takes(arrived.kept.structure):
            arrived = _WHOLE
        nodes.append(_node_cost(node, arrived.kept))
        for parent, arrival in _handed_on(node, arrived):
            known = arrivals.get(parent, arrival)
            arrivals[parent] = arrival if known == arrival else _WHOLE
    return Cost(tuple(reversed(nodes)), sum(shared.values()))


@dataclass(frozen=True)
class _Arrival:
    """What is expected of the cotangent at a node: how much of it was kept, and which node's estimator kept it."""

    kept: Kept
    source: int


_WHOLE = _Arrival(Kept(), -1)


def _handed_on(node: Node, arrived: _Arrival) -> list[tuple[int, _Arrival]]:
    """For each input that was computed on the tape: what of its cotangent is expected to be left.

    Kept samples stay kept samples, kept rows stay kept rows, where the VJP rule lets them; all else becomes dense.
    """
    by_edge = dict.fromkeys(range(len(node.parents)), arrived)
    for estimator, served in node.draws():
        for edge in served:
            by_edge[edge] = _Arrival(usable(estimator, node), node.index)
    out = []
    for edge, arrival in by_edge.items():
        parent = node.parents[edge]
        if isinstance(parent, int):
            same = arrival.kept.structure is Rows and _stays(node, edge, arrival.kept.samples)
            out.append((parent, arrival if same else _WHOLE))
    return out


def _stays(node: Node, edge: int, samples: bool) -> bool:
    """Whether what was kept of the output is kept of an input: the VJP rule is asked, with one row (or sample) of 0."""
    lead = 1 if samples else len(node.shape) - 1
    before, after = node.in_shapes[edge] or (), node.shape
    same = before[:1] == after[:1] if samples else math.prod(before[:-1]) == math.prod(after[:-1])
    if not same or not before or len(after) < 2 or 0 in after:
        return False
    one = Rows(np.zeros((1, *after[lead:]), node.dtype), np.zeros(1, np.intp), after)
    g = node.primitive.pull(one, node.saved, edge)
    return isinstance(g, Rows) and len(g.indices) == 1 and (g.whole_samples if samples else len(g.trailing) == 1)


def _node_cost(node: Node, arrived: Kept) -> NodeCost:
    edges = [edge for edge, parent in enumerate(node.parents) if parent is not None]
    flops = node.primitive.backward_flops
    exact = {edge: flops(node, edge, Kept()) for edge in edges}
    expected = {edge: flops(node, edge, arrived) for edge in edges}
    work = 0.0
    size = math.prod(node.shape) * node.dtype.itemsize
    wire: float = size
    draws = node.draws()
    if draws:
        wire = 0.0 if sum(len(served) for _, served in draws) == len(edges) else size
    for estimator, served in draws:
        kept = usable(estimator, node)
        for edge in served:
            expected[edge] = flops(node, edge, kept)
        work += estimator.overhead(node.shape) if estimator.budget < 1 else 0.0
        wire += wire_bytes(estimator.kept(node.shape), node.shape, node.dtype.itemsize)
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
    )


def usable(estimator: Estimator, node: Node) -> Kept:
    """What the VJP rules of a node can make use of; everything else is made dense first."""
    kept = estimator.kept(node.shape)
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
