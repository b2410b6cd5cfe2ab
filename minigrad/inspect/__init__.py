"""Inspection: what a tape holds, costs and how noisy it is, measured without knowing any layer."""

from minigrad.estimator import TooManyOutcomes
from minigrad.inspect.cost import Cost, NodeCost, cost
from minigrad.inspect.moments import ExactMoments, exact_moments
from minigrad.inspect.sparsity import NodeSparsity, Sparsity, sparsity
from minigrad.inspect.unbiasedness import Unbiasedness, unbiasedness
from minigrad.inspect.variance import Variance, variance

__all__ = [
    "Cost", "ExactMoments", "NodeCost", "NodeSparsity", "Sparsity", "TooManyOutcomes", "Unbiasedness", "Variance",
    "cost", "exact_moments", "sparsity", "unbiasedness", "variance",
]  # fmt: skip
