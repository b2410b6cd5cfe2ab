"""The normalisation after a convolution, chosen by its name."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

from numpy.typing import DTypeLike

from minigrad.nn.module import Module
from minigrad.nn.norm_layers import BatchNorm, GroupNorm

__all__ = ["NORMS", "NormName", "norm_layer"]

NormName: TypeAlias = Literal["batch", "group"]
NORMS: tuple[NormName, ...] = get_args(NormName)
MOST_GROUPS = 8


def norm_layer(norm: NormName | None, channels: int, dtype: DTypeLike) -> list[Module]:
    """A list of the one layer, empty for None; a GroupNorm has as many groups, at most 8, as divide the channels.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if norm is None:
        return []
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r} is unknown; it is {', '.join(map(repr, NORMS))} or None")
    if norm == "batch":
        return [BatchNorm(channels, dtype=dtype)]
    return [GroupNorm(math.gcd(channels, MOST_GROUPS), channels, dtype=dtype)]
