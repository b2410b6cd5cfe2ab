"""The picture of a comparison: loss and accuracy, against epochs and against what the backward passes cost."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.experiments.method import Method
from minigrad.plot import curves
from minigrad.training import History

if TYPE_CHECKING:
    from minigrad.experiments.comparison import Comparison

__all__ = ["draw"]

ROWS = (("loss", 1.0, "training loss (nats)"), ("test_accuracy", 100.0, "test accuracy (%)"))
TALLEST = 10.0
"""A loss is shown up to so many times the largest first one of the exact VJPs."""


def draw(comparison: Comparison, figure: Any = None) -> Any:
    """See `minigrad.experiments.Comparison.plot`."""
    if figure is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(10, 7.8), layout="constrained")
    axes = figure.subplots(2, 2, sharey="row", sharex="col")
    shown = {method: _histories(comparison, method) for method in comparison.methods}
    labels = {method: _label(comparison, method) for method in comparison.methods}
    unit = _exact_epoch(comparison)
    for row, (quantity, factor, label) in enumerate(ROWS):
        for column, (against, scale) in enumerate([("epoch", 1.0), ("backward_flops", unit)]):
            curves(
                {
                    labels[method]: [(np.array(h[against]) / scale, factor * np.array(h[quantity])) for h in histories]
                    for method, histories in shown.items()
                },
                axes[row, column],
                ylabel="" if column else label,
                log_x=column == 1,
                average_x=column == 1,
                log_y=row == 0,
                crossed=[labels[method] for method in comparison.methods if _all_diverged(comparison, method)],
            )
    first = [history.epochs[0].loss for history in shown[comparison.methods[0]]]
    if first and axes[0, 0].get_ylim()[1] > (top := TALLEST * max(first)):
        axes[0, 0].set_ylim(top=top)
    axes[1, 0].set_ylim(0, 100)
    axes[1, 0].set_xlabel("epochs")
    axes[1, 1].set_xlabel("backward flops since the beginning (1 = one epoch of exact VJPs)")
    longest = max(len(line) for label in labels.values() for line in label.splitlines())
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4 if longest <= 26 else 3 if longest <= 36 else 2,
        fontsize=9,
        handlelength=4,
        frameon=False,
    )
    seeds = len(comparison.seeds)
    bands = f"mean (loss: geometric) and one standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    figure.suptitle(f"{comparison.title().split(':')[0]}: {bands}", fontsize=12)
    return figure


def _all_diverged(comparison: Comparison, method: Method) -> bool:
    return all(run.diverged is not None for run in comparison.of(method))


def _histories(comparison: Comparison, method: Method) -> list[History]:
    """Those of the runs that did not diverge; where all did, what there is of them."""
    runs = comparison.of(method)
    good = [run.history for run in runs if run.diverged is None]
    return good or [run.history for run in runs if run.history.epochs]


def _label(comparison: Comparison, method: Method) -> str:
    runs = comparison.of(method)
    diverged = sum(run.diverged is not None for run in runs)
    words = [] if method.estimator.unbiased else ["biased"]
    if diverged:
        words.append("diverged" if diverged == len(runs) else f"{diverged} of {len(runs)} diverged")
    text = f"{method.label} ({', '.join(words)})" if words else method.label
    return textwrap.fill(text, 46, break_long_words=False, break_on_hyphens=False)


def _exact_epoch(comparison: Comparison) -> float:
    """Backward operations of an epoch of exact VJPs, from any run that finished its first."""
    for run in comparison.runs:
        if run.history.epochs:
            flops = run.history.epochs[0].backward_flops
            return flops / comparison.measurements[run.label].backward_flops
    return 1.0
