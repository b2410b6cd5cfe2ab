"""Batches with their exact gradients, on which the cost to a precision of estimators is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigrad.inspect.advice_report import NOTHING, Candidate
from minigrad.inspect.cost import cost
from minigrad.inspect.error_gains import GAINS_LAST
from minigrad.inspect.leaves import drawn
from minigrad.inspect.means import Mean
from minigrad.inspect.recorded_batches import RecordedBatches
from minigrad.streams import draw_key

__all__ = ["ExactBatches"]


class ExactBatches:
    """Some batches with their exact gradients, on which each candidate is measured with the same keys.

    Parameters
    ----------
    recorded : RecordedBatches
        Of a model without estimators.
    numbers : sequence of int
        Which batches.

    Raises
    ------
    ValueError
        If the gradient is the same on all of them, or not a number.

    Examples
    --------
    >>> from minigrad import datasets, nn
    >>> from minigrad.inspect.recorded_batches import RecordedBatches
    >>> recorded = RecordedBatches(nn.mlp((64, 10), rng=0), datasets.digits().flat(), 32, rng=0)
    >>> ExactBatches(recorded, range(4)).nothing().ratio
    1.0
    """

    def __init__(self, recorded: RecordedBatches, numbers: Sequence[int]):
        self.recorded, self.numbers = recorded, numbers
        targets = [recorded[number] for number in numbers]
        self.gradients = np.array([target.exact() for target in targets])
        counted = cost(targets[0].tape)
        self.forward, self.backward = counted.forward, counted.backward_exact
        n = len(numbers)
        self.deviations = np.square(self.gradients - self.gradients.mean(axis=0)).sum(axis=1) * (n / (n - 1))
        self.minibatch = float(self.deviations.mean())
        if not self.minibatch > 1e-12 * float(np.square(self.gradients).sum(axis=1).mean()):
            raise ValueError(
                f"advise: the gradient is the same on all {n} batches of {recorded.batch_size} (or not a number), so "
                "there is no minibatch noise for sketches to hide in: do not sketch, or measure with a smaller "
                "batch_size="
            )

    def nothing(self) -> Candidate:
        """Exact VJPs, whose J is 1."""
        return Candidate(NOTHING, "exact", 1.0, 0.0, self.forward, self.backward, 0.0)

    def candidate(self, name: str, setting: str, spent: tuple[float, float] = (0.0, 0.0)) -> Candidate:
        """Measure what is set on the model now; what was spent to find it is spread over the steps that it lasts."""
        extra_forward, extra_backward = (operations / GAINS_LAST for operations in spent)
        forward = self.forward + extra_forward
        added, backward = [], []
        for number, exact in zip(self.numbers, self.gradients, strict=True):
            target = self.recorded[number]
            key = draw_key(self.recorded.key, number)
            added.append(float(np.square(drawn(target, key) - exact).sum()))
            backward.append(cost(target.tape, target.loss, draws=1, rng=key).backward + extra_backward)
        a, c = np.array(added), (forward + np.array(backward)) / (self.forward + self.backward)
        noise = float(a.mean()) / self.minibatch
        off = c.mean() * (a - noise * self.deviations) / self.minibatch + (1 + noise) * c
        error = float(off.std(ddof=1)) / math.sqrt(len(a))
        ratio = float(c.mean()) * (1 + noise)
        mean = Mean.of(a)
        # Where V is small beside σ² its own error does not matter; where J is far above 1 neither.
        matters = mean.error > 0.1 * self.minibatch and ratio < 1
        caution = mean.warning("V", "batches", "batches=") if matters else None
        return Candidate(name, setting, ratio, error, forward, float(np.mean(backward)), noise, caution)
