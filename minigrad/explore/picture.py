"""The six pictures of an exploration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minigrad.estimators import RangeFinderSketch
from minigrad.explore.findings import Findings
from minigrad.explore.units import all_of_it
from minigrad.inspect.sparsity import counted
from minigrad.plot.axes import figure_or_new
from minigrad.plot.distortion import distortion_by_budget
from minigrad.plot.estimates import estimate_histogram, running_mean
from minigrad.plot.figure import new_figure
from minigrad.plot.heatmap import cotangent_heatmap
from minigrad.plot.probabilities import inclusion_probabilities
from minigrad.structure import Structured, dense, matrix_shape
from minigrad.typing import Array

__all__ = ["SIZE", "destination", "draw"]

SIZE = (12.8, 8.0)
"""Inches."""

MARGINS = {"left": 0.06, "right": 0.985, "bottom": 0.075, "top": 0.89, "wspace": 0.4, "hspace": 0.32}
"""Fixed, unlike those of a layout engine, so that pictures stand still while a slider moves (and come three times as
fast)."""


def destination(path: str | Path) -> Path:
    """The file that a picture is to be written to; found before anything is drawn from.

    Raises
    ------
    ValueError
        If the ending is that of no format.
    OSError
        If it is a folder (IsADirectoryError), there can be no such file, or Matplotlib cannot be started.

    Examples
    --------
    >>> destination("new/explorer").name, destination("explorer.svg").name
    ('explorer.png', 'explorer.svg')
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder; name a file in it, such as {path / 'explorer.png'}")
        above = next((place for place in path.parents if place.is_file()), None)
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(f"{path} can be no file ({error.strerror}); give another name") from error
    if above is not None:
        raise NotADirectoryError(f"{above} is a file, and no folder for {path.name}; give another place")
    if not path.suffix:
        path = path.with_name(path.name + ".png")
        return destination(path)
    known = new_figure().canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise ValueError(f"{path.name}: a picture *{path.suffix} is not supported; choose {', '.join(sorted(known))}")
    return path


def draw(found: Findings, figure: Any, view: str) -> Any:
    """See `minigrad.explore.Exploration.plot`."""
    if view not in found.estimates:
        raise ValueError(f"view={view!r} is none of {', '.join(map(repr, found.estimates))}")
    figure = figure_or_new(figure, figsize=SIZE)
    axes = figure.subplots(2, 3, gridspec_kw=MARGINS)
    (before, after, likely), (spread, running, trade) = axes
    cotangent_heatmap(found.subject.cotangent, before, title="exact cotangent G = ∂ loss / ∂ output")
    title = f"draw {found.number + 1} of Ĝ: {_kept(found)}"
    cotangent_heatmap(found.drawn, after, title=title, left_out=_emptied(found))
    after.set_ylabel("")
    _probabilities(found, likely)
    for ax in (before, after, likely):
        for image in ax.images:
            image.colorbar.set_label("")  # there is no room, and the titles say it
    estimates = found.estimates[view]
    shown = float(estimates.values[found.number])
    estimate_histogram(estimates.values, estimates.exact, spread, shown=shown, xlabel=estimates.label)
    spread.set_title(f"{found.draws:,} draws of the gradient")
    running_mean(estimates.values, estimates.exact, running, shown=found.number, ylabel=estimates.label)
    running.set_title("mean of the first n draws")
    curve = found.curve
    known = None if curve.closed_form is None else (curve.budgets, curve.closed_form)
    measured = (curve.measured_budgets, curve.measured, curve.standard_errors)
    place = 1.0 if found.budget is None else found.budget
    now = (place, found.measured, found.standard_error)
    distortion_by_budget(known, measured, trade, current=now)
    if found.budget is None:
        trade.set_xticks([place], ["no budget"])
        trade.set_xlabel("")
    trade.set_title("noise of Ĝ against budget" if found.estimator.unbiased else "squared error of Ĝ: bias")
    node = found.subject.node
    figure.suptitle(f"{found.estimator!r} at node {node.index} ({node.label})", parse_math=False)
    for ax in axes.flat:
        for text in (ax.xaxis.label, ax.yaxis.label):
            text.set_parse_math(False)  # the name of a tensor may hold a dollar
    return figure


def _kept(found: Findings) -> str:
    """How much a draw kept, in words."""
    if all_of_it(found.drawn, found.subject.cotangent):
        return "all of it"
    if not isinstance(found.drawn, Structured):
        return f"an array, {np.mean(found.kept):.0%} kept" if found.kept.size else "an array"
    unit, of, kept = counted(found.drawn)
    return f"rank {kept} of {of}" if unit == "rank" else f"{kept} of {of} {unit}"


def _emptied(found: Findings) -> Array | None:
    """Where a draw without structure is zero and the cotangent is not: left out as well, if nothing says so."""
    if isinstance(found.drawn, Structured):
        return None
    g = found.subject.cotangent
    return np.asarray((dense(found.drawn) == 0) & (g != 0)).reshape(matrix_shape(g.shape))


def _probabilities(found: Findings, ax: Any) -> None:
    if not found.unit:
        ax.set_axis_off()
        words = "A draw is a product of thin factors:\nno row, column or entry of it\nis kept or left out as one."
        if isinstance(found.estimator, RangeFinderSketch):
            words = "Directions of a random range, and rows or\n"
            words += "columns of what it misses: other ones\nin each draw, so none has a probability."
        ax.text(0.5, 0.5, words, ha="center", va="center", transform=ax.transAxes, fontsize=11)
        ax.set_title("inclusion probabilities: none")
        return
    inclusion_probabilities(found.probabilities, ax, frequencies=found.frequencies, kept=found.kept, unit=found.unit)
    ax.set_title("inclusion probabilities" if found.probabilities is not None else "how often each was kept")
