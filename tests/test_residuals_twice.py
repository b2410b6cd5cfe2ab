"""Rules that are quadratic in what was saved: two sketches of it, unbiased over all pairs of outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import normal

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.engine.twice import again, twin
from minigrad.estimators import Exact, Mask, StochasticRounding
from minigrad.structure import Quantised, dense

SKETCHES = [StochasticRounding(1, "tensor"), StochasticRounding(2, "column"), Mask(0.5, axis="row")]
X, GAIN, BIAS, C = normal(0, 3, 2), 1 + normal(1, 2) / 4, normal(2, 2), normal(3, 3, 2)
FUNCTIONS = {
    "layer_norm": lambda x, gain, bias, save: ops.layer_norm(x, gain, bias, 0.1, save=save),
    "rms_norm": lambda x, gain, bias, save: ops.rms_norm(x, gain, 0.1, save=save) + bias,
    "batch_norm": lambda x, gain, bias, save: ops.batch_norm(x, gain, bias, eps=0.1, save=save),
    "group_norm": lambda x, gain, bias, save: ops.group_norm(x, gain, bias, 1, 0.1, save=save),
    "softmax": lambda x, gain, bias, save: ops.softmax(x, save=save) * gain + bias,
    "softmax over rows": lambda x, gain, bias, save: ops.softmax(x, axis=0, save=save) * gain + bias,
}
LAYERS = {
    nn.LayerNorm: lambda save: nn.LayerNorm(4, save=save),
    nn.RMSNorm: lambda save: nn.RMSNorm(4, save=save),
    nn.BatchNorm: lambda save: nn.BatchNorm(4, save=save),
    nn.GroupNorm: lambda save: nn.GroupNorm(2, 4, save=save),
}


class Pairs(mg.Estimator):
    """Hands out a chosen pair of outcomes of another estimator: the first when asked first."""

    budget = 0.5

    def __init__(self, inner):
        self.inner, self.chosen, self.asked, self.chance = inner, (0, 0), 0, 1.0

    def sample(self, g, node, rng):
        chance, out = list(self.inner.outcomes(g, None))[self.chosen[self.asked % 2]]
        self.asked += 1
        self.chance *= chance
        return out


def recorded(name, save, squared=False):
    leaves = [mg.Tensor(array, requires_grad=True) for array in (X, GAIN, BIAS)]
    with mg.Tape(rng=0) as tape:
        y = FUNCTIONS[name](*leaves, save)
        loss = ((y * y if squared else y) * C).sum()
    return tape, loss, leaves


def over_pairs(name, inner, diagonal=False):
    """The mean gradient over all pairs of outcomes; with ``diagonal`` as if one draw served both places."""
    exact = recorded(name, None)[0]
    node = next(node for node in exact.nodes if node.primitive.quadratic)
    count = len(list(inner.outcomes(node.saved[node.primitive.quadratic[0]], None)))
    mean, total = None, 0.0
    for first in range(count):
        for second in [first] if diagonal else range(count):
            pairs = Pairs(inner)
            pairs.chosen = first, second
            tape, loss, leaves = recorded(name, pairs)
            assert pairs.asked == 2
            chance = pairs.chance**0.5 if diagonal else pairs.chance
            parts = [chance * g for g in tape.gradients(loss, leaves)]
            mean = parts if mean is None else [a + b for a, b in zip(mean, parts, strict=True)]
            total += chance
    assert abs(total - 1) < 1e-12
    return mean


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("inner", SKETCHES, ids=repr)
def test_two_draws_are_unbiased_by_enumeration(name, inner):
    tape, loss, leaves = recorded(name, None)
    for got, exact in zip(over_pairs(name, inner), tape.gradients(loss, leaves), strict=True):
        np.testing.assert_allclose(got, exact, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_draw_in_both_places_would_be_biased(name):
    """The test above can fail: with the two draws equal the mean is off by far."""
    inner = Mask(0.5, axis="row")
    tape, loss, leaves = recorded(name, None)
    exact = tape.gradients(loss, leaves)[0]
    assert np.abs(over_pairs(name, inner, diagonal=True)[0] - exact).max() > 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_two_draws_are_not_the_same(name):
    with mg.Tape(rng=0) as tape:
        FUNCTIONS[name](mg.Tensor(normal(0, 20, 6), requires_grad=True), np.ones(6), np.zeros(6), StochasticRounding(2))
    node = next(node for node in tape.nodes if node.save)
    saved = node.primitive.quadratic[0]
    first, second = node.saved[saved], node.saved[twin(saved)]
    assert type(first) is type(second) is Quantised and not np.array_equal(first.codes, second.codes)
    assert again(node.saved, saved) is second and again({saved: 1.0}, saved) == 1.0


def test_an_estimator_that_sometimes_keeps_all_is_unbiased_too():
    """One of the two draws is then the array itself."""

    class AllOrRows(mg.Estimator):
        budget = 0.5

        def __init__(self):
            self.all = [True, False]

        def sample(self, g, node, rng):
            return g if self.all.pop(0) else Mask(0.5, axis="row").sample(g, node, rng)

    for flipped in (False, True):
        estimator = AllOrRows()
        if flipped:
            estimator.all.reverse()
        tape, _, _ = recorded("layer_norm", estimator)
        saved = tape.nodes[0].saved
        whole, part = (saved["normal again"], saved["normal"]) if flipped else (saved["normal"], saved["normal again"])
        assert isinstance(whole, np.ndarray) and not isinstance(part, np.ndarray)
    tape, _, _ = recorded("layer_norm", Exact())
    assert "normal again" not in tape.nodes[0].saved and not tape.nodes[0].save


@pytest.mark.parametrize("vjp", [Mask(0.5, axis="row"), Mask(0.5, axis="sample"), Mask(0.5), Mask(0.5, axis="element")])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_structured_cotangents_meet_two_sketches(name, vjp):
    tape, loss, leaves = recorded(name, StochasticRounding(2), squared=True)
    tape.nodes[-3].vjp = vjp
    got = tape.gradients(loss, leaves, rng=3)
    node = next(node for node in tape.nodes if node.save)
    node.saved = {key: dense(value) if isinstance(value, Quantised) else value for key, value in node.saved.items()}
    for one, other in zip(got, tape.gradients(loss, leaves, rng=3), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-13)


@pytest.mark.parametrize("kind", LAYERS)
def test_layers(kind):
    four = StochasticRounding(4)
    layer = LAYERS[kind](four)
    assert layer.save == four and "save=StochasticRounding(4)" in repr(layer) and "save" not in repr(LAYERS[kind](None))
    model = nn.Sequential(nn.Linear(4, 4, rng=0), LAYERS[kind](None))
    assert nn.set_save(model, four) == ["0"]  # layers with a weight
    assert nn.set_save(model, four, where=kind) == ["1"] and nn.set_save(model, four, where=nn.Saving) == ["0", "1"]
    x = np.float32(normal(0, 6, 4))
    target = np.float32(normal(1, 6, 4))

    def record(rng):
        with mg.Tape(rng=rng) as tape:
            loss = ops.mse(model(x), target)
        return tape, loss

    # 400 draws; a false alarm has a chance of 1e-6 in all (Bonferroni, by the report itself).
    assert inspect.unbiasedness(record=record, wrt=model.parameters(), draws=400, rng=0).verdict != "failed"
    tape, _ = record(0)
    assert isinstance(tape.nodes[-2].saved["normal again"], Quantised)


def test_in_use_a_batch_norm_saves_nothing_to_sketch_for_its_input():
    layer = nn.BatchNorm(4, save=StochasticRounding(4)).eval()
    x = mg.Tensor(np.float32(normal(0, 6, 4)), requires_grad=True)
    for parameter in layer.parameters():
        parameter.requires_grad = False
    with mg.Tape() as tape:
        loss = layer(x).sum()
    assert not tape.nodes[0].save
    np.testing.assert_allclose(tape.gradients(loss, [x])[0], np.ones((6, 4)) / np.sqrt(1 + layer.eps), rtol=1e-6)


def test_attention_saves_its_weights_in_few_bits():
    """One sketch of A for A V, two for the softmax, with what else it saves."""
    attention = nn.MultiHeadSelfAttention(8, heads=2, save=StochasticRounding(4), rng=0)
    x = np.float32(normal(0, 3, 5, 8))
    with mg.Tape(rng=0) as tape:
        attention(x)
    by = {node.primitive.name: node for node in tape.nodes if node.save}
    assert set(by["softmax"].save) == {"out"} and set(by["matmul"].save) == {"a", "b"}
    attention.save = {"b": StochasticRounding(4)}
    with mg.Tape(rng=0) as tape:
        attention(x)
    assert [set(node.save) for node in tape.nodes if node.save] == [{"b"}, {"b"}]


def test_a_primitive_of_ones_own_may_be_quadratic():
    @mg.primitive(quadratic=["x"], x=lambda g, saved: 3 * g * saved["x"] * again(saved, "x"))
    def cube(x):
        return x**3, {"x": x}

    x = mg.Tensor(normal(0, 2, 2), requires_grad=True)
    inner, mean = Mask(0.5, axis="row"), 0.0
    for first in range(4):
        for second in range(4):
            pairs = Pairs(inner)
            pairs.chosen = first, second
            with mg.Tape() as tape:
                loss = cube(x, save=pairs).sum()
            mean = mean + pairs.chance * tape.gradients(loss, [x])[0]
    np.testing.assert_allclose(mean, 3 * x.data**2, atol=1e-13)
    with pytest.raises(TypeError, match="slope=True is for element-wise operations of one input"):
        mg.primitive(kind="elementwise", slope=True, quadratic=["x"], x=lambda g, saved: g)(lambda x: (x, {}))


def test_what_is_curved_is_refused():
    with pytest.raises(TypeError, match="there is no save= here.*or quadratic, with two sketches"):
        mg.engine.residuals.check_save(ops.log_softmax.primitive, StochasticRounding(4))
