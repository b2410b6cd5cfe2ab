"""History: what a training run measured, epoch by epoch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from minigrad.plot.axes import axes_or_new
from minigrad.report import Report, Table, si
from minigrad.typing import Array

__all__ = ["Epoch", "History"]


@dataclass(frozen=True)
class Epoch:
    """One line of a history.

    Attributes
    ----------
    epoch : int
        1, 2, …
    step : int
        Optimiser steps since the beginning.
    lr : float
        The learning rate of the last step.
    loss, accuracy : float
        Mean training loss and accuracy over the batches of this epoch, as they were seen.
    test_loss, test_accuracy : float or None
        On the test data after this epoch; None without any.
    seconds, backward_seconds : float
        Wall time of this epoch's steps, and of their backward passes alone.
    forward_flops, backward_flops : float
        Floating-point operations since the beginning, by the cost model (`minigrad.inspect.cost`); those of the
        backward pass are expected ones.

    Examples
    --------
    >>> from minigrad import datasets, nn, optim, training
    >>> data, model = datasets.digits().flat(), nn.mlp((64, 16, 10), rng=0)
    >>> history = training.fit(model, data, optimizer=optim.SGD(model, lr=0.1), epochs=2, batch_size=64, rng=0)
    >>> last = history.epochs[-1]
    >>> last.epoch, last.step, last.loss < history.epochs[0].loss
    (2, 46, True)
    """

    epoch: int
    step: int
    lr: float
    loss: float
    accuracy: float
    test_loss: float | None
    test_accuracy: float | None
    seconds: float
    backward_seconds: float
    forward_flops: float
    backward_flops: float


@dataclass(repr=False)
class History(Report):
    """The epochs of a run.

    Attributes
    ----------
    epochs : list of Epoch

    Examples
    --------
    >>> history = History([Epoch(1, 10, 0.1, 2.0, 0.25, 1.9, 0.3, 0.5, 0.2, 1e6, 2e6)])
    >>> history.last.loss, history["accuracy"]
    (2.0, [0.25])
    """

    epochs: list[Epoch] = field(default_factory=list)

    @property
    def last(self) -> Epoch:
        """The last epoch.

        Raises
        ------
        IndexError
            If there is none.
        """
        if not self.epochs:
            raise IndexError("this history has no epoch yet: training stopped, or was not begun, before the first end")
        return self.epochs[-1]

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, name: str) -> list[Any]:
        """One quantity over the epochs, by its name in `Epoch`."""
        return [getattr(epoch, name) for epoch in self.epochs]

    def table(self) -> Table:
        """The report as a table."""
        heads = ["epoch", "loss", "accuracy", "test loss", "test accuracy", "time/s", "backward/flop"]
        rows = [
            [e.epoch, e.loss, e.accuracy, e.test_loss, e.test_accuracy, e.seconds, si(e.backward_flops)]
            for e in self.epochs
        ]
        return Table(heads, rows)

    def to_dict(self) -> dict[str, list[dict[str, Any]]]:
        """The history as JSON-ready data; `from_dict` reads it.

        A number that is not finite, such as the test loss of a model whose logits overflow, is written as text
        (``"inf"``), since JSON has no number for it.
        """
        return {"epochs": [{name: _to_json(value) for name, value in asdict(e).items()} for e in self.epochs]}

    @classmethod
    def from_dict(cls, data: dict[str, list[dict[str, Any]]]) -> History:
        """The history that `to_dict` wrote."""
        return cls([Epoch(**{name: _from_json(value) for name, value in e.items()}) for e in data["epochs"]])

    def plot(self, ax: Any = None) -> Any:
        """Draw training and test loss against epochs on a Matplotlib Axes, and return it."""
        ax = axes_or_new(ax)
        epochs = self["epoch"]
        ax.plot(epochs, self["loss"], label="training")
        if self.epochs and self.last.test_loss is not None:
            ax.plot(epochs, self["test_loss"], linestyle="--", label="test")
        ax.set(xlabel="epoch", ylabel="loss (nats)")
        ax.legend()
        return ax


def correct(logits: Array, labels: Array) -> float:
    """The fraction of rows whose largest logit is that of the label, or of the most probable label."""
    if labels.ndim == logits.ndim:
        labels = labels.argmax(axis=-1)
    return float((logits.argmax(axis=-1) == labels).mean())


def _to_json(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _from_json(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value
