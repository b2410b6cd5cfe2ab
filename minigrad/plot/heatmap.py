"""The heat map of a cotangent, dense or structured."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.style import axes_or_new
from minigrad.structure import Columns, Cotangent, Entries, Rows, Slices, Structured, dense, matrix_shape
from minigrad.typing import Array

__all__ = ["cotangent_heatmap", "not_held"]

COLOUR_MAP = "cividis"
"""From dark blue over grey to yellow: its lightness rises all the way, so the sign can be read in grey, and by
everyone (Nuñez, Anderton, Renslow 2018, PLOS ONE 13(7))."""


def cotangent_heatmap(
    g: Cotangent,
    ax: Any = None,
    *,
    limit: float | None = None,
    colorbar: bool = True,
    title: str = "",
    left_out: ArrayLike | None = None,
) -> Any:
    """Draw a cotangent as a matrix, rows by columns; what a structured one left out is white and hatched.

    Parameters
    ----------
    g : ndarray or structured cotangent, shape (..., columns)
        All axes but the last are rows. With more than two axes a line parts the samples.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    limit : float, optional
        The colours run from −limit to limit; default: the largest absolute entry. Where entries are beyond it, the
        colour bar ends in arrows.
    colorbar : bool, default True
    title : str
    left_out : array_like of bool, shape (rows, columns), optional
        What else is to be white and hatched, in a cotangent that does not say so itself.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If the cotangent has no entry.

    Notes
    -----
    Dark is negative and bright positive, in colour and in grey. Entries that are not finite are blank as well.

    Examples
    --------
    >>> from minigrad.estimators import Mask
    >>> g = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
    >>> ax = cotangent_heatmap(Mask(0.5).sample(g, None, np.random.default_rng(0)))
    >>> print(ax.images[0].get_array())
    [[-- -4.0 6.0]
     [-- 10.0 -12.0]]
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    from matplotlib.patches import Rectangle

    values = np.asarray(dense(g))
    if not values.size:
        raise ValueError(
            f"cotangent_heatmap: a cotangent of shape {values.shape} has no entry; there is nothing to draw"
        )
    ax = axes_or_new(ax)
    rows, columns = matrix_shape(values.shape)
    matrix = values.reshape(rows, columns).astype(np.float64)
    empty = not_held(g) if left_out is None else not_held(g) | np.asarray(left_out, bool)
    matrix = np.ma.array(matrix, mask=empty | ~np.isfinite(matrix))
    if limit is None:
        limit = float(np.abs(matrix).max()) if matrix.count() else 0.0
    limit = limit or 1.0
    ground = Rectangle((-0.5, -0.5), columns, rows, facecolor="white", edgecolor="0.75", hatch="////", linewidth=0)
    ax.add_patch(ground)
    image = ax.imshow(
        matrix, cmap=COLOUR_MAP, vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest", zorder=1
    )
    tokens = math.prod(values.shape[1:-1])
    if values.ndim > 2 and tokens > 1:
        ax.hlines(np.arange(tokens, rows, tokens) - 0.5, -0.5, columns - 0.5, color="white", linewidth=1.2, zorder=2)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="column (feature)", ylabel="row" if values.ndim < 3 else "row (a line parts samples)", title=title)
    if colorbar:
        low, high = bool((matrix < -limit).any()), bool((matrix > limit).any())
        extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((low, high), "neither")
        ax.figure.colorbar(image, ax=ax, extend=extend, label="∂ loss / ∂ output")
    return ax


def not_held(g: Cotangent) -> Array:
    """Find the entries of a cotangent, as a matrix, that are zero because a structure does not hold them.

    Examples
    --------
    >>> not_held(Columns(np.ones((2, 1)), np.array([1]), (2, 3))).tolist()
    [[True, False, True], [True, False, True]]
    """
    shape = matrix_shape(np.shape(g) if not isinstance(g, Structured) else g.shape)
    if not isinstance(g, (Columns, Rows, Slices, Entries)):
        return np.zeros(shape, bool)
    ones = np.ones(g.values.shape, bool)
    kept = g.holding(ones).dense() if isinstance(g, Slices) else type(g)(ones, g.indices, g.shape).dense()
    return ~kept.reshape(shape)
