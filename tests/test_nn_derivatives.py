"""Every layer and model: forward mode by duality, second derivatives against central differences of the gradient."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops

RNG = np.random.default_rng(0)
IMAGES = (2, 4, 4, 2)
TOKENS = (2, 3, 4)

CASES = {
    "AvgPool2d": (lambda: nn.AvgPool2d(2), IMAGES),
    "BatchNorm": (lambda: nn.BatchNorm(2), IMAGES),
    "Bottleneck": (lambda: nn.Bottleneck(2, 2, 3, rng=0), IMAGES),
    "ClassToken": (lambda: nn.ClassToken(4, rng=0), TOKENS),
    "Conv1d": (lambda: nn.Conv1d(4, 2, 2, rng=0), TOKENS),
    "Conv2d": (lambda: nn.Conv2d(2, 3, 3, padding=1, stride=2, rng=0), IMAGES),
    "Conv2d, grouped": (lambda: nn.Conv2d(2, 4, 3, groups=2, dilation=2, padding=2, rng=0), IMAGES),
    "Dropout": (lambda: nn.Dropout(0.5), (3, 4)),
    "Flatten": (lambda: nn.Flatten(), IMAGES),
    "GELU": (lambda: nn.GELU(), (3, 4)),
    "GlobalAvgPool": (lambda: nn.GlobalAvgPool(), IMAGES),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (2, 3, 3, 4)),
    "Identity": (lambda: nn.Identity(), (3,)),
    "LayerNorm": (lambda: nn.LayerNorm(4), TOKENS),
    "Linear": (lambda: nn.Linear(4, 3, rng=0), TOKENS),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGES),
    "MultiHeadSelfAttention": (lambda: nn.MultiHeadSelfAttention(4, 2, rng=0), TOKENS),
    "PatchEmbedding": (lambda: nn.PatchEmbedding(2, 2, 3, rng=0), IMAGES),
    "PositionEmbedding": (lambda: nn.PositionEmbedding(3, 4, rng=0), TOKENS),
    "RMSNorm": (lambda: nn.RMSNorm(4), TOKENS),
    "ReLU": (lambda: nn.ReLU(), (3, 4)),
    "Residual": (lambda: nn.Residual(nn.Linear(4, 4, rng=0)), TOKENS),
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 2, rng=0), nn.Tanh()), (3, 4)),
    "SiLU": (lambda: nn.SiLU(), (3, 4)),
    "Sigmoid": (lambda: nn.Sigmoid(), (3, 4)),
    "Softplus": (lambda: nn.Softplus(), (3, 4)),
    "Tanh": (lambda: nn.Tanh(), (3, 4)),
    "TransformerBlock": (lambda: nn.TransformerBlock(4, 2, rng=0), TOKENS),
    "the model bagnet": (lambda: nn.models.build("bagnet", (6, 6, 1), 2, rng=0, width=2), (2, 6, 6, 1)),
    "the model bagnet_group": (lambda: nn.models.build("bagnet_group", (6, 6, 1), 2, rng=0, width=2), (2, 6, 6, 1)),
    "the model mlp": (lambda: nn.models.build("mlp", (4,), 2, rng=0, hidden=(3,)), (3, 4)),
    "the model vit": (lambda: nn.models.build("vit", (4, 4, 1), 2, rng=0, width=4, depth=1, heads=2), (2, 4, 4, 1)),
}
NO_LAYERS = {
    "DtypeWarning", "IncompatibleKeys", "Module", "Saving", "Sketchable", "bagnet", "he_uniform", "lecun_uniform",
    "mlp", "models", "receptive_field", "set_budgets", "set_save", "set_vjp", "vit",
}  # fmt: skip


def test_every_layer_and_model_is_here():
    assert {name for name in nn.__all__ if name not in NO_LAYERS} <= {name.split(",")[0] for name in CASES}
    assert {f"the model {name}" for name in nn.models.names()} <= set(CASES)


@pytest.mark.parametrize("name", sorted(CASES))
def test_forward_mode_and_second_derivatives(name):
    """⟨u, J t⟩ = ⟨Jᵀ u, t⟩ and forward against reverse over reverse to 1e-10; central differences to 1e-5."""
    make, shape = CASES[name]
    model = make()
    parameters = [p for _, p in model.named_parameters()]
    for p in parameters:
        p.data = p.data.astype(np.float64) + 0.1 * RNG.standard_normal(p.shape)
    x = mg.Tensor(RNG.standard_normal(shape), requires_grad=True)
    leaves = [x, *parameters]
    directions = [RNG.standard_normal(leaf.shape) for leaf in leaves]
    pairs = list(zip(leaves, directions, strict=True))

    with mg.Tape(rng=0) as tape:
        y = ops.multiply(model(x), 1.0)
    u = RNG.standard_normal(y.shape)
    tangent = tape.pushforward(pairs)[y.node]
    pulled = tape.gradients(y, leaves, cotangent=u)
    whole = sum(float((g * d).sum()) for g, d in zip(pulled, directions, strict=True))
    assert abs(float((u * tangent).sum()) - whole) <= 1e-10 * (1 + np.abs(u * tangent).sum())

    def gradients():
        with mg.Tape(rng=0) as inner:
            loss = ops.mse(model(x), u)
        return inner.gradients(loss, leaves)

    with mg.Tape() as outer:
        first = gradients()
    product = outer.pushforward(pairs)
    forward = [product[g.node] for g in first]
    with mg.Tape() as outer:
        along = sum((g * d).sum() for g, d in zip(gradients(), directions, strict=True))
    reverse = outer.gradients(along, leaves)
    kept, step, found = [leaf.data for leaf in leaves], 1e-6, []
    for sign in (1, -1):
        for leaf, data, d in zip(leaves, kept, directions, strict=True):
            leaf.data = data + sign * step * d
        found.append(gradients())
    scale = max(np.abs(g).max() for g in forward) + 1
    for a, b, up, down in zip(forward, reverse, *found, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * scale)
        np.testing.assert_allclose(a, (up - down) / (2 * step), rtol=0, atol=1e-5 * scale)
