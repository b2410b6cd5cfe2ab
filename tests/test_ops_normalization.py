"""layer_norm, rms_norm and batch_norm: against their definitions, and against the same made of others."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import normal
from test_ops_linear import agree
from test_structure import every

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.estimators import Mask
from minigrad.structure import Rows

LEADS = [(5,), (2, 3), (2, 3, 2)]


def reference(x, gain, bias, axes, eps):
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / (np.square(centred).mean(axis=axes, keepdims=True) + eps) ** 0.5 * gain + bias


def composed(x, gain, bias, axes, eps):
    """The same of smaller operations, whose VJPs the chain rule joins."""
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / (ops.square(centred).mean(axis=axes, keepdims=True) + eps).sqrt() * gain + bias


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("operation", [ops.layer_norm, ops.batch_norm])
def test_values_and_vjps_against_other_operations(operation, lead):
    arrays = [3 + 2 * normal(0, *lead, 4), normal(1, 4), normal(2, 4)]
    axes = -1 if operation is ops.layer_norm else tuple(range(len(lead)))
    y, pullback = mg.vjp(lambda *a: operation(*a, eps=1e-3), *arrays)
    np.testing.assert_allclose(y, reference(*arrays, axes, 1e-3), rtol=1e-12)
    same, other = mg.vjp(lambda *a: composed(*a, axes, 1e-3), *arrays)
    np.testing.assert_allclose(y, same, rtol=1e-12)
    g = normal(3, *y.shape)
    for got, expected in zip(pullback(g), other(g), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("lead", [(), *LEADS])
def test_rms_norm_against_other_operations(lead):
    arrays = [3 + 2 * normal(0, *lead, 4), normal(1, 4)]
    y, pullback = mg.vjp(lambda x, gain: ops.rms_norm(x, gain, eps=1e-3), *arrays)
    x, gain = arrays
    np.testing.assert_allclose(y, x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + 1e-3) * gain, rtol=1e-12)
    composed = lambda x, gain: x / (ops.square(x).mean(axis=-1, keepdims=True) + 1e-3).sqrt() * gain  # noqa: E731
    g = normal(3, *y.shape)
    for got, expected in zip(pullback(g), mg.vjp(composed, *arrays)[1](g), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


def test_rms_norm_forgets_the_size_of_a_row():
    """Without eps the gradient is orthogonal to the row; of rows with mean 0 it is layer_norm."""
    x, gain, g = normal(0, 6, 4), normal(1, 4), normal(2, 6, 4)
    y, pullback = mg.vjp(lambda a: ops.rms_norm(a, gain, eps=0.0), x)
    np.testing.assert_allclose(ops.rms_norm(7 * x, gain, eps=0.0).data, y, rtol=1e-12)
    np.testing.assert_allclose((pullback(g)[0] * x).sum(axis=1), 0, atol=1e-12)
    x -= x.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        ops.rms_norm(x, gain).data, ops.layer_norm(x, gain, np.zeros(4)).data, rtol=1e-12, atol=1e-12
    )


def test_what_is_normalised_has_mean_0_and_variance_1():
    x = 7 + 5 * normal(0, 6, 3, 4)
    rows = ops.layer_norm(x, np.ones(4), np.zeros(4), eps=0.0).data
    np.testing.assert_allclose(rows.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(rows.var(axis=-1), 1, rtol=1e-12)
    columns = ops.batch_norm(x, np.ones(4), np.zeros(4), eps=0.0).data
    np.testing.assert_allclose(columns.mean(axis=(0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(columns.var(axis=(0, 1)), 1, rtol=1e-12)


def test_a_constant_added_to_what_is_normalised_changes_nothing():
    """So the gradient has mean 0, along rows or along columns."""
    g = normal(1, 6, 4)
    _, pullback = mg.vjp(ops.layer_norm, normal(0, 6, 4), normal(2, 4), normal(3, 4))
    np.testing.assert_allclose(pullback(g)[0].sum(axis=1), 0, atol=1e-12)
    _, pullback = mg.vjp(ops.batch_norm, normal(0, 6, 4), normal(2, 4), normal(3, 4))
    np.testing.assert_allclose(pullback(g)[0].sum(axis=0), 0, atol=1e-12)


def test_given_statistics_are_constants():
    x, gain, bias = normal(0, 5, 3), normal(1, 3), normal(2, 3)
    mean, var = normal(3, 3), np.array([0.5, 1.0, 2.0])
    y, pullback = mg.vjp(lambda a: ops.batch_norm(a, gain, bias, mean, var), x)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5) * gain + bias, rtol=1e-12)
    np.testing.assert_allclose(pullback(np.ones((5, 3)))[0], np.tile(gain / np.sqrt(var + 1e-5), (5, 1)), rtol=1e-12)


def test_the_statistics_of_the_batch_are_told():
    seen = []
    x = normal(0, 4, 2, 3)
    ops.batch_norm(x, np.ones(3), np.zeros(3), observe=lambda *both: seen.append(both))
    np.testing.assert_allclose(seen, [(x.mean(axis=(0, 1)), x.var(axis=(0, 1)))], rtol=1e-12)
    ops.batch_norm(x, np.ones(3), np.zeros(3), np.zeros(3), np.ones(3), observe=lambda *both: seen.append(both))
    assert len(seen) == 1


@pytest.mark.parametrize(("operation", "parameters"), [(ops.layer_norm, 2), (ops.rms_norm, 1)])
def test_kept_rows_stay_few(operation, parameters):
    shapes = [(3, 2, 4), *[(4,)] * parameters]
    leaves = [mg.Tensor(normal(k, *s), requires_grad=True) for k, s in enumerate(shapes)]
    with mg.Tape() as tape:
        operation(*leaves)
    assert tape.nodes[0].primitive.takes(Rows)
    for seed in range(3):
        for g, _ in every((3, 2, 4), seed):
            if tape.nodes[0].primitive.takes(type(g)):
                agree(tape.nodes[0], g)


def test_large_values_that_differ_little():
    """The mean is taken off before squares are summed; E x² − (E x)² would leave nothing in float32."""
    x = np.array([[10000.0, 10001.0, 10002.0, 10003.0]], np.float32)
    want = reference(x.astype(np.float64), 1, 0, -1, 1e-5)
    np.testing.assert_allclose(ops.layer_norm(x, np.ones(4), np.zeros(4)).data, want, rtol=1e-5)
    got = ops.batch_norm(x.T.copy(), np.ones(1, np.float32), np.zeros(1, np.float32)).data
    assert got.dtype == np.float32
    np.testing.assert_allclose(got.T, want, rtol=1e-5)


def test_only_what_is_needed_is_saved():
    x, gain, bias = [mg.Tensor(normal(k, *s), requires_grad=True) for k, s in enumerate([(5, 3), (3,), (3,)])]
    with mg.Tape() as tape:
        ops.layer_norm(x.data, gain.data, bias)
        ops.batch_norm(x.data, gain.data, bias)
        ops.batch_norm(x, gain.data, bias, np.zeros(3), np.ones(3))
        ops.rms_norm(x.data, gain)
    assert [node.nbytes for node in tape.nodes] == [0, 0, 48, 120]


@pytest.mark.parametrize("operation", [ops.layer_norm, ops.batch_norm])
def test_errors_teach(operation):
    for shapes in [((5, 3), (2,), (3,)), ((5, 3), (3,), (1, 3)), ((5, 3), (), (3,))]:
        with pytest.raises(ValueError, match=rf"{operation.__name__}: gain and bias must have shape \(3,\)"):
            operation(*[np.ones(shape) for shape in shapes])
    with pytest.raises(ValueError, match="features along its last axis"):
        operation(np.ones(()), np.ones(()), np.ones(()))
    with pytest.raises(ValueError, match="eps=-1 must not be negative"):
        operation(np.ones((2, 3)), np.ones(3), np.ones(3), eps=-1)


def test_errors_of_rms_norm():
    for shape in [(2,), (1, 3), ()]:
        with pytest.raises(ValueError, match=r"rms_norm: gain must have shape \(3,\), one number for each feature"):
            ops.rms_norm(np.ones((5, 3)), np.ones(shape))
    with pytest.raises(ValueError, match="features along its last axis"):
        ops.rms_norm(np.ones(()), np.ones(()))
    with pytest.raises(ValueError, match="eps=-1 must not be negative"):
        ops.rms_norm(np.ones((2, 3)), np.ones(3), eps=-1)


@pytest.mark.parametrize("shape", [(6, 3), (3, 4, 3), (2, 3, 2, 4)])
@pytest.mark.parametrize("given", [False, True])
def test_batch_norm_of_few_rows(shape, given):
    """Rows and samples, none of them too; with given statistics they stay few, with those of the batch they cannot."""
    n = shape[-1]
    leaves = [mg.Tensor(normal(k, *s), requires_grad=True) for k, s in enumerate([shape, (n,), (n,)])]
    statistics = {"mean": normal(5, n), "var": np.square(normal(6, n))} if given else {}
    with mg.Tape() as tape:
        ops.batch_norm(*leaves, **statistics)
    node = tape.nodes[0]
    kept = [g for seed in range(3) for g, _ in every(shape, seed) if isinstance(g, Rows)]
    kept.append(Rows(np.zeros((0, n)), np.zeros(0, np.intp), shape))
    for g in kept:
        agree(node, g)
        assert isinstance(node.primitive.pull(g, node.saved, 0), Rows) == given


@pytest.mark.parametrize(("given", "left"), [(False, (2 + 9 * 0.25) / 11), (True, 0.25)])
def test_the_cost_of_batch_norm_for_few_rows(given, left):
    layer = nn.Sequential(nn.BatchNorm(8), nn.Linear(8, 8, rng=0, vjp=Mask(0.25, axis="row")))
    with mg.Tape() as tape:
        layer.train(not given)(mg.Tensor(np.ones((40, 8), np.float32), requires_grad=True))
    norm = inspect.cost(tape).nodes[0]
    assert norm.backward == pytest.approx(left * norm.backward_exact)


def test_errors_of_batch_norm():
    ones = np.ones(3)
    with pytest.raises(ValueError, match="both mean and var, or neither"):
        ops.batch_norm(np.ones((2, 3)), ones, ones, mean=ones)
    with pytest.raises(ValueError, match=r"mean and var must have shape \(3,\)"):
        ops.batch_norm(np.ones((2, 3)), ones, ones, mean=np.ones(2), var=ones)
    with pytest.raises(ValueError, match="no rows to take statistics of"):
        ops.batch_norm(np.ones((0, 3)), ones, ones)
    assert ops.batch_norm(np.ones((0, 3)), ones, ones, mean=ones, var=ones).shape == (0, 3)
    assert ops.layer_norm(np.ones((0, 3)), ones, ones).shape == (0, 3)


def test_whole_numbers():
    """As if they were floats: eps is less than one, and must not become 0 with them."""
    for x in ([[1, 1]], [[1, 3], [4, 7]]):
        for operation in (ops.layer_norm, ops.batch_norm):
            want = operation(np.asarray(x, float), [1.0, 1.0], [0.0, 0.0]).data
            np.testing.assert_array_equal(operation(x, [1, 1], [0, 0]).data, want)
            assert np.isfinite(want).all()
    use = ops.batch_norm([[1, 2]], [1, 1], [0, 0], mean=[0.5, 0.5], var=[1.5, 1.5]).data
    np.testing.assert_allclose(use, [[0.5 / 1.5**0.5, 1.5 / 1.5**0.5]], rtol=1e-5)
    assert nn.BatchNorm(1).eval()(np.array([[1], [2]])).shape == (2, 1)
    np.testing.assert_array_equal(ops.rms_norm([[1, 7]], [1, 2]).data, ops.rms_norm([[1.0, 7.0]], [1.0, 2.0]).data)
