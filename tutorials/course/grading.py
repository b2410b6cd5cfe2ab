"""What the graders share: look at an answer with care, and say in words what is wrong with it."""

from __future__ import annotations

import numpy as np
from wire import Other

import minigrad as mg


def check(condition, message):
    """Fail with a message that teaches, without a traceback's help."""
    if not bool(condition):
        raise AssertionError(message)


def array(value, shape, what):
    """The answer as a plain array of float64; anything else is told apart by its shape, its type, its values."""
    check(value is not None, f"{what} is None: is there a `return`?")
    kind = value.kind if isinstance(value, Other) else type(value).__name__
    check(
        type(value) in (np.ndarray, np.float64, np.float32, float, int),
        f"{what} should be an array (or a number), got {kind}",
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
    """Draws of a submission as an estimator; what it lists or states of itself is not believed.

    Parameters
    ----------
    draw : callable
        ``draw(g, seeds)`` gives a draw for each of a list of seeds, as `Submission.call` has them.
    name : str
        What messages call it.
    """

    AHEAD = 200
    """Draws that are made at once, for a message between processes takes longer than most of them."""

    def __init__(self, draw, name):
        self._draw, self._name = draw, name
        self._ahead = (b"", [])

    def draws(self, g, seeds):
        """The draws for a list of seeds, looked at with care."""
        found = self._draw(g.copy(), seeds)
        return [array(one, g.shape, f"a draw of {self._name}") for one in found]

    def sample(self, g, node, rng):
        of, ready = self._ahead
        if of != g.tobytes() or not ready:
            seeds = rng.integers(2**62, size=(self.AHEAD, 2)).tolist()
            ready = self.draws(g, seeds)
            self._ahead = (g.tobytes(), ready)
        return ready.pop().astype(g.dtype)

    def __repr__(self):
        return self._name


def check_random(estimator, g):
    """Fail if draws do not differ: the exact cotangent is unbiased, and no answer."""
    rng = np.random.default_rng(0)
    draws = {estimator.sample(g, None, rng).tobytes() for _ in range(60)}
    check(
        len(draws) > 1,
        f"60 draws of {estimator!r} gave {len(draws)} different results; what is kept should be drawn, with `rng`",
    )


def check_generator(estimator, g):
    """Fail if there is randomness that does not come from the generator that is handed in."""
    draws = estimator.draws(g, [(1, None)] * 4)
    check(
        not np.allclose(draws[0], g, rtol=1e-9),
        f"{estimator!r} gave g itself; what is kept should be drawn, with `rng`",
    )
    check(
        all(np.array_equal(draws[0], other) for other in draws),
        f"{estimator!r}: two generators in the same state gave different draws, so there is randomness from elsewhere; "
        "take all of it from the `rng` that is handed in, and make no generator inside",
    )
    free = {one.tobytes() for one in estimator.draws(g, [(1, k) for k in range(40)])}
    held = {one.tobytes() for one in estimator.draws(g, [(k, None) for k in range(40)])}
    check(
        len(held) > 1 or len(free) == 1,
        f"{estimator!r}: generators in different states gave the same draw; take all randomness from the `rng` that is "
        "handed in, and make no generator inside",
    )
