"""Node: one recorded operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

import numpy as np

from minigrad.engine.estimator import VJP, Estimator, estimator_hint
from minigrad.engine.nesting import Place
from minigrad.engine.primitive import Primitive
from minigrad.typing import Array, Shape

__all__ = ["Around", "Node", "check_vjp", "save_text", "vjp_text"]


class Around(NamedTuple):
    """The inputs, the output and the twins of a node that was recorded within several tapes."""

    twins: dict[Any, Node]
    """The nodes of the same operation on each tape around this one that recorded it, too."""
    inputs: Sequence[Array | None]
    out: Array


class Node:
    """One operation on a tape: what it was, what it read, and what it saved for the way back.

    A node holds neither its output nor its tape; parents on the tape are known by their index. What the VJP rules need
    is in ``saved`` and nowhere else.

    Attributes
    ----------
    index : int
        The position on the tape.
    primitive : Primitive
        The operation, with its VJP rules.
    parents : tuple
        For each input: the index of the node that made it, the leaf Tensor itself, or None for a constant.
    in_shapes : tuple
        The shape of each input; None for an optional input that was left out.
    saved : dict
        What the VJP rules read, by name.
    shape : tuple of int
        The shape of the output.
    dtype : dtype
        The dtype of the output.
    layer : str
        The path of the layer that called the operation; empty outside of any.
    settings : dict
        The other arguments of the forward pass, by name.
    around : Around or None
        Where a tape around this one was recording: what it needs for derivatives of derivatives.
    save : dict of str to Estimator
        For each entry of ``saved`` that is a random sketch of an input, what drew it.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with mg.Tape() as tape:
    ...     y = x.exp()
    >>> tape.nodes[0], tape.nodes[0].nbytes
    (<node 0: exp (2,)>, 16)
    """

    __slots__ = (
        "_norms", "_out", "_vjp", "around", "dtype", "in_shapes", "index", "layer", "parents", "primitive", "save",
        "saved", "settings", "shape",
    )  # fmt: skip
    not_fingerprinted = ("_out",)  # it follows from the rest, where it is still there

    def __init__(
        self,
        index: int,
        primitive: Primitive,
        parents: tuple[Place, ...],
        in_shapes: tuple[Shape | None, ...],
        saved: dict[str, Any],
        shape: Shape,
        dtype: np.dtype[Any],
        layer: str,
        settings: dict[str, Any],
    ):
        self.index = index
        self.primitive = primitive
        self.parents = parents
        self.in_shapes = in_shapes
        self.saved = saved
        self.shape = shape
        self.dtype = dtype
        self.layer = layer
        self.settings = settings
        self.around: Around | None = None
        self._out: ReferenceType[Array] | None = None
        self._vjp: VJP = None
        self._norms: dict[int, Array | None] | None = None
        self.save: dict[str, Estimator] = {}

    @property
    def name(self) -> str:
        """The name of the operation."""
        return self.primitive.name

    @property
    def label(self) -> str:
        """The operation with its layer, for messages and tables, such as ``body.0/linear``."""
        return f"{self.layer}/{self.name}" if self.layer else self.name

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays in ``saved``, each counted once."""
        return sum(array.nbytes for array in self.saved_arrays().values())

    def saved_arrays(self) -> dict[int, Array]:
        """The arrays in ``saved``, each once, by identity; a memory shared by several nodes is found this way."""
        found: dict[int, Array] = {}
        todo = list(self.saved.values())
        while todo:
            value = todo.pop()
            if isinstance(value, np.ndarray):
                found[id(value)] = value
            elif isinstance(value, (list, tuple)):
                todo.extend(value)
            elif hasattr(value, "parts"):
                todo.extend(value.parts)
        return found

    @property
    def value(self) -> Array | None:
        """The output, as long as something else holds it: a tensor that is in use, or what a later node saved."""
        return None if self._out is None else self._out()

    def made(self, out: Array) -> None:
        """Take note of the output, without keeping it."""
        self._out = ref(out)

    def norms(self, side: int) -> Array | None:
        """The squared norms of an operand as ``primitive.operands`` has them, computed once for all draws.

        Parameters
        ----------
        side : {0, 1}
            0 is the input's rows, 1 the weight's columns.
        """
        if self._norms is None:
            self._norms = {}
        if side not in self._norms:
            operands = self.primitive.operands
            self._norms[side] = None if operands is None else operands(self, side)
        return self._norms[side]

    @property
    def vjp(self) -> VJP:
        """The estimator that replaces the incoming cotangent before the VJP rules see it; None is exact.

        Raises
        ------
        TypeError
            On assignment of anything but an estimator, a mapping from inputs to estimators, or None.
        ValueError
            If a mapping names an input that the operation does not have, or an estimator keeps units that an output of
            this shape has not.
        """
        return self._vjp

    @vjp.setter
    def vjp(self, value: VJP) -> None:
        self._vjp = _chosen(self.primitive, value, len(self.parents), self)

    def draws(self) -> list[tuple[Estimator, tuple[int, ...]]]:
        """The estimators of this node, each with the inputs (by position) that one draw of it serves."""
        if self._vjp is None:
            return []
        wanted = [k for k, parent in enumerate(self.parents) if parent is not None]
        if isinstance(self._vjp, Mapping):
            names = {self.primitive.edge_name(k): k for k in wanted}
            return [(self._vjp[name], (k,)) for name, k in names.items() if name in self._vjp]
        return [(self._vjp, tuple(wanted))]

    def __repr__(self) -> str:
        return f"<node {self.index}: {self.label} {self.shape}>"


def save_text(node: Node) -> str:
    """The sketches of the residuals as text, for tables; empty where there are none."""
    return "".join(f", {name}: {estimator!r}" for name, estimator in node.save.items())


def vjp_text(node: Node) -> str:
    """The choice of VJP, for tables."""
    if node.vjp is None:
        return "exact"
    if isinstance(node.vjp, dict):
        return ", ".join(f"{edge}: {estimator!r}" for edge, estimator in node.vjp.items()) or "exact"
    return repr(node.vjp)


def check_vjp(of: Primitive, vjp: Any, edges: int) -> None:
    """Raise if ``vjp`` is not something that a node of this primitive can take."""
    _chosen(of, vjp, edges, None)


def _chosen(of: Primitive, value: Any, edges: int, node: Node | None) -> VJP:
    """The choice of VJP for a primitive, checked; for a node, whether it can take its cotangent as well."""
    if isinstance(value, Mapping):
        known = [of.edge_name(k) for k in range(edges)]
        for edge in value:
            if edge not in known:
                raise ValueError(f"{of.name}: vjp= names the input {edge!r}, but its inputs are {', '.join(known)}")
        value = {edge: estimator for edge, estimator in value.items() if estimator is not None}
    elif value is None:
        return None
    for estimator in value.values() if isinstance(value, dict) else [value]:
        if not isinstance(estimator, Estimator):
            raise TypeError(
                f"{of.name}: vjp= takes an estimator, a dict from inputs to estimators, or None, got {estimator!r}; "
                f"{estimator_hint(estimator, 'vjp')}"
            )
        why = "" if node is None else estimator.unfit(node.shape)
        if node is not None and why:
            raise ValueError(f"{node.label}: {estimator!r}: {why}")
    choice: VJP = value
    return choice
