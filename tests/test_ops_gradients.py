"""Every operation that is exported: its VJPs against central differences, and its dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_table import ALIASES, TABLE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import ops
from minigrad.testing import assert_gradients_close

FEW = settings(
    max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip


def test_every_exported_operation_is_checked():
    assert set(ops.__all__) - set(ALIASES) == set(TABLE), (
        "add the operation to tests/gradient_table.py, or to the file of its family that is read there"
    )
    for alias, name in ALIASES.items():
        assert getattr(ops, alias) is getattr(ops, name)
    for name in ops.__all__:
        assert callable(getattr(ops, name)), name


@pytest.mark.parametrize("name", sorted(TABLE))
def test_vjp_agrees_with_central_differences(name):
    @FEW
    @given(case=TABLE[name])
    def check(case):
        fn, arrays = case
        assert_gradients_close(fn, *arrays, name=name)

    check()


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_gradient_of_one_input_alone_is_that_of_all(name):
    """What a primitive saves depends on which inputs need a gradient; the gradients do not."""

    @FEW
    @given(case=TABLE[name], seed=st.integers(0, 99))
    def check(case, seed):
        fn, arrays = case
        value, pullback = mg.vjp(fn, *arrays)
        g = np.random.default_rng(seed).standard_normal(value.shape)
        together = pullback(g)
        for k, array in enumerate(arrays):
            leaf = mg.Tensor(array, requires_grad=True)
            with mg.Tape() as tape:
                out = fn(*[leaf if j == k else mg.Tensor(other) for j, other in enumerate(arrays)])
            (alone,) = tape.gradients(out, [leaf], cotangent=g)
            np.testing.assert_array_equal(alone, together[k])

    check()


@pytest.mark.parametrize("name", sorted(set(TABLE) - {"float_power"}))
def test_float32_stays_float32(name):
    @FEW
    @given(case=TABLE[name])
    def check(case):
        fn, arrays = case
        singles = [array.astype(np.float32) for array in arrays]
        value, pullback = mg.vjp(fn, *singles)
        assert value.dtype == np.float32
        exact, exact_pullback = mg.vjp(fn, *[single.astype(np.float64) for single in singles])
        np.testing.assert_allclose(value, exact, rtol=1e-5, atol=1e-5)
        g = np.random.default_rng(0).standard_normal(value.shape)
        for got, expected in zip(pullback(g), exact_pullback(g), strict=True):
            assert got.dtype == np.float32 and got.shape == expected.shape
            scale = 1 + np.abs(expected).max(initial=0.0)
            np.testing.assert_allclose(got / scale, expected / scale, rtol=0, atol=1e-5)

    check()


def test_the_table_can_fail(monkeypatch):
    """A fault planted in a rule of the library is found by the test above."""
    monkeypatch.setitem(ops.tanh.primitive.rules, np.ndarray, (lambda g, saved: 2.001 * g * (1 - saved["out"] ** 2),))
    with pytest.raises(AssertionError, match=r"2\.001 times"):
        test_vjp_agrees_with_central_differences("tanh")
