"""What a test of unbiasedness found out about each parameter, from its probes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from minigrad.inspect.probes import Probes
from minigrad.typing import Array

__all__ = ["ParameterVerdict", "by_parameter"]


@dataclass(frozen=True)
class ParameterVerdict:
    """What was found out about one parameter.

    Attributes
    ----------
    name : str
    worst_row : int or None
        The row with the smallest p-value; None if the parameter as a whole has a smaller one.
    bias : float
        Mean of ĝ along g, minus 1: −0.1 means that a tenth is lost. By enumeration where there was one. 0 where g is 0.
    p_value : float
        Smallest of this parameter's probes, adjusted for the number of all probes.
    detectable : float
        The relative bias along g of the whole parameter that these draws would have detected; infinite where g is 0.
        A bias 1.5 times as large is found with probability 0.99, to first order in the number of draws.
    conclusive : bool
        Whether the probe of the whole parameter saw enough events, or its outcomes were listed.
    """

    name: str
    worst_row: int | None
    bias: float
    p_value: float
    detectable: float
    conclusive: bool


def by_parameter(
    probes: Probes,
    mean: Array,
    off: Array,
    p: Array,
    order: Array,
    smallest: Array,
    conclusive: Array,
) -> list[ParameterVerdict]:
    """A verdict for each parameter; ``order`` sorts the probes, the worst first, and ``off`` is their mean."""
    labels = probes.labels
    worst: dict[str, int] = {}
    for j in order.tolist():
        worst.setdefault(labels[j][0], j)
    verdicts = []
    for k, (name, row) in enumerate(labels):
        if row is not None:  # the parameters come first, along g
            break
        norm, at = probes.exact[k], worst[name]  # ‖g‖²
        verdicts.append(
            ParameterVerdict(
                name=name,
                worst_row=_row(labels, at, off),
                bias=float(mean[k] / norm) if norm else 0.0,
                p_value=float(p[at]),
                detectable=float(smallest[k] / norm) if norm else math.inf,
                conclusive=bool(conclusive[k]),
            )
        )
    return verdicts


def _row(labels: list[tuple[str, int | None]], probe: int, mean: Array) -> int | None:
    """The row of a probe; of a whole parameter's the one, if any, that is off more than all others together."""
    name, row = labels[probe]
    if row is not None:
        return row
    # The rows of the same direction: the directions follow one another, each with all its labels.
    half = len(labels) // 2
    mine = [j for j in range(half * (probe // half), half * (probe // half + 1)) if labels[j][0] == name]
    rows = [j for j in mine if labels[j][1] is not None]
    if len(rows) < 2:
        return None
    most = max(rows, key=lambda j: abs(mean[j]))
    return labels[most][1] if abs(mean[most]) > abs(mean[probe] - mean[most]) else None
