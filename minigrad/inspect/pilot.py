"""The pilot of a test of unbiasedness: the first draws, which say where to look and how rare what is kept may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from minigrad.engine.node import Node
from minigrad.engine.sweep import draw
from minigrad.inspect.gradients import rows_of
from minigrad.inspect.leaves import InspectionTarget
from minigrad.streams import Domain, child
from minigrad.structure import Columns, Cotangent, Entries, Rows, Slices, dense
from minigrad.typing import Array

__all__ = ["Errors", "KeptShares", "pilot"]

COUNTED = 100
"""Draws in which squares of errors are summed, and it is counted what each node keeps."""


SAME = 1024
"""Units in the last place by which sums over draws may differ though all draws were the same."""


class Errors:
    """The mean of ĝ − g over draws, entry by entry, and in the first hundred its mean square.

    Sums are kept in the dtype of the gradients. Rows that are not there (see `rows_of`) add −g, and are only counted.

    Parameters
    ----------
    exact : sequence of ndarray
        g, one array for each tensor.

    Examples
    --------
    >>> errors = Errors([np.array([[1.0], [2.0]])])
    >>> errors.add([np.array([[1.5], [2.0]])])
    >>> errors.add([Rows(np.array([[2.5]]), np.array([0]), (2, 1))])
    >>> [a.tolist() for a in errors.mean()], [a.tolist() for a in errors.mean_square()]
    ([[[1.0], [-1.0]]], [[[1.25], [2.0]]])
    """

    def __init__(self, exact: Sequence[Array]):
        dtypes = [np.result_type(g.dtype, np.float32) for g in exact]
        self._exact = [rows_of(g.astype(dtype))[1] for g, dtype in zip(exact, dtypes, strict=True)]
        self._shapes = [g.shape for g in exact]
        self._sums = [np.zeros_like(g) for g in self._exact]
        self._squares = [np.zeros_like(g) for g in self._exact]
        self._seen = [np.zeros((len(g), 1), g.dtype) for g in self._exact]
        self._first = [np.zeros_like(g) for g in self._exact]
        self._units = [0.0] * len(self._exact)
        self._draws = 0

    def add(self, gradient: Sequence[Cotangent]) -> None:
        """Take in one draw."""
        self._draws += 1
        for k, (g, of) in enumerate(zip(self._exact, gradient, strict=True)):
            at, rows = rows_of(of)
            there = slice(None) if at is None else at
            self._sums[k][there] += rows
            if self._draws > COUNTED:
                continue
            if not self._units[k]:
                self._units[k] = _unit(max(float(np.abs(a).max(initial=0.0)) for a in (g, rows)))
            error = rows - g[there]
            if self._units[k] != 1.0:
                error *= error.dtype.type(self._units[k])
            np.square(error, out=error)
            self._squares[k][there] += error
            self._seen[k][there] += 1
            if self._draws == COUNTED:
                self._first[k] = self._sums[k].copy()

    def still(self) -> list[Array]:
        """The error where it was the same in all draws, and 0 elsewhere, one array for each tensor."""
        return [np.where(same, error, 0) for same, error in self._same()]

    def _same(self) -> Iterator[tuple[Array, Array]]:
        """For each tensor, where all draws had the same error, and the mean error of the first hundred."""
        sums = self._first if self._draws > COUNTED else self._sums
        for first, g, mean, square in zip(sums, self._exact, self.mean(), self.mean_square(), strict=True):
            of = g.reshape(mean.shape).astype(np.float64)
            error = first.reshape(mean.shape).astype(np.float64) / min(self._draws, COUNTED) - of
            size = np.sqrt(square, dtype=np.float64)
            unit = SAME * float(np.finfo(g.dtype).eps) * (np.abs(of) + size)
            varied = square.astype(np.float64) - np.square(error) > unit * (size + unit)
            yield ~varied & (np.abs(mean - error) <= unit), error

    def mean(self) -> list[Array]:
        """The mean error, one array for each tensor."""
        found = [total / g.dtype.type(self._draws) - g for total, g in zip(self._sums, self._exact, strict=True)]
        return [part.reshape(shape) for part, shape in zip(found, self._shapes, strict=True)]

    def mean_square(self) -> list[Array]:
        """The mean square of the error, likewise."""
        draws = min(self._draws, COUNTED)
        found = []
        for g, square, seen, unit in zip(self._exact, self._squares, self._seen, self._units, strict=True):
            if unit not in (0.0, 1.0):  # in its own units it might not fit into the dtype
                g, square = g.astype(np.float64), square.astype(np.float64) / unit**2
            found.append((square + (draws - seen) * np.square(g)) / g.dtype.type(draws))
        return [part.reshape(shape) for part, shape in zip(found, self._shapes, strict=True)]


class KeptShares:
    """The share of the cotangent that the estimator of each node keeps, over draws of the whole sweep.

    Parameters
    ----------
    target : InspectionTarget
    """

    def __init__(self, target: InspectionTarget):
        self.target = target
        self.exact: dict[int, int] = {}
        self.draws = 0
        sweep = target.sweep()
        while (stop := sweep.advance()) is not None:
            node, g = stop
            self.exact[node.index] = int(np.count_nonzero(g))
            sweep.apply(node, [g] * len(node.parents))
        self.kept = dict.fromkeys(self.exact, 0.0)
        self.came = dict.fromkeys(self.exact, 0.0)

    def add(self, node: Node, g: Array, cotangents: Sequence[Cotangent]) -> None:
        """Take in what arrived at a node in one draw, and what that left there, for each of its inputs."""
        self.came[node.index] += int(np.count_nonzero(g)) / max(self.exact[node.index], 1)
        edges = [edges[0] for _, edges in node.draws() if edges]
        least = min((_nonzero(cotangents[k]) for k in edges), default=self.exact[node.index])
        self.kept[node.index] += least / max(self.exact[node.index], 1)

    def arrived(self, node: int) -> float:
        """The share of the entries that are not 0 which arrives at a node, as a mean over draws of the whole sweep."""
        return min(1.0, self.came.get(node, 0.0) / self.draws) if self.exact.get(node) else 1.0

    def left(self, node: int) -> float:
        """The share of them that its estimator leaves, likewise."""
        return min(1.0, self.kept.get(node, 0.0) / self.draws) if self.exact.get(node) else 1.0


def _unit(largest: float) -> float:
    """A factor for errors about as large as this that keeps their squares within float32; 0 where it cannot be told."""
    if not 0 < largest < np.inf:
        return 0.0
    return 1.0 if 1e-9 < largest < 1e9 else float(2.0 ** np.clip(-np.frexp(largest)[1], -120, 120))


def _nonzero(g: Cotangent) -> int:
    return int(np.count_nonzero(g.values if isinstance(g, (Columns, Rows, Slices, Entries)) else dense(g)))


def pilot(target: InspectionTarget, exact: Sequence[Array], key: int, draws: int) -> tuple[Errors, KeptShares]:
    """Draw, and take in the errors and, in the first hundred draws, what each node keeps."""
    errors, kept = Errors(exact), KeptShares(target)
    for number in range(draws):
        number_key = child(Domain.PILOT, key, number)
        fresh = target.fresh(number_key)
        sweep = fresh.sweep()
        while (stop := sweep.advance()) is not None:
            cotangents = draw(*stop, number_key)
            if number < COUNTED:
                kept.add(*stop, cotangents)
            sweep.apply(stop[0], cotangents)
        errors.add(fresh.gradient(sweep))
    kept.draws = min(draws, COUNTED)
    return errors, kept
