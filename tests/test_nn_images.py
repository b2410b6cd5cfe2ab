"""Layers for images: convolution, pooling, normalisation, bottleneck blocks; state, modes and paths."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import normal

import minigrad as mg
from minigrad import nn, ops
from minigrad.estimators import Mask


def single(seed, *shape):
    return normal(seed, *shape, dtype=np.float32)


def test_conv2d_is_its_operation_and_he_uniform():
    layer = nn.Conv2d(3, 5, (3, 2), stride=2, padding=(1, 0), rng=0)
    x = single(1, 2, 7, 6, 3)
    want = ops.conv2d(x, layer.weight, layer.bias, 2, (1, 0)).data
    np.testing.assert_array_equal(layer(x).data, want)
    assert layer(x).dtype == np.float32 and layer.weight.shape == (3, 2, 3, 5)
    assert np.abs(layer.weight.data).max() <= np.float32(np.sqrt(6 / 18)) and not layer.bias.data.any()
    np.testing.assert_array_equal(nn.Conv2d(3, 5, (3, 2), rng=0).weight.data, layer.weight.data)
    smaller = nn.Conv2d(3, 5, (3, 2), rng=0, init=nn.lecun_uniform).weight.data
    np.testing.assert_allclose(smaller, layer.weight.data / np.sqrt(2), rtol=1e-6)
    bare = nn.Conv2d(3, 5, 1, bias=False, rng=0, dtype=np.float64)
    assert [name for name, _ in bare.named_parameters()] == ["weight"] and bare.weight.dtype == np.float64
    assert repr(bare).startswith("Conv2d(3, 5, 1×1, bias=False)")
    assert repr(layer).startswith("Conv2d(3, 5, 3×2, stride=2, padding=(1, 0))")


def test_conv2d_hands_its_vjp_to_the_node():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.ReLU(), nn.Conv2d(4, 2, 1, rng=1))
    assert nn.set_vjp(model, Mask(0.5), where=nn.Conv2d) == ["0", "2"]
    with mg.Tape() as tape:
        model(single(0, 2, 5, 5, 1))
    assert [node.label for node in tape.nodes if node.vjp == Mask(0.5)] == ["0/conv2d", "2/conv2d"]
    with pytest.raises(ValueError, match="names the input 'a', but its inputs are x, w, b"):
        model[0].vjp = {"a": Mask(0.5)}


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((0, 2, 3), "in_channels=0"),
        ((1, -2, 3), "out_channels=-2"),
        ((1, 2, 0), "kernel_size=0"),
        ((1, 2, 3, 0), "stride=0"),
        ((1, 2, 3, 1, -1), "padding=-1"),
    ],
)
def test_conv2d_refuses(args, text):
    with pytest.raises(ValueError, match=f"Conv2d: {text} must be "):
        nn.Conv2d(*args)


def test_pooling_layers_are_their_operations():
    x = normal(0, 2, 6, 5, 3)
    np.testing.assert_array_equal(nn.MaxPool2d(3, 2, 1)(x).data, ops.max_pool2d(x, 3, 2, 1).data)
    np.testing.assert_array_equal(nn.AvgPool2d((2, 1))(x).data, ops.avg_pool2d(x, (2, 1)).data)
    np.testing.assert_allclose(nn.GlobalAvgPool()(x).data, x.mean(axis=(1, 2)), rtol=1e-13)
    np.testing.assert_allclose(nn.GlobalAvgPool()(x[0]).data, x[0].mean(axis=1), rtol=1e-13)
    assert repr(nn.MaxPool2d(3, 2, 1)) == "MaxPool2d(3×3, stride=2, padding=1)"
    with pytest.raises(ValueError, match=r"GlobalAvgPool in layer '0': needs shape .* but got \(2, 3\)"):
        nn.Sequential(nn.GlobalAvgPool())(np.ones((2, 3)))
    with pytest.raises(ValueError, match="MaxPool2d: kernel_size=0"):
        nn.MaxPool2d(0)


def test_rms_norm_layer():
    layer = nn.RMSNorm(4, eps=1e-3, dtype=np.float64)
    x = normal(0, 2, 3, 4)
    layer.gain.data[:] = [1, 2, 3, 4]
    np.testing.assert_array_equal(layer(x).data, ops.rms_norm(x, np.arange(1.0, 5), 1e-3).data)
    assert repr(layer) == "RMSNorm(4, eps=0.001)  4 parameters" and nn.RMSNorm(4).gain.dtype == np.float32
    with mg.Tape() as tape:
        nn.Sequential(layer)(x)
    assert [node.label for node in tape.nodes] == ["0/rms_norm"]
    assert nn.receptive_field(nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), layer)) == 3


def test_layer_norm_layer():
    layer = nn.LayerNorm(4, eps=1e-3, dtype=np.float64)
    x = normal(0, 2, 3, 4)
    np.testing.assert_array_equal(layer(x).data, ops.layer_norm(x, np.ones(4), np.zeros(4), 1e-3).data)
    assert [name for name, _ in layer.named_parameters()] == ["gain", "bias"]
    assert repr(layer) == "LayerNorm(4, eps=0.001)  8 parameters"


# BatchNorm


def test_batch_norm_running_statistics():
    layer = nn.BatchNorm(3, momentum=0.25, dtype=np.float64)
    batches = [2 + normal(k, 4, 2, 3) for k in range(3)]
    mean, var = np.zeros(3), np.ones(3)
    for batch in batches:
        want = ops.batch_norm(batch, np.ones(3), np.zeros(3)).data
        np.testing.assert_array_equal(layer(batch).data, want)
        mean = 0.75 * mean + 0.25 * batch.mean(axis=(0, 1))
        var = 0.75 * var + 0.25 * batch.var(axis=(0, 1), ddof=1)  # of 8 rows, unbiased
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var, var, rtol=1e-13)
    layer.eval()
    before = layer.state_dict()
    np.testing.assert_allclose(layer(batches[0]).data, (batches[0] - mean) / np.sqrt(var + 1e-5), rtol=1e-12)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    layer.train()(batches[0])
    assert (layer.running_mean != before["running_mean"]).all()


def test_in_use_a_sample_does_not_depend_on_its_companions():
    layer = nn.Sequential(nn.BatchNorm(2))
    layer(single(0, 8, 2))
    x = single(1, 5, 2)
    np.testing.assert_array_equal(layer.eval()(x).data[:1], layer(x[:1]).data)
    assert (layer.train()(x).data[:2] != layer(x[:2]).data).any()


def test_batch_norm_state_goes_round():
    model = nn.Sequential(nn.Conv2d(1, 2, 1, rng=0), nn.BatchNorm(2))
    model(single(0, 4, 3, 3, 1))
    state = model.state_dict()
    assert list(state) == ["0.weight", "0.bias", "1.gain", "1.bias", "1.running_mean", "1.running_var"]
    other = nn.Sequential(nn.Conv2d(1, 2, 1, rng=5), nn.BatchNorm(2))
    other.load_state_dict(state)
    x = single(1, 4, 3, 3, 1)
    np.testing.assert_array_equal(other.eval()(x).data, model.eval()(x).data)
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.gain", "1.bias"]
    double = other.astype(np.float64)
    assert double[1].running_var.dtype == np.float64 and double(x.astype(np.float64)).dtype == np.float64
    assert double.train()(x.astype(np.float64)).dtype == np.float64


def test_batch_norm_stays_float32():
    layer = nn.BatchNorm(2)
    for _ in range(2):
        assert layer(single(0, 4, 2)).dtype == layer.running_mean.dtype == layer.running_var.dtype == np.float32


def test_batch_norm_refuses():
    for momentum in (0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"momentum=.* must lie in \(0, 1\]"):
            nn.BatchNorm(2, momentum=momentum)
    with pytest.raises(ValueError, match=r"BatchNorm in layer '0': one row of shape \(1, 1, 1, 2\) has no variance"):
        nn.Sequential(nn.BatchNorm(2))(np.ones((1, 1, 1, 2), np.float32))
    assert nn.BatchNorm(2).eval()(np.ones((1, 2), np.float32)).shape == (1, 2)


# Bottleneck


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [7, 8])
def test_bottleneck_is_shortcut_plus_body(padding, stride, kernel, size):
    block = nn.Bottleneck(4, 2, 6, kernel, stride, padding, rng=0, dtype=np.float64).eval()
    x = normal(0, 2, size, size, 4)
    around = kernel // 2
    beside = x[:, around : size - around, around : size - around] if padding == "valid" else x
    body = block.body(x).data
    want = np.maximum(block.shortcut(beside).data + body, 0)
    np.testing.assert_allclose(block(x).data, want, rtol=1e-13, atol=1e-14)
    full = size if padding == "same" else size - kernel + 1
    assert want.shape == (2, -(-full // stride), -(-full // stride), 6)


def test_bottleneck_without_a_change_passes_its_input_on():
    block = nn.Bottleneck(4, 2, 4, 3, padding="valid", rng=0)
    assert block.shortcut is None
    block.body[-1].gain.data[...] = 0  # a silent body
    x = np.abs(single(0, 2, 5, 5, 4))
    np.testing.assert_array_equal(block(x).data, x[:, 1:-1, 1:-1])


def test_bottleneck_refuses():
    with pytest.raises(ValueError, match="kernel_size=2 must be odd"):
        nn.Bottleneck(4, 2, 4, 2)
    with pytest.raises(ValueError, match="padding='full' is unknown"):
        nn.Bottleneck(4, 2, 4, padding="full")
    with pytest.raises(ValueError, match=r"Bottleneck in layer '0': images of shape .* smaller than the 3×3 kernel"):
        nn.Sequential(nn.Bottleneck(4, 2, 4, padding="valid", rng=0))(np.ones((1, 2, 2, 4), np.float32))


def test_paths_of_a_bottleneck():
    model = nn.Sequential(nn.Bottleneck(2, 1, 4, rng=0))
    assert [path for path, module in model.named_modules() if isinstance(module, nn.Conv2d)] == [
        "0.body.0", "0.body.3", "0.body.6", "0.shortcut.0",
    ]  # fmt: skip
    with mg.Tape() as tape:
        model(np.ones((2, 3, 3, 2), np.float32))
    labels = [node.label for node in tape.nodes]
    assert "0.body.3/conv2d" in labels and "0.shortcut.1/batch_norm" in labels and labels[-2:] == ["0/add", "0/relu"]
