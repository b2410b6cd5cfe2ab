"""Inspection: what a tape holds and costs, measured without knowing any layer."""

from minigrad.inspect.cost import Cost, NodeCost, cost

__all__ = ["Cost", "NodeCost", "cost"]
