"""Loading the state of a model: everything is checked before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minigrad.arrays import plain
from minigrad.engine.tensor import Tensor
from minigrad.typing import Array

__all__ = ["IncompatibleKeys", "load_state"]


class IncompatibleKeys(NamedTuple):
    """The paths in which a state and a model differ.

    Examples
    --------
    >>> from minigrad import nn
    >>> layer = nn.Linear(3, 2, rng=0)
    >>> layer.load_state_dict({"weight": layer.weight.data, "scale": layer.bias.data}, strict=False)
    IncompatibleKeys(missing=['bias'], extra=['scale'])
    """

    missing: list[str]
    extra: list[str]


def load_state(
    model: str, tensors: Mapping[str, Tensor], buffers: Mapping[str, Array], state: Mapping[str, Any], strict: bool
) -> IncompatibleKeys:
    """Copy a state into the parameters and buffers of a model, whose class is named in messages.

    See `minigrad.nn.Module.load_state_dict`.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"load_state_dict: takes a mapping from paths to arrays, got {type(state).__name__}")
    wanted: dict[str, Array] = {**{path: tensor.data for path, tensor in tensors.items()}, **buffers}
    given = {path: plain(value, f"load_state_dict: {path}") for path, value in state.items()}
    missing = [path for path in wanted if path not in given]
    extra = [path for path in given if path not in wanted]
    wrong = [
        f"{path} has shape {array.shape} and dtype {array.dtype} in the state, but shape {wanted[path].shape} "
        f"and dtype {wanted[path].dtype} in the model"
        for path, array in given.items()
        if path in wanted and (array.shape != wanted[path].shape or array.dtype != wanted[path].dtype)
    ]
    lines = list(wrong)
    if strict:
        lines += [f"missing from the state: {', '.join(missing)}"] if missing else []
        lines += [f"in the state, but not in the model: {', '.join(extra)}"] if extra else []
    if lines:
        remedy = " (strict=False skips missing and extra paths)" if strict and (missing or extra) else ""
        raise ValueError(
            f"load_state_dict: the state does not fit the {model}{remedy}; nothing was changed:\n  "
            + "\n  ".join(lines)
        )
    for path, tensor in tensors.items():
        if path in given:
            np.copyto(tensor.data, given[path])
            tensor.version += 1
    for path, array in buffers.items():
        if path in given:
            np.copyto(array, given[path])
    return IncompatibleKeys(missing, extra)
