"""Stochastic rounding: all entries are kept, each in a few bits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from minigrad.counts import whole
from minigrad.engine.estimator import LISTABLE_BITS, TooManyOutcomes
from minigrad.estimators.budgeted import as_cotangent
from minigrad.estimators.dual import checked_distortion
from minigrad.estimators.fewest_bits import fewest_bits
from minigrad.estimators.grids import TILES, Grid, count_tiles, norms, reach, steps
from minigrad.estimators.half_precision import half_distortion, in_half_precision
from minigrad.estimators.named import Named, check_choice
from minigrad.estimators.text import register
from minigrad.streams import Domain, as_generator, key_of
from minigrad.structure import Cotangent, Half, Kept, Quantised, RowGroups, matrix, matrix_shape
from minigrad.structure.packing import MOST_BITS, packed_width
from minigrad.structure.quantised import fold_of
from minigrad.theory import optimal_bits
from minigrad.typing import Array, Seed, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["StochasticRounding"]

AxisOfGrids = Literal["row", "column", "block", "tensor"]
Dither = Literal["plain", "subtractive"]
Allocation = Literal["equal", "optimal"]
Ends = Literal["range", "largest", "norm"]
HALF_BITS = 16


@register("rounding", "stochastic rounding: all entries, in a few bits each")
@dataclass(frozen=True, repr=False)
class StochasticRounding(Named):
    """Round every entry at random to one of the two next points of a grid, so that its mean stays what it was.

    Q(x) = low + h·⌊(x − low)/h + u⌋ with u uniform on [0, 1), and the step h = range/(2^bits − 1) of the entries that
    share a grid. As ``save=`` it takes far less of the variance for a byte than masks do.

    Parameters
    ----------
    bits : int
        Of an entry, from 1 to 8. Or 16, for contrast: float16 as everybody has it, rounded to nearest, and **biased**.
    axis : {"row", "column", "block", "tensor"}, default "row"
        Which entries share a grid: rows are all axes but the last; a block is 256 columns of a row, or as many rows
        as have 256 entries. A grid takes two numbers more.
    dither : {"plain", "subtractive"}, default "plain"
        With subtractive dither u − ½, drawn anew, is subtracted again: h²/12 of variance whatever x, but zeros and the
        ends of the grid are no longer exact.
    allocation : {"equal", "optimal"}, default "equal"
        With axis="row": ``bits`` for each row; or on average, shared by `minigrad.theory.optimal_bits`, which pays
        where rows differ by much in their range, as cotangents do, and is no use after a normalisation.
    ends : {"range", "largest", "norm"}, default "range"
        Where a grid ends: at the least and the largest value; or, with 2 bits at least, at ± the largest absolute value
        or ± the norm of the tile, with a point at 0. These are the grids of TernGrad and QSGD; they are wider.
    distortion : float, optional
        In place of the bits: E‖Ĝ − G‖² over ‖G‖², ≥ 0. Each row gets the fewest bits whose step guarantees it,
        h ≤ √(4ω‖G‖²/n), or √(12ω‖G‖²/n) with subtractive dither; rows that would need more than 8, or
        that would not get smaller, stay what they are.

    Raises
    ------
    ValueError
        If bits are not 1 to 8 or 16, the distortion is negative or infinite, an option is unknown, or rows of different
        bits are asked for of another axis.
    TypeError
        Unless exactly one of bits and distortion is given, a number.

    Notes
    -----
    E‖Ĝ − G‖² = Σ h² f (1 − f) ≤ Σ h²/4, f the fractional part of (x − low)/h; Σ h²/12 with subtractive dither
    (Theory §9). The dither has words of 16 bits: means are exact to 2⁻¹⁷ of a step. A tile whose values are all the
    same is exact. An array with a NaN or an infinity, or with a range beyond the largest float, is handed on untouched.
    Chen et al. (2020), *A Statistical Framework for Low-bitwidth Training*, NeurIPS; (2021), *ActNN*, ICML.

    Examples
    --------
    >>> g = np.array([[0.0, 1.0, 2.0, 3.0], [0.0, 0.25, 0.5, 1.0]])
    >>> rounded = StochasticRounding(1).sample(g, None, np.random.default_rng(0))
    >>> set(rounded.dense()[0].tolist()), rounded.codes.nbytes
    ({0.0, 3.0}, 2)
    >>> StochasticRounding(2).distortion(g), StochasticRounding(distortion=0.1)
    (0.048611111111111105, StochasticRounding(distortion=0.1))
    """

    bits: int | None
    axis: AxisOfGrids = "row"
    dither: Dither = "plain"
    allocation: Allocation = "equal"
    ends: Ends = "range"
    relative_distortion: float | None = field(default=None, init=False)

    def __init__(
        self,
        bits: int | None = None,
        axis: AxisOfGrids = "row",
        dither: Dither = "plain",
        allocation: Allocation = "equal",
        ends: Ends = "range",
        *,
        distortion: float | None = None,
    ) -> None:
        who = type(self).__name__
        if (bits is None) == (distortion is None):
            raise TypeError(
                f"{who}: say how many bits an entry takes, from 1 to {MOST_BITS}, or which distortion is allowed, as "
                f"in {who}(distortion=0.01); " + ("got neither" if bits is None else "the other follows, but got both")
            )
        if bits is not None:
            if isinstance(bits, (bool, np.bool_)):
                raise TypeError(f"{who}: bits={bits!r} must be a whole number")
            bits = whole(f"{who}: bits", bits)
            if bits > MOST_BITS and bits != HALF_BITS:
                raise ValueError(
                    f"{who}: bits={bits} must be 1 to {MOST_BITS}, or {HALF_BITS} for float16; codes fill bytes, "
                    "and beyond 8 bits what is saved in variance is below that of the minibatch by orders"
                )
        stated: dict[str, Any] = {"bits": bits, "axis": axis, "dither": dither, "allocation": allocation, "ends": ends}
        stated["relative_distortion"] = None if distortion is None else checked_distortion(who, distortion)
        for name, value in stated.items():
            object.__setattr__(self, name, value)
        check_choice(self, "axis", axis, TILES)
        for name, known in (("dither", Dither), ("allocation", Allocation), ("ends", Ends)):
            check_choice(self, name, stated[name], get_args(known))
        if allocation != "equal" and (axis != "row" or bits in (None, HALF_BITS)):
            raise ValueError(f"{who}: allocation={allocation!r} shares 1 to {MOST_BITS} bits among rows: axis='row'")

        if ends != "range" and (allocation != "equal" or bits not in range(2, MOST_BITS + 1)):
            raise ValueError(f"{who}: ends={ends!r} needs 2 to {MOST_BITS} bits, the same for all: one point is at 0")

    @property
    def adapts(self) -> bool:  # type: ignore[override]
        """True if the number of bits follows the cotangent."""
        return bool(self.relative_distortion)

    @property
    def budget(self) -> float:  # type: ignore[override]
        """Bits over the 32 of a float32; 1 for a distortion of 0, and just below for any other: it may need all."""
        if self.bits is not None:
            return self.bits / 32
        return math.nextafter(1, 0) if self.relative_distortion else 1.0

    @property
    def unbiased(self) -> bool:  # type: ignore[override]
        """False for 16 bits."""
        return self.bits != HALF_BITS

    def sample(self, g: Any, node: Node | None = None, rng: Seed = None) -> Cotangent:
        g = as_cotangent(g)
        if self.bits == HALF_BITS:
            return in_half_precision(g)
        whole = _whole(g)
        grids = self._grids(whole)
        if grids is None:
            return g
        rng = as_generator(Domain.SAMPLE, rng)
        subtractive = self.dither == "subtractive"
        held: list[Any] = []
        for grid in grids:
            part: Any = whole[grid.rows]
            if grid.bits:
                key = key_of(rng)
                part = Quantised.rounded(part, grid.low, grid.step, grid.bits, grid.tile, key, subtractive)
            held.append(part)
        if isinstance(grids[0].rows, slice):
            return held[0].holding(g.shape) if g.ndim != 2 else held[0]
        return RowGroups([(grid.rows, part) for grid, part in zip(grids, held, strict=True)], g.shape, whole.dtype)

    def outcomes(self, g: Any, node: Node | None = None) -> Iterator[tuple[float, Cotangent]]:
        """Every Ĝ with its probability, of plain dither."""
        g = as_cotangent(g)
        if self.bits == HALF_BITS:
            return iter([(1.0, in_half_precision(g))])
        whole = _whole(g)
        grids = self._grids(whole)
        if grids is None:
            return iter([(1.0, g)])
        if self.dither == "subtractive":
            raise NotImplementedError(f"{self!r} has a continuum of outcomes; use draws, or dither='plain'")
        low, f, step = self._fractions(whole, grids)
        uncertain = np.flatnonzero(f)
        if uncertain.size > LISTABLE_BITS:
            raise TooManyOutcomes(
                f"{self!r}: {uncertain.size} entries that stand between two points of their grids have "
                f"2^{uncertain.size} outcomes, too many to list; use draws, or a smaller cotangent"
            )
        return self._listed(low, f, step, uncertain, g.shape)

    def _listed(
        self, low: Array, f: Array, step: Array, uncertain: Array, shape: Shape
    ) -> Iterator[tuple[float, Cotangent]]:
        chances = f.flat[uncertain]
        for up in itertools.product((False, True), repeat=uncertain.size):
            out = low.copy()
            out.flat[uncertain] += step.flat[uncertain] * np.array(up, step.dtype)
            yield float(np.prod(np.where(up, chances, 1 - chances))), out.reshape(shape)

    def distortion(self, g: Any, node: Node | None = None) -> float:
        """E‖ĝ − g‖²: Σ h² f (1 − f), or Σ h²/12 with subtractive dither (Theory §9)."""
        g = as_cotangent(g)
        if self.bits == HALF_BITS:
            return half_distortion(g)
        whole = _whole(g)
        grids = self._grids(whole)
        if grids is None:
            return 0.0
        _, f, step = self._fractions(whole, grids)
        with np.errstate(over="ignore", under="ignore"):
            squares = np.square(step.astype(np.float64))
            return float((squares / 12).sum() if self.dither == "subtractive" else (squares * f * (1 - f)).sum())

    def rare(self, g: Any, level: float, node: Node | None = None) -> Array | None:
        g = as_cotangent(g)
        whole = _whole(g)
        grids = None if self.bits == HALF_BITS or self.dither == "subtractive" else self._grids(whole)
        if grids is None:
            return np.zeros_like(g)
        _, f, step = self._fractions(whole, grids)
        rest = np.where(f < level, f, np.where(1 - f < level, f - 1, 0)) * step  # above the likelier point, or below
        return rest.astype(g.dtype).reshape(g.shape)

    def kept(self, shape: Shape) -> Kept:
        if self.bits == HALF_BITS:
            return Kept(Half, bits=HALF_BITS)
        if self.bits is None:
            return Kept(RowGroups)
        rows, columns = matrix_shape(shape)
        scales = 2 * count_tiles(shape, TILES[self.axis](rows, columns))
        if self.allocation == "optimal":
            return Kept(RowGroups, bits=self.bits, scales=scales)
        fold = fold_of((rows, columns), TILES[self.axis](rows, columns))
        stored = math.ceil(rows / fold) * packed_width(fold * columns, self.bits)  # with what the last is filled up by
        return Kept(Quantised, bits=8 * stored / max(1, rows * columns), scales=scales)

    def overhead(self, shape: Shape) -> float:
        return 8.0 * math.prod(shape)  # two ends, the place on the grid, its fraction and threshold, and back

    def _arguments(self) -> list[str]:
        written = super()._arguments()
        return [f"distortion={self.relative_distortion!r}", *written[1:]] if self.bits is None else written

    def _grids(self, whole: Array) -> list[Grid] | None:
        """The grids of an array; None where it is to be handed on untouched."""
        if self.budget == 1 or not whole.size:
            return None
        tile = TILES[self.axis](*whole.shape)
        low, span = reach(whole, tile)
        if not np.isfinite(span).all():
            return None
        if self.ends != "range" and self.bits is not None:  # an odd number of points, with one at 0
            top = np.maximum(-low, low + span) if self.ends == "largest" else norms(whole, tile)
            half = top.dtype.type(2 ** (self.bits - 1) - 1)
            step = steps(top, float(half))
            return self._within([Grid(slice(None), -half * step, step, self.bits, tile)])
        bits = self._bits(whole, span)
        if isinstance(bits, int):
            return self._within([Grid(slice(None), low, steps(span, 2.0**bits - 1), bits, tile)]) if bits else None
        if not bits.any():
            return None
        found = []
        for some in np.unique(bits).tolist():
            rows = np.flatnonzero(bits == some)
            step = steps(span[rows], 2.0**some - 1) if some else span[rows]
            found.append(Grid(rows, low[rows], step, some, tile))
        return self._within(found)

    def _within(self, grids: list[Grid]) -> list[Grid] | None:
        """The grids; None where one of them, or what subtractive dither gives, reaches beyond all floats."""
        beyond = 0.5 if self.dither == "subtractive" else 0.0
        return grids if all(grid.is_finite(beyond) for grid in grids) else None

    def _bits(self, whole: Array, span: Array) -> int | Array:
        """The number of bits of all rows, or of each; 0 where they are to stay what they are."""
        if self.bits is not None and self.allocation == "equal":
            return self.bits
        if self.bits is not None:
            return np.maximum(1, optimal_bits(span[:, 0], self.bits * len(span), most=MOST_BITS))
        return fewest_bits(whole, span, self.relative_distortion or 0.0, self.dither, self.axis == "row")

    def _fractions(self, whole: Array, grids: list[Grid]) -> tuple[Array, Array, Array]:
        """For each entry the point of its grid below it, how far it is on from there in steps, and the step."""
        low, f, step = whole.copy(), np.zeros(whole.shape), np.zeros_like(whole)
        for grid in grids:
            if grid.bits:
                low[grid.rows], f[grid.rows], step[grid.rows] = grid.fractions(whole[grid.rows])
        return low, f, step


def _whole(g: Array) -> Array:
    """The array as a matrix, in a dtype in which it can be computed on."""
    return matrix(g if g.ndim else g.reshape(1)).astype(np.float32 if g.dtype == np.float16 else g.dtype, copy=False)
