"""The atoms of a mask, which it keeps or drops one by one, seen through a linear map, and their distortion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from minigrad.theory.joint_probabilities import arc_starts, overlaps
from minigrad.typing import Array

__all__ = ["Atoms", "entry_blocks", "masked", "one_block"]


class Atoms(NamedTuple):
    """The parts that a mask keeps or drops one by one, seen through a linear map.

    ``squares`` are the squared norms of their images. ``blocks`` are pairs (indices, Gram matrix of the
    images), one for each group of atoms whose images need not be orthogonal; images of different groups are.
    """

    squares: Array
    blocks: Iterator[tuple[Array, Array]] = iter(())


def masked(atoms: Atoms, p: ArrayLike | None, kind: str, shape: tuple[int, ...], design: str) -> float:
    """Σ_ab (p_ab/(p_a p_b) − 1) ⟨image of a, image of b⟩, where p_aa = p_a."""
    q = _probabilities(p, kind, shape, atoms.squares)
    seen = q > 0.0
    total = float(np.sum(atoms.squares[seen] * (1.0 - q[seen]) / q[seen]))
    if design == "systematic":
        start = arc_starts(q)
        for index, gram in atoms.blocks:
            kept = index[seen[index]]
            inner = gram[np.ix_(seen[index], seen[index])]
            excess = overlaps(start[kept], q[kept]) / np.outer(q[kept], q[kept]) - 1.0
            np.fill_diagonal(excess, 0.0)  # the diagonal is `total` already
            total += float(np.sum(excess * inner))
    return total


def one_block(left: Array, right: Array) -> Iterator[tuple[Array, Array]]:
    """Images left_a ⊗ right_a: their inner products are ⟨left_a, left_b⟩⟨right_a, right_b⟩."""
    yield np.arange(left.shape[0]), (left @ left.T) * (right @ right.T)


def entry_blocks(G: Array, W: Array, order: Array | None = None) -> Iterator[tuple[Array, Array]]:
    """The image of entry (i, j) is g_ij W_j in row i, so only the entries of one row meet."""
    order = np.arange(G.size).reshape(G.shape) if order is None else order
    gram = W @ W.T
    for index, row in zip(order, G, strict=True):
        yield index, np.outer(row, row) * gram


def _probabilities(p: ArrayLike | None, kind: str, shape: tuple[int, ...], squares: Array) -> Array:
    q = np.asarray(p, dtype=np.float64)
    if q.ndim and q.shape != shape:
        raise ValueError(f"kind={kind!r} takes a scalar p or one of shape {shape}, not {q.shape}.")
    q = np.broadcast_to(q, shape).ravel()
    if not (q.size == 0 or (q.min() >= 0.0 and q.max() <= 1.0)):
        raise ValueError(f"p must be in [0, 1]: probabilities; got {q.min():.3g} to {q.max():.3g}.")
    never = (q == 0.0) & (squares > 0.0)
    if never.any():
        raise ValueError(
            f"p is 0 at {kind} {int(np.flatnonzero(never)[0])}, which is not 0: what is never kept makes the "
            "estimate biased, and no probability of the others mends it. Give it a positive p."
        )
    return q
