"""The checkpoint of a training run: what is kept of it, and how another process goes on from there."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.fingerprint import differences
from minigrad.training.batches import Batches
from minigrad.training.checkpoint import CheckpointError, Headers, load_checkpoint, save_checkpoint
from minigrad.training.history import History
from minigrad.training.identity import identity
from minigrad.typing import Array

if TYPE_CHECKING:
    from minigrad.training.loop import Loop

__all__ = ["OtherRunError", "Saved"]

REMEDY = "Delete it, or give this run a checkpoint of its own"


class OtherRunError(CheckpointError):
    """A checkpoint is whole, but belongs to another run.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from minigrad import datasets, nn, optim, training
    >>> data = datasets.digits().flat()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for lr in (0.1, 0.2):
    ...         model = nn.mlp((64, 10), rng=0)
    ...         try:
    ...             _ = training.fit(
    ...                 model, data, optimizer=optim.SGD(model, lr), epochs=1, rng=0, checkpoint=folder + "/a.npz")
    ...         except training.OtherRunError as error:
    ...             print(str(error).splitlines()[1])
      optimizer.lr: the checkpoint has 0.1, this run 0.2
    """


class Saved:
    """The file in which a run is kept.

    Parameters
    ----------
    loop : Loop
        Before its first step: what it is like then tells it from other runs, for callbacks may change a good deal.
    path : Path

    Raises
    ------
    FingerprintError
        If it cannot be told whether something in the run is the same in another process.
    """

    def __init__(self, loop: Loop, path: Path):
        self.loop, self.path = loop, path
        self.identity = identity(loop)

    def save(self) -> None:
        """Write a checkpoint."""
        loop = self.loop
        meta = {
            "run": self.identity,
            "made with": _made_with(),
            "step": loop.step,
            "flops": [loop.forward_flops, loop.backward_flops],
            "optimizer": _plain(loop.optimizer.state_dict()),
            "sampler": _plain(loop.sampler.state_dict()),
            "history": loop.history.to_dict(),
            "callbacks": [_plain(callback.state_dict()) for callback in loop.callbacks],
        }
        save_checkpoint(self.path, self._arrays(), meta)

    def restore(self, epochs: int) -> None:
        """Go on from a checkpoint; where it does not fit, nothing is changed.

        Parameters
        ----------
        epochs : int
            How many the run is to have in the end.

        Raises
        ------
        OtherRunError
            If it belongs to another run, or has more epochs.
        CheckpointError
            If it is damaged, or none that `minigrad.training.fit` wrote.
        """
        arrays, meta = load_checkpoint(self.path, lambda headers, meta: self._check(headers, meta, epochs))
        loop = self.loop
        before = loop.optimizer.state_dict()
        try:
            loop.optimizer.load_state_dict({**meta["optimizer"], **_below("optimizer/", arrays)})
            loop.model.load_state_dict(_below("model/", arrays))
        except ValueError as error:
            loop.optimizer.load_state_dict(before)
            raise OtherRunError(f"{self.path} belongs to another run: {error}\n{REMEDY}") from error
        for name, tensor in self._beside().items():
            np.copyto(tensor.data, arrays[f"beside/{name}"])
            tensor.version += 1
        for k, (callback, kept) in enumerate(zip(loop.callbacks, meta["callbacks"], strict=True)):
            callback.load_state_dict({**kept, **_below(f"callbacks/{k}/", arrays)}, loop)
        loop.seed = self.identity["seed"] = meta["run"]["seed"]
        loop.batches = Batches(len(loop.x), loop.batches.batch_size, loop.seed)
        loop.sampler.begin(loop.batches)
        loop.sampler.load_state_dict({**meta["sampler"], **_below("sampler/", arrays)})
        loop.step, loop.history = int(meta["step"]), History.from_dict(meta["history"])
        loop.forward_flops, loop.backward_flops = meta["flops"]
        for what, now in _made_with().items():
            if meta["made with"].get(what) != now:
                warnings.warn(
                    f"{self.path} was made with {what} {meta['made with'].get(what)}, and this is {now}: the run goes "
                    "on, but not bit for bit as one that was never interrupted",
                    stacklevel=4,
                )

    def _check(self, headers: Headers, meta: dict[str, Any], epochs: int) -> None:
        """Raise unless a checkpoint is one of this run."""
        try:
            run, done = meta["run"], len(History.from_dict(meta["history"]))
            seed, _, (_, _) = run["seed"], int(meta["step"]), meta["flops"]
            _ = {**meta["optimizer"], **meta["sampler"], **meta["made with"]}, list(meta["callbacks"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"{self.path} is a checkpoint, but not one of training.fit. {REMEDY}") from error
        expected = {**self.identity, "seed": seed} if self.loop.any_seed else self.identity
        found = differences(run, expected)
        if not found:
            wanted = {name: (array.shape, array.dtype) for name, array in self._arrays().items()}
            # What callbacks hold may come and go.
            found = differences(*(_as_text(_without("callbacks/", each)) for each in (headers, wanted)))
        if found:
            lines = "\n".join(f"  {line}" for line in found)
            raise OtherRunError(f"{self.path} belongs to another run:\n{lines}\n{REMEDY}")
        if done > epochs:
            raise OtherRunError(
                f"{self.path} has {done} epochs of this run, and epochs={epochs} is less: earlier states are not kept. "
                f"Ask for at least {done}. Or delete it, or give this run a checkpoint of its own"
            )

    def _arrays(self) -> dict[str, Array]:
        """The arrays of a checkpoint."""
        arrays = {f"model/{name}": array for name, array in self.loop.model.state_dict().items()}
        states = [("optimizer", self.loop.optimizer.state_dict()), ("sampler", self.loop.sampler.state_dict())]
        states += [(f"callbacks/{k}", callback.state_dict()) for k, callback in enumerate(self.loop.callbacks)]
        for of, state in states:
            arrays.update((f"{of}/{name}", value) for name, value in state.items() if isinstance(value, np.ndarray))
        arrays.update((f"beside/{name}", tensor.data) for name, tensor in self._beside().items())
        return arrays

    def _beside(self) -> dict[str, Tensor]:
        """The parameters that the optimiser trains beside the model, such as one of the loss."""
        own = {id(tensor) for tensor in self.loop.model.parameters()}
        pairs = zip(self.loop.optimizer.names, self.loop.optimizer.parameters, strict=True)
        return {name: tensor for name, tensor in pairs if id(tensor) not in own}


def _made_with() -> dict[str, str]:
    """The settings that decide the last digits, but not what is computed."""
    return {"NumPy": np.__version__, "Python": platform.python_version(), "processor": platform.machine()}


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that are no arrays."""
    return {name: value for name, value in state.items() if not isinstance(value, np.ndarray)}


def _as_text(headers: Headers) -> dict[str, str]:
    return {name: f"shape {shape} and dtype {dtype}" for name, (shape, dtype) in headers.items()}


def _without(prefix: str, headers: Headers) -> Headers:
    return {name: header for name, header in headers.items() if not name.startswith(prefix)}


def _below(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
