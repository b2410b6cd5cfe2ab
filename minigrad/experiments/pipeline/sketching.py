"""Sketches of cotangents that are about to be sent."""

from __future__ import annotations

import numpy as np

from minigrad.engine.estimator import Estimator
from minigrad.structure import Cotangent, Structured
from minigrad.typing import Array

__all__ = ["sketched"]


def sketched(estimator: Estimator, g: Array, rng: np.random.Generator) -> Cotangent:
    """One draw of an estimator, in the dtype of the cotangent: what one adds to its digits is not worth sending.

    It sees no node, since what that saved is on another machine.

    Raises
    ------
    ValueError
        If the draw has another shape.

    Examples
    --------
    >>> from minigrad.estimators import StochasticRounding
    >>> sketched(StochasticRounding(4), np.ones((2, 6), np.float32), np.random.default_rng(0)).dtype
    dtype('float32')
    """
    drawn = estimator.sample(g, None, rng)
    if not isinstance(drawn, Structured):
        drawn = np.asarray(drawn)
    if drawn.shape != g.shape:
        raise ValueError(f"{estimator!r} returned a cotangent of shape {drawn.shape} for one of shape {g.shape}")
    return drawn if drawn.dtype == g.dtype else drawn.astype(g.dtype)
