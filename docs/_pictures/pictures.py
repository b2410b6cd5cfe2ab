"""Five of the library's pictures, on one network."""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, plot, theory
from minigrad.estimators import DiagonalSketch

data = datasets.digits().flat()
model = nn.mlp(64, 32, 32, 10, rng=0)
nn.set_vjp(model, DiagonalSketch(0.25), where=lambda path, module: path != "4")
with mg.Tape() as tape:
    hidden = model[0](mg.Tensor(data.x_train[:32]))
    loss = ops.cross_entropy(nn.Sequential(*list(model)[1:])(hidden), data.y_train[:32])
(g,) = tape.gradients(loss, [hidden])
sketch = DiagonalSketch(0.25)
drawn = sketch.sample(g, None, np.random.default_rng(3))

figure = plt.figure(figsize=(13, 8.4), layout="constrained")
axes = figure.subplot_mosaic([["graph", "heat map", "probabilities"], ["graph", "noise", "cost"]])
plot.tape_graph(tape, axes["graph"])
axes["graph"].set_title("tape_graph")
plot.cotangent_heatmap(drawn, axes["heat map"], title="cotangent_heatmap")
kept = np.isin(np.arange(g.shape[1]), drawn.indices)
plot.inclusion_probabilities(sketch.probabilities(g), axes["probabilities"], kept=kept)
axes["probabilities"].set_title("inclusion_probabilities")
inspect.variance(tape, loss, draws=100, rng=0).plot(axes["noise"])
axes["noise"].set_title("noise_by_node")
theory.optimal_budget(c0=1.0, c1=4.0, a=4.0, b=1.0).plot(axes["cost"])
axes["cost"].set_title("cost_by_budget")

figure.savefig(sys.argv[1], dpi=110, metadata={"Software": None})
