"""Wrong answers to assignment 4: noise, cost and a budget."""

# ruff: noqa: F811, F821
from __future__ import annotations

import itertools

import numpy as np

from course_wrong_answers import wrong


@wrong("4a", "as if drawn with replacement", "factor (N − b)/(N − 1)")
def minibatch_variance(gradients, b):
    return np.mean(np.sum((gradients - gradients.mean(axis=0)) ** 2, axis=1)) / b


@wrong("4a", "a mean over the coordinates in place of a sum", "summed over all coordinates")
def minibatch_variance(gradients, b):
    n = len(gradients)
    return gradients.var(axis=0).mean() / b * (n - b) / (n - 1)


@wrong("4a", "the variance of one sample, whatever the batch", "1/b of the variance of one")
def minibatch_variance(gradients, b):
    return gradients.var(axis=0).sum()


@wrong("4b", "the gradient by the input of the network is counted", "no ∂X of the first")
def step_cost(widths, batch):
    products = [2.0 * batch * n * m for n, m in itertools.pairwise(widths)]
    sketched = len(products) - EXACT
    return sum(products) + 2 * sum(products[sketched:]), 2 * sum(products[:sketched])


@wrong("4b", "the last layer is taken to be sketched", "is exact")
def step_cost(widths, batch):
    products = [2.0 * batch * n * m for n, m in itertools.pairwise(widths)]
    return sum(products), 2 * sum(products) - products[0]


@wrong("4b", "a multiply-add is counted once", "as many additions")
def step_cost(widths, batch):
    products = [1.0 * batch * n * m for n, m in itertools.pairwise(widths)]
    sketched = len(products) - EXACT
    return sum(products) + 2 * sum(products[sketched:]), 2 * sum(products[:sketched]) - products[0]


@wrong("4b", "∂X of the hidden layers is forgotten", "∂W and ∂X")
def step_cost(widths, batch):
    products = [2.0 * batch * n * m for n, m in itertools.pairwise(widths)]
    sketched = len(products) - EXACT
    return sum(products) + 2 * sum(products[sketched:]), sum(products[:sketched])


@wrong("4c", "no root", "set the derivative")
def best_budget(c0, c1, a, b):
    p = c0 * b / (c1 * a) if a > 0 else 1.0
    p = min(1.0, p)
    return p, (c0 + c1 * p) * (a + b / p) / ((c0 + c1) * (a + b))


@wrong("4c", "not clipped to 1", "so do not sketch: p = 1")
def best_budget(c0, c1, a, b):
    p = float(np.sqrt(c0 * b / (c1 * abs(a) + 1e-12)))
    return p, (c0 + c1 * p) * (a + b / p) / ((c0 + c1) * (a + b))


@wrong("4c", "compared with a variance of a, not a + b, at budget 1", "(c0 + c1)·(a + b)")
def best_budget(c0, c1, a, b):
    if a <= 0 or c0 * b >= c1 * a:
        return 1.0, 1.0
    p = float(np.sqrt(c0 * b / (c1 * a)))
    return p, (c0 + c1 * p) * (a + b / p) / ((c0 + c1) * a)


@wrong("4d", "the same seed for each draw", "takes fresh randomness")
def added_variance(tape, loss, wrt, exact, draws, rng):
    total = 0.0
    for _ in range(draws):
        drawn = tape.gradients(loss, wrt, rng=0)
        total += sum(np.sum((d - e) ** 2) for d, e in zip(drawn, exact, strict=True))
    return total / draws


@wrong("4d", "a mean over the entries in place of a sum", "SUMMED over all entries")
def added_variance(tape, loss, wrt, exact, draws, rng):
    total = 0.0
    for _ in range(draws):
        drawn = tape.gradients(loss, wrt, rng=rng)
        total += sum(np.mean((d - e) ** 2) for d, e in zip(drawn, exact, strict=True))
    return total / draws


@wrong("4d", "the error of the mean, in place of the mean of the errors", "only draws are averaged")
def added_variance(tape, loss, wrt, exact, draws, rng):
    means = [np.zeros_like(e) for e in exact]
    for _ in range(draws):
        for mean, d in zip(means, tape.gradients(loss, wrt, rng=rng), strict=True):
            mean += d / draws
    return sum(np.sum((m - e) ** 2) for m, e in zip(means, exact, strict=True))
