"""Models: nn.mlp and the registry."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


@pytest.mark.parametrize("sizes", [((6, 5, 3),), (6, 5, 3), (6, [5], 3), ([6], (5, 3))])
def test_mlp_in_every_spelling(sizes):
    model = nn.mlp(*sizes, rng=0)
    assert [type(module) for module in model] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [tensor.shape for tensor in model.parameters()] == [(5, 6), (5,), (3, 5), (3,)]
    np.testing.assert_array_equal(model[2].weight.data, nn.mlp((6, 5, 3), rng=0)[2].weight.data)


def test_mlp_options():
    model = nn.mlp((4, 4, 4), activation=nn.Tanh, dropout=0.5, bias=False, rng=0, dtype=np.float64)
    assert [type(module) for module in model] == [nn.Linear, nn.Tanh, nn.Dropout, nn.Linear]
    assert len(model.parameters()) == 2 and model.parameters()[0].dtype == np.float64
    # One generator draws all layers: a seed for each would repeat the weights.
    assert (model[0].weight.data != model[3].weight.data).all()


@pytest.mark.parametrize(
    ("sizes", "error", "text"),
    [
        ((5,), ValueError, "at least two sizes"),
        ((5, 0), ValueError, "mlp: size=0"),
        ((5, "10"), TypeError, "mlp: size='1'"),
    ],
)
def test_mlp_refuses(sizes, error, text):
    with pytest.raises(error, match=text):
        nn.mlp(*sizes)


def test_mlp_refuses_an_activation_that_makes_no_module():
    with pytest.raises(TypeError, match=r"mlp: activation\(\) is .*see minigrad\.nn"):
        nn.mlp((2, 2, 2), activation=lambda: 3)


@pytest.mark.parametrize("name", nn.models.names())
def test_every_model_maps_samples_to_logits_reproducibly(name):
    model = nn.models.build(name, (8, 8, 1), 10, rng=3)
    x = np.random.default_rng(0).random((2, 8, 8, 1), dtype=np.float32)
    out = model.eval()(x)
    assert out.shape == (2, 10) and out.dtype == np.float32
    np.testing.assert_array_equal(nn.models.build(name, (8, 8, 1), 10, rng=3).eval()(x).data, out.data)
    assert nn.models.describe()[name]
    assert nn.set_vjp(model, mg.Estimator()), "a model without a layer to sketch cannot be compared"


def test_build_passes_options_and_names_the_nearest():
    assert nn.models.build("MLP", (8, 8, 1), 3, hidden=[5, 4], rng=0)[3].out_features == 4
    with pytest.raises(ValueError, match="unknown model 'mpl'; did you mean 'mlp'"):
        nn.models.build("mpl", (8,), 10)
    with pytest.raises(TypeError, match="unknown option of the model 'mlp': 'hiden'; did you mean 'hidden'"):
        nn.models.build("mlp", (8,), 10, hiden=3)
    with pytest.raises(ValueError, match="build: classes=0"):
        nn.models.build("mlp", (8,), 0)
    with pytest.raises(ValueError, match="input_shape=-1"):
        nn.models.build("mlp", (8, -1), 10)


@pytest.mark.usefixtures("names_are_forgotten")
def test_a_model_is_one_decorated_function():
    @nn.models.register("softmax", "one layer")
    def softmax(input_shape, classes, *, rng=None, wide=False):
        return nn.Linear(*input_shape, classes, rng=rng)

    assert nn.models.build("softmax", (4,), 3, wide=True).weight.shape == (3, 4)
    with pytest.raises(TypeError, match="unknown option of the model 'softmax': 'wise'; did you mean 'wide'"):
        nn.models.build("softmax", (4,), 3, wise=True)
    with pytest.raises(ValueError, match="'softmax' is registered already"):
        nn.models.register("softmax", "again")(softmax)
    with pytest.raises(TypeError, match=r"decorator.*got a function, so nothing was registered.*@models\.register"):
        nn.models.register("another", softmax)
    assert "another" not in nn.models.names()
