"""What the explorer looks at, and what it offers: a node with its cotangent and gradient, and estimators to choose."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops
from minigrad.estimators import DiagonalSketch, Exact, LowRankSketch, Mask
from minigrad.explore import Exploration, Subject, example
from minigrad.explore.choices import STANDARD, choices_from, find
from minigrad.explore.example import EXAMPLE_NODE


class Coin(mg.Estimator):
    """All or nothing; it says nothing about itself."""

    def __init__(self, budget=0.5):
        self.budget = budget

    def sample(self, g, node, rng):
        return g / self.budget if rng.random() < self.budget else 0 * g


class Given(mg.Estimator):
    """Always the same cotangent."""

    def __init__(self, g):
        self.g = g

    def sample(self, g, node, rng):
        return self.g


def network(*vjps):
    model = nn.mlp(6, 5, 4, 3, rng=0)
    x = np.random.default_rng(0).standard_normal((7, 6)).astype(np.float32)
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(x), np.arange(7) % 3)
    for node, vjp in zip([n for n in tape.nodes if n.name == "linear"], vjps, strict=False):
        node.vjp = vjp
    return model, tape, loss


# --- the subject


def test_the_example_is_small_quick_and_the_same_each_time():
    tape, loss = example()
    again, same = example()
    assert loss.data == same.data and len(tape.nodes) == len(again.nodes) == 7
    assert loss.data < math.log(10)  # it has learned something
    assert tape.nodes[EXAMPLE_NODE].name == "linear" and tape.nodes[EXAMPLE_NODE].shape == (8, 4, 20)
    assert example(rng=1)[1].data != loss.data


@pytest.mark.parametrize("wrt", [None, "0.weight", "0.bias", "2.weight", "hidden"])
def test_exact_numbers_are_those_of_the_tape(wrt):
    model, tape, loss = network(Mask(0.5), DiagonalSketch(0.5), Mask(0.5))
    linears = [node for node in tape.nodes if node.name == "linear"]
    leaves = {leaf.name: leaf for leaf in tape.leaves}
    hidden = None
    if wrt == "hidden":
        with mg.Tape() as tape:
            hidden = ops.linear(np.ones((7, 6)), leaves["0.weight"]).tanh()
            loss = (ops.linear(hidden, leaves["2.weight"]).tanh() * 2.0).sum()
        linears = [node for node in tape.nodes if node.name == "linear"]
    tensor = hidden if wrt == "hidden" else leaves.get(wrt)
    subject = Subject(tape, loss, linears[1], tensor)
    for node in tape.nodes:
        node.vjp = None
    (exact,) = tape.gradients(loss, [subject.tensor])
    np.testing.assert_allclose(subject.gradient, exact, rtol=1e-6)
    assert subject.tensor is (leaves["2.weight"] if wrt is None else tensor)
    # What comes of a given cotangent at the node is what the tape makes of it.
    drawn = LowRankSketch(0.5).sample(subject.cotangent, None, 0)
    linears[1].vjp = Given(drawn)
    (wanted,) = tape.gradients(loss, [subject.tensor])
    np.testing.assert_allclose(subject.estimate(drawn), wanted, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(subject.estimate(subject.cotangent), subject.gradient, rtol=1e-6, atol=1e-9)


def test_a_gradient_that_comes_by_two_ways():
    w = mg.Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True, name="w")
    x = np.array([[1.0, -1.0]])
    with mg.Tape() as tape:
        loss = ops.linear(ops.linear(x, w).tanh(), w).sum()
    for index in (0, 2):
        subject = Subject(tape, loss, index)
        tape.nodes[index].vjp = Given(3 * subject.cotangent)
        (wanted,) = tape.gradients(loss, [w])
        tape.nodes[index].vjp = None
        np.testing.assert_allclose(subject.estimate(3 * subject.cotangent), wanted)


def test_the_first_random_node_is_the_default_and_no_node_is_changed():
    _, tape, loss = network(None, DiagonalSketch(0.5), Mask(0.5))
    subject = Subject(tape, loss)
    assert subject.node is tape.nodes[2] and Subject(tape, loss, -2).node is tape.nodes[-2]
    Exploration.of(subject, Mask(0.25), draws=3, rng=0)
    assert [n.vjp for n in tape.nodes if n.name == "linear"] == [None, DiagonalSketch(0.5), Mask(0.5)]
    _, tape, loss = network()
    assert Subject(tape, loss).node is tape.nodes[0]  # without any, the first that reads a leaf


def test_a_cotangent_of_ones_own():
    w = mg.Tensor(np.eye(2), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(np.ones((1, 2)), w)
    subject = Subject(tape, y, cotangent=np.array([[1.0, 5.0]]))
    assert subject.cotangent.tolist() == [[1, 5]] and subject.gradient.tolist() == [[1, 1], [5, 5]]


def test_mistakes_are_explained():
    _, tape, loss = network()
    other = mg.Tensor(np.ones(2), requires_grad=True, name="other")
    for arguments, error, words in (
        ({"node": 99}, ValueError, "this tape has 6 nodes"),
        ({"node": "linear"}, TypeError, "index of a node"),
        ({"node": True}, TypeError, "index of a node"),
        ({"node": network()[1].nodes[0]}, ValueError, "not a node of this tape"),
        ({"node": 0, "wrt": tape.leaves[-1]}, ValueError, "does not depend on '4.bias'"),
        ({"node": 0, "wrt": other}, ValueError, "does not depend on 'other'"),
    ):
        with pytest.raises(error, match=words):
            Subject(tape, loss, **arguments)
    w = mg.Tensor(np.eye(2), requires_grad=True)
    with mg.Tape() as tape:
        unused = ops.linear(np.ones((1, 2)), w)
        loss = ops.linear(np.ones((1, 2)), w).log().sum()
    assert unused.node == 0
    with pytest.raises(ValueError, match="does not depend on node 0"):
        Subject(tape, loss, 0)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="NaN or infinity"):
        with mg.Tape() as tape:
            bad = ops.linear(np.ones((1, 2)), w * 0.0).log().sum()
        Subject(tape, bad, 1)
    with mg.Tape() as empty:
        pass
    with pytest.raises(ValueError, match="no operation on a leaf"):
        Subject(empty, loss)


def test_a_tape_with_residual_sketches_is_refused():
    w = mg.Tensor(np.eye(4), requires_grad=True)
    with mg.Tape(rng=0) as tape:
        loss = ops.linear(np.ones((3, 4)), w, save=Mask(0.5, axis="row")).sum()
    with pytest.raises(ValueError, match="residual sketches"):
        Subject(tape, loss)


# --- choices


def test_choices():
    assert [c.label for c in choices_from(None)] == [c.label for c in STANDARD]
    found = choices_from(["mask(axis=row)", DiagonalSketch(0.1, target="both"), Coin, Coin(0.3), Exact()])
    assert [c.label for c in found] == [
        "Mask(axis='row')", "DiagonalSketch(target='both')", "Coin", "Coin(budget=0.3)", "Exact()",
    ]  # fmt: skip
    assert [c.adjustable for c in found] == [True, True, True, False, False]
    assert found[1].make(0.7) == DiagonalSketch(0.7, target="both") and found[2].make(0.7).budget == 0.7
    assert found[3].make(0.7).budget == 0.3
    assert [c.label for c in choices_from({"a": "mask", "b": lambda p: Mask(p)})] == ["a", "b"]
    assert choices_from(Mask(0.5))[0].make(0.1) == choices_from("mask")[0].make(0.1) == Mask(0.1)
    assert find(STANDARD, Mask(0.3, axis="row")) == 2 and find(STANDARD, "low rank") == 8
    assert find(STANDARD, Mask(0.3, design="systematic")) is None and find(STANDARD, "nothing") is None


def test_every_standard_choice_is_an_estimator_with_that_budget():
    for choice in STANDARD:
        assert choice.make(0.35).budget == 0.35
        assert choice.make(0.35).unbiased == ("biased" not in choice.label)
    targets = {choice.make(0.5).target for choice in STANDARD if isinstance(choice.make(0.5), DiagonalSketch)}
    assert targets == {"cotangent", "input", "weight", "both"}
    assert {choice.make(0.5).axis for choice in STANDARD[:4]} == {"element", "column", "row", "sample"}


@pytest.mark.parametrize(
    "offers, error, words",
    [
        ([], ValueError, "is empty"),
        (["mask", Mask(0.5)], ValueError, "two estimators have the label 'Mask'"),
        (["mosk"], ValueError, "did you mean 'mask'"),
        ([3], TypeError, "no estimator"),
        ([lambda p: 3], TypeError, "which is no estimator"),
        ({"a": lambda p: None}, TypeError, "a\\(0.5\\) made None"),
    ],
)
def test_choices_that_cannot_be(offers, error, words):
    with pytest.raises(error, match=words):
        choices_from(offers)
