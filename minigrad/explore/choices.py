"""The estimators that the explorer offers: a label for each, and how to make one with a given budget."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from minigrad.engine.estimator import Estimator
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection, TopK, parse, with_budget
from minigrad.estimators.budget import has_budget, states_budget

__all__ = ["DEFAULT", "STANDARD", "Choice", "Offer", "choices_from", "different", "find", "own_budget"]

DEFAULT = 0.25
"""The budget where none is given."""

Offer: TypeAlias = "Estimator | str | Callable[[float], Estimator]"
"""An estimator, text that `minigrad.estimators.parse` takes, or what makes an estimator from a budget."""


@dataclass(frozen=True)
class Choice:
    """One estimator to choose, whatever its budget.

    Attributes
    ----------
    label : str
    make : callable
        ``make(budget) -> Estimator``.
    adjustable : bool
        False for an estimator whose budget is what it is: ``make`` gives the same one always.

    Examples
    --------
    >>> from minigrad.estimators import Mask
    >>> choice = Choice.of(Mask(0.5, axis="row"))
    >>> choice.label, choice.make(0.1)
    ("Mask(axis='row')", Mask(0.1, axis='row'))
    """

    label: str
    make: Callable[[float], Estimator]
    adjustable: bool = True

    @classmethod
    def of(cls, offer: Offer, label: str | None = None) -> Choice:
        """Make a choice of an estimator, of its text, or of what makes one from a budget.

        Parameters
        ----------
        offer : Estimator, str or callable
            A class whose first argument is the budget will do. An estimator that is no dataclass with a field
            ``budget`` keeps the budget it has: offer its class instead.
        label : str, optional
            Default: what it is, without the budget.

        Returns
        -------
        Choice

        Raises
        ------
        TypeError
            If it is none of these, or makes something that is no estimator.
        ValueError
            If the text is not understood.
        """
        if isinstance(offer, str):
            offer = parse(offer, budget=0.5)
        if isinstance(offer, Estimator):
            estimator = offer
            try:
                adjustable = has_budget(with_budget(estimator, 0.5))
            except TypeError:
                adjustable = False
            if not adjustable:
                return cls(label or repr(estimator), lambda budget: estimator, adjustable=False)
            return cls(label or _without_budget(estimator), lambda budget: _remade(estimator, budget))
        if not callable(offer):
            raise TypeError(
                f"{offer!r} is no estimator, no text such as 'mask(axis=row)', and no function (or class) that makes "
                "an estimator from a budget"
            )
        make = offer
        name = label or str(getattr(make, "__name__", make))

        def checked(budget: float) -> Estimator:
            made = make(budget)
            if not isinstance(made, Estimator):
                raise TypeError(f"{name}({budget:g}) made {made!r}, which is no estimator; subclass minigrad.Estimator")
            return made

        checked(0.5)  # so that a mistake shows now
        return cls(name, checked)


def _remade(estimator: Estimator, budget: float) -> Estimator:
    made = with_budget(estimator, budget)
    assert isinstance(made, Estimator)
    return made


def _without_budget(estimator: Estimator) -> str:
    """The text of an estimator, without its budget, wherever that stands."""
    unusual = 0.3141592653589793  # found again in the text, where 0.5 may be the value of something else
    text = repr(_remade(estimator, unusual))
    text = re.sub(rf"(, )?(?:\w+=)?{unusual}(, )?", lambda found: ", " if all(found.groups()) else "", text)
    return text.removesuffix("()")


STANDARD: tuple[Choice, ...] = (
    Choice("mask: elements", lambda p: Mask(p, axis="element")),
    Choice("mask: columns", lambda p: Mask(p, axis="column")),
    Choice("mask: rows", lambda p: Mask(p, axis="row")),
    Choice("mask: samples", lambda p: Mask(p, axis="sample")),
    Choice("diagonal: cotangent", lambda p: DiagonalSketch(p, target="cotangent")),
    Choice("diagonal: input", lambda p: DiagonalSketch(p, target="input")),
    Choice("diagonal: weight", lambda p: DiagonalSketch(p, target="weight")),
    Choice("diagonal: both", lambda p: DiagonalSketch(p, target="both")),
    Choice("low rank", LowRankSketch),
    Choice("projection", RandomProjection),
    Choice("top-k (biased)", TopK),
)
"""The choices where nothing else is asked for. The targets of a diagonal sketch of columns."""


def choices_from(offers: Mapping[str, Offer] | Sequence[Offer | Choice] | None) -> list[Choice]:
    """Choices with different labels, of a mapping from labels, or of a list; None gives the standard ones.

    Raises
    ------
    TypeError, ValueError
        As `Choice.of`; also if there is none.

    Examples
    --------
    >>> [choice.label for choice in choices_from({"mine": "mask(axis=row)"})]
    ['mine']
    """
    if offers is None:
        return list(STANDARD)
    if isinstance(offers, (str, Estimator, Choice)) or callable(offers):
        offers = [offers]
    if isinstance(offers, Mapping):
        found = [Choice.of(offer, label) for label, offer in offers.items()]
    else:
        found = [offer if isinstance(offer, Choice) else Choice.of(offer) for offer in offers]
    if not found:
        raise ValueError("there is no estimator to choose: estimators= is empty")
    return different(found)


def different(choices: Sequence[Choice]) -> list[Choice]:
    """The choices, if no two have one label; ValueError otherwise."""
    labels = [choice.label for choice in choices]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise ValueError(f"two estimators have the label {twice[0]!r}; pass a dict from labels to estimators")
    return list(choices)


def find(choices: Sequence[Choice], wanted: Any) -> int | None:
    """The place of a choice by its label, or of one that makes a given estimator; None if there is none."""
    for k, choice in enumerate(choices):
        if isinstance(wanted, str) and choice.label == wanted:
            return k
        if isinstance(wanted, Estimator) and choice.make(wanted.budget) == wanted:
            return k
    return None


def own_budget(offer: Any) -> float:
    """The budget that an estimator states, else the default one."""
    return offer.budget if isinstance(offer, Estimator) and states_budget(offer) else DEFAULT
