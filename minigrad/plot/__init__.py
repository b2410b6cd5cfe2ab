"""Pictures, each drawn on given Matplotlib Axes. Matplotlib is imported when the first is drawn."""

from minigrad.plot.advice import budget_tradeoff
from minigrad.plot.convergence import curves
from minigrad.plot.distortion import distortion_by_budget
from minigrad.plot.estimates import estimate_histogram, running_mean
from minigrad.plot.heatmap import cotangent_heatmap
from minigrad.plot.kept import kept_by_node
from minigrad.plot.noise import noise_by_node
from minigrad.plot.probabilities import inclusion_probabilities
from minigrad.plot.tradeoff import cost_by_budget

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
]
