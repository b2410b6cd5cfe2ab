"""Estimators of one's own that keep units with probabilities of one's own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
from estimator_cases import AXES, DESIGNS, moments, normal

import minigrad as mg
from minigrad import estimators, nn, ops, testing
from minigrad.estimators import Mask, Selection, parse, with_budget
from minigrad.structure import dense


class Mine(Selection):
    def probabilities(self, g, node):
        count = len(self.squared_norms(g))
        return np.linspace(1, self.budget, count) if count > 1 else np.full(count, self.budget)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("axis", AXES)
def test_three_lines_are_an_estimator(axis, design):
    mine, g = Mine(0.4, axis, design), normal(0, 3, 4)
    total, mean, variance = moments(mine.outcomes(g))
    assert total == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(mean, g, atol=1e-12)
    assert variance == pytest.approx(mine.distortion(g))
    assert type(mine.sample(g, None, 0)) is mine.kept(g.shape).structure
    assert Mine(1.0, axis, design).sample(g, None, 0) is g
    rare = mine.rare(g, 0.5)
    assert 0 < np.count_nonzero(rare) < g.size and set(rare[rare != 0]) <= set(g.ravel())


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("axis", AXES)
def test_the_factor_of_a_draw_is_what_the_draw_multiplies_by(axis, design):
    mine, g = Mine(0.4, axis, design), normal(0, 3, 4)
    for seed in range(5):
        factor = mine.factor(g, None, np.random.default_rng(seed))
        np.testing.assert_allclose(factor * g, dense(mine.sample(g, None, np.random.default_rng(seed))), rtol=1e-12)


def test_it_takes_part_in_everything():
    testing.assert_unbiased(Mine(0.5))
    testing.assert_variance_close(Mine(0.5))
    assert Mine(0.5) == Mine(0.5) != Mask(0.5) and repr(Mine(0.5, "row")) == "Mine(0.5, axis='row')"
    assert with_budget(Mine(0.5, "row"), 0.25) == Mine(0.25, "row")
    model = nn.mlp((3, 4, 2), rng=0)
    nn.set_vjp(model, Mine(0.5))
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(np.ones((2, 3), np.float32)), [0, 1])
    testing.assert_unbiased(tape, loss, draws=500)


@pytest.mark.usefixtures("names_are_forgotten")
def test_its_text_is_read_when_it_is_registered():
    estimators.register("mine", "the first more often")(Mine)
    assert estimators.describe()["mine"] == "mine(budget, axis=column, design=poisson): the first more often"
    for text in ("mine(0.25, axis=row)", repr(Mine(0.25, "row"))):
        assert parse(text) == Mine(0.25, "row")
    with pytest.raises(ValueError, match="Mine: unknown axis 'rows'; did you mean 'row'"):
        parse("mine(0.25, axis=rows)")


def test_arguments_of_its_own_and_other_defaults():
    @dataclass(frozen=True, repr=False)
    class Steep(Selection):
        axis: str = "sample"
        power: float = 2.0

        def probabilities(self, g, node):
            return np.full(len(g), self.budget) ** (1 / self.power)

    assert repr(Steep(0.25, power=1.0)) == "Steep(0.25, power=1.0)" and Steep(0.25).axis == "sample"
    testing.assert_unbiased(Steep(0.25))

    class Quiet(Mine):
        axis = "row"

    with pytest.raises(TypeError, match=r"Quiet: axis = 'row' in the class does not .* `axis: str = 'row'` in it"):
        Quiet(0.5)


G = np.array([[1.0, 2.0, 0.0, 3.0], [1.0, 2.0, 0.0, 0.0]])
BAD = {
    "too short": ([0.5, 0.5], r"gave float64 of shape \(2,\) for a cotangent of shape \(2, 4\); .*column.*\(4,\)"),
    "two axes": (np.full((2, 4), 0.5), r"gave float64 of shape \(2, 4\)"),
    "nothing": (None, r"gave object of shape \(\)"),
    "complex": (np.full(4, 0.5j), "gave complex128"),
    "NaN": ([0.5, np.nan, np.nan, 0.5], r"gave nan for column 1 \(2 of 4 are not in \[0, 1\]\)"),
    "infinite": ([0.5, 0.5, 0.5, np.inf], "gave inf for column 3"),
    "above 1": ([0.5, 0.5, 1.5, 0.5], r"gave 1.5 for column 2 .* Clip"),
    "negative": ([-0.5, 0.5, 0.5, 0.5], "gave -0.5 for column 0"),
    "0 where G is not": ([0.0, 0.5, 0.0, 0.0], r"gave 0 for column 0, .*\(2 of 4 such\).* biased: give .* np\.maximum"),
}  # fmt: skip


def with_probabilities(p):
    class Given(Selection):
        def probabilities(self, g, node):
            return p

    return Given(0.5)


@pytest.mark.parametrize("case", BAD)
def test_bad_probabilities_are_refused_wherever_they_are_used(case):
    p, words = BAD[case]
    bad = with_probabilities(p)
    calls = (
        lambda: bad.sample(G, None, 0), lambda: list(bad.outcomes(G)), lambda: bad.distortion(G),
        lambda: bad.rare(G, 0.5),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match=rf"^Given: probabilities\(g, node\) {words}"):
            call()
    x = mg.Tensor(np.ones((2, 4)), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.multiply(x, 2.0, vjp=bad)
    with pytest.raises(ValueError, match=rf"multiply: Given: probabilities\(g, node\) {words}"):
        tape.gradients(y, [x], G, rng=0)


@pytest.mark.parametrize("axis", AXES)
def test_0_is_refused_along_every_axis_and_only_where_the_unit_is_not_zero(axis):
    g = np.zeros((3, 3))
    g[1, 1] = 1e-300
    place = 4 if axis == "element" else 1
    p = np.zeros(9 if axis == "element" else 3)

    class Given(Selection):
        def probabilities(self, g, node):
            return p

    with pytest.raises(ValueError, match=f"gave 0 for {axis} {place}, which is not zero .1 of {p.size} such"):
        Given(0.5, axis).sample(g, None, 0)
    p[place] = 1
    np.testing.assert_array_equal(dense(Given(0.5, axis).sample(g, None, 0)), g)
    assert Given(0.5, axis).distortion(g) == 0


@pytest.mark.parametrize("g", [np.zeros((2, 4)), np.where(G == 3, np.nan, G), np.where(G == 3, np.inf, G)], ids=repr)
def test_a_cotangent_whose_norms_are_no_help_is_handed_on(g):
    class ByNorm(Selection):
        def probabilities(self, g, node):
            norms = self.squared_norms(g)
            with np.errstate(invalid="ignore"):
                return np.maximum(norms / norms.max(), 0.1)

    np.testing.assert_array_equal(dense(ByNorm(0.5).sample(g, None, 0)), g)
    testing.assert_unbiased(ByNorm(0.5))


def test_a_class_of_the_librarys_with_other_probabilities_is_looked_at():
    class Wrong(Mask):
        def probabilities(self, g, node=None):
            return super().probabilities(g, node) * 3

    with pytest.raises(ValueError, match="Wrong: .*gave 1.5"):
        Wrong(0.5).sample(G, None, 0)
    assert dataclasses.is_dataclass(Wrong)


def test_without_probabilities_it_says_what_to_write():
    with pytest.raises(NotImplementedError, match=r"Selection does not say .* `def probabilities\(self, g, node\)`"):
        Selection(0.5).sample(G, None, 0)
