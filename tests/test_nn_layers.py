"""Layers: what they compute, and how they are initialised."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops
from minigrad.streams import Domain, as_generator


def test_linear_against_numpy():
    layer = nn.Linear(3, 2, rng=0, dtype=np.float64)
    x = np.random.default_rng(1).normal(size=(2, 5, 3))
    layer.bias.data[...] = [1.0, -1.0]
    np.testing.assert_allclose(layer(x).data, x @ layer.weight.data.T + [1.0, -1.0], rtol=1e-14)
    bare = nn.Linear(3, 2, bias=False, rng=0)
    assert bare.bias is None and [name for name, _ in bare.named_parameters()] == ["weight"]
    assert bare(x.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(("init", "variance"), [(nn.he_uniform, 2), (nn.lecun_uniform, 1)])
def test_initial_values_have_their_variance(init, variance):
    layer = nn.Linear(600, 500, rng=3, init=init)
    w = layer.weight.data
    assert w.dtype == np.float32 and not layer.bias.data.any()
    bound = np.sqrt(3 * variance / 600)
    assert np.abs(w).max() <= np.float32(bound)
    # Var of the estimate: U² has variance (4/45) b⁴, so the mean of 300,000 squares is within 7 sd of b²/3
    # but for a chance of 3e-12; a bound off by 2 % (4 % in the variance) would be 24 sd away.
    sd = np.sqrt(4 / 45 / w.size) * bound**2
    assert abs(np.square(w, dtype=np.float64).mean() - bound**2 / 3) < 7 * sd


def test_initial_values_are_he_uniform_keyed_by_the_seed():
    w = nn.Linear(600, 500, rng=3).weight.data
    np.testing.assert_array_equal(nn.Linear(600, 500, rng=3, init=nn.he_uniform).weight.data, w)
    np.testing.assert_array_equal(nn.Linear(600, 500, rng=3).weight.data, w)
    np.testing.assert_array_equal(nn.Linear(600, 500, rng=3, dtype=np.float64).weight.data.astype(np.float32), w)
    generator = np.random.default_rng(3)
    first, second = nn.Linear(4, 4, rng=generator), nn.Linear(4, 4, rng=generator)
    assert (first.weight.data != second.weight.data).any()


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        ((0, 2), ValueError, "in_features=0 must be at least 1"),
        ((2, -1), ValueError, "out_features=-1 must be at least 1"),
        ((2.5, 1), TypeError, "in_features=2.5 must be a whole number"),
    ],
)
def test_linear_refuses_sizes(args, error, text):
    with pytest.raises(error, match=f"Linear: {text}"):
        nn.Linear(*args)


@pytest.mark.parametrize("name", ["ReLU", "GELU", "SiLU", "Sigmoid", "Softplus", "Tanh"])
def test_activations_are_their_operations(name):
    x = np.linspace(-3, 3, 7)
    np.testing.assert_array_equal(getattr(nn, name)()(x).data, getattr(ops, name.lower())(x).data)


def test_flatten_identity_and_constants():
    assert nn.Flatten()(np.ones((2, 3, 4))).shape == (2, 12)
    assert nn.Flatten()(np.ones((0, 3, 4))).shape == (0, 12)
    assert nn.Flatten()(np.ones(5)).shape == (5, 1)
    with pytest.raises(ValueError, match="Flatten in layer '0': needs a batch"):
        nn.Sequential(nn.Flatten())(1.0)
    x = mg.Tensor([1.0])
    assert nn.Identity()(x) is x and nn.Sequential()(x) is x
    assert isinstance(nn.Sequential()(np.ones(1)), mg.Tensor)


def test_sequential_as_a_list():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(2, 3, rng=0), relu, nn.Linear(3, 1, rng=0))
    assert len(model) == 3 and list(model)[1] is relu and model[-2] is relu
    head = model[:2]
    assert isinstance(head, nn.Sequential) and head[0].weight is model[0].weight
    assert model.append(relu) is model and model[3] is relu
    np.testing.assert_array_equal(
        nn.Sequential(*model)(np.ones((1, 2), np.float32)).data, model(np.ones((1, 2), np.float32)).data
    )


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (nn.ReLU, r"this is the class; make one of it, as in ReLU\(\)"),
        ([nn.ReLU()], r"one by one"),
        (np.tanh, r"a plain function is no module"),
        (3, r"see minigrad\.nn"),
    ],
)
def test_containers_refuse_what_is_no_module(wrong, text):
    with pytest.raises(TypeError, match=f"Sequential: number 1 is .*, not a module; .*{text}"):
        nn.Sequential(nn.ReLU(), wrong)
    with pytest.raises(TypeError, match="Residual: body is"):
        nn.Residual(wrong)


def test_residual_adds_and_never_broadcasts():
    body = nn.Linear(2, 2, rng=0, dtype=np.float64)
    x = np.ones((3, 2))
    np.testing.assert_allclose(nn.Residual(body)(x).data, x + x @ body.weight.data.T, rtol=1e-15)
    model = nn.Sequential(nn.Residual(nn.Linear(2, 1, rng=0)))
    with pytest.raises(ValueError, match=r"Residual in layer '0': the body made shape \(3, 1\) of shape \(3, 2\)"):
        model(x)


def test_dropout_draws_from_the_tape_in_training_only():
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.25))
    x = np.ones(1000)

    def run(seed):
        with mg.Tape(rng=seed):
            return model(x).data

    first = run(0)
    np.testing.assert_array_equal(run(0), first)
    assert (run(1) != first).any()
    assert set(first.tolist()) == {0.0, 2 / 0.75}
    # Both survive with probability 3/8: within 7 sd of 375 ± 15.3 but for a chance of 3e-12.
    assert abs(np.count_nonzero(first) - 375) < 108
    model.eval()
    np.testing.assert_array_equal(run(0), x)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_dropout_refuses_rates(rate):
    with pytest.raises(ValueError, match=r"Dropout: rate=.* must lie in \[0, 1\)"):
        nn.Dropout(rate)


def test_the_first_layer_computes_no_gradient_of_its_constant_input():
    model = nn.Sequential(nn.Linear(3, 2, rng=0), nn.Linear(2, 1, rng=1))
    with mg.Tape() as tape:
        model(np.ones((1, 3), np.float32))
    assert tape.nodes[0].parents[0] is None and "w" not in tape.nodes[0].saved
    assert tape.nodes[1].parents[0] == 0 and "w" in tape.nodes[1].saved


def test_an_initialiser_of_ones_own():
    """Arrays and tensors become parameters, of the layer's dtype, that are trained and saved."""

    def normal(shape, fan_in, rng, dtype):
        return np.random.default_rng(rng).normal(0, fan_in**-0.5, shape).astype(np.float32)

    for init in (normal, lambda *arguments: mg.Tensor(normal(*arguments))):
        layer = nn.Linear(4, 3, rng=0, init=init)
        assert layer.weight.dtype == np.float32 and layer.weight.requires_grad
        assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"] and "weight" in layer.state_dict()
        expected = normal((3, 4), 4, as_generator(Domain.INITIALISATION, 0), None)
        np.testing.assert_array_equal(layer.weight.data, expected)
    with pytest.raises(TypeError, match=r"init='lecun' must be a function of \(shape, fan_in, rng, dtype\)"):
        nn.Linear(4, 3, init="lecun")
    with pytest.raises(ValueError, match=r"init made values of shape \(4, 3\) for a parameter of shape \(3, 4\)"):
        nn.Linear(4, 3, init=lambda shape, *rest: np.ones(shape[::-1]))
