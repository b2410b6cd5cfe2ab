"""The attribute vjp of layers, and nn.set_vjp."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


class Double(mg.Estimator):
    """Not unbiased, but easy to see."""

    unbiased = False

    def sample(self, g, node, rng):
        return 2 * g

    def __repr__(self):
        return "Double()"


def network():
    return nn.mlp((4, 3, 3, 2), rng=0, dtype=np.float64)


X = np.random.default_rng(0).normal(size=(5, 4))


def gradients(model):
    with mg.Tape() as tape:
        loss = model(X).sum()
    return tape, tape.gradients(loss, model.parameters(), rng=0)


def test_the_layer_hands_its_vjp_to_the_node():
    model = network()
    _, exact = gradients(model)
    double = Double()
    model[2].vjp = double
    tape, doubled = gradients(model)
    assert [node.vjp for node in tape.nodes if node.name == "linear"] == [None, double, None]
    # Doubling the cotangent of the second layer doubles all that lies below, and nothing above.
    for g, d, factor in zip(exact, doubled, [2, 2, 2, 2, 1, 1], strict=True):
        np.testing.assert_allclose(d, factor * g, rtol=1e-14)


def test_by_edge():
    layer = nn.Linear(4, 2, vjp={"w": Double(), "x": None}, rng=0, dtype=np.float64)
    _, (w, b) = gradients(layer)
    np.testing.assert_allclose(w, 2 * np.ones((2, 5)) @ X)
    np.testing.assert_allclose(b, [5.0, 5.0])
    assert repr(layer).startswith("Linear(4, 2, vjp={'w': Double()")


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ("mask(0.1)", TypeError, r"estimators\.parse\('mask\(0\.1\)'\)"),
        (Double, TypeError, "this is the class"),
        ({"weight": Double()}, ValueError, "its inputs are x, w, b"),
        (0.1, TypeError, "takes an estimator"),
    ],
)
def test_a_wrong_vjp_is_refused_when_it_is_assigned(wrong, error, text):
    layer = nn.Linear(2, 2, rng=0)
    with pytest.raises(error, match=text):
        layer.vjp = wrong
    assert layer.vjp is None
    with pytest.raises(error, match=text):
        nn.Linear(2, 2, vjp=wrong)
    model = network()
    with pytest.raises(error, match=f"set_vjp, layer '0': linear: .*{text}"):
        nn.set_vjp(model, wrong)


def test_set_vjp_chooses_layers():
    model, double = network(), Double()
    assert nn.set_vjp(model, double) == ["0", "2", "4"]
    assert all(model[k].vjp is double for k in (0, 2, 4))
    assert nn.set_vjp(model, None, where=nn.Linear) == ["0", "2", "4"]
    assert nn.set_vjp(model, double, where=(nn.Linear, nn.Sketchable)) == ["0", "2", "4"]
    nn.set_vjp(model, None)
    assert nn.set_vjp(model, double, where=lambda path, module: module.out_features == 2) == ["4"]
    assert [model[k].vjp for k in (0, 2, 4)] == [None, None, double]


def test_set_vjp_says_when_nothing_was_chosen():
    with pytest.raises(ValueError, match=r"no layer of this Sequential was chosen.*it has 3 that could be \(Linear\)"):
        nn.set_vjp(network(), Double(), where=lambda path, module: False)
    with pytest.raises(ValueError, match="none of its layers has a vjp"):
        nn.set_vjp(nn.Sequential(nn.ReLU()), Double())


def test_set_vjp_refuses_classes_without_one():
    for where in (nn.ReLU, (nn.Linear, nn.Sequential)):
        with pytest.raises(TypeError, match=r"(ReLU|Sequential) has no vjp to set: only layers.*nodes\[k\]\.vjp"):
            nn.set_vjp(network(), Double(), where=where)
    with pytest.raises(TypeError, match=r"where= takes classes.*got '0'"):
        nn.set_vjp(network(), Double(), where="0")


def test_set_vjp_is_all_or_nothing():
    class Picky(nn.Linear):
        @property
        def vjp(self):
            return self._vjp

        @vjp.setter
        def vjp(self, value):
            if value is not None:
                raise ValueError("only exact")

    model = nn.Sequential(nn.Linear(2, 2, rng=0), Picky(2, 2, rng=0))
    with pytest.raises(ValueError, match="layer '1': only exact"):
        nn.set_vjp(model, Double())
    assert model[0].vjp is None


def test_a_layer_of_ones_own_with_the_attribute_takes_part():
    class Own(nn.Module):
        def __init__(self):
            self.vjp = None

        def forward(self, x):
            return mg.ops.tanh(x, vjp=self.vjp)

    model = nn.Sequential(Own())
    assert nn.set_vjp(model, Double(), where=Own) == ["0"]
