"""A relative distortion in place of a budget: as few units as hold it, however many these are (Theory §6)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.estimators.named import Named

__all__ = ["AtMost", "Dual", "checked_distortion"]


class AtMost(float):
    """The budget of an estimator with a relative distortion ω: 1/(1 + ω), what a uniform mask needs for it.

    The optimum keeps that much of a cotangent whose units are all alike, and less of any other.

    Parameters
    ----------
    distortion : float
        ω ≥ 0.

    Examples
    --------
    >>> from minigrad.estimators import DiagonalSketch
    >>> DiagonalSketch(distortion=0.25).budget
    0.8
    """

    distortion: float

    def __new__(cls, distortion: float) -> AtMost:
        bound = super().__new__(cls, 1 / (1 + distortion))
        bound.distortion = distortion
        return bound

    def __getnewargs__(self) -> tuple[float]:
        return (self.distortion,)


@dataclass(frozen=True, repr=False)
class Dual(Named):
    """An estimator that takes ``budget=`` or ``distortion=``; a subclass hands both, and its options, to ``_state``.

    Its `budget` is then an upper bound on the fraction kept (`AtMost`), which follows the cotangent. ``distortion`` is
    the name of a method as well, so the number is read as ``relative_distortion``; None where a budget was given.
    """

    relative_distortion: float | None = field(default=None, init=False)

    @property
    def adapts(self) -> bool:  # type: ignore[override]
        """True if the fraction kept follows the cotangent."""
        return self.relative_distortion is not None and self.budget < 1

    def _state(self, budget: float | None, distortion: float | None, **options: Any) -> None:
        if isinstance(budget, AtMost) and distortion is None:  # from `dataclasses.replace`
            distortion, budget = budget.distortion, None
        who = type(self).__name__
        if budget is not None and distortion is not None:
            raise TypeError(
                f"{who}: budget={budget!r} and distortion={distortion!r} are two answers to one question. Say how much "
                "is kept (budget), and the distortion follows the cotangent; or which distortion is allowed, and how "
                "much is kept follows"
            )
        if budget is None and distortion is None:
            raise TypeError(
                f"{who}: the budget must be a number in (0, 1], got None; or say which distortion is allowed in its "
                f"place, as in {who}(distortion=0.1)"
            )
        bound = None if distortion is None else AtMost(checked_distortion(who, distortion))
        stated = {"budget": budget if bound is None else float(bound), **options}
        stated["relative_distortion"] = None if bound is None else bound.distortion
        for name, value in stated.items():
            object.__setattr__(self, name, value)
        self.__post_init__()
        if bound is not None:
            object.__setattr__(self, "budget", bound)

    def __post_init__(self) -> None:
        """Check the options."""

    def _arguments(self) -> list[str]:
        written = super()._arguments()
        return (
            written if self.relative_distortion is None else [f"distortion={self.relative_distortion!r}", *written[1:]]
        )


def checked_distortion(who: str, distortion: Any) -> float:
    """A relative distortion as a float; raise if it is not a finite number ≥ 0."""
    if isinstance(distortion, (bool, np.bool_)) or (
        not isinstance(distortion, (int, float)) and not hasattr(distortion, "__float__")
    ):
        raise TypeError(f"{who}: the distortion must be a number ≥ 0, got {distortion!r}")
    try:
        value = float(distortion)
    except OverflowError:  # a whole number beyond all floats
        value = math.inf
    if not 0 <= value < math.inf:
        raise ValueError(
            f"{who}: distortion={value:g} must be ≥ 0 and finite. It is E‖ĝ − g‖² over ‖g‖²: 0.1 allows a tenth, "
            "0 is exact"
        )
    return abs(value)  # -0.0 is 0
