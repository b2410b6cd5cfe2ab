"""One price for every edge of a network while it is trained: found by itself, from the noise of the steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from minigrad.counts import MOST_BATCHES, MOST_STEPS, count
from minigrad.inspect.edge_seconds import Seconds
from minigrad.inspect.error_gains import GAINS_LAST, error_gains
from minigrad.inspect.gains_report import ErrorGains
from minigrad.inspect.gradients import squared_distances
from minigrad.inspect.priced_estimators import Draws, check_draws
from minigrad.naming import unknown
from minigrad.nn.sketch import Where
from minigrad.report import Table
from minigrad.structure import dense
from minigrad.training.priced_run import Average, PricedEdges
from minigrad.typing import Array

if TYPE_CHECKING:
    from minigrad.training.loop import Loop, Step

__all__ = ["OnePrice"]

PAIR = 4
"""Of so many steps the gradients of two, one after the other, are compared."""

EARLY = (50, 100)
"""Gains are measured before these steps, too, while nothing pays; a measurement takes as much as 11 to 20 steps."""

DRIFT = 0.05
"""Estimators are set anew when τ has moved by this part: the minimum of J is flat."""

WORTH = 0.98
"""Above this J all stays exact until gains are measured again."""

WORSE = 1.02
"""A price whose J is so much above the best is not that of the noise as it is now."""


class OnePrice:
    """Keep of every backward product the rows that are worth one price, the same in the whole network.

    Row i of an edge is kept with probability min(1, √(A‖G_i‖²/c)/τ), or √(‖G_i‖²‖X_i‖²/c)/τ on the edge to a weight,
    with c what a row costs and A the error gain of the edge (`minigrad.inspect.error_gains`). Gains are measured before
    the first step, after a fifth of ``every``, and every so many steps; while nothing pays, also after 50 and 100, so
    that short runs gain, too. The price follows the run: τ² is the noise of a step, from ½‖g_t − g_{t−1}‖² of
    successive gradients, over its cost, both as running averages of earlier steps.
    Layers on which a sketch would cost more than it spares are exact, and where none pays, as in many networks that
    were just initialised, all are. Scoring, measurements and comparisons are counted in the flops of the run.

    Parameters
    ----------
    tau : float, optional
        A fixed price. Default: found from the noise of the run.
    where : type, tuple of types, or callable, optional
        Which layers, as for `nn.set_vjp`; default: all that have a ``vjp``. What they had before is replaced.
    every : int, default 1000
        Steps between measurements of gains; they last.
    batches : int, default 4
        Random batches of a measurement, at least 2.
    least : float, default 0.02
        At least this fraction of the rows that are not zero is kept on an edge, whatever the price; in (0, 1].
    draws : {"edge", "node"}, default "edge"
        A draw for each edge; or one for both edges of a layer, which takes less time. Which of the two adds less noise
        hangs on the network.
    cost : {"operations", "seconds"}, default "operations"
        What the price is paid in; "seconds" times the products on this machine before the first step. The run then
        hangs on what was timed; one that goes on from a checkpoint takes it from there.

    Attributes
    ----------
    tau : float
        The root of the price that is in place; 0 where all is exact.
    log : list of dict
        For each measurement the ``step``, ``tau``, ``minibatch`` σ², ``added`` V and ``ratio`` J as they are expected,
        and by edge the ``gains``, the share of rows ``kept`` and the ``variance`` added.

    Raises
    ------
    ValueError
        If a number is out of range, or an option unknown; in training, if no layer can be priced.

    Notes
    -----
    Theory §7. J, the product of 1 + V/σ² and the cost of a step over the exact one, is least where
    τ² = (σ² + V)/(F + B). It assumes that noise limits training: tune the batch size with the price. Where the price of
    the run is clearly not the best by a measurement, as the noise of early steps falls fast, the averages begin anew
    from that.

    Examples
    --------
    >>> from minigrad import datasets, nn, optim, training
    >>> data = datasets.digits().flat()
    >>> model = nn.mlp((64, 64, 64, 10), rng=0)
    >>> price = training.OnePrice(every=100)
    >>> history = training.fit(
    ...     model, data, optimizer=optim.SGD(model, lr=0.2), epochs=6, batch_size=64, rng=0, callbacks=[price])
    >>> [line["step"] for line in price.log], price.log[-1]["ratio"] < 0.9
    ([0, 20, 100], True)
    >>> print(price.table().columns)
    ['layer', 'error gain', '∂X kept', '∂W kept', 'noise / %']
    """

    not_fingerprinted = ("log", "tau", "_priced", "_noise", "_spent", "_seconds", "_before")  # what a checkpoint keeps

    def __init__(
        self,
        tau: float | None = None,
        *,
        where: Where = None,
        every: int = GAINS_LAST,
        batches: int = 4,
        least: float = 0.02,
        draws: Draws = "edge",
        cost: Literal["operations", "seconds"] = "operations",
    ):
        if tau is not None and not 0 < tau < math.inf:
            raise ValueError(f"OnePrice: tau={tau} must be positive and finite; leave it out and it is found")
        if not 0 < least <= 1:
            raise ValueError(f"OnePrice: least={least} must lie in (0, 1]")
        if cost not in ("operations", "seconds"):
            raise ValueError(f"OnePrice: {unknown('cost', cost, ('operations', 'seconds'))}")
        self.fixed = None if tau is None else float(tau)
        check_draws("OnePrice", draws)
        self.draws: Draws = draws
        self.where, self.least, self.cost = where, float(least), cost
        self.every = count("OnePrice: every", every, MOST_STEPS, "steps")
        self.batches = count("OnePrice: batches", batches, MOST_BATCHES, "batches", least=2)
        self.log: list[dict[str, Any]] = []
        self.tau = 0.0
        self._priced = PricedEdges([], 0.0)
        self._noise, self._spent = Average(0.9), Average(0.97)
        self._seconds: Seconds | None = None
        self._before: list[Array] | None = None

    def __call__(self, loop: Loop) -> None:
        """Measure gains if it is time to, and set the price of the next step."""
        if self._due(loop.step):
            self._measure(loop)
        elif self.fixed is None and self._priced.edges:
            tau = self._found()
            if tau > 0 and abs(math.log(tau / self.tau)) > DRIFT:
                self._set(loop, tau)

    def _due(self, step: int) -> bool:
        """True if gains are measured before this step: often early on, while nothing pays as in a fresh network."""
        if step % self.every == 0 or step == self.every // 5:
            return True
        return self.tau == 0 and step in EARLY

    def after(self, loop: Loop, step: Step) -> None:
        """Take in what a step cost, and compare its gradient with that of the step before."""
        self._spent.add(step.operations if self._seconds is None else self._priced.cost(step.tape))
        place = loop.step % PAIR
        if place == PAIR - 2:
            # What is clipped is changed in place.
            self._before = [dense(g).copy() if loop.max_norm else dense(g) for g in step.gradients]
        elif place == PAIR - 1 and self._before is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                noise = sum(squared_distances(step.gradients, self._before)) / 2
            loop.backward_flops += 3.0 * sum(math.prod(g.shape) for g in step.gradients)
            self._before = None
            if math.isfinite(noise):  # else the run is diverging, which the loop finds and tells
                self._noise.add(noise)

    def _found(self) -> float:
        """τ by the noise and the cost of the steps so far."""
        return math.sqrt(self._noise.value / self._spent.value) if self._spent.value > 0 else 0.0

    def _measure(self, loop: Loop) -> None:
        buffers = {name: array.copy() for name, array in loop.model.named_buffers()}
        gains = error_gains(
            loop.model,
            (loop.x, loop.y),
            batch_size=loop.batches.batch_size,
            batches=self.batches,
            loss=loop.loss,
            where=self.where,
            in_turn=True,
            cost=self.cost if self._seconds is None else self._seconds,
            rng=loop.key,
        )
        for name, array in loop.model.named_buffers():
            array[...] = buffers[name]
        loop.forward_flops += gains.spent[0]
        loop.backward_flops += gains.spent[1]
        self._seconds = gains.seconds
        best = gains.best
        if not math.isfinite(gains.minibatch):
            return  # the run is diverging
        if gains.at(self._found()).ratio > WORSE * best.ratio or self._noise.empty:
            self._noise.begin(gains.minibatch + best.added)
            self._spent.begin(best.cost)
        tau = self.fixed or self._found()
        if self.fixed is None and best.ratio > WORTH:
            tau = 0.0
        self._priced = PricedEdges.of(gains, tau)
        self._set(loop, tau)
        self._note(loop.step, gains)

    def _note(self, step: int, gains: ErrorGains) -> None:
        at = gains.at(self.tau)
        self.log.append(
            {"step": step, "tau": self.tau, "minibatch": gains.minibatch, "added": at.added, "ratio": at.ratio,
             "gains": {e.name: gains.gains[e.name] for e in gains.edges if e.kind == "input"},
             "kept": at.kept, "variance": at.variance,
             "kinds": {e.name: [e.layer, e.kind] for e in gains.edges}}
        )  # fmt: skip

    def _set(self, loop: Loop, tau: float) -> None:
        """Put a price in place."""
        self.tau = tau
        self._priced.set_on(loop.model, tau, self.least, self.draws)

    def state_dict(self) -> dict[str, Any]:
        """The state that a checkpoint keeps: JSON-ready data, and between two steps that are compared a gradient."""
        held = self._before or []
        return {
            **{f"before{k}": g for k, g in enumerate(held)},
            "log": self.log,
            "tau": self.tau,
            "priced": self._priced.to_dict(),
            "noise": [self._noise.total, self._noise.weight],
            "spent": [self._spent.total, self._spent.weight],
            "seconds": None if self._seconds is None else [self._seconds.step, self._seconds.edges],
        }

    def load_state_dict(self, state: dict[str, Any], loop: Loop) -> None:
        """Go on from what `state_dict` gave, and put the price in place."""
        self.log, self.tau = list(state["log"]), float(state["tau"])
        self._priced = PricedEdges.from_dict(state["priced"])
        self._noise.total, self._noise.weight = state["noise"]
        self._spent.total, self._spent.weight = state["spent"]
        if state["seconds"] is not None:
            step, edges = state["seconds"]
            self._seconds = Seconds(step, {name: (a, b, c) for name, (a, b, c) in edges.items()})
        held = [name for name in state if name.startswith("before")]
        self._before = [state[f"before{k}"] for k in range(len(held))] if held else None
        if self.log:
            self._priced.set_on(loop.model, self.tau, self.least, self.draws)

    def table(self) -> Table:
        """The last measurement as a table, by layer."""
        heads = ["layer", "error gain", "∂X kept", "∂W kept", "noise / %"]
        title = "one price for every edge"
        if not self.log:
            return Table(heads, [], title, ["nothing was measured yet"])
        last = self.log[-1]
        layers: dict[str, list[tuple[str, str]]] = {}
        for name, (layer, kind) in last["kinds"].items():
            layers.setdefault(layer, []).append((kind, name))
        total = last["added"] or 1.0
        rows = [
            [
                layer,
                _joined([f"{last['gains'][name]:.3g}" for kind, name in own if kind == "input"]),
                *[
                    _joined([f"{last['kept'][name]:.2f}" for k, name in own if k == kind])
                    for kind in ("input", "weight")
                ],
                f"{100 * sum(last['variance'][name] for _, name in own) / total:.1f}",
            ]
            for layer, own in layers.items()
        ]
        notes = [
            f"step {last['step']}: price τ² = {last['tau'] ** 2:.3g}, V/σ² = {last['added'] / last['minibatch']:.3g}, "
            f"J = {last['ratio']:.3f}",
            f"now τ² = {self.tau**2:.3g}",
        ]
        return Table(heads, rows, title, notes)

    def __repr__(self) -> str:
        price = "" if self.fixed is None else f"{self.fixed:g}, "
        return f"OnePrice({price}every={self.every}, batches={self.batches}, draws={self.draws!r}, cost={self.cost!r})"


def _joined(cells: Sequence[str]) -> str:
    return ", ".join(cells) or "–"
