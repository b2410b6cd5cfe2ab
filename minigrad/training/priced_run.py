"""The state of the prices of a run: the edges that are priced, and running averages."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from minigrad.engine.tape import Tape
from minigrad.inspect.gains_report import ErrorGains
from minigrad.inspect.priced_estimators import Draws, PricedEdge, estimators_for
from minigrad.nn.module import Module
from minigrad.structure import Rows

__all__ = ["Average", "PricedEdges"]


class Average:
    """An average in which what is older counts less, by a factor for each number; without a start value.

    Examples
    --------
    >>> average = Average(0.5)
    >>> average.empty
    True
    >>> average.add(1.0), average.add(4.0), average.value
    (None, None, 3.0)
    """

    def __init__(self, decay: float):
        self.decay = decay
        self.total = self.weight = 0.0

    def begin(self, value: float) -> None:
        """Forget all before, and take in a number."""
        self.total, self.weight = value, 1.0

    def add(self, value: float) -> None:
        """Take in a number."""
        self.total = self.decay * self.total + value
        self.weight = self.decay * self.weight + 1.0

    @property
    def empty(self) -> bool:
        """True if there was no number yet."""
        return self.weight == 0

    @property
    def value(self) -> float:
        """The average; 0 of none."""
        return self.total / self.weight if self.weight else 0.0


class PricedEdges:
    """The edges of a network that a price is put on.

    Parameters
    ----------
    edges : list of PricedEdge
    step : float
        The cost of an exact step.
    others : list of str
        Layers that were measured, and are exact.
    """

    def __init__(self, edges: list[PricedEdge], step: float, others: list[str] | None = None):
        self.edges, self.step, self.others = edges, step, others or []

    @classmethod
    def of(cls, gains: ErrorGains, tau: float) -> PricedEdges:
        """Those that pay at a price."""
        found = gains.priced(tau)
        paying = {edge.layer for edge in found}
        return cls(
            found, gains.step, [layer for layer in dict.fromkeys(e.layer for e in gains.edges) if layer not in paying]
        )

    def set_on(self, model: Module, tau: float, least: float, draws: Draws) -> None:
        """Put estimators of a price on the layers; those that do not pay become exact."""
        modules: dict[str, Any] = dict(model.named_modules())
        for layer in self.others:
            modules[layer].vjp = None
        for layer, vjp in estimators_for(self.edges, tau, least, draws).items():
            modules[layer].vjp = vjp

    def cost(self, tape: Tape) -> float:
        """The cost of a step, by what its backward pass kept; in the unit in which edges are priced."""
        priced = {(edge.layer, edge.input): edge for edge in self.edges}
        total = self.step - sum(edge.spared for edge in self.edges)
        for (index, k), share in tape.shares.items():
            node = tape.nodes[index]
            for position in node.draws()[k][1]:
                edge = priced.get((node.layer, node.primitive.edge_name(position)))
                if edge is not None:
                    total += edge.cost * share * Rows.count(node.shape)
        return total

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data; `from_dict` reads it."""
        return {"edges": [asdict(edge) for edge in self.edges], "step": self.step, "others": self.others}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PricedEdges:
        """The edges that `to_dict` wrote."""
        return cls([PricedEdge(**edge) for edge in data["edges"]], data["step"], list(data["others"]))
