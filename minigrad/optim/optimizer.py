"""Optimizer: what all optimisers share: parameters under names, steps, and a state that can be saved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from minigrad.arrays import HALF, SINGLE, plain, wide
from minigrad.optim.arguments import Parameters, named, not_negative
from minigrad.structure import Rows, Structured
from minigrad.typing import Array

__all__ = ["Optimizer"]

BLOCK = 65536
"""Values updated at a time: few enough for the cache, enough that NumPy's overhead does not count."""


class Optimizer:
    """Changes parameters in place, by their gradients.

    A subclass writes ``update``, and asks for arrays that it carries from step to step with `slot`. Parameters keep
    their dtype and their memory, and their ``version`` counts the changes, so that a tape recorded before notices.

    Parameters
    ----------
    parameters : Module, iterable of Tensor, or iterable of (str, Tensor)
        Parameters of a Module that do not require a gradient are left out; those that cease to are passed over.
    lr : float
        The learning rate, above 0.

    Attributes
    ----------
    parameters : list of Tensor
        In the order in which `step` takes gradients.
    names : list of str
        Their paths.
    steps : int
        How many steps were taken.

    Raises
    ------
    ValueError
        If there are no parameters, one comes twice, requires no gradient or cannot be written to; or if ``lr`` is not
        positive and finite.
    TypeError
        If something is not a Tensor.

    Examples
    --------
    >>> import minigrad as mg
    >>> class SignDescent(Optimizer):
    ...     def update(self, data, gradient, work, *state):
    ...         np.sign(gradient, out=work[0])
    ...         np.multiply(work[0], self.lr, out=work[0])
    ...         np.subtract(data, work[0], out=data)
    >>> w = mg.Tensor([3.0, -4.0], requires_grad=True)
    >>> with mg.Tape():
    ...     loss = (w**2).sum()
    >>> loss.backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w.data.tolist()
    [2.5, -3.5]
    """

    not_fingerprinted: ClassVar[tuple[str, ...]] = ("parameters", "names", "steps", "_lr", "_slots", "_pools", "_views")

    def __init__(self, parameters: Parameters, lr: float):
        pairs = named(parameters, type(self).__name__)
        self.names = [name for name, _ in pairs]
        self.parameters = [tensor for _, tensor in pairs]
        self.steps = 0
        self.lr = lr
        if self.lr == 0:
            raise ValueError(f"{type(self).__name__}: lr=0 would never change anything; it must be above 0")
        self._slots: dict[str, list[Array]] = {}
        self._pools: dict[Any, Array] = {}
        self._views: dict[Any, list[Array]] = {}

    @property
    def lr(self) -> float:
        """The learning rate of the next step. Schedules set it before each; then 0 is allowed.

        Raises
        ------
        ValueError
            If it is negative, NaN or infinite.
        """
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = not_negative(f"{type(self).__name__}: lr", value)

    def slot(self, name: str) -> None:
        """Ask for arrays of zeros like the parameters, which are carried from step to step and saved with the state.

        For float16 they are float32.
        """
        self._slots[name] = [np.zeros(tensor.shape, wide(tensor.dtype)) for tensor in self.parameters]

    def step(self, gradients: Sequence[Array | Structured] | None = None) -> None:
        """Take one step.

        Parameters
        ----------
        gradients : sequence of ndarray or structured cotangent, optional
            In the order of ``parameters``, as ``tape.gradients(loss, optimizer.parameters)`` returns them. Default:
            ``.grad`` of each parameter.

        Raises
        ------
        ValueError
            If a gradient is missing, or their number or a shape is wrong; nothing has been changed then.
        """
        found = self._checked(gradients)
        self.steps += 1
        self.begin()
        for k, (tensor, gradient) in enumerate(zip(self.parameters, found, strict=True)):
            if not tensor.requires_grad:  # frozen since the optimiser was made
                continue
            data = tensor.data
            tensor.version += 1
            if isinstance(gradient, Structured):
                if isinstance(gradient, Rows) and data.flags.c_contiguous and self.update_rows(data, gradient):
                    continue
                gradient = gradient.dense()
            state = [arrays[k] for arrays in self._slots.values()]
            if data.dtype == HALF:  # squares of gradients, and ε, are 0 in it
                values = data.astype(SINGLE)
                self.update(values, gradient.astype(SINGLE), self._work(values), *state)
                data[...] = values
            elif data.size > BLOCK and data.flags.c_contiguous:
                flat = [array.reshape(-1) for array in (data, gradient, *state)]
                for start in range(0, data.size, BLOCK):
                    values, *others = [array[start : start + BLOCK] for array in flat]
                    self.update(values, others[0], self._work(values), *others[1:])
            else:
                self.update(data, gradient, self._work(data), *state)

    def _work(self, data: Array) -> list[Array]:
        """Two work arrays like ``data``; they share one piece of memory with all others."""
        key = (data.shape, data.dtype)
        views = self._views.get(key)
        if views is None:
            if (pool := self._pools.get(data.dtype)) is None or pool.shape[1] < data.size:
                pool = self._pools[data.dtype] = np.empty((2, data.size), data.dtype)
                self._views = {other: own for other, own in self._views.items() if other[1] != data.dtype}
            views = self._views[key] = [row[: data.size].reshape(data.shape) for row in pool]
        return views

    def begin(self) -> None:
        """Called before the updates of a step, when ``steps`` has been counted up."""

    def update(self, data: Array, gradient: Array, work: list[Array], *state: Array) -> None:
        """Change values in place, element by element; a subclass says how.

        Large parameters come in blocks, flattened, so that a block stays in the processor's cache while the formulas
        pass over it. Do not change the gradient; use ``out=``, so that nothing is allocated.

        Parameters
        ----------
        data, gradient : ndarray
            Values of a parameter, or of a block of it, and their gradient.
        work : list of two ndarray
            Of the shape and dtype of ``data``, with any content.
        *state : ndarray
            The slots, in the order in which they were asked for.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no `update`. Write `update(self, data, gradient, work, *state)` that changes "
            "data in place"
        )

    def update_rows(self, data: Array, gradient: Rows) -> bool:
        """Change only the rows that a gradient has; return False where that is not the same as a dense update."""
        return False

    def _checked(self, gradients: Sequence[Array | Structured] | None) -> list[Array | Structured]:
        """The gradients of a step; raise if they do not fit the parameters."""
        kind = type(self).__name__
        if gradients is None:
            missing = [
                name for name, t in zip(self.names, self.parameters, strict=True) if t.requires_grad and t.grad is None
            ]
            if missing:
                raise ValueError(
                    f"{kind}.step: no gradient for {', '.join(missing)}: .grad is None. Call loss.backward() before, "
                    "or pass the gradients; a parameter that the loss does not use belongs to no optimiser"
                )
            found: list[Any] = [tensor.grad for tensor in self.parameters]
        else:
            found = list(gradients)
            if len(found) != len(self.parameters):
                raise ValueError(f"{kind}.step: got {len(found)} gradients for {len(self.parameters)} parameters")
        for k, (name, tensor, gradient) in enumerate(zip(self.names, self.parameters, found, strict=True)):
            if not tensor.requires_grad:
                continue
            if isinstance(gradient, np.ndarray) and type(gradient) is not np.ndarray:
                found[k] = gradient = plain(gradient, f"{kind}.step: the gradient of {name}")
            if not isinstance(gradient, (np.ndarray, Structured)):
                if not isinstance(gradient, (float, np.floating)):
                    raise TypeError(
                        f"{kind}.step: the gradient of {name} is a {type(gradient).__name__}, not an array. "
                        "tape.gradients returns arrays, but tensors while another tape records, which would not see "
                        "this step: leave that block first"
                    )
                found[k] = gradient = np.asarray(gradient)
            if gradient.shape != tensor.data.shape:
                raise ValueError(
                    f"{kind}.step: the gradient of {name} has shape {gradient.shape}, the parameter {tensor.shape}"
                )
            for arrays in self._slots.values():
                if arrays[k].shape != tensor.data.shape or arrays[k].dtype != wide(tensor.data.dtype):
                    raise ValueError(
                        f"{kind}.step: {name} was of shape {arrays[k].shape} and dtype {arrays[k].dtype} when "
                        f"this optimiser was made, and is now of shape {tensor.shape} and dtype {tensor.dtype}; make "
                        "a new one"
                    )
        return found

    def zero_grad(self) -> None:
        """Set ``.grad`` of all parameters to None."""
        for tensor in self.parameters:
            tensor.grad = None

    def state_dict(self) -> dict[str, Array | float | int]:
        """Copies of all that later steps depend on: ``steps``, ``lr``, and arrays under ``"slot/path"``."""
        state: dict[str, Array | float | int] = {"steps": self.steps, "lr": self.lr}
        for slot, arrays in self._slots.items():
            state.update((f"{slot}/{name}", array.copy()) for name, array in zip(self.names, arrays, strict=True))
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; steps then go on bit for bit.

        Other arguments of the optimiser (momentum, weight decay, …) are not part of the state.

        Raises
        ------
        ValueError
            If entries are missing, extra, of another shape or dtype, or not sensible. All that is wrong is in the
            message, and nothing has been changed.
        """
        arrays = {
            f"{slot}/{name}": array
            for slot, own in self._slots.items()
            for name, array in zip(self.names, own, strict=True)
        }
        wanted = ["steps", "lr", *arrays]
        lines = []
        for key, array in arrays.items():
            given = np.asarray(state[key]) if key in state else array
            if given.shape != array.shape or given.dtype != array.dtype:
                lines.append(
                    f"{key} has shape {given.shape} and dtype {given.dtype}, but the parameter needs {array.shape} and "
                    f"{array.dtype}"
                )
        missing = [key for key in wanted if key not in state]
        extra = [key for key in state if key not in wanted]
        lines += [f"missing from the state: {', '.join(missing)}"] if missing else []
        lines += [f"in the state, but not in the optimiser: {', '.join(extra)}"] if extra else []
        steps, lr = np.asarray(state.get("steps", 0)), np.asarray(state.get("lr", 0.0))
        if steps.ndim or steps.dtype.kind not in "iu" or steps < 0:
            lines.append(f"steps is {state['steps']!r}, not a whole number of at least 0")
        if lr.ndim or lr.dtype.kind not in "fiu" or not 0 <= lr < math.inf:
            lines.append(f"lr is {state['lr']!r}, not a number of at least 0")
        if lines:
            raise ValueError(
                f"load_state_dict: the state does not fit this {type(self).__name__}; nothing was changed:\n  "
                + "\n  ".join(lines)
            )
        for key, array in arrays.items():
            np.copyto(array, state[key])
        self.steps = int(steps)
        self.lr = float(lr)

    def repr_arguments(self) -> str:
        """The arguments beyond ``lr``, for ``repr``; a subclass says which."""
        return ""

    def __repr__(self) -> str:
        count, values = len(self.parameters), sum(tensor.size for tensor in self.parameters)
        many = f"{count} parameter{'' if count == 1 else 's'} with {values:,} value{'' if values == 1 else 's'}"
        return f"<{type(self).__name__}(lr={self.lr:g}{self.repr_arguments()}) of {many}>"
