"""The subject that is looked at: one node of a tape, the cotangent that arrives there, and one gradient below it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.engine.drawing import sketch
from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node
from minigrad.engine.sweep import Sweep
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.engine.wanted import arrived
from minigrad.inspect.leaves import InspectionTarget
from minigrad.streams import Domain, generator
from minigrad.structure import Cotangent, dense
from minigrad.typing import Array

__all__ = ["Subject"]


class Subject:
    """One node of a tape, with the exact cotangent that arrives there, and the gradient of one tensor below it.

    Every other node is exact here, whatever its estimator. The node's own estimator is neither used nor changed.

    Parameters
    ----------
    tape : Tape
    loss : Tensor
        Recorded on that tape.
    node : int or Node, optional
        Default: the first node that has an estimator; else the first that reads a leaf.
    wrt : Tensor, optional
        Whose gradient is looked at: a leaf, or a tensor computed on the tape, that the node depends on. Default: of the
        leaves that the node reads itself the largest, or else of all leaves it depends on.
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.

    Attributes
    ----------
    tape : Tape
    node : Node
    tensor : Tensor
        The one whose gradient is looked at.
    cotangent : ndarray
        The exact cotangent at the node, of the shape of its output.
    gradient : ndarray
        The exact gradient of the tensor, float64.

    Raises
    ------
    TypeError
        If the node is neither an index nor a node.
    ValueError
        If the node is not on the tape, the loss does not depend on it, it does not depend on ``wrt``, or its cotangent
        has no entry, or one that is not finite; also if the tape holds residual sketches.
    TapeError
        As for `Tape.backward`.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((1, 2)), w).sum()
    >>> subject = Subject(tape, loss)
    >>> subject.node, subject.name, subject.gradient.tolist()
    (<node 0: linear (1, 2)>, 'w', [[1.0, 1.0], [1.0, 1.0]])
    >>> drawn = subject.draw(Mask(0.5), number=1, key=0)
    >>> subject.estimate(drawn).tolist()
    [[0.0, 0.0], [2.0, 2.0]]
    """

    def __init__(
        self,
        tape: Tape,
        loss: Tensor,
        node: int | Node | None = None,
        wrt: Tensor | None = None,
        *,
        cotangent: Array | None = None,
    ):
        self.tape = tape
        self.node = _default_node(tape) if node is None else _node_of(tape, node)
        leaves, nodes = _ancestors(tape, self.node)
        self.tensor = _default_tensor(self.node, leaves) if wrt is None else wrt
        wanted = InspectionTarget(tape, loss, [self.tensor], cotangent)
        if not any(self.tensor is leaf for leaf in leaves) and self.tensor.node not in nodes:
            names = ", ".join(leaf.name or f"a leaf {leaf.shape}" for leaf in leaves)
            raise ValueError(
                f"{self.node.label} (node {self.node.index}) does not depend on {self.name!r}, so its estimator does "
                f"not change that gradient. Choose wrt= among {names}, or another node="
            )
        sweep = tape.sweep(loss, cotangent, frozenset([self.node.index]))
        sweep.random = frozenset()
        sweep.advance()
        if self.node.index not in sweep.kept:
            raise ValueError(f"the loss does not depend on node {self.node.index} ({self.node.label}); choose another")
        self.cotangent: Array = np.asarray(dense(sweep.kept[self.node.index]))
        if not self.cotangent.size:
            raise ValueError(
                f"the cotangent at node {self.node.index} ({self.node.label}) has shape {self.cotangent.shape}, "
                "without any entry; there is nothing to look at"
            )
        if not np.isfinite(self.cotangent).all():
            raise ValueError(f"the cotangent at node {self.node.index} ({self.node.label}) holds NaN or infinity")
        self._nodes, self._keep = _leading_to(self.tensor, tape), wanted.keep
        self.gradient: Array = wanted.exact().reshape(self.tensor.shape)
        # What reaches the tensor by other ways than through the node.
        self._rest = self.gradient - self._through(self.cotangent)

    @property
    def name(self) -> str:
        """The name of the tensor; what it is, for one without a name."""
        if self.tensor.name:
            return self.tensor.name
        return f"leaf {self.tensor.shape}" if self.tensor.node is None else f"output of node {self.tensor.node}"

    def draw(self, estimator: Estimator, number: int, key: int) -> Cotangent:
        """One random cotangent at the node; the same ``number`` and ``key`` give the same draw.

        Raises
        ------
        ValueError
            If it has another shape than the cotangent, or an entry that is not finite.
        """
        drawn = sketch(estimator, self.cotangent, self.node, generator(Domain.EXPLORED, key, number))
        if not np.isfinite(dense(drawn)).all():
            raise ValueError(
                f"{estimator!r} at node {self.node.index} ({self.node.label}): draw {number + 1} holds NaN or "
                "infinity; does it divide by a probability of 0, or is its budget so small that numbers overflow?"
            )
        return drawn

    def estimate(self, drawn: Cotangent) -> Array:
        """The gradient of the tensor with another cotangent at the node, in float64."""
        return self._rest + self._through(drawn)

    def _through(self, g: Cotangent) -> Array:
        """The contribution of a cotangent of the node to the gradient of the tensor."""
        sweep = Sweep(self._nodes, self.node.index, self.cotangent, self._keep)
        sweep.pending[self.node.index] = g
        sweep.advance()
        return np.asarray(dense(arrived(sweep, self.tensor, self.tape)), dtype=np.float64)

    def __repr__(self) -> str:
        return f"<Subject: {self.node!r}, gradient of {self.name} {self.tensor.shape}>"


def _node_of(tape: Tape, node: int | Node) -> Node:
    if isinstance(node, Node):
        if not any(node is other for other in tape.nodes):
            raise ValueError(f"{node!r} is not a node of this tape")
        return node
    if isinstance(node, bool) or not isinstance(node, (int, np.integer)):
        raise TypeError(f"node= takes the index of a node, or the node, got {node!r}")
    if not -len(tape.nodes) <= node < len(tape.nodes):
        raise ValueError(f"node={node}: this tape has {len(tape.nodes)} nodes; see print(tape.summary())")
    return tape.nodes[node]


def _default_node(tape: Tape) -> Node:
    random = [node for node in tape.nodes if node.vjp is not None]
    reading = [node for node in tape.nodes if any(isinstance(parent, Tensor) for parent in node.parents)]
    if not reading:
        raise ValueError("this tape holds no operation on a leaf, so there is no gradient to look at")
    return (random or reading)[0]


def _ancestors(tape: Tape, node: Node) -> tuple[list[Tensor], set[int]]:
    """The leaves and the nodes that a node depends on; not the node itself."""
    leaves: dict[int, Tensor] = {}
    nodes: set[int] = set()
    todo = [node]
    while todo:
        for parent in todo.pop().parents:
            if isinstance(parent, Tensor):
                leaves[id(parent)] = parent
            elif parent is not None and parent not in nodes:
                nodes.add(parent)
                todo.append(tape.nodes[parent])
    return list(leaves.values()), nodes


def _default_tensor(node: Node, leaves: Sequence[Tensor]) -> Tensor:
    own = [parent for parent in node.parents if isinstance(parent, Tensor)]
    return max(own or leaves, key=lambda leaf: leaf.size)


def _leading_to(tensor: Tensor, tape: Tape) -> list[Node]:
    """The nodes of a tape as copies that are exact, and pass cotangents on only where they come to the tensor."""
    leading = set() if tensor.node is None else {tensor.node}
    out = []
    for node in tape.nodes:
        parents = tuple(parent if parent is tensor or parent in leading else None for parent in node.parents)
        if node.index == tensor.node:
            parents = (None,) * len(parents)  # it has arrived
        elif any(parent is not None for parent in parents):
            leading.add(node.index)
        given = (node.primitive, parents, node.in_shapes, node.saved, node.shape, node.dtype, node.layer, node.settings)
        out.append(Node(node.index, *given))
    return out
