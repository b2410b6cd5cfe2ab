"""What the tests of unbiasedness share: estimators that hide their outcomes, and a network too large to list."""

from __future__ import annotations

import numpy as np
from estimator_cases import network

import minigrad as mg
from minigrad import inspect
from minigrad.estimators import TopK


class Unlisted(mg.Estimator):
    """Another estimator without its list of outcomes, so that only draws can tell."""

    def __init__(self, inner):
        self.inner, self.budget, self.unbiased = inner, inner.budget, inner.unbiased

    def sample(self, g, node, rng):
        return self.inner.sample(g, node, rng)

    def __repr__(self):
        return f"Unlisted({self.inner!r})"


def medium(vjp, dtype=np.float64):
    """A network of 12 → 16 → 16 → 4 with a tanh between, on 8 rows: too many outcomes to list."""
    return network(vjp, rows=8, widths=(12, 16, 16, 4), dtype=dtype)


def verdict(tape, loss, wrt=None, **options):
    options = {"draws": 1000, "rng": 5, **options}
    return inspect.unbiasedness(tape, loss, wrt, **options)


class TopHalf(mg.Estimator):
    def sample(self, g, node, rng):
        return TopK(0.5).sample(g, node, rng)
