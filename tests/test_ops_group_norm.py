"""group_norm: against its definition, against what it is in other words, and for few samples."""

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


def composed(x, gain, bias, groups, eps):
    """The same of smaller operations, whose VJPs the chain rule joins."""
    samples, channels = x.shape[0], x.shape[-1]
    parts = x.reshape(samples, -1, groups, channels // groups)
    centred = parts - parts.mean(axis=(1, 3), keepdims=True)
    normal_parts = centred / (ops.square(centred).mean(axis=(1, 3), keepdims=True) + eps).sqrt()
    return normal_parts.reshape(x.shape) * gain + bias


@pytest.mark.parametrize("lead", [(5,), (2, 3), (2, 3, 2), (1, 4)])
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_values_and_vjps_against_other_operations(groups, lead):
    if len(lead) == 1 and groups == 6:
        return  # groups of one value
    arrays = [3 + 2 * normal(0, *lead, 6), normal(1, 6), normal(2, 6)]
    y, pullback = mg.vjp(lambda *a: ops.group_norm(*a, groups=groups, eps=1e-3), *arrays)
    same, other = mg.vjp(lambda *a: composed(*a, groups, 1e-3), *arrays)
    np.testing.assert_allclose(y, same, rtol=1e-12, atol=1e-13)
    g = normal(3, *y.shape)
    for got, expected in zip(pullback(g), other(g), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-11)


def test_it_is_layer_norm_for_one_group_of_rows_and_each_group_has_variance_1():
    x, gain, bias = normal(0, 5, 6), normal(1, 6), normal(2, 6)
    np.testing.assert_allclose(
        ops.group_norm(x, gain, bias, groups=1).data, ops.layer_norm(x, gain, bias).data, rtol=1e-12
    )
    y = ops.group_norm(3 + normal(0, 4, 5, 5, 6), np.ones(6), np.zeros(6), groups=3, eps=0.0).data
    parts = y.reshape(4, 25, 3, 2)
    np.testing.assert_allclose(parts.mean(axis=(1, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(parts.var(axis=(1, 3)), 1, rtol=1e-12)


def test_a_sample_does_not_see_the_others():
    x = normal(0, 4, 3, 3, 6)
    whole = ops.group_norm(x, np.ones(6), np.zeros(6), groups=2).data
    np.testing.assert_array_equal(ops.group_norm(x[1:2], np.ones(6), np.zeros(6), groups=2).data, whole[1:2])


@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 4), (3, 2, 2, 4), (1, 2, 4)])
def test_kept_samples_stay_few(shape):
    leaves = [mg.Tensor(normal(k, *s), requires_grad=True) for k, s in enumerate([shape, (4,), (4,)])]
    with mg.Tape() as tape:
        ops.group_norm(*leaves, groups=2)
    node = tape.nodes[0]
    few = 0
    for seed in range(3):
        for g, _ in every(shape, seed):
            if node.primitive.takes(type(g)):
                agree(node, g)
                pulled = node.primitive.pull(g, node.saved, 0)
                if isinstance(g, Rows) and g.whole_samples:
                    assert isinstance(pulled, Rows) and len(pulled.indices) == len(g.indices)
                    few += 1
    assert few


@pytest.mark.parametrize(("axis", "left"), [("sample", 0.25), ("row", (2 + 10 * 0.25) / 12)])
def test_kept_samples_spare_all_work_and_kept_pixels_all_but_the_affine_rest(axis, left):
    layer = nn.Sequential(nn.GroupNorm(2, 8), nn.Conv2d(8, 8, 1, rng=0, vjp=Mask(0.25, axis=axis)))
    with mg.Tape() as tape:
        layer(mg.Tensor(np.ones((4, 6, 6, 8), np.float32), requires_grad=True))
    norm = inspect.cost(tape).nodes[0]
    assert norm.name.endswith("group_norm") and norm.backward == pytest.approx(left * norm.backward_exact)


def test_large_values_that_differ_little():
    x = np.array([10000.0, 10001.0, 10002.0, 10003.0], np.float32).reshape(1, 4, 1)
    got = ops.group_norm(x, np.ones(1), np.zeros(1), groups=1).data
    np.testing.assert_allclose(got.ravel(), np.array([-1.5, -0.5, 0.5, 1.5]) / np.sqrt(1.25 + 1e-5), rtol=1e-5)


def test_second_derivatives_and_forward_mode():
    x, gain, bias = normal(0, 2, 3, 4), normal(1, 4), normal(2, 4)
    loss = lambda a: (ops.group_norm(a, gain, bias, groups=2) ** 3).sum()  # noqa: E731
    slow = lambda a: (composed(a, gain, bias, 2, 1e-5) ** 3).sum()  # noqa: E731
    v = normal(4, 2, 3, 4)
    np.testing.assert_allclose(mg.hvp(loss, (x,), (v,)), mg.hvp(slow, (x,), (v,)), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(mg.jvp(loss, (x,), (v,))[1], mg.jvp(slow, (x,), (v,))[1], rtol=1e-10)


def test_only_what_is_needed_is_saved():
    x, gain, bias = [mg.Tensor(normal(k, *s), requires_grad=True) for k, s in enumerate([(5, 4), (4,), (4,)])]
    with mg.Tape() as tape:
        ops.group_norm(x.data, gain.data, bias, 2)
        ops.group_norm(x.data, gain, bias, 2)
    assert [node.nbytes for node in tape.nodes] == [0, 160]


def test_errors_teach():
    ones = np.ones(4)
    for x, groups, error, words in [
        (np.ones((2, 4)), 3, ValueError, "group_norm: groups=3 must divide the 4 channels"),
        (np.ones((2, 4)), 0, ValueError, "groups"),
        (np.ones((2, 4)), 1.5, TypeError, "groups"),
        (np.ones(4), 2, ValueError, "samples along its first axis"),
        (np.ones((2, 0, 4)), 2, ValueError, "no pixels"),
        (np.ones((2, 3)), 3, ValueError, r"gain and bias must have shape \(3,\)"),
    ]:
        with pytest.raises(error, match=words):
            ops.group_norm(x, ones, ones, groups)
    assert ops.group_norm(np.ones((0, 3, 4)), ones, ones, 2).shape == (0, 3, 4)


def test_the_layer():
    layer = nn.GroupNorm(2, 4, eps=1e-3, dtype=np.float64)
    x = normal(0, 2, 3, 3, 4)
    np.testing.assert_array_equal(layer(x).data, ops.group_norm(x, np.ones(4), np.zeros(4), 2, 1e-3).data)
    assert repr(layer) == "GroupNorm(2, 4, eps=0.001)  8 parameters"
    np.testing.assert_array_equal(layer.eval()(x).data, layer.train()(x).data)
    with pytest.raises(ValueError, match="GroupNorm: groups=3 must divide features=4"):
        nn.GroupNorm(3, 4)


@pytest.mark.parametrize("norm", ["batch", "group", None])
def test_bagnets_with_each_normalisation(norm):
    model = nn.bagnet((17, 17, 1), 3, width=4, norm=norm, branch_scale=0.5, rng=0)
    x = normal(1, 3, 17, 17, 1).astype(np.float32)
    assert model(x).shape == (3, 3) and nn.receptive_field(model) == 17
    kinds = {type(module).__name__ for _, module in model.named_modules() if "Norm" in type(module).__name__}
    assert kinds == {"batch": {"BatchNorm"}, "group": {"GroupNorm"}, None: set()}[norm]
    names = [name for name, _ in model.named_parameters()]
    assert any("body" in name and name.endswith("bias") for name in names)
    with pytest.raises(ValueError, match="norm='layer' is unknown; it is 'batch', 'group' or None"):
        nn.bagnet((17, 17, 1), 3, norm="layer")


@pytest.mark.parametrize(("norm", "few"), [("batch", False), ("group", True), (None, True)])
def test_few_samples_at_the_logits_of_a_bagnet(norm, few):
    """They spare work all the way down, unless a BatchNorm lets every sample see the others."""
    model = nn.bagnet((9, 9, 1), 3, width=4, norm=norm, rng=0)
    model[-1].vjp = Mask(0.25, axis="sample")
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(normal(1, 8, 9, 9, 1).astype(np.float32)), np.arange(8) % 3)
    report = inspect.cost(tape)
    assert (report.backward < 0.3 * report.backward_exact) == few
    assert loss.shape == ()
