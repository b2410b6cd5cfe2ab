"""Patches, tokens, attention and transformer blocks, against the same in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import assert_unbiased, normal

import minigrad as mg
from minigrad import nn, ops
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, TopK
from minigrad.testing import assert_gradients_close


def naive(x, layer):
    """Attention token by token and head by head."""
    q, k, v = [x @ m.weight.data.T + m.bias.data for m in (layer.query, layer.key, layer.value)]
    d = layer.width // layer.heads
    out = np.zeros_like(x)
    for n, head, t in np.ndindex(x.shape[0], layer.heads, x.shape[1]):
        part = slice(head * d, (head + 1) * d)
        scores = np.array([q[n, t, part] @ k[n, s, part] for s in range(x.shape[1])]) / np.sqrt(d)
        weights = np.exp(scores - scores.max())
        out[n, t, part] = weights / weights.sum() @ v[n, :, part]
    return out @ layer.out.weight.data.T + layer.out.bias.data


def biased_layers(model):
    """Biases that are not 0, so that forgetting one shows."""
    for k, tensor in enumerate(model.parameters()):
        if tensor.ndim == 1:
            tensor.data[...] += normal(100 + k, *tensor.shape)
    return model


@pytest.mark.parametrize("heads", [1, 2, 6])
def test_attention_against_loops(heads):
    layer = biased_layers(nn.MultiHeadSelfAttention(6, heads, rng=0, dtype=np.float64))
    x = normal(1, 2, 5, 6)
    np.testing.assert_allclose(layer(x).data, naive(x, layer), rtol=1e-12, atol=1e-13)
    assert sum(tensor.size for tensor in layer.parameters()) == 4 * (36 + 6)


def test_attention_does_not_know_the_order_of_tokens():
    layer = nn.MultiHeadSelfAttention(6, 2, rng=0, dtype=np.float64)
    x, order = normal(1, 2, 5, 6), np.array([3, 0, 4, 1, 2])
    np.testing.assert_allclose(layer(x[:, order]).data, layer(x).data[:, order], rtol=1e-12)


def test_gradients_of_attention_and_of_a_block():
    block = biased_layers(nn.TransformerBlock(4, heads=2, hidden=5, rng=0, dtype=np.float64))
    assert_gradients_close(block.attention, normal(1, 2, 3, 4), name="attention")
    assert_gradients_close(block, normal(1, 2, 3, 4), name="block")


def test_a_block_against_numpy():
    block = biased_layers(nn.TransformerBlock(4, heads=2, hidden=5, rng=0, dtype=np.float64))
    x = normal(1, 2, 3, 4)

    def norm(x, layer):
        return ops.layer_norm(x, layer.gain, layer.bias).data

    x1 = x + naive(norm(x, block.norm1), block.attention)
    first, _, second = block.mlp
    hidden = ops.gelu(norm(x1, block.norm2) @ first.weight.data.T + first.bias.data).data
    want = x1 + hidden @ second.weight.data.T + second.bias.data
    np.testing.assert_allclose(block(x).data, want, rtol=1e-12, atol=1e-13)


def test_dropout_of_a_block_draws_in_training_only():
    block = nn.TransformerBlock(4, heads=2, dropout=0.5, rng=0)
    x = normal(1, 2, 3, 4, dtype=np.float32)

    def run(seed):
        with mg.Tape(rng=seed):
            return block(x).data

    assert (run(0) != run(1)).any() and (run(0) == run(0)).all()
    block.eval()
    np.testing.assert_array_equal(run(0), run(1))


def test_every_product_of_attention_takes_a_vjp():
    layer = nn.Sequential(nn.MultiHeadSelfAttention(4, 2, rng=0))
    assert nn.set_vjp(layer, Mask(0.5)) == ["0", "0.query", "0.key", "0.value", "0.out"]
    with mg.Tape() as tape:
        layer(np.ones((2, 3, 4), np.float32))
    sketched = [node.label for node in tape.nodes if node.vjp is not None]
    assert sketched == ["0.query/linear", "0.key/linear", "0.value/linear", "0/matmul", "0/matmul", "0.out/linear"]
    nn.set_vjp(layer, None)
    assert nn.set_vjp(layer, {"a": Mask(0.5)}, where=nn.MultiHeadSelfAttention) == ["0"]
    assert "vjp={'a': Mask(0.5)}" in repr(layer)
    assert len(nn.set_vjp(layer, Mask(0.1), where=nn.Linear)) == 4


@pytest.mark.parametrize(
    "estimator",
    [
        Mask(0.5),
        Mask(0.5, axis="row"),
        Mask(0.5, axis="sample"),
        DiagonalSketch(0.5, target="both"),
        DiagonalSketch(0.5, axis="row", target="weight"),
        LowRankSketch(0.5),
    ],
    ids=repr,
)
def test_attention_is_unbiased_by_enumeration(estimator):
    """All products of one head, two tokens and two features; every backward pass with its probability."""
    layer = nn.MultiHeadSelfAttention(2, rng=0, dtype=np.float64)
    x = mg.Tensor(normal(1, 1, 2, 2), requires_grad=True)
    wrt = [x, layer.query.weight, layer.key.weight, layer.value.weight, layer.out.bias]
    for where in (nn.MultiHeadSelfAttention, lambda path, _: path in ("query", "key", "out")):
        nn.set_vjp(layer, None)
        nn.set_vjp(layer, estimator, where=where)
        with mg.Tape() as tape:
            y = layer(x)
        assert_unbiased(tape, y, wrt, normal(2, 1, 2, 2))


def test_the_enumeration_can_fail():
    layer = nn.MultiHeadSelfAttention(2, vjp=TopK(0.5), rng=0, dtype=np.float64)
    x = mg.Tensor(normal(1, 1, 2, 2), requires_grad=True)
    with mg.Tape() as tape:
        y = layer(x)
    with pytest.raises(AssertionError):
        assert_unbiased(tape, y, [x], normal(2, 1, 2, 2))


def test_attention_refuses():
    with pytest.raises(ValueError, match="4 heads do not divide a width of 6"):
        nn.MultiHeadSelfAttention(6, 4)
    model = nn.Sequential(nn.MultiHeadSelfAttention(4, rng=0))
    for shape in [(3, 4), (2, 3, 5)]:
        with pytest.raises(ValueError, match=r"MultiHeadSelfAttention in layer '0': needs tokens of shape \(N, T, 4\)"):
            model(np.ones(shape, np.float32))


def test_patch_embedding_is_a_convolution_without_overlap():
    embed = biased_layers(nn.PatchEmbedding((2, 3), 2, 5, rng=0, dtype=np.float64))
    x = normal(1, 2, 4, 9, 2)
    kernel = embed.projection.weight.data.T.reshape(2, 3, 2, 5)
    want = ops.conv2d(x, kernel, embed.projection.bias, stride=(2, 3)).data.reshape(2, 6, 5)
    np.testing.assert_allclose(embed(x).data, want, rtol=1e-12)
    assert repr(embed).startswith("PatchEmbedding(2×3, 2 channels)")
    for shape in [(2, 5, 9, 2), (2, 4, 8, 2), (2, 4, 9, 3), (4, 9, 2)]:
        with pytest.raises(ValueError, match=r"needs images \(N, H, W, 2\) whose height is a multiple of 2"):
            embed(np.ones(shape))


def test_positions_and_class_token():
    positions, token = nn.PositionEmbedding(4, 3, rng=0), nn.ClassToken(3, rng=1)
    x = normal(1, 2, 3, 3, dtype=np.float32)
    out = token(x)
    assert out.shape == (2, 4, 3) and out.dtype == np.float32
    np.testing.assert_array_equal(out.data[:, 0], np.tile(token.weight.data, (2, 1)))
    np.testing.assert_array_equal(out.data[:, 1:], x)
    np.testing.assert_array_equal(positions(out).data, out.data + positions.weight.data)
    # 12 draws of N(0, 0.02²): beyond 7 sd but for a chance of 4e-11.
    assert np.abs(positions.weight.data).max() < 0.14 and positions.weight.data.std() > 0.002
    with mg.Tape() as tape:
        loss = positions(token(x)).sum()
    gradients = tape.gradients(loss, [positions.weight, token.weight])
    assert all((g == 2).all() for g in gradients)  # each serves two samples
    with pytest.raises(ValueError, match=r"PositionEmbedding: needs shape \(N, 4, 3\)"):
        positions(x)
