"""Closed forms: optimal probabilities, distortions, and the trade-off between epochs and cost per epoch.

Pure functions of arrays and numbers, computed in float64; they know nothing of tapes, nodes or layers. The proofs are
the chapters of docs/theory: by Theory §3 docstrings mean the third.
"""

from typing import TYPE_CHECKING

from minigrad.naming import answering
from minigrad.theory.bits import gain_of_optimal_bits, optimal_bits, rounding_step
from minigrad.theory.compounding import CompoundingNoise, DistortionCurve
from minigrad.theory.convergence import (
    descent_bound,
    quadratic_plateau,
    stationary_second_moment,
    step_size,
    steps_to_precision,
)
from minigrad.theory.direction_moments import difference_bias, directional_variances
from minigrad.theory.distortion import cotangent_distortion, input_distortion, weight_distortion
from minigrad.theory.effective_samples import defensive_mixture, effective_share, left_second_moment
from minigrad.theory.joint_probabilities import systematic_joint_probabilities
from minigrad.theory.least_probabilities import least_probabilities, minimal_cost
from minigrad.theory.price import (
    PriceAdvice,
    cost_of_precision,
    optimal_price,
    priced_probabilities,
    spent_at_price,
)
from minigrad.theory.price_of_samples import lognormal_samples_ratio, samples_ratio
from minigrad.theory.probabilities import minimal_distortion, optimal_probabilities
from minigrad.theory.shared_budgets import cheapest_budgets, shared_budgets
from minigrad.theory.tradeoff import BudgetAdvice, optimal_budget, total_cost

__all__ = [
    "BudgetAdvice",
    "CompoundingNoise",
    "DistortionCurve",
    "PriceAdvice",
    "cheapest_budgets",
    "cost_of_precision",
    "cotangent_distortion",
    "defensive_mixture",
    "descent_bound",
    "difference_bias",
    "directional_variances",
    "effective_share",
    "gain_of_optimal_bits",
    "input_distortion",
    "least_probabilities",
    "left_second_moment",
    "lognormal_samples_ratio",
    "minimal_cost",
    "minimal_distortion",
    "optimal_bits",
    "optimal_budget",
    "optimal_price",
    "optimal_probabilities",
    "priced_probabilities",
    "quadratic_plateau",
    "rounding_step",
    "samples_ratio",
    "shared_budgets",
    "spent_at_price",
    "stationary_second_moment",
    "step_size",
    "steps_to_precision",
    "systematic_joint_probabilities",
    "total_cost",
    "weight_distortion",
]

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
