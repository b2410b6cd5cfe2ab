"""A cotangent of a small network, and the probabilities of two estimators at many budgets."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad import datasets, nn, ops
from minigrad.estimators import DiagonalSketch, Mask

BUDGETS = [k / 20 for k in range(1, 21)]
ESTIMATORS = {"best columns": DiagonalSketch, "uniform mask": Mask}


def cotangent(batch: int = 32) -> np.ndarray:
    """What arrives at the first layer of an exact network, on the first samples: samples × columns."""
    data = datasets.digits().flat()
    model = nn.mlp(64, 64, 64, 10, rng=0)
    with mg.Tape() as tape:
        hidden = model[0](mg.Tensor(data.x_train[:batch]))
        loss = ops.cross_entropy(nn.Sequential(*list(model)[1:])(hidden), data.y_train[:batch])
    (g,) = tape.gradients(loss, [hidden])
    return np.asarray(g, float)


def numbers() -> dict[str, Any]:
    """The cotangent, the share of each column in its squared norm, and both estimators at every budget.

    A distortion is E‖Ĝ − G‖² / ‖G‖².
    """
    g = cotangent()
    square = float(np.sum(g**2))
    methods = {}
    for name, kind in ESTIMATORS.items():
        made = [kind(budget) for budget in BUDGETS]
        methods[name] = {
            "probabilities": [estimator.probabilities(g).tolist() for estimator in made],
            "distortions": [estimator.distortion(g) / square for estimator in made],
        }
    top = float(np.quantile(np.abs(g), 0.995))
    return {
        "budgets": BUDGETS,
        "shares": (np.sum(g**2, axis=0) / square).tolist(),
        "values": [[round(float(x), 3) for x in row] for row in g / top],  # for the colours alone
        "methods": methods,
    }
