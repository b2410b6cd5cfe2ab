"""Samplers: which samples a step of training sees, and how much each of them counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from minigrad.streams import Domain, generator
from minigrad.training.batches import Batches
from minigrad.typing import Array

__all__ = ["Sampler"]


class Sampler:
    """Choose the samples of each step before the forward pass: here all alike, in the order of `Batches`.

    To choose in another way, subclass it and write `draw`. Where probabilities are unequal, the mean of the data is
    kept by weights: a sample that is expected c times in a batch of n, out of N, counts n/(N·c) (Horvitz and Thompson
    1952, *J. Amer. Statist. Assoc.* 47). The loss takes them as ``weights=``, and so they are in the cotangent at the
    logits and in all that estimators make of it.

    Attributes
    ----------
    weighs : bool
        True in a class whose `draw` gives weights. `minigrad.training.fit` then refuses what cannot take them.
    wants_scores : bool
        True in a class that learns from training: `visited` is then called after each backward pass.
    batches : Batches
        The batches of the run, from `begin`: the number of samples, the size of a batch and the seed.

    Examples
    --------
    Draw each class equally often, and let each sample count for what it is in the data:

    >>> import numpy as np
    >>> from minigrad import nn, optim, training
    >>> class ByClass(training.Sampler):
    ...     weighs = True
    ...
    ...     def __init__(self, labels):
    ...         each = np.bincount(labels)
    ...         self.probabilities = 1 / (np.count_nonzero(each) * each[labels])  # Σ = 1
    ...
    ...     def draw(self, step):
    ...         samples = self.batches.samples
    ...         chosen = self.generator(step).choice(samples, self.batches.batch_size, p=self.probabilities)
    ...         return chosen, 1 / (samples * self.probabilities[chosen])
    >>> rng = np.random.default_rng(0)
    >>> y = (np.arange(60) < 6).astype(int)  # few are of class 1
    >>> x = (rng.normal(size=(60, 2)) + 2 * y[:, None]).astype(np.float32)
    >>> model = nn.mlp((2, 2), rng=0)
    >>> history = training.fit(
    ...     model, (x, y), optimizer=optim.SGD(model, lr=0.1), epochs=8, batch_size=10, rng=0, sampler=ByClass(y))
    >>> history.last.loss < history.epochs[0].loss
    True
    """

    weighs: bool = False
    wants_scores: bool = False
    batches: Batches

    not_fingerprinted: ClassVar[tuple[str, ...]] = (
        "batches",
    )  # seed and sizes are in the identity of a run by themselves

    def begin(self, batches: Batches) -> None:
        """Take over the batches of a run, before its first step, and before what a checkpoint kept is loaded."""
        self.batches = batches

    def draw(self, step: int) -> tuple[Array, Array | None]:
        """The samples of a step, and what each counts.

        What is random in it comes from `generator` alone, and what it learnt is in `state_dict`; then a run that was
        interrupted goes on bit for bit.

        Parameters
        ----------
        step : int
            Counted from 0.

        Returns
        -------
        indices : ndarray of int, shape (n,)
            A sample may stand there more than once.
        weights : ndarray, shape (n,), or None
            None: all count alike.
        """
        return self.batches[step], None

    def visited(self, step: int, indices: Array, scores: Array) -> None:
        """Learn from a step, if the class sets ``wants_scores``.

        Parameters
        ----------
        step : int
        indices : ndarray of int, shape (n,)
            As drawn.
        scores : ndarray, shape (n,)
            For each the norm of the gradient of its own loss, without its weight, by its logits; for cross-entropy
            ‖softmax − target‖.
        """

    def state_dict(self) -> dict[str, Any]:
        """The state that a checkpoint keeps: arrays whose shapes stay the same, and JSON-ready data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""

    def generator(self, step: int) -> np.random.Generator:
        """A generator of its own for each step of a run, a pure function of the seed and the step."""
        return generator(Domain.SAMPLER, self.batches.seed, step)
