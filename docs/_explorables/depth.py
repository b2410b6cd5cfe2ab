"""How noise grows with depth: the same budget in every layer, against distortions that multiply to the same total."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad import datasets, nn, ops
from minigrad.estimators import DiagonalSketch, Estimator

LAYERS = list(range(1, 9))
BUDGETS = [0.2, 0.3, 0.4, 0.5, 0.6]
TOTALS = [0.25, 0.5, 1.0, 2.0, 4.0]
WIDTH, BATCH, DRAWS = 32, 16, 100
SURE = 0.15
"""A mean of draws is shown where its standard error is below this share of it."""


def measured(layers: int, sketch: Estimator) -> dict[str, float | None]:
    """The noise of the cotangent at the input of a fresh perceptron, E‖ĝ − g‖² / ‖g‖², and the share of columns kept.

    Each of the hidden layers has the sketch.
    """
    data = datasets.digits().flat()
    model = nn.mlp(64, *([WIDTH] * layers), 10, rng=0)
    x = mg.Tensor(data.x_train[:BATCH], requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(x), data.y_train[:BATCH])
    hidden = [node for node in tape.nodes if node.name == "linear"][:-1]
    (exact,) = tape.gradients(loss, [x])
    for node in hidden:
        node.vjp = sketch
    errors, shares = [], []
    for seed in range(DRAWS):
        (drawn,) = tape.gradients(loss, [x], rng=seed)
        errors.append(float(np.sum((np.asarray(drawn) - exact) ** 2)))
        shares.append(np.mean(list(tape.shares.values())) if sketch.adapts else sketch.budget)
    noise = np.array(errors) / float(np.sum(exact**2))
    deviation = float(noise.std(ddof=1)) / DRAWS**0.5
    return {
        "noise": float(noise.mean()) if deviation < SURE * noise.mean() else None,
        "kept": float(np.mean(shares)),
    }


def per_layer(total: float, layers: int) -> float:
    """The distortion of each layer with which that of all is ``total``, where layers keep lengths."""
    return float((1 + total) ** (1 / layers) - 1)


def numbers() -> dict[str, Any]:
    """Both ways at every depth, measured, and the closed forms beside them."""
    return {
        "layers": LAYERS,
        "draws": DRAWS,
        "budgets": [
            {
                "budget": budget,
                "measured": [measured(layers, DiagonalSketch(budget)) for layers in LAYERS],
                "mask": [float(budget**-layers - 1) for layers in LAYERS],
            }
            for budget in BUDGETS
        ],
        "totals": [
            {
                "total": total,
                "measured": [measured(k, DiagonalSketch(distortion=per_layer(total, k))) for k in LAYERS],
            }
            for total in TOTALS
        ],
    }
