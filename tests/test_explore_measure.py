"""What the explorer shows, as numbers: units, measurements, curves. No picture is drawn here."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.estimators import DiagonalSketch, Exact, LowRankSketch, Mask, RandomProjection, TopK
from minigrad.explore import BudgetCurve, Choice, Exploration, Subject, example
from minigrad.explore.choices import STANDARD
from minigrad.explore.example import EXAMPLE_NODE
from minigrad.explore.measure import ALONG, ENTRY
from minigrad.explore.units import units_of
from minigrad.structure import dense

BEYOND = 5.5
"""Standard errors: for a normal mean beyond this once in 26 million. With about 200 such comparisons in this file, on
means of some hundred bounded draws, a false alarm has a chance of about 1e-5 in all; and all seeds are fixed."""


class Coin(mg.Estimator):
    """All or nothing; it says nothing about itself."""

    def __init__(self, budget=0.5):
        self.budget = budget

    def sample(self, g, node, rng):
        return g / self.budget if rng.random() < self.budget else 0 * g


class Wrong(Mask):
    """Claims a distortion that is a fifth too small."""

    def distortion(self, g, node=None):
        return 0.8 * super().distortion(g, node)


@pytest.fixture(scope="module")
def subject():
    return Subject(*example(), EXAMPLE_NODE)


# --- units


@pytest.mark.parametrize("budget", [0.3, 1.0])
@pytest.mark.parametrize("choice", STANDARD, ids=lambda choice: choice.label)
def test_units(choice, budget, subject):
    estimator = choice.make(budget)
    g = subject.cotangent
    drawn = subject.draw(estimator, 0, 0)
    units = units_of(estimator, g, subject.node, drawn)
    counts = np.zeros(units.shape)
    for k in range(400):
        drawn = subject.draw(estimator, k, 0)
        kept = units.kept(drawn)
        assert kept.shape == units.shape
        counts += kept
        flat = dense(drawn).reshape(32, 20)
        if units.name in ("column", "row", "sample", "entry") and budget < 1:
            whole = {
                "column": flat.any(axis=0), "row": flat.any(axis=1), "entry": flat != 0,
                "sample": flat.reshape(8, -1).any(axis=1),
            }[units.name]  # fmt: skip
            assert not (whole & ~kept).any()  # what is not zero was kept
        if units.name.startswith("singular") and budget < 1:
            assert kept.sum() == drawn.rank
    if units.probabilities is not None:
        p = units.probabilities
        assert p.shape == units.shape
        error = np.sqrt(p * (1 - p) / 400)
        # A normal approximation is poor for very small p; 3/400 is beyond it there.
        assert (np.abs(counts / 400 - p) <= BEYOND * error + 3 / 400 * (p < 0.05)).all()
    assert (units.probabilities is None) == (choice.label in ("projection", "top-k (biased)"))


def test_kept_directions_are_those_whose_singular_values_are_seen(subject):
    sketch = LowRankSketch(0.4)
    matrix = subject.cotangent.reshape(32, 20)
    for g in (matrix, np.ascontiguousarray(matrix.T)):
        drawn = sketch.sample(g, None, 1)
        kept = units_of(sketch, g, None, drawn).kept(drawn)
        u, s, vt = np.linalg.svd(g, full_matrices=False)
        p = sketch.probabilities(g)
        seen = np.einsum("ik,ij,kj->k", u, drawn.dense(), vt)  # σ/p for those that were kept
        large = s > 1e-3 * s[0]
        wanted = np.where(kept & large, s / np.where(p > 0, p, 1), 0)
        np.testing.assert_allclose(seen[large], wanted[large], rtol=1e-2, atol=1e-3 * s[0])


def test_low_rank_probabilities_decrease_and_add_up():
    g = np.random.default_rng(0).standard_normal((6, 9))
    for matrix in (g, g.T):
        p = LowRankSketch(0.5).probabilities(matrix)
        assert p.shape == (6,) and (np.diff(p) <= 0).all() and p.sum() == pytest.approx(3)
        s = np.linalg.svd(matrix, compute_uv=False)
        assert ((1 / p - 1) @ s**2) == pytest.approx(LowRankSketch(0.5).distortion(matrix))


def test_an_estimator_that_says_nothing_about_units(subject):
    coin = Coin(0.5)
    units = units_of(coin, subject.cotangent, subject.node, subject.draw(coin, 0, 0))
    assert units.name == "column" and units.probabilities is None
    projection = RandomProjection(0.5)
    assert units_of(projection, subject.cotangent, subject.node, subject.draw(projection, 0, 0)).name == ""


# --- measuring


@pytest.mark.parametrize("choice", STANDARD, ids=lambda choice: choice.label)
def test_measurements_agree_with_the_library(choice, subject):
    exploration = Exploration.of(subject, choice, 0.25, draws=400, rng=3)
    estimator = choice.make(0.25)
    assert exploration.estimator == estimator and exploration.draws == 400
    norm = float(np.square(subject.cotangent, dtype=np.float64).sum())
    assert exploration.distortion == pytest.approx(estimator.distortion(subject.cotangent, subject.node) / norm)
    error = max(exploration.standard_error, 1e-6)  # of float32, where nothing varies
    assert abs(exploration.measured - exploration.distortion) < BEYOND * error
    along, entry = exploration.estimates[ALONG], exploration.estimates[ENTRY]
    assert along.exact == pytest.approx(np.linalg.norm(subject.gradient))
    assert abs(entry.exact) == np.abs(subject.gradient).max()
    # Draw by draw, made anew.
    g = subject.gradient
    for k in (0, 7, 399):
        drawn = subject.draw(estimator, k, exploration.key)
        estimate = subject.estimate(drawn)
        assert along.values[k] == pytest.approx(float((estimate * g).sum() / np.linalg.norm(g)))
        assert entry.values[k] == estimate.flat[np.abs(g).argmax()]
        wanted = np.square(dense(drawn).astype(np.float64) - subject.cotangent).sum() / norm
        assert exploration.errors[k] == pytest.approx(wanted)
    near = [abs(e.mean - e.exact) < BEYOND * e.standard_error + 1e-9 for e in (along, entry)]
    assert all(near) if estimator.unbiased else not all(near)
    np.testing.assert_array_equal(dense(exploration.drawn), dense(subject.draw(estimator, 0, exploration.key)))


def test_the_variance_of_the_gradient(subject):
    """For a column mask E‖∂W − ∂Ŵ‖² is (1/p − 1)‖∂W‖², Theory §2."""
    exploration = Exploration.of(subject, Mask(0.25), draws=2000, rng=0)
    squares = [
        np.square(subject.estimate(subject.draw(Mask(0.25), k, exploration.key)) - subject.gradient).sum()
        for k in range(2000)
    ]
    norm = np.square(subject.gradient).sum()
    assert exploration.variance == pytest.approx(np.mean(squares) / norm)
    assert abs(exploration.variance - 3.0) < BEYOND * np.std(squares) / norm / 2000**0.5


def test_a_planted_fault_is_seen(subject):
    exploration = Exploration.of(subject, lambda p: Wrong(p), 0.25, draws=400, rng=3)
    assert abs(exploration.measured - exploration.distortion) > BEYOND * exploration.standard_error


def test_another_draw_is_shown_and_nothing_else_changes(subject):
    first = Exploration.of(subject, DiagonalSketch(0.3), draws=20, rng=0)
    later = first.show_draw(5)
    assert later.number == 5 and later.errors is first.errors and later.curve is first.curve
    np.testing.assert_array_equal(dense(later.drawn), dense(subject.draw(DiagonalSketch(0.3), 5, first.key)))
    np.testing.assert_array_equal(later.kept, dense(later.drawn).reshape(32, 20).any(axis=0))
    same = Exploration.of(subject, DiagonalSketch(0.3), draws=20, rng=0, number=5)
    np.testing.assert_array_equal(dense(same.drawn), dense(later.drawn))
    for number in (-1, 20):
        with pytest.raises(ValueError, match="from 0 to 19"):
            first.show_draw(number)


def test_the_same_seed_gives_the_same_bits(subject):
    one, two = (Exploration.of(subject, LowRankSketch(0.3), draws=20, rng=5) for _ in range(2))
    np.testing.assert_array_equal(one.errors, two.errors)
    assert json.dumps(one.to_dict()) == json.dumps(two.to_dict())
    other = Exploration.of(subject, LowRankSketch(0.3), draws=20, rng=6)
    assert (one.errors != other.errors).any()


@pytest.mark.parametrize("estimator", [Exact(), Mask(1.0), DiagonalSketch(1.0), LowRankSketch(1.0)])
def test_exact_estimators(estimator, subject):
    exploration = Exploration.of(subject, estimator, draws=3, rng=0)
    assert exploration.measured == exploration.distortion == exploration.variance == 0
    assert (exploration.frequencies == 1).all() and exploration.kept.all()


@pytest.mark.parametrize("shape", [(), (5,), (1, 1), (2, 3)])
def test_odd_shapes_and_a_zero_gradient(shape):
    x = mg.Tensor(np.ones(shape), requires_grad=True, name="x")
    for factor in (0.0, 2.0):
        with mg.Tape() as tape:
            loss = (x * 3.0).sum() * factor
        subject = Subject(tape, loss, 0)
        for choice in STANDARD:
            exploration = Exploration.of(subject, choice, 0.5, draws=4, rng=0)
            assert math.isfinite(exploration.measured) and math.isfinite(exploration.variance)
            json.dumps(exploration.to_dict(), allow_nan=False)


def test_the_report_shows_itself(subject):
    exploration = Exploration.of(subject, DiagonalSketch(0.3, target="both"), draws=50, rng=0)
    text = str(exploration)
    assert "DiagonalSketch(0.3, target='both') at node 2 (linear), 50 draws" in text and "∂ loss / ∂ w2" in text
    assert max(map(len, text.splitlines())) <= 80 and "<table>" in exploration._repr_html_()
    data = json.loads(json.dumps(exploration.to_dict(), allow_nan=False))
    assert data["distortion"] == exploration.distortion and len(data["probabilities"]) == 20
    assert data["curve"]["budgets"][0] == 0.05
    biased = str(Exploration.of(subject, TopK(0.3), draws=5, rng=0))
    assert "biased on purpose" in biased


def test_too_few_draws(subject):
    with pytest.raises(ValueError, match="at least 2"):
        Exploration.of(subject, Mask(0.5), draws=1)


# --- curves


def test_the_curve_is_that_of_the_estimator(subject):
    budgets = [0.1, 0.2, 0.4, 0.7, 1.0]
    choice = Choice.of(DiagonalSketch(0.5, target="input"))
    curve = BudgetCurve.of(subject, choice, budgets, draws=200, key=1)
    norm = np.square(subject.cotangent, dtype=np.float64).sum()
    wanted = [choice.make(p).distortion(subject.cotangent, subject.node) / norm for p in budgets]
    np.testing.assert_allclose(curve.closed_form, wanted)
    known = dict(zip(budgets, curve.closed_form, strict=True))
    for p, mean, error in zip(curve.measured_budgets, curve.measured, curve.standard_errors, strict=True):
        assert abs(mean - known[p]) <= BEYOND * error
    assert curve.measured_budgets[0] == 0.1 and curve.measured_budgets[-1] == 1.0


def test_a_curve_without_closed_form_and_one_of_a_single_point(subject):
    curve = BudgetCurve.of(subject, Choice.of(Coin), [0.25, 0.5], draws=50, key=0)
    assert curve.closed_form is None and curve.measured_budgets.tolist() == [0.25, 0.5]
    curve = BudgetCurve.of(subject, Choice.of(Coin(0.3)), [0.25, 0.5], draws=50, key=0)
    assert curve.budgets.tolist() == [0.3]
