"""The order in which samples are seen: a pure function of the seed and the number of the step."""

from __future__ import annotations

import math

import numpy as np

from minigrad.counts import whole
from minigrad.streams import Domain, generator
from minigrad.typing import Array

__all__ = ["Batches"]


class Batches:
    """Full batches from an endless run of shuffled passes over the samples.

    Every pass is a fresh permutation; a batch may take the end of one and the beginning of the next, so all batches
    are full and every sample is seen equally often. Since step number s alone says which samples it gets, a run can be
    resumed anywhere.

    Parameters
    ----------
    samples : int
        The number of samples.
    batch_size : int
        In 1 … samples.
    seed : int

    Raises
    ------
    ValueError
        If the batch size is not in that range.
    TypeError
        If it is not a whole number.

    Examples
    --------
    >>> batches = Batches(4, 2, seed=0)
    >>> sorted([*batches[0].tolist(), *batches[1].tolist()])
    [0, 1, 2, 3]
    >>> batches.steps_per_pass
    2
    """

    def __init__(self, samples: int, batch_size: int, seed: int):
        self.batch_size = whole("batch_size", batch_size, most=samples, of="the number of training samples")
        self.samples, self.seed = samples, seed
        self._passes: dict[int, Array] = {}

    @property
    def steps_per_pass(self) -> int:
        """Batches in one pass over the samples, rounded up."""
        return math.ceil(self.samples / self.batch_size)

    def __getitem__(self, step: int) -> Array:
        """The samples of a step, as indices; steps are counted from 0."""
        if step < 0:
            raise IndexError(f"step {step} is negative; steps are counted from 0, and there is no last one")
        first, stop = step * self.batch_size, (step + 1) * self.batch_size
        passes = range(first // self.samples, (stop - 1) // self.samples + 1)
        self._passes = {number: self._permutation(number) for number in passes}
        parts = [self._passes[k][max(0, first - k * self.samples) : stop - k * self.samples] for k in passes]
        return np.concatenate(parts)  # a copy, so that nobody can change a pass that other steps read

    def _permutation(self, number: int) -> Array:
        if number in self._passes:
            return self._passes[number]
        return generator(Domain.ORDER, self.seed, number).permutation(self.samples)
