"""Experiments: methods side by side, on the same data, from the same beginnings."""

from minigrad.experiments.compare import compare
from minigrad.experiments.comparison import Comparison
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.equal_cost import EqualCost, equal_cost
from minigrad.experiments.method import Method
from minigrad.experiments.run import Run, train
from minigrad.experiments.study import PRESETS, Study
from minigrad.experiments.study_result import StudyResult
from minigrad.experiments.study_runs import reproduce

__all__ = [
    "PRESETS",
    "Comparison",
    "Configuration",
    "EqualCost",
    "Method",
    "Run",
    "Study",
    "StudyResult",
    "compare",
    "equal_cost",
    "reproduce",
    "train",
]
