"""Tape: record operations, and sweep back over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NoReturn, overload
from weakref import WeakValueDictionary

import numpy as np

from minigrad.engine.context import CONTEXT, TapeError
from minigrad.engine.nesting import enter, foreign, leave, pull_inside, was_lent
from minigrad.engine.node import Node
from minigrad.engine.sweep import Sweep, draw, start_cotangent
from minigrad.engine.tape_text import summary, to_dot
from minigrad.engine.tensor import Tensor, TensorLike, not_recorded
from minigrad.report import Table
from minigrad.streams import Domain, as_generator, key_of
from minigrad.structure import Cotangent, Structured, dense
from minigrad.typing import Array, Seed

__all__ = ["Tape"]


class Tape:
    """A list of nodes in the order in which they were computed.

    Inside ``with Tape() as tape:`` every operation that depends on a tensor with ``requires_grad=True`` is
    recorded. Afterwards the tape can be pulled back as often as one likes, each time with fresh draws, or with
    other estimators on its nodes.

    Tapes may be nested; an operation is recorded on the innermost one. Derivatives of derivatives are not supported,
    and nothing is a constant without a word: an inner block refuses leaves that were made before it began, and what an
    outer tape recorded, with a `TapeError`; and so does a block what it has read before a gradient was taken within
    it. Write ``.detach()`` where a constant is meant, or leave the outer block first. A tape records what the thread
    that entered it computes.

    What the VJP rules need is kept by reference, not copied (indices and targets are). Do not change arrays in
    place between recording and the backward pass. An optimiser's step, `load_state_dict` and another array put in the
    place of ``leaf.data`` are noticed and raise a `TapeError`; ``leaf.data *= 5`` on the same array, or a change in an
    input array of your own, is not, and gives wrong gradients.

    A tape can be neither pickled nor copied: save the leaves, and record again.

    Parameters
    ----------
    rng : Generator, int or None
        Drives the draws of the forward pass: those of dropout, and the residual sketches of ``save=``.

    Attributes
    ----------
    nodes : list of Node
        The recorded operations.
    rng : numpy.random.Generator
        The generator of the forward pass.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> w = mg.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> with mg.Tape() as tape:
    ...     loss = (w * w).sum()
    >>> [g.tolist() for g in tape.gradients(loss, [w])]
    [[2.0, 4.0]]
    >>> print(tape.summary())
    tape: 2 nodes, 16 B saved
    node  operation  layer  inputs      output  dtype    saved  VJP
       0  multiply          leaf, leaf  (2,)    float64  16 B   exact
       1  sum               #0          ()      float64  0 B    exact
    """

    def __init__(self, rng: Seed = None):
        self.nodes: list[Node] = []
        self._seed = rng
        self._rng: np.random.Generator | None = None
        self._key: int | None = None
        # Leaves by identity, with the version and the array that were recorded.
        self._leaves: dict[int, tuple[Tensor, int, Array]] = {}
        # Of each entry, from the outside in: leaves older than this tick are refused (`minigrad.engine.nesting`).
        self.since: list[int] = []
        self.lent: WeakValueDictionary[int, Tensor] | None = None  # by id, leaves that blocks within this one have read
        self.pulled = False  # whether a gradient was taken since the block began that is still recording

    @property
    def rng(self) -> np.random.Generator:
        """The generator of the forward pass."""
        if self._rng is None:
            self._rng = as_generator(Domain.FORWARD, self._seed)
        return self._rng

    @property
    def key(self) -> int:
        """The key of the draws of residual sketches (``save=``), together with the node."""
        if self._key is None:
            self._key = key_of(self._seed)
        return self._key

    @property
    def leaves(self) -> list[Tensor]:
        """The leaves that recorded operations read, in the order of their first use."""
        return [entry[0] for entry in self._leaves.values()]

    def __enter__(self) -> Tape:
        enter(self)
        return self

    def __exit__(self, *exception: object) -> None:
        leave(self)

    def __getstate__(self) -> NoReturn:
        raise TypeError(
            "tapes are not saved or copied: they hold the forward pass of one moment. Save the leaves (a model's "
            "state_dict, or their .data), and record again"
        )

    def record(self, node: Node, leaves: Sequence[Tensor]) -> None:
        """Append a node; ``leaves`` are those among its inputs."""
        self.nodes.append(node)
        for leaf in leaves:
            if id(leaf) not in self._leaves:
                self._leaves[id(leaf)] = (leaf, leaf.version, leaf.data)

    def backward(self, loss: Tensor, cotangent: TensorLike | None = None, rng: Seed = None) -> None:
        """Add the gradient of ``loss`` to ``.grad`` of every leaf on this tape.

        Calling it twice adds twice: set ``.grad = None`` (or call ``optimizer.zero_grad()``) in between. Leaves
        that ``loss`` does not depend on get zeros.

        Parameters
        ----------
        loss : Tensor
            Recorded on this tape.
        cotangent : array_like, optional
            Of the shape of ``loss``; needed unless ``loss`` is a scalar, where it is 1.
        rng : Generator, int or None
            Drives the draws of nodes that have an estimator; the same seed gives the same bits.

        Raises
        ------
        TapeError
            If ``loss`` is not a scalar and no cotangent is given; if it was not recorded, or on another tape; if a leaf
            was changed by an optimiser, or its ``data`` replaced, since it was recorded; or if another block is
            recording that has read a leaf of this tape.
        TypeError
            If ``loss`` is not a Tensor, or the cotangent is masked, complex, or a tensor that is differentiated itself.
        ValueError
            If the cotangent does not have the shape of ``loss``.
        """
        sweep = self.sweep(loss, cotangent)
        self.run(sweep, rng)
        for leaf in self.leaves:
            arrived = sweep.gradient(leaf)
            if arrived is None:
                arrived = np.zeros_like(leaf.data) if leaf.grad is None else None
            if arrived is not None:
                gradient = arrived.dense() if isinstance(arrived, Structured) else arrived
                leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient

    @overload
    def gradients(self, y: Tensor, wrt: Sequence[Tensor], cotangent: TensorLike | None = None, rng: Seed = None,
                  structured: Literal[False] = False) -> tuple[Array, ...]: ...  # fmt: skip
    @overload
    def gradients(self, y: Tensor, wrt: Sequence[Tensor], cotangent: TensorLike | None = None, rng: Seed = None, *,
                  structured: bool) -> tuple[Cotangent, ...]: ...  # fmt: skip
    def gradients(
        self,
        y: Tensor,
        wrt: Sequence[Tensor],
        cotangent: TensorLike | None = None,
        rng: Seed = None,
        structured: bool = False,
    ) -> tuple[Cotangent, ...]:
        """Return the gradients of ``y`` with respect to some tensors; ``.grad`` is left alone.

        Parameters
        ----------
        y : Tensor
            Recorded on this tape.
        wrt : sequence of Tensor
            Leaves, or tensors computed on this tape.
        cotangent : array_like, optional
            Of the shape of ``y``; needed unless ``y`` is a scalar, where it is 1.
        rng : Generator, int or None
            Drives the draws of nodes that have an estimator; the same seed gives the same bits.
        structured : bool, default False
            Leave gradients that are known to be sparse as they arrive (``Rows``); default: arrays.

        Returns
        -------
        tuple of ndarray, or of structured cotangents where ``structured`` is true
            One for each tensor of ``wrt``, of its shape and dtype; zeros where ``y`` does not depend on it.

        Raises
        ------
        TapeError
            As for `backward`; also if a tensor of ``wrt`` requires no gradient or belongs to another tape.
        """
        keep = self.check_wrt(wrt)
        sweep = self.sweep(y, cotangent, keep)
        self.run(sweep, rng)
        found = [self.arrived(sweep, tensor) for tensor in wrt]
        return tuple(found) if structured else tuple([np.asarray(dense(g)) for g in found])

    def sweep(self, y: Tensor, cotangent: TensorLike | None = None, keep: frozenset[int] = frozenset()) -> Sweep:
        """A backward sweep that is ready to go from ``y``; inspection drives it node by node."""
        if not isinstance(y, Tensor):
            raise TypeError(
                f"backward: the first argument is the Tensor to start from, recorded on this tape, but it is a "
                f"{type(y).__name__}"
            )
        name = "backward" if y.name is None else f"backward from {y.name!r}"
        if y.tape is not self or y.node is None:
            if y.tape is not None:
                raise TapeError(f"{name}: this tensor was recorded on another tape; call that tape, or y.backward()")
            raise TapeError(f"{name}: {not_recorded(y)}")
        for leaf, version, data in self._leaves.values():
            if leaf.version != version or leaf.data is not data:
                how = "was changed in place (by an optimiser or load_state_dict)"
                if leaf.version == version:
                    how = "had its .data replaced by another array"
                raise TapeError(
                    f"{name}: the leaf {leaf.name or 'of shape ' + str(leaf.shape)} {how} after this tape recorded "
                    "it, so what was saved no longer holds. Record a new tape"
                )
        if CONTEXT.tapes:
            pull_inside(self)
        return Sweep(self.nodes, y.node, start_cotangent(y, cotangent, name), keep)

    def run(self, sweep: Sweep, rng: Seed) -> None:
        """Carry a sweep through to the end; a generator moves on even where nothing is drawn."""
        key = None if rng is None else key_of(rng)
        while (stop := sweep.advance()) is not None:
            node, g = stop
            key = key_of(None) if key is None else key  # entropy costs time: only where something is drawn
            sweep.apply(node, draw(node, g, key))

    def arrived(self, sweep: Sweep, tensor: Tensor) -> Cotangent:
        """The gradient that a finished sweep holds for a leaf or a recorded tensor; zeros where none came."""
        if tensor.node is None:
            g = sweep.gradient(tensor)
        else:
            kept = sweep.kept.get(tensor.node)
            g = np.array(kept) if isinstance(kept, (np.ndarray, np.generic)) else kept
            if g is not None and g.dtype != tensor.data.dtype:  # float32 sums for a float16 tensor
                g = g.astype(tensor.data.dtype)
        return np.zeros_like(tensor.data) if g is None else g

    def check_wrt(self, wrt: Sequence[Tensor]) -> frozenset[int]:
        """The nodes among ``wrt``; raise for tensors that have no gradient here."""
        if not isinstance(wrt, (list, tuple)):
            raise TypeError("gradients: wrt= takes a list of tensors, as in tape.gradients(loss, [w])")
        for k, tensor in enumerate(wrt):
            if not hasattr(tensor, "requires_grad"):
                raise TypeError(f"gradients: wrt[{k}] is a {type(tensor).__name__}, not a Tensor")
            which = f"wrt[{k}]" + (f" ({tensor.name})" if tensor.name else "")
            if tensor.tape is not None and tensor.tape is not self:
                raise TapeError(f"gradients: {which} was recorded on another tape")
            if was_lent(tensor, self):
                raise foreign(f"gradients: {which}", tensor, self)
            if not tensor.requires_grad:
                raise TapeError(
                    f"gradients: {which} of shape {tensor.shape} requires no gradient; make it with requires_grad=True"
                )
        return frozenset(tensor.node for tensor in wrt if tensor.node is not None)

    def summary(self) -> Table:
        """A table of the nodes: what each computed, from what, and what it saved.

        Returns
        -------
        Table
            ``print`` shows it; ``to_dict()`` is JSON-ready.
        """
        return summary(self.nodes)

    def to_dot(self) -> str:
        r"""The tape as a graph in the DOT language, for Graphviz.

        Examples
        --------
        >>> import minigrad as mg
        >>> w = mg.Tensor([1.0], requires_grad=True, name="w")
        >>> with mg.Tape() as tape:
        ...     y = w.exp()
        >>> print(tape.to_dot())
        digraph tape {
          rankdir=LR; node [shape=box, fontname="sans-serif"];
          l0 [label="w\n(1,)", shape=ellipse];
          n0 [label="0: exp\n(1,)"];
          l0 -> n0;
        }
        """
        return to_dot(self.nodes, self.leaves)

    def __repr__(self) -> str:
        return f"<Tape of {len(self.nodes)} node{'' if len(self.nodes) == 1 else 's'}>"
