"""Sums of squares that neither overflow nor vanish."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.structure import squared_norms


def naive(array, axis):
    return np.sum(np.asarray(array, np.float64) ** 2, axis=axis)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.integers(0, 10**6), st.lists(st.integers(0, 4), min_size=2, max_size=4), st.sampled_from([-1, -2]),
    st.sampled_from([np.float32, np.float64]), st.sampled_from([0, 5, 30]),
)  # fmt: skip
def test_all_shapes_and_sizes(seed, shape, axis, dtype, decades):
    rng = np.random.default_rng(seed)
    array = (rng.normal(size=shape) * 10.0 ** rng.uniform(-decades, decades, size=shape)).astype(dtype)
    got = squared_norms(array, axis)
    assert got.dtype == np.float64
    assert got.shape == naive(array, axis).shape
    np.testing.assert_allclose(got, naive(array, axis), rtol=1e-5 if dtype == np.float32 else 1e-12, atol=0)


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("size", [1e-45, 1e-38, 1e-30, 1e-19, 1e-13, 1.0, 1e17, 1e19, 1e30, 3e38])
def test_float32_of_every_size(size, axis):
    array = np.full((3, 3), size, np.float32)
    np.testing.assert_allclose(squared_norms(array, axis), naive(array, axis), rtol=1e-5)
    mixed = array.copy()
    mixed[0, 0] = 1.0  # what is repaired for one column is not lost in another
    np.testing.assert_allclose(squared_norms(mixed, axis), naive(mixed, axis), rtol=1e-5)


def test_vectors_give_one_number():
    assert float(squared_norms(np.array([3.0, 4.0]), -1)) == 25.0
    assert float(squared_norms(np.array([3e-30, 4e-30], np.float32), -1)) == pytest.approx(25e-60, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite_is_kept_and_stays_in_its_place(dtype):
    array = np.ones((3, 3), dtype)
    array[0, 0], array[1, 1] = np.nan, np.inf
    for axis in (-1, -2):
        got = squared_norms(array, axis)
        assert np.isnan(got[0])
        assert got[1] == np.inf
        assert got[2] == 3.0


def test_float64_overflow_is_infinite_and_silent():
    assert np.isinf(squared_norms(np.full((2, 2), 1e200), -1)).all()
    assert not squared_norms(np.full((2, 2), 1e-200), -2).any()


def test_the_argument_is_left_alone():
    array = np.full((2, 2), 1e-30, np.float32)
    array.flags.writeable = False
    squared_norms(array, -1)
    squared_norms(array.T, -2)
