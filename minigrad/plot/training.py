"""Loss and accuracy of training runs, against epochs and against what they cost."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.style import figure_or_new, plain_log
from minigrad.plot.training_curves import curves

__all__ = ["loss_and_accuracy"]

ROWS = (("loss", "training loss (nats)"), ("accuracy", "test accuracy (%)"))
TALLEST = 10.0
"""A loss is shown up to so many times the largest first one of the first method."""


def loss_and_accuracy(
    runs: Mapping[str, Sequence[Mapping[str, ArrayLike]]],
    figure: Any = None,
    *,
    crossed: Collection[str] = (),
    title: str = "",
    spent: str = "operations, forward and backward (1 = one epoch of exact VJPs)",
) -> Any:
    """Draw loss and accuracy against epochs and against what was spent: four pictures, each with a line a method.

    ``plot`` of what `minigrad.experiments.compare` returns draws this.

    Parameters
    ----------
    runs : mapping from str to sequence of mappings
        For each method its runs; of each run, by epoch, the arrays ``"epochs"``, ``"spent"`` (since
        the beginning, in the unit that ``spent`` names), ``"loss"`` (nats) and ``"accuracy"`` (percent). The others are
        compared with the first method: a loss far above its first one leaves the picture at the top.
    figure : matplotlib Figure, optional
        Default: a new one.
    crossed : collection of str
        The methods whose line ends in a cross, because they went no further.
    title : str
    spent : str
        The label of the axis of what was spent.

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> run = {"epochs": [1, 2], "spent": [1.0, 2.0], "loss": [2.0, 1.0], "accuracy": [40.0, 70.0]}
    >>> figure = loss_and_accuracy({"exact": [run]})
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['training loss (nats)', '', 'test accuracy (%)', '']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(figure)
    """
    from matplotlib.ticker import MaxNLocator

    figure = figure_or_new(figure, figsize=(10, 7.8), layout="constrained")
    axes = figure.subplots(2, 2, sharey="row", sharex="col")
    labels = {method: textwrap.fill(method, 46, break_long_words=False, break_on_hyphens=False) for method in runs}
    for row, (quantity, label) in enumerate(ROWS):
        for column, against in enumerate(("epochs", "spent")):
            curves(
                {labels[method]: [(run[against], run[quantity]) for run in of] for method, of in runs.items()},
                axes[row, column],
                ylabel="" if column else label,
                log_x=column == 1,
                average_x=column == 1,
                log_y=row == 0,
                crossed=[labels[method] for method in crossed],
            )
    first = [np.asarray(run["loss"], float)[0] for run in next(iter(runs.values()), ())]
    if first and axes[0, 0].get_ylim()[1] > (top := TALLEST * max(first)):
        axes[0, 0].set_ylim(top=top)
    axes[1, 0].set_ylim(0, 100)
    axes[1, 0].set_xlabel("epochs")
    axes[1, 1].set_xlabel(spent)
    axes[1, 0].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))  # there is no half epoch
    plain_log(axes[1, 1].xaxis)
    longest = max((len(line) for label in labels.values() for line in label.splitlines()), default=0)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4 if longest <= 26 else 3 if longest <= 36 else 2,
        fontsize=9,
        handlelength=4,
        frameon=False,
    )
    figure.suptitle(title, fontsize=12)
    return figure
