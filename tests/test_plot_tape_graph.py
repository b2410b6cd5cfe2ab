"""The graph of a tape: boxes for leaves and nodes, arrows for what is read, and a layout that can be looked at."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import minigrad as mg
from minigrad import ops
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.plot import tape_graph
from minigrad.plot.graph_layout import _increasing, layered


def leaf(*shape, name=None):
    return mg.Tensor(np.ones(shape), requires_grad=True, name=name)


def chain():
    """A perceptron of two layers; the first is random."""
    w1, b1, w2 = leaf(4, 3, name="w1"), leaf(4, name="b1"), leaf(2, 4, name="w2")
    with mg.Tape() as tape:
        hidden = ops.linear(np.ones((5, 3)), w1, b1, vjp=DiagonalSketch(0.5)).relu()
        ops.linear(hidden, w2).sum()
    return tape


def residual():
    """A line that passes several layers."""
    w = leaf(3, 3, name="w")
    with mg.Tape() as tape:
        x = ops.linear(np.ones((2, 3)), w)
        ((x.exp().tanh().relu() + x) * x).sum()
    return tape


def boxes(ax):
    """Text and (left, bottom, right, top) of each box, y downwards."""
    shapes = [patch for patch in ax.patches if hasattr(patch, "get_boxstyle")]
    return [
        (text.get_text(), (p.get_x(), p.get_y(), p.get_x() + p.get_width(), p.get_y() + p.get_height()))
        for text, p in zip(ax.texts, shapes, strict=True)
    ]


def arrows(ax):
    return [patch for patch in ax.patches if not hasattr(patch, "get_boxstyle")]


def apart(a, b):
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("make", [chain, residual])
def test_the_graph_of_a_tape(make):
    tape = make()
    ax = Figure(figsize=(6, 8)).subplots()
    assert tape_graph(tape, ax) is ax
    found = boxes(ax)
    texts = [text for text, _ in found]
    assert texts[: len(tape.leaves)] == [f"{w.name}\n{w.shape}" for w in tape.leaves]
    assert [text.split("\n")[0] for text in texts[len(tape.leaves) :]] == [f"{n.index}: {n.name}" for n in tape.nodes]
    reads = {
        (id(p) if isinstance(p, mg.Tensor) else p, n.index) for n in tape.nodes for p in n.parents if p is not None
    }
    assert len(arrows(ax)) == len(reads)
    for (_, a), (_, b) in itertools.combinations(found, 2):
        assert apart(a, b)
    ax.figure.savefig(io.BytesIO(), format="png")


def test_arrows_lead_downwards_from_what_is_read():
    tape = residual()
    ax = Figure(figsize=(6, 8)).subplots()
    tape_graph(tape, ax)
    places = {text.split(":")[0].split("\n")[0]: box for text, box in boxes(ax)}
    ends = []
    for arrow in arrows(ax):
        points = arrow._path_original.vertices
        assert (np.diff(points[:, 1]) >= -1e-9).all()
        ends.append((points[0], points[-1]))
    for node in tape.nodes:
        for parent in {p for p in node.parents if isinstance(p, int)}:
            a, b = places[str(parent)], places[str(node.index)]
            start = np.array([(a[0] + a[2]) / 2, a[3]])
            end = np.array([(b[0] + b[2]) / 2, b[1]])
            assert any(np.allclose(start, s) and np.allclose(end, e) for s, e in ends)


def test_random_nodes_are_named_and_framed():
    ax = Figure(figsize=(6, 8)).subplots()
    tape_graph(chain(), ax)
    shapes = [patch for patch in ax.patches if hasattr(patch, "get_boxstyle")]
    thick = [text.get_text() for text, box in zip(ax.texts, shapes, strict=True) if box.get_linewidth() > 2]
    assert len(thick) == 1 and thick[0].endswith("DiagonalSketch(0.5)")


def test_layers_and_long_estimators_are_written_out():
    w = leaf(2, 2, name="w")
    with mg.Tape() as tape:
        ops.linear(np.ones((2, 2)), w, vjp={"x": Mask(0.5), "w": DiagonalSketch(0.5, axis="row")}).sum()
    ax = Figure().subplots()
    tape_graph(tape, ax)
    assert "w: DiagonalSketch(" in ax.texts[1].get_text().replace("\n", " ")


def test_an_empty_tape():
    ax = Figure().subplots()
    tape_graph(mg.Tape(), ax)
    assert not ax.texts
    ax.figure.savefig(io.BytesIO(), format="png")


def test_text_shrinks_with_the_axes_and_a_new_figure_is_as_large_as_the_graph():
    import matplotlib.pyplot as plt

    small = Figure(figsize=(2, 2)).subplots()
    tape_graph(chain(), small)
    ax = tape_graph(chain())
    assert ax.texts[0].get_fontsize() == 9 > small.texts[0].get_fontsize()
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    for text, (_, box) in zip(ax.texts, boxes(ax), strict=True):  # the words fit in their boxes
        inner = text.get_window_extent(renderer).transformed(ax.transData.inverted())
        assert box[0] < min(inner.x0, inner.x1) and max(inner.x0, inner.x1) < box[2]
        assert box[1] < min(inner.y0, inner.y1) and max(inner.y0, inner.y1) < box[3]
    plt.close(ax.figure)
    assert not plt.get_fignums()


# --- the layout


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 12))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20)) if pairs else []
    sizes = draw(st.lists(st.tuples(st.floats(0.2, 3), st.floats(0.2, 1)), min_size=count, max_size=count))
    return sizes, edges


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_boxes_never_overlap_and_every_line_leads_down(graph):
    sizes, edges = graph
    layout = layered(sizes, edges, gap=0.25)
    boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(layout.places, sizes, strict=True)]
    grown = [(a - 0.12, b - 0.12, c + 0.12, d + 0.12) for a, b, c, d in boxes]
    for a, b in itertools.combinations(grown, 2):
        assert apart(a, b)
    assert all(a > -1e-9 and b > -1e-9 and c < layout.width + 1e-9 and d < layout.height + 1e-9 for a, b, c, d in boxes)
    for (start, end), line in zip(edges, layout.lines, strict=True):
        assert line[0] == layout.places[start] and line[-1] == layout.places[end]
        assert all(later[1] > earlier[1] for earlier, later in itertools.pairwise(line))


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_bends_keep_clear_of_boxes(graph):
    sizes, edges = graph
    layout = layered(sizes, edges, gap=0.25)
    boxes = [(x - w / 2, x + w / 2, y) for (x, y), (w, _) in zip(layout.places, sizes, strict=True)]
    for line in layout.lines:
        for x, y in line[1:-1]:
            assert not any(left < x < right and abs(y - other) < 1e-9 for left, right, other in boxes)


def test_a_chain_is_straight_though_leaves_stand_beside():
    #  leaf 0 → 3, leaf 1 → 4, leaf 2 → 5; 3 → 4 → 5 → 6
    layout = layered([(1.0, 0.5)] * 7, [(0, 3), (1, 4), (2, 5), (3, 4), (4, 5), (5, 6)])
    x = [place[0] for place in layout.places]
    assert max(x[3:7]) - min(x[3:7]) < 0.1
    y = [place[1] for place in layout.places]
    assert y[1] == y[3] and y[2] == y[4]  # a leaf stands just above its reader


def test_crossings_are_undone():
    # Two pairs that cross in the given order: 0 → 3, 1 → 2.
    layout = layered([(1.0, 1.0)] * 4, [(0, 3), (1, 2)])
    (a, _), (b, _), (c, _), (d, _) = layout.places
    assert (a < b) == (d < c)


def test_the_nearest_increasing_sequence():
    from scipy.optimize import minimize

    rng = np.random.default_rng(0)
    for _ in range(5):
        values, weights = rng.standard_normal(6), rng.uniform(0.5, 2, 6)
        found = _increasing(values, weights.tolist())
        assert (np.diff(found) >= 0).all()
        start = np.sort(values)
        best = minimize(
            lambda steps, v=values, w=weights: float(w @ np.square(np.cumsum(steps) - v)),
            np.diff(start, prepend=0.0), bounds=[(None, None)] + [(0, None)] * 5,
        )  # fmt: skip
        assert weights @ np.square(found - values) <= best.fun + 1e-6
    assert _increasing(np.zeros(0), []).size == 0
