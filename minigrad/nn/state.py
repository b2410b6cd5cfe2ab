"""Loading the state of a model: everything is checked before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minigrad.arrays import plain
from minigrad.typing import Array

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = ["Differences", "load_state"]


class Differences(NamedTuple):
    """The paths in which a state and a model differ.

    Examples
    --------
    >>> from minigrad import nn
    >>> layer = nn.Linear(3, 2, rng=0)
    >>> layer.load_state_dict({"weight": layer.weight.data, "scale": layer.bias.data}, strict=False)
    Differences(missing=['bias'], extra=['scale'])
    """

    missing: list[str]
    extra: list[str]


def load_state(module: Module, state: Mapping[str, Any], strict: bool) -> Differences:
    """See `Module.load_state_dict`."""
    if not isinstance(state, Mapping):
        raise TypeError(f"load_state_dict: takes a mapping from paths to arrays, got {type(state).__name__}")
    tensors = dict(module.named_parameters())
    buffers = dict(module.named_buffers())
    wanted: dict[str, Array] = {**{path: tensor.data for path, tensor in tensors.items()}, **buffers}
    given = {path: plain(value, f"load_state_dict: {path}") for path, value in state.items()}
    found = Differences([path for path in wanted if path not in given], [path for path in given if path not in wanted])
    wrong = [
        f"{path} has shape {array.shape} and dtype {array.dtype} in the state, but shape {wanted[path].shape} "
        f"and dtype {wanted[path].dtype} in the model"
        for path, array in given.items()
        if path in wanted and (array.shape != wanted[path].shape or array.dtype != wanted[path].dtype)
    ]
    lines = list(wrong)
    if strict:
        lines += [f"missing from the state: {', '.join(found.missing)}"] if found.missing else []
        lines += [f"in the state, but not in the model: {', '.join(found.extra)}"] if found.extra else []
    if lines:
        remedy = " (strict=False skips missing and extra paths)" if strict and (found.missing or found.extra) else ""
        raise ValueError(
            f"load_state_dict: the state does not fit the {type(module).__name__}{remedy}; nothing was changed:\n  "
            + "\n  ".join(lines)
        )
    for path, tensor in tensors.items():
        if path in given:
            np.copyto(tensor.data, given[path])
            tensor.version += 1
    for path, array in buffers.items():
        if path in given:
            np.copyto(array, given[path])
    return found
