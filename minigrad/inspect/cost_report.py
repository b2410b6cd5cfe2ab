"""The report of `minigrad.inspect.cost`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from minigrad.report import Report, Table, si

__all__ = ["Cost", "NodeCost"]


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
    bound : bool
        True where ``backward`` and ``wire_bytes`` are upper bounds, for an estimator with a distortion, here or above,
        keeps what the cotangent asks for, and nothing was measured.

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
    bound: bool = False


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

    @property
    def bound(self) -> bool:
        """True if ``backward`` is an upper bound; with a loss, `cost` measures what is kept."""
        return any(node.bound for node in self.nodes)

    def table(self) -> Table:
        """The report as a table; ≤ is in front of upper bounds."""
        rows = [
            [n.node, n.name, n.vjp, si(n.forward), si(n.backward_exact), _most(n.bound) + si(n.backward),
             si(n.saved_bytes, "B") + n.save, _most(n.bound) + si(n.wire_bytes, "B")]
            for n in self.nodes
        ]  # fmt: skip
        wire, most = sum(n.wire_bytes for n in self.nodes), _most(self.bound)
        rows.append(["", "total", "", si(self.forward), si(self.backward_exact), most + si(self.backward),
                     si(self.saved_bytes, "B"), most + si(wire, "B")])  # fmt: skip
        heads = ["node", "name", "VJP", "forward", "exact", "expected", "saved", "wire"]
        return Table(heads, rows, title="cost of the tape: flop forward, and flop backward, exact and expected")

    def data(self) -> dict[str, Any]:
        """The fields, and the totals."""
        totals = {name: getattr(self, name) for name in ("forward", "backward_exact", "backward", "bound")}
        return {**totals, **super().data()}


def _most(bound: bool) -> str:
    return "≤ " if bound else ""
