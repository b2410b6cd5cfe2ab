"""What the graders share: look at an answer with care, and say in words what is wrong with it."""

from __future__ import annotations

import numpy as np

import minigrad as mg


def check(condition, message):
    """Fail with a message that teaches, without a traceback's help."""
    if not bool(condition):
        raise AssertionError(message)


def array(value, shape, what):
    """The answer as a plain array of float64; anything else is told apart by its shape, its type, its values."""
    check(value is not None, f"{what} is None: is there a `return`?")
    check(
        type(value) in (np.ndarray, np.float64, np.float32, float, int),
        f"{what} should be an array (or a number), got a {type(value).__name__}",
    )
    value = np.array(value, dtype=np.float64)
    hint = (
        " (an input that was broadcast gets a sum over the axis that was repeated)" if value.ndim > len(shape) else ""
    )
    check(value.shape == tuple(shape), f"{what} should have shape {tuple(shape)}, got {value.shape}{hint}")
    check(np.isfinite(value).all(), f"{what} has NaN or infinity in it: is there a division by zero?")
    return value


def close(got, expected, message, rtol=1e-9):
    """Fail unless two arrays or numbers agree; the message gets both numbers at the worst place."""
    got, expected = np.broadcast_arrays(np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64))
    off = np.abs(got - expected)
    limit = rtol * np.maximum(np.abs(expected), np.abs(got)) + 1e-12
    if not (off <= limit).all():
        worst = np.unravel_index(np.argmax(off - limit), off.shape)
        raise AssertionError(f"{message}\n  expected {expected[worst]:.6g}, got {got[worst]:.6g}")


class Sampled(mg.Estimator):
    """A student's ``sample`` and nothing else: what it lists or states of itself is not believed.

    Parameters
    ----------
    sample : callable
        ``sample(g, node, rng)``.
    name : str
        What messages call it.
    """

    def __init__(self, sample, name):
        self._sample, self._name = sample, name

    def sample(self, g, node, rng):
        drawn = self._sample(g, node, rng)
        if hasattr(drawn, "dense"):
            drawn = drawn.dense()
        return array(drawn, g.shape, f"{self._name}.sample(g, node, rng)").astype(g.dtype)

    def __repr__(self):
        return self._name


def check_random(estimator, g):
    """Fail if draws do not differ: the exact cotangent is unbiased, and no answer."""
    rng = np.random.default_rng(0)
    draws = {estimator.sample(g.copy(), None, rng).tobytes() for _ in range(60)}
    check(
        len(draws) > 5,
        f"60 draws of {estimator!r} gave {len(draws)} different results; what is kept should be drawn, with `rng`",
    )
