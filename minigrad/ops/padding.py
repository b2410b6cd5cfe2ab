"""Padding: a frame around the values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.rowwise import by_sample
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.structure import Cotangent, Rows
from minigrad.typing import Array

__all__ = ["pad"]

Result = tuple[Array, dict[str, Any]]
PadMode: TypeAlias = Literal["constant", "edge", "reflect", "symmetric", "wrap"]
COPIES = ("edge", "reflect", "symmetric", "wrap")
"""Modes whose frame is made of the values of x."""


def _pad_x(g: Array, saved: dict[str, Any]) -> Array:
    """The part within the frame; what the frame was copied from gets the frame's cotangents as well."""
    places = saved.get("places")
    if places is None:
        return g[tuple([slice(b, n - a) for (b, a), n in zip(saved["width"], g.shape, strict=True)])]
    for axis, (before, after) in enumerate(saved["width"]):
        if before or after:
            front, inside, behind = np.split(g, [before, g.shape[axis] - after], axis)
            out = inside.copy()
            for part, source in zip((front, behind), places[axis], strict=True):
                np.add.at(out, (*(slice(None),) * axis, source), part)
            g = out
    return g


def _pad_tangent(t: Array, saved: dict[str, Any]) -> Array:
    return np.pad(t, saved["width"], mode=saved["mode"])


@define(kind="linear", tangents={"x": _pad_tangent}, x=_pad_x)
def _pad(x: Array, pad_width: Any, mode: PadMode = "constant", constant_values: Any = 0.0) -> Result:
    if isinstance(pad_width, Mapping):
        pairs = np.zeros((x.ndim, 2), int)
        for axis, pair in pad_width.items():
            if not isinstance(axis, (int, np.integer)) or not -x.ndim <= axis < x.ndim:
                raise ValueError(f"pad_width={pad_width!r} names {axis!r}, which is no axis of x")
            pairs[axis] = pair
        pad_width = pairs
    if mode == "constant":
        out = np.pad(x, pad_width, constant_values=constant_values)
        return out, {"width": np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist(), "mode": mode}
    if mode not in COPIES:
        raise ValueError(
            f"mode={mode!r} is none of 'constant', {', '.join(map(repr, COPIES))}; for others compute the frame, and "
            "join it with ops.concatenate"
        )
    out = np.pad(x, pad_width, mode=mode)
    width = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    places = []
    for (before, after), n in zip(width, x.shape, strict=True):
        source = np.pad(np.arange(n), (before, after), mode=mode) if before or after else np.arange(0)
        places.append((source[:before], source[len(source) - after :]))
    return out, {"width": width, "mode": mode, "places": places}


@stands_for(np.pad, constant_values="constant_values")  # one of NumPy's **kwargs
@operation(_pad)
def pad(
    x: TensorLike, pad_width: Any, mode: PadMode = "constant", *, constant_values: Any = 0.0, vjp: VJP = None
) -> Tensor:
    """A frame around the values.

    Parameters
    ----------
    x : Tensor or array_like
    pad_width : int, sequence of pairs of int, or dict
        How many values before and after, for each axis, as in `numpy.pad`; a dict by the axes that are padded.
    mode : {"constant", "edge", "reflect", "symmetric", "wrap"}, default "constant"
        What the frame is made of: one value, the outermost values, the values mirrored at the outermost ones or at the
        edge between them and the frame, or those of the other end.
    constant_values : float or sequence of pairs of float, default 0
        The values of a constant frame, for each axis before and after.

    Raises
    ------
    ValueError
        If the widths do not fit the axes, or the mode is none of these.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.pad([1.0, 2.0], (1, 2)).data.tolist()
    [0.0, 1.0, 2.0, 0.0, 0.0]
    >>> ops.pad([1.0, 2.0, 3.0], 2, "reflect").data.tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]
    """
    settings = {"pad_width": pad_width, "mode": mode, "constant_values": constant_values}
    return record(_pad, (x,), settings, vjp=vjp)


# A cotangent of few samples stays one where the first axis is left alone.

_pad_samples = by_sample(_pad_x)


def _pad_rows(g: Rows, saved: dict[str, Any]) -> Cotangent:
    return _pad_samples(g, saved) if saved["width"][0] == [0, 0] else _pad_x(g.dense(), saved)


_pad.structured(Rows, x=_pad_rows)
