"""The grader of assignment 4: noise by enumeration, cost by its coefficients, budgets against a grid.

Each test looks at one thing, so that one slip costs the marks of one test.
"""

from __future__ import annotations

import itertools

import given
import numpy as np
import pytest
from grading import array, check, close
from variant import CHOICES, constants, rng

from minigrad import inspect

ASSIGNMENT = "assignment4"
LIBRARY = ("experiments", "extras", "inspect", "theory", "training")
BLOCKED = tuple(f"minigrad.{name}" for name in LIBRARY)
FOREIGN = ()
EXACT = constants(4)["EXACT"]
RNG = rng(4)
GRADIENTS = RNG.normal(size=(7, 3)) + 2.0


def noise(submission, b):
    return array(submission.call("call", "minibatch_variance", GRADIENTS.copy(), b), (), "minibatch_variance")


@pytest.mark.task("4a", marks=1)
def test_variance_of_single_samples(submission):
    expected = np.mean(np.sum((GRADIENTS - GRADIENTS.mean(axis=0)) ** 2, axis=1))
    message = "b = 1: the mean over samples of ‖g_i − ∇f‖², summed over all coordinates"
    close(noise(submission, 1), expected, message)


@pytest.mark.task("4a", marks=2)
def test_variance_of_batches(submission):
    """Judged relative to what the same function says of batches of 1."""
    one = noise(submission, 1)
    check(one > 0, "b = 1: batches of one sample differ, so there is a variance")
    alone = np.mean(np.sum((GRADIENTS - GRADIENTS.mean(axis=0)) ** 2, axis=1))
    for b in (2, 4, 7):
        batches = list(itertools.combinations(range(7), b))
        means = np.array([GRADIENTS[list(batch)].mean(axis=0) for batch in batches])
        expected = np.mean(np.sum((means - GRADIENTS.mean(axis=0)) ** 2, axis=1)) / alone
        message = (
            f"b = {b}: relative to b = 1 not what the {len(batches)} batches of {b} of 7 samples give. The mean of b "
            "samples has 1/b of the variance of one; without replacement there is a factor (N − b)/(N − 1) besides, so "
            "that b = N has none"
        )
        close(noise(submission, b) / one, expected, message)


MOST = max(CHOICES[4]["EXACT"])
LAYERS, BATCH = MOST + 3, 2
"""One layer that is the first, two hidden ones that no class has exact, and those that some class has."""


def coefficients(submission):
    """What each layer counts for in c0 and in c1, in units of B·n·m, from networks of many widths."""
    nets = np.random.default_rng(1).integers(1, 40, size=(2 * LAYERS, LAYERS + 1))
    products = np.array([BATCH * net[:-1] * net[1:] for net in nets], dtype=float)
    found = []
    for net in nets:
        costs = submission.call("call", "step_cost", tuple(int(width) for width in net), BATCH)
        check(isinstance(costs, tuple) and len(costs) == 2, "step_cost should return two numbers, c0 and c1")
        found.append([array(cost, (), name) for cost, name in zip(costs, ("c0", "c1"), strict=True)])
    solution = np.linalg.lstsq(products, np.array(found), rcond=None)[0]
    fits = np.allclose(products @ solution, found, rtol=1e-6)
    check(fits, "c0 and c1 should be sums over layers of a number times B·n·m, and yours are not")
    return solution[:, 0], solution[:, 1]


def relative(submission):
    """The same, relative to the forward product of the first layer."""
    c0, c1 = coefficients(submission)
    check(c0[0] > 0.1, "the forward product of the first layer, 2·B·n·m, is missing in c0")
    return c0 / c0[0], c1 / c0[0]


@pytest.mark.task("4b", marks=1)
def test_a_product_costs_two_operations_an_entry(submission):
    c0, _ = coefficients(submission)
    close(c0[0], 2.0, "a product of (B, n) by (n, m) has B·n·m multiplications and as many additions", rtol=1e-6)


@pytest.mark.task("4b", marks=1)
def test_cost_of_the_first_layer(submission):
    _, c1 = relative(submission)
    message = "first layer, backward pass, in forward products: ∂W only, and no ∂X of the first: nobody needs it"
    close(c1[0], 1.0, message, rtol=1e-6)


@pytest.mark.task("4b", marks=1)
def test_cost_of_the_hidden_layers(submission):
    c0, c1 = relative(submission)
    middle = slice(1, LAYERS - MOST)
    close(c0[middle], 1.0, "hidden layers: c0 has the forward product of each, 2·B·n·m", rtol=1e-6)
    close(c1[middle], 2.0, "hidden layers after the first: c1 has two products of each, ∂W and ∂X", rtol=1e-6)


@pytest.mark.task("4b", marks=1)
def test_cost_of_the_exact_layers(submission):
    """The last; and those before it, which are exact or not as the class has it."""
    c0, c1 = relative(submission)
    for layer in range(LAYERS - MOST, LAYERS):
        exact = layer >= LAYERS - EXACT
        what = "the last layer" if layer == LAYERS - 1 else f"the last layer but {LAYERS - 1 - layer}"
        message = f"{what} is {'exact' if exact else 'sketched'}, with EXACT = {EXACT}: in forward products,"
        if exact:
            close([c0[layer], c1[layer]], [3.0, 0.0], f"{message} c0 has forward, ∂W and ∂X, c1 nothing", rtol=1e-6)
        else:
            hidden = [c0[1], c1[1]]
            close([c0[layer], c1[layer]], hidden, f"{message} it counts as the hidden layers before it", rtol=1e-6)


def budget(submission, *numbers):
    found = submission.call("call", "best_budget", *numbers)
    check(isinstance(found, tuple) and len(found) == 2, "best_budget should return two numbers, p and the ratio")
    return [float(array(v, (), name)) for v, name in zip(found, ("p", "the ratio"), strict=True)]


INSIDE = [
    (1.0, 2.0, 8.0, 1.0),
    (3.0, 5.0, 7.0, 0.2),
    (0.1, 4.0, 1.0, 2.0),
    tuple(RNG.uniform([1, 2, 8, 0.5], [2, 3, 9, 1]).tolist()),
]


@pytest.mark.task("4c", marks=2)
def test_best_budget_inside(submission):
    for c0, c1, a, b in INSIDE:
        p, _ = budget(submission, c0, c1, a, b)
        grid = np.geomspace(1e-3, 1, 4001)
        best = grid[np.argmin((c0 + c1 * grid) * (a + b / grid))]
        message = (
            f"c0, c1, a, b = {c0:.4g}, {c1:.4g}, {a:.4g}, {b:.4g}: set the derivative of c0·b/p + c1·a·p to zero, "
            "and solve for p"
        )
        close(p, best, message, rtol=2e-3)


@pytest.mark.task("4c", marks=1)
def test_best_budget_at_the_end(submission):
    check(budget(submission, *INSIDE[0])[0] < 1, f"c0, c1, a, b = {INSIDE[0]}: here a budget below 1 is cheaper")
    for numbers in [(2.0, 1.0, 1.0, 3.0), (1.0, 1.0, -1.0, 3.0), (1.0, 2.0, 0.0, 1.0)]:
        p, _ = budget(submission, *numbers)
        message = f"c0, c1, a, b = {numbers}: the cost falls all the way to p = 1, so do not sketch: p = 1"
        close(p, 1.0, message)


@pytest.mark.task("4c", marks=1)
def test_ratio(submission):
    for c0, c1, a, b in INSIDE:
        p, ratio = budget(submission, c0, c1, a, b)
        check(0 < p < 1, f"c0, c1, a, b = {c0:.4g}, {c1:.4g}, {a:.4g}, {b:.4g}: here a budget below 1 is cheaper")
        expected = (c0 + c1 * p) * (a + b / p) / ((c0 + c1) * (a + b))
        close(ratio, expected, "the ratio is the total cost at p over that at p = 1, which is (c0 + c1)·(a + b)")


NET = int(RNG.integers(2**31))


@pytest.mark.task("4d", marks=3)
def test_added_variance(submission):
    """All outcomes are listed for the truth; the spread of a squared error over them says how far a mean may be off."""
    tape, loss, leaves = given.randomised(NET)
    moments = inspect.exact_moments(tape, loss, leaves)
    exact = [g.copy() for g in moments.exact]
    draws, rng = 3000, np.random.default_rng(9)
    errors = [
        sum(np.sum((d - e) ** 2) for d, e in zip(tape.gradients(loss, leaves, rng=rng), exact, strict=True))
        for _ in range(1000)
    ]
    off = 6 * np.std(errors) / np.sqrt(draws) / moments.total_variance
    got = array(submission.call("added_variance", NET, exact, draws, 8), (), "added_variance")
    factor = float(got) / moments.total_variance
    message = (
        f"not what all {moments.outcomes} outcomes together give (you have {factor:.3g} times that): each "
        "draw takes fresh randomness from rng, its error is SQUARED and SUMMED over all entries of all parameters, and "
        "only draws are averaged"
    )
    close(got, moments.total_variance, message, rtol=off)
