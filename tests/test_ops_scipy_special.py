"""Special functions: derivatives of every order on tensors, under SciPy's names, and values at the ends.

The table of `test_ops_gradients.py` has those that `minigrad.ops` exports.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from scipy import special

import minigrad as mg
from minigrad import ops
from minigrad.ops import scipy_special
from minigrad.ops.counterparts import FUNCTIONS
from minigrad.testing import assert_gradients_close

BOTH = np.array([-2.6, -1.3, -0.4, 0.3, 0.9, 1.7, 3.2])
RIGHT = np.array([0.3, 0.9, 1.7, 3.2, 7.5])
UNIT = np.array([0.1, 0.35, 0.6, 0.93])
CASES = {
    **{f.__name__: (f, RIGHT) for f in (special.y0, special.y1, special.k0, special.k1, special.entr, special.exp1)},
    **{f.__name__: (f, BOTH) for f in (special.j0, special.j1, special.i0, special.i1, special.i0e, special.i1e)},
    **{f.__name__: (f, BOTH) for f in (special.rgamma, special.gammasgn, special.erfcx, special.dawsn, special.expi)},
    **{f.__name__: (f, BOTH) for f in (special.exp10, special.log_expit)},
    **{f"{f.__name__} {order}": (partial(f, order), RIGHT) for order in (0, 1, 2, 2.5)
       for f in (special.jv, special.yv, special.iv, special.kv, special.ive)},
    **{f"{f.__name__} {a}": (partial(f, a), RIGHT) for a in (0.5, 1, 3) for f in (special.gammainc, special.gammaincc)},
    "jv on both sides": (partial(special.jv, 3), BOTH), "ive on both sides": (partial(special.ive, 2), BOTH),
    "yn": (partial(special.yn, 2), RIGHT), "betainc": (partial(special.betainc, 0.5, 2), UNIT),
    "betainc of arrays": (lambda x: special.betainc(np.array([[1.5], [3.0]]), 2.0, x), UNIT),
    "rel_entr": (lambda x: special.rel_entr(x, x**2), RIGHT), "kl_div": (lambda x: special.kl_div(x, 1 / x), RIGHT),
}  # fmt: skip


def test_every_function_of_the_file_is_here():
    there = {f.__name__ for f, c in FUNCTIONS.items() if getattr(c.call, "__module__", "") == scipy_special.__name__}
    assert there and there == {name.split()[0] for name in CASES}


@pytest.mark.filterwarnings("ignore:.*truncated to an integer:RuntimeWarning")
@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_three_orders(name):
    fn, x = CASES[name]
    np.testing.assert_array_equal(fn(mg.Tensor(x)).data, fn(x))
    assert_gradients_close(fn, x)
    slope = mg.grad(lambda x: fn(x).sum())
    assert_gradients_close(slope, x)
    assert_gradients_close(mg.grad(lambda x: slope(x).sum()), x, rtol=1e-5)
    # forward mode: the Jacobian is diagonal, or the rows of a stack of such
    tangent = mg.jvp(fn, (x,), (np.ones(x.shape),))[1]
    np.testing.assert_allclose(tangent.reshape(-1, x.size).sum(axis=0), slope(x), rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32(name):
    fn, x = CASES[name]
    if name == "betainc of arrays":
        fn = partial(special.betainc, 0.5, 2)
    single = x.astype(np.float32)
    value, pullback = mg.vjp(fn, single)
    exact, exact_pullback = mg.vjp(fn, single.astype(np.float64))
    assert value.dtype == np.float32
    (got,), (expected,) = pullback(np.ones(x.shape)), exact_pullback(np.ones(x.shape))
    assert got.dtype == np.float32
    np.testing.assert_allclose(value, exact, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("fn", [
    lambda t: special.jv(t, 2.0), lambda t: special.gammainc(t, t), lambda t: special.betainc(t, 2.0, 0.5),
    lambda t: special.betainc(2.0, t, 0.5),
])  # fmt: skip
def test_an_order_has_no_derivative(fn):
    with pytest.raises(TypeError, match=r"an argument of scipy.special.\w+ other than the last is not differentiable"):
        mg.grad(fn)(1.5)
    assert fn(mg.Tensor(0.5)).data == fn(0.5)


def test_orders_of_polygamma_and_of_multigammaln():
    x = np.array([0.7, 2.5, -0.4])
    for n in range(4):
        np.testing.assert_array_equal(ops.polygamma(n, x).data, special.polygamma(n, x))
    assert mg.grad(partial(ops.polygamma, np.int64(1)))(1.0) == pytest.approx(-2 * special.zeta(3), rel=1e-14)
    with pytest.raises(TypeError, match=r"n=1\.0 must be an integer, and comes before x"):
        ops.polygamma(1.0, 2.0)
    with pytest.raises(ValueError, match="must not be negative"):
        ops.polygamma(-1, 2.0)
    for d in (1, 2, 5):
        np.testing.assert_allclose(
            ops.multigammaln([2.5, 4.0], d).data, special.multigammaln([2.5, 4.0], d), rtol=1e-14
        )
    assert np.isnan(ops.multigammaln(1.5, 4).item()) and np.isnan(mg.grad(partial(ops.multigammaln, d=4))(1.5))
    with pytest.raises(ValueError, match="d=0 must be at least 1"):
        ops.multigammaln(2.0, 0)


def derivatives(fn, x, order):
    found = []
    for _ in range(order):
        fn = mg.grad(fn)
        with np.errstate(all="ignore"):
            found.append(fn(x).item())
    return found


def hazard(x):
    """φ(x)/Φ(x) for x far down, by its asymptotic series."""
    z = -x
    return z / (1 - 1 / z**2 + 3 / z**4 - 15 / z**6 + 105 / z**8)


AT = {
    "log_ndtr far down": (ops.log_ndtr, -60.0, [hazard(-60.0), -1 + 1 / 60**2 - 6 / 60**4]),
    "log_ndtr far up": (ops.log_ndtr, 200.0, [0, 0, 0]),
    "log_ndtr at ∞": (ops.log_ndtr, np.inf, [0, 0, 0]),
    "ndtr at ∞": (ops.ndtr, np.inf, [0, 0, 0]),
    "ndtr": (ops.ndtr, 0.0, [1 / math.sqrt(2 * math.pi), 0, -1 / math.sqrt(2 * math.pi)]),
    "ndtri": (ops.ndtri, 0.5, [math.sqrt(2 * math.pi), 0]),
    "ndtri at 0": (ops.ndtri, 0.0, [np.inf]),
    "ndtri outside": (ops.ndtri, 2.0, [np.nan] * 2),
    "erfinv at 1": (ops.erfinv, 1.0, [np.inf]),
    "erfinv outside": (ops.erfinv, 2.0, [np.nan] * 2),
    "logit": (ops.logit, 0.5, [4, 0, 32]),
    "logit outside": (ops.logit, 2.0, [np.nan] * 2),
    "logit at 1": (ops.logit, 1.0, [np.inf]),
    "xlogy, both 0": (lambda y: ops.xlogy(0.0, y), 0.0, [0, 0]),
    "xlogy, x is 0": (lambda x: ops.xlogy(x, 2.0), 0.0, [math.log(2), 0]),
    "xlogy outside": (lambda y: ops.xlogy(2.0, y), -1.0, [np.nan] * 2),
    "xlog1py, 0 and −1": (lambda y: ops.xlog1py(0.0, y), -1.0, [0, 0]),
    "gammaln at 1": (ops.gammaln, 1.0, [-np.euler_gamma, math.pi**2 / 6]),
    "gammaln far out": (ops.gammaln, 1e300, [math.log(1e300), 1e-300]),
}


@pytest.mark.parametrize("name", AT)
def test_derivatives_at_single_points(name):
    fn, x, expected = AT[name]
    np.testing.assert_allclose(derivatives(fn, x, len(expected)), expected, rtol=2e-8, atol=1e-15)


def test_single_precision_far_down():
    value, gradient = mg.value_and_grad(ops.log_ndtr)(np.float32(-100))
    assert gradient.dtype == np.float32 and gradient == pytest.approx(hazard(-100.0), rel=1e-6)
    assert value == pytest.approx(special.log_ndtr(-100.0), rel=1e-6)


def test_mixed_derivative_of_xlogy_where_x_is_0():
    """0 by y there, but not by y and x."""
    by_y = mg.grad(ops.xlogy, argnums=1)
    assert mg.grad(by_y, argnums=0)(0.0, 4.0) == 0.25 and mg.grad(by_y, argnums=1)(0.0, 4.0) == 0
