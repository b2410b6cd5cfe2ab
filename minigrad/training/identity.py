"""The identity of a run: all that decides its numbers, as data that a checkpoint keeps and a run is compared with.

What the checkpoint restores is left out: values of parameters and buffers, the optimiser's state, the learning rate
where a schedule sets it. So is the number of epochs: a run may be made longer. What depends on it, such as the length
of a cosine, may not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.fingerprint import FingerprintError, describe, describe_array, source
from minigrad.nn.module import Module

if TYPE_CHECKING:
    from minigrad.training.loop import Loop

__all__ = ["describe_model", "identity"]


def identity(loop: Loop) -> dict[str, Any]:
    """Everything that decides what a run computes, by the names of the arguments of `minigrad.training.fit`.

    - the seed, the batches, the steps of an epoch, ``max_norm``;
    - the data, by content;
    - the model: for each module its class and its settings, vjp and save among them, the shape and dtype of its
      parameters and buffers, which of them are trained, and what is shared;
    - the optimiser: its class, its settings, and the names of its parameters;
    - the loss, the schedule, the augmentation, the sampler and the callbacks, as `minigrad.fingerprint` describes
      functions and objects;
    - minigrad: its version and its source.

    Raises
    ------
    FingerprintError
        If something cannot be described.
    """
    parts = ("x_train", "y_train", "x_test", "y_test")
    arrays = [loop.x, loop.y, *(loop.test or (None, None))]
    data = {name: _data(name, array) for name, array in zip(parts, arrays, strict=True)}
    known = {
        id(loop.model): {"name": "the model"},
        id(loop.optimizer): {"name": "the optimizer"},
        **{id(array): {"name": name} for name, array in zip(parts, arrays, strict=True) if array is not None},
    }
    known.update(
        (id(tensor), {"name": f"parameter {name} of the optimizer"})
        for name, tensor in zip(loop.optimizer.names, loop.optimizer.parameters, strict=True)
    )
    model = describe_model(loop.model, "model", known)
    known.update((id(module), {"name": f"the model's {path}"}) for path, module in loop.model.named_modules() if path)
    known.update((id(tensor), {"name": f"the model's {path}"}) for path, tensor in loop.model.named_parameters())
    optimizer = describe(loop.optimizer, "optimizer", {k: v for k, v in known.items() if k != id(loop.optimizer)})
    lr = {"lr": loop.optimizer.lr} if loop.schedule is None else {}
    return {
        "seed": loop.seed,
        "batch_size": loop.batches.batch_size,
        "steps_per_epoch": loop.steps_per_epoch,
        "max_norm": describe(loop.max_norm, "max_norm"),
        **data,
        "model": model,
        "optimizer": {**optimizer, **lr, "parameters": list(loop.optimizer.names)},
        **{
            name: describe(value, name, known)
            for name, value in (
                ("schedule", loop.schedule),
                ("loss", loop.loss),
                ("augment", loop.augment),
                ("sampler", loop.sampler),
            )
        },
        "callbacks": [describe(each, f"callbacks[{k}]", known) for k, each in enumerate(loop.callbacks)],
        "minigrad": source(),
    }


def describe_model(model: Module, where: str, known: Mapping[int, Any] | None = None) -> dict[str, Any]:
    """For each module of a model its class, its settings, and the shapes of its parameters, but not their values.

    Parameters
    ----------
    model : Module
    where : str
        What error messages call it.
    known : mapping from int to object, optional
        As for `minigrad.fingerprint.describe`.

    Examples
    --------
    >>> from minigrad import nn
    >>> describe_model(nn.Sequential(nn.Dropout(0.5)), "model")["0"]
    {'class': 'minigrad.nn.dropout.Dropout', '_save': None, 'rate': 0.5}
    """
    modules = dict(model.named_modules())
    inside: dict[int, Any] = dict(known or {})
    inside.update((id(module), {"module": path}) for path, module in modules.items())
    for path, tensor in model.named_parameters():
        shape = {"shape": list(tensor.shape), "dtype": tensor.dtype.str}
        inside[id(tensor)] = {"parameter": path, **shape, "requires_grad": tensor.requires_grad}
    inside.update(
        (id(array), {"buffer": path, "shape": list(array.shape), "dtype": array.dtype.str})
        for path, array in model.named_buffers()
    )
    found = {}
    for path, module in modules.items():
        own = {id(module): None}
        others = {key: value for key, value in inside.items() if key not in own}
        described = describe(module, f"{where}.{path}" if path else where, others)
        described.pop("training", None)  # fit sets it
        names = [name for name, _ in module.named_children()]
        found[path] = {**described, **({"children": names} if names else {})}
    return found


def _data(name: str, array: Any) -> Any:
    """Training or test data, by content."""
    if array is None:
        return None
    if isinstance(array, np.ndarray):
        return describe_array(np.asarray(array))
    try:
        return describe(array, name)
    except FingerprintError as error:
        raise FingerprintError(f"{error}. Or hand over NumPy arrays") from error
