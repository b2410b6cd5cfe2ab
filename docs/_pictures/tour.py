"""The gradient of the tour: exact, one draw of it, and the mean of many draws."""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import ops
from minigrad.estimators import Mask

DRAWS = 4000

rng = np.random.default_rng(0)
x = rng.standard_normal((16, 5))
w = mg.Tensor(rng.standard_normal((8, 5)), requires_grad=True, name="w")
with mg.Tape() as tape:
    loss = ops.linear(x, w, vjp=Mask(0.25)).tanh().sum()
draws = [np.asarray(tape.gradients(loss, [w], rng=seed)[0]) for seed in range(DRAWS)]
tape.nodes[0].vjp = None
(exact,) = tape.gradients(loss, [w])

figure = plt.figure(figsize=(8.4, 3.1), layout="constrained")
shown = {"exact": exact, "one draw: few rows, enlarged": draws[3], f"mean of {DRAWS:,} draws": None}
shown[f"mean of {DRAWS:,} draws"] = np.mean(draws, axis=0)
top = float(np.abs(exact).max())
for ax, (title, gradient) in zip(figure.subplots(1, 3), shown.items(), strict=True):
    image = ax.imshow(gradient, cmap="PuOr", vmin=-1.5 * top, vmax=1.5 * top, interpolation="nearest", aspect="auto")
    ax.set_title(title, fontsize=10)
    ax.set(xticks=range(5), yticks=range(8), xlabel="input")
figure.axes[0].set_ylabel("output of the layer")
figure.colorbar(image, ax=figure.axes, label="∂ loss / ∂ w", extend="both")
figure.savefig(sys.argv[1], dpi=110, metadata={"Software": None})
