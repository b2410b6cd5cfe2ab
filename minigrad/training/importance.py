"""Importance sampling: samples whose gradients are large are seen more often, and count less each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad.estimators.systematic import draw_systematic
from minigrad.report import Table
from minigrad.theory.effective_samples import defensive_mixture, effective_share, left_second_moment
from minigrad.training.batches import Batches
from minigrad.training.sampler import Sampler
from minigrad.typing import Array

__all__ = ["ImportanceSampler"]


class ImportanceSampler(Sampler):
    """Draw samples before the forward pass by what their gradients were when they were last seen.

    The score s_i of a sample is the norm of the gradient of its loss at the logits (‖softmax − target‖ for
    cross-entropy) at its last visit; the backward pass computes it anyway. A pass takes as many steps as one through
    the data. At its beginning the probabilities π_i = (1 − α) s_i/Σs + α/N are fixed, and the loss of each visit gets
    the weight 1/(Nπ_i) ≤ 1/α: the weighted loss and its gradient have the means of the data. Forward and backward pass
    are spent on samples that matter. A sketch of samples at the logits finds the weights in the cotangent, and its own
    multiply with them (*two-phase sampling*).

    Early in training, scores change faster than they are renewed, and nearly all samples matter. So all samples are
    drawn alike, as `Batches` does, until each has a score; and after that in every pass at the beginning of which the
    share of effective samples, (E s)²/E s², is above ``share``.

    Parameters
    ----------
    mixture : float, default 0.2
        α in (0, 1]: how much of the probability is shared evenly; no weight is larger than 1/α.
    share : float, default 0.5
        In (0, 1]: samples are drawn by score where the share of effective samples is not above it.

    Attributes
    ----------
    log : list of dict
        For each pass its first ``step``; ``share``, that of effective samples, None before all have a score;
        ``drawn``, whether by "score" or "uniform"; ``largest_weight``; ``left``, the second moment of the gradient over
        that of uniform batches, if the scores are right (`theory.left_second_moment`).

    Raises
    ------
    ValueError
        If an argument is outside (0, 1]. In training: if the loss takes no ``weights=``, or a layer normalises by
        the statistics of the batch, which are those of the samples drawn and not of the data.

    Notes
    -----
    How often a sample is visited in a pass of V visits is drawn systematically, along a random order of the samples: it
    is Vπ_i rounded up or down, with that mean. The visits are then shuffled and cut into batches, so each batch has the
    mean of the data. With equal scores this is what `Batches` does, where each sample is seen once in a pass;
    independent draws would leave out e⁻¹ of the samples, and see others twice.

    Katharopoulos, Fleuret (2018), *Not All Samples Are Created Equal*, ICML. Arazo et al. (2021), *How Important is
    Importance Sampling for Deep Budgeted Training?*, BMVC, found no consistent gain on balanced classes.

    Examples
    --------
    >>> from minigrad import datasets, nn, optim, training
    >>> data, model = datasets.digits().flat(), nn.mlp((64, 32, 10), rng=0)
    >>> sampler = training.ImportanceSampler(mixture=0.2)
    >>> history = training.fit(
    ...     model, data, optimizer=optim.SGD(model, lr=0.2), epochs=6, batch_size=32, rng=0, sampler=sampler)
    >>> sampler.log[0]["drawn"], sampler.log[-1]["drawn"]
    ('uniform', 'score')
    >>> max(line["largest_weight"] for line in sampler.log) <= 1 / 0.2
    True
    """

    weighs = wants_scores = True

    not_fingerprinted = ("log", "_scores", "_visits", "_weights", "_by_score")  # what a checkpoint keeps

    def __init__(self, mixture: float = 0.2, share: float = 0.5):
        for name, value in (("mixture", mixture), ("share", share)):
            if not 0 < value <= 1:
                raise ValueError(f"ImportanceSampler: {name}={value!r} must lie in (0, 1]")
        self.mixture, self.share = float(mixture), float(share)
        self.log: list[dict[str, Any]] = []

    def begin(self, batches: Batches) -> None:
        super().begin(batches)
        self._scores = np.full(batches.samples, np.nan)
        self._weights = np.ones(batches.samples)
        self._visits = np.zeros(batches.steps_per_pass * batches.batch_size, np.int64)
        self._by_score = False
        self.log = []

    def draw(self, step: int) -> tuple[Array, Array | None]:
        number, within = divmod(step, self.batches.steps_per_pass)
        if not within:
            self._begin_pass(number)
        if not self._by_score:
            return self.batches[step], None
        size = self.batches.batch_size
        chosen = self._visits[within * size : (within + 1) * size].copy()
        return chosen, self._weights[chosen]

    def _begin_pass(self, number: int) -> None:
        """Decide how the samples of a pass are drawn, and draw them."""
        known = np.isfinite(self._scores).all()
        share = effective_share(self._scores) if known else None
        self._by_score = share is not None and share <= self.share
        largest = left = 1.0
        if self._by_score:
            p = defensive_mixture(self._scores, self.mixture)
            self._visits = drawn_visits(p * self._visits.size, self.generator(number))
            self._weights = 1 / (p.size * p)
            largest, left = float(self._weights[self._visits].max()), left_second_moment(self._scores, p)
        self.log.append(
            {"step": number * self.batches.steps_per_pass, "share": share,
             "drawn": "score" if self._by_score else "uniform", "largest_weight": largest, "left": left}
        )  # fmt: skip

    def visited(self, step: int, indices: Array, scores: Array) -> None:
        self._scores[indices] = scores

    def state_dict(self) -> dict[str, Any]:
        return {
            "scores": self._scores, "weights": self._weights, "visits": self._visits, "by_score": self._by_score,
            "log": self.log,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._scores, self._weights, self._visits = (state[name].copy() for name in ("scores", "weights", "visits"))
        self._by_score, self.log = bool(state["by_score"]), list(state["log"])

    def table(self) -> Table:
        """The log as a table."""
        rows = [[e["step"], e["drawn"], e["share"], e["largest_weight"], e["left"]] for e in self.log]
        heads = ["step", "drawn", "share", "largest weight", "left"]
        notes = ["share of effective samples, (E s)²/E s²; left of the second moment of the gradient, by the scores"]
        return Table(heads, rows, f"importance sampling, by score at a share of {self.share:g} or less", notes)

    def __repr__(self) -> str:
        return f"ImportanceSampler(mixture={self.mixture:g}, share={self.share:g})"


def drawn_visits(expected: Array, rng: np.random.Generator) -> Array:
    """Samples in random order, each as often as expected, rounded up or down so that the mean is kept.

    Parameters
    ----------
    expected : ndarray, shape (N,)
        How often each is to be visited in the mean; they add up to a whole number.
    rng : Generator

    Returns
    -------
    ndarray of int, shape (Σ expected,)

    Examples
    --------
    >>> visits = drawn_visits(np.array([0.5, 2.5, 1.0]), np.random.default_rng(0))
    >>> len(visits), int(np.bincount(visits)[2])
    (4, 1)
    """
    order = rng.permutation(expected.size)  # a random start alone would tie samples together that lie a step apart
    times = np.floor(expected[order])
    times[draw_systematic(expected[order] - times, rng)] += 1
    return rng.permutation(np.repeat(order, times.astype(np.int64)))
