"""Assignment 3, reference solution: optimal sketches."""

from __future__ import annotations

import numpy as np

import minigrad as mg

CAP = 1.0  # of your class


def water_fill(weights, total):
    root = np.sqrt(np.asarray(weights, dtype=np.float64))
    p = np.zeros(root.shape)
    order = np.argsort(-root)
    order = order[root[order] > 0]
    if total >= CAP * len(order):
        p[order] = CAP
        return p
    tails = np.cumsum(root[order][::-1])[::-1]
    for saturated in range(len(order)):
        scale = (total - CAP * saturated) / tails[saturated]  # 1/τ
        if root[order[saturated]] * scale <= CAP:
            break
    p[order] = np.minimum(CAP, root[order] * scale)
    p[order[:saturated]] = CAP
    return p


class ColumnSketch(mg.Estimator):
    def __init__(self, r):
        self.r = r

    def sample(self, g, node, rng):
        p = water_fill(np.sum(g.astype(np.float64) ** 2, axis=0), self.r)
        kept = np.flatnonzero(rng.random(len(p)) < p)
        out = np.zeros_like(g)
        out[:, kept] = g[:, kept] / p[kept]
        return out


class LowRankSketch(mg.Estimator):
    def __init__(self, r):
        self.r = r

    def sample(self, g, node, rng):
        u, sigma, vt = np.linalg.svd(g.astype(np.float64), full_matrices=False)
        p = water_fill(sigma**2, self.r)
        kept = np.flatnonzero(rng.random(len(p)) < p)
        return ((u[:, kept] * sigma[kept] / p[kept]) @ vt[kept]).astype(g.dtype)
