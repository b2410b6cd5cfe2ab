"""Targets of a gradient: leaves, and tensors on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine.context import Recorder, TapeError
from minigrad.engine.nesting import index_on, lost, was_lent
from minigrad.engine.sweep import Sweep
from minigrad.engine.tensor import Tensor

__all__ = ["arrived", "check_wrt"]


def check_wrt(tape: Recorder, wrt: Sequence[Tensor]) -> frozenset[int]:
    """The nodes among ``wrt``; raise for tensors that have no gradient here."""
    if not isinstance(wrt, (list, tuple)):
        raise TypeError("gradients: wrt= takes a list of tensors, as in tape.gradients(loss, [w])")
    nodes = set()
    for k, tensor in enumerate(wrt):
        if not hasattr(tensor, "requires_grad"):
            raise TypeError(f"gradients: wrt[{k}] is a {type(tensor).__name__}, not a Tensor")
        index = index_on(tensor, tape)
        if index is not None:
            nodes.add(index)
            continue
        if tensor.tape is None and tensor.requires_grad and tape.lent is None:
            continue  # a leaf
        which = f"wrt[{k}]" + (f" ({tensor.name})" if tensor.name else "")
        if tensor.tape is not None and not any(tensor is leaf for leaf in tape.leaves):
            raise TapeError(f"gradients: {which} was recorded on another tape")
        elif was_lent(tensor, tape):
            raise lost(f"gradients: {which}", tensor, tape)
        elif not tensor.requires_grad:
            raise TapeError(
                f"gradients: {which} of shape {tensor.shape} requires no gradient; make it with requires_grad=True"
            )
    return frozenset(nodes)


def arrived(sweep: Sweep, tensor: Tensor, tape: Recorder) -> Any:
    """The gradient that a finished sweep holds for a leaf or a recorded tensor; zeros where none came."""
    index = index_on(tensor, tape)
    if index is None:
        g = sweep.gradient(tensor)
    else:
        kept = sweep.kept.get(index)
        g = np.array(kept) if isinstance(kept, (np.ndarray, np.generic)) else kept
        if g is not None and g.dtype != tensor.data.dtype:  # float32 sums for a float16 tensor
            g = g.astype(tensor.data.dtype)
    return np.zeros_like(tensor.data) if g is None else g
