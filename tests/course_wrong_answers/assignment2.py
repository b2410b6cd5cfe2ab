"""Wrong answers to assignment 2: unbiased masks and their variance."""

# ruff: noqa: F811, F821
from __future__ import annotations

import numpy as np

import minigrad as mg
from course_wrong_answers import wrong


@wrong("2a", "not divided by p", "is each unit divided by the probability")
class ColumnMask(mg.Estimator):
    def __init__(self, p):
        self.p = p

    def sample(self, g, node, rng):
        columns = g.shape[-1]
        return g * np.repeat(rng.random(-(-columns // BLOCK)) < self.p, BLOCK)[:columns]


@wrong("2a", "an empty mask gives the exact gradient", "Does an empty draw return zeros, and not everything?")
class ColumnMask(mg.Estimator):
    def __init__(self, p):
        self.p = p

    def sample(self, g, node, rng):
        columns = g.shape[-1]
        kept = np.repeat(rng.random(-(-columns // BLOCK)) < self.p, BLOCK)[:columns]
        return g * kept / self.p if kept.any() else g


@wrong("2a", "divided by the fraction that happened to be kept", "ColumnMask(0.2) is biased")
class ColumnMask(mg.Estimator):
    def __init__(self, p):
        self.p = p

    def sample(self, g, node, rng):
        columns = g.shape[-1]
        kept = np.repeat(rng.random(-(-columns // BLOCK)) < self.p, BLOCK)[:columns]
        return g * kept / max(kept.mean(), 1e-9)


@wrong("2a", "a coin for each column, and not for each block", "one coin for each block")
class ColumnMask(mg.Estimator):
    def __init__(self, p):
        self.p = p

    def sample(self, g, node, rng):
        return g * (rng.random(g.shape[-1]) < self.p) / self.p


@wrong("2a", "one coin for all", "independent blocks")
class ColumnMask(mg.Estimator):
    def __init__(self, p):
        self.p = p

    def sample(self, g, node, rng):
        return g * (rng.random() < self.p) / self.p


@wrong("2a", "randomness of its own", "make no generator inside")
class ColumnMask(mg.Estimator):
    def __init__(self, p):
        self.p = p

    def sample(self, g, node, rng):
        columns = g.shape[-1]
        kept = np.repeat(np.random.default_rng().random(-(-columns // BLOCK)) < self.p, BLOCK)[:columns]
        return g * kept / self.p


@wrong("2a", "a generator of its own, with a fixed seed", "make no generator inside")
class ColumnMask(mg.Estimator):
    def __init__(self, p):
        self.p = p

    def sample(self, g, node, rng):
        columns = g.shape[-1]
        kept = np.repeat(np.random.default_rng(7).random(-(-columns // BLOCK)) < self.p, BLOCK)[:columns]
        return g * kept / self.p


@wrong("2a", "kept with 1 − p, and divided by that", "is kept with p = 0.25")
class ColumnMask(mg.Estimator):
    def __init__(self, p):
        self.p = 1 - p

    def sample(self, g, node, rng):
        columns = g.shape[-1]
        kept = np.repeat(rng.random(-(-columns // BLOCK)) < self.p, BLOCK)[:columns]
        return g * kept / self.p


@wrong("2a", "a coin for each entry", "not for each entry")
class ColumnMask(mg.Estimator):
    def __init__(self, p):
        self.p = p

    def sample(self, g, node, rng):
        return g * (rng.random(g.shape) < self.p) / self.p


@wrong("2b", "1/p in place of 1/p − 1", "variance κ = 1/p - 1")
def weight_variance(G, X, p, axis):
    if axis == "column":
        return np.sum((G.T @ X) ** 2) / p
    return np.sum(np.sum(G**2, axis=1) * np.sum(X**2, axis=1)) / p


@wrong("2b", "columns: the bound ‖G‖²‖X‖² in place of ‖GᵀX‖²", "nothing but GᵀX counts")
def weight_variance(G, X, p, axis):
    kappa = 1 / p - 1
    if axis == "column":
        return kappa * np.sum(G**2) * np.sum(X**2)
    return kappa * np.sum(np.sum(G**2, axis=1) * np.sum(X**2, axis=1))


@wrong("2b", "rows taken for columns", "outer products of size ‖G_i‖‖X_i‖")
def weight_variance(G, X, p, axis):
    return (1 / p - 1) * np.sum((G.T @ X) ** 2)


@wrong("2c", "one mask for all layers", "Do two nodes share a draw?")
def pull_back(g, weights, p, rng):
    uniform = rng.random(max(max(w.shape) for w in weights))
    for w in weights:
        g = (g * (uniform[: g.shape[1]] < p) / p) @ w
    return g


@wrong("2c", "divided once, not at each layer", "is each unit divided by the probability")
def pull_back(g, weights, p, rng):
    for w in weights:
        g = (g * (rng.random(g.shape[1]) < p)) @ w
    return g / p


@wrong("2c", "a generator of its own in each call", "make no generator inside")
def pull_back(g, weights, p, rng):
    rng = np.random.default_rng(0)
    for w in weights:
        g = (g * (rng.random(g.shape[1]) < p) / p) @ w
    return g
