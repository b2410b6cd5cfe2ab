"""The estimators of priced edges: what stands on each layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from minigrad.engine.estimator import Estimator
from minigrad.estimators import Priced
from minigrad.naming import unknown

__all__ = ["Draws", "PricedEdge", "check_draws", "estimators_for"]

Draws: TypeAlias = Literal["edge", "node"]
"""A draw for each edge; or one for both edges of a layer, which takes less time."""


@dataclass(frozen=True)
class PricedEdge:
    """An edge that pays, and what its estimator is told.

    Attributes
    ----------
    layer, input : str
    weight : bool
        Whether it is an edge to a weight.
    gain, cost : float
    spared : float
        The exact cost less that of the choice of rows.
    """

    layer: str
    input: str
    weight: bool
    gain: float
    cost: float
    spared: float


def check_draws(who: str, draws: Any) -> None:
    """Raise ValueError if this is no way to draw."""
    if draws not in get_args(Draws):
        raise ValueError(f"{who}: {unknown('draws', draws, get_args(Draws))}")


def estimators_for(
    edges: Iterable[PricedEdge], tau: float, least: float, draws: Draws
) -> dict[str, Estimator | dict[str, Estimator]]:
    """Estimators by layer, as ``vjp=`` takes them: one for each input, or one for both where both are priced.

    Examples
    --------
    >>> x, w = PricedEdge("0", "x", False, 9.0, 2.0, 20.0), PricedEdge("0", "w", True, 1.0, 2.0, 20.0)
    >>> estimators_for([x, w], 0.5, 0.01, "edge")["0"]
    {'x': Priced(0.5, gain=9.0, cost=2.0), 'w': Priced(0.5, target='weight', cost=2.0)}
    >>> estimators_for([x, w], 0.5, 0.01, "node")
    {'0': Priced(0.5, gain=9.0, target='both', cost=4.0)}
    """
    layers: dict[str, list[PricedEdge]] = {}
    for edge in edges:
        layers.setdefault(edge.layer, []).append(edge)
    found: dict[str, Estimator | dict[str, Estimator]] = {}
    for layer, own in layers.items():
        if draws == "node" and sorted(edge.weight for edge in own) == [False, True]:
            (gain,) = (edge.gain for edge in own if not edge.weight)
            found[layer] = Priced(tau, gain, target="both", cost=sum(edge.cost for edge in own), least=least)
        else:
            found[layer] = {
                e.input: Priced(tau, e.gain, target="weight" if e.weight else "cotangent", cost=e.cost, least=least)
                for e in own
            }
    return found
