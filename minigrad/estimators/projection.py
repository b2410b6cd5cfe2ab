"""Random projections of the columns: unbiased without looking at the cotangent."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine.estimator import LISTABLE_BITS, TooManyOutcomes
from minigrad.estimators.budgeted import Budgeted
from minigrad.estimators.named import check_budget, check_choice
from minigrad.estimators.text import register
from minigrad.structure import Cotangent, Factors, Kept, matrix_shape
from minigrad.theory.projections import Projection
from minigrad.typing import Array, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["RandomProjection"]


def _gaussian(m: int, r: int, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    return rng.standard_normal((m, r)) / math.sqrt(r)


def _rademacher(m: int, r: int, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    return (2.0 * rng.integers(2, size=(m, r)) - 1) / math.sqrt(r)


def _countsketch(m: int, r: int, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    omega = np.zeros((m, r))
    omega[np.arange(m), rng.integers(r, size=m)] = 2.0 * rng.integers(2, size=m) - 1
    return omega


def _orthogonal(m: int, r: int, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    # QR fixes the signs of the columns in its own way, so Ω is not quite Haar distributed; but they cancel in ΩΩᵀ.
    q, _ = np.linalg.qr(rng.standard_normal((m, r)))
    return q * math.sqrt(m / r)


KINDS: dict[str, Callable[..., Array]] = {
    "gaussian": _gaussian,
    "rademacher": _rademacher,
    "countsketch": _countsketch,
    "orthogonal": _orthogonal,
}


@register("projection", "random projection of the columns, for comparison")
@dataclass(frozen=True, repr=False)
class RandomProjection(Budgeted):
    """Ĝ = G Ω Ωᵀ with a random Ω of m rows and r columns, E ΩΩᵀ = I, and r = max(1, round(budget·m)).

    It needs no scores and no look at G, but it is never better than a uniform mask of the columns for G itself, and
    has to multiply by Ω: it is here to be compared with.

    Parameters
    ----------
    budget : float
        Width of the projection over the number m of columns, in (0, 1]; 1 is exact.
    kind : {"gaussian", "rademacher", "countsketch", "orthogonal"}, default "gaussian"
        Entries N(0, 1/r); entries ±1/√r; one ±1 in each row; √(m/r) times r random orthonormal columns.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], or the kind is unknown.

    Notes
    -----
    E‖Ĝ − G‖²/‖G‖² is (m+1)/r for Gaussian, (m−1)/r for Rademacher and CountSketch, m/r − 1 for orthogonal
    (Theory §2).

    Examples
    --------
    >>> RandomProjection(0.5, kind="orthogonal").distortion(np.ones((1, 4)))
    4.0
    >>> RandomProjection(0.5).sample(np.ones((3, 4)), None, np.random.default_rng(0))
    Factors(shape=(3, 4), dtype=float64, stored 3×2, 2×4)
    """

    budget: float = field()
    kind: Projection = "gaussian"

    def __post_init__(self) -> None:
        check_budget(self, self.budget)
        check_choice(self, "kind", self.kind, KINDS)

    def width(self, shape: Shape) -> int:
        """The number r of columns of Ω for a cotangent of this shape."""
        return max(1, round(self.budget * matrix_shape(shape)[1]))

    def _project(self, g: Array, omega: Array) -> Factors:
        omega = omega.astype(g.dtype, copy=False)
        return Factors(g.reshape(matrix_shape(g.shape)) @ omega, omega.T, g.shape)

    def _sample(self, g: Array, node: Node | None, rng: np.random.Generator) -> Cotangent:
        m = matrix_shape(g.shape)[1]
        return self._project(g, KINDS[self.kind](m, self.width(g.shape), rng, g.dtype))

    def _outcomes(self, g: Array, node: Node | None) -> Iterator[tuple[float, Cotangent]]:
        """Every Ĝ with its probability, for the kinds "rademacher" and "countsketch" of a small width."""
        if self.kind in ("gaussian", "orthogonal"):
            raise NotImplementedError(
                f"{self!r} has infinitely many outcomes; use draws, or kind='rademacher' or 'countsketch'"
            )
        m, r = matrix_shape(g.shape)[1], self.width(g.shape)
        if self.kind == "rademacher":
            rows = [np.array(signs) / math.sqrt(r) for signs in itertools.product((-1.0, 1.0), repeat=r)]
        else:
            rows = [sign * np.eye(r)[k] for k in range(r) for sign in (-1.0, 1.0)]
        # One sign of each row of Ω together with that of another row is all that matters, but not worth a special case.
        if m * math.log2(len(rows)) > LISTABLE_BITS:
            raise TooManyOutcomes(
                f"{self!r} has {len(rows)}^{m} outcomes here, too many to list; use draws or fewer columns"
            )
        for choice in itertools.product(rows, repeat=m):
            yield float(len(rows)) ** -m, self._project(g, np.array(choice))

    def _distortion(self, g: Array, node: Node | None) -> float:
        """E‖ĝ − g‖² (Theory §2)."""
        m, r = matrix_shape(g.shape)[1], self.width(g.shape)
        factor = {"gaussian": (m + 1) / r, "orthogonal": m / r - 1}.get(self.kind, (m - 1) / r)
        with np.errstate(over="ignore"):
            return factor * float(np.square(g.astype(np.float64)).sum()) if factor else 0.0

    def _rare(self, g: Array, level: float, node: Node | None) -> Array | None:
        return np.zeros_like(g)  # every draw shows a mixture of all columns

    def kept(self, shape: Shape) -> Kept:
        return Kept(Factors, self.width(shape) / max(1, min(matrix_shape(shape))))

    def overhead(self, shape: Shape) -> float:
        rows, columns = matrix_shape(shape)
        return 2.0 * rows * columns * self.width(shape)  # GΩ; the products with Ω are part of the VJP
