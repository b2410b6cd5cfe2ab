"""Training with exact and with random VJPs, against the work that it takes."""

from __future__ import annotations

import os
import sys

import matplotlib.pyplot as plt
import numpy as np

from minigrad import datasets, nn, optim, training
from minigrad.estimators import DiagonalSketch, Estimator, Mask
from minigrad.plot import curves

FAST = bool(os.environ.get("MINIGRAD_FAST"))
SEEDS = range(2 if FAST else 4)
EPOCHS = 8 if FAST else 16
BUDGET = 0.25

data = datasets.digits().flat()


def trained(sketch: Estimator | None, batch: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Operations so far, forward and backward, in millions, and the training loss, after each epoch of 46 steps."""
    model = nn.mlp(64, 64, 64, 10, vjp=sketch, rng=seed)
    model[4].vjp = None
    optimizer = optim.SGD(model, lr=0.05)
    history = training.fit(
        model,
        data,
        optimizer=optimizer,
        epochs=EPOCHS,
        batch_size=batch,
        steps_per_epoch=46,
        rng=seed,
        progress=False,
    )
    flops = np.array([epoch.forward_flops + epoch.backward_flops for epoch in history.epochs])
    return flops / 1e6, np.array([epoch.loss for epoch in history.epochs])


figure, ax = plt.subplots(figsize=(4.6, 3.9), layout="constrained")
runs = {
    "exact, batch 32": [trained(None, 32, seed) for seed in SEEDS],
    f"best columns, budget {BUDGET:g}": [trained(DiagonalSketch(BUDGET), 32, seed) for seed in SEEDS],
    f"uniform mask, budget {BUDGET:g}": [trained(Mask(BUDGET), 32, seed) for seed in SEEDS],
}
exact, sketched = (label for label in runs if "mask" not in label)
batch = round(32 * runs[sketched][0][0][0] / runs[exact][0][0][0])  # a step costs what one of the sketch does
runs[f"exact, batch {batch}"] = [trained(None, batch, seed) for seed in SEEDS]
label = "million operations so far, forward and backward"
curves(runs, ax, xlabel=label, ylabel="training loss (nats)", log_y=True)
ax.legend(fontsize=9)

figure.savefig(sys.argv[1], dpi=160, metadata={"Software": None})
