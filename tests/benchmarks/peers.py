"""The same loss in other libraries: each gives a few functions of its own, and a training step around them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .program import Program

__all__ = ["LIBRARIES", "OTHERS", "is_peer", "missing", "program"]

Loss = Callable[..., Any]
"""``loss(xp, *parameters)``, with the functions ``xp`` of a library."""


def is_peer(name: str) -> bool:
    """Whether a program needs another library."""
    return name in OTHERS


def missing(name: str) -> bool:
    """Whether that library is not installed."""
    return is_peer(name) and importlib.util.find_spec(name) is None


def program(library: str, loss: Loss, arrays: list[np.ndarray], rate: float | None) -> Program:
    """A step in one library: the loss and its gradients, and for a rate an update of the parameters in place."""
    return MAKERS[library](loss, arrays, rate)


def _minigrad(loss: Loss, arrays: list[np.ndarray], rate: float | None) -> Program:
    import minigrad as mg
    from minigrad import ops, optim

    xp = SimpleNamespace(
        tanh=ops.tanh, relu=ops.relu, softplus=ops.softplus, linear=ops.linear, cross_entropy=ops.cross_entropy,
        const=lambda array: array,
    )  # fmt: skip
    leaves = [mg.Tensor(array, requires_grad=True) for array in arrays]
    optimizer = None if rate is None else optim.SGD(leaves, lr=rate)

    def gradients() -> tuple[mg.Tensor, tuple[Any, ...]]:
        with mg.Tape() as tape:
            value = loss(xp, *leaves)
        return value, tape.gradients(value, leaves)

    def step() -> None:
        _, found = gradients()
        if optimizer is not None:
            optimizer.step(found)

    def result() -> list[np.ndarray]:
        value, found = gradients()
        return [value.data, *found]

    return Program(step, result)


def _torch(loss: Loss, arrays: list[np.ndarray], rate: float | None) -> Program:
    import torch
    from torch.nn import functional as F

    kept: dict[int, torch.Tensor] = {}

    def const(array: np.ndarray) -> torch.Tensor:
        return kept.setdefault(id(array), torch.from_numpy(array))

    xp = SimpleNamespace(
        tanh=torch.tanh, relu=F.relu, softplus=F.softplus, linear=F.linear, cross_entropy=F.cross_entropy, const=const
    )
    leaves = [torch.nn.Parameter(torch.from_numpy(np.array(array))) for array in arrays]
    optimizer = None if rate is None else torch.optim.SGD(leaves, lr=rate)

    def gradients() -> torch.Tensor:
        for leaf in leaves:
            leaf.grad = None
        value = loss(xp, *leaves)
        value.backward()
        return value

    def step() -> None:
        gradients()
        if optimizer is not None:
            optimizer.step()

    def result() -> list[np.ndarray]:
        value = gradients()
        return [value.detach().numpy(), *[leaf.grad.numpy() for leaf in leaves]]

    return Program(step, result)


def _functions(
    np_like: Any, take_labels: Callable[[Any, np.ndarray], Any], value: Callable[[Any], Any]
) -> SimpleNamespace:
    """Layers and losses by the functions of a library that has those of NumPy; ``value`` of what it traces.

    Their derivatives of ``mean``, ``maximum`` and ``max`` may be of float64, and then all below is, at twice the time.
    So these are written in other ways.
    """

    def cross_entropy(logits: Any, labels: np.ndarray) -> Any:
        shifted = logits - value(logits).max(axis=1, keepdims=True)  # whose gradient is zero
        total = np_like.log(np_like.sum(np_like.exp(shifted), axis=1))
        return np_like.sum(total - take_labels(shifted, labels)) * logits.dtype.type(1 / len(labels))

    return SimpleNamespace(
        tanh=np_like.tanh,
        relu=lambda x: x * (value(x) > 0),
        softplus=lambda x: np_like.logaddexp(x, 0),
        linear=lambda x, w, b: np_like.matmul(x, w.T) + b,
        cross_entropy=cross_entropy,
        const=lambda array: array,
    )


def _by_rows(shifted: Any, labels: np.ndarray) -> Any:
    return shifted[np.arange(len(labels)), labels]


def _autograd(loss: Loss, arrays: list[np.ndarray], rate: float | None) -> Program:
    import autograd
    import autograd.numpy as anp

    xp = _functions(anp, _by_rows, autograd.tracer.getval)
    both = autograd.value_and_grad(lambda parameters: loss(xp, *parameters))
    own = [np.array(array) for array in arrays]

    def step() -> None:
        _, found = both(own)
        if rate is not None:
            for array, gradient in zip(own, found, strict=True):
                array -= array.dtype.type(rate) * gradient

    def result() -> list[np.ndarray]:
        value, found = both(own)
        return [np.asarray(value), *found]

    return Program(step, result)


def _mygrad(loss: Loss, arrays: list[np.ndarray], rate: float | None) -> Program:
    import mygrad

    xp = _functions(mygrad, _by_rows, lambda x: x.data)
    own = [np.array(array) for array in arrays]

    def gradients() -> tuple[Any, list[np.ndarray]]:
        leaves = [mygrad.tensor(array, copy=False) for array in own]
        value = loss(xp, *leaves)
        value.backward()
        return value, [leaf.grad for leaf in leaves]

    def step() -> None:
        _, found = gradients()
        if rate is not None:
            for array, gradient in zip(own, found, strict=True):
                array -= array.dtype.type(rate) * gradient

    def result() -> list[np.ndarray]:
        value, found = gradients()
        return [value.data, *found]

    return Program(step, result)


def _jax(loss: Loss, arrays: list[np.ndarray], rate: float | None) -> Program:
    """Compiled once, for these shapes; the program waits for its results."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    xp = _functions(jnp, _by_rows, jax.lax.stop_gradient)
    both = jax.value_and_grad(lambda parameters: loss(xp, *parameters))

    def update(parameters: list[Any]) -> tuple[Any, list[Any]]:
        value, found = both(parameters)
        if rate is None:
            return value, found
        return value, [own - own.dtype.type(rate) * gradient for own, gradient in zip(parameters, found, strict=True)]

    compiled = jax.jit(update)
    state = [jnp.asarray(array) for array in arrays]

    def step() -> None:
        nonlocal state
        value, found = compiled(state)
        jax.block_until_ready((value, found))
        if rate is not None:
            state = found

    def result() -> list[np.ndarray]:
        value, found = both([jnp.asarray(array) for array in arrays])
        return [np.asarray(value), *[np.asarray(gradient) for gradient in found]]

    return Program(step, result)


MAKERS: dict[str, Callable[[Loss, list[np.ndarray], float | None], Program]] = {
    "minigrad": _minigrad, "torch": _torch, "jax": _jax, "mygrad": _mygrad, "autograd": _autograd,
}  # fmt: skip
LIBRARIES = tuple(MAKERS)
"""Libraries that a step can be written in, this one first."""
OTHERS = LIBRARIES[1:]
