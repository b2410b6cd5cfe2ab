"""The grader of assignment 4: noise by enumeration, cost against the cost model, budgets against a grid."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from grading import array, check, close

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.estimators import Mask

ASSIGNMENT = "assignment4"
RNG = np.random.default_rng(6)
GRADIENTS = RNG.normal(size=(7, 3)) + 2.0


def noise(submission, b):
    return array(submission.minibatch_variance(GRADIENTS.copy(), b), (), "minibatch_variance")


@pytest.mark.task("4a", marks=1)
def test_variance_of_single_samples(submission):
    expected = np.mean(np.sum((GRADIENTS - GRADIENTS.mean(axis=0)) ** 2, axis=1))
    message = "b = 1: the mean over samples of ‖g_i − ∇f‖², summed over all coordinates"
    close(noise(submission, 1), expected, message)


@pytest.mark.task("4a", marks=2)
def test_variance_of_batches(submission):
    for b in (2, 4, 7):
        batches = list(itertools.combinations(range(7), b))
        means = np.array([GRADIENTS[list(batch)].mean(axis=0) for batch in batches])
        expected = np.mean(np.sum((means - GRADIENTS.mean(axis=0)) ** 2, axis=1))
        message = (
            f"b = {b}: not what the {len(batches)} batches of {b} of 7 samples give. The mean of b samples has 1/b of "
            "the variance of one; without replacement there is a factor (N − b)/(N − 1) besides, so that b = N has none"
        )
        close(noise(submission, b), expected, message)


NETS = [((5, 4, 3), 2), ((784, 256, 128, 10), 32)]


def costs(submission, widths, batch):
    found = submission.step_cost(widths, batch)
    check(isinstance(found, tuple) and len(found) == 2, "step_cost should return two numbers, c0 and c1")
    return [float(array(c, (), name)) for c, name in zip(found, ("c0", "c1"), strict=True)]


@pytest.mark.task("4b", marks=2)
def test_cost_by_hand(submission):
    """Forward 2·2·(20 + 12) = 128; backward of the last layer 2·48 = 96; of the first, ∂W only, 80."""
    c0, c1 = costs(submission, *NETS[0])
    hint = "forward 2·B·Σnm, and of the last layer ∂W and ∂X; the last layer is exact"
    close(c0, 224, f"widths (5, 4, 3), batch 2: c0 is {hint}")
    hint = "∂W and ∂X of each hidden layer, but no ∂X of the first: nobody needs the gradient of the input"
    close(c1, 80, f"widths (5, 4, 3), batch 2: c1 is {hint}")


@pytest.mark.task("4b", marks=2)
def test_cost_against_the_cost_model(submission):
    """The library counts activations and scores as well, less than 3 % here."""
    widths, batch = NETS[1]
    c0, c1 = costs(submission, widths, batch)
    for p in (1.0, 0.25):
        model = nn.mlp(widths, rng=0)
        last = str(2 * (len(widths) - 2))
        nn.set_vjp(model, Mask(p), where=lambda path, module, last=last: path != last)
        with mg.Tape() as tape:
            ops.cross_entropy(model(np.zeros((batch, widths[0]), np.float32)), np.zeros(batch, int))
        counted = inspect.cost(tape)
        expected = counted.forward + counted.backward
        message = f"widths {widths}, batch {batch}, p = {p}: inspect.cost counts another number for c0 + c1·p"
        close(c0 + c1 * p, expected, message, rtol=0.03)


def budget(submission, *numbers):
    with np.errstate(all="ignore"):
        found = submission.best_budget(*numbers)
    check(isinstance(found, tuple) and len(found) == 2, "best_budget should return two numbers, p and the ratio")
    return [float(array(v, (), name)) for v, name in zip(found, ("p", "the ratio"), strict=True)]


INSIDE = [(1.0, 2.0, 8.0, 1.0), (3.0, 5.0, 7.0, 0.2), (0.1, 4.0, 1.0, 2.0)]


@pytest.mark.task("4c", marks=2)
def test_best_budget_inside(submission):
    for c0, c1, a, b in INSIDE:
        p, _ = budget(submission, c0, c1, a, b)
        grid = np.geomspace(1e-3, 1, 4001)
        best = grid[np.argmin((c0 + c1 * grid) * (a + b / grid))]
        message = f"c0, c1, a, b = {c0}, {c1}, {a}, {b}: set the derivative of c0·b/p + c1·a·p to zero, and solve for p"
        close(p, best, message, rtol=2e-3)


@pytest.mark.task("4c", marks=1)
def test_best_budget_at_the_end(submission):
    check(budget(submission, *INSIDE[0])[0] < 1, f"c0, c1, a, b = {INSIDE[0]}: here a budget below 1 is cheaper")
    for numbers in [(2.0, 1.0, 1.0, 3.0), (1.0, 1.0, -1.0, 3.0), (1.0, 2.0, 0.0, 1.0)]:
        p, ratio = budget(submission, *numbers)
        message = f"c0, c1, a, b = {numbers}: the cost falls all the way to p = 1, so do not sketch: p = 1, ratio 1"
        close([p, ratio], [1.0, 1.0], message)


@pytest.mark.task("4c", marks=1)
def test_ratio(submission):
    for c0, c1, a, b in INSIDE:
        p, ratio = budget(submission, c0, c1, a, b)
        check(p < 1, f"c0, c1, a, b = {c0}, {c1}, {a}, {b}: here a budget below 1 is cheaper")
        expected = (c0 + c1 * p) * (a + b / p) / ((c0 + c1) * (a + b))
        close(ratio, expected, "the ratio is the total cost at p over that at p = 1, which is (c0 + c1)·(a + b)")


def randomised():
    rng = np.random.default_rng(7)
    leaves = [mg.Tensor(rng.normal(size=shape), requires_grad=True) for shape in ((3, 4), (2, 3))]
    with mg.Tape() as tape:
        hidden = ops.linear(rng.normal(size=(5, 4)), leaves[0], vjp=Mask(0.5)).tanh()
        loss = (ops.linear(hidden, leaves[1], vjp=Mask(0.5)) ** 2).sum()
    return tape, loss, leaves


@pytest.mark.task("4d", marks=3)
def test_added_variance(submission):
    """All outcomes are listed for the truth. One squared error varies by less than 1.5 times its mean.

    So the mean of 3000 draws is within 15 % unless by a chance of 1 in 10,000,000 (5.4 sigma).
    """
    tape, loss, leaves = randomised()
    moments = inspect.exact_moments(tape, loss, leaves)
    exact = [g.copy() for g in moments.exact]
    got = array(
        submission.added_variance(tape, loss, leaves, exact, 3000, np.random.default_rng(8)), (), "added_variance"
    )
    factor = float(got) / moments.total_variance
    message = (
        f"not what all {moments.outcomes} outcomes together give (you have {factor:.3g} times that): each "
        "draw takes fresh randomness from rng, its error is SQUARED and SUMMED over all entries of all parameters, and "
        "only draws are averaged"
    )
    close(got, moments.total_variance, message, rtol=0.15)
