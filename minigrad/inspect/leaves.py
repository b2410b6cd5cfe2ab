"""Which tensors an inspection looks at, what they are called, and their gradients as one vector."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from minigrad.cotangents import dense
from minigrad.sweep import Sweep, draw
from minigrad.tape import Tape
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["Wanted", "drawn"]


class Wanted:
    """The tensors whose gradients are inspected.

    Parameters
    ----------
    tape : Tape
    loss : Tensor
        Recorded on that tape.
    wrt : sequence of Tensor, optional
        Default: every leaf that the tape read.
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.

    Attributes
    ----------
    names : list of str
        The names of the tensors, made unique.
    slices : list of slice
        Where each stands in the vector of the whole gradient.
    """

    def __init__(self, tape: Tape, loss: Tensor, wrt: Sequence[Tensor] | None = None, cotangent: Array | None = None):
        self.tape, self.loss, self.cotangent = tape, loss, cotangent
        self.tensors = list(tape.leaves if wrt is None else wrt)
        if not self.tensors:
            raise ValueError("there is nothing to inspect: wrt= is empty, or the tape read no leaf")
        self.keep = tape.check_wrt(self.tensors)
        self.names: list[str] = []
        for k, tensor in enumerate(self.tensors):
            name = tensor.name or f"wrt[{k}]"
            self.names.append(name if name not in self.names else f"{name}#{k}")
        ends = np.cumsum([0, *(tensor.size for tensor in self.tensors)]).tolist()
        self.slices = [slice(a, b) for a, b in itertools.pairwise(ends)]

    def sweep(self, random: Sequence[int] | None = None) -> Sweep:
        """A sweep that is ready to go from the loss; ``random`` as in `Sweep`."""
        sweep = self.tape.sweep(self.loss, self.cotangent, self.keep)
        sweep.random = None if random is None else frozenset(random)
        return sweep

    def vector(self, sweep: Sweep) -> Array:
        """What has arrived in a finished sweep, all tensors in one float64 vector."""
        parts = [np.ravel(dense(self.tape.arrived(sweep, tensor))) for tensor in self.tensors]
        return np.concatenate(parts, dtype=np.float64)

    def exact(self) -> Array:
        """The exact gradient, as one vector."""
        sweep = self.sweep(random=())
        sweep.advance()
        return self.vector(sweep)

    def split(self, vector: Array) -> list[Array]:
        """A vector as one array for each tensor, in its shape."""
        return [vector[part].reshape(t.shape) for part, t in zip(self.slices, self.tensors, strict=True)]

    def by_parameter(self, vector: Array) -> dict[str, float]:
        """The sum of a vector's entries for each tensor, by name."""
        return {name: float(vector[part].sum()) for name, part in zip(self.names, self.slices, strict=True)}


def drawn(wanted: Wanted, key: int) -> Array:
    """One draw of the gradient, as a vector."""
    sweep = wanted.sweep()
    while (stop := sweep.advance()) is not None:
        sweep.apply(stop[0], draw(*stop, key))
    return wanted.vector(sweep)
