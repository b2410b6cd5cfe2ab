"""Every operation that is exported: its tangents by duality, and its derivatives of second and third order."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_table import TABLE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import ops

FEW = settings(
    max_examples=14, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip


def close(got, expected, tolerance):
    """Equal up to a tolerance, relative to the largest of all the expected numbers or 1."""
    scale = 1 + max([np.abs(e).max(initial=0.0) for e in expected], default=0.0)
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(np.asarray(g) / scale, np.asarray(e) / scale, rtol=0, atol=tolerance)


def directions(arrays, seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(a.shape) for a in arrays]


def weighted(fn, arrays, seed):
    """⟨u, f⟩ with fixed random weights."""
    shape = mg.vjp(fn, *arrays)[0].shape
    u = np.random.default_rng(seed + 1).standard_normal(shape)
    return lambda *args: (fn(*args) * u).sum(), u


def gradient(h, n):
    derive = mg.grad(h, range(n))
    return lambda *args: [g if isinstance(g, mg.Tensor) else np.asarray(g) for g in derive(*args)]


@pytest.mark.parametrize("name", sorted(TABLE))
def test_tangents_and_cotangents_are_dual(name):
    """⟨u, J t⟩ = ⟨Jᵀ u, t⟩ to 1e-10, for all inputs together and for each alone."""

    @FEW
    @given(case=TABLE[name], seed=st.integers(0, 99))
    def check(case, seed):
        fn, arrays = case
        value, pullback = mg.vjp(fn, *arrays)
        u = np.random.default_rng(seed + 1).standard_normal(value.shape)
        back = pullback(u)
        whole = directions(arrays, seed)
        for t in [whole, *[[d if j == k else 0 * d for j, d in enumerate(whole)] for k in range(len(arrays))]]:
            again, tangent = mg.jvp(fn, arrays, t)
            np.testing.assert_array_equal(again, value)
            assert tangent.shape == value.shape and tangent.dtype == value.dtype
            right = sum(float((g * d).sum()) for g, d in zip(back, t, strict=True))
            scale = 1 + np.abs(u).sum() * np.abs(tangent).max(initial=0.0)
            assert abs(float((u * tangent).sum()) - right) <= 1e-10 * scale

    check()


@pytest.mark.parametrize("name", sorted(TABLE))
def test_second_derivatives_agree_with_central_differences_of_the_gradient(name):
    """Forward over reverse, and reverse over reverse, which must be equal to rounding."""

    @FEW
    @given(case=TABLE[name], seed=st.integers(0, 99))
    def check(case, seed):
        fn, arrays = case
        if not arrays:
            return
        h, _ = weighted(fn, arrays, seed)
        t = directions(arrays, seed)
        n, step = len(arrays), 1e-5
        first = gradient(h, n)
        up = first(*[a + step * d for a, d in zip(arrays, t, strict=True)])
        down = first(*[a - step * d for a, d in zip(arrays, t, strict=True)])
        expected = [(a - b) / (2 * step) for a, b in zip(up, down, strict=True)]
        forward = mg.hvp(h, arrays, t)
        forward = forward if n > 1 else (forward,)
        close(forward, expected, 2e-6)
        reverse = mg.grad(lambda *args: sum((g * d).sum() for g, d in zip(first(*args), t, strict=True)), range(n))
        close(reverse(*arrays), forward, 1e-10)
        over_forward = mg.grad(lambda *args: mg.jvp(h, args, t)[1], range(n))
        close(over_forward(*arrays), forward, 1e-10)

    check()


@pytest.mark.parametrize("name", sorted(TABLE))
def test_third_derivatives_agree_with_central_differences(name):
    @settings(FEW, max_examples=6)
    @given(case=TABLE[name], seed=st.integers(0, 99))
    def check(case, seed):
        fn, arrays = case
        if not arrays:
            return
        h, _ = weighted(fn, arrays, seed)
        t = directions(arrays, seed)
        n, step = len(arrays), 1e-5

        def second(*args):
            found = mg.hvp(h, args, t)
            return found if n > 1 else (found,)

        up = second(*[a + step * d for a, d in zip(arrays, t, strict=True)])
        down = second(*[a - step * d for a, d in zip(arrays, t, strict=True)])
        expected = [(a - b) / (2 * step) for a, b in zip(up, down, strict=True)]
        got = mg.grad(lambda *args: sum((g * d).sum() for g, d in zip(second(*args), t, strict=True)), range(n))
        # d/dx ⟨∇²h t, t⟩ and the derivative of ∇²h t in direction t are the same third derivative.
        close(got(*arrays), expected, 2e-5)

    check()


def test_float32_and_float16_tangents():
    for dtype in (np.float16, np.float32):
        x = np.linspace(-1, 1, 6, dtype=dtype)
        value, tangent = mg.jvp(lambda x: ops.tanh(x) * 2, (x,), (np.ones(6),))
        assert value.dtype == tangent.dtype == dtype
        np.testing.assert_allclose(tangent, 2 * (1 - np.tanh(x.astype(float)) ** 2), atol=2e-3)


def test_the_checks_can_fail():
    """A wrong tangent, and a saved slope that is taken for a constant, are noticed."""
    wrong = mg.primitive(tangents={"x": lambda t, saved: 2.001 * t * saved["x"]}, x=lambda g, s: 2 * g * s["x"])(
        lambda x: (x**2, {"x": x})
    )
    x, t = np.array([1.0, 2.0]), np.array([1.0, -1.0])
    assert mg.jvp(wrong, (x,), (t,))[1] @ np.ones(2) != pytest.approx(mg.vjp(wrong, x)[1](np.ones(2))[0] @ t)
    slope = mg.primitive(kind="elementwise", x=lambda g, s: g * s["slope"])(lambda x: (x**2, {"slope": 2 * x}))
    assert mg.grad(slope)(3.0) == 6.0 and mg.jvp(slope, (3.0,), (1.0,))[1] == 6.0
    with pytest.raises(mg.TapeError, match=r"its VJP rules read 'slope'.*derived=\{'slope'"):
        mg.grad(mg.grad(slope))(3.0)
    said = mg.primitive(kind="elementwise", derived={"slope": lambda s: 2 * s["x"]}, x=lambda g, s: g * s["slope"])(
        lambda x: (x**2, {"slope": 2 * x})
    )
    assert mg.grad(mg.grad(said))(3.0) == 2.0 and mg.grad(mg.grad(mg.grad(said)))(3.0) == 0.0
    number = mg.primitive(kind="elementwise", x=lambda g, s: g * s["slope"])(lambda x: (x**2, {"slope": float(2 * x)}))
    assert mg.grad(number)(3.0) == 6.0
    with pytest.raises(mg.TapeError, match="its VJP rules read 'slope'"):
        mg.grad(mg.grad(number))(3.0)
    silent = mg.primitive(x=lambda g, s: 2 * g * s["x"])(lambda x: (x**2, {"x": x}))
    assert mg.grad(mg.grad(silent))(3.0) == 2.0
    with pytest.raises(TypeError, match="there is no forward mode through it"):
        mg.jvp(silent, (3.0,), (1.0,))
    renamed = mg.primitive(x=lambda g, s: g * s["x"])(lambda x: (x**2, {"x": 2 * x}))
    with pytest.raises(mg.TapeError, match="its VJP rules read 'x'"):
        mg.grad(mg.grad(renamed))(3.0)


def test_settings_are_no_inputs_given_or_left_at_their_default():
    def forward(x, power=3.0, *, scale=1.0):
        return scale * x**power, {"x": x, "power": power, "scale": scale}

    rule = lambda g, s: g * s["scale"] * s["power"] * s["x"] ** (s["power"] - 1)  # noqa: E731
    raised = mg.primitive(kind="elementwise", x=rule)(forward)
    assert mg.grad(mg.grad(raised))(2.0) == 12.0
    assert mg.grad(mg.grad(lambda x: raised(x, power=np.float64(2.0), scale=0.5)))(2.0) == 1.0


def test_tangents_of_scalars_are_arrays():
    for fn in (lambda x, y: x * y, lambda x, y: x + y, lambda x, y: np.hypot(x, y)):
        assert all(type(found) is np.ndarray for found in mg.jvp(fn, (1.5, 2.5), (1.0, 2.0)))
        assert all(type(found) is np.ndarray for found in mg.hvp(fn, (1.5, 2.5), (1.0, 2.0)))


def test_messages_name_what_was_called():
    for call in (mg.jvp, mg.hvp, mg.gauss_newton_product):
        with pytest.raises(TypeError, match=f"^{call.__name__}: primals is a ndarray"):
            call(lambda x: x.sum(), np.ones(2), np.ones(2))
