"""The checker is checked: right gradients pass, planted faults do not."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.streams import Domain, generator
from minigrad.testing import assert_gradients_close
from minigrad.testing.hints import hint
from minigrad.testing.numerical_derivatives import ridders

A = np.array([[0.3, -1.2, 0.8], [1.1, 0.4, -0.6]])
B = np.array([[0.7, 0.2, -0.5], [-0.9, 1.3, 0.6]])


@pytest.mark.parametrize("f, slope", [(np.exp, np.exp), (np.sin, np.cos), (np.log, lambda x: 1 / x)])
@pytest.mark.parametrize("x", [0.01, 0.3, 2.0, 40.0])
def test_numerical_derivatives_have_nine_digits(f, slope, x):
    start = 0.02 * max(x, 0.1)
    result = ridders(lambda t: f(x + np.array([t])), np.ones(1), start)
    assert result.value == pytest.approx(slope(x), rel=1e-9)
    assert result.error <= 1e-8 * abs(slope(x))


def test_numerical_derivatives_pass_over_steps_outside_the_domain():
    result = ridders(lambda t: np.sqrt(1e-3 + np.array([t])), np.ones(1), 0.02)
    assert result.value == pytest.approx(0.5 / np.sqrt(1e-3), rel=1e-7)


def test_numerical_derivatives_next_to_a_kink_are_right():
    result = ridders(lambda t: np.abs(1e-3 + np.array([t])), np.ones(1), 0.02)
    assert result.value == pytest.approx(1.0, rel=1e-9)


def test_numerical_derivatives_say_when_they_fail():
    assert np.isnan(ridders(lambda t: np.array([np.nan]), np.ones(1), 0.02).value)
    jump = ridders(lambda t: np.array([float(t > 0)]), np.ones(1), 0.02)
    assert jump.error > 1


def test_right_gradients_pass():
    assert_gradients_close(lambda a, b: (a * b).sum(), A, B)
    assert_gradients_close(lambda a, b: ops.concatenate([a @ b.T, a @ a.T]).exp(), A, B)
    assert_gradients_close(lambda a: a * 1e8, A)
    assert_gradients_close(lambda a: a * 1e-8, A)
    assert_gradients_close(lambda a: a.sum() * 0.0 + 3.0, A)  # gradient 0 everywhere
    assert_gradients_close(lambda a, b: a.exp(), A, B)  # an input that is not used
    assert_gradients_close(lambda a: a.tanh(), np.zeros((0, 3)))
    assert_gradients_close(lambda a: a**2, [1, 2, 3])  # integers are taken as float64


def product(x_rule=None, y_rule=None, broadcasts=True):
    """x · y with rules that a test may replace."""

    @mg.primitive(
        broadcasts=broadcasts,
        x=x_rule or (lambda g, saved: g * saved["y"]),
        y=y_rule or (lambda g, saved: g * saved["x"]),
    )
    def times(x, y):
        return x * y, {"x": x, "y": y}

    return times


def test_the_unplanted_product_passes():
    assert_gradients_close(product(), A, B[:1])


@pytest.mark.parametrize(
    "rule, message",
    [
        (lambda g, saved: 2.001 * g * saved["y"], r"all entries are 2\.001 times what they should be"),
        (lambda g, saved: 0.5 * g * saved["y"], r"0\.5 times what they should be"),
        (lambda g, saved: g * saved["y"] / 6, r"1/6: a mean taken for a sum"),
        (lambda g, saved: -g * saved["y"], "wrong sign"),
        (lambda g, saved: 0 * g, "zero everywhere"),
        (lambda g, saved: g * saved["y"] * np.nan, "NaN or infinity"),
        (lambda g, saved: g * saved["x"], "the derivative itself"),
        (lambda g, saved: (g * saved["y"])[::-1], "reversed along axis 0"),
        (lambda g, saved: (g * saved["y"]).T.reshape(2, 3), "order of the transposed gradient"),
        (lambda g, saved: np.where(saved["y"] == -0.5, 0, g * saved["y"]), "1 of 6 entries differ"),
        (lambda g, saved: saved["y"], "not linear in the cotangent"),
        (lambda g, saved: g * g * saved["y"], "not linear in the cotangent"),
        (lambda g, saved: (g * saved["y"])[:1], "backward pass failed"),
        (lambda g, saved: None, "backward pass failed"),
        (lambda g, saved: saved["z"], "KeyError: 'z'"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_caught_and_explained(rule, message):
    with pytest.raises(AssertionError, match=message) as caught:
        assert_gradients_close(product(x_rule=rule), A, B)
    assert str(caught.value).startswith("times:")


def test_a_transposed_gradient_of_a_square_matrix_is_caught():
    rule = lambda g, saved: (g * saved["y"]).T  # noqa: E731
    with pytest.raises(AssertionError, match="the gradient is transposed"):
        assert_gradients_close(product(x_rule=rule), A[:, :2], B[:, :2])


def test_a_missing_unbroadcast_is_caught():
    with pytest.raises(AssertionError, match="broadcasts=True"):
        assert_gradients_close(product(broadcasts=False), A, B[0])
    first = lambda g, saved: (g * saved["x"])[0]  # noqa: E731
    with pytest.raises(AssertionError, match="input 1 of shape") as caught:
        assert_gradients_close(product(y_rule=first, broadcasts=False), A, B[0])
    assert "broadcast" in str(caught.value)


def test_the_message_has_the_numbers():
    rule = lambda g, saved: 2 * g * saved["y"]  # noqa: E731
    with pytest.raises(AssertionError) as caught:
        assert_gradients_close(product(x_rule=rule), [1.0, 2.0], [3.0, 4.0], seed=5)
    g = generator(Domain.COTANGENT, 5).standard_normal(2)
    worst = int(np.argmax(np.abs(g * [3, 4])))
    expected = g[worst] * [3, 4][worst]
    text = str(caught.value)
    assert "input 0 of shape (2,)" in text and f"entry ({worst},)" in text
    assert f"expected {expected:.6g}" in text and f"got {2 * expected:.6g}" in text and "relative error 0.5" in text


def test_every_wrong_input_is_listed():
    flip = lambda g, saved: -g * saved["x"]  # noqa: E731
    with pytest.raises(AssertionError) as caught:
        assert_gradients_close(product(x_rule=flip, y_rule=flip), A, B)
    assert "input 0" in str(caught.value) and "input 1" in str(caught.value)


@pytest.mark.parametrize("size", [1e-3, 1e-5, 3e-6])
def test_small_errors_are_caught(size):
    rule = lambda g, saved: (1 + size) * g * saved["y"]  # noqa: E731
    with pytest.raises(AssertionError):
        assert_gradients_close(product(x_rule=rule), A, B)
    assert_gradients_close(product(x_rule=rule), A, B, rtol=10 * size)


def test_a_kink_is_named_as_one():
    with pytest.raises(AssertionError, match="kink or a jump"):
        assert_gradients_close(lambda x: ops.where(x.data > 0, x + 1.0, x), [0.0, 1.0])


def test_what_cannot_be_checked_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="random"):
        assert_gradients_close(lambda x: ops.dropout(x, 0.5, rng=rng), np.ones(20))
    with pytest.raises(ValueError, match="not finite"):
        assert_gradients_close(lambda x: x.logsumexp(), [-np.inf, -np.inf])
    with pytest.raises(ValueError, match="float32"):
        assert_gradients_close(lambda x: x.astype("float32"), [1.0])
    with pytest.raises(ValueError, match="at least one array"):
        assert_gradients_close(lambda: mg.Tensor(1.0))
    with pytest.raises(TypeError, match="must return a Tensor"):
        assert_gradients_close(lambda x: x.data, [1.0])


def test_names():
    wrong = product(x_rule=lambda g, saved: -g)
    with pytest.raises(AssertionError, match=r"^the function: "):
        assert_gradients_close(lambda x: wrong(x, 2.0), [1.0])
    with pytest.raises(AssertionError, match=r"^my layer: "):
        assert_gradients_close(lambda x: wrong(x, 2.0), [1.0], name="my layer")


def test_the_point_is_left_as_it_was():
    a = A.copy()
    assert_gradients_close(lambda x: x.exp(), a)
    np.testing.assert_array_equal(a, A)


def test_hint_prefers_the_plain_explanation():
    e, quiet, every = np.full((2, 2), 3.0), np.zeros((2, 2)), np.ones((2, 2), bool)
    assert hint(e, 2 * e, quiet, every).startswith("all entries are 2 times")


@pytest.mark.parametrize(
    "fn, point", [(lambda x: x.relu(), [0.0, 1.0]), (lambda x: x.relu(), [0.0, 0.0]), (lambda x: x.max(), np.ones(3))]
)
def test_a_point_on_a_kink_is_recognised(fn, point):
    with pytest.raises(AssertionError, match="is the point at a kink"):
        assert_gradients_close(fn, point)
