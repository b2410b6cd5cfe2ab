"""Tape: record operations, and sweep back over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NoReturn, overload
from weakref import WeakValueDictionary

import numpy as np

from minigrad.engine.again import gradients_recorded
from minigrad.engine.complete import alone, others_record
from minigrad.engine.context import CONTEXT, TapeError
from minigrad.engine.nesting import enter, leave
from minigrad.engine.node import Node
from minigrad.engine.pushforward import pushforward
from minigrad.engine.sweep import Sweep, start_cotangent, starting
from minigrad.engine.tape_views import Views
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.engine.wanted import arrived, check_wrt
from minigrad.streams import Domain, as_generator, key_of, level_key
from minigrad.structure import Cotangent, Structured, dense
from minigrad.typing import Array, Seed

__all__ = ["Tape"]


class Tape(Views):
    """A list of nodes in the order in which they were computed.

    Inside ``with Tape() as tape:`` every operation that depends on a tensor with ``requires_grad=True`` is
    recorded. Afterwards the tape can be pulled back as often as one likes, each time with fresh draws, or with
    other estimators on its nodes.

    Tapes may be nested: an operation is recorded on every tape on which one of its inputs stands. A gradient that is
    taken from one tape while another records is recorded there, and comes as tensors: derivatives of derivatives. What
    was computed around a block before it began is, within the block, one more leaf. Nothing is a constant without a
    word: what a tape cannot see raises a `TapeError`. Write ``.detach()`` where a constant is meant. A tape records
    what the thread that entered it computes.

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
    """

    def __init__(self, rng: Seed = None):
        self.nodes: list[Node] = []
        self._seed = rng
        self._rng: np.random.Generator | None = None
        self._key: int | None = None
        # Leaves by identity, with the version and the array that were recorded.
        self._leaves: dict[int, tuple[Tensor, int, Array]] = {}
        # By id, leaves on which a gradient hangs that this tape has not recorded (`minigrad.engine.nesting`).
        self.lent: WeakValueDictionary[int, Tensor] | None = None
        self.drawn: dict[int, list[Any]] = {}  # see `minigrad.engine.residuals`
        self.within = 0  # how many tapes have recorded within this one, each within the next
        self.shares: dict[tuple[int, int], float] = {}  # of the last backward pass, see `Sweep`
        self.pulled = False  # whether a gradient was taken since the block began that is still recording
        self.derived = False  # whether a derivative of another tape was taken while this one recorded

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
        why = "tapes are not saved or copied: they hold the forward pass of one moment. Save the leaves (a model's "
        raise TypeError(why + "state_dict, or their .data), and record again")

    def read(self, parents: Sequence[Any]) -> None:
        """Take note of the leaves among what a node read."""
        for leaf in parents:
            if isinstance(leaf, Tensor) and id(leaf) not in self._leaves:
                self._leaves[id(leaf)] = (leaf, leaf.version, leaf.data)

    def backward(self, loss: Tensor, cotangent: TensorLike | None = None, rng: Seed = None) -> None:
        """Add the gradient of ``loss`` to ``.grad`` of every leaf on this tape.

        Calling it twice adds twice: set ``.grad = None`` (or call ``optimizer.zero_grad()``) in between. Leaves
        that ``loss`` does not depend on get zeros.

        Parameters
        ----------
        loss : Tensor
            Recorded on this tape.
        cotangent, rng
            As for `gradients`.

        Raises
        ------
        TapeError
            If ``loss`` is not a scalar and no cotangent is given; if it was not recorded, or on another tape; if a leaf
            was changed by an optimiser, or its ``data`` replaced, since it was recorded; or if another tape is
            recording that has read a leaf of this one: ``.grad`` holds arrays, without a derivative of their own.
        TypeError
            If ``loss`` is not a Tensor, or the cotangent is masked, complex, or a tensor that is differentiated itself.
        ValueError
            If the cotangent does not have the shape of ``loss``.
        """
        sweep = self.sweep(loss, cotangent)
        self.run(sweep, rng)
        for leaf in self.leaves:
            if leaf.tape is not None or leaf.stands is not None:
                continue  # computed around this tape
            g = sweep.gradient(leaf)
            if g is None:
                g = np.zeros_like(leaf.data) if leaf.grad is None else None
            if g is not None:
                gradient = g.dense() if isinstance(g, Structured) else g
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
            One for each tensor of ``wrt``, of its shape and dtype; zeros where ``y`` does not depend on it. While
            another tape records, gradients that depend on what it recorded are tensors, recorded there.

        Raises
        ------
        TapeError
            As for `backward`; also if a tensor of ``wrt`` requires no gradient or belongs to another tape.
        """
        keep = check_wrt(self, wrt)
        if others_record(self):
            return gradients_recorded(self, y, wrt, cotangent, rng, keep)
        sweep = self.sweep(y, cotangent, keep)
        self.run(sweep, rng)
        found = [arrived(sweep, tensor, self) for tensor in wrt]
        return tuple(found) if structured else tuple([np.asarray(dense(g)) for g in found])

    def pushforward(self, seeds: Sequence[tuple[Tensor, TensorLike]]) -> list[Array]:
        """Carry tangents of leaves forwards through the recorded operations (forward mode, a JVP).

        Parameters
        ----------
        seeds : sequence of (Tensor, array_like)
            Leaves, each with a tangent of its shape; those of all others are zero.

        Returns
        -------
        list of ndarray
            The tangent of each node: ``tangents[y.node]`` is the derivative of y in this direction, which estimators
            (``vjp=``) have no part in. While another tape records, those that it has a part in are tensors.

        Raises
        ------
        TapeError
            If a leaf was changed since it was recorded, or a node saved a sketch (``save=``).
        TypeError
            If a primitive on the way does not say what its tangents are; if a seed is no pair of a tensor and numbers.
        ValueError
            If a tangent does not have the shape of its leaf.

        Examples
        --------
        >>> import numpy as np, minigrad as mg
        >>> w = mg.Tensor(np.array([1.0, 2.0]), requires_grad=True)
        >>> with mg.Tape() as tape:
        ...     loss = (w * w).sum()
        >>> tape.pushforward([(w, np.array([1.0, 0.0]))])[loss.node].item()
        2.0
        """
        self.check_leaves("pushforward")
        return pushforward(self, seeds)

    def sweep(self, y: Tensor, cotangent: TensorLike | None = None, keep: frozenset[int] = frozenset()) -> Sweep:
        """A backward sweep that is ready to go from ``y``; inspection drives it node by node."""
        name, start = starting(self, y)
        if CONTEXT.tapes:
            alone(self)
        return Sweep(self.nodes, start, start_cotangent(y, cotangent, name), keep)

    def check_leaves(self, name: str) -> None:
        """Raise if a leaf was changed since it was recorded."""
        for leaf, version, data in self._leaves.values():
            if leaf.version != version or leaf.data is not data:
                how = "was changed in place (by an optimiser or load_state_dict)"
                if leaf.version == version:
                    how = "had its .data replaced by another array"
                raise TapeError(
                    f"{name}: the leaf {leaf.name or 'of shape ' + str(leaf.shape)} {how} after this tape recorded "
                    "it, so what was saved no longer holds. Record a new tape"
                )

    def run(self, sweep: Sweep, rng: Seed) -> None:
        """Carry a sweep through to the end; a generator moves on even where nothing is drawn."""
        key = None if rng is None else level_key(rng, self.within)
        self.shares = sweep.shares
        while (stop := sweep.advance()) is not None:
            node, g = stop
            key = key_of(None) if key is None else key  # entropy costs time: only where something is drawn
            sweep.apply(node, sweep.draw(node, g, key))
