"""Softmax and losses: values against SciPy and by hand, extremes, and bad targets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import minigrad as mg
from minigrad import ops
from minigrad.estimators import Mask
from minigrad.structure import dense
from minigrad.testing import assert_gradients_close

X = np.random.default_rng(0).standard_normal((4, 3)) * 3
LABELS = np.array([0, 2, 1, 2])
ONE_HOT = np.eye(3)[LABELS]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_as_in_scipy(axis):
    np.testing.assert_allclose(ops.softmax(X, axis).data, special.softmax(X, axis), rtol=1e-13)
    np.testing.assert_allclose(ops.log_softmax(X, axis).data, special.log_softmax(X, axis), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_out_nothing_overflows(dtype):
    x = np.array([[1e4, 0.0, -1e4]], dtype)
    for f in (ops.softmax, ops.log_softmax, lambda x: ops.cross_entropy(x, [2])):
        y, pullback = mg.vjp(f, x)
        assert np.isfinite(y).all() and np.isfinite(pullback(np.ones_like(y))[0]).all()
    assert ops.cross_entropy(x, [2]).item() == 2e4


def test_excluded_classes():
    """A logit of −∞ has probability 0 and no gradient."""
    x = np.array([[0.0, 1.0, -np.inf]])
    value, gradient = mg.value_and_grad(lambda x: ops.cross_entropy(x, [0]))(x)
    np.testing.assert_allclose(value, np.log(1 + np.e))
    np.testing.assert_allclose(gradient, [[special.expit(-1) - 1, special.expit(1), 0]])
    assert ops.cross_entropy(x, np.array([[0.5, 0.5, 0.0]])).item() == pytest.approx(np.log(1 + np.e) - 0.5)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_by_hand(smoothing):
    logp = special.log_softmax(X, axis=-1)
    each = -(((1 - smoothing) * ONE_HOT + smoothing / 3) * logp).sum(axis=-1)
    for targets in (LABELS, LABELS.astype(np.uint8), LABELS.tolist(), ONE_HOT, mg.Tensor(ONE_HOT)):
        got = ops.cross_entropy(X, targets, label_smoothing=smoothing, reduction="none").data
        np.testing.assert_allclose(got, each, rtol=1e-12)
        np.testing.assert_allclose(ops.cross_entropy(X, targets, smoothing).item(), each.mean(), rtol=1e-12)
        np.testing.assert_allclose(ops.cross_entropy(X, targets, smoothing, "sum").item(), each.sum(), rtol=1e-12)


def test_the_gradient_is_probability_minus_target():
    gradient = mg.grad(lambda x: ops.cross_entropy(x, LABELS, reduction="sum"))(X)
    np.testing.assert_allclose(gradient, special.softmax(X, -1) - ONE_HOT, rtol=1e-12, atol=1e-15)


def test_integer_logits_with_probabilities():
    assert ops.cross_entropy(np.array([[1, 2, 3]]), np.array([[0.5, 0.25, 0.25]])).item() == pytest.approx(
        -(special.log_softmax([1.0, 2.0, 3.0]) * [0.5, 0.25, 0.25]).sum()
    )


def test_mse():
    a, b = X, X[::-1].copy()
    for reduction, expected in [("none", (a - b) ** 2), ("sum", ((a - b) ** 2).sum()), ("mean", ((a - b) ** 2).mean())]:
        np.testing.assert_allclose(ops.mse(a, b, reduction=reduction).data, expected, rtol=1e-13)


def test_binary_cross_entropy_by_hand():
    z, t = X, np.linspace(0, 1, X.size).reshape(X.shape)
    p = special.expit(z)
    each = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    loss = ops.binary_cross_entropy_with_logits
    for reduction, expected in [("none", each), ("sum", each.sum()), ("mean", each.mean())]:
        np.testing.assert_allclose(loss(z, t, reduction).data, expected, rtol=1e-12)
    np.testing.assert_allclose(mg.grad(lambda z: loss(z, t, "sum"))(z), p - t, rtol=1e-12)
    np.testing.assert_allclose(loss(z, t, weights=WEIGHTS).item(), (WEIGHTS[:, None] * each).mean(), rtol=1e-12)
    assert mg.hvp(lambda z: loss(z, t, "sum"), (z,), (np.ones_like(z),)) == pytest.approx(p * (1 - p))


def test_binary_cross_entropy_is_that_of_two_classes():
    both = np.stack([np.zeros(12), X.ravel()], axis=-1)
    labels = np.arange(12) % 2
    got = ops.binary_cross_entropy_with_logits(X.ravel(), labels).item()
    assert got == pytest.approx(ops.cross_entropy(both, labels).item(), rel=1e-12)


def test_binary_cross_entropy_does_not_overflow():
    for dtype in (np.float32, np.float64):
        z = np.array([-1e4, 1e4, 0.0], dtype)
        value, slope = mg.value_and_grad(lambda z: ops.binary_cross_entropy_with_logits(z, [1, 0, 1], "sum"))(z)
        assert value == pytest.approx(2e4, rel=1e-3)
        assert ops.binary_cross_entropy_with_logits([np.inf, -np.inf], [1, 0]).item() == 0.0
        assert slope.tolist() == [-1, 1, -0.5] and slope.dtype == dtype


WEIGHTS = np.array([0.5, 2.0, 0.0, 1.5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["cross_entropy", "mse"])
def test_weights_multiply_each_loss_and_mean_divides_by_the_number(name, dtype):
    x = X.astype(dtype)
    loss, y = (ops.cross_entropy, LABELS) if name == "cross_entropy" else (ops.mse, x[::-1].copy())
    each = loss(x, y, reduction="none").data
    weighted = WEIGHTS.astype(dtype).reshape((4,) + (1,) * (each.ndim - 1)) * each
    for reduction, expected in [("none", weighted), ("sum", weighted.sum()), ("mean", weighted.sum() / each.size)]:
        for weights in (WEIGHTS, WEIGHTS.tolist(), np.broadcast_to(WEIGHTS, each.T.shape).T):
            got = loss(x, y, reduction=reduction, weights=weights).data
            assert got.dtype == dtype
            np.testing.assert_allclose(got, expected, rtol=2e-6)
        (pulled,) = mg.vjp(lambda x, r=reduction: loss(x, y, reduction=r, weights=WEIGHTS), x)[1](np.ones_like(got))
        (plain,) = mg.vjp(lambda x, r=reduction: loss(x, y, reduction=r), x)[1](np.ones_like(got))
        assert pulled.dtype == dtype
        np.testing.assert_allclose(pulled, WEIGHTS[:, None] * plain, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss, y", [(ops.cross_entropy, LABELS), (ops.mse, X[::-1].copy())])
def test_weights_of_one_change_no_bit(loss, y, dtype):
    found = [mg.value_and_grad(lambda x, w=w: loss(x, y, weights=w))(X.astype(dtype)) for w in (None, np.ones(4))]
    assert found[0][0] == found[1][0] and np.array_equal(found[0][1], found[1][1])


def test_weights_of_sequences_are_by_sample_or_by_position():
    x, y = X.reshape(2, 2, 3), LABELS.reshape(2, 2)
    each = ops.cross_entropy(x, y, reduction="none").data
    for weights in ([2.0, 3.0], [[2.0, 2.0], [3.0, 3.0]]):
        got = ops.cross_entropy(x, y, weights=weights).item()
        assert got == pytest.approx((2 * each[0].sum() + 3 * each[1].sum()) / 4)
    assert ops.cross_entropy(X[0], 0, weights=2.0).item() == pytest.approx(2 * ops.cross_entropy(X[0], 0).item())


def test_weights_are_not_differentiated():
    w = mg.Tensor(WEIGHTS, requires_grad=True)
    with mg.Tape(), pytest.raises(TypeError, match="'weights' is not differentiable"):
        ops.cross_entropy(X, LABELS, weights=w)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: ops.cross_entropy(X, [0, 1, 2, 3]),
            r"label 3 at position \[3\] is out of range.*0 … 2.*logits \(4, 3\)",
        ),
        (lambda: ops.cross_entropy(X, [0, -1, 2, 0]), r"label -1 at position \[1\]"),
        (lambda: ops.cross_entropy(X, [0, 1]), r"labels have shape \(2,\).*must have shape \(4,\)"),
        (lambda: ops.cross_entropy(X, np.ones((4, 2)) / 2), "must have the shape of the logits"),
        (lambda: ops.cross_entropy(X, ONE_HOT * 2), "must be probabilities"),
        (lambda: ops.cross_entropy(X, -ONE_HOT), "must be probabilities"),
        (lambda: ops.cross_entropy(X, ONE_HOT * np.nan), "must be probabilities"),
        (lambda: ops.cross_entropy(X, ["a"] * 4), "neither class numbers nor probabilities"),
        (lambda: ops.cross_entropy(X, ONE_HOT == 1), "neither class numbers nor probabilities"),
        (lambda: ops.cross_entropy(X, LABELS, label_smoothing=1.0), r"label_smoothing=1.0 must lie in \[0, 1\)"),
        (lambda: ops.cross_entropy(X, LABELS, reduction="avg"), "reduction='avg' is unknown"),
        (lambda: ops.cross_entropy(1.0, 0), "must have shape"),
        (lambda: ops.cross_entropy(X[:0], LABELS[:0]), "the batch is empty"),
        (lambda: ops.binary_cross_entropy_with_logits(X, X[:, :1]), r"binary_.*shape \(4, 1\);.*logits, \(4, 3\)"),
        (lambda: ops.binary_cross_entropy_with_logits(X, X * 0 + 1.5), "must be 0 or 1, or probabilities"),
        (lambda: ops.binary_cross_entropy_with_logits(X, X * np.nan), "must be 0 or 1, or probabilities"),
        (lambda: ops.binary_cross_entropy_with_logits(X, X * 0, "avg"), "reduction='avg' is unknown"),
        (lambda: ops.mse(X, X[:, :1]), r"mse: .*one shape.*\(4, 3\).*\(4, 1\)"),
        (lambda: ops.mse(X, X, reduction="avg"), "reduction='avg' is unknown"),
        (lambda: ops.cross_entropy(X, LABELS, weights=[1.0, 2.0]), r"weights have shape \(2,\).*\(4,\)"),
        (lambda: ops.cross_entropy(X, LABELS, weights=2.0), r"weights have shape \(\)"),
        (lambda: ops.cross_entropy(X, LABELS, weights=["a"] * 4), r"weights have .*dtype <U1"),
        (lambda: ops.cross_entropy(X, LABELS, weights=[1.0, np.nan, 1.0, 1.0]), "weights hold a value that is not fin"),
        (lambda: ops.mse(X, X, weights=np.ones((4, 2))), r"weights have shape \(4, 2\).*\(4, 3\)"),
        (lambda: ops.softmax(X, axis=2), "softmax: axis 2 is out of bounds"),
        (lambda: ops.log_softmax(X, axis=-3), "log_softmax: axis -3 is out of bounds"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_targets_are_not_differentiated():
    t = mg.Tensor(ONE_HOT, requires_grad=True)
    with mg.Tape(), pytest.raises(TypeError, match="'targets' is not differentiable"):
        ops.cross_entropy(X, t)


def test_labels_may_be_reused_before_the_backward_pass():
    labels, w = LABELS.copy(), mg.Tensor(X, requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.cross_entropy(w, labels, reduction="sum")
    labels[:] = 0
    np.testing.assert_allclose(tape.gradients(loss, [w])[0], special.softmax(X, -1) - ONE_HOT, atol=1e-15)


def test_one_hot_integers_are_explained():
    with pytest.raises(ValueError, match=r"One-hot.*\.astype\(float\)"):
        ops.cross_entropy(X, ONE_HOT.astype(int))
    with pytest.raises(ValueError, match=r"one-hot.*\.astype\(float\)"):
        ops.cross_entropy(X, ONE_HOT == 1)


@pytest.mark.parametrize("axis", [None, (0, 1), (1, 2), (-1, 0), (1,), -1, 0, 2])
@pytest.mark.parametrize("log", [False, True])
def test_softmax_over_one_axis_several_or_all(axis, log):
    """Values as SciPy has them, gradients as differences say; kept rows and samples give what the dense rule gives."""
    operation, reference = (ops.log_softmax, special.log_softmax) if log else (ops.softmax, special.softmax)
    x = np.random.default_rng(0).standard_normal((3, 2, 4))
    np.testing.assert_allclose(operation(x, axis=axis).data, reference(x, axis=axis), rtol=1e-12)
    assert_gradients_close(lambda x: operation(x, axis=axis), x)
    leaf = mg.Tensor(x, requires_grad=True)
    with mg.Tape() as tape:
        y = operation(leaf, axis=axis)
        loss = ops.multiply(y, np.cos(x)).sum()
    for kept in ("row", "sample", "column", "element"):
        estimator, g = Mask(0.5, axis=kept), np.cos(x)
        tape.nodes[0].vjp = Drawn(estimator)
        whole = dense(estimator.sample(g, None, np.random.default_rng(1)))
        (got,) = tape.gradients(loss, [leaf], rng=0)
        tape.nodes[0].vjp = None
        (expected,) = tape.gradients(y, [leaf], cotangent=whole)
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


class Drawn(mg.Estimator):
    """The draw of another estimator with a seed of its own."""

    def __init__(self, estimator):
        self.estimator = estimator

    def sample(self, g, node, rng):
        return self.estimator.sample(g, node, np.random.default_rng(1))


@pytest.mark.parametrize("targets", [np.array([0, 1]), np.eye(2), np.eye(2, dtype=np.float32)])
def test_targets_may_be_written_to_before_the_backward_pass(targets):
    logits = mg.Tensor(np.zeros((2, 2)), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.cross_entropy(logits, targets)
    targets[...] = 1 - targets
    assert tape.gradients(loss, [logits])[0].tolist() == [[-0.25, 0.25], [0.25, -0.25]]
