"""Methods of a comparison: how the VJPs are computed, and on which batch size."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

from minigrad.estimators import Estimator, Exact, parse

__all__ = ["DEFAULT_VJPS", "Method", "methods_from"]

DEFAULT_MIXTURE = 0.2

DEFAULT_VJPS = ("mask", "mask(axis=sample)", "diagonal", "lowrank", "topk")


@dataclass(frozen=True)
class Method:
    """One way to train.

    Parameters
    ----------
    label : str
        How tables and pictures name it.
    vjp : str
        The estimator of every sketched layer, as text that `minigrad.estimators.parse` takes.
    batch_size : int or None
        None: that of the comparison.
    equal_cost_to : str or None
        For the baseline: the label of the method whose cost its batch size was made to match.
    where : {"hidden", "last"}
        Which layers are sketched: all but the last, or the last alone. Samples that are left out at the last layer are
        left out in all the layers below it.
    adaptive : float or None
        The budgets follow the noise: the added variance is kept near this fraction of the minibatch variance
        (`minigrad.training.AdaptiveBudget`).
    price : "auto", "seconds", float or None
        One price for every edge of all layers (`minigrad.training.OnePrice`), found in the run, in operations or in
        seconds; or this τ. ``vjp`` and ``where`` are then of no account.
    importance : float or None
        Samples are drawn before the forward pass by the size of their gradients, with this share of the probability
        spread evenly (`minigrad.training.ImportanceSampler`).

    Examples
    --------
    >>> from minigrad.experiments import Method
    >>> Method("columns", vjp="diagonal(0.1, target=both)").where
    'hidden'
    """

    label: str
    vjp: str = "Exact()"
    batch_size: int | None = None
    equal_cost_to: str | None = None
    where: Literal["hidden", "last"] = "hidden"
    adaptive: float | None = None
    price: Literal["auto", "seconds"] | float | None = None
    importance: float | None = None

    @property
    def estimator(self) -> Estimator:
        """The estimator."""
        return parse(self.vjp)

    @property
    def exact(self) -> bool:
        """True if its VJPs are exact."""
        return self.price is None and (isinstance(self.estimator, Exact) or self.estimator.budget == 1)


def methods_from(texts: tuple[str, ...], budget: float, adaptive: tuple[float, ...] = ()) -> tuple[Method, ...]:
    """The exact method, and one for each text; a text without a budget gets the given one.

    Parameters
    ----------
    texts : tuple of str
        As `minigrad.estimators.parse` takes them; ``last:`` in front sketches the last layer alone. Or ``price(auto)``,
        ``price(seconds)`` or ``price(0.001)``: one price for every edge, found in the run or given. Or ``importance``
        or ``importance(0.2)``: samples drawn by importance, with such a mixture; alone, or with ``+`` and any of the
        others.
    budget : float
    adaptive : tuple of float
        For each, diagonal sketches whose budgets follow the noise at this fraction of the minibatch variance: of the
        columns in all layers but the last, and of the samples at the last layer.

    Raises
    ------
    ValueError
        If a text cannot be understood.

    Examples
    --------
    >>> [method.label for method in methods_from(("mask(axis=row)", "last: topk(0.5)"), 0.1, (0.25,))]
    ['exact', "Mask(0.1, axis='row')", 'last: TopK(0.5)', 'columns, adaptive 0.25', 'last: samples, adaptive 0.25']
    >>> [(method.label, method.price) for method in methods_from(("price(auto)",), 0.1)]
    [('exact', None), ('one price', 'auto')]
    >>> [method.label for method in methods_from(("importance", "importance(0.5) + last: topk(0.5)"), 0.1)[1:]]
    ['importance 0.2', 'importance 0.5 + last: TopK(0.5)']
    """
    methods = {"exact": Method("exact")}
    for text in texts:
        method = _method(text, budget)
        if method.importance is not None or not method.exact:
            methods[method.label] = method
    for fraction in adaptive:
        if not 0 < fraction < math.inf:
            raise ValueError(
                f"adaptive={fraction} must be positive and finite: the added variance over that of the minibatch"
            )
        columns, samples = f"columns, adaptive {fraction:g}", f"last: samples, adaptive {fraction:g}"
        methods[columns] = Method(columns, "DiagonalSketch(0.5)", adaptive=float(fraction))
        methods[samples] = Method(samples, "DiagonalSketch(0.5, axis='sample')", where="last", adaptive=float(fraction))
    return tuple(methods.values())


def _method(text: str, budget: float) -> Method:
    """The method that a text names."""
    drawn = re.fullmatch(r"\s*importance\s*(?:\((.*?)\))?\s*(?:\+(.*))?", text)
    if drawn is not None:
        label = f"importance {(mixture := _mixture(drawn[1])):g}"
        if drawn[2] is None:
            return Method(label, importance=mixture)
        rest = _method(drawn[2], budget)
        return replace(rest, label=label if rest.exact else f"{label} + {rest.label}", importance=mixture)
    priced = _priced(text)
    if priced is not None:
        return priced
    place, colon, rest_of = text.partition(":")
    last = bool(colon) and place.strip() == "last"
    vjp = repr(parse(rest_of if last else text, budget=budget))
    return Method(f"last: {vjp}" if last else vjp, vjp, where="last" if last else "hidden")


def _mixture(text: str | None) -> float:
    """The share of the probability that is spread evenly."""
    try:
        mixture = DEFAULT_MIXTURE if text is None else float(text)
    except ValueError:
        mixture = math.nan
    if not 0 < mixture <= 1:
        raise ValueError(f"importance({text}): the mixture must be a number in (0, 1], such as {DEFAULT_MIXTURE:g}")
    return mixture


def _priced(text: str) -> Method | None:
    """The method that a text such as ``price(auto)`` names; None if it names no price."""
    found = re.fullmatch(r"\s*price\s*(?:\((.*)\))?\s*", text)
    if found is None:
        return None
    price = "auto" if found[1] is None else found[1].strip()
    if price == "auto":
        return Method("one price", price="auto")
    if price == "seconds":
        return Method("one price, in seconds", price="seconds")
    try:
        tau = float(price)
    except ValueError:
        tau = math.nan
    if not 0 < tau < math.inf:
        raise ValueError(
            f"price={price!r} must be auto, seconds, or a number τ above 0, such as 0.001: the root of a variance over "
            "operations"
        )
    return Method(f"one price, τ = {tau:g}", price=tau)
