"""An explorer: what an estimator does at one node of a tape, to look at and to play with.

`explore` opens a window with buttons and a slider; ``minigrad explore`` is the same from the command line.
What is shown is computed first, as an `Exploration`, and then drawn, so it can also be had without a window.
"""

from typing import TYPE_CHECKING

from minigrad.explore.choices import Choice
from minigrad.explore.curve import BudgetCurve
from minigrad.explore.example import example
from minigrad.explore.exploration import Exploration
from minigrad.explore.explorer import Explorer
from minigrad.explore.measure import Estimates
from minigrad.explore.opening import explore
from minigrad.explore.subject import Subject
from minigrad.explore.window import DisplayError
from minigrad.naming import answering

__all__ = [
    "BudgetCurve", "Choice", "DisplayError", "Estimates", "Exploration", "Explorer", "Subject", "example", "explore",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
