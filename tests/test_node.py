"""Nodes: what they keep."""

import numpy as np

import minigrad as mg
from minigrad import ops
from minigrad.estimators import DiagonalSketch


def test_norms_of_operands_are_computed_once_and_belong_to_the_node(monkeypatch):
    x, w = np.arange(10.0).reshape(5, 2), mg.Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    with mg.Tape() as tape:
        ops.linear(mg.Tensor(x, requires_grad=True), w)
        w.data[...] = 1.0  # the same array with other values, as after a step of an optimiser
        ops.linear(mg.Tensor(x, requires_grad=True), w)
        ops.exp(w)
    asked, linear = [], tape.nodes[0].primitive
    computed = linear.operands
    monkeypatch.setattr(linear, "operands", lambda node, side: asked.append((node.index, side)) or computed(node, side))
    sketch, rows = DiagonalSketch(0.5, target="both"), DiagonalSketch(0.5, "row", "weight")
    for _ in range(3):
        for node in tape.nodes[:2]:
            sketch.sample(np.ones((5, 3)), node, 0)
            rows.sample(np.ones((5, 3)), node, 0)
    assert asked == [(0, 1), (0, 0), (1, 1), (1, 0)]  # columns need no norms of rows, nor the other way round
    assert tape.nodes[1].norms(1).tolist() == [2.0, 2.0, 2.0]
    assert tape.nodes[2].norms(0) is tape.nodes[2].norms(1) is None
