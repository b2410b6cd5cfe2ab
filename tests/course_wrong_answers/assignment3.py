"""Wrong answers to assignment 3: optimal sketches."""

# ruff: noqa: F811, F821
from __future__ import annotations

import numpy as np

import minigrad as mg
from course_wrong_answers import wrong


@wrong("3a", "in proportion to the weights, not to their roots", "goes with the ROOT of w_j")
def water_fill(weights, total):
    p, free = np.zeros(len(weights)), weights > 0
    if total >= CAP * free.sum():
        return CAP * free.astype(float)
    while True:
        share = weights * (total - p[~free].sum()) / weights[free].sum()
        p[free] = share[free]
        if p.max() <= CAP:
            return p
        free &= p < CAP
        p = np.minimum(p, CAP)


@wrong("3a", "capped at 1, and the rest not shared again", "shared among the others, with a new τ")
def water_fill(weights, total):
    root = np.sqrt(weights)
    return np.minimum(CAP, total * root / max(root.sum(), 1e-300))


@wrong("3a", "not capped", "cap at 1")
def water_fill(weights, total):
    root = np.sqrt(weights)
    return total * root / max(root.sum(), 1e-300)


@wrong("3a", "weights of 0 get what the others cannot use", "a weight of 0 gets probability 0")
def water_fill(weights, total):
    root, free = np.sqrt(weights), np.ones(len(weights), bool)
    p = np.full(len(weights), CAP)
    while total < CAP * len(weights) and free.any() and root[free].sum() > 0:
        p[free] = root[free] * (total - CAP * np.sum(~free)) / np.sum(root[free])
        if p.max() <= CAP:
            return p
        free &= p < CAP
        p[~free] = CAP
    p[free] = min(CAP, max(total - CAP * np.sum(~free), 0) / max(np.sum(free), 1))
    return p


@wrong("3b", "divided by what goes with the norms, and not by the probabilities, which are capped", "is biased")
class ColumnSketch(mg.Estimator):
    def __init__(self, r):
        self.r = r

    def sample(self, g, node, rng):
        norms = np.linalg.norm(g, axis=0)
        kept = np.flatnonzero(rng.random(len(norms)) < water_fill(norms**2, self.r))
        out = np.zeros_like(g)
        out[:, kept] = g[:, kept] / (self.r * norms[kept] / norms.sum())
        return out


@wrong("3b", "the same probability for all columns", "a factor of")
class ColumnSketch(mg.Estimator):
    def __init__(self, r):
        self.r = r

    def sample(self, g, node, rng):
        alive = np.any(g != 0, axis=0)
        p = min(1, self.r / alive.sum())
        return g * ((rng.random(g.shape[1]) < p) & alive) / p


@wrong("3b", "the largest columns, always", "should be drawn")
class ColumnSketch(mg.Estimator):
    def __init__(self, r):
        self.r = r

    def sample(self, g, node, rng):
        kept = np.argsort(-np.linalg.norm(g, axis=0))[: int(self.r)]
        out = np.zeros_like(g)
        out[:, kept] = g[:, kept]
        return out


@wrong("3c", "a truncated decomposition", "should be drawn")
class LowRankSketch(mg.Estimator):
    def __init__(self, r):
        self.r = r

    def sample(self, g, node, rng):
        u, sigma, vt = np.linalg.svd(g, full_matrices=False)
        r = int(self.r)
        return (u[:, :r] * sigma[:r]) @ vt[:r]


@wrong("3c", "all directions alike", "a factor of")
class LowRankSketch(mg.Estimator):
    def __init__(self, r):
        self.r = r

    def sample(self, g, node, rng):
        u, sigma, vt = np.linalg.svd(g, full_matrices=False)
        p = min(1, self.r / len(sigma))
        return (u * sigma * (rng.random(len(sigma)) < p) / p) @ vt


@wrong("3c", "a random projection: of rank r and unbiased, but far too noisy", "a factor of")
class LowRankSketch(mg.Estimator):
    def __init__(self, r):
        self.r = r

    def sample(self, g, node, rng):
        omega = rng.normal(size=(g.shape[1], int(self.r))) / np.sqrt(self.r)
        return (g @ omega) @ omega.T
