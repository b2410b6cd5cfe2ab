"""Inspection: what a tape holds, costs and how noisy it is, measured without knowing any layer."""

from typing import TYPE_CHECKING

from minigrad.engine.estimator import TooManyOutcomes
from minigrad.inspect.advice import advise
from minigrad.inspect.advice_report import Advice, Candidate
from minigrad.inspect.allocation import Allocation, allocate
from minigrad.inspect.budget_tradeoff import tradeoff
from minigrad.inspect.budget_tradeoff_report import BudgetTradeoff
from minigrad.inspect.cost import cost
from minigrad.inspect.cost_report import Cost, NodeCost
from minigrad.inspect.edge_seconds import Seconds
from minigrad.inspect.error_gains import error_gains
from minigrad.inspect.gains_report import AtPrice, ErrorGains
from minigrad.inspect.moments import ExactMoments, exact_moments
from minigrad.inspect.noise import GradientNoise, gradient_noise
from minigrad.inspect.priced_edges import Edge
from minigrad.inspect.sparsity import NodeSparsity, Sparsity, sparsity
from minigrad.inspect.unbiasedness import Unbiasedness, unbiasedness
from minigrad.inspect.variance import variance
from minigrad.inspect.variance_report import Variance
from minigrad.naming import answering

__all__ = [
    "Advice", "Allocation", "AtPrice", "BudgetTradeoff", "Candidate", "Cost", "Edge", "ErrorGains", "ExactMoments",
    "GradientNoise", "NodeCost", "NodeSparsity", "Seconds", "Sparsity", "TooManyOutcomes", "Unbiasedness", "Variance",
    "advise", "allocate", "cost", "error_gains", "exact_moments", "gradient_noise", "sparsity", "tradeoff",
    "unbiasedness", "variance",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
