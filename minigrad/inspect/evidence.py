"""The worth of draws as evidence of a bias: what they forgive, what they could have seen, how many it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigrad.inspect.bernstein import bernstein, detectable_bias
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.pilot import Errors, KeptShares
from minigrad.inspect.probes import Moments, Probes, drawn_moments
from minigrad.inspect.rarity import known, rare_parts
from minigrad.inspect.verdicts import row_text
from minigrad.streams import draw_key
from minigrad.terminal import progress_bar
from minigrad.typing import Array

__all__ = ["Evidence", "take"]

EFFECTIVE = 10.0
"""A probe that saw fewer large events than this says nothing."""

HARDLY = 10.0
"""If an estimator does not say what is rare, a probe that is off by more than so many times all its variation does not
condemn: what varies may have nothing to do with what is off."""

SOME = 3.0
"""Nor is a row passed that saw fewer, of an estimator that does not say what is rare."""

WIDEN = 2.0
"""The range of a probe over the largest |z| seen, where it is not known."""

MOSTLY = 0.5
"""Nothing is concluded of a row of which more than this part may be too rare to have been seen."""

PILOT = 500
"""Draws after which it is first asked how many more are needed."""

MORE = 1.05
"""So many more draws are taken than seem to be needed."""


class Evidence:
    """The standards by which the draws of a gradient are judged.

    Parameters
    ----------
    target : InspectionTarget
    exact : sequence of ndarray
        The exact gradient.
    probes : Probes
        The first direction is the exact gradient.
    rounding : ndarray
        Of each probe.
    errors, kept : Errors, KeptShares
        Of the pilot.
    listed : Moments or None
        Over all outcomes, where they were listed.
    alpha : float
        The family-wise false-alarm rate.

    Attributes
    ----------
    events : float
        Something expected so often is missing from all draws with a probability below alpha/probes.
    known : bool
        Whether all estimators say what is rare, or all outcomes are listed.
    """

    def __init__(
        self,
        target: InspectionTarget,
        exact: Sequence[Array],
        probes: Probes,
        rounding: Array,
        errors: Errors,
        kept: KeptShares,
        listed: Moments | None,
        alpha: float,
    ):
        self._target, self._exact, self._kept = target, exact, kept
        self.probes, self.rounding, self.listed = probes, rounding, listed
        self.level = alpha / probes.size
        self.events = math.log(2 / self.level)
        self.known = listed is not None or known(target)
        still = [np.zeros_like(g) for g in exact] if self.known else errors.still()
        size, sum_ = probes.of_sizes([np.abs(part) for part in still]), probes.of_error(still)
        self.still = np.where(size > rounding, size, 0.0)
        self._below, self._above = np.minimum((sum_ - size) / 2, 0.0), np.maximum((sum_ + size) / 2, 0.0)
        self._rare: dict[int, Array] = {}

    def variance(self, seen: Moments) -> Array:
        """The mean square of each probe; that of its outcomes where they are listed."""
        return np.maximum((seen if self.listed is None else self.listed).square, self.rounding**2)

    def bound(self, seen: Moments) -> Array:
        """The largest |z| that is reckoned with."""
        return np.maximum(WIDEN * seen.top if self.listed is None else self.listed.top, self.rounding)

    def rare(self, draws: int) -> Array:
        """The most that parts which so many draws may not show can put on the mean of each probe."""
        if self.listed is not None:
            return np.zeros(self.probes.size)
        if draws not in self._rare:
            parts = rare_parts(self._target, self._exact, self._kept, draws, self.events)
            size = self.probes.of_sizes(parts)
            self._rare[draws] = np.where(size > self.rounding, size, 0.0)
        return self._rare[draws]

    def excess(self, seen: Moments) -> Array:
        """The distance of each probe's mean from where it may lie: rounding, and what may be too rare, are forgiven."""
        room = self.rounding + self.rare(seen.count)
        return np.maximum(np.maximum(seen.mean - self._above, self._below - seen.mean) - room, 0.0)

    def chance(self, excess: Array, seen: Moments) -> Array:
        """p-values of means that are so far off, times the number of probes."""
        return self.probes.size * bernstein(excess, self.variance(seen), self.bound(seen), seen.count)

    def telling(self, seen: Moments, times: float = 1.0) -> Array:
        """The probes that may condemn: those that saw enough events, and those where something frequent is missing.

        With ``times``, after so many times the draws.
        """
        if self.listed is not None:
            return np.ones(self.probes.size, dtype=bool)
        enough = times * seen.effective >= EFFECTIVE
        if self.known:
            return enough | (seen.deviation <= self.rounding)
        return enough & (np.abs(seen.mean) <= HARDLY * seen.deviation)

    def conclusive(self, seen: Moments) -> Array:
        """Of which probes along g something is known, if they do not condemn."""
        along = slice(self.probes.along)
        size = self.probes.exact[along]
        enough = (self.telling(seen) | (seen.top <= self.rounding))[along]
        # Of rows less is asked: what too few events leave open shows in what is detectable.
        rows = np.array([row is not None for _, row in self.probes.labels[along]])
        enough |= rows & (self.known | (seen.effective >= SOME)[along])
        shown = (self.rare(seen.count)[along] <= MOSTLY * size) & (self.still[along] == 0)
        return np.asarray((enough & shown) | (size <= self.rounding[along]))

    def detectable(self, seen: Moments, draws: int) -> Array:
        """The relative bias of each probe along g that so many draws like those seen detect; NaN where g is 0."""
        along = slice(self.probes.along)
        size = self.probes.exact[along]
        lost = (self.rounding + self.rare(draws) + self.still)[along]
        of = seen if self.listed is None else self.listed
        variance = np.maximum(of.variance[along], self.rounding[along] ** 2)
        top = np.maximum(of.top[along], self.rounding[along])
        widen = WIDEN if self.listed is None else 1.0
        found = detectable_bias(size, variance, top, lost, draws, self.level, widen)
        found = np.where(
            self.telling(seen, draws / seen.count)[along] | (of.top <= self.rounding)[along], found, np.inf
        )
        return np.where(size > self.rounding[along], found, np.nan)

    def needed(self, seen: Moments, detect: float, most: int) -> tuple[float, int]:
        """The number of draws that detect a bias everywhere, and the probe that takes most."""
        fewest, probe = seen.count, 0
        draws = fewest
        while draws < max(1e9, 2.0 * most):
            figures = self.detectable(seen, draws)
            if np.isnan(figures).all() or not np.nanmax(figures) > detect:
                break
            fewest, probe = draws, int(np.nanargmax(figures))
            draws *= 2
        else:
            return math.inf, probe
        while draws - fewest > 1 + fewest // 100:
            middle = (draws + fewest) // 2
            if np.nanmax(self.detectable(seen, middle)) > detect:
                fewest = middle
            else:
                draws = middle
        return draws, probe

    def remarks(self, seen: Moments, names: Sequence[str]) -> tuple[str, ...]:
        """Why nothing was concluded of some parameters."""
        found = [f"too few events in {', '.join(names)}: take more draws, or larger budgets"]
        for what, size in (
            ("entries that are off and never changed are in", self.still),
            ("parts that are too rare to be seen are in", self.rare(seen.count)),
        ):
            labels = zip(self.probes.labels[: self.probes.along], size, strict=False)
            rows = [f"{name}[{row_text(row).strip('()')}]" for (name, row), s in labels if s and row is not None]
            if rows:
                more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
                found.append(f"{what} {', '.join(rows[:5])}{more}")
        return tuple(found)


def take(evidence: Evidence, key: int, first: int, most: int, detect: float | None, quiet: bool) -> Moments:
    """Draw what is tested: all that are allowed, or as many as ``detect`` needs.

    Raises
    ------
    ValueError
        If it needs more.
    """
    target, probes = evidence._target, evidence.probes
    seen = Moments(probes.size)
    allowed = most - first
    goal = allowed if detect is None else min(PILOT, allowed)
    with progress_bar(goal, 0, "draw", shown=not quiet and detect is not None) as bar:
        while seen.count < goal:
            numbers = range(first + seen.count, first + goal)
            drawn_moments(target, probes, [draw_key(key, number) for number in numbers], seen, bar)
            if detect is None or not np.isfinite(seen.square).all():
                break
            need, probe = evidence.needed(seen, detect, most)
            if need > allowed:
                raise ValueError(_refusal(evidence, need + first, probe, detect, most))
            if need > seen.count:
                goal = min(allowed, math.ceil(MORE * need))
                bar.total = goal
                bar.refresh()
    return seen


def _refusal(evidence: Evidence, need: float, probe: int, detect: float, most: int) -> str:
    name, row = evidence.probes.labels[probe]
    where = name if row is None else f"row {row_text(row)} of {name}"
    if math.isinf(need):
        takes = f"cannot be promised: of {where} too little was seen in {PILOT} draws, or what is rare in it is no less"
    else:
        digits = 10.0 ** (math.floor(math.log10(need)) - 1)
        takes = f"takes about {math.ceil(need / digits) * digits:,.0f} draws, because of the noise in {where}"
    return (
        f"unbiasedness: to see a bias of {100 * detect:.3g} % in every row {takes}; at most {most:,} are allowed. "
        "Pass a larger draws=, a larger detect=, larger budgets, or only the tensors that matter as wrt="
    )
