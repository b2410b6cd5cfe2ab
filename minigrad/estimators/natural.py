"""Natural compression: all entries are kept, as powers of two."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from minigrad.engine.estimator import LISTABLE_BITS, TooManyOutcomes
from minigrad.estimators.budgeted import as_cotangent
from minigrad.estimators.named import Named
from minigrad.estimators.text import register
from minigrad.streams import Domain, as_generator, key_of
from minigrad.structure import Cotangent, Kept, PowersOfTwo, matrix
from minigrad.structure.dither import thresholds, words
from minigrad.structure.powers_of_two import LARGEST
from minigrad.typing import Array, Seed, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["NaturalCompression"]


@register("natural", "natural compression: all entries, as powers of two, in 9 bits each")
@dataclass(frozen=True, repr=False)
class NaturalCompression(Named):
    """Round every entry at random to one of the two next powers of two, so that its mean stays what it was.

    With 2^k ≤ abs(x) ≤ 2^(k+1), the upper one has probability abs(x)/2^k − 1. A sign and an exponent are kept, in one
    and eight bits. It needs no ends of a grid, and small entries are as exact as large ones, relative to their size.
    `StochasticRounding` to eight bits takes fewer bytes and has far less distortion: this is here for contrast.

    Notes
    -----
    With a = abs(x), E‖Ĝ − G‖² = Σ (a − 2^k)(2^(k+1) − a) ≤ ‖G‖²/8. Exponents are counted from the largest entry down;
    what is below 2⁻²⁵⁴ of that goes to 0 or to there, at random. Horváth et al. (2022), *Natural Compression for
    Distributed Deep Learning*, MSML.

    Examples
    --------
    >>> natural = NaturalCompression()
    >>> [(p, g.dense().tolist()) for p, g in natural.outcomes(np.array([3.0, -0.25]))]
    [(0.5, [2.0, -0.25]), (0.5, [4.0, -0.25])]
    >>> natural.distortion(np.array([3.0, -0.25]))
    1.0
    """

    unbiased: ClassVar[bool] = True  # type: ignore[misc]
    budget: ClassVar[float] = 9 / 32  # type: ignore[misc]

    def sample(self, g: Any, node: Node | None = None, rng: Seed = None) -> Cotangent:
        g = as_cotangent(g)
        found = _powers(g)
        if found is None:
            return g
        codes, f, top = found
        key = key_of(as_generator(Domain.SAMPLE, rng))
        up = f > thresholds(words(key, 0, *codes.shape), f.dtype)
        return _stored(codes, up, top, g)

    def outcomes(self, g: Any, node: Node | None = None) -> Iterator[tuple[float, Cotangent]]:
        """Every Ĝ with its probability."""
        g = as_cotangent(g)
        found = _powers(g)
        if found is None:
            return iter([(1.0, g)])
        uncertain = np.flatnonzero(found[1])
        if uncertain.size > LISTABLE_BITS:
            raise TooManyOutcomes(
                f"{self!r}: {uncertain.size} entries that are no powers of two have 2^{uncertain.size} outcomes, too "
                "many to list; use draws, or a smaller cotangent"
            )
        return _listed(*found, uncertain, g)

    def distortion(self, g: Any, node: Node | None = None) -> float:
        """E‖ĝ − g‖² = Σ h² f (1 − f), with h the distance of the two next powers, and f how far on from the lower."""
        g = as_cotangent(g)
        found = _powers(g)
        if found is None:
            return 0.0
        codes, f, top = found
        with np.errstate(over="ignore", under="ignore"):
            gap = np.ldexp(1.0, np.maximum(codes, 1).astype(int) - LARGEST + top)
            return float((np.square(gap) * f * (1 - f)).sum())

    def rare(self, g: Any, level: float, node: Node | None = None) -> Array | None:
        g = as_cotangent(g)
        found = _powers(g)
        if found is None:
            return np.zeros_like(g)
        codes, f, top = found
        gap = np.ldexp(1.0, np.maximum(codes, 1).astype(int) - LARGEST + top)
        rest = np.where(f < level, f, np.where(1 - f < level, f - 1, 0)) * gap  # above the likelier power, or below
        return (rest * np.sign(matrix(_plain(g)))).astype(g.dtype).reshape(g.shape)

    def kept(self, shape: Shape) -> Kept:
        columns = shape[-1] if shape else 1
        return Kept(PowersOfTwo, bits=8 + 8 * math.ceil(columns / 8) / max(1, columns))

    def overhead(self, shape: Shape) -> float:
        return 4.0 * math.prod(shape)  # exponent and fraction, threshold, sum


def _plain(g: Array) -> Array:
    """The array with an axis at least, in a dtype in which it can be computed on."""
    return (g if g.ndim else g.reshape(1)).astype(np.float32 if g.dtype == np.float16 else g.dtype, copy=False)


def _powers(g: Array) -> tuple[Array, Array, int] | None:
    """The code of the power below each absolute value, how far on it is to the next, and the exponent of code 255.

    None where the array is to be handed on untouched: it is empty, not finite, all 0, or beyond the largest power.
    """
    size = np.abs(matrix(_plain(g)))
    largest = float(size.max()) if size.size else 0.0
    if not 0 < largest < math.inf:
        return None
    top = math.frexp(largest)[1]
    if top > np.finfo(size.dtype).maxexp - 1:
        return None
    fraction, exponent = np.frexp(size)
    below = exponent + (LARGEST - 1 - top)  # 2^(exponent − 1) ≤ x
    tiny = (below < 1) | (size == 0)
    with np.errstate(over="ignore"):
        f = np.where(tiny, np.ldexp(size, LARGEST - 1 - top), 2 * fraction - 1)  # the least power has code 1
    return np.where(tiny, 0, below).astype(np.uint8), f, top


def _stored(codes: Array, up: Array, top: int, g: Array) -> PowersOfTwo:
    plain = _plain(g)
    negative = np.packbits(np.signbit(matrix(plain)), axis=1)
    return PowersOfTwo(codes + up.view(np.uint8), negative, top, g.shape, plain.dtype)


def _listed(codes: Array, f: Array, top: int, uncertain: Array, g: Array) -> Iterator[tuple[float, Cotangent]]:
    chances = f.flat[uncertain]
    for choice in itertools.product((False, True), repeat=uncertain.size):
        up = np.zeros(codes.shape, bool)
        up.flat[uncertain] = choice
        chance = float(np.prod(np.where(choice, chances, 1 - chances)))
        yield chance, _stored(codes, up, top, g)
