"""Methods of a comparison: how the VJPs are computed, and on which batch size."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from minigrad.estimators import Estimator, Exact, parse

__all__ = ["DEFAULT_VJPS", "Method", "methods_from"]

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
        ``price(seconds)`` or ``price(0.001)``: one price for every edge, found in the run or given.
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
    """
    methods = {"exact": Method("exact")}
    for text in texts:
        priced = _priced(text)
        if priced is not None:
            methods[priced.label] = priced
            continue
        place, colon, rest = text.partition(":")
        last = bool(colon) and place.strip() == "last"
        vjp = repr(parse(rest if last else text, budget=budget))
        method = Method(f"last: {vjp}" if last else vjp, vjp, where="last" if last else "hidden")
        if not method.exact:
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
