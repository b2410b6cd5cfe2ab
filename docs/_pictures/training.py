"""Training with exact and with random VJPs, against the work that it takes."""

from __future__ import annotations

import sys
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from minigrad import datasets, nn, optim, training
from minigrad.estimators import DiagonalSketch, Estimator, Mask
from minigrad.plot import curves

SEEDS = range(4)
EPOCHS = 16
BUDGET = 0.25


def trained(sketch: Estimator | None, batch: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Operations so far, forward and backward, in millions, and the training loss, after each epoch of 46 steps."""
    model = nn.mlp(64, 64, 64, 10, vjp=sketch, rng=seed)
    model[4].vjp = None
    history = training.fit(
        model,
        datasets.digits().flat(),
        optimizer=optim.SGD(model, lr=0.05),
        epochs=EPOCHS,
        batch_size=batch,
        steps_per_epoch=46,
        rng=seed,
        progress=False,
    )
    flops = np.array([epoch.forward_flops + epoch.backward_flops for epoch in history.epochs])
    return flops / 1e6, np.array([epoch.loss for epoch in history.epochs])


def draw(figure: Any) -> None:
    """Draw one line for each method, on a figure or part of one."""
    ax = figure.subplots()
    runs = {
        "exact, batch 32": [trained(None, 32, seed) for seed in SEEDS],
        f"best columns, budget {BUDGET:g}": [trained(DiagonalSketch(BUDGET), 32, seed) for seed in SEEDS],
        f"uniform mask, budget {BUDGET:g}": [trained(Mask(BUDGET), 32, seed) for seed in SEEDS],
    }
    exact, sketched = (label for label in runs if "mask" not in label)
    batch = round(32 * runs[sketched][0][0][0] / runs[exact][0][0][0])  # a step costs what one of the sketch does
    runs[f"exact, batch {batch}"] = [trained(None, batch, seed) for seed in SEEDS]
    curves(runs, ax, log_y=True)
    ax.set_xlabel("million operations so far, forward and backward", fontsize=11)
    ax.set_ylabel("training loss (nats)", fontsize=11)
    ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2) if ax.get_ylim()[0] <= t <= ax.get_ylim()[1]]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.legend(fontsize=10)


if __name__ == "__main__":
    figure = plt.figure(figsize=(5.2, 4.4), layout="constrained")
    draw(figure)
    figure.savefig(sys.argv[1], dpi=160, metadata={"Software": None})
