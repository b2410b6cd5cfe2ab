"""jvp, jacobian, hessian, hvp, gauss_newton_product: each against a definition of its own."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

RNG = np.random.default_rng(0)
A = RNG.standard_normal((3, 4))


def wave(x):
    """From R⁴ to R³."""
    return ops.matmul(A, (x * x).sin())


def jacobian_of_wave(x):
    return A * (2 * x * np.cos(x * x))


def test_jvp_takes_containers_several_outputs_and_aux():
    def fn(p, x):
        y = p["w"] * x
        return {"y": y, "norm": (y * y).sum(), "constant": 3.0}, {"seen": y}

    p, dp = {"w": np.array([1.0, 2.0])}, {"w": np.array([0.5, -1.0])}
    x, dx = np.array([3.0, 4.0]), np.array([1.0, 0.0])
    value, tangent, aux = mg.jvp(fn, (p, x), (dp, dx), has_aux=True)
    assert value["y"].tolist() == [3, 8] and tangent["y"].tolist() == [2.5, -4]
    assert tangent["norm"] == 2 * (3 * 2.5 + 8 * -4) and tangent["constant"] == 0.0
    assert isinstance(aux["seen"], np.ndarray)
    assert mg.jvp(lambda x: x, (2.0,), (5.0,)) == (2.0, 5.0)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian_in_both_modes(mode):
    x = RNG.standard_normal(4)
    got = mg.jacobian(wave, mode=mode)(x)
    np.testing.assert_allclose(got, jacobian_of_wave(x), rtol=1e-13)
    both = mg.jacobian(lambda x, c, y: ops.outer(x, y) * c, (0, 2), mode=mode)(x[:2], 3.0, x[1:])
    np.testing.assert_allclose(both[0], 3 * np.einsum("ik,j->ijk", np.eye(2), x[1:]))
    np.testing.assert_allclose(both[1], 3 * np.einsum("i,jk->ijk", x[:2], np.eye(3)))
    assert mg.jacobian(lambda x: x.sum(), mode=mode)(np.ones((2, 0))).shape == (2, 0)


def test_jacobian_takes_the_mode_with_fewer_passes(monkeypatch):
    calls = []
    push, pull = mg.Tape.pushforward, mg.Tape.gradients
    monkeypatch.setattr(mg.Tape, "pushforward", lambda *a, **k: calls.append("forward") or push(*a, **k))
    monkeypatch.setattr(mg.Tape, "gradients", lambda *a, **k: calls.append("reverse") or pull(*a, **k))
    mg.jacobian(wave)(np.ones(4))
    mg.jacobian(lambda t: ops.stack([t.sin(), t.cos(), t]))(0.5)
    assert calls == ["reverse"] * 3 + ["forward"]


def test_hessian_is_symmetric_and_that_of_a_known_function():
    x = RNG.standard_normal(4)
    fn = lambda x: (x[0] * x[1] ** 2 + (x[2] * x[3]).exp()).sum()  # noqa: E731
    e = np.exp(x[2] * x[3])
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 2 * x[1]
    expected[1, 1] = 2 * x[0]
    expected[2:, 2:] = e * np.array([[x[3] ** 2, 1 + x[2] * x[3]], [1 + x[2] * x[3], x[2] ** 2]])
    np.testing.assert_allclose(mg.hessian(fn)(x), expected, rtol=1e-12, atol=1e-12)
    (xx, xy), (yx, yy) = mg.hessian(lambda x, y: (x**2 * y).sum(), (0, 1))(np.ones(2), np.full(2, 3.0))
    assert xx.tolist() == [[6, 0], [0, 6]] and (xy == yx.T).all() and not yy.any()


def test_products_are_those_with_the_matrices():
    x, t = RNG.standard_normal(4), RNG.standard_normal(4)
    scalar = lambda x: wave(x).square().sum()  # noqa: E731
    np.testing.assert_allclose(mg.hvp(scalar, (x,), (t,)), mg.hessian(scalar)(x) @ t, rtol=1e-12)
    j = jacobian_of_wave(x)
    np.testing.assert_allclose(mg.gauss_newton_product(wave, (x,), (t,)), j.T @ j @ t, rtol=1e-12)
    labels = np.array(1)
    loss = lambda y: ops.cross_entropy(y[None], labels[None])  # noqa: E731
    y = wave(mg.Tensor(x)).data
    p = np.exp(y) / np.exp(y).sum()
    h = np.diag(p) - np.outer(p, p)
    np.testing.assert_allclose(mg.gauss_newton_product(wave, (x,), (t,), loss=loss), j.T @ h @ j @ t, rtol=1e-12)
    several = mg.hvp(lambda a, b: (a * b).sum() ** 2, (x, t), (t, x))
    assert isinstance(several, tuple) and len(several) == 2


def test_they_nest():
    """Tensors within a recording: the derivative of a Jacobian's norm, and of a Hessian product."""
    x = RNG.standard_normal(4)
    mg.testing.assert_gradients_close(lambda x: mg.jacobian(wave, mode="forward")(x).__pow__(2).sum(), x)
    mg.testing.assert_gradients_close(lambda x: mg.jacobian(wave, mode="reverse")(x).__pow__(2).sum(), x)
    mg.testing.assert_gradients_close(lambda x: (mg.hvp(lambda x: (x**4).sum(), (x,), (np.ones(4),)) * x).sum(), x)
    mg.testing.assert_gradients_close(lambda x: mg.jvp(wave, (x,), (np.ones(4),))[1].__pow__(2).sum(), x)
    mg.testing.assert_gradients_close(lambda t: mg.jvp(wave, (x,), (t,))[1].__pow__(2).sum(), x)


def test_the_gradient_of_the_gradient_norm_of_an_mlp():
    """Against the Hessian times the gradient, 2 H g, from the whole Hessian: to 1e-12."""
    x, y = RNG.standard_normal((5, 2)), RNG.standard_normal((5, 1))
    theta = RNG.standard_normal(3 * 2 + 3 + 3 + 1)

    def loss(theta):
        w, b, v, c = theta[:6].reshape(3, 2), theta[6:9], theta[9:12].reshape(1, 3), theta[12:]
        return ops.mse(ops.linear(ops.linear(x, w, b).tanh(), v, c), y)

    got = mg.grad(lambda theta: (mg.grad(loss)(theta) ** 2).sum())(theta)
    expected = 2 * mg.hessian(loss)(theta) @ mg.grad(loss)(theta)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_errors():
    with pytest.raises(TypeError, match=r"jvp: primals is a float.*write \(x,\)"):
        mg.jvp(wave, 1.0, (1.0,))
    with pytest.raises(TypeError, match=r"hvp|jvp: tangents is a ndarray"):
        mg.hvp(lambda x: x.sum(), (np.ones(2),), np.ones(2))
    with pytest.raises(ValueError, match="1 primals, but 2 tangents"):
        mg.jvp(wave, (1.0,), (1.0, 1.0))
    with pytest.raises(ValueError, match=r"tangent 0 has shape \(3,\), but what it belongs to has shape \(4,\)"):
        mg.jvp(wave, (np.ones(4),), (np.ones(3),))
    with pytest.raises(ValueError, match=r"tangent 0\['b'\] is missing"):
        mg.jvp(lambda p: p["a"] * p["b"], ({"a": 1.0, "b": 2.0},), ({"a": 1.0},))
    with pytest.raises(ValueError, match="mode='both' is none of"):
        mg.jacobian(wave, mode="both")
    with pytest.raises(TypeError, match="must be arrays, not containers"):
        mg.jacobian(lambda p: p["a"])({"a": 1.0})
    with pytest.raises(TypeError, match="argnums= takes an int"):
        mg.hessian(wave, 1.5)
    with pytest.raises(mg.TapeError, match=r"returned shape \(3,\)"):
        mg.hvp(wave, (np.ones(4),), (np.ones(4),))
    w = mg.Tensor(np.ones(2), requires_grad=True)
    with mg.Tape() as tape:
        w * w
    for seed, error in (((w,), TypeError), ((w, np.ones(3)), ValueError), ((w, [1j, 0]), TypeError)):
        with pytest.raises(error, match="pushforward"):
            tape.pushforward([seed])
    w.data = np.ones(2)
    with pytest.raises(mg.TapeError, match="pushforward: the leaf"):
        tape.pushforward([(w, np.ones(2))])


def test_the_jacobian_goes_back_where_a_primitive_has_no_tangent():
    @mg.primitive(x=lambda g, saved: 2 * g * saved["x"])
    def squared(x):
        return x * x, {"x": x}

    def tall(x):
        return squared(x) * np.arange(5.0)

    assert mg.jacobian(tall)(np.array([3.0])).tolist() == [[6.0 * k] for k in range(5)]
    with pytest.raises(TypeError, match=r"squared: there is no forward mode.*mode='reverse'"):
        mg.jacobian(tall, mode="forward")(np.array([3.0]))
    with pytest.raises(TypeError, match=r"squared: there is no forward mode.*mode='reverse'"):
        mg.hessian(lambda x: squared(x).sum())(np.ones(2))
    assert mg.jacobian(mg.grad(lambda x: squared(x).sum()))(np.ones(2)).tolist() == [[2.0, 0.0], [0.0, 2.0]]
