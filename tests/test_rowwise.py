"""Cotangents of few rows stay short through operations that treat every row alike, and give the same gradients."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.estimators import Mask
from minigrad.structure import Rows, dense, sum_to

RNG = np.random.default_rng(0)
X = RNG.uniform(0.5, 2.0, (4, 3, 5))
W = RNG.uniform(0.5, 2.0, (4, 3, 5))

STAYS_SHORT = {
    "add a bias": lambda x: x + W[0, 0],
    "multiply": lambda x: x * W,
    "multiply by itself": lambda x: x * x,
    "divide": lambda x: W / x,
    "power": lambda x: x**3,
    "exp": ops.exp,
    "log": ops.log,
    "sqrt": ops.sqrt,
    "tanh": ops.tanh,
    "gelu": ops.gelu,
    "relu": lambda x: ops.relu(x - 1),
    "maximum": lambda x: ops.maximum(x, W),
    "where": lambda x: ops.where(W > 1, x, 0.0),
    "clip": lambda x: ops.clip(x, 0.6, 1.5),
    "arctan2": lambda x: ops.arctan2(x, W),
    "hypot": lambda x: ops.hypot(W[0, 0], x),
    "remainder": lambda x: 5.3 % x,
    "fmax": lambda x: ops.fmax(x, W[:, :1]),
    "logaddexp": lambda x: ops.logaddexp(x, W),
    "silu": ops.silu,
    "sinc": ops.sinc,
    "softmax": ops.softmax,
    "log_softmax": lambda x: ops.log_softmax(x, axis=2),
    "linear": lambda x: ops.linear(x, W[0]),
    "matmul": lambda x: ops.matmul(x, W[0].T),
    "dropout": lambda x: ops.dropout(x, 0.5, rng=0),
}
WHOLE_SAMPLES = {
    "moveaxis": lambda x: ops.moveaxis(x, 1, 2),
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 0), (0, 2))),
    "squeeze": lambda x: ops.squeeze(ops.expand_dims(x, 1), 1),
    "sum": lambda x: ops.sum(x, axis=1),
    "mean over tokens": lambda x: ops.mean(x, axis=1),
    "mean, dimensions kept": lambda x: ops.mean(x, axis=(1, 2), keepdims=True),
    "max": lambda x: ops.max(x, axis=2),
    "min": lambda x: ops.min(x, axis=1),
    "norm": lambda x: ops.norm(x, axis=2),
    "logsumexp": lambda x: ops.logsumexp(x, axis=1),
    "var": lambda x: ops.var(x, axis=1),
    "std": lambda x: ops.std(x, axis=(2,), keepdims=True),
    "crop": lambda x: x[:, 1:, 2],
    "crop, new axis": lambda x: x[:, None, ..., ::2],
    "concatenate": lambda x: ops.concatenate([x, W[:, :1]], axis=1),
    "concatenate itself": lambda x: ops.concatenate([x, x * 2], axis=-1),
    "stack": lambda x: ops.stack([x, W], axis=-2),
    "broadcast": lambda x: ops.broadcast_to(ops.expand_dims(x, 1), (4, 2, 3, 5)),
    "max_pool2d": lambda x: ops.max_pool2d(ops.expand_dims(x, 3), 2, 1),
    "avg_pool2d": lambda x: ops.avg_pool2d(ops.expand_dims(x, 3), 2, 1, 1),
    "reshape": lambda x: ops.reshape(x, (4, 15)),
    "transpose": lambda x: ops.transpose(x, (0, 2, 1)),
    "swapaxes": lambda x: ops.swapaxes(x, -1, 1),
    "expand_dims": lambda x: ops.expand_dims(x, 2),
    "attention scores": lambda x: ops.matmul(x, ops.swapaxes(x, 1, 2)),
}


def kept(shape, indices, whole):
    """Rows or samples of a cotangent of this shape."""
    trailing = shape[1:] if whole else shape[-1:]
    return Rows(RNG.standard_normal((len(indices), *trailing)), np.array(indices, int), shape)


def pulled(fn, whole, indices, values=X):
    """What a short cotangent becomes, and what its dense form becomes."""
    x = mg.Tensor(values, requires_grad=True)
    with mg.Tape() as tape:
        h = x * 1.0  # so that what arrives here can be seen
        out = fn(h)
    g = kept(out.shape, indices, whole)
    results = []
    for cotangent in (g, g.dense()):
        sweep = tape.sweep(out, np.zeros(out.shape), frozenset([0]))
        sweep.pending[out.node] = cotangent
        sweep.advance()
        results.append(sweep.kept[0])
    return results


@pytest.mark.parametrize("indices", [[0, 2], [], [3]])
@pytest.mark.parametrize("name", [*STAYS_SHORT, *WHOLE_SAMPLES])
def test_short_cotangents_of_samples_stay_short(name, indices):
    short, full = pulled({**STAYS_SHORT, **WHOLE_SAMPLES}[name], True, indices)
    assert isinstance(short, Rows) and len(short.indices) == len(indices)
    np.testing.assert_allclose(dense(short), full, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("indices", [[0, 5, 11], [], [7]])
@pytest.mark.parametrize("name", STAYS_SHORT)
def test_short_cotangents_of_rows_stay_short(name, indices):
    short, full = pulled(STAYS_SHORT[name], False, indices)
    assert isinstance(short, Rows)
    np.testing.assert_allclose(dense(short), full, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", WHOLE_SAMPLES)
def test_rows_through_operations_on_whole_samples_are_right(name):
    if name == "reshape":
        pytest.skip("rows of 15 numbers are samples")
    short, full = pulled(WHOLE_SAMPLES[name], False, [1])
    np.testing.assert_allclose(dense(short), full, rtol=1e-12, atol=1e-12)


def test_softmax_over_rows_falls_back():
    short, full = pulled(lambda x: ops.softmax(x, axis=1), False, [0, 5])
    np.testing.assert_allclose(dense(short), full, rtol=1e-12, atol=1e-12)
    short, full = pulled(lambda x: ops.softmax(x, axis=0), True, [0, 2])
    np.testing.assert_allclose(dense(short), full, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axis", [0, (0, 2), None])
@pytest.mark.parametrize("reduce", [ops.sum, ops.mean])
def test_reductions_over_samples_fall_back(reduce, axis):
    short, full = pulled(lambda x: reduce(x, axis=axis, keepdims=True), False, [0])
    np.testing.assert_allclose(dense(short), full, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(5,), (3, 5), (1, 3, 1), (1, 1, 1), ()])
def test_broadcast_inputs_get_the_sum_over_kept_rows(shape):
    b = mg.Tensor(RNG.standard_normal(shape), requires_grad=True)
    with mg.Tape() as tape:
        out = ops.multiply(X, b)
    g = kept(out.shape, [1, 3], True)
    sweep = tape.sweep(out, g.dense())
    sweep.pending[out.node] = g
    sweep.advance()
    (expected,) = tape.gradients(out, [b], cotangent=g.dense())
    np.testing.assert_allclose(dense(sweep.gradient(b)), expected, rtol=1e-12)


def test_sum_to():
    g = kept((4, 3, 5), [0, 2], True)
    assert sum_to(g, (3, 5)).shape == (3, 5)
    each = sum_to(g, (4, 1, 5))  # every sample has an input of its own
    assert isinstance(each, Rows)
    np.testing.assert_allclose(each.dense(), g.dense().sum(axis=1, keepdims=True))
    assert sum_to(g, (4, 2, 5)) is sum_to(g, (2, 4, 3, 5)) is None
    some = kept((4, 3, 5), [0, 7], False)  # rows of one sample that were not all kept: no structure for it
    np.testing.assert_allclose(sum_to(some, (4, 1, 5)), some.dense().sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: ops.sum(x, axis=0),
        lambda x: ops.mean(x, axis=0, keepdims=True),
        lambda x: ops.max(x, axis=0),
        lambda x: ops.var(x, axis=(0, 2)),
        lambda x: ops.logsumexp(x, axis=0, keepdims=True),
        lambda x: ops.concatenate([x, x], axis=0),
        lambda x: ops.stack([x, W], axis=0),
        lambda x: x[1:],
        lambda x: x[:, [0, 0, 2]],
        lambda x: x[::-1],
        lambda x: ops.moveaxis(x, 0, 1),
        lambda x: ops.pad(x, ((1, 0), (0, 0), (0, 0))),
    ],
)
def test_where_samples_are_mixed_or_moved_the_gradient_is_the_same(fn):
    x = ops.broadcast_to(X[:1], (4, 3, 5)).data  # a reduced first axis is as long as the second: none is mistaken
    for indices in ([0, 2], [], [1]):
        for source in (X, x):
            short, full = pulled(fn, True, [i for i in indices if i < len(fn(mg.Tensor(source)).data)], source)
            np.testing.assert_allclose(dense(short), full, rtol=1e-12, atol=1e-12)


def test_samples_kept_at_the_logits_shorten_the_whole_pass():
    """Only the kept samples are worked on in every layer: ∂W is a product over them, ∂x has their rows alone."""
    model = nn.Sequential(nn.Linear(5, 8, rng=0), nn.GELU(), nn.Linear(8, 8, rng=1), nn.ReLU(), nn.Linear(8, 3, rng=2))
    model[4].vjp = Mask(0.5, axis="sample", design="systematic")
    x = mg.Tensor(RNG.standard_normal((6, 5)).astype(np.float32), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(x), np.arange(6) % 3)
    (short,) = tape.gradients(loss, [x], rng=0, structured=True)
    assert isinstance(short, Rows) and short.values.shape == (3, 5)
    exact = tape.sweep(loss)
    exact.random = frozenset()
    exact.advance()
    np.testing.assert_allclose(short.values, 2 * dense(exact.gradient(x))[short.indices], rtol=1e-5)


def test_samples_kept_at_the_logits_stay_short_through_a_vision_transformer():
    """Attention, normalisation and the mean over tokens work within a sample, so the patches get samples too."""
    model = nn.vit((8, 8, 1), 3, patch_size=4, width=8, depth=2, heads=2, rng=0)
    model[-1].vjp = Mask(0.5, axis="sample", design="systematic")
    x = mg.Tensor(RNG.standard_normal((6, 8, 8, 1)).astype(np.float32), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(x), np.arange(6) % 3)
    (short,) = tape.gradients(loss, [x], rng=0, structured=True)
    assert isinstance(short, Rows) and short.values.shape == (3, 8, 8, 1)
    exact = tape.sweep(loss)
    exact.random = frozenset()
    exact.advance()
    np.testing.assert_allclose(short.values, 2 * dense(exact.gradient(x))[short.indices], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("attention", [ops.softmax, ops.log_softmax, lambda x: ops.linear(x, np.eye(3) + 1)])
def test_kept_entries_of_a_vector_are_columns_and_not_rows(attention):
    """Weights along the samples, as attention pooling has them: the softmax runs over all of them, kept or not."""
    x = mg.Tensor(np.array([0.0, 1.0, 2.0]), requires_grad=True)
    with mg.Tape() as tape:
        z = ops.linear(attention(x)[:, None] * RNG.standard_normal((3, 2)), W[0, :2, :2], vjp=Mask(0.5, axis="sample"))
    g = RNG.standard_normal(z.shape)
    moments = inspect.exact_moments(tape, z, [x], cotangent=g)
    tape.nodes[z.node].vjp = None
    np.testing.assert_allclose(moments.mean[0], tape.gradients(z, [x], cotangent=g)[0], rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 3, 3), (2, 1, 4), (4, 4, 4)])
@pytest.mark.parametrize("other", [(4,), (1, 4), (4, 4), (1, 1, 4), (3, 3), (3, 1), (1,), (2, 1, 1), (1, 4, 1), ()])
@pytest.mark.parametrize("operation", [ops.multiply, ops.divide, lambda x, y: ops.where(y > 2, x, 0.0), ops.maximum])
def test_operands_of_fewer_axes_are_aligned_from_the_back(operation, shape, other):
    """What was saved of a broadcast operand has the rows of the cotangent only where the axes say so."""
    values = RNG.uniform(0.5, 4.0, other)
    try:
        np.broadcast_shapes(shape, other)
    except ValueError:
        pytest.skip("the shapes do not broadcast")
    for whole, count in ((False, int(np.prod(shape[:-1]))), (True, shape[0])):
        for indices in ([count - 1], list(range(0, count, 2)), []):
            short, full = pulled(lambda x: operation(x, values), whole, indices, RNG.uniform(0.5, 4.0, shape))
            np.testing.assert_allclose(dense(short), full, rtol=1e-12, atol=1e-12)


def test_a_mask_of_one_sample_leaves_kept_samples_short():
    """A causal mask of shape (1, 1, T, T), as attention takes it."""
    x = RNG.standard_normal((4, 2, 3, 3))
    for mask in (np.tril(np.ones((3, 3), bool)), np.tril(np.ones((1, 1, 3, 3), bool))):
        short, full = pulled(lambda s, m=mask: ops.softmax(ops.where(m, s, -1e9)), True, [1, 3], x)
        assert isinstance(short, Rows)
        np.testing.assert_allclose(dense(short), full, rtol=1e-12, atol=1e-12)


def test_an_index_with_a_truth_value():
    short, full = pulled(lambda x: x[:, True, :, 0], False, [0], RNG.standard_normal((2, 3, 4)))
    np.testing.assert_allclose(dense(short), full, rtol=1e-12)
