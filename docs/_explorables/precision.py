"""A step's cost and its gradient's variance to begin with."""

from __future__ import annotations

from typing import Any

from minigrad import theory

VALUES = [0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
START = {"c0": 1.0, "c1": 4.0, "sigma2": 4.0, "b": 0.5}


def solved(c0: float, c1: float, sigma2: float, b: float) -> dict[str, Any]:
    """The best budget, the cost there over that of exact VJPs, and whether it is below 1."""
    advice = theory.optimal_budget(c0=c0, c1=c1, a=sigma2 - b, b=b)
    return {"budget": advice.budget, "ratio": advice.cost_ratio, "worth_it": advice.worth_it}


def numbers() -> dict[str, Any]:
    """What the sliders stop at, and where they begin."""
    return {"values": VALUES, "start": START, "solved": solved(**START)}
