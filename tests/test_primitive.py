"""The decorator that makes an operation of a forward function and its VJP rules."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.engine.context import inside_layer
from minigrad.structure import Columns
from minigrad.testing import assert_gradients_close


def test_a_primitive_in_ten_lines():
    import numpy as np

    import minigrad as mg
    from minigrad.testing import assert_gradients_close

    @mg.primitive(x=lambda g, saved: g * saved["slope"])
    def swish(x, beta=1.0):
        s = 1 / (1 + np.exp(-beta * x))
        return x * s, {"slope": s + beta * x * s * (1 - s)}

    assert_gradients_close(lambda x: swish(x, beta=2.0), [-1.0, 0.0, 2.5])


@mg.primitive(broadcasts=True, x=lambda g, saved: g * saved["y"], y=lambda g, saved: g * saved["x"])
def scaled(x, y=None, *, factor=1.0):
    """Documented."""
    y = np.ones(()) if y is None else y
    return factor * x * y, {"x": factor * x, "y": factor * y}


def test_the_operation_looks_like_the_function():
    assert scaled.__name__ == "scaled" and scaled.__doc__ == "Documented."
    assert list(inspect.signature(scaled).parameters) == ["x", "y", "factor", "vjp"]
    assert "needs" not in inspect.signature(ops.multiply).parameters
    assert scaled.primitive.inputs == ("x", "y") and repr(scaled.primitive) == "<primitive scaled(x, y)>"


def test_arguments_by_position_and_by_name():
    assert_gradients_close(lambda a, b: scaled(a, b), [1.0, 2.0], 3.0)
    assert_gradients_close(lambda a, b: scaled(y=b, x=a, factor=2.0), [1.0, 2.0], [[3.0], [4.0]])
    assert_gradients_close(lambda a: scaled(a, factor=3.0), [1.0, 2.0])
    assert_gradients_close(lambda b: scaled(2.0, b), [1.0, 2.0])


def test_wrong_arguments():
    with pytest.raises(TypeError, match="scaled: argument 'x' is missing"):
        scaled(y=1.0)
    with pytest.raises(TypeError, match="scaled: argument 'x' was given twice"):
        scaled(1.0, x=2.0)
    with pytest.raises(TypeError, match=r"scaled: takes 2 positional arguments \(x, y\), got 3"):
        scaled(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match="unexpected keyword"):
        scaled(1.0, colour="red")
    with pytest.raises(TypeError, match="no such argument; its arguments are x"):
        mg.primitive(z=lambda g, saved: g)(lambda x: (x, {}))
    with pytest.raises(TypeError, match="one VJP rule for each"):
        mg.primitive()(lambda x: (x, {}))


def test_a_setting_cannot_require_a_gradient():
    w = mg.Tensor([0.5], requires_grad=True)
    with mg.Tape(), pytest.raises(TypeError, match=r"scaled: argument 'factor' is not differentiable.*\.data"):
        scaled(w, factor=w)
    assert scaled(w, factor=mg.Tensor(2.0)).data.tolist() == [1.0]


def test_a_rule_must_return_the_shape_of_its_input():
    @mg.primitive(x=lambda g, saved: g.sum())
    def wrong(x):
        return x * 1, {}

    x = mg.Tensor([1.0, 2.0], requires_grad=True)
    with mg.Tape() as tape, inside_layer("body"):
        y = wrong(x)
    with pytest.raises(ValueError, match=r"body/wrong: its VJP rule for 'x' returned shape \(\).*shape \(2,\)"):
        tape.gradients(y, [x], cotangent=[1.0, 1.0])


@pytest.mark.parametrize("answer", [None, 1.0, [1.0, 2.0]])
def test_a_rule_must_return_an_array(answer):
    @mg.primitive(x=lambda g, saved: answer)
    def wrong(x):
        return x * 1, {}

    x = mg.Tensor([1.0, 2.0], requires_grad=True)
    with mg.Tape() as tape:
        y = wrong(x)
    with pytest.raises(TypeError, match=f"wrong: its VJP rule for 'x' returned a {type(answer).__name__}"):
        tape.gradients(y, [x], cotangent=[1.0, 1.0])


def test_needs_tells_which_inputs_require_a_gradient():
    seen = []

    @mg.primitive(x=lambda g, saved: g, y=lambda g, saved: g)
    def spy(x, y, needs=(True, True)):
        seen.append(needs)
        return x + y, {}

    w = mg.Tensor([1.0], requires_grad=True)
    with mg.Tape():
        spy(w, 1.0), spy(np.ones(1), w), spy(w, w), spy(1.0, 2.0)
    spy(w, w)
    assert seen == [(True, False), (False, True), (True, True), (False, False), (False, False)]


def test_variadic_inputs_are_known_by_position():
    @mg.primitive(xs=lambda g, saved, k: g * (k + 1))
    def weighted(*xs):
        return sum((k + 1) * x for k, x in enumerate(xs)), {}

    assert_gradients_close(weighted, [1.0, 2.0], [3.0, 4.0], [5.0, 6.0])


def test_structured_rules_and_their_fallback():
    seen = []

    @mg.primitive(x=lambda g, saved: g * saved["y"], y=lambda g, saved: g * saved["x"])
    def times(x, y):
        return x * y, {"x": x, "y": y}

    def sparse(g, saved):
        seen.append(g)
        return Columns(g.values * saved["y"][:, g.indices], g.indices, g.shape)

    times.primitive.structured(Columns, x=sparse)

    class Keep(mg.Estimator):
        def sample(self, g, node, rng):
            return Columns(g[:, :1] * 2, np.array([0]), g.shape)

    x, y = (mg.Tensor(np.full((2, 2), v), requires_grad=True) for v in (3.0, 5.0))
    with mg.Tape() as tape:
        out = times(x, y, vjp=Keep())
    gx, gy = tape.gradients(out, [x, y], cotangent=np.ones((2, 2)))
    assert len(seen) == 1
    np.testing.assert_array_equal(gx, [[10, 0], [10, 0]])
    np.testing.assert_array_equal(gy, [[6, 0], [6, 0]])


def test_a_rule_that_was_to_take_every_structure_and_does_not_is_told_the_word():
    class Keep(mg.Estimator):
        def sample(self, g, node, rng):
            return Columns(g[:, :1] * 2, np.array([0]), g.shape)

    def stretch(x, d):
        return x * d, {"x": x, "d": d}

    rules = {"x": lambda g, saved: g * saved["d"], "d": lambda g, saved: (g * saved["x"]).sum(axis=0)}
    x, d = mg.Tensor(np.ones((2, 3)), requires_grad=True), np.arange(3.0)
    with mg.Tape() as tape:
        wrong = mg.primitive(kind="bilinear", **rules)(stretch)(x, d, vjp=Keep())
        right = mg.primitive(kind="multilinear", **rules)(stretch)(x, d + 1, vjp=Keep())
    with pytest.raises(TypeError, match=r"stretch: its VJP rule for 'x' failed on .* Columns .*say kind='multilinear'"):
        tape.gradients(wrong, [x], cotangent=np.ones((2, 3)))
    (found,) = tape.gradients(right, [x], cotangent=np.ones((2, 3)))
    np.testing.assert_array_equal(found, [[2, 0, 0], [2, 0, 0]])


def test_errors_name_operation_layer_and_shapes():
    with inside_layer("encoder"), inside_layer("0"), pytest.raises(ValueError) as caught:
        ops.linear(np.ones((4, 3)), np.ones((2, 5)))
    text = str(caught.value)
    for part in ("linear in layer 'encoder.0'", "x (4, 3)", "w (2, 5)", "same number n of input features"):
        assert part in text
    with pytest.raises(ValueError, match=r"add: .*x \(2,\), y \(3,\)"):
        mg.Tensor([1.0, 2.0]) + np.ones(3)
    with pytest.raises(IndexError, match=r"getitem: .*x \(2,\)"):
        mg.Tensor([1.0, 2.0])[5]


@pytest.mark.parametrize(
    "value, what",
    [(1j, "complex"), ("a", "str"), (object(), "object"), (None, "None"), (np.array(["a"]), "<U1"), ([None], "list")],
)
def test_inputs_must_hold_real_numbers(value, what):
    with pytest.raises(TypeError, match=rf"add: input 'y' is .*{what}.*real numbers.*float"):
        ops.add([1.0], value)
    with pytest.raises(TypeError, match=r"concatenate: input 'arrays\[1\]' is"):
        ops.concatenate([[1.0], value])


def test_a_type_error_of_the_forward_pass_is_explained():
    with pytest.raises(TypeError, match=r"softmax: axis=1.0 is not an int.*x \(2,\)"):
        ops.softmax([1.0, 2.0], axis=1.0)


@pytest.mark.parametrize("kept", ["array", "list", "dict"])
def test_what_is_saved_within_a_container_has_a_derivative_too(kept):
    """A rule that reads a slope from a list or a dict cannot be differentiated silently as if it were a constant."""
    pack = {"array": lambda s: s, "list": lambda s: [s], "dict": lambda s: {"s": s}}[kept]
    read = {"array": lambda s: s, "list": lambda s: s[0], "dict": lambda s: s["s"]}[kept]

    @mg.primitive(x=lambda g, saved: g * read(saved["slope"]))
    def square(x):
        return x * x, {"slope": pack(2 * x)}

    assert mg.grad(lambda x: square(x).sum())(np.array([3.0])).tolist() == [6.0]
    with pytest.raises(
        mg.TapeError, match="its VJP rules read 'slope', and how that depends on the inputs is not known"
    ):
        mg.hessian(lambda x: square(x).sum())(np.array([3.0]))
