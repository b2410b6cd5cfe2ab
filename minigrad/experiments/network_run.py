"""One network of an experiment that looks at networks, and what was found at its points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Generic, TypeVar

from minigrad.counts import MOST_BATCHES, MOST_SEEDS, MOST_STEPS, count
from minigrad.experiments.configuration import Configuration
from minigrad.report import json_ready

__all__ = ["NetworkRun", "by_network", "check_networks", "lines_of"]

P = TypeVar("P")
R = TypeVar("R", bound="NetworkRun[Any]")


@dataclass(frozen=True)
class NetworkRun(Generic[P]):
    """One network, one seed; a subclass names the class of its points.

    Attributes
    ----------
    key, label : str
        The label is the name of the model.
    seed : int
    data : str
        The name of the data set.
    points : tuple
        Dataclasses of numbers and texts, of the class ``point``.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Loss:
    ...     steps: int
    ...     loss: float
    >>> class LossRun(NetworkRun[Loss]):
    ...     point = Loss
    >>> run = LossRun("0a", "mlp", 0, "digits", (Loss(10, 0.5),))
    >>> LossRun.from_dict(run.to_dict()) == run
    True
    """

    key: str
    label: str
    seed: int
    data: str
    points: tuple[P, ...]
    point: ClassVar[Any]

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON-ready data; `from_dict` reads it."""
        return dict(json_ready(asdict(self)))

    @classmethod
    def from_dict(cls: type[R], data: dict[str, Any]) -> R:
        """The run that `to_dict` wrote."""
        return cls(**{**data, "points": tuple(cls.point(**point) for point in data["points"])})


def check_networks(
    what: str, configurations: Iterable[Configuration], stages: Sequence[int], batches: int, seeds: int
) -> None:
    """Refuse, before the work begins, numbers of an experiment on networks that it could not do.

    Parameters
    ----------
    what : str
        The experiment, for messages.
    configurations : iterable of Configuration
    stages : sequence of int
        Numbers of steps of training.
    batches : int
        On which noise is measured.
    seeds : int

    Raises
    ------
    TypeError
        If a number is not whole.
    ValueError
        If there is no stage, or a number is out of range; if a batch is larger than the training data.
    DataError
        If the data cannot be loaded.

    Examples
    --------
    >>> check_networks("field", [Configuration("mlp", train=300)], (0, 100), 12, 1)
    >>> check_networks("field", [], (0, 100), 1, 1)
    Traceback (most recent call last):
        ...
    ValueError: field: batches=1 must be at least 2
    """
    if not stages:
        raise ValueError(f"{what}: stages={stages} must be numbers of steps, at least one of them")
    for stage in stages:
        count(f"{what}: steps", stage, MOST_STEPS, "steps", least=0)
    count(f"{what}: batches", batches, MOST_BATCHES, "batches", least=2)
    count(f"{what}: seeds", seeds, MOST_SEEDS, "seeds")
    for configuration in configurations:
        configuration.check_batch()


def by_network(runs: Sequence[R]) -> dict[tuple[str, str], list[R]]:
    """The runs of each network, by model and data set.

    Examples
    --------
    >>> runs = [NetworkRun("0", "mlp", seed, "digits", ()) for seed in range(2)]
    >>> [(name, len(of)) for name, of in by_network(runs).items()]
    [(('mlp', 'digits'), 2)]
    """
    found: dict[tuple[str, str], list[R]] = {}
    for run in runs:
        found.setdefault((run.label, run.data), []).append(run)
    return found


def lines_of(runs: Sequence[NetworkRun[Any]]) -> list[list[Any]]:
    """The lines of a CSV file: a head, and every point of every run, its floats with five digits.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Loss:
    ...     loss: float
    >>> class LossRun(NetworkRun[Loss]):
    ...     point = Loss
    >>> lines_of([LossRun("0a", "mlp", 0, "digits", (Loss(1 / 3),))])
    [['model', 'data', 'seed', 'loss'], ['mlp', 'digits', 0, '0.33333']]
    """
    found: list[list[Any]] = [["model", "data", "seed", *(each.name for each in fields(runs[0].point))]]
    for run in runs:
        for point in run.points:
            shown = [f"{value:.5g}" if isinstance(value, float) else value for value in asdict(point).values()]
            found.append([run.label, run.data, run.seed, *shown])
    return found
