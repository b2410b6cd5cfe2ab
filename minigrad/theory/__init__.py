"""Closed forms: optimal probabilities, distortions, and the trade-off between epochs and cost per epoch."""

from minigrad.theory.designs import systematic_joint_probabilities
from minigrad.theory.distortion import cotangent_distortion, input_distortion, weight_distortion
from minigrad.theory.probabilities import minimal_distortion, optimal_probabilities

__all__ = [
    "cotangent_distortion",
    "input_distortion",
    "minimal_distortion",
    "optimal_probabilities",
    "systematic_joint_probabilities",
    "weight_distortion",
]
