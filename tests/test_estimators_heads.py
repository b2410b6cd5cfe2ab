"""Heads and shared tokens as units: unbiased and of known variance by enumeration, and what they cost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from estimator_cases import assert_unbiased, exact, moments, normal, passes

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.estimators import (
    DiagonalSketch,
    Mask,
    Priced,
    Selection,
    StratifiedMask,
    TopK,
    WinnerTakeAll,
    WithReplacement,
    parse,
)
from minigrad.structure import Slices, dense

UNITS = {"head": -3, "token": -2}
MAKERS = [
    lambda axis: Mask(0.5, axis),
    lambda axis: Mask(0.4, axis, "systematic"),
    lambda axis: Mask(distortion=0.7, axis=axis),
    lambda axis: DiagonalSketch(0.5, axis),
    lambda axis: DiagonalSketch(0.5, axis, "both", "systematic"),
    lambda axis: DiagonalSketch(0.5, axis, "input"),
    lambda axis: DiagonalSketch(0.5, axis, "weight"),
    lambda axis: DiagonalSketch(distortion=0.5, axis=axis),
    lambda axis: StratifiedMask(0.5, axis),
    lambda axis: StratifiedMask(distortion=0.5, axis=axis),
    lambda axis: WithReplacement(0.5, axis),
    lambda axis: WinnerTakeAll(0.5, axis),
    lambda axis: Priced(3.0, axis=axis),
    lambda axis: Priced(3.0, axis=axis, target="weight"),
]
EVERY = [make(axis) for axis in UNITS for make in MAKERS]


def attention(vjp=None):
    layer = nn.MultiHeadSelfAttention(4, 2, vjp=vjp, rng=0, dtype=np.float64)
    x = mg.Tensor(normal(1, 2, 3, 4), requires_grad=True)
    with mg.Tape() as tape:
        y = layer(x)
    return tape, y, [x, *[p for _, p in layer.named_parameters()]]


@pytest.mark.parametrize("estimator", EVERY, ids=repr)
def test_attention_is_unbiased_by_enumeration(estimator):
    tape, y, wrt = attention(estimator)
    assert_unbiased(tape, y, wrt, normal(2, 2, 3, 4))


@pytest.mark.parametrize("axis", UNITS)
def test_both_products_by_themselves_are_unbiased(axis):
    """As when a tape is sketched by hand: what was left out at A V is drawn again at Q Kᵀ."""
    tape, y, wrt = attention()
    for node in tape.nodes:
        if node.name == "matmul":
            node.vjp = DiagonalSketch(0.5, axis)
    assert_unbiased(tape, y, wrt, normal(2, 2, 3, 4))


@pytest.mark.parametrize("axis", UNITS)
def test_the_enumeration_can_fail(axis):
    tape, y, wrt = attention(TopK(0.5, axis))
    with pytest.raises(AssertionError):
        assert_unbiased(tape, y, wrt, normal(2, 2, 3, 4))


@pytest.mark.parametrize("estimator", [e for e in EVERY if not isinstance(e, (WithReplacement, Priced))], ids=repr)
def test_distortion_is_the_enumerated_one(estimator):
    g = normal(3, 2, 3, 4, 2)
    total, mean, variance = moments(estimator.outcomes(g))
    assert abs(total - 1) < 1e-12
    np.testing.assert_allclose(mean, g, atol=1e-12)
    np.testing.assert_allclose(estimator.distortion(g), variance, rtol=1e-10)


@pytest.mark.parametrize("axis", UNITS)
def test_scores_and_variance_of_the_products(axis):
    """∂a and ∂b of one product: E‖error‖² is Σ_u (1/p − 1)‖part of unit u‖², with the parts written out by hand."""
    a, b = normal(4, 2, 3, 4, 2), normal(5, 2, 3, 2, 5)
    leaves = [mg.Tensor(a, requires_grad=True), mg.Tensor(b, requires_grad=True)]
    with mg.Tape() as tape:
        y = ops.matmul(*leaves, vjp=Mask(0.25, axis))
    g = normal(6, *y.shape)
    variance = moments(passes(tape, y, leaves, g))[2]
    expected, units = 0.0, g.shape[UNITS[axis]]
    squares = []
    for u in range(units):
        part = np.zeros_like(g)
        index = (slice(None), u) if axis == "head" else (slice(None), slice(None), u)
        part[index] = g[index]
        squares.append(np.sum(part**2))
        expected += 3 * (np.sum((part @ b.swapaxes(-1, -2)) ** 2) + np.sum((a.swapaxes(-1, -2) @ part) ** 2))
    np.testing.assert_allclose(variance, expected, rtol=1e-10)
    np.testing.assert_allclose(DiagonalSketch(0.5, axis).scores(g), squares, rtol=1e-12)


@pytest.mark.parametrize("axis", UNITS)
def test_one_draw_serves_the_core(axis):
    tape, _, _ = attention(Mask(0.5, axis))
    assert [node.vjp is None for node in tape.nodes if node.name == "matmul"] == [True, False]


def test_the_cost_follows_what_is_kept():
    """Heads: all of the core, and the layers below, to which they are columns. Tokens: all but ∂k and ∂v below it."""
    for axis, shrinks in (("head", {"query", "key", "value"}), ("token", {"query"})):
        report = inspect.cost(attention(Mask(0.5, axis))[0])
        for node in report.nodes:
            layer = node.name.split("/")[0]
            if node.name in ("matmul", "softmax"):
                spared = 0.5 * node.backward_exact
                assert node.backward_exact - node.backward == pytest.approx(spared, rel=0.1), (axis, node.name)
            elif "linear" in node.name:
                half = 0.5 * node.backward_exact
                assert node.backward == (half if layer in shrinks else node.backward_exact), (axis, node.name)


@pytest.mark.parametrize("axis", UNITS)
def test_what_is_counted_and_sent(axis):
    layer = nn.MultiHeadSelfAttention(4, 2, vjp=Mask(0.5, axis), rng=0)
    with mg.Tape() as tape:
        loss = layer(normal(1, 2, 3, 4, dtype=np.float32)).square().sum()
    (counted,) = inspect.sparsity(tape, loss, draws=20, rng=0).nodes
    assert (counted.unit, counted.of) == (axis + "s", {"head": 2, "token": 3}[axis])
    sent = inspect.cost(tape).nodes[counted.node].wire_bytes
    assert sent == 0.5 * (2 * 3 * 4 * 4 + counted.of * 8)


@pytest.mark.parametrize("axis", UNITS)
def test_text(axis):
    for text in (f"mask(0.25, axis={axis})", f"diagonal(distortion=0.5, axis={axis})", f"priced(0.1, axis={axis})"):
        assert parse(repr(parse(text)).replace("DiagonalSketch", "diagonal").lower()) == parse(text)
        assert parse(text).axis == axis


REFUSED = [("head", (2, 3, 4)), ("head", (3, 4)), ("token", (3, 4)), ("token", (4,))]


@pytest.mark.parametrize(("axis", "shape"), REFUSED)
def test_an_array_without_such_units_is_refused_where_it_is_set(axis, shape):
    w = mg.Tensor(normal(0, 5, shape[-1]), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(normal(1, *shape), w)
    with pytest.raises(ValueError, match=rf"linear: Mask\(0.5, axis='{axis}'\): an array of shape .* has none"):
        tape.nodes[y.node].vjp = Mask(0.5, axis)
    with pytest.raises(ValueError, match="linear: .* has none"), mg.Tape():
        ops.linear(normal(1, *shape), w, vjp={"w": DiagonalSketch(0.5, axis)})
    with pytest.raises(ValueError, match="save=.* has none"), mg.Tape():
        ops.linear(normal(1, *shape), w, save=Mask(0.5, axis))
    with pytest.raises(ValueError, match=f"axis='{axis}': an array of shape"):
        Mask(0.5, axis).sample(normal(1, *shape))
    block = nn.Sequential(nn.Linear(4, 4, vjp=Mask(0.5, "head"), rng=0))
    with pytest.raises(ValueError, match="^0/linear: .*MultiHeadSelfAttention"), mg.Tape():
        block(np.ones((2, 3, 4), np.float32))


def test_tokens_of_a_layer_are_drawn_for_all_samples():
    x, w = normal(1, 2, 4, 3), normal(2, 5, 3)
    leaves = [
        mg.Tensor(x, requires_grad=True),
        mg.Tensor(w, requires_grad=True),
        mg.Tensor(np.zeros(5), requires_grad=True),
    ]
    with mg.Tape() as tape:
        y = ops.linear(*leaves, vjp=DiagonalSketch(0.5, "token", "weight"))
    assert_unbiased(tape, y, leaves, normal(3, 2, 4, 5))
    assert inspect.cost(tape).nodes[0].backward < inspect.cost(tape).nodes[0].backward_exact
    with mg.Tape(rng=0) as tape:
        y = ops.linear(*leaves, save=Mask(0.5, "token"))
    assert isinstance(tape.nodes[0].saved["x"], Slices)
    got = tape.gradients(y, leaves, normal(3, 2, 4, 5))[1]
    np.testing.assert_allclose(got, np.einsum("ntm,ntk->mk", normal(3, 2, 4, 5), dense(tape.nodes[0].saved["x"])))


class Scripted(Selection):
    """A mask with a given outcome."""

    def draw(self, g, p, rng):
        return self.script

    def probabilities(self, g, node):
        return np.full(g.shape[UNITS[self.axis]], self.budget)


@pytest.mark.parametrize("axis", UNITS)
def test_second_derivatives_are_unbiased(axis):
    """Every outcome at A V, with its probability: the mean of the Hessian products is the exact one."""
    q, k, v = [normal(s, 1, 2, 2, 2) for s in (1, 2, 3)]

    def core(vjp):
        def loss(q, k, v):
            return ops.matmul(ops.softmax(ops.matmul(q, k)), v, vjp=vjp).square().sum()

        return loss

    tangents = tuple(normal(s, 1, 2, 2, 2) for s in (4, 5, 6))
    expected = mg.hvp(core(None), (q, k, v), tangents)
    mean = [np.zeros_like(t) for t in tangents]
    for kept in itertools.product([False, True], repeat=2):
        estimator = Scripted(0.4, axis)
        object.__setattr__(estimator, "script", np.flatnonzero(kept))
        chance = np.prod([0.4 if here else 0.6 for here in kept])
        for total, product in zip(mean, mg.hvp(core(estimator), (q, k, v), tangents, rng=0), strict=True):
            total += chance * product
    for got, wanted in zip(mean, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("axis", UNITS)
def test_a_convolution_takes_them_and_saves_nothing(axis):
    x = mg.Tensor(normal(1, 1, 3, 3, 2), requires_grad=True)
    w = mg.Tensor(normal(2, 2, 2, 2, 2), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.conv2d(x, w, vjp=Mask(0.5, axis))
    assert_unbiased(tape, y, [x, w], normal(3, *y.shape))
    report = inspect.cost(tape)
    assert report.backward >= report.backward_exact
    assert exact(tape, y, [x, w], normal(3, *y.shape)).size == x.size + w.size
