"""Two kinds of noise in a training step: that of the minibatch, and that of the estimators."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.counts import MOST_BATCHES, MOST_DRAWS, count
from minigrad.engine.tensor import Tensor
from minigrad.inspect.batches import Data, Model, RecordedBatches
from minigrad.inspect.leaves import drawn
from minigrad.inspect.means import Mean
from minigrad.report import Report, Table
from minigrad.streams import draw_key
from minigrad.threads import one_thread
from minigrad.typing import Array, Seed

__all__ = ["GradientNoise", "gradient_noise"]


@dataclass(frozen=True, repr=False)
class GradientNoise(Report):
    """The variance of a stochastic gradient, by origin.

    All are for the gradient of a loss that is a mean over the batch: with batches twice as large both variances are
    half as large (the estimators' to first order).

    Attributes
    ----------
    minibatch : float
        σ² = E‖g_B − ∇f‖², of the exact gradient on random batches of b of the N samples, drawn without replacement
        as in an epoch: σ_1²/b · (N − b)/(N − 1), with σ_1² the mean over samples of ‖g_i − ∇f‖². It is 0 at b = N.
    estimator : float
        s² = E‖ĝ_B − g_B‖², which the estimators add; for a biased one a squared error, bias included.
    minibatch_error, estimator_error : float
        Standard errors over random batches and, of ``estimator``, draws on them, at the parameters as they are.
    minibatch_effective, estimator_effective : float
        How many equal batches those are worth of which each is a mean. Where these are few, its error is too small.
    norm_squared : float
        ‖∇f‖², estimated without the bias that noise gives it; not below 0.
    batch_size, batches, draws : int

    Examples
    --------
    >>> from minigrad import datasets, inspect, nn
    >>> from minigrad.estimators import Mask
    >>> data, model = datasets.digits().flat(), nn.mlp((64, 32, 10), vjp=Mask(0.5), rng=0)
    >>> noise = inspect.gradient_noise(model, data, batch_size=32, batches=4, rng=0)
    >>> noise.minibatch > 0 and noise.estimator > 0, noise.batch_size
    (True, 32)
    """

    minibatch: float
    estimator: float
    minibatch_error: float
    estimator_error: float
    minibatch_effective: float
    estimator_effective: float
    norm_squared: float
    batch_size: int
    batches: int
    draws: int

    @property
    def ratio(self) -> float:
        """s²/σ²: how the noise that was added compares with the noise that was there."""
        return self.estimator / self.minibatch if self.minibatch else math.inf if self.estimator else 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """How many batches to take, where there were too few for a standard error to hold."""
        means = {
            "the minibatch's noise": Mean(self.minibatch, self.minibatch_error, self.minibatch_effective, self.batches),
            "the estimators' noise": Mean(self.estimator, self.estimator_error, self.estimator_effective, self.batches),
        }
        found = [mean.warning(what, "batches", "batches=") for what, mean in means.items()]
        return tuple([text for text in found if text])

    def table(self) -> Table:
        """The report as a table."""
        total = self.minibatch + self.estimator or 1.0
        rows = [
            ["minibatch σ²", self.minibatch, self.minibatch_error, self.minibatch / total],
            ["estimators s²", self.estimator, self.estimator_error, self.estimator / total],
        ]
        notes = [
            f"s²/σ² = {self.ratio:.3g}; |∇f|² = {self.norm_squared:.3g}",
            f"batches of {self.batch_size} (mean loss), {self.batches} batches, {self.draws} draws on each; "
            "± s.e. over batches and draws",
            *self.warnings,
        ]
        return Table(["noise", "variance", "± s.e.", "share"], rows, "noise of a stochastic gradient", notes)

    def data(self) -> dict[str, Any]:
        """The fields, the ratio and the warnings."""
        return {**super().data(), "ratio": self.ratio, "warnings": self.warnings}


@one_thread()
def gradient_noise(
    model: Model,
    data: Data,
    *,
    batch_size: int = 128,
    batches: int = 20,
    draws: int = 2,
    loss: Callable[[Any, Array], Tensor] = ops.cross_entropy,
    rng: Seed = None,
) -> GradientNoise:
    """Measure the minibatch variance and the estimators' variance of a model on its data, separately.

    Parameters
    ----------
    model : Model
        With its estimators set on its layers; called in the mode (training or not) that it is in.
    data : tuple of ndarray or Dataset
        ``(x, labels)``, or the training part of a data set.
    batch_size : int, default 128
    batches : int, default 20
        At least 2.
    draws : int, default 2
        Random backward passes on each batch.
    loss : callable, default `ops.cross_entropy`
        A mean over the batch.
    rng : Generator, int or None

    Returns
    -------
    GradientNoise

    Raises
    ------
    ValueError
        If a number is too small.

    Examples
    --------
    >>> from minigrad import datasets, nn
    >>> from minigrad.estimators import Mask
    >>> data = datasets.digits().flat()
    >>> noise = gradient_noise(nn.mlp((64, 32, 10), vjp=Mask(0.5), rng=0), data, batch_size=32, rng=0)
    >>> noise.estimator > noise.minibatch > 0
    True
    """
    batches = count("gradient_noise: batches", batches, MOST_BATCHES, "batches", least=2)
    draws = count("gradient_noise: draws", draws, MOST_DRAWS, "draws")
    recorded = RecordedBatches(model, data, batch_size, loss, rng)
    gradients, added = [], []
    for number in range(batches):
        wanted = recorded[number]
        exact = wanted.exact()
        keys = [draw_key(recorded.key, number * draws + k) for k in range(draws)]
        added.append(np.mean([np.square(drawn(wanted, key) - exact).sum() for key in keys]))
        gradients.append(exact)
    stacked = np.array(gradients)
    mean = stacked.mean(axis=0)
    deviations = Mean.of(np.square(stacked - mean).sum(axis=1) * (batches / (batches - 1)))
    estimator = Mean.of(added)
    return GradientNoise(
        minibatch=deviations.value,
        estimator=estimator.value,
        minibatch_error=deviations.error,
        estimator_error=estimator.error,
        minibatch_effective=deviations.effective,
        estimator_effective=estimator.effective,
        norm_squared=max(0.0, float(np.square(mean).sum()) - deviations.value / batches),
        batch_size=batch_size,
        batches=batches,
        draws=draws,
    )
