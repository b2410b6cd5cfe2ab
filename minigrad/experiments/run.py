"""One training run of a comparison: a pure function of its configuration, method and seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from minigrad import training
from minigrad.datasets import Dataset
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method
from minigrad.threads import one_thread
from minigrad.training import History
from minigrad.training.loop import Callback

__all__ = ["AUGMENTATION", "Run", "callbacks_of", "sampler_of", "train"]

AUGMENTATION = training.Augment(training.random_crop(2), training.random_flip())

CHECKPOINT_SECONDS = 5.0
"""No more than this is lost when a run is interrupted, and the epoch that was under way."""


@dataclass(frozen=True)
class Run:
    """The results of one run.

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

    Examples
    --------
    >>> from minigrad.experiments import Configuration, Method, train
    >>> small = Configuration("mlp", "digits", epochs=1, train=200, test=100)
    >>> run = train(small, Method("columns", vjp="diagonal(0.25)"), seed=0)
    >>> run.label, run.seed, run.diverged, run.history.last.epoch
    ('columns', 0, None, 1)
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


@one_thread()
def train(
    configuration: Configuration,
    method: Method,
    seed: int,
    data: Dataset | None = None,
    checkpoint: Path | None = None,
) -> Run:
    """Train once.

    Every method with the same seed starts from the same parameters and sees the data in the same order.

    Parameters
    ----------
    configuration : Configuration
    method : Method
    seed : int
    data : Dataset, optional
        Default: the configuration's, loaded afresh.
    checkpoint : path, optional
        Written every few seconds between two epochs. If it exists, training goes on from it, bit for bit; a file that
        is damaged is removed.

    Returns
    -------
    Run
        Also where training diverged: the epochs before that are kept. Its key is that of the data that were used.

    Raises
    ------
    OtherRunError
        If the checkpoint is that of another run.
    CheckpointError
        If there is something at its path that is no file.

    Examples
    --------
    >>> from minigrad.experiments import Configuration, Method, train
    >>> small = Configuration("mlp", "digits", epochs=1, train=200, test=100)
    >>> run = train(small, Method("columns", vjp="diagonal(0.25)"), seed=0)
    >>> again = train(small, Method("columns", vjp="diagonal(0.25)"), seed=0)
    >>> again.history.last.loss == run.history.last.loss
    True
    """
    data = configuration.load() if data is None else data
    try:
        return _train(configuration, method, seed, data, checkpoint)
    except training.CheckpointError as error:
        if checkpoint is None or not checkpoint.is_file() or isinstance(error, training.OtherRunError):
            raise
        checkpoint.unlink()
        return _train(configuration, method, seed, data, checkpoint)


def _train(configuration: Configuration, method: Method, seed: int, data: Dataset, checkpoint: Path | None) -> Run:
    model = configuration.build(data, method, seed)
    steps = -(-len(data.x_train) // configuration.batch_size)
    diverged = None
    try:
        history = training.fit(
            model,
            data,
            optimizer=configuration.make_optimizer(model),
            epochs=configuration.epochs,
            batch_size=method.batch_size or configuration.batch_size,
            schedule=configuration.schedule(steps),
            max_norm=configuration.max_norm,
            steps_per_epoch=steps,
            rng=seed,
            checkpoint=checkpoint,
            checkpoint_seconds=CHECKPOINT_SECONDS,
            progress=False,
            callbacks=callbacks_of(method),
            augment=AUGMENTATION if configuration.augment else None,
            sampler=sampler_of(method),
        )
    except training.DivergenceError as error:
        history, diverged = error.history, str(error)
    return Run(configuration.key(method, seed, data), method.label, seed, history, diverged)


def callbacks_of(method: Method, cost: Literal["operations", "seconds"] = "operations") -> list[Callback]:
    """The callbacks of a method's runs, which act before each step; ``"auto"`` is a price paid in ``cost``."""
    if method.price == "auto":
        return [training.OnePrice(cost=cost)]
    if method.price == "seconds":
        return [training.OnePrice(cost="seconds")]
    if method.price is not None:
        return [training.OnePrice(method.price)]
    return [] if method.adaptive is None else [training.AdaptiveBudget(method.adaptive)]


def sampler_of(method: Method) -> training.Sampler | None:
    """The sampler of a method's runs; None for batches in random order."""
    return None if method.importance is None else training.ImportanceSampler(method.importance)
