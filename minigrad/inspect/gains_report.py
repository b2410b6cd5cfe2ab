"""The report on error gains: what an error at each edge makes of the gradient, and the price that follows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from minigrad.engine.estimator import Estimator
from minigrad.inspect.edge_seconds import Seconds
from minigrad.inspect.priced_edges import Edge
from minigrad.inspect.priced_estimators import Draws, PricedEdge, check_draws, estimators_for
from minigrad.nn.module import Module
from minigrad.report import Report, Table
from minigrad.theory.price import optimal_price, spent_at_price
from minigrad.typing import Array

__all__ = ["AtPrice", "ErrorGains"]

TINY = 1e-12
"""The least gain of an edge, over the largest: on one that nothing hangs on it would be 0."""


@dataclass(frozen=True)
class AtPrice:
    """The expected cost and noise of a step at a price.

    Attributes
    ----------
    tau : float
    kept : dict of str to float
        By edge (`Edge.name`) the share of its rows; 1 for an edge that is left exact, as it does not pay.
    variance : dict of str to float
        By edge, the variance that it adds to the gradient.
    cost : float
        F + B, of a step.
    ratio : float
        J, the cost to reach a precision over that of exact VJPs.

    Examples
    --------
    >>> from minigrad import datasets, inspect, nn
    >>> data, model = datasets.digits().flat(), nn.mlp((64, 64, 10), rng=0)
    >>> gains = inspect.error_gains(model, data, batch_size=64, rng=0)
    >>> at = gains.at(0.01)
    >>> at.kept["2/x"] < 1, at.added > 0, gains.at(0.0).ratio
    (True, True, 1.0)
    """

    tau: float
    kept: dict[str, float]
    variance: dict[str, float]
    cost: float
    ratio: float

    @property
    def added(self) -> float:
        """V, the sum of the variances."""
        return math.fsum(self.variance.values())


@dataclass(frozen=True, repr=False)
class ErrorGains(Report):
    """Error gains of the edges of a network, and what they were measured with.

    Attributes
    ----------
    edges : tuple of Edge
        From the input to the loss.
    gains : dict of str to float
        A, by `Edge.name`: the variance of the gradient for a unit of distortion on an edge to something computed; 1 on
        edges to weights, where a row counts by ‖G_i‖²‖X_i‖².
    gain_errors : dict of str to float
        Their standard errors over batches; NaN where one batch told it, 0 on edges to weights.
    method : {"pilot", "chain"}
    minibatch, minibatch_error : float
        σ² of the exact gradient on batches, and its standard error.
    step : float
        What a step with exact VJPs costs, forward and backward.
    seconds : Seconds or None
        What was timed, where costs are seconds; None where they are operations.
    batch_size, batches : int
    spent : (float, float)
        Operations of the measurement itself, forward and backward.
    scores : tuple of ndarray
        For each edge the squared contributions of all rows of all batches as they arrived, without gains.

    Examples
    --------
    >>> from minigrad import datasets, inspect, nn, optim, training
    >>> data, model = datasets.digits().flat(), nn.mlp((64, 64, 64, 10), rng=0)
    >>> optimizer = optim.SGD(model, lr=0.2)
    >>> history = training.fit(model, data, optimizer=optimizer, epochs=6, batch_size=64, rng=0, progress=False)
    >>> gains = inspect.error_gains(model, data, batch_size=64, rng=0)
    >>> list(gains.gains)
    ['0/w', '2/x', '2/w', '4/x', '4/w']
    >>> 0.5 < gains.best.ratio < 0.8
    True
    >>> gains.set_on(model)
    ['0', '2', '4']
    """

    edges: tuple[Edge, ...]
    gains: dict[str, float]
    gain_errors: dict[str, float]
    method: Literal["pilot", "chain"]
    minibatch: float
    minibatch_error: float
    step: float
    seconds: Seconds | None
    batch_size: int
    batches: int
    spent: tuple[float, float]
    scores: tuple[Array, ...] = field(repr=False)

    @property
    def best(self) -> AtPrice:
        """The price for which J is least, and what is expected at it."""
        return self.at(self.optimum())

    def optimum(self) -> float:
        """τ of the least J; an edge whose sketch costs more than it is worth is left exact."""
        paying = self.edges
        tau = 0.0
        for _ in range(3):
            v, c, fixed = self._problem(paying)
            if not v.size or not self.minibatch > 0 or not np.isfinite(v).all():
                return 0.0
            tau = optimal_price(v, self.minibatch, fixed, c).tau
            left = self.paying(tau)
            if left == paying:
                break
            paying = left
        return tau

    def paying(self, tau: float) -> tuple[Edge, ...]:
        """The edges on which a sketch at a price adds less variance than what it spares is worth."""
        found = []
        for edge in self.edges:
            kept, added = self._spent(edge, tau)
            if added < tau**2 * (edge.exact - edge.cost * kept - edge.overhead):
                found.append(edge)
        return tuple(found)

    def at(self, tau: float) -> AtPrice:
        """The expected cost and noise with every edge at one price, by the rows that arrived in the measurement.

        Parameters
        ----------
        tau : float
            The root of the price; 0 is exact.
        """
        kept, added = dict.fromkeys(self.gains, 1.0), dict.fromkeys(self.gains, 0.0)
        cost = self.step
        for edge in self.paying(tau) if tau > 0 else ():
            rows, added[edge.name] = self._spent(edge, tau)
            kept[edge.name] = rows / edge.rows
            cost += edge.overhead + edge.cost * rows - edge.exact
        total = math.fsum(added.values())
        precision = 1 + total / self.minibatch if self.minibatch > 0 else math.inf if total else 1.0
        return AtPrice(tau, kept, added, cost, precision * cost / self.step)

    def estimators(
        self, tau: float | None = None, least: float = 0.01, draws: Draws = "edge"
    ) -> dict[str, Estimator | dict[str, Estimator]]:
        """The estimators of the edges that pay, by layer: what ``vjp=`` takes.

        Parameters
        ----------
        tau : float, optional
            The root of the price; default: the best.
        least : float, default 0.01
            At least this fraction of the rows that are not zero is kept.
        draws : {"edge", "node"}, default "edge"
            A draw for each edge, for which `best` and `at` hold; or one for both edges of a layer, which takes less
            time. One draw keeps the same rows for both products, and which of the two is better hangs on the network.
        """
        check_draws("estimators", draws)
        tau = self.optimum() if tau is None else float(tau)
        return estimators_for(self.priced(tau), tau, least, draws)

    def set_on(self, model: Module, tau: float | None = None, least: float = 0.01, draws: Draws = "edge") -> list[str]:
        """Put `estimators` on the layers of a model, and return the paths of those that have one.

        The other layers that were measured become exact.
        """
        modules: dict[str, Any] = dict(model.named_modules())
        chosen = self.estimators(tau, least, draws)
        for path in dict.fromkeys(edge.layer for edge in self.edges):
            modules[path].vjp = chosen.get(path)
        return list(chosen)

    def priced(self, tau: float) -> list[PricedEdge]:
        """The edges that pay at a price, with what their estimators are told."""
        return [
            PricedEdge(e.layer, e.input, e.kind == "weight", self.gain(e), e.cost, e.exact - e.overhead)
            for e in (self.paying(tau) if tau > 0 else ())
        ]

    def gain(self, edge: Edge) -> float:
        """A of an edge, above 0."""
        most = max(self.gains.values(), default=1.0)
        return max(self.gains[edge.name], TINY * most, 1e-300) if edge.kind == "input" else 1.0

    def _spent(self, edge: Edge, tau: float) -> tuple[float, float]:
        """Rows kept, and variance added, by one edge at a price."""
        scores = self.scores[self.edges.index(edge)]
        if not tau > 0:
            return float(edge.rows), 0.0
        rows, added = spent_at_price(scores * (self.gain(edge) / edge.cost), tau)
        return rows / self.batches, added * edge.cost / self.batches

    def _problem(self, paying: tuple[Edge, ...]) -> tuple[Array, Array, float]:
        """Contributions and costs of all rows, and what no sketch lowers."""
        places = [self.edges.index(edge) for edge in paying]
        v = [self.scores[k] * (self.gain(edge) / self.batches) for k, edge in zip(places, paying, strict=True)]
        c = [np.full(self.scores[k].size, edge.cost / self.batches) for k, edge in zip(places, paying, strict=True)]
        fixed = self.step + sum(edge.overhead - edge.exact for edge in paying)
        return np.concatenate([np.zeros(0), *v]), np.concatenate([np.zeros(0), *c]), fixed

    def table(self) -> Table:
        """The report as a table: by layer, at the best price."""
        return price_table(self, self.best)


def price_table(gains: ErrorGains, at: AtPrice) -> Table:
    """By layer the gain, what is kept of ∂X and ∂W, and the share of the noise, at a price."""
    rows: list[list[Any]] = []
    total = at.added or 1.0
    for layer in dict.fromkeys(edge.layer for edge in gains.edges):
        own = [edge for edge in gains.edges if edge.layer == layer]
        errors = [edge for edge in own if edge.kind == "input"]
        shown = ", ".join(f"{gains.gains[e.name]:.3g} ± {gains.gain_errors[e.name]:.1g}" for e in errors)
        kept = [
            ", ".join(f"{at.kept[e.name]:.2f}" for e in own if e.kind == kind) or "–" for kind in ("input", "weight")
        ]
        noise = 100 * math.fsum(at.variance[e.name] for e in own) / total
        rows.append([layer, shown or "–", *kept, f"{noise:.1f}"])
    notes = [
        f"price τ² = {at.tau**2:.3g}; J = {at.ratio:.3f}, the cost to a precision over that of exact VJPs",
        f"V/σ² = {at.added / gains.minibatch if gains.minibatch else math.nan:.3g}; "
        f"{'operations' if gains.seconds is None else 'seconds'} of a step over exact: {at.cost / gains.step:.3f}",
        f"± s.e. over {gains.batches} batches of {gains.batch_size}; gains by {gains.method}",
    ]
    return Table(["layer", "error gain", "∂X kept", "∂W kept", "noise / %"], rows, "one price for every edge", notes)
