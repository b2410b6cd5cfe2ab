"""Pictures, each drawn on given Matplotlib Axes. Matplotlib is imported when the first is drawn."""

from typing import TYPE_CHECKING

from minigrad.naming import answering
from minigrad.plot.cost_curve import cost_by_budget
from minigrad.plot.distortion_curve import distortion_by_budget
from minigrad.plot.estimates import estimate_histogram, running_mean
from minigrad.plot.heatmap import cotangent_heatmap
from minigrad.plot.kept import kept_by_node
from minigrad.plot.measured_tradeoff import budget_tradeoff
from minigrad.plot.noise_bars import noise_by_node
from minigrad.plot.probability_bars import inclusion_probabilities
from minigrad.plot.showing import show
from minigrad.plot.tape_graph import tape_graph
from minigrad.plot.training_curves import curves

__all__ = [
    "budget_tradeoff",
    "cost_by_budget",
    "cotangent_heatmap",
    "curves",
    "distortion_by_budget",
    "estimate_histogram",
    "inclusion_probabilities",
    "kept_by_node",
    "noise_by_node",
    "running_mean",
    "show",
    "tape_graph",
]

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
