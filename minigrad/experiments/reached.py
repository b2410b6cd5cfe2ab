"""The cost of each method until it has the training loss that exact VJPs end with."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from minigrad.experiments.run import Run
from minigrad.report import Table

__all__ = ["Reached", "reached", "reached_table"]

Spent: TypeAlias = tuple[float, float, float]
"""Epochs, operations and seconds."""

NEVER: Spent = (math.inf, math.inf, math.inf)


@dataclass(frozen=True)
class Reached:
    """The cost of one method until it has the final training loss of the exact run with the same seed.

    Attributes
    ----------
    label : str
        Of the method.
    reached, seeds : int
        In so many runs of so many.
    epochs, operations, seconds : float
        Medians over seeds, over those of the whole exact run; a run that never has it counts as infinite.

    Examples
    --------
    >>> Reached("importance 0.2", 3, 3, 0.5, 0.5, 0.51).seconds
    0.51
    """

    label: str
    reached: int
    seeds: int
    epochs: float
    operations: float
    seconds: float


def reached(labels: Sequence[str], runs: Sequence[Run]) -> list[Reached]:
    """Find what each method spends until it has the final training loss of the exact run with the same seed.

    Parameters
    ----------
    labels : sequence of str
        Of the methods; that of exact VJPs is ``"exact"``.
    runs : sequence of Run
        Epochs of a run that diverged count as far as they go; seeds whose exact run diverged are left out.

    Returns
    -------
    list of Reached
        Empty where no exact run ended.
    """
    by = {(run.label, run.seed): run for run in runs}
    exact = {run.seed: run for run in runs if run.label == "exact" and run.diverged is None and run.history.epochs}
    found = []
    for label in labels if exact else ():
        spent = [_spent(by[label, seed], whole) for seed, whole in exact.items() if (label, seed) in by]
        if spent:
            epochs, operations, seconds = (statistics.median(values) for values in zip(*spent, strict=True))
            count = sum(each != NEVER for each in spent)
            found.append(Reached(label, count, len(spent), epochs, operations, seconds))
    return found


def _spent(run: Run, exact: Run) -> Spent:
    """The cost of a run until it has the final loss of an exact one, over all that this one spends."""
    end = exact.history.last
    whole = sum(epoch.seconds for epoch in exact.history.epochs)
    seconds = 0.0
    for epoch in run.history.epochs:
        seconds += epoch.seconds
        if epoch.loss <= end.loss:
            operations = epoch.forward_flops + epoch.backward_flops
            return epoch.epoch / end.epoch, operations / (end.forward_flops + end.backward_flops), seconds / whole
    return NEVER


def reached_table(found: Sequence[Reached]) -> Table:
    """The table of what `reached` found."""
    rows = [
        [
            each.label,
            *[f"{v:.2f}" if v < math.inf else "–" for v in (each.epochs, each.operations, each.seconds)],
            f"{each.reached} of {each.seeds}",
        ]
        for each in found
    ]
    notes = [
        "over the whole exact run, medians over seeds; seconds are wall time, to be compared where nothing else runs",
        "the learning rate has not fallen to 0 when a run has this loss before its end: with fewer epochs it may be "
        "there sooner",
    ]
    heads = ["method", "epochs", "operations", "seconds", "runs"]
    return Table(heads, rows, "until the training loss of an epoch is that which exact VJPs end with", notes)
