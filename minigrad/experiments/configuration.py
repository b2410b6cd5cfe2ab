"""Configuration: everything that decides what a training run computes, and nothing else."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np

from minigrad import datasets, nn, optim
from minigrad.counts import MOST_EPOCHS, count
from minigrad.datasets import Dataset
from minigrad.engine.tape import Tape
from minigrad.experiments.method import Method
from minigrad.fingerprint import describe, describe_array, digest, source
from minigrad.naming import unknown
from minigrad.nn.module import Module
from minigrad.threads import one_thread
from minigrad.training.identity import describe_model
from minigrad.typing import Shape

__all__ = ["Configuration"]


@dataclass(frozen=True)
class Configuration:
    """The settings that all runs of a comparison share.

    Parameters
    ----------
    model, data : str
        Names, as ``minigrad list`` shows them.
    epochs, batch_size : int
        An epoch has the same number of steps for every method.
    lr, momentum : float
        Of stochastic gradient descent; the learning rate falls along half a cosine to 0.
    max_norm : float or None
        The gradient is scaled down to this norm where it is larger. Noisy gradients are shortened more than exact ones,
        so methods are then compared with a bias (see `minigrad.optim.clip_grad_norm`).
    optimizer : {"sgd", "adam"}
        Stochastic gradient descent with momentum, or Adam.
    train, test : int or None
        Only so many samples of each part; None: all.
    standardise : bool
        Subtract the mean of each channel and divide by its standard deviation.
    augment : bool
        Random crops and flips of training images.
    validation : bool
        The last tenth of the training data takes the place of the test data, as learning rates are chosen by.

    Raises
    ------
    ValueError
        If a name is unknown or a number out of range.

    Examples
    --------
    >>> from minigrad.experiments import Configuration
    >>> Configuration("mlp", "digits", epochs=5).epochs
    5
    >>> Configuration("mlp", "digit")
    Traceback (most recent call last):
        ...
    ValueError: ...
    """

    model: str = "mlp"
    data: str = "digits"
    epochs: int = 20
    batch_size: int = 64
    lr: float = 0.01
    momentum: float = 0.9
    max_norm: float | None = None
    optimizer: Literal["sgd", "adam"] = "sgd"
    train: int | None = None
    test: int | None = None
    standardise: bool = False
    augment: bool = False
    validation: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", nn.models.canonical(self.model))  # one spelling, so one key
        object.__setattr__(self, "data", datasets.canonical(self.data))
        count("epochs", self.epochs, MOST_EPOCHS, "epochs")
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} must be at least 1")
        object.__setattr__(self, "optimizer", self.optimizer.strip().lower())
        if self.optimizer not in ("sgd", "adam"):
            raise ValueError(unknown("optimizer", self.optimizer, ("sgd", "adam")))
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr={self.lr} must be positive and finite")

    def check_batch(self) -> None:
        """Refuse a batch that is larger than the training data.

        Raises
        ------
        ValueError
            If it is.
        DataError
            If the data cannot be loaded.
        """
        data = self.load()
        if self.batch_size > len(data.x_train):
            raise ValueError(
                f"batch_size={self.batch_size} is larger than the data: {data.name} has {len(data.x_train)} training "
                "samples; give at most so many"
            )

    def load(self) -> Dataset:
        """The data set; loaded once by each process, which may not change its arrays."""
        loader = datasets.loader(self.data)  # so that one that was registered anew is asked again
        return _load(loader, self.data, self.train, self.test, self.standardise, self.validation)

    def build(self, data: Dataset, method: Method, seed: int) -> Module:
        """The model, with the estimator of a method on all but its last layer; prices are set in the run.

        The last is the one that is computed last. It is cheap, and its few columns are the classes themselves.
        """
        model = nn.models.build(self.model, data.input_shape, data.num_classes, rng=seed)
        names = _in_order(model, data)
        sketched = set(names[-1:] if method.where == "last" else names[:-1])
        if sketched and not method.exact and method.price is None:
            nn.set_vjp(model, method.estimator, where=lambda name, module: name in sketched)
        return model

    def make_optimizer(self, model: Module) -> optim.Optimizer:
        """The optimiser."""
        if self.optimizer == "adam":
            return optim.Adam(model, lr=self.lr)
        return optim.SGD(model, lr=self.lr, momentum=self.momentum)

    def schedule(self, steps_per_epoch: int) -> Callable[[int], float]:
        """The learning rate of each step."""
        return optim.Cosine(self.lr, steps_per_epoch * self.epochs)

    @property
    def data_checksum(self) -> str:
        """The sizes of the data and a checksum of them: a name says where data lie, not what they are."""
        data = self.load()
        return f"{len(data.x_train)}+{len(data.x_test)}-{_content(data)[:16]}"

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON-ready data."""
        return asdict(self)

    def key(self, method: Method, seed: int, data: Dataset | None = None) -> str:
        """A name for one run, the same for the same computation on the same data by the same code.

        It is a checksum of the configuration, the method and the seed, of the data, of the initial values of the
        model's parameters, of its modules and the estimator with their settings and, where they are not minigrad's,
        their code (`minigrad.fingerprint`), of minigrad's source, and of the version of NumPy. So a model, an
        estimator or data that were changed under the same name have other runs.

        Parameters
        ----------
        method : Method
        seed : int
        data : Dataset, optional
            Default: the configuration's.
        """
        data = self.load() if data is None else data
        builders = nn.models.build, nn.models.builder(self.model)
        what = {
            **self.to_dict(),
            "content": _content(data),
            "modules": _model(*builders, self.model, data.input_shape, data.num_classes, seed),
            "estimator": describe(method.estimator, "vjp"),
            "vjp": method.vjp,
            "method_batch_size": method.batch_size,
            "where": method.where,
            "adaptive": method.adaptive,
            "price": method.price,
            "importance": method.importance,
            "seed": seed,
            "minigrad": source(),
            "numpy": np.__version__,
        }
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def _in_order(model: Module, data: Dataset) -> list[str]:
    """The paths of the layers that have a ``vjp``, in the order in which they are last computed.

    The order in which a model of the user's registers its layers may be another one.
    """
    with Tape(rng=0) as tape:
        model.eval()(data.x_train[:1])
    model.train()
    last = {node.layer: node.index for node in tape.nodes}
    names = [name for name, module in model.named_modules() if hasattr(module, "vjp")]
    return sorted(names, key=lambda name: last.get(name, -1))


_checksums: WeakKeyDictionary[Dataset, str] = WeakKeyDictionary()


def _content(data: Dataset) -> str:
    """A checksum of data; kept for those that nobody can change."""
    arrays = (data.x_train, data.y_train, data.x_test, data.y_test)
    found = _checksums.get(data)
    if found is None or any(array.flags.writeable for array in arrays):
        found = hashlib.sha256(json.dumps([describe_array(array) for array in arrays]).encode()).hexdigest()
        _checksums[data] = found
    return found


@functools.lru_cache(maxsize=64)
@one_thread()
def _model(
    build: Callable[..., Module], builder: object, model: str, input_shape: Shape, classes: int, seed: int
) -> str:
    """A checksum of a model as it is before training: its modules and their settings, and initial values."""
    made = build(model, input_shape, classes, rng=seed)
    state = {name: describe_array(array) for name, array in made.state_dict().items()}
    return digest(json.dumps([describe_model(made, "the model"), state]).encode())


@functools.lru_cache(maxsize=2)
def _load(
    loader: object, name: str, train: int | None, test: int | None, standardise: bool, validation: bool
) -> Dataset:
    data = datasets.load(name)
    if train is not None or test is not None:
        data = data.subset(train=train, test=test)
    if validation:  # before standardising, so that what is held out has no part in the mean
        if len(data.x_train) < 10:
            raise ValueError(f"of {len(data.x_train)} training samples no tenth can be held out; take at least 10")
        first = len(data.x_train) - len(data.x_train) // 10
        data = dataclasses.replace(
            data,
            x_train=data.x_train[:first],
            y_train=data.y_train[:first],
            x_test=data.x_train[first:],
            y_test=data.y_train[first:],
        )
    data = data.standardised() if standardise else data
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        array.flags.writeable = False  # all later runs of this process are given them
    return data
