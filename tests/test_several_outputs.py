"""Primitives with several outputs: gradients, tangents, second derivatives, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.estimators import Mask

RNG = np.random.default_rng(0)


@mg.primitive(
    outputs=("radius", "angle"),
    tangents={
        "x": lambda t, s: (t * s["x"] / s["radius"], -t * s["y"] / s["radius"] ** 2),
        "y": lambda t, s: (t * s["y"] / s["radius"], t * s["x"] / s["radius"] ** 2),
    },
    x=lambda g, s: g[0] * s["x"] / s["radius"] - g[1] * s["y"] / s["radius"] ** 2,
    y=lambda g, s: g[0] * s["y"] / s["radius"] + g[1] * s["x"] / s["radius"] ** 2,
)
def polar(x, y):
    """Radius and angle of a point."""
    radius = np.hypot(x, y)
    return (radius, np.arctan2(y, x)), {"x": x, "y": y, "radius": radius}


X, Y = RNG.uniform(0.5, 2, (2, 3)), RNG.uniform(0.5, 2, (2, 3))


def test_values_and_gradients():
    radius, angle = polar(X, Y)
    np.testing.assert_allclose(radius.data, np.hypot(X, Y))
    np.testing.assert_allclose(angle.data, np.arctan2(Y, X))
    mg.testing.assert_gradients_close(lambda x, y: polar(x, y)[0] * 2 + polar(x, y)[1] ** 2, X, Y)
    mg.testing.assert_gradients_close(lambda x, y: polar(x, y)[1], X, Y)  # one of them is not used
    value, pullback = mg.vjp(polar, X, Y)
    assert isinstance(value, tuple) and len(pullback((X, Y))) == 2


def test_tangents_and_second_derivatives():
    """Against the same function of operations of the library, to rounding."""
    plain = lambda x, y: (ops.hypot(x, y), ops.arctan2(y, x))  # noqa: E731
    dx, dy = RNG.standard_normal((2, 2, 3))
    for mine, theirs in zip(mg.jvp(polar, (X, Y), (dx, dy))[1], mg.jvp(plain, (X, Y), (dx, dy))[1], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13)
    mine, theirs = [lambda x, y, f=f: (f(x, y)[0] * f(x, y)[1] ** 2).sum() for f in (polar, plain)]
    for a, b in zip(mg.hvp(mine, (X, Y), (dx, dy)), mg.hvp(theirs, (X, Y), (dx, dy)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    third = [
        mg.grad(lambda x, f=f: sum((h * d).sum() for h, d in zip(mg.hvp(f, (x, Y), (dx, dy)), (dx, dy), strict=True)))(
            X
        )
        for f in (mine, theirs)
    ]
    np.testing.assert_allclose(*third, rtol=1e-11)


def test_on_the_tape_they_are_one_node_and_a_part_for_each():
    x = mg.Tensor(X, requires_grad=True)
    with mg.Tape() as tape:
        radius, angle = polar(x, Y, vjp=Mask(0.5, axis="element"))
        loss = (radius * angle).sum()
    assert [node.name for node in tape.nodes] == ["polar", "part", "part", "multiply", "sum"]
    assert tape.nodes[0].shape == (12,)
    exact = mg.grad(lambda x: (polar(x, Y)[0] * polar(x, Y)[1]).sum())(X)
    assert mg.inspect.unbiasedness(tape, loss, draws=200, rng=0).passed
    assert np.abs(tape.gradients(loss, [x], rng=0)[0] - exact).max() > 0.1


def test_dtypes_and_shapes():
    single = polar(X.astype(np.float32), Y.astype(np.float32))
    assert [part.dtype for part in single] == [np.float32] * 2 and single[0].shape == (2, 3)
    assert polar(3, 4)[0].item() == 5.0

    @mg.primitive(outputs=("low", "total"), kind="linear", x=lambda g, s: np.tril(g[0]) + g[1])
    def split(x):
        return (np.tril(x), x.sum()), {}

    assert [out.shape for out in split(np.ones((3, 3)))] == [(3, 3), ()]
    with pytest.raises(TypeError, match="must return"):
        mg.primitive(outputs=("a", "b"), x=lambda g, s: g[0])(lambda x: (x, {}))(1.0)
    with pytest.raises(TypeError, match="returned 1 outputs, not a, b"):
        mg.primitive(outputs=("a", "b"), x=lambda g, s: g[0])(lambda x: ((x,), {}))(1.0)
    with pytest.raises(TypeError, match="output 'b'.*complex"):
        mg.primitive(outputs=("a", "b"), x=lambda g, s: g[0])(lambda x: ((x, 1j * x), {}))(1.0)
