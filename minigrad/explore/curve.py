"""Distortion against budget: the closed form, and the mean over draws."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minigrad.engine.estimator import Estimator
from minigrad.explore.choices import Choice
from minigrad.explore.subject import Subject
from minigrad.structure import dense
from minigrad.typing import Array

__all__ = ["BudgetCurve", "closed_form", "distortion_unit", "squared_error", "through"]

POINTS = 7
"""So many of the budgets are measured."""


@dataclass(frozen=True)
class BudgetCurve:
    """The distortion of an estimator at several budgets, relative to the squared norm of the cotangent.

    Attributes
    ----------
    budgets : ndarray, shape (K,)
    closed_form : ndarray, shape (K,), or None
        E‖Ĝ − G‖² / ‖G‖², where the estimator knows it.
    measured_budgets : ndarray, shape (N,)
        Some of the budgets.
    measured : ndarray, shape (N,)
        The mean over draws.
    standard_errors : ndarray, shape (N,)
    draws : int

    Examples
    --------
    >>> from minigrad.explore import Choice, example
    >>> from minigrad.estimators import Mask
    >>> curve = BudgetCurve.of(Subject(*example()), Choice.of(Mask(0.5)), [0.25, 0.5, 1.0], draws=50, key=0)
    >>> curve.closed_form.round(6).tolist(), curve.measured[-1].item()
    ([3.0, 1.0, 0.0], 0.0)
    """

    budgets: Array
    closed_form: Array | None
    measured_budgets: Array
    measured: Array
    standard_errors: Array
    draws: int

    @classmethod
    def of(cls, subject: Subject, choice: Choice, budgets: Sequence[float], draws: int, key: int) -> BudgetCurve:
        """Compute and measure it on one subject.

        Parameters
        ----------
        subject : Subject
        choice : Choice
            If it is not adjustable, its own budget is the only one.
        budgets : sequence of float
        draws : int
            At each measured budget; at least 2.
        key : int
            Of the draws.

        Returns
        -------
        BudgetCurve

        Raises
        ------
        ValueError
            If there is no budget, or one is outside (0, 1].
        """
        if not len(budgets) or not all(0 < p <= 1 for p in budgets):
            raise ValueError(f"explore: budgets={[float(p) for p in budgets]} must lie in (0, 1], and be at least one")
        levels = sorted({float(p) for p in budgets}) if choice.adjustable else [choice.make(1.0).budget]
        some = np.unique(np.linspace(0, len(levels) - 1, POINTS).round().astype(int))
        # Evenly on the logarithmic axis, as far as the budgets go.
        wanted = np.geomspace(levels[0], levels[-1], len(some))
        nearest = sorted({int(np.argmin(np.abs(np.log(np.array(levels) / p)))) for p in wanted})
        closed = [closed_form(subject, choice.make(p)) for p in levels]
        means, errors = [], []
        for k in nearest:
            squares = squared_errors(subject, choice.make(levels[k]), draws, key)
            means.append(float(squares.mean()))
            errors.append(float(squares.std(ddof=1)) / math.sqrt(draws))
        return cls(
            np.array(levels), None if None in closed else np.array(closed, float), np.array(levels)[nearest],
            np.array(means), np.array(errors), draws,
        )  # fmt: skip


def through(curve: BudgetCurve, budget: float, distortion: float | None) -> BudgetCurve:
    """The curve with its closed form at one more budget; that of an estimator with one budget alone stays."""
    if curve.closed_form is None or distortion is None or len(curve.budgets) < 2 or budget in curve.budgets:
        return curve
    at = int(np.searchsorted(curve.budgets, budget))
    closed = np.insert(curve.closed_form, at, distortion)
    return dataclasses.replace(curve, budgets=np.insert(curve.budgets, at, budget), closed_form=closed)


def distortion_unit(subject: Subject) -> float:
    """The unit of distortions: ‖G‖², or 1 where that is 0."""
    return float(np.square(subject.cotangent, dtype=np.float64).sum()) or 1.0


def closed_form(subject: Subject, estimator: Estimator) -> float | None:
    """E‖Ĝ − G‖² / ‖G‖², or None where the estimator knows no closed form."""
    try:
        return float(estimator.distortion(subject.cotangent, subject.node)) / distortion_unit(subject)
    except NotImplementedError:
        return None


def squared_errors(subject: Subject, estimator: Estimator, draws: int, key: int) -> Array:
    """‖Ĝ − G‖² / ‖G‖² of each draw."""
    scale = distortion_unit(subject)
    return np.array([squared_error(subject, dense(subject.draw(estimator, k, key))) / scale for k in range(draws)])


def squared_error(subject: Subject, drawn: Array) -> float:
    """‖Ĝ − G‖² of one draw."""
    return float(np.square(np.subtract(drawn, subject.cotangent, dtype=np.float64)).sum())
