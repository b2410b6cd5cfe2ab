"""Advice on what to train with: nothing, samples at the logits, rows, columns, or rows by one price.

J = (1 + V/σ²) × (operations of a step, over those of an exact one) is the cost to reach a precision where noise limits
training; exact VJPs on any smaller batch have J = 1 (Theory §7). Budgets are chosen on some batches, and J is
measured on others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minigrad import ops
from minigrad.counts import MOST_BATCHES, count
from minigrad.engine.estimator import VJP
from minigrad.engine.tensor import Tensor
from minigrad.estimators import DiagonalSketch, with_budget
from minigrad.inspect.advice_report import NOTHING, Advice
from minigrad.inspect.cost_of_precision import Tradeoff
from minigrad.inspect.error_gains import error_gains
from minigrad.inspect.exact_batches import ExactBatches
from minigrad.inspect.levels import measure_levels
from minigrad.inspect.recorded_batches import Data, RecordedBatches
from minigrad.nn.module import Module
from minigrad.threads import one_thread
from minigrad.typing import Array, Seed

__all__ = ["advise"]


@one_thread()
def advise(
    model: Module,
    data: Data,
    *,
    budgets: Sequence[float] = (0.7, 0.5, 0.3, 0.2, 0.1),
    batch_size: int = 128,
    batches: int = 20,
    factors: Sequence[float] = (),
    loss: Callable[[Any, Array], Tensor] = ops.cross_entropy,
    rng: Seed = None,
) -> Advice:
    """Measure what reaches a precision at the least cost: nothing, samples, rows, columns, or rows by one price.

    Parameters
    ----------
    model : Module
        What estimators it has is of no account, and left as it is; see `tradeoff` for advice on their budget.
    data : tuple of ndarray or Dataset
        ``(x, labels)``, or the training part of a data set.
    budgets : sequence of float
        Below 1: at these the sketches with one budget are measured; the best is within their range.
    batch_size, batches : int
        Budgets are chosen on so many random batches of this size, and J is measured on as many others.
    factors : sequence of float
        J is measured at these multiples of the root τ of the price, too, to see that it is least near it.
    loss : callable, default `ops.cross_entropy`
        A mean over the batch.
    rng : Generator, int or None

    Returns
    -------
    Advice

    Raises
    ------
    ValueError
        If the model has no layer that could be sketched, a number is out of range, or batches do not differ.

    Notes
    -----
    Theory §5, Theory §7. *Samples at the logits*: diagonal sketches of samples in the layer that is computed last;
    *rows*: of rows (pixels, tokens, samples) in all layers; *columns*: in all layers but the last, as in Bakong et al.
    (2026); *rows by one price*: `error_gains` and the price that is best by them; its operations include the
    measurement of gains as `training.OnePrice` repeats it, every 1,000 steps. What it takes to choose the budget of the
    others is not charged. The standard error of J is that of a function of three means over batches, V, σ² and
    operations, by the delta method. As the least of several the J that is advised is a little too small. The state of
    training matters: ask again later in a run.

    Examples
    --------
    >>> from minigrad import datasets, nn
    >>> data = datasets.digits().flat()
    >>> print(advise(nn.mlp((64, 32, 10), rng=0), data, batch_size=32, batches=4, rng=0).sentence)
    do not sketch: exact VJPs (on a smaller batch, if cost matters) are cheaper for the same precision
    """
    levels = sorted({float(p) for p in budgets}, reverse=True)
    if not levels or not 0 < levels[-1] <= levels[0] < 1:
        raise ValueError(f"advise: budgets={tuple(budgets)} must lie in (0, 1)")
    batches = count("advise: batches", batches, MOST_BATCHES, "batches", least=2)
    if not all(0 < factor < math.inf for factor in factors):
        raise ValueError(f"advise: factors={tuple(factors)} of τ must be positive and finite")
    recorded = RecordedBatches(model, data, batch_size, loss, rng)
    layers = {path: module for path, module in model.named_modules() if hasattr(module, "vjp")}
    before = {path: module.vjp for path, module in layers.items()}

    def put(vjps: Mapping[str, VJP]) -> None:
        for path, module in layers.items():
            module.vjp = vjps.get(path)

    try:
        put({})
        order = _in_order(recorded, layers)
        exact = ExactBatches(recorded, range(batches, 2 * batches))
        kinds: dict[str, tuple[list[str], DiagonalSketch]] = {
            "samples at the logits": (order[-1:], DiagonalSketch(0.5, axis="sample")),
            "rows": (order, DiagonalSketch(0.5, axis="row")),
            "columns": (order[:-1], DiagonalSketch(0.5)),
        }
        found, choices = [exact.nothing()], {NOTHING: dict[str, VJP]()}
        for name, (paths, kind) in kinds.items():
            if not paths:
                continue
            put(dict.fromkeys(paths, kind))
            budget, _ = Tradeoff.of(measure_levels(recorded, levels, range(batches))).best()
            chosen = with_budget(kind, float(f"{budget:.2g}"))
            choices[name] = dict.fromkeys(paths, chosen)
            put(choices[name])
            found.append(exact.candidate(name, repr(chosen)))
        put({})
        gains = error_gains(model, data, batch_size=batch_size, loss=loss, in_turn=True, rng=recorded.key)
        for factor in (1.0, *factors):
            name, tau = "rows by one price" if factor == 1 else f"rows, {factor:g} × τ", factor * gains.best.tau
            choices[name] = dict(gains.estimators(tau))
            put(choices[name])
            found.append(exact.candidate(name, f"τ = {tau:.3g}", gains.spent))
    finally:
        put(before)
    advised = min((c for c in found if c.surely_pays), key=lambda c: c.ratio, default=found[0])
    return Advice(tuple(found), advised.name, exact.minibatch, batch_size, batches, choices[advised.name])


def _in_order(recorded: RecordedBatches, layers: Mapping[str, Module]) -> list[str]:
    """The paths of the layers that can be sketched, in the order in which they are last computed."""
    last = {node.layer: node.index for node in recorded[0].tape.nodes if node.layer in layers}
    if not last:
        raise ValueError("advise: no layer of this model has a vjp, so there is nothing that could be sketched")
    return sorted(last, key=lambda path: last[path])
