"""What the explorer shows, computed: one estimator at one budget on one node. Nothing is drawn here."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minigrad.engine.estimator import Estimator
from minigrad.estimators import parse
from minigrad.estimators.budget import states_budget
from minigrad.explore.choices import DEFAULT, Choice, own_budget
from minigrad.explore.curve import BudgetCurve, closed_form, through
from minigrad.explore.findings import Findings
from minigrad.explore.measure import ALONG, measure
from minigrad.explore.picture import SIZE, destination, draw
from minigrad.explore.subject import Subject
from minigrad.explore.units import units_of
from minigrad.plot.figure import new_figure
from minigrad.streams import key_of
from minigrad.typing import Seed

__all__ = ["BUDGETS", "Exploration"]

BUDGETS = tuple(k / 20 for k in range(1, 21))
"""0.05, 0.1, … 1: where the slider stops."""


@dataclass(frozen=True, repr=False)
class Exploration(Findings):
    """What an estimator does at a node: to the cotangent, in one draw and in many, and to a gradient below.

    All gradients are of the loss as it was recorded: under a mean over the batch they are those of the mean.

    Attributes
    ----------
    subject : Subject
    choice : Choice
    estimator : Estimator
        With the budget that was asked for.
    budget : float or None
        That budget; that of the estimator where it is fixed; None where it has none.
    number : int
        Which draw is shown, from 0.
    drawn : ndarray or structured cotangent
        That draw.
    unit : str
        What is kept or left out as one, such as ``"column"``; empty where nothing is.
    probabilities : ndarray or None
        The inclusion probability of each unit, where the estimator knows it; of shape (rows, columns) for entries.
    frequencies : ndarray
        The fraction of draws that kept each unit.
    kept : ndarray of bool
        Which units the draw that is shown kept.
    estimates : dict of str to Estimates
        ``"along the gradient"``: ⟨ĝ, g⟩/‖g‖ for the gradient g of the subject's tensor; ``"one entry"``: the entry that
        is largest in g.
    errors : ndarray, shape (draws,)
        ‖Ĝ − G‖² / ‖G‖² of the cotangent, for each draw.
    distortion : float or None
        Their expectation in closed form, where the estimator knows it.
    variance : float
        E‖ĝ − g‖² / ‖g‖² of the gradient, measured.
    curve : BudgetCurve
        The distortion at other budgets.
    key : int
        Of the draws.

    Examples
    --------
    >>> from minigrad.explore import Choice, example
    >>> from minigrad.estimators import Mask
    >>> exploration = Exploration.of(Subject(*example(), node=2), Mask(0.25), draws=500, rng=0)
    >>> round(exploration.distortion, 6)                                   # 1/0.25 - 1
    3.0
    >>> abs(exploration.measured - 3.0) < 0.2
    True
    >>> from matplotlib.figure import Figure                               # no window, no display
    >>> figure = exploration.plot(Figure(figsize=(12.8, 8)))
    >>> [ax.get_title() for ax in figure.axes[:2]]
    ['exact cotangent G = ∂ loss / ∂ output', 'draw 1 of Ĝ: 7 of 20 columns']
    """

    @classmethod
    def of(
        cls,
        subject: Subject,
        estimator: Choice | Estimator | str,
        budget: float | None = None,
        *,
        draws: int = 500,
        rng: Seed = None,
        budgets: Sequence[float] = BUDGETS,
        number: int = 0,
        curve: BudgetCurve | None = None,
    ) -> Exploration:
        """Draw from an estimator at a node, and measure.

        Parameters
        ----------
        subject : Subject
        estimator : Choice, Estimator, str or callable
            As `Choice.of` takes it.
        budget : float, optional
            In (0, 1]. Default: that of the estimator, or 0.25.
        draws : int, default 500
            At least 2.
        rng : Generator, int or None
        budgets : sequence of float
            Those of the curve.
        number : int, default 0
            Which draw is shown, below ``draws``.
        curve : BudgetCurve, optional
            If it is known already.

        Returns
        -------
        Exploration

        Raises
        ------
        ValueError
            If there are fewer than two draws, or the number is not one of theirs.
        """
        given = parse(estimator, budget=DEFAULT) if isinstance(estimator, str) else estimator
        choice = given if isinstance(given, Choice) else Choice.of(given)
        if budget is None:
            budget = own_budget(given)
        key, made = key_of(rng), choice.make(budget)
        found = measure(subject, made, draws, key)
        distortion = closed_form(subject, made)
        known = BudgetCurve.of(subject, choice, budgets, max(2, draws // 5), key) if curve is None else curve
        exploration = cls(
            subject=subject,
            choice=choice,
            estimator=made,
            budget=made.budget if states_budget(made) else budget if choice.adjustable else None,
            number=0,
            drawn=found.first,
            unit=found.units.name,
            probabilities=found.units.probabilities,
            frequencies=found.frequencies,
            kept=found.units.kept(found.first),
            estimates=found.estimates,
            errors=found.errors,
            distortion=distortion,
            variance=found.variance,
            curve=through(known, made.budget, distortion),
            key=key,
        )
        return exploration.show_draw(number) if number else exploration

    def show_draw(self, number: int) -> Exploration:
        """The same with another draw shown.

        Parameters
        ----------
        number : int
            From 0 to below the number of draws.

        Returns
        -------
        Exploration

        Raises
        ------
        ValueError
            If there is no such draw.
        """
        if not 0 <= number < self.draws:
            raise ValueError(f"number={number}: the draws are numbered from 0 to {self.draws - 1}")
        drawn = self.subject.draw(self.estimator, number, self.key)
        first = self.subject.draw(self.estimator, 0, self.key)  # which told what the units are
        units = units_of(self.estimator, self.subject.cotangent, self.subject.node, first)
        return dataclasses.replace(self, number=number, drawn=drawn, kept=units.kept(drawn))

    def plot(self, figure: Any = None, view: str = ALONG) -> Any:
        """Draw all of it as six pictures.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, optional
            Default: a new one.
        view : {"along the gradient", "one entry"}
            Which number's draws are shown.

        Returns
        -------
        matplotlib Figure or SubFigure
        """
        return draw(self, figure, view)

    def save(self, path: str | Path) -> Path:
        """Write the six pictures to a file; needs no display.

        Parameters
        ----------
        path : str or Path
            Its ending says which format: .png, .svg, .pdf; without one, .png is added.

        Returns
        -------
        Path
            The file that was written.

        Raises
        ------
        ValueError
            If the format is unknown.
        OSError
            If the file cannot be written, or is a folder.
        """
        path = destination(path)
        figure = self.plot(new_figure(figsize=SIZE))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=100)
        return path
