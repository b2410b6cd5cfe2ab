"""Hints: guesses at the mistake behind a wrong gradient, from what it looks like."""

from __future__ import annotations

import numpy as np

from minigrad.typing import Array

__all__ = ["hint"]


def hint(expected: Array, got: Array, error: Array, wrong: Array, kink: bool = False) -> str:
    """Name the likeliest mistake behind a gradient that differs from the numerical one.

    Parameters
    ----------
    expected, got : ndarray
        The numerical gradient and that of the VJP.
    error : ndarray
        The estimated error of the numerical gradient.
    wrong : ndarray of bool
        The entries that differ by more than they may.
    kink : bool, default False
        Whether the slopes on the two sides of a wrong entry differ.

    Examples
    --------
    >>> e = np.array([1.0, 2.0])
    >>> hint(e, -e, 0 * e, e > 0)
    'all entries have the wrong sign'
    """
    if not np.isfinite(got).all():
        return (
            "NaN or infinity in the VJP: 0/0, 0·∞ or an infinite slope; state what the derivative is there and "
            "compute it without dividing by zero"
        )
    unsure = wrong & ~(error <= 1e-3 * np.abs(expected - got))
    if unsure.any():
        return (
            "central differences do not settle at this entry: is the point at a kink or a jump, or near the edge of "
            "the domain? Move it, or check the stated rule of the kink by itself"
        )
    if kink:
        return (
            "is the point at a kink? The slopes on its two sides differ, and central differences give their mean. Move "
            "the point, or check the stated rule of the kink by itself"
        )
    if not got.any():
        return "the VJP is zero everywhere: was the input used through .data or detach(), or is the rule empty?"
    for what, other in _rearranged(expected):
        if np.allclose(got, other, rtol=1e-5, atol=1e-12) and not np.allclose(expected, other, rtol=1e-5, atol=1e-12):
            return what
    factor = _common_factor(expected, got)
    if factor is not None:
        if abs(factor + 1) < 1e-5:
            return "all entries have the wrong sign"
        n = round(1 / factor) if abs(factor) < 1 and factor else 0
        of = f" (1/{n}: a mean taken for a sum?)" if n > 2 and abs(n * factor - 1) < 1e-5 else ""
        return f"all entries are {factor:.6g} times what they should be{of}: a constant factor is missing or too many"
    if not wrong.all():
        return (
            "only some entries are wrong: an index that occurs several times must add up, ties must share, and an axis "
            "or an offset may be off by one"
        )
    return (
        "the derivative itself; the axes of a transpose or a sum; whether an input that was broadcast is summed back "
        "over the repeated axes; and whether `saved` holds the values that the rule means"
    )


def _rearranged(expected: Array) -> list[tuple[str, Array]]:
    """The right gradient in the wrong places."""
    out = []
    if expected.ndim >= 2:
        swapped = np.swapaxes(expected, -1, -2)
        if swapped.shape == expected.shape:
            out.append(("the gradient is transposed", swapped))
        else:
            out.append(("the entries are in the order of the transposed gradient", swapped.reshape(expected.shape)))
    for axis in range(expected.ndim):
        out.append((f"the gradient is reversed along axis {axis}", np.flip(expected, axis)))
    return out


def _common_factor(expected: Array, got: Array) -> float | None:
    """The number c with got = c · expected throughout; None if there is none."""
    square = float(np.sum(expected * expected))
    if not square:
        return None
    factor = float(np.sum(expected * got)) / square
    close = np.allclose(got, factor * expected, rtol=1e-5, atol=1e-8 * np.abs(expected).max(initial=0.0))
    return factor if close and abs(factor) > 1e-12 else None
