"""Sketches of slopes and factors, linear in the draw: all outcomes enumerated; one draw of one array."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import normal
from test_residuals import Listed

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.estimators import DiagonalSketch, Mask, RandomProjection, StochasticRounding
from minigrad.structure import Quantised, Structured

SLOPES = ["gelu", "silu", "tanh", "sigmoid", "softplus", "erf"]
SKETCHES = [StochasticRounding(1), StochasticRounding(3, "column"), Mask(0.5, axis="row"), DiagonalSketch(0.5)]


def mean_gradient(record, leaf, inner, size):
    """The mean over all outcomes of the sketch of what one node saved; ``record(save)`` gives tape and loss."""
    listed, mean, total = Listed(inner), 0.0, 0.0
    while True:
        tape, loss = record(listed)
        mean = mean + listed.chance * tape.gradients(loss, [leaf])[0]
        total += listed.chance
        listed.choice += 1
        if total > 1 - 1e-12:
            return mean


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("inner", SKETCHES, ids=repr)
def test_slopes_are_unbiased_by_enumeration(name, inner):
    x = mg.Tensor(normal(0, 3, 2), requires_grad=True)
    c = normal(1, 3, 2)

    def record(save):
        with mg.Tape(rng=0) as tape:
            loss = (getattr(ops, name)(x, save=save) * c).sum()
        return tape, loss

    tape, loss = record(None)
    (exact,) = tape.gradients(loss, [x])
    np.testing.assert_allclose(mean_gradient(record, x, inner, 6), exact, rtol=0, atol=1e-13)
    sketched = record(inner)[0].nodes[0]
    assert list(sketched.saved) == ["slope"] and sketched.save == {"slope": inner} and sketched.name == name


def test_dropout_in_one_bit_is_exact():
    x = mg.Tensor(np.ones((40, 8), np.float32), requires_grad=True)
    gradients = []
    for save in (None, StochasticRounding(1, "tensor")):
        with mg.Tape(rng=0) as tape:
            loss = ops.dropout(x, 0.25, save=save).sum()
        gradients.append(tape.gradients(loss, [x])[0])
        assert tape.nodes[0].nbytes == (1280 if save is None else 48)
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize("inner", SKETCHES, ids=repr)
@pytest.mark.parametrize("which", ["x", "y"])
@pytest.mark.parametrize("shape", [(3, 2), (2,)])
def test_factors_are_unbiased_by_enumeration(inner, which, shape):
    x, y = mg.Tensor(normal(0, 3, 2), requires_grad=True), mg.Tensor(normal(1, *shape), requires_grad=True)

    def record(save):
        with mg.Tape(rng=0) as tape:
            loss = ops.multiply(x, y, save=None if save is None else {which: save}).square().sum()
        return tape, loss

    leaf = y if which == "x" else x
    tape, loss = record(None)
    np.testing.assert_allclose(mean_gradient(record, leaf, inner, 6), tape.gradients(loss, [leaf])[0], atol=1e-12)


@pytest.mark.parametrize("vjp", [Mask(0.5, axis="row"), Mask(0.5, axis="sample"), Mask(0.5), Mask(0.5, axis="element")])
def test_kept_rows_of_a_cotangent_meet_a_sketched_slope(vjp):
    x = mg.Tensor(normal(0, 4, 3), requires_grad=True)
    with mg.Tape(rng=0) as tape:
        loss = ops.square(ops.gelu(x, save=StochasticRounding(2)), vjp=vjp).sum()
    (got,) = tape.gradients(loss, [x], rng=3)
    node = tape.nodes[0]
    node.saved = {"slope": node.saved["slope"].dense()}
    np.testing.assert_allclose(got, tape.gradients(loss, [x], rng=3)[0], atol=1e-14)


def test_a_primitive_of_ones_own_has_a_slope():
    @mg.primitive(kind="elementwise", slope=True, x=lambda g, saved: g * 3 * saved["x"] ** 2)
    def cube(x):
        return x**3, {"x": x}

    x = mg.Tensor(normal(0, 2, 3), requires_grad=True)

    def record(save):
        with mg.Tape(rng=0) as tape:
            loss = cube(x, save=save).sum()
        return tape, loss

    np.testing.assert_allclose(mean_gradient(record, x, StochasticRounding(2), 6), 3 * x.data**2, atol=1e-12)
    with pytest.raises(TypeError, match="slope=True is for element-wise operations of one input"):
        mg.primitive(slope=True, x=lambda g, saved: g)(lambda x: (x, {}))


# One draw for layers that save one array

FOUR = StochasticRounding(4)


def attention_like(leaves=True):
    """Three linear maps of one array, the weights leaves or computed."""
    x = np.float32(normal(0, 8, 6))
    weights = [mg.Tensor(normal(k, 6, 6).astype(np.float32), requires_grad=True) for k in range(3)]
    with mg.Tape(rng=0) as tape:
        outs = [ops.linear(x, w if leaves else w * 1.0, save=FOUR) for w in weights]
        loss = sum(ops.square(out).sum() for out in outs)
    return tape, loss, weights


def test_leaf_weights_share_one_draw_of_one_array():
    tape, *_ = attention_like()
    held = [node.saved["x"] for node in tape.nodes if node.name == "linear"]
    assert held[0] is held[1] is held[2] and isinstance(held[0], Quantised)
    exact = [node for node in attention_like(leaves=False)[0].nodes if node.name == "linear"]
    assert len({id(node.saved["x"]) for node in exact}) == 3
    counted = inspect.cost(tape).saved_bytes
    assert inspect.cost(attention_like(leaves=False)[0]).saved_bytes > counted + 2 * held[0].nbytes


def test_other_estimators_and_arrays_draw_by_themselves():
    x, w = normal(0, 8, 6), mg.Tensor(normal(1, 6, 6), requires_grad=True)
    with mg.Tape(rng=0) as tape:
        for array, save in ((x, FOUR), (x.copy(), FOUR), (x, StochasticRounding(2)), (x, StochasticRounding(4))):
            ops.linear(array, w, save=save)
    first, copy, other, same = [node.saved["x"] for node in tape.nodes]
    assert first is same and len({id(first), id(copy), id(other)}) == 3


@pytest.mark.slow
def test_what_was_sketched_is_let_go():
    """The tape remembers which array it has drawn by a weak reference, and no other array takes its place."""
    import gc
    import weakref

    w = mg.Tensor(normal(1, 6, 6), requires_grad=True)
    with mg.Tape(rng=0) as tape:
        seen = set()
        for k in range(20):
            x = normal(k, 8, 6)
            gone = weakref.ref(x)
            ops.linear(mg.Tensor(x), w, save=FOUR)
            del x
            gc.collect()
            assert gone() is None
            seen.add(id(tape.nodes[-1].saved["x"]))
    assert len(seen) == 20


class Shares(mg.Estimator):
    """One chosen outcome at the first draw, another at the second: to enumerate two draws, or one twice."""

    def __init__(self, outcomes, choices):
        self.outcomes_, self.choices, self.calls = outcomes, choices, 0

    def sample(self, g, node, rng):
        out = self.outcomes_[self.choices[min(self.calls, len(self.choices) - 1)]][1]
        self.calls += 1
        return out


def computed_weight(save):
    """W = P X is computed from the array that is the input as well: ∂P = (Gᵀ X̂) X̂ᵀ."""
    x, p = normal(0, 2, 2), mg.Tensor(normal(1, 2, 2), requires_grad=True)
    with mg.Tape(rng=0) as tape:
        w = ops.matmul(p, x, save=save)
        loss = (ops.linear(x, w, save=save) * normal(2, 2, 2)).sum()
    return tape, loss, p, x


def test_a_computed_weight_needs_a_draw_of_its_own_and_gets_it():
    tape, loss, p, x = computed_weight(None)
    (exact,) = tape.gradients(loss, [p])
    drawn = computed_weight(StochasticRounding(1, "column"))[0]
    assert drawn.nodes[0].saved["b"] is not drawn.nodes[1].saved["x"]
    outcomes = list(Mask(0.5, axis="row").outcomes(x))
    mean, one = np.zeros((2, 2)), np.zeros((2, 2))
    for a, (chance, _) in enumerate(outcomes):
        for b, (other, _) in enumerate(outcomes):
            made = Shares(outcomes, (a, b))
            tape, loss, p, _ = computed_weight(made)
            assert made.calls == 2  # the tape has decided for two draws
            (gradient,) = tape.gradients(loss, [p])
            mean += chance * other * gradient
            one += chance * gradient if a == b else 0
    np.testing.assert_allclose(mean, exact, atol=1e-13)
    assert np.abs(one - exact).max() > 0.1  # what one draw for both would give


def test_shared_draws_are_unbiased_by_enumeration():
    """The gradients of all three weights, which read one draw, and that of the one leaf that two nodes share."""
    x = normal(0, 2, 2)
    w, v = mg.Tensor(normal(1, 2, 2), requires_grad=True), mg.Tensor(normal(2, 2, 2), requires_grad=True)

    def record(save):
        with mg.Tape(rng=0) as tape:
            a, b, c = ops.linear(x, w, save=save), ops.linear(x, v, save=save), ops.linear(x, w, save=save)
            loss = ops.tanh(a * b + c.sin()).sum()
        return tape, loss

    outcomes = list(Mask(0.5, axis="row").outcomes(x))
    mean = [0.0, 0.0]
    for k, (chance, _) in enumerate(outcomes):
        made = Shares(outcomes, (k,))
        tape, loss = record(made)
        assert made.calls == 1
        mean = [m + chance * g for m, g in zip(mean, tape.gradients(loss, [w, v]), strict=True)]
    tape, loss = record(None)
    for got, exact in zip(mean, tape.gradients(loss, [w, v]), strict=True):
        np.testing.assert_allclose(got, exact, atol=1e-13)


def test_tapes_within_tapes_do_not_share():
    x, w = normal(0, 8, 6), mg.Tensor(normal(1, 6, 6), requires_grad=True)
    with mg.Tape(rng=0), mg.Tape(rng=0) as tape:
        ops.linear(x, w, save=FOUR), ops.linear(x, w, save=FOUR)
    assert tape.nodes[0].saved["x"] is not tape.nodes[1].saved["x"]


# Layers and models


def test_a_vision_transformer_in_four_bits():
    model = nn.models.vit((8, 8, 1), 3, patch_size=2, width=16, depth=2, heads=2, rng=0)
    x = normal(0, 16, 8, 8, 1, dtype=np.float32)

    def tape_of(save):
        nn.set_save(model, save, where=nn.Saving)
        with mg.Tape(rng=0) as tape:
            loss = ops.cross_entropy(model(x), np.arange(16) % 3)
        return tape, loss, inspect.cost(tape).saved_bytes

    exact, loss, whole = tape_of(None)
    before = exact.gradients(loss, model.parameters())
    tape, loss, few = tape_of(FOUR)
    after = tape.gradients(loss, model.parameters())
    assert {node.name for node in tape.nodes if node.save} >= {"linear", "matmul", "gelu", "softmax", "layer_norm"}
    assert few < 0.35 * whole
    off = sum(float(np.square(a - b).sum()) for a, b in zip(before, after, strict=True))
    assert 0 < off < 0.01 * sum(float(np.square(a).sum()) for a in before)
    assert "save=StochasticRounding(4)" in repr(model)


@pytest.mark.parametrize("layer", [nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus])
def test_activations_take_it(layer):
    made = layer(save=FOUR)
    assert repr(made) == f"{layer.__name__}(save=StochasticRounding(4))" and repr(layer()) == f"{layer.__name__}()"
    with mg.Tape(rng=0) as tape:
        made(mg.Tensor(normal(0, 4, 16), requires_grad=True))
    assert isinstance(tape.nodes[0].saved["slope"], Structured) and not isinstance(made, nn.Sketchable)
    with pytest.raises(TypeError, match="save= takes an estimator"):
        made.save = 4


def test_linear_maps_and_convolutions_with_every_rounding():
    """∂Ŵ = Gᵀ X̂ for X̂ as it is written out: linear maps, windows of every kind, groups and single channels."""
    x = mg.Tensor(normal(0, 3, 6, 6, 4), requires_grad=True)
    others = [StochasticRounding(3, "block"), StochasticRounding(2, "tensor", "subtractive"), RandomProjection(0.5)]
    for estimator in (FOUR, *others, StochasticRounding(4, allocation="optimal"), StochasticRounding(16)):
        for shape, options in [((3, 3, 4, 5), {"padding": 1}), ((1, 1, 4, 5), {}), ((3, 3, 4, 5), {"stride": 2}),
                               ((3, 3, 2, 4), {"groups": 2}), ((3, 3, 1, 4), {"groups": 4})]:  # fmt: skip
            w = mg.Tensor(normal(1, *shape), requires_grad=True)
            with mg.Tape(rng=0) as tape:
                y = ops.conv2d(x, w, save=estimator, **options)
            g = normal(2, *y.shape)
            (got,) = tape.gradients(y, [w], g)
            node = tape.nodes[0]
            assert isinstance(node.saved["x"], Structured)
            node.saved = {**node.saved, "x": node.saved["x"].dense()}
            np.testing.assert_allclose(got, tape.gradients(y, [w], g)[0], atol=1e-10)


def test_variance_of_the_weight_gradient_is_the_closed_form():
    """E‖∂Ŵ − ∂W‖² = Σ_i ‖G_i‖² D_i, D_i the distortion of row i (Theory §9): enumerated."""
    x, g = normal(0, 3, 3), normal(1, 3, 2)
    two = StochasticRounding(2)
    found = sum(p * np.square(g.T @ (out - x)).sum() for p, out in two.outcomes(x))
    rows = sum(np.square(g[i]).sum() * two.distortion(x[i : i + 1]) for i in range(3))
    assert found == pytest.approx(rows, rel=1e-10)
