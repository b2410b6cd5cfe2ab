"""Error gains of edges, measured: the variance of the gradient for a unit of distortion of a cotangent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from minigrad import ops
from minigrad.counts import MOST_BATCHES, count
from minigrad.engine.estimator import Estimator
from minigrad.engine.tensor import Tensor
from minigrad.estimators import Mask
from minigrad.inspect.cost import cost as operations
from minigrad.inspect.cost_report import Cost
from minigrad.inspect.edge_seconds import Seconds, seconds_of
from minigrad.inspect.gain_sweeps import chain_squares, is_chain, sweep_with
from minigrad.inspect.gains_report import ErrorGains
from minigrad.inspect.means import Mean
from minigrad.inspect.priced_edges import Edge, edges_of
from minigrad.inspect.recorded_batches import Data, RecordedBatches
from minigrad.naming import unknown
from minigrad.nn.module import Module
from minigrad.nn.sketch import Where, chosen_layers
from minigrad.streams import draw_key
from minigrad.threads import one_thread
from minigrad.typing import Array, Seed

__all__ = ["GAINS_LAST", "error_gains"]

GAINS_LAST = 1000
"""Steps after which gains are measured again in training."""

METHODS = ("pilot", "chain", "auto")
COSTS = ("operations", "seconds")

PILOT = Mask(0.5, axis="row")
"""On every input edge in the random pass."""

AT_PRICE = 2
"""Sweeps at the price itself: by what arrives there, noise of the edges above included, it is found anew."""


@one_thread()
def error_gains(
    model: Module,
    data: Data,
    *,
    batch_size: int = 128,
    batches: int = 4,
    method: Literal["pilot", "chain", "auto"] = "auto",
    loss: Callable[[Any, Array], Tensor] = ops.cross_entropy,
    where: Where = None,
    in_turn: bool = False,
    cost: Literal["operations", "seconds"] | Seconds = "operations",
    rng: Seed = None,
) -> ErrorGains:
    """Measure what an error at each edge of a network makes of its gradient, and all else that a price needs.

    Parameters
    ----------
    model : Module
        Called in the mode (training or not) that it is in. What estimators it has is of no account: those of other
        layers are left out.
    data : tuple of ndarray or Dataset
        ``(x, labels)``, or the training part of a data set.
    batch_size : int, default 128
    batches : int, default 4
        At least 2.
    method : {"pilot", "chain", "auto"}
        "pilot" follows the error of each edge in a random pass, with masks of half the rows, to the gradient, which
        takes an exact pass from there on. "chain" reads gains from an exact pass alone, where no tensor is read twice;
        with skip connections it would find gains that are many times too large. "auto" is "chain" where it may be, and
        else "pilot".
    loss : callable, default `ops.cross_entropy`
        A mean over the batch.
    where : type, tuple of types, or callable, optional
        Which layers, as for `nn.set_vjp`; default: all that have a ``vjp``.
    in_turn : bool, default False
        Each edge is followed on one of the batches alone, which takes less, and leaves the gains without an error.
    cost : {"operations", "seconds"} or Seconds, default "operations"
        What a price is paid in. "seconds" times the products of each edge on this machine, in this thread; or give the
        `Seconds` of an earlier report, and nothing is timed.
    rng : Generator, int or None

    Returns
    -------
    ErrorGains

    Raises
    ------
    ValueError
        If no layer is chosen, or none of its products would be spared; if a number is out of range, the method
        unknown, or "chain" where a tensor is read twice; if ``cost`` holds seconds of other layers.

    Notes
    -----
    Theory §7. The gain of an edge is the quotient of two sums over batches, V_l = Σ ‖J_lᵀ d_l‖² over D_l = Σ ‖d_l‖²,
    with d_l the error of one draw. On a chain A_l ≈ Σ_m Σ_i ‖G_m,i‖²‖X_m,i‖² / Σ_i ‖G_l,i‖² over the weights m below.

    Examples
    --------
    A network that was just initialised makes much of every error. Here no sketch pays:

    >>> from minigrad import datasets, nn
    >>> data = datasets.digits().flat()
    >>> model = nn.mlp((64, 64, 64, 10), rng=0)
    >>> gains = error_gains(model, data, batch_size=64, rng=0)
    >>> gains.method, gains.best.tau, gains.estimators()
    ('chain', 0.0, {})
    >>> sorted(gains.estimators(0.01)["2"])
    ['w', 'x']
    """
    batches = count("error_gains: batches", batches, MOST_BATCHES, "batches", least=2)
    if isinstance(cost, str) and cost not in COSTS:
        raise ValueError(f"error_gains: {unknown('cost', cost, COSTS)}")
    if method not in METHODS:
        raise ValueError(f"error_gains: {unknown('method', method, METHODS)}")
    layers = chosen_layers(model, "vjp", where)
    recorded = RecordedBatches(model, data, batch_size, loss, rng)
    targets = [recorded[number] for number in range(batches)]
    edges = edges_of(targets[0].tape, layers)
    if not edges:
        raise ValueError(f"error_gains: no product of the layers {', '.join(layers)} is spared where rows are left out")
    chain = is_chain(targets[0])
    if method == "chain" and not chain:
        raise ValueError(
            'error_gains: method="chain" is for networks in which no tensor is read twice, and this one has such, as '
            'skip connections make them; take method="pilot"'
        )
    gradients = np.array([target.exact() for target in targets])
    deviations = np.square(gradients - gradients.mean(axis=0)).sum(axis=1) * (batches / (batches - 1))
    minibatch = Mean.of(deviations)
    counted = operations(targets[0].tape)
    seconds = None if isinstance(cost, str) else cost
    if cost == "seconds":
        seconds = seconds_of(targets[0], lambda: recorded[0], edges)
    followed: list[int] = []
    keys = [draw_key(recorded.key, number) for number in range(batches)]
    if method == "chain" or (method == "auto" and chain):
        sums = np.array([chain_squares(target, edges) for target in targets])
        arrived = [sweep_with(target, edges, {}, key) for target, key in zip(targets, keys, strict=True)]
    else:
        by_edge = _masks(edges)
        arrived = []
        for number, (target, key) in enumerate(zip(targets, keys, strict=True)):
            apart = [k for k, e in enumerate(edges) if e.kind == "input" and (not in_turn or k % batches == number)]
            arrived.append(sweep_with(target, edges, by_edge, key, apart))
            followed += apart
        sums = np.array([[each.added, each.distortion] for each in arrived])
    gains, errors = _quotients(sums, edges)
    spent = (
        batches * counted.forward,
        (2 + AT_PRICE) * batches * counted.backward_exact + _below(counted, edges, followed),
    )
    found: ErrorGains | None = None
    for turn in range(AT_PRICE + 1):
        if found is not None:
            chosen = found.estimators()
            keys = [draw_key(recorded.key, turn * batches + number) for number in range(batches)]
            arrived = [sweep_with(target, edges, chosen, key) for target, key in zip(targets, keys, strict=True)]
        found = ErrorGains(
            edges=edges if seconds is None else seconds.on(edges),
            gains=gains,
            gain_errors=errors,
            method="pilot" if followed else "chain",
            minibatch=minibatch.value,
            minibatch_error=minibatch.error,
            step=counted.forward + counted.backward_exact if seconds is None else seconds.step,
            seconds=seconds,
            batch_size=batch_size,
            batches=batches,
            spent=spent,
            scores=tuple([np.concatenate([each.scores[k] for each in arrived]) for k in range(len(edges))]),
        )
    assert found is not None
    return found


def _masks(edges: tuple[Edge, ...]) -> dict[str, dict[str, Estimator]]:
    found: dict[str, dict[str, Estimator]] = {}
    for edge in edges:
        found.setdefault(edge.layer, {})[edge.input] = PILOT
    return found


def _quotients(sums: Array, edges: tuple[Edge, ...]) -> tuple[dict[str, float], dict[str, float]]:
    """Σ V / Σ D of each edge over batches, and the standard error by the delta method; 1 on edges to weights."""
    gains, errors = {}, {}
    for k, edge in enumerate(edges):
        added, distortion = sums[:, 0, k], sums[:, 1, k]
        seen = np.flatnonzero(distortion)
        if edge.kind == "weight":
            gains[edge.name], errors[edge.name] = 1.0, 0.0
            continue
        gain = float(added.sum() / distortion.sum()) if seen.size else float("nan")  # the mask left nothing out
        off = added[seen] - gain * distortion[seen]
        n = seen.size
        error = float(np.sqrt(np.square(off).sum() * n / (n - 1)) / distortion.sum()) if n > 1 else float("nan")
        gains[edge.name], errors[edge.name] = gain, error
    most = max((gain for gain in gains.values() if gain == gain), default=1.0)
    return {name: most if np.isnan(gain) else gain for name, gain in gains.items()}, errors


def _below(counted: Cost, edges: tuple[Edge, ...], followed: list[int]) -> float:
    """Operations of the exact passes from some edges on, each counted as if all nodes below were on its way."""
    below = np.cumsum([0.0, *(node.backward_exact for node in counted.nodes)])
    return float(
        sum(below[index] for k in followed for index, _ in edges[k].places) + sum(edges[k].exact for k in followed)
    )
