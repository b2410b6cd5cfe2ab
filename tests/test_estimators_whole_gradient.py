"""Gradients without a backward pass: draws, means and variances, the leaves as they were, and training.

Statistical tests state their false-alarm rate; seeds are fixed.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops, optim, theory
from minigrad.estimators import EvolutionStrategy, ForwardGradient, Mask, WeightPerturbation
from minigrad.estimators.directions import drawn_directions, listed_directions, shown
from minigrad.estimators.objective import Objective
from minigrad.inspect import TooManyOutcomes
from minigrad.theory.direction_moments import DIRECTION_LAWS, fourth_moments

Z = 6.0
"""A normal variable is further out than this with probability 2e-9; of the 500 or so compared here one with 1e-6."""

FORWARD = [ForwardGradient(law, k) for law in DIRECTION_LAWS for k in (1, 3)]
FORWARD += [ForwardGradient(law, 3, orthogonal=True) for law in ("sphere", "coordinate")]
QUOTIENTS = [EvolutionStrategy(0.3), EvolutionStrategy(0.3, 2, "one-sided")]
QUOTIENTS += [WeightPerturbation(0.3, law, k) for law in DIRECTION_LAWS for k in (1, 2)]
QUOTIENTS += [WeightPerturbation(0.3, "sphere", 2, orthogonal=True, difference="antithetic")]
EVERY = FORWARD + QUOTIENTS


def quadratic(dtype=np.float64):
    """Two leaves with 5 entries in all, a quadratic loss of them, and its gradient and Hessian."""
    rng = np.random.default_rng(0)
    w = mg.Tensor(rng.normal(size=(2, 2)).astype(dtype), requires_grad=True, name="w")
    b = mg.Tensor(np.asarray(rng.normal(), dtype), requires_grad=True, name="b")
    h = rng.normal(size=(5, 5)).astype(dtype)
    h = h + h.T

    def loss():
        theta = ops.concatenate([w, b], axis=None)
        return (theta * (h @ theta)).sum() / 2 + 3 * theta.sum()

    theta = np.concatenate([w.data.ravel(), [b.data]])
    return loss, [w, b], h @ theta + 3, h


def flat(gradient):
    return np.concatenate([np.ravel(part) for part in gradient])


def draws(estimator, loss, leaves, number, seed=0):
    """So many estimates, one in a row."""
    rng = np.random.default_rng(seed)
    objective = Objective(leaves, record=lambda: recorded(loss))
    return np.array([flat(estimator.estimate(objective, rng)) for _ in range(number)])


def recorded(loss):
    with mg.Tape() as tape:
        value = loss()
    return tape, value


# ---------------------------------------------------------------------------------------------------------------------
# Directions
# ---------------------------------------------------------------------------------------------------------------------

CHOICES = [(law, 1, False) for law in DIRECTION_LAWS] + [("sphere", 2, True), ("coordinate", 2, True)]


@pytest.mark.parametrize(("law", "number", "orthogonal"), CHOICES)
def test_drawn_directions_have_the_moments_of_their_law(law, number, orthogonal):
    """Each direction on its own: E v = 0 (but for coordinates, which know no sign), E vvᵀ, and E v_i² v_j²."""
    rng, d = np.random.default_rng(1), 3
    drawn = np.array([list(drawn_directions(law, d, number, orthogonal, rng)) for _ in range(20_000)])
    a, b = fourth_moments(law, d)
    for v in drawn.transpose(1, 0, 2):
        mean = np.full(d, d**-0.5) if law == "coordinate" else np.zeros(d)
        squares = a * (1 + 2 * np.eye(d)) + b * np.eye(d)
        products = v[:, :, None] * v[:, None, :]
        for x, expected in ((v, mean), (products, np.eye(d)), (products**2, squares)):
            error = x.std(axis=0) / np.sqrt(len(x))
            assert (np.abs(x.mean(axis=0) - expected) <= Z * error + 1e-12).all()


def test_a_sphere_that_is_taken_for_normal_would_be_seen():
    """Power of the comparison above: its fourth moments are 3/5 of those of the normal law."""
    rng = np.random.default_rng(1)
    v = np.array([next(drawn_directions("sphere", 3, 1, False, rng)) for _ in range(20_000)])
    fourth = v[:, 0] ** 4
    assert abs(fourth.mean() - 3.0) > Z * fourth.std() / np.sqrt(len(v))


@pytest.mark.parametrize("law", ["sphere", "coordinate"])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_orthogonal_directions_are_orthogonal(law, number):
    v = np.array(list(drawn_directions(law, 4, number, True, np.random.default_rng(0))))
    assert v @ v.T == pytest.approx(4 * np.eye(number), abs=1e-12)


@pytest.mark.parametrize("law", DIRECTION_LAWS[1:])
def test_the_length_is_the_root_of_the_number_of_entries(law):
    (v,) = drawn_directions(law, 7, 1, False, np.random.default_rng(0))
    assert v @ v == pytest.approx(7)


@pytest.mark.parametrize(
    ("law", "number", "orthogonal"),
    [("rademacher", 1, False), ("rademacher", 2, False), ("coordinate", 2, False), ("coordinate", 2, True)],
)
def test_what_is_listed_is_what_is_drawn(law, number, orthogonal):
    """The frequency of each outcome over 20,000 draws."""
    chances = {}
    for chance, chosen in listed_directions(law, 3, number, orthogonal):
        key = tuple(map(tuple, chosen if not orthogonal else sorted(map(tuple, chosen))))
        chances[key] = chances.get(key, 0.0) + chance
    assert sum(chances.values()) == pytest.approx(1)
    rng, counts, n = np.random.default_rng(2), dict.fromkeys(chances, 0), 20_000
    for _ in range(n):
        chosen = [tuple(v) for v in drawn_directions(law, 3, number, orthogonal, rng)]
        counts[tuple(sorted(chosen) if orthogonal else chosen)] += 1
    for key, p in chances.items():
        assert abs(counts[key] - n * p) <= Z * np.sqrt(n * p * (1 - p)) + 1


def test_long_and_infinite_lists_are_refused():
    with pytest.raises(TooManyOutcomes, match="too many to list"):
        next(listed_directions("rademacher", 13, 1, False))
    with pytest.raises(TooManyOutcomes, match="4,096"):
        next(listed_directions("rademacher", 10**6, 1, False))
    for law in ("gaussian", "sphere"):
        with pytest.raises(NotImplementedError, match="infinitely many"):
            next(listed_directions(law, 2, 1, False))


@pytest.mark.parametrize(("number", "orthogonal"), [(1, False), (2, False), (2, True)])
def test_the_chance_of_an_entry_to_be_shown(number, orthogonal):
    listed = listed_directions("coordinate", 3, number, orthogonal)
    chance = sum(p for p, chosen in listed if any(v[0] for v in chosen))
    assert shown("coordinate", 3, number, orthogonal) == pytest.approx(chance)
    assert shown("coordinate", 1, number, orthogonal and number == 1) == 1.0


# ---------------------------------------------------------------------------------------------------------------------
# Means and variances
# ---------------------------------------------------------------------------------------------------------------------


def test_all_say_that_they_go_back_nowhere():
    assert not any(estimator.backward_pass for estimator in EVERY)
    assert all(estimator.unbiased for estimator in FORWARD)
    assert not any(estimator.unbiased for estimator in QUOTIENTS)


FINITE = [e for e in EVERY if e.law == "coordinate" or (e.law == "rademacher" and e.directions < 3)]


def closed_forms(estimator, g, h):
    """The mean and the variance that an estimator states."""
    if isinstance(estimator, ForwardGradient):
        return g, estimator.variance(g)
    return g + estimator.bias(h), estimator.variance(g, h)


@pytest.mark.parametrize("estimator", FINITE, ids=repr)
def test_mean_and_variance_over_all_outcomes(estimator):
    loss, leaves, g, h = quadratic()
    outcomes = list(estimator.outcomes(Objective(leaves, record=lambda: recorded(loss))))
    chances = np.array([p for p, _ in outcomes])
    values = np.array([flat(estimate) for _, estimate in outcomes])
    assert chances.sum() == pytest.approx(1)
    mean, variance = closed_forms(estimator, g, h)
    assert chances @ values == pytest.approx(mean, abs=1e-10)
    assert chances @ np.square(values - mean).sum(axis=1) == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize("estimator", [e for e in EVERY if e not in FINITE], ids=repr)
def test_mean_and_variance_over_draws(estimator):
    loss, leaves, g, h = quadratic()
    values = draws(estimator, loss, leaves, 2000)
    mean, variance = closed_forms(estimator, g, h)
    error = values.std(axis=0) / np.sqrt(len(values))
    assert (np.abs(values.mean(axis=0) - mean) <= Z * error + 1e-10).all()
    squares = np.square(values - mean).sum(axis=1)
    assert abs(squares.mean() - variance) <= Z * squares.std() / np.sqrt(len(values)) + 1e-9 * variance


@pytest.mark.parametrize("estimator", [ForwardGradient(), ForwardGradient("rademacher", 3)], ids=repr)
def test_a_variance_that_is_off_by_half_would_be_seen(estimator):
    """Power of the comparison above."""
    loss, leaves, g, _ = quadratic()
    squares = np.square(draws(estimator, loss, leaves, 2000) - g).sum(axis=1)
    for factor in (0.5, 1.5):
        assert abs(squares.mean() - factor * estimator.variance(g)) > Z * squares.std() / np.sqrt(len(squares))


@pytest.mark.parametrize("law", ["sphere", "coordinate"])
def test_all_orthogonal_directions_together_give_the_gradient(law):
    loss, leaves, g, _ = quadratic()
    found = ForwardGradient(law, 5, orthogonal=True).gradient(loss, leaves, rng=0)
    assert flat(found) == pytest.approx(g, abs=1e-12)


def test_an_evolution_strategy_has_the_mean_of_the_smoothed_loss():
    """f = Σ sin θ_i is smoothed to e^(−σ²/2) f, of every order in σ; and the bias is seen."""
    theta = mg.Tensor([0.3, -0.8], requires_grad=True)
    for strategy in (EvolutionStrategy(0.8), EvolutionStrategy(0.8, difference="one-sided")):
        values = draws(strategy, lambda: ops.sin(theta).sum(), [theta], 10_000)
        error = values.std(axis=0) / 100
        smoothed, exact = np.exp(-0.32) * np.cos(theta.data), np.cos(theta.data)
        assert (np.abs(values.mean(axis=0) - smoothed) <= Z * error).all()
        assert (np.abs(values.mean(axis=0) - exact) > Z * error).any()


def test_small_steps_are_forward_gradients():
    """Both draw the same directions from a seed."""
    loss, leaves, _, _ = quadratic()
    exact = flat(ForwardGradient("rademacher", 2).gradient(loss, leaves, rng=3))
    near = flat(WeightPerturbation(1e-6, "rademacher", 2).gradient(loss, leaves, rng=3))
    assert near == pytest.approx(exact, abs=1e-4)


def test_evaluations():
    loss, leaves, _, _ = quadratic()
    for estimator in QUOTIENTS:
        calls = []
        estimator.gradient(lambda calls=calls: calls.append(1) or loss(), leaves, rng=0)
        assert len(calls) == estimator.evaluations


def test_variance_takes_one_array_for_each_parameter():
    parts = [np.ones((2, 2)), np.array(3.0)]
    assert ForwardGradient().variance(parts) == ForwardGradient().variance(flat(parts)) == pytest.approx(6 * 13)
    assert theory.directional_variances(flat(parts)).sum() == pytest.approx(6 * 13)


# ---------------------------------------------------------------------------------------------------------------------
# The call
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", EVERY, ids=repr)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_leaves_are_as_they_were(estimator, dtype):
    loss, leaves, _, _ = quadratic(dtype)
    tape, value = recorded(loss)
    before = [(leaf.data, leaf.data.copy()) for leaf in leaves]
    found = estimator.gradient(loss, leaves, rng=0)
    for (data, copy), leaf, g in zip(before, leaves, found, strict=True):
        assert leaf.data is data and np.array_equal(data, copy) and leaf.grad is None
        assert (g.shape, g.dtype) == (leaf.shape, dtype)
    tape.gradients(value, leaves)  # so that a tape from before still holds


def test_the_leaves_are_as_they_were_when_the_loss_fails():
    w = mg.Tensor([1.0, 2.0], requires_grad=True)
    data = w.data

    def loss():
        if w.data is not data:
            raise RuntimeError("out of range")
        return (w * w).sum()

    with pytest.raises(RuntimeError, match="out of range"):
        WeightPerturbation(0.1).gradient(loss, [w], rng=0)
    assert w.data is data


@pytest.mark.parametrize("estimator", EVERY, ids=repr)
def test_a_seed_gives_the_same_bits(estimator):
    loss, leaves, _, _ = quadratic()
    first, again, other = (flat(estimator.gradient(loss, leaves, rng=seed)) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert any(not np.array_equal(first, flat(estimator.gradient(loss, leaves, rng=s))) for s in range(8, 20))
    assert other.shape == first.shape


def test_a_generator_moves_on():
    loss, leaves, _, _ = quadratic()
    rng = np.random.default_rng(0)
    one, two = (flat(ForwardGradient().gradient(loss, leaves, rng=rng)) for _ in range(2))
    assert not np.array_equal(one, two)


def test_dropout_is_the_same_in_all_evaluations_of_one_estimate():
    """Otherwise two masks would be compared, and their difference divided by a small σ."""
    w = mg.Tensor(np.ones(20), requires_grad=True)
    for seed in range(5):
        (g,) = WeightPerturbation(1e-4).gradient(lambda: ops.dropout(w, 0.5).sum(), [w], rng=seed)
        assert np.abs(g).max() <= 2 * 20 + 1e-6


def test_what_is_random_at_the_nodes_has_no_part():
    w = mg.Tensor(np.ones((3, 4)), requires_grad=True)

    def loss(vjp):
        return lambda: ops.linear(np.ones((2, 4)), w, vjp=vjp).sum()

    a, b = (ForwardGradient().gradient(loss(vjp), [w], rng=0)[0] for vjp in (None, Mask(0.5)))
    assert np.array_equal(a, b)


def test_a_parameter_that_the_loss_does_not_read_has_the_estimate_of_zero():
    """⟨g, v⟩ v is not zero there, its mean is: exactly, over all outcomes."""
    w, unused = (mg.Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    objective = Objective([w, unused], record=lambda: recorded(lambda: (w * w).sum()))
    mean = sum(p * flat(estimate) for p, estimate in ForwardGradient("rademacher").outcomes(objective))
    assert mean == pytest.approx([2.0, 4.0, 0.0, 0.0], abs=1e-12)


W = mg.Tensor([1.0, 2.0], requires_grad=True, name="W")


def under_a_tape():
    with mg.Tape():
        ForwardGradient().gradient(lambda: W.sum(), [W])


def computed():
    with mg.Tape():
        y = W * 2
    ForwardGradient().gradient(lambda: W.sum(), [y])


MISTAKES = [
    (lambda: ForwardGradient("normal"), ValueError, "law"),
    (lambda: ForwardGradient(directions=0), ValueError, "directions=0"),
    (lambda: ForwardGradient(directions=1.5), TypeError, "whole number"),
    (lambda: ForwardGradient(orthogonal=True), ValueError, "law='sphere'"),
    (lambda: WeightPerturbation(0.1, orthogonal=True), ValueError, "law='sphere'"),
    (lambda: WeightPerturbation(0), ValueError, "sigma=0"),
    (lambda: EvolutionStrategy(np.nan), ValueError, "sigma=nan"),
    (lambda: EvolutionStrategy("small"), ValueError, "sigma='small'"),
    (lambda: EvolutionStrategy(0.1, difference="central"), ValueError, "antithetic"),
    (lambda: WeightPerturbation(0.1).variance([1.0, 2.0]), ValueError, "hessian="),
    (lambda: ForwardGradient("sphere", 3, True).gradient(lambda: W.sum(), [W]), ValueError, "3 orthogonal"),
    (lambda: ForwardGradient().gradient(lambda: W.sum(), []), ValueError, "no parameters"),
    (lambda: ForwardGradient().gradient(lambda: W.sum(), [W, W]), ValueError, "W is given twice"),
    (lambda: ForwardGradient().gradient(lambda: W.sum(), [np.ones(2)]), TypeError, "ndarray"),
    (lambda: ForwardGradient().gradient(lambda: W.sum(), [mg.Tensor([1.0])]), ValueError, "not a leaf"),
    (lambda: ForwardGradient().gradient(lambda: 3.0, [W]), TypeError, "returns a Tensor"),
    (lambda: ForwardGradient().gradient(lambda: W * 2, [W]), mg.TapeError, "scalar"),
    (lambda: WeightPerturbation(0.1).gradient(lambda: W * 2, [W]), mg.TapeError, "scalar"),
    (lambda: ForwardGradient().gradient(lambda: mg.Tensor(1.0), [W]), mg.TapeError, "not recorded"),
    (computed, ValueError, "not a leaf"),
    (under_a_tape, mg.TapeError, "a tape is recording"),
    (lambda: ops.exp(W, vjp=ForwardGradient()), TypeError, "stands at no node"),
]


@pytest.mark.parametrize(("call", "kind", "message"), MISTAKES)
def test_mistakes_are_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("estimator", EVERY, ids=repr)
def test_the_repr_is_how_it_is_written(estimator):
    names = {cls.__name__: cls for cls in (EvolutionStrategy, ForwardGradient, WeightPerturbation)}
    assert eval(repr(estimator), names) == estimator


# ---------------------------------------------------------------------------------------------------------------------
# Training
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [ForwardGradient(), ForwardGradient("rademacher"), EvolutionStrategy(0.05), WeightPerturbation(0.01)],
    ids=repr,
)
def test_sgd_descends(estimator):
    """Exclusive or, by a network of 17 parameters: from every one of ten initial values the loss is less than half."""
    x = np.array(list(itertools.product((-1.0, 1.0), repeat=2)), np.float32)
    y = x[:, 0] * x[:, 1]
    for seed in range(10):
        model = nn.Sequential(nn.Linear(2, 4, rng=seed), nn.Tanh(), nn.Linear(4, 1, rng=seed + 100))
        sgd = optim.SGD(model.parameters(), lr=0.02)
        parameters = list(model.parameters())

        def loss(model=model):
            return ((model(x)[:, 0] - y) ** 2).mean()

        start = loss().item()
        for step in range(600):
            found = estimator.gradient(loss, parameters, rng=1000 * seed + step)
            for parameter, g in zip(parameters, found, strict=True):
                parameter.grad = g
            sgd.step()
        assert loss().item() < 0.5 * start, seed


def test_a_moved_parameter_has_the_dtype_of_the_parameter():
    """A step of float64 does not make a network of float32 another one while the loss is looked at."""
    w, seen = mg.Tensor(np.ones(3, np.float32), requires_grad=True), []

    def loss():
        seen.append(w.data.dtype)
        return (w * w).sum()

    Objective([w], record=lambda: recorded(loss)).value([np.full(3, 0.1)])
    assert seen == [np.float32]
