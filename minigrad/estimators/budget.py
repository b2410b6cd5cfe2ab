"""The same estimator with another budget."""

from __future__ import annotations

import dataclasses
from typing import overload

from minigrad.engine.estimator import VJP, Estimator

__all__ = ["has_budget", "states_budget", "with_budget"]


@overload
def with_budget(vjp: Estimator, budget: float) -> Estimator: ...
@overload
def with_budget(vjp: VJP, budget: float) -> VJP: ...
def with_budget(vjp: VJP, budget: float) -> VJP:
    """The same choice of VJP with another budget.

    Parameters
    ----------
    vjp : Estimator, mapping or None
        An estimator that is exact whatever its budget stays as it is. One with a distortion gets the budget in its
        place.
    budget : float
        In (0, 1].

    Raises
    ------
    TypeError
        If an estimator has no field ``budget``, as `Priced`.

    Examples
    --------
    >>> from minigrad.estimators import Mask, with_budget
    >>> with_budget(Mask(0.5, axis="row"), 0.1)
    Mask(0.1, axis='row')
    """
    if vjp is None:
        return None
    if isinstance(vjp, Estimator):
        known = dataclasses.is_dataclass(vjp)
        if known and any(field.name == "budget" for field in dataclasses.fields(vjp)):  # type: ignore[arg-type]
            changed: Estimator = dataclasses.replace(vjp, budget=budget)  # type: ignore[type-var]
            return changed
        if known and vjp.budget == 1:
            return vjp  # Exact
        if vjp.adapts:
            raise TypeError(
                f"{vjp!r} has no budget to change: what it keeps follows from its own settings and the cotangent. "
                "Where budgets are set, shared or compared, take an estimator with one, such as DiagonalSketch(0.5), "
                "or leave the layer exact"
            )
        raise TypeError(f"{vjp!r} has no field `budget` to change; make its class a dataclass with one")
    return {edge: with_budget(estimator, budget) for edge, estimator in vjp.items()}


def has_budget(vjp: VJP) -> bool:
    """True if a choice of VJP has a budget that can be changed; `Exact` and None have none.

    Examples
    --------
    >>> from minigrad.estimators import Exact, Mask
    >>> has_budget(Mask(0.5)), has_budget({"x": Exact()})
    (True, False)
    """
    if vjp is None:
        return False
    if isinstance(vjp, Estimator):
        return not (dataclasses.is_dataclass(vjp) and vjp.budget == 1 and not dataclasses.fields(vjp))
    return any(has_budget(estimator) for estimator in vjp.values())


def states_budget(estimator: Estimator) -> bool:
    """True if an estimator says what its budget is; one that leaves it at the default of the base class does not.

    Examples
    --------
    >>> from minigrad.estimators import Exact, Mask
    >>> class Coin(Estimator):
    ...     def sample(self, g, node, rng):
    ...         return 2 * g if rng.random() < 0.5 else 0 * g
    >>> states_budget(Mask(0.5)), states_budget(Exact()), states_budget(Coin())
    (True, True, False)
    """
    if not has_budget(estimator):
        return True  # Exact
    return "budget" in vars(estimator) or any("budget" in vars(cls) for cls in _below_the_base(estimator))


def _below_the_base(estimator: Estimator) -> list[type]:
    mro = type(estimator).__mro__
    return list(mro[: mro.index(Estimator)])
