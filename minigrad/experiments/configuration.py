"""Configuration: everything that decides what a training run computes, and nothing else."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import minigrad
from minigrad import datasets, nn, optim
from minigrad.datasets import Dataset
from minigrad.experiments.method import Method
from minigrad.naming import unknown
from minigrad.nn.module import Module

__all__ = ["Configuration"]


@dataclass(frozen=True)
class Configuration:
    """What all runs of a comparison share.

    Parameters
    ----------
    model, data : str
        Names, as ``minigrad list`` shows them.
    epochs, batch_size : int
        An epoch has the same number of steps for every method.
    lr, momentum : float
        Of stochastic gradient descent; the learning rate falls along half a cosine to 0.
    max_norm : float or None
        The gradient is scaled down to this norm where it is larger.

    Raises
    ------
    ValueError
        If a name is unknown or a number out of range.
    """

    model: str = "mlp"
    data: str = "digits"
    epochs: int = 30
    batch_size: int = 64
    lr: float = 0.01
    momentum: float = 0.9
    max_norm: float | None = None

    def __post_init__(self) -> None:
        if self.model not in nn.models.names():
            raise ValueError(unknown("model", self.model, nn.models.names()))
        object.__setattr__(self, "data", datasets.canonical(self.data))  # one spelling, so one key
        if self.epochs < 1:
            raise ValueError(f"epochs={self.epochs} must be at least 1")
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} must be at least 1")
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr={self.lr} must be positive and finite")

    def load(self) -> Dataset:
        """The data set."""
        return datasets.load(self.data)

    def build(self, data: Dataset, method: Method, seed: int) -> Module:
        """The model, with the estimator of a method on all but its last layer.

        The last layer is cheap, and its few columns are the classes themselves.
        """
        model = nn.models.build(self.model, data.input_shape, data.num_classes, rng=seed)
        names = [name for name, module in model.named_modules() if hasattr(module, "vjp")]
        sketched = set(names[:-1])
        if sketched and not method.exact:
            nn.set_vjp(model, method.estimator, where=lambda name, module: name in sketched)
        return model

    def optimizer(self, model: Module) -> optim.Optimizer:
        """The optimiser."""
        return optim.SGD(model, lr=self.lr, momentum=self.momentum)

    def schedule(self, steps_per_epoch: int) -> Callable[[int], float]:
        """The learning rate of each step."""
        return optim.Cosine(self.lr, steps_per_epoch * self.epochs)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON-ready data."""
        return asdict(self)

    def key(self, method: Method, seed: int) -> str:
        """A name for one run, the same for the same computation by the same version of minigrad."""
        what = {
            **self.to_dict(),
            "vjp": method.vjp,
            "method_batch_size": method.batch_size,
            "seed": seed,
            "version": minigrad.__version__,
        }
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
