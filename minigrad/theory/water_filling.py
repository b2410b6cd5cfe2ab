"""Water-filling and its dual: the level τ above which everything is kept, found exactly.

`fill` spends a given total; `drain` lets the level rise until a given distortion is reached.

Index conventions are those of `minigrad.theory.probabilities`: w_j weight, c_j cost, l_j lower bound, τ water level.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

import numpy as np

from minigrad.typing import Array

__all__ = ["drain", "drain_box", "drain_floor", "fill", "fill_box", "fill_floor"]

PASSES = 50
"""Three to six are usual; behind that the slower search through all breakpoints takes over."""


MANY = 2048
"""Items; more take longer to sort than to count a few times."""


def fill(q: Array, total: float) -> Array:
    """Water-filling with unit costs and no lower bound: q = √w, one sort."""
    n = q.size
    if total >= np.count_nonzero(q):
        return np.sign(q)
    ordered = np.sort(q)
    # With τ = ordered[i], the items 0..i are the tail and n−1−i are saturated; they cost at least `total`
    # exactly where ordered[i]·(total − (n−1−i)) ≤ Σ_{j≤i} ordered[j]. That holds up to some i and no further.
    room = np.arange(total - n + 1.0, total + 0.5)[:n]
    tail = int(np.count_nonzero(ordered * room <= ordered.cumsum()))
    level = float(ordered[:tail].sum()) / (total - (n - tail))
    p: Array = np.minimum(q, level)  # before the division, which might overflow
    p /= level
    return p


def fill_floor(q: Array, total: float, floor: float) -> Array:
    """Water-filling with unit costs and one lower bound for all positive weights: q = √w.

    A level τ tells which items rest on the bound and which are saturated, and they tell the level that would be theirs;
    where the two agree it is exact. Many items are counted afresh at each level, few are sorted once.
    Σ p_j falls as τ rises, so every level that was tried is an end of the bracket that the next one must lie in.
    """
    count = int(np.count_nonzero(q))
    if total >= count:
        return np.sign(q)
    if floor * count > total * (1.0 + 1e-12):
        _refuse_floor(floor * count, total)
    sides = _counted(q, count) if q.size > MANY else _ordered(q, count)
    low, high, level = 0.0, math.inf, float(q.sum()) / total
    for _ in range(PASSES):
        resting, certain, between = sides(floor * level, level)
        left = total - floor * resting - certain
        if between <= left * level:
            high = level
        else:
            low = level
        if between == 0.0 and abs(left) <= 1e-12 * total:  # every item is at one of its ends
            break
        theirs = between / left if left > 0.0 else math.inf
        if abs(theirs - level) <= 2e-15 * level:
            break
        if not low < theirs < high:
            theirs = 2.0 * low if high == math.inf else 0.5 * (low + high)
        level = theirs
    else:
        p = np.zeros(q.size)
        seen = q > 0.0
        p[seen] = _fill_positive(q[seen], np.ones(count), np.full(count, floor), total)
        return p
    filled = np.minimum(q, level)  # before the division, which might overflow
    filled /= level
    np.maximum(filled, floor, out=filled)
    return filled if count == q.size else np.where(q > 0.0, filled, 0.0)


def _ordered(q: Array, count: int) -> Callable[[float, float], tuple[int, int, float]]:
    """Count the positive items that are at most a first level, and at least a second; and add up those between."""
    ordered = np.sort(q)[q.size - count :]
    # Views that give single numbers: `bisect` is done with them before `searchsorted` has started.
    values, sums = ordered.data, ordered.cumsum().data

    def sides(low: float, high: float) -> tuple[int, int, float]:
        resting, below = bisect.bisect_right(values, low), bisect.bisect_left(values, high)
        under = sums[resting - 1] if resting else 0.0
        return resting, count - below, (sums[below - 1] if below else 0.0) - under

    return sides


def _counted(q: Array, count: int) -> Callable[[float, float], tuple[int, int, float]]:
    """The same without a sort."""

    def sides(low: float, high: float) -> tuple[int, int, float]:
        above, certain = q > low, q >= high
        over, most = int(np.count_nonzero(above)), int(np.count_nonzero(certain))
        return count - over, most, float(q.sum(where=above ^ certain))

    return sides


def fill_box(w: Array, c: Array, floor: Array, total: float) -> Array:
    """Water-filling with costs, between lower bounds and 1."""
    need = float(c @ floor)
    seen = w > 0.0
    unbounded = bool(np.any(seen & (floor == 0.0)))
    if need > total * (1.0 + 1e-12) or (unbounded and need >= total * (1.0 - 1e-12)):
        _refuse_floor(need, total)
    p: Array = floor.copy()
    if seen.any():  # what has weight 0 gets just its bound, the rest shares what is left
        left = total - float(c[~seen] @ floor[~seen])
        p[seen] = _fill_positive(np.sqrt(w[seen]), c[seen], floor[seen], left)
    return p


def _fill_positive(root_w: Array, c: Array, floor: Array, total: float) -> Array:
    """Water-filling between bounds for positive weights: the segment that holds τ, then τ by one division."""
    root_c = np.sqrt(c)
    # As the level τ rises, item j leaves 1 at τ = q_j and comes to rest on its bound at τ = q_j / floor_j.
    q = root_w / root_c
    with np.errstate(divide="ignore", over="ignore"):
        rest = q / floor  # inf: never
    breaks = np.unique(np.concatenate([q, rest]))
    breaks = breaks[(breaks > 0.0) & (breaks < math.inf)]

    def affordable(level: float) -> bool:
        return float(c @ np.maximum(np.minimum(q, level) / level, floor)) <= total

    # The cost falls as τ rises, so a search over the sorted breakpoints finds the two that τ lies between.
    i = bisect.bisect_left(breaks.tolist(), True, key=affordable)
    if i == 0:  # enough for everything
        return np.ones(c.size)
    low = float(breaks[i - 1])
    high = float(breaks[i]) if i < breaks.size else math.inf
    saturated, resting = q >= high, rest <= low
    tail = ~saturated & ~resting
    left = total - float(c[saturated].sum()) - float(c[resting] @ floor[resting])
    if not tail.any():
        level = low
    elif left > 0.0:
        level = min(max(float(root_w[tail] @ root_c[tail]) / left, low), high)
    else:  # the tail is too light to be seen beside the rest
        level = high
    p: Array = np.maximum(np.minimum(q, level) / level, floor)
    return p


def _refuse_floor(need: float, total: float) -> None:
    raise ValueError(
        f"optimal_probabilities: the lower bounds alone cost {need:.6g} of total={total:.6g}: more than "
        "all of it, or nothing is left for items without a bound. Lower the bounds or raise the total."
    )


def drain(q: Array, omega: float) -> Array:
    """The dual with unit costs and no lower bound: q = √w, largest 1; one sort.

    An item of the tail, q ≤ τ, adds τq − q² to Σ (1/p_j − 1) w_j, a saturated one nothing.
    """
    ordered, sums, squares = _sums(q)
    if not ordered.size:
        return np.zeros(q.size)
    allowed = omega * float(squares[-1])
    tail = int(np.count_nonzero(ordered * sums[1:] - squares[1:] <= allowed)) or 1
    level = (allowed + float(squares[tail])) / float(sums[tail])
    return np.minimum(q, level) / level


def drain_floor(q: Array, omega: float, floor: float) -> Array:
    """The dual with unit costs and one lower bound > 0 for all positive weights: q = √w, largest 1; one sort."""
    values, sums, squares = (array.tolist() for array in _sums(q))  # many single numbers are looked up
    if not values:
        return np.zeros(q.size)
    allowed = omega * squares[-1]
    odds = 1.0 / floor - 1.0

    def sides(level: float) -> tuple[int, int]:
        """The numbers of items that rest on the bound, and of those that are not saturated."""
        return bisect.bisect_right(values, floor * level), bisect.bisect_left(values, level)

    def too_much(level: float) -> bool:
        resting, certain = sides(level)
        between = level * (sums[certain] - sums[resting]) - (squares[certain] - squares[resting])
        return between + odds * squares[resting] > allowed

    if odds * squares[-1] <= allowed:  # the bounds alone hold it
        return np.where(q > 0.0, floor, 0.0)
    # The distortion rises with the level; the breakpoints are the q_j, where items leave 1, and the q_j/floor, where
    # they come to rest.
    tail = bisect.bisect_left(values, True, key=too_much)  # items below have left 1
    resting = bisect.bisect_left(values, True, key=lambda root: too_much(root / floor))
    low = max(values[tail - 1], values[resting - 1] / floor if resting else 0.0)
    high = min(values[tail] if tail < len(values) else math.inf, values[resting] / floor)
    between = sums[tail] - sums[resting]
    level = low
    if between > 0.0:
        kept = squares[tail] - squares[resting] - odds * squares[resting]
        level = min(max((allowed + kept) / between, low), high)
    return np.where(q > 0.0, np.maximum(np.minimum(q, level) / level, floor), 0.0)


def drain_box(w: Array, c: Array, floor: Array, omega: float) -> Array:
    """The dual with costs, between lower bounds and 1; weights of at most 1."""
    p: Array = floor.copy()
    seen = w > 0.0  # what has weight 0 gets just its bound
    w, c, floor = w[seen], c[seen], floor[seen]
    allowed = omega * float(w.sum())
    with np.errstate(divide="ignore"):
        most = w * (1.0 / floor - 1.0)
    if float(most.sum()) <= allowed:  # the bounds alone hold it
        return p
    q = np.sqrt(w) / np.sqrt(c)
    with np.errstate(divide="ignore", over="ignore"):
        rest = q / floor  # inf: never
    breaks = np.unique(np.concatenate([q, rest]))
    breaks = breaks[(breaks > 0.0) & (breaks < math.inf)]

    def too_much(level: float) -> bool:
        filled = np.maximum(np.minimum(q, level) / level, floor)
        return float(np.sum(w * (1.0 - filled) / filled)) > allowed

    i = bisect.bisect_left(breaks.tolist(), True, key=too_much)
    low = float(breaks[i - 1]) if i else float(breaks[0])
    high = float(breaks[i]) if i < breaks.size else math.inf
    resting = rest <= low
    tail = ~(q >= high) & ~resting
    level = low
    if tail.any():
        free = allowed + float(w[tail].sum()) - float(most[resting].sum())
        level = min(max(free / float(np.sqrt(w[tail]) @ np.sqrt(c[tail])), low), high)
    p[seen] = np.maximum(np.minimum(q, level) / level, floor)
    return p


def _sums(q: Array) -> tuple[Array, Array, Array]:
    """The positive roots in increasing order, and the sums of the first 0, 1, … of them and of their squares."""
    ordered = np.sort(q)[q.size - int(np.count_nonzero(q)) :]
    return ordered, np.concatenate([[0.0], ordered.cumsum()]), np.concatenate([[0.0], np.square(ordered).cumsum()])
