"""The tensors that an inspection looks at, what they are called, and their gradients as one vector."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from minigrad.engine.drawing import draw
from minigrad.engine.node import save_text
from minigrad.engine.sweep import Sweep
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.engine.wanted import arrived, check_wrt
from minigrad.structure import Cotangent, dense
from minigrad.typing import Array

__all__ = ["InspectionTarget", "as_vector", "drawn", "pulled"]


class InspectionTarget:
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
    fixed : bool, default False
        Take a tape with residual sketches as it is.

    Raises
    ------
    ValueError
        If there is nothing to inspect, or the tape holds residual sketches: they were drawn once, in the forward pass,
        so it has no exact gradient, and draws of its backward pass do not show their noise.

    Attributes
    ----------
    names : list of str
        The names of the tensors, made unique.
    slices : list of slice
        Where each stands in the vector of the whole gradient.
    least : float
        The smallest share that a residual sketch keeps, of those that were seen; 1 without any.
    """

    least = 1.0

    def __init__(
        self,
        tape: Tape,
        loss: Tensor,
        wrt: Sequence[Tensor] | None = None,
        cotangent: Array | None = None,
        fixed: bool = False,
    ):
        self.tape, self.loss, self.cotangent = tape, loss, cotangent
        sketched = [node for node in tape.nodes if node.save]
        if sketched and not fixed:
            raise ValueError(
                f"this tape holds residual sketches ({sketched[0].label}{save_text(sketched[0])}), drawn once when it "
                "was recorded: its own gradient is not the exact one, and what the sketches add cannot be seen on it. "
                "Pass record=, a function `record(rng) -> (tape, loss)` that records afresh, to inspect.variance or "
                "inspect.unbiasedness; or record inside `with minigrad.saving(False):` to inspect the VJPs alone"
            )
        self.tensors = list(tape.leaves if wrt is None else wrt)
        if not self.tensors:
            raise ValueError("there is nothing to inspect: wrt= is empty, or the tape read no leaf")
        self.keep = check_wrt(tape, self.tensors)
        self.names: list[str] = []
        for k, tensor in enumerate(self.tensors):
            name = tensor.name or f"wrt[{k}]"
            self.names.append(name if name not in self.names else f"{name}#{k}")
        ends = np.cumsum([0, *(tensor.size for tensor in self.tensors)]).tolist()
        self.slices = [slice(a, b) for a, b in itertools.pairwise(ends)]

    def fresh(self, key: int) -> InspectionTarget:
        """The target that one draw is made on: this tape, unless each draw is recorded afresh (``record=``)."""
        return self

    def sweep(self, random: Sequence[int] | None = None) -> Sweep:
        """A sweep that is ready to go from the loss; ``random`` as in `Sweep`."""
        sweep = self.tape.sweep(self.loss, self.cotangent, self.keep)
        sweep.random = None if random is None else frozenset(random)
        return sweep

    def gradient(self, sweep: Sweep) -> list[Cotangent]:
        """The gradients of a finished sweep, as they arrived: one array or structured cotangent for each tensor."""
        return [arrived(sweep, tensor, self.tape) for tensor in self.tensors]

    def vector(self, sweep: Sweep) -> Array:
        """The same as one float64 vector."""
        return as_vector(self.gradient(sweep))

    def exact_gradient(self) -> list[Array]:
        """The exact gradient, one array for each tensor."""
        sweep = self.sweep(random=())
        sweep.advance()
        return [np.asarray(dense(g)) for g in self.gradient(sweep)]

    def exact(self) -> Array:
        """The exact gradient, as one vector."""
        return as_vector(self.exact_gradient())

    def rounding(self, exact: Sequence[Array]) -> list[Array]:
        """The distance of exact sweeps from rescaled cotangents to the exact gradient, by entry: their rounding.

        It is not small beside an entry that is 0 on paper, such as the gradient of what a softmax does not see.
        """
        largest = [np.zeros_like(g) for g in exact]
        for factor in (1.1, 1.3, 1.7):
            sweep = self.sweep(random=())
            start = sweep.pending[sweep.position]
            assert start is not None
            scaled = np.multiply(dense(start), factor, dtype=start.dtype)
            sweep.pending[sweep.position] = np.asarray(scaled)
            sweep.advance()
            for most, g, of in zip(largest, exact, self.gradient(sweep), strict=True):
                np.maximum(most, np.abs(dense(of) / g.dtype.type(factor) - g), out=most)
        return largest

    def split(self, vector: Array) -> list[Array]:
        """A vector as one array for each tensor, in its shape."""
        return [vector[part].reshape(t.shape) for part, t in zip(self.slices, self.tensors, strict=True)]

    def by_parameter(self, vector: Array) -> dict[str, float]:
        """The sum of a vector's entries for each tensor, by name."""
        return {name: float(vector[part].sum()) for name, part in zip(self.names, self.slices, strict=True)}


def as_vector(gradient: Sequence[Cotangent]) -> Array:
    """All tensors of a gradient in one float64 vector."""
    return np.concatenate([np.ravel(dense(g)) for g in gradient], dtype=np.float64)


def pulled(target: InspectionTarget, key: int) -> list[Cotangent]:
    """One draw of the gradient, as it arrives: one array or structured cotangent for each tensor."""
    target = target.fresh(key)
    sweep = target.sweep()
    while (stop := sweep.advance()) is not None:
        sweep.apply(stop[0], draw(*stop, key))
    return target.gradient(sweep)


def drawn(target: InspectionTarget, key: int) -> Array:
    """One draw of the gradient, as a vector."""
    return as_vector(pulled(target, key))
