"""Eight columns to begin with, and their best probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import theory

NORMS = [9.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0, 0.5]
KEPT = 4.0


def solved(norms: list[float], kept: float) -> dict[str, Any]:
    """The probabilities of columns with these norms, the level, and the distortions of them and of a uniform mask.

    Distortions are relative to the squared norm of all columns. The level is None where every column but those of
    norm 0 is kept.
    """
    weights = np.square(norms)
    p = theory.optimal_probabilities(weights, total=kept)
    free = (p > 0) & (p < 1)
    least = theory.minimal_distortion(weights, total=kept)
    return {
        "probabilities": p.tolist(),
        "level": float(np.asarray(norms)[free][0] / p[free][0]) if free.any() else None,
        "best": float(least / weights.sum()),
        "uniform": len(norms) / kept - 1,
    }


def numbers() -> dict[str, Any]:
    """The columns at the beginning, and what is best for them."""
    return {"norms": NORMS, "kept": KEPT, "solved": solved(NORMS, KEPT)}
