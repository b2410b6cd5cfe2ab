"""Extras: what is not needed to use the rest, and what the rest does not know of."""

from typing import TYPE_CHECKING

from minigrad.extras.equal_cost import EqualCost, equal_cost
from minigrad.extras.tape_graph import tape_graph
from minigrad.naming import answering

__all__ = ["EqualCost", "equal_cost", "tape_graph"]

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
