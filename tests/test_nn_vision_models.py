"""bagnet and vit: shapes, sizes, receptive fields by what moves an output, and training."""

from __future__ import annotations

from inspect import signature

import numpy as np
import pytest
from estimator_cases import normal

import minigrad as mg
from minigrad import inspect, nn, ops, optim
from minigrad.estimators import Mask

SHAPES = [(28, 28, 1), (32, 32, 3), (8, 8, 1)]
MODELS = ["bagnet", "vit"]


def cell(features, x):
    """The middle pixel of the last feature map."""
    out = features(x).data
    return out[0, out.shape[1] // 2, out.shape[2] // 2]


def seen(features, x):
    """Which lines and which columns of an image change the middle of the feature map, by trying each."""
    before = cell(features, x)
    hits = []
    for axis in (1, 2):
        hit = []
        for k in range(x.shape[axis]):
            changed = x.copy()
            changed[(slice(None),) * axis + (k,)] += 1.0
            hit.append(bool((cell(features, changed) != before).any()))
        hits.append(np.flatnonzero(hit))
    return hits


def live(model):
    """The model in eval mode with gains and biases for which no ReLU swallows what a pixel does."""
    for module in model.eval()._modules.values():
        for _, part in module.named_modules():
            if isinstance(part, nn.BatchNorm):
                part.bias.data[...] = 2.0
    return model


@pytest.mark.parametrize("field", [3, 5, 9, 17, 33])
def test_the_receptive_field_is_what_moves_an_output(field):
    model = live(nn.bagnet((48, 48, 1), 10, receptive_field=field, width=4, expansion=2, rng=0, dtype=np.float64))
    features = model[:-2]
    assert nn.receptive_field(model) == nn.receptive_field(features) == field
    for lines in seen(features, np.abs(normal(1, 1, 48, 48, 1))):
        assert len(lines) == field and np.ptp(lines) == field - 1  # all of a square without holes


def test_valid_padding_has_the_same_field_and_no_border():
    model = live(
        nn.bagnet((40, 40, 1), 3, receptive_field=17, width=4, expansion=2, padding="valid", rng=0, dtype=np.float64)
    )
    x = np.abs(normal(1, 1, 40, 40, 1))
    assert [len(lines) for lines in seen(model[:-2], x)] == [17, 17]
    # Without padding the corner of the output sees the 17 first pixels, not fewer.
    x2 = x.copy()
    x2[0, 16, 16, 0] += 1
    x3 = x.copy()
    x3[0, 17, 17, 0] += 1
    corner = [model[:-2](value).data[0, 0, 0] for value in (x, x2, x3)]
    assert (corner[0] != corner[1]).any() and (corner[0] == corner[2]).all()


def test_receptive_field_of_other_networks():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 5, 2, rng=0), nn.LayerNorm(2), nn.GELU(), nn.Residual(nn.Conv2d(2, 2, 3, padding=1, rng=1)),
        nn.AvgPool2d(2), nn.Sequential(nn.Conv2d(2, 2, (1, 3), rng=2)), nn.Linear(2, 2, rng=3),
    )  # fmt: skip
    assert nn.receptive_field(model) == 5 + 2 * 2 + 1 * 2 + 2 * 4
    assert nn.receptive_field(nn.Sequential()) == 1
    with pytest.raises(TypeError, match="how far does MultiHeadSelfAttention look"):
        nn.receptive_field(nn.Sequential(nn.MultiHeadSelfAttention(2, rng=0)))


class Cross(nn.Module):
    """What a user writes of a layer that looks at a row of three pixels."""

    def forward(self, x):
        return x

    def windows(self):
        return [((1, 3), (1, 2))]


class Own(nn.Module):
    per_pixel = True

    def forward(self, x):
        return x


class Silent(Own):
    per_pixel = False


def test_a_layer_says_itself_how_far_it_looks():
    assert nn.receptive_field(nn.Sequential(Own(), Cross(), nn.Residual(nn.Sequential(Cross(), Own())))) == 3 + 2 * 2
    for parts in ([Silent()], [Cross(), Silent(), nn.GlobalAvgPool()], [nn.Residual(Silent())]):
        with pytest.raises(TypeError, match="how far does Silent look.*per_pixel = True"):
            nn.receptive_field(nn.Sequential(*parts))
    assert nn.receptive_field(nn.Sequential(Cross(), nn.GlobalAvgPool(), Silent(), Cross())) == 3  # sees everything


PER_PIXEL = [kind for kind in vars(nn).values() if isinstance(kind, type) and getattr(kind, "per_pixel", False)]


@pytest.mark.parametrize("kind", PER_PIXEL, ids=lambda kind: kind.__name__)
def test_what_says_per_pixel_moves_one_pixel_only(kind):
    sizes = [
        2 for p in signature(kind).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty
    ]
    layer = kind(*sizes).eval()
    x = np.abs(normal(0, 1, 3, 3, 2, dtype=np.float32))
    moved = x.copy()
    moved[0, 1, 1] += [1.0, -2.0]
    changed = np.argwhere((layer(x).data != layer(moved).data).any(axis=-1))
    assert changed.tolist() == [[0, 1, 1]]


def test_three_by_three_kernels_are_where_the_paper_has_them():
    for field, stages in [(9, 2), (17, 3), (33, 4)]:
        model = nn.bagnet((64, 64, 3), 10, receptive_field=field, width=2, depth=(2, 1, 3, 1), rng=0)
        blocks = [module for module in model if isinstance(module, nn.Bottleneck)]
        kernels = [block.body[3].kernel_size[0] for block in blocks]
        first = [0, 2, 3, 6]
        assert kernels == [3 if k in first[:stages] else 1 for k in range(7)]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_presets(name, shape):
    model = nn.models.build(name, shape, 10, rng=0)
    x = normal(0, 3, *shape, dtype=np.float32)
    with mg.Tape() as tape:
        out = model(x)
        loss = ops.cross_entropy(out, [1, 2, 3])
    assert out.shape == (3, 10) and out.dtype == np.float32
    for gradient in tape.gradients(loss, model.parameters()):
        assert gradient.dtype == np.float32 and np.isfinite(gradient).all()
    assert all(node.dtype == np.float32 for node in tape.nodes)
    # Every layer is part of the model: its path is known on the tape.
    paths = {path for path, _ in model.named_modules()}
    assert all(node.layer in paths for node in tape.nodes[:-1])
    assert "\n" not in nn.models.describe()[name]


def test_parameters_by_hand():
    model = nn.vit((8, 8, 1), 10, patch_size=4, width=6, depth=2, heads=2, hidden=5, pool="class", rng=0)
    embedding, token, positions = 16 * 6 + 6, 6, 5 * 6
    block = 2 * 12 + 4 * (36 + 6) + (30 + 5) + (30 + 6)
    assert sum(p.size for p in model.parameters()) == embedding + token + positions + 2 * block + 12 + 70
    model = nn.bagnet((8, 8, 1), 10, receptive_field=3, width=2, expansion=2, rng=0)
    total, before = 1 * 2 + 9 * 4 + 4, 2
    for between in (2, 4, 8, 16):
        after = 2 * between
        total += before * between + 2 * between + between * between + 2 * between + between * after + 2 * after
        total += before * after + 2 * after if (before != after or between < 16) else 0
        before = after
    assert sum(p.size for p in model.parameters()) == total + before * 10 + 10


def test_size_counts_what_inspect_counts():
    for name in nn.models.names():
        size = nn.models.size(name, (8, 8, 1), 10)
        model = nn.models.build(name, (8, 8, 1), 10, rng=0).eval()
        with mg.Tape() as tape:
            model(np.zeros((1, 8, 8, 1), np.float32))
        assert size == (sum(p.size for p in model.parameters()), inspect.cost(tape).forward)
    parameters, flops = nn.models.size("mlp", (28, 28, 1), 10, hidden=(5,))
    # Products and biases of two layers, and one comparison for each hidden feature.
    assert (parameters, flops) == (784 * 5 + 5 + 55 + 5, 2 * 784 * 5 + 5 + 2 * 50 + 10 + 5)


@pytest.mark.parametrize("pool", ["mean", "class"])
def test_vit_pools(pool):
    model = nn.vit((8, 8, 1), 3, patch_size=4, width=8, depth=1, heads=2, pool=pool, rng=0)
    tokens = model[:-2](np.ones((2, 8, 8, 1), np.float32)).data
    assert tokens.shape == (2, 4 + (pool == "class"), 8)
    want = tokens.mean(axis=1) if pool == "mean" else tokens[:, 0]
    np.testing.assert_allclose(model[-2](tokens).data, want, rtol=1e-5, atol=1e-6)


def test_vjp_reaches_all_layers_that_can_be_sketched():
    model = nn.vit((8, 8, 1), 3, width=8, depth=1, vjp=Mask(0.5), rng=0)
    assert sum(getattr(module, "vjp", None) == Mask(0.5) for _, module in model.named_modules()) == 1 + 5 + 2 + 1
    model = nn.bagnet((8, 8, 1), 3, width=2, vjp=Mask(0.5), rng=0)
    assert sum(getattr(module, "vjp", None) == Mask(0.5) for _, module in model.named_modules()) == 2 + 4 * 4 + 1


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: nn.bagnet((64,), 10), r"bagnet: needs images, so input_shape must be .* got \(64,\)"),
        (lambda: nn.bagnet((8, 8, 1), 10, receptive_field=10), "receptive_field=10 is none of 3, 5, 9, 17, 33"),
        (lambda: nn.bagnet((8, 8, 1), 10, depth=(1, 2)), r"depth=\(1, 2\) must be one number"),
        (lambda: nn.bagnet((8, 8, 1), 10, width=0), "width=0"),
        (lambda: nn.bagnet((8, 8, 1), 10, padding="none"), "padding='none' is unknown"),
        (lambda: nn.vit((64,), 10), "vit: needs images"),
        (lambda: nn.vit((8, 8, 1), 10, patch_size=3), "patches of 3×3 pixels do not divide an image of 8×8"),
        (lambda: nn.vit((8, 8, 1), 10, pool="max"), "pool='max' is unknown"),
        (lambda: nn.vit((8, 8, 1), 10, depth=0), "vit: depth=0"),
        (lambda: nn.vit((8, 8, 1), 10, heads=5), "5 heads do not divide"),
    ],
)
def test_models_refuse(build, text):
    with pytest.raises(ValueError, match=text):
        build()


@pytest.mark.parametrize("vjp", [None, Mask(0.1), Mask(0.1, axis="sample")], ids=repr)
@pytest.mark.parametrize("name", MODELS)
def test_a_few_steps_lower_the_loss(name, vjp):
    """On random images with random labels, exact and with a tenth of every cotangent."""
    options = {"width": 8} if name == "bagnet" else {"width": 16, "depth": 2, "patch_size": 4}
    model = nn.models.build(name, (8, 8, 1), 4, rng=0, vjp=vjp, **options)
    x, y = normal(1, 32, 8, 8, 1, dtype=np.float32), np.arange(32) % 4
    optimizer = optim.Adam(model.parameters(), lr=0.003)
    losses = []
    for step in range(60):
        with mg.Tape() as tape:
            loss = ops.cross_entropy(model(x), y)
        optimizer.zero_grad()
        tape.backward(loss, rng=step)
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < (0.6 if vjp is None else 0.95) * np.mean(losses[:5])


# How they begin


def spread(weight):
    """The largest value over that of LeCun's uniform distribution: of n values at least 1 − 7/n, but for e⁻⁷."""
    return np.abs(weight.data).max() / np.sqrt(3 / weight.shape[-1])


def test_a_transformer_begins_with_small_branches_and_lecuns_weights():
    model = nn.vit((8, 8, 1), 10, width=64, depth=2, rng=0)
    assert 0.98 < spread(model[0].projection.weight) <= 1
    blocks = [layer for layer in model if isinstance(layer, nn.TransformerBlock)]
    assert len(blocks) == 2
    for block in blocks:
        attention = block.attention
        for layer in (attention.query, attention.key, attention.value, block.mlp[0]):
            assert 0.98 < spread(layer.weight) <= 1 + 1e-6
        for layer in (attention.out, block.mlp[-1]):
            assert 0.98 * 0.3 < spread(layer.weight) <= 0.3 * (1 + 1e-6)
    full = nn.TransformerBlock(64, rng=0)
    half = nn.TransformerBlock(64, rng=0, branch_scale=0.5)
    np.testing.assert_array_equal(half.mlp[-1].weight.data, full.mlp[-1].weight.data / 2)
    np.testing.assert_array_equal(half.mlp[0].weight.data, full.mlp[0].weight.data)


def test_branches_of_a_bagnet_begin_as_they_are_told():
    def gains(**options):
        model = nn.bagnet((8, 8, 1), 10, width=2, rng=0, **options)
        return [set(layer.body[-1].gain.data.tolist()) for layer in model if isinstance(layer, nn.Bottleneck)]

    assert gains() == [{1.0}] * 4 and gains(branch_scale=0.25) == [{0.25}] * 4


@pytest.mark.parametrize("scale", [None, float("nan"), float("inf"), "1"])
@pytest.mark.parametrize("make", [nn.vit, nn.bagnet])
def test_a_branch_scale_that_is_none(make, scale):
    with pytest.raises(ValueError, match="branch_scale=.* must be a finite number"):
        make((8, 8, 1), 10, branch_scale=scale)
