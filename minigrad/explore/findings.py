"""What an exploration found, as numbers, as a table and as data; `Exploration` finds and draws it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from minigrad.engine.estimator import Estimator
from minigrad.explore.choices import Choice
from minigrad.explore.curve import BudgetCurve
from minigrad.explore.measure import Estimates
from minigrad.explore.subject import Subject
from minigrad.report import Report, Table
from minigrad.structure import Cotangent
from minigrad.typing import Array

__all__ = ["Findings"]


@dataclass(frozen=True, repr=False)
class Findings(Report):
    """The fields of `minigrad.explore.Exploration`, which says what they are."""

    subject: Subject
    choice: Choice
    estimator: Estimator
    budget: float | None
    number: int
    drawn: Cotangent
    unit: str
    probabilities: Array | None
    frequencies: Array
    kept: Array
    estimates: dict[str, Estimates]
    errors: Array
    distortion: float | None
    variance: float
    curve: BudgetCurve
    key: int

    @property
    def draws(self) -> int:
        """How many draws were made."""
        return int(self.errors.size)

    @property
    def measured(self) -> float:
        """The mean of ``errors``."""
        return float(self.errors.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of ``measured``."""
        return float(self.errors.std(ddof=1)) / math.sqrt(self.draws)

    def table(self) -> Table:
        """The report as a table."""
        error = [self.distortion, self.measured, self.standard_error]
        rows: list[list[Any]] = [
            ["cotangent: E‖Ĝ − G‖² / ‖G‖²", *error],
            *([e.label, e.exact, e.mean, e.standard_error] for e in self.estimates.values()),
        ]
        subject, estimator = self.subject, self.estimator
        notes = [f"gradient of {subject.name}: E‖ĝ − g‖² / ‖g‖² = {self.variance:.4g}, measured"]
        if not estimator.unbiased:
            notes.append("biased on purpose: the means need not come to the exact values, and errors are no variances")
        if self.unit and not self.frequencies.any():
            notes.append(
                "no draw kept anything: means and errors of so few draws say nothing; raise the budget, or draws"
            )
        title = f"{estimator!r} at node {subject.node.index} ({subject.node.label}), {self.draws} draws"
        return Table(["", "exact", "mean", "± s.e."], rows, title, notes)

    def data(self) -> dict[str, Any]:
        """The figures, and of each number that was estimated its mean and error, not the draws."""
        return {
            "estimator": repr(self.estimator),
            "budget": self.budget,
            "node": self.subject.node.index,
            "tensor": self.subject.name,
            "draws": self.draws,
            "unit": self.unit,
            "probabilities": self.probabilities,
            "frequencies": self.frequencies,
            "distortion": self.distortion,
            "measured": self.measured,
            "standard_error": self.standard_error,
            "variance": self.variance,
            "estimates": {
                name: {"label": e.label, "exact": e.exact, "mean": e.mean, "standard_error": e.standard_error}
                for name, e in self.estimates.items()
            },
            "curve": self.curve,
        }
