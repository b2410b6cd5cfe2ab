"""One training run of a comparison: a pure function of its configuration, method and seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from minigrad import training
from minigrad.datasets import Dataset
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method
from minigrad.training import History

__all__ = ["Run", "train"]


@dataclass(frozen=True)
class Run:
    """What one run gave.

    Attributes
    ----------
    key : str
        `Configuration.key`.
    label : str
        Of the method.
    seed : int
    history : History
    diverged : str or None
        The message, where the loss or a parameter was no longer finite.
    """

    key: str
    label: str
    seed: int
    history: History
    diverged: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON-ready data; `from_dict` reads it."""
        return {**asdict(self), "history": self.history.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Run:
        """The run that `to_dict` wrote."""
        return cls(**{**data, "history": History.from_dict(data["history"])})


def train(configuration: Configuration, method: Method, seed: int, data: Dataset | None = None) -> Run:
    """Train once.

    Every method with the same seed starts from the same parameters and sees the data in the same order.

    Parameters
    ----------
    configuration : Configuration
    method : Method
    seed : int
    data : Dataset, optional
        Default: the configuration's, loaded afresh.

    Returns
    -------
    Run
        Also where training diverged: the epochs before that are kept.
    """
    data = configuration.load() if data is None else data
    model = configuration.build(data, method, seed)
    optimizer = configuration.optimizer(model)
    batch_size = min(configuration.batch_size, len(data.x_train))
    steps = -(-len(data.x_train) // batch_size)
    diverged = None
    try:
        history = training.fit(
            model,
            data,
            optimizer=optimizer,
            epochs=configuration.epochs,
            batch_size=method.batch_size or batch_size,
            schedule=configuration.schedule(steps),
            max_norm=configuration.max_norm,
            steps_per_epoch=steps,
            rng=seed,
            progress=False,
        )
    except training.DivergenceError as error:
        history, diverged = error.history, str(error)
    return Run(configuration.key(method, seed), method.label, seed, history, diverged)
