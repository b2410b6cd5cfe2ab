"""The pilot of a test of unbiasedness: the first draws, which say where to look and how rare what is kept may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.cotangents import Columns, Cotangent, Entries, Rows, dense
from minigrad.inspect.gradients import rows_of
from minigrad.inspect.leaves import Wanted
from minigrad.inspect.variance import draw_key
from minigrad.node import Node
from minigrad.sweep import draw
from minigrad.typing import Array

__all__ = ["Errors", "Kept", "pilot"]

COUNTED = 100
"""Draws in which it is counted what each node keeps."""


class Errors:
    """Mean and mean square of ĝ − g over draws, entry by entry.

    Sums are kept in the dtype of the gradients, in units of the largest entry of each tensor. A row that is not there
    (see `rows_of`) is off by −g, and only counted.

    Parameters
    ----------
    exact : sequence of ndarray
        g, one array for each tensor.

    Examples
    --------
    >>> errors = Errors([np.array([[1.0], [2.0]])])
    >>> errors.add([np.array([[1.5], [2.0]])])
    >>> errors.add([Rows(np.array([[2.5]]), np.array([0]), (2, 1))])
    >>> [a.tolist() for a in errors.moments()]
    [[1.0, -1.0], [1.25, 2.0]]
    """

    def __init__(self, exact: Sequence[Array]):
        dtypes = [np.result_type(g.dtype, np.float32) for g in exact]
        self.exact = [rows_of(g.astype(dtype))[1] for g, dtype in zip(exact, dtypes, strict=True)]
        self.sums = [np.zeros_like(g) for g in self.exact]
        self.squares = [np.zeros_like(g) for g in self.exact]
        self.seen = [np.zeros(len(g)) for g in self.exact]
        self.units = [0.0] * len(self.exact)
        self.draws = 0

    def add(self, gradient: Sequence[Cotangent]) -> None:
        """Take in one draw."""
        self.draws += 1
        for k, (g, of) in enumerate(zip(self.exact, gradient, strict=True)):
            at, rows = rows_of(of)
            if not self.units[k]:
                largest = max(float(np.abs(a).max(initial=0.0)) for a in (g, rows))
                self.units[k] = _unit(largest, g.dtype) if 0 < largest < np.inf else 0.0
            error = rows - g[at]
            error *= error.dtype.type(self.units[k])
            self.sums[k][at] += error
            np.square(error, out=error)
            self.squares[k][at] += error
            self.seen[k][at] += 1

    def moments(self) -> tuple[Array, Array]:
        """The mean and the mean square, all tensors in one float64 vector."""
        means, squares = [np.zeros(0)], [np.zeros(0)]
        for g, total, square, seen, unit in zip(
            self.exact, self.sums, self.squares, self.seen, self.units, strict=True
        ):
            size, lost = 1 / unit if unit else 1.0, (self.draws - seen)[:, None]
            means.append(np.ravel(total * size - lost * g.astype(np.float64)))
            squares.append(np.ravel(square * size * size + lost * np.square(g, dtype=np.float64)))
        return np.concatenate(means) / self.draws, np.concatenate(squares) / self.draws


class Kept:
    """How much of the cotangent the estimator of each node keeps, over draws of the whole sweep.

    Parameters
    ----------
    wanted : Wanted
    """

    def __init__(self, wanted: Wanted):
        self.wanted = wanted
        self.exact: dict[int, int] = {}
        self.draws = 0
        sweep = wanted.sweep()
        while (stop := sweep.advance()) is not None:
            node, g = stop
            self.exact[node.index] = int(np.count_nonzero(g))
            sweep.apply(node, [g] * len(node.parents))
        self.kept = dict.fromkeys(self.exact, 0.0)

    def add(self, node: Node, cotangents: Sequence[Cotangent]) -> None:
        """Take in what one draw left at a node, for each of its inputs."""
        edges = [edges[0] for _, edges in node.draws() if edges]
        least = min((_nonzero(cotangents[k]) for k in edges), default=self.exact[node.index])
        self.kept[node.index] += least / max(self.exact[node.index], 1)

    def smallest_share(self) -> float:
        """How often a mean unit is kept, at the node where that is rarest.

        At each random node: entries of the cotangent that are not 0 after its estimator, over those of the exact
        cotangent, as a mean over draws of the whole sweep; or its budget, or that of a residual sketch, where that is
        smaller.
        """
        shares = [self.wanted.least]
        for index, total in self.kept.items():
            if self.exact[index]:
                budgets = [estimator.budget for estimator, _ in self.wanted.tape.nodes[index].draws()]
                shares.append(min([total / self.draws, *budgets]))
        return min(shares)


def _unit(largest: float, dtype: np.dtype[Any]) -> float:
    """A power of 2 that brings ``largest`` near 1, and does not overflow."""
    limit = np.finfo(dtype).maxexp - 8
    return float(2.0 ** int(np.clip(-np.frexp(largest)[1], -limit, limit)))


def _nonzero(g: Cotangent) -> int:
    return int(np.count_nonzero(g.values if isinstance(g, (Columns, Rows, Entries)) else dense(g)))


def pilot(wanted: Wanted, exact: Sequence[Array], key: int, draws: int) -> tuple[Errors, Kept]:
    """Draw, and take in the errors and, in the first hundred draws, what each node keeps."""
    errors, kept = Errors(exact), Kept(wanted)
    for number in range(draws):
        number_key = draw_key(key, number)
        fresh = wanted.fresh(number_key)
        sweep = fresh.sweep()
        while (stop := sweep.advance()) is not None:
            cotangents = draw(*stop, number_key)
            if number < COUNTED:
                kept.add(stop[0], cotangents)
            sweep.apply(stop[0], cotangents)
        errors.add(fresh.gradient(sweep))
    kept.draws = min(draws, COUNTED)
    return errors, kept
