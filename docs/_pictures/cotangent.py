"""A cotangent, one draw of it by the best diagonal sketch, and the mean of many draws."""

from __future__ import annotations

import sys
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, nn, ops
from minigrad.estimators import DiagonalSketch

DRAWS = 2000


def cotangent(batch: int) -> np.ndarray:
    """What arrives at the first layer of an exact network, on the first samples."""
    data = datasets.digits().flat()
    model = nn.mlp(64, 64, 64, 10, rng=0)
    with mg.Tape() as tape:
        hidden = model[0](mg.Tensor(data.x_train[:batch]))
        loss = ops.cross_entropy(nn.Sequential(*list(model)[1:])(hidden), data.y_train[:batch])
    (g,) = tape.gradients(loss, [hidden])
    return np.asarray(g)


def draw(figure: Any) -> None:
    """Draw the three, one above the other, on a figure or part of one."""
    g = cotangent(32)
    sketch = DiagonalSketch(0.25)
    rng = np.random.default_rng(3)
    draws = [np.asarray(sketch.sample(g, None, rng).dense()) for _ in range(DRAWS)]
    top = float(np.quantile(np.abs(g), 0.995))
    shown = {
        "a cotangent": g,
        f"one draw: {np.count_nonzero(draws[0].any(axis=0))} of its {g.shape[1]} columns, enlarged": draws[0],
        f"the mean of {DRAWS:,} draws": np.mean(draws, axis=0),
    }
    axes = figure.subplots(3, 1, sharex=True)
    for ax, (title, matrix) in zip(axes, shown.items(), strict=True):
        image = ax.imshow(matrix, cmap="PuOr", vmin=-top, vmax=top, aspect="auto", interpolation="nearest")
        ax.set_title(title, fontsize=12, loc="left")
        ax.set_yticks([])
        ax.set_ylabel("samples", fontsize=11)
    axes[-1].set_xlabel("columns: hidden features, handwritten digits", fontsize=11)
    figure.colorbar(image, ax=axes, shrink=0.6, label="$\\partial$ loss / $\\partial$ feature")


if __name__ == "__main__":
    figure = plt.figure(figsize=(5.6, 4.4), layout="constrained")
    draw(figure)
    figure.savefig(sys.argv[1], dpi=160, metadata={"Software": None})
