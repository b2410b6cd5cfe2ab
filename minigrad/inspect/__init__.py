"""Inspection: what a tape holds, costs and how noisy it is, measured without knowing any layer."""

from minigrad.inspect.cost import Cost, NodeCost, cost
from minigrad.inspect.moments import ExactMoments, TooManyOutcomes, exact_moments
from minigrad.inspect.variance import Variance, variance

__all__ = ["Cost", "ExactMoments", "NodeCost", "TooManyOutcomes", "Variance", "cost", "exact_moments", "variance"]
