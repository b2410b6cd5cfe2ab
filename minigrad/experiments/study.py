"""The paper's question, for one architecture: how accuracy depends on the budget, method by method."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from minigrad.counts import MOST_EPOCHS, MOST_SEEDS, count
from minigrad.estimators import parse
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import methods_from

__all__ = ["FAMILIES", "PRESETS", "Study", "has_budget"]

FAMILIES = (
    "mask(axis=element)",
    "mask",
    "mask(axis=sample)",
    "diagonal",
    "diagonal(target=input)",
    "diagonal(target=both)",
    "diagonal(axis=row)",
    "lowrank",
    "topk",
    "last: diagonal(axis=sample)",
    "diagonal(distortion=0.5, axis=row)",
    "last: diagonal(distortion=0.1, axis=sample)",
    "price(auto)",
)
"""The paper's estimators at each budget; and what finds by itself how much it keeps: a distortion, or one price."""


@dataclass(frozen=True)
class Study:
    """The runs that make up a study.

    Parameters
    ----------
    configuration : Configuration
        What all runs share but for the learning rate.
    lrs : tuple of float
        The same small grid for every method; each method takes, at each budget, the one with the lowest loss on held
        out training data.
    budgets : tuple of float
        Below 1; exact VJPs are always there.
    families : tuple of str
        Estimators without a budget, as `minigrad.estimators.parse` takes them; ``last:`` in front for the last layer
        alone. Each is given each of the budgets. Those with a distortion, and ``price(auto)``, ``price(seconds)`` or
        ``price(0.001)``, one price for every edge, find by themselves how much they keep; they are there once.
    seeds : int
    tune_epochs : int
        Epochs of the runs that choose learning rates.

    Raises
    ------
    ValueError
        If there is nothing to choose from, or a number is out of range.

    Examples
    --------
    >>> from minigrad.experiments import Configuration, Study
    >>> study = Study(Configuration("mlp", "digits", epochs=5), lrs=(0.01, 0.1), budgets=(0.1, 0.5), seeds=2)
    >>> len(study.families)
    13
    """

    configuration: Configuration
    lrs: tuple[float, ...]
    budgets: tuple[float, ...] = (0.5, 0.2, 0.1, 0.05, 0.02)
    families: tuple[str, ...] = FAMILIES
    seeds: int = 3
    tune_epochs: int = 2

    def __post_init__(self) -> None:
        for name in ("lrs", "budgets", "families"):
            if not getattr(self, name):
                raise ValueError(f"a study needs at least one of its {name}")
        for lr in self.lrs:
            dataclasses.replace(self.configuration, lr=lr)  # refuses what is not a learning rate
        for budget in self.budgets:
            if not 0 < budget < 1:
                raise ValueError(f"budget={budget} must lie in (0, 1), ends excluded; exact VJPs are always there")
        seen: dict[str, str] = {}
        for family in self.families:
            method = _family(family)
            if method in seen:
                raise ValueError(f"{family!r} and {seen[method]!r} are the same method; name it once")
            seen[method] = family
        count("seeds", self.seeds, MOST_SEEDS, "seeds")
        count("tune_epochs", self.tune_epochs, MOST_EPOCHS, "epochs")


def has_budget(family: str) -> bool:
    """False for a family that finds by itself how much it keeps: one price, a distortion, or importance sampling.

    Examples
    --------
    >>> [has_budget(family) for family in ("diagonal", "last: diagonal(distortion=0.1)", "price(auto)")]
    [True, False, False]
    """
    method = methods_from((family,), 0.5)[-1]
    if method.price is not None or getattr(method.estimator, "relative_distortion", None) is not None:
        return False
    return method.importance is None or not method.exact


def _family(text: str) -> str:
    """One spelling of a method without a budget, and of where it stands; raise if it has a budget of its own."""
    if not has_budget(text):
        return methods_from((text,), 0.5)[-1].label
    last, _, rest = text.rpartition(":")
    try:
        own = parse(rest)
    except ValueError:
        return f"{last.strip()}: {parse(rest, budget=0.5)!r}"  # raises if it is not understood
    if own.budget == 1:
        raise ValueError(f"{text!r} is exact, and exact VJPs are always part of a study; leave it out")
    raise ValueError(
        f"{text!r} has a budget of its own, but a study gives each method each of its budgets; leave it out of the "
        "text, and choose budgets with budgets= (--budgets)"
    )


PRESETS = {
    "mlp": Study(
        Configuration("mlp", "fashion_mnist", epochs=6, batch_size=128, train=12_000, standardise=True),
        lrs=(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1),
    ),
    "bagnet": Study(
        Configuration(
            "bagnet", "cifar10", epochs=5, batch_size=64, train=5_000, test=2_000, standardise=True, augment=True
        ),
        lrs=(0.01, 0.03, 0.1),
        tune_epochs=1,
    ),
    "vit": Study(
        Configuration(
            "vit", "cifar10", epochs=5, batch_size=64, optimizer="adam", train=5_000, test=2_000, standardise=True,
            augment=True,
        ),
        lrs=(0.0003, 0.001, 0.003),
        tune_epochs=1,
    ),
}  # fmt: skip
"""The studies that ``minigrad reproduce`` knows by name: the three architectures of the paper, as `Study` objects.

Parts of the data and few epochs, for a processor: a quarter of an hour for the perceptron, some hours for the others.
"""
