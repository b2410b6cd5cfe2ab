"""Pictures, each drawn on given Matplotlib Axes. Matplotlib is imported when the first is drawn."""

from minigrad.plot.convergence import curves
from minigrad.plot.noise import noise_by_node

__all__ = ["curves", "noise_by_node"]
