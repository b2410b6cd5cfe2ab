"""Check VJPs against central differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from minigrad.arrays import plain
from minigrad.engine.tensor import Tensor
from minigrad.streams import Domain, generator
from minigrad.testing.hints import hint
from minigrad.testing.numerical_derivatives import ridders
from minigrad.transforms.reverse import vjp
from minigrad.typing import Array

__all__ = ["assert_gradients_close"]


def assert_gradients_close(
    fn: Callable[..., Tensor],
    *arrays: ArrayLike,
    rtol: float = 1e-6,
    atol: float = 1e-10,
    step: float = 0.02,
    seed: int = 0,
    name: str | None = None,
) -> None:
    """Assert that the VJP of ``fn`` agrees with central differences, for every input and every entry.

    Everything is computed in float64. A value that is not a number but an array is multiplied by one fixed random
    cotangent and summed, so that every output entry counts. Numerical derivatives are central differences
    extrapolated to step 0 (Ridders 1982), good to about ten digits where ``fn`` is smooth.

    Parameters
    ----------
    fn : callable
        Takes one Tensor for each array and returns a Tensor. It must be deterministic, and its VJPs exact: no
        ``vjp=`` estimators, and a seed for dropout.
    *arrays : array_like
        The point to check, away from kinks by more than ``step / 1000``. Converted to float64.
    rtol : float, default 1e-6
        Allowed difference, relative to the larger of the two derivatives.
    atol : float, default 1e-10
        Allowed difference whatever the size; a thousandth of ``rtol`` times the largest derivative by the same
        input, and the rounding of ``fn``, are allowed as well, for entries that are zero but for rounding.
    step : float, default 0.02
        The largest step, relative to the entry (to 0.1, for entries smaller than that).
    seed : int, default 0
        Of the random cotangent.
    name : str, optional
        What to call ``fn`` in messages.

    Raises
    ------
    AssertionError
        If a gradient differs: with the function, the input, the entry, both numbers, and what they hint at. Also if
        the backward pass fails, is not linear in the cotangent, or changes in place the cotangent or what was saved.
    TypeError, ValueError
        If there is nothing to check: no inputs, a value that is not finite or not float64, a random function.

    Examples
    --------
    >>> import minigrad as mg
    >>> assert_gradients_close(lambda a, b: (a @ b).tanh(), np.eye(2), [[0.5], [-0.3]])

    A rule that forgot the factor 2:

    >>> @mg.primitive(x=lambda g, saved: g * saved["x"])
    ... def square(x):
    ...     return x**2, {"x": x}
    >>> assert_gradients_close(square, [1.0, 3.0])
    Traceback (most recent call last):
        ...
    AssertionError: square: the VJP is wrong for input 0 of shape (2,): 2 of 2 entries differ
      entry (1,): expected 14.9943 (central differences), got 7.49713 (VJP), relative error 0.5
      look at: all entries are 0.5 times what they should be: a constant factor is missing or too many
    """
    label = name or _name(fn)
    points = [np.array(plain(array, f"{label}: a point", np.float64)) for array in arrays]
    if not points:
        raise ValueError(f"{label}: give at least one array, the point at which to check the gradients")

    def value_at(position: int, moved: Array) -> Array:
        out = fn(*[Tensor(moved if k == position else point) for k, point in enumerate(points)])
        return out.data if isinstance(out, Tensor) else np.asarray(out)  # a gradient, of a function within

    value, pullback = vjp(fn, *[point.copy() for point in points])
    _check_value(label, value, value_at(0, points[0]))
    cotangent = generator(Domain.COTANGENT, seed).standard_normal(value.shape)
    got = _pull(label, pullback, cotangent)
    _check_untouched(label, got, _pull(label, pullback, cotangent))
    doubled = _pull(label, pullback, -2 * cotangent)
    wrong = []
    for k, point in enumerate(points):
        with np.errstate(all="ignore"):
            nonlinear = ~np.isclose(doubled[k], -2 * got[k], rtol=1e-9, atol=1e-12, equal_nan=True)
        if nonlinear.any():
            raise AssertionError(
                f"{label}: the VJP for input {k} is not linear in the cotangent: pulling back −2·g does not give −2 "
                f"times what g gives (at entry {_first(nonlinear)}). Does its rule multiply by g, exactly once?"
            )
        mismatch = _compare(k, partial(value_at, k), point, cotangent, got[k], (rtol, atol, step))
        if mismatch is not None:
            wrong.append(mismatch)
    if wrong:
        raise AssertionError("\n".join(mismatch.message(label) for mismatch in wrong))


@dataclass(frozen=True)
class Mismatch:
    """The entries of one gradient that are wrong."""

    position: int
    expected: Array
    got: Array
    error: Array
    wrong: Array
    kink: bool

    def message(self, label: str) -> str:
        """The message: what is wrong, where it is worst, and what to look at."""
        with np.errstate(all="ignore"):
            relative = np.abs(self.got - self.expected) / np.maximum(np.abs(self.got), np.abs(self.expected))
        # A NaN is the worst; among relative errors that are much alike show the largest derivative.
        relative = np.where(np.isnan(relative), np.inf, relative)
        severity = np.where(self.wrong, relative, -1.0)
        alike = severity >= 0.9 * severity.max()
        size = np.where(alike, np.nan_to_num(np.abs(self.expected)), -1.0)
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(size)), size.shape))
        count = f"{int(self.wrong.sum())} of {self.wrong.size} entries differ"
        return (
            f"{label}: the VJP is wrong for input {self.position} of shape {self.expected.shape}: {count}\n"
            f"  entry {at}: expected {self.expected[at]:.6g} (central differences), got {self.got[at]:.6g} (VJP), "
            f"relative error {relative[at]:.2g}\n"
            f"  look at: {hint(self.expected, self.got, self.error, self.wrong, self.kink)}"
        )


def _compare(
    position: int,
    value: Callable[[Array], Array],
    point: Array,
    cotangent: Array,
    got: Array,
    settings: tuple[float, float, float],
) -> Mismatch | None:
    rtol, atol, step = settings
    expected, error, noise = np.zeros(point.shape), np.zeros(point.shape), np.zeros(point.shape)

    def shifted(at: tuple[int, ...], t: float) -> Array:
        moved = point.copy()
        moved[at] += t
        return value(moved)

    for at in np.ndindex(*point.shape):
        along = partial(shifted, at)
        # A step that is a power of 2, so that x + h and x − h lie at the same distance from x.
        start = 2.0 ** np.floor(np.log2(step * max(abs(float(point[at])), 0.1)))
        slope = ridders(along, cotangent, start, tolerance=1e-3 * rtol)
        expected[at], error[at], noise[at] = slope.value, slope.error, slope.noise
    largest = np.nanmax(np.abs(expected), initial=0.0)
    with np.errstate(all="ignore"):
        allowed = rtol * np.maximum(np.abs(expected), np.abs(got)) + atol + 1e-3 * rtol * largest + 10 * noise
        wrong = ~(np.abs(expected - got) <= allowed) | ~np.isfinite(got)
    if not wrong.any():
        return None
    kink = any(
        _has_kink(partial(shifted, tuple(at)), cotangent, abs(expected[tuple(at)] - got[tuple(at)]))
        for at in np.argwhere(wrong)[:8].tolist()
    )
    return Mismatch(position, expected, got, error, wrong, kink)


def _has_kink(along: Callable[[float], Array], cotangent: Array, gap: float) -> bool:
    """True if the slopes to the right and to the left differ by as much as the VJP does, however small the step."""
    middle = along(0.0)
    with np.errstate(all="ignore"):
        jumps = [float(np.sum(cotangent * (along(h) - 2 * middle + along(-h)))) / h for h in (2.0**-14, 2.0**-18)]
    # Where the slope is continuous the smaller step has a sixteenth of the difference; half the jump is the most that
    # a subgradient can be off.
    return bool(abs(jumps[1]) > 0.9 * abs(jumps[0]) and abs(jumps[1]) > 1.99 * gap > 0)


def _pull(label: str, pullback: Callable[..., tuple[Array, ...]], cotangent: Array) -> tuple[Array, ...]:
    handed = cotangent.copy()
    try:
        gradients = pullback(handed, rng=0)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise AssertionError(
            f"{label}: the backward pass failed: {type(error).__name__}: {error}\n"
            "  look at: a rule must return an array of the shape of its input; if inputs broadcast, the decorator "
            "needs broadcasts=True (or the rule must sum over the axes that were repeated); a KeyError names what "
            "the forward function did not save; neither the cotangent nor what was saved may be changed in place"
        ) from error
    if not np.array_equal(handed, cotangent):
        raise AssertionError(
            f"{label}: the backward pass changed the cotangent that it was given, which other nodes still read. Does a "
            "rule change g in place?"
        )
    return gradients


def _check_untouched(label: str, first: tuple[Array, ...], second: tuple[Array, ...]) -> None:
    """Raise if a second backward pass over the same tape differs from the first, or the gradients share memory."""
    for k, (one, other) in enumerate(zip(first, second, strict=True)):
        if not np.array_equal(one, other, equal_nan=True):
            raise AssertionError(
                f"{label}: pulling the same cotangent back twice gives two gradients of input {k}. Does a rule change "
                "in place what was saved?"
            )
    every = [*first, *second]
    if any(np.shares_memory(every[j], every[k]) for j in range(len(every)) for k in range(j)):
        raise AssertionError(f"{label}: two of the gradients share their memory, so that a change of one changes both")


def _check_value(label: str, value: Array, again: Array) -> None:
    if value.dtype != np.float64:
        raise ValueError(
            f"{label}: for float64 inputs the value has dtype {value.dtype}, too coarse for central differences; "
            "leave the conversion out of what is checked"
        )
    if not np.isfinite(value).all():
        raise ValueError(f"{label}: the value at this point is not finite, so it has no numerical gradient; move it")
    if not np.array_equal(value, again):
        raise ValueError(
            f"{label}: two evaluations at the same point differ, so the function is random (or keeps a state); seed it "
            "inside, for example dropout(x, rng=0)"
        )


def _name(fn: Callable[..., Tensor]) -> str:
    name = getattr(fn, "__name__", type(fn).__name__)
    return "the function" if name == "<lambda>" else name.strip("_")


def _first(where: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(where)[0])
