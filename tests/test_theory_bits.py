"""Steps for a distortion, and bits shared among rows: against exhaustive search and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from minigrad import theory
from minigrad.theory import gain_of_optimal_bits, optimal_bits, rounding_step


def spent(ranges, bits):
    return float(np.sum(np.square(np.asarray(ranges, float)) * 4.0 ** -np.asarray(bits, float)))


RANGES = [
    [1.0, 1.0, 1.0],
    [1.0, 4.0, 16.0],
    [0.3, 0.31, 7.0, 2.0],
    [1e-3, 1.0, 1e3],
    [5.0],
    [2.0, 2.0000001, 1.9999999, 2.0],
]


@pytest.mark.parametrize("ranges", RANGES, ids=str)
@pytest.mark.parametrize("least, most", [(1, 5), (0, 4), (2, 3)])
def test_the_greedy_rule_is_as_good_as_exhaustive_search(ranges, least, most):
    n = len(ranges)
    choices = list(itertools.product(range(least, most + 1), repeat=n))
    for total in range(least * n, most * n + 3):
        best = min(spent(ranges, choice) for choice in choices if sum(choice) <= total)
        bits = optimal_bits(ranges, total, least=least, most=most)
        assert bits.sum() == min(total, most * n) and least <= bits.min() and bits.max() <= most
        assert spent(ranges, bits) == pytest.approx(best, rel=1e-12)


def test_the_search_sees_another_rule():
    """One bit moved from its place costs something, so that the equality above means something."""
    bits = optimal_bits([1.0, 4.0, 16.0], 9)
    assert bits.tolist() == [1, 3, 5]
    assert spent([1.0, 4.0, 16.0], [2, 3, 4]) > 1.2 * spent([1.0, 4.0, 16.0], bits)


def test_one_step_for_all_rows():
    """Where the logarithms are whole numbers, b_i = b̄ + log₂(R_i/GM)."""
    r = 2.0 ** np.array([0, 1, 2, 3, -1, -2])
    bits = optimal_bits(r, 24)
    mean = 24 / 6
    expected = mean + np.log2(r) - np.log2(r).mean()
    assert np.abs(bits - expected).max() <= 0.5
    assert np.ptp(np.log2(r) - bits) <= 1  # the steps differ by no more than one bit


def test_the_gain_is_that_of_arithmetic_and_geometric_mean():
    r = 2.0 ** np.array([0, 2, 4, -2, -4, 0])
    equal, best = spent(r, [5] * 6), spent(r, optimal_bits(r, 30, least=0, most=20))
    assert equal / best == pytest.approx(gain_of_optimal_bits(r), rel=1e-12)
    assert gain_of_optimal_bits([]) == gain_of_optimal_bits([0.0, 7.0]) == 1
    assert gain_of_optimal_bits([1e-160, 1e160]) == math.inf or gain_of_optimal_bits([1e-160, 1e160]) > 1e300


def test_rows_of_no_range_get_no_bit_and_extremes_are_no_trouble():
    assert optimal_bits([0.0, 1e-300, 1e300, 0.0], 9).tolist() == [0, 1, 8, 0]
    assert optimal_bits([0.0, 0.0], 16).tolist() == [0, 0] and optimal_bits([], 0).tolist() == []
    assert optimal_bits([1.0, 1.0], 2).tolist() == [1, 1]


@pytest.mark.parametrize(
    "ranges, total, options, words",
    [
        ([-1.0], 3, {}, "numbers ≥ 0"),
        ([np.nan], 3, {}, "numbers ≥ 0"),
        ([[1.0]], 3, {}, "vector"),
        ([1.0, 1.0], 1, {}, "less than 1 bits for each of the 2 rows"),
        ([1.0], 3, {"least": 5, "most": 4}, "least=5"),
    ],
)
def test_what_cannot_be_shared(ranges, total, options, words):
    with pytest.raises(ValueError, match=words):
        optimal_bits(ranges, total, **options)


def test_steps():
    assert rounding_step(0.5, 3.0) ** 2 == pytest.approx(4 * 0.5 * 9)
    assert rounding_step(0.5, 3.0, expected=True) ** 2 == pytest.approx(6 * 0.5 * 9)
    assert rounding_step(0.5, 3.0, "subtractive") ** 2 == pytest.approx(12 * 0.5 * 9)
    assert rounding_step(0.0, 3.0) == 0 and rounding_step(0.25, 1e200) == pytest.approx(1e200)
    for arguments in [(-0.1, 1.0), (0.1, -1.0), (math.nan, 1.0), (math.inf, 1.0)]:
        with pytest.raises(ValueError, match="must be finite and ≥ 0"):
            theory.rounding_step(*arguments)
    with pytest.raises(ValueError, match="neither"):
        rounding_step(0.1, 1.0, "none")
