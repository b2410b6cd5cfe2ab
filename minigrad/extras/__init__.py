"""Extras: what is not needed to use the rest, and what the rest does not know of."""

from minigrad.extras.equal_cost import EqualCost, equal_cost
from minigrad.extras.tape_graph import tape_graph

__all__ = ["EqualCost", "equal_cost", "tape_graph"]
