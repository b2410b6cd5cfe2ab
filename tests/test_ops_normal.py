"""x·Φ(x) and its slope in one pass, against SciPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from minigrad.ops import normal
from minigrad.ops.normal import times_normal_cdf


def errors(x):
    """The largest relative error of the value, near and far, and the largest absolute error of the slope."""
    out, slope = times_normal_cdf(x, slope=True)
    exact = x.astype(np.float64)
    value = exact * stats.norm.cdf(exact)
    relative = np.abs(out - value) / np.maximum(np.abs(value), 1e-37)
    near = np.abs(exact) < 3
    derivative = stats.norm.cdf(exact) + exact * stats.norm.pdf(exact)
    return relative[near].max(), relative.max(), np.abs(slope - derivative).max()


EVERYWHERE = np.linspace(-13, 14, 200_001, dtype=np.float32)
LIMITS = (7e-7, 5e-6, 2.5e-7)


def test_single_precision_is_as_exact_as_it_says():
    assert all(error < limit for error, limit in zip(errors(EVERYWHERE), LIMITS, strict=True))
    assert times_normal_cdf(np.zeros(1, np.float32), slope=True)[1] == 0.5


@pytest.mark.parametrize("k", range(len(normal.COEFFICIENTS)))
def test_a_wrong_coefficient_is_noticed(k, monkeypatch):
    wrong = list(normal.COEFFICIENTS)
    wrong[k] += 2e-6
    monkeypatch.setattr(normal, "COEFFICIENTS", tuple(wrong))
    assert any(error > limit for error, limit in zip(errors(EVERYWHERE), LIMITS, strict=True))


@pytest.mark.parametrize("size", [1, normal.BLOCK - 1, normal.BLOCK, normal.BLOCK + 1, 2 * normal.BLOCK + 17])
def test_blocks_join(size):
    x = np.random.default_rng(0).standard_normal(size, np.float32)
    whole, slopes = times_normal_cdf(x, slope=True)
    for part in (slice(0, 9), slice(size - 9, None)):
        few, slope = times_normal_cdf(x[part], slope=True)
        np.testing.assert_array_equal(whole[part], few)
        np.testing.assert_array_equal(slopes[part], slope)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_shapes_dtypes_and_the_slope_left_out(dtype):
    for x in (np.array(0.5, dtype), np.zeros((0, 3), dtype), np.linspace(-2, 2, 12, dtype=dtype).reshape(3, 4).T[::-1]):
        out, slope = times_normal_cdf(x, slope=True)
        assert out.shape == slope.shape == x.shape and out.dtype == slope.dtype == dtype
        alone, none = times_normal_cdf(x, slope=False)
        assert none is None
        np.testing.assert_array_equal(alone, out)
