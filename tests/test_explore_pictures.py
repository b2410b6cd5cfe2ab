"""An exploration draws itself on a given figure, and nothing in the window is cramped."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from minigrad.estimators import Mask
from minigrad.explore import Exploration, Subject, example, explore
from minigrad.explore.example import EXAMPLE_NODE
from minigrad.explore.measure import ALONG, ENTRY


def canvas():
    """A figure without a window, which is not painted unless one asks for it."""
    return Figure(figsize=(12.8, 8))


@pytest.mark.parametrize("view", [ALONG, ENTRY])
def test_an_exploration_draws_itself_on_a_given_figure(view):
    exploration = Exploration.of(Subject(*example(), EXAMPLE_NODE), Mask(0.5), draws=10, rng=0)
    figure = Figure(figsize=(12.8, 8))
    assert exploration.plot(figure, view) is figure and len([ax for ax in figure.axes if ax.get_title()]) == 6
    part = Figure().subfigures(1, 2)[0]
    assert exploration.plot(part, view) is part
    with pytest.raises(ValueError, match="view='no'"):
        exploration.plot(Figure(), "no")


def test_nothing_is_cramped():
    """At the size of the window no words of a picture lie over those of another, and none are cut off."""
    explorer = explore(draws=30, figure=canvas())
    for label, budget in (
        ("mask: elements", 0.05), ("diagonal: cotangent", 0.25), ("low rank", 0.05), ("projection", 0.5),
        ("top-k (biased)", 0.05), ("diagonal: cotangent", 1.0),
    ):  # fmt: skip
        explorer.set(estimator=label, budget=budget)
        assert not cramped(explorer.figure)


def test_a_planted_cramped_picture_is_found():
    figure = canvas()
    left, right = figure.subplots(1, 2)
    assert not cramped(figure)
    right.set_ylabel("far away", labelpad=90)
    assert cramped(figure)
    right.set_ylabel("")
    right.set_xlabel("below", labelpad=90)
    assert cramped(figure)


def cramped(figure):
    """Words of axes that reach into those of others, or out of the figure."""
    painted = FigureCanvasAgg(figure)
    painted.draw()
    renderer, found = painted.get_renderer(), []
    words = {}
    for ax in figure.axes:
        texts = [*ax.texts, ax.title, ax._left_title]
        if ax.axison:
            texts += [ax.xaxis.label, ax.yaxis.label]
            for axis in (ax.xaxis, ax.yaxis):
                low, high = sorted(axis.get_view_interval())
                texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                texts += [tick.label2 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        words[ax] = [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text() and t.get_visible()]
    for ax, texts in words.items():
        for text, box in texts:
            if box.x0 < 0 or box.y0 < 0 or box.x1 > figure.bbox.width or box.y1 > figure.bbox.height:
                found.append(f"{text!r} is cut off")
            for other, more in words.items():
                if other is not ax:
                    found += [f"{text!r} over {t!r}" for t, b in more if box.overlaps(b)]
                    if other.get_window_extent().overlaps(box):
                        found.append(f"{text!r} over the picture {other.get_title()!r}")
    return found
