"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

import math

import numpy as np

from minigrad.optim.arguments import Parameters, fraction, not_negative
from minigrad.optim.optimizer import Optimizer
from minigrad.typing import Array

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    With gradient g, step number t = 1, 2, … and weight decay λ, each step does

        g ← g + λ w,   m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,
        w ← w − lr · m̂ / (√v̂ + ε),   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ).

    Kingma & Ba (2015), *Adam: A Method for Stochastic Optimization*, ICLR, algorithm 1. Weight decay enters the
    gradient here, and is scaled with it; see `AdamW` for the other way.

    Parameters
    ----------
    parameters : Module, iterable of Tensor, or iterable of (str, Tensor)
    lr : float, default 0.001
        The learning rate, above 0.
    betas : pair of float, default (0.9, 0.999)
        β₁ and β₂, each in [0, 1).
    eps : float, default 1e-8
        ε, above 0.
    weight_decay : float, default 0
        λ, at least 0.

    Raises
    ------
    ValueError
        If an argument is out of its range, or `Optimizer` cannot work on the parameters.

    Examples
    --------
    The first step has the length of the learning rate, whatever the gradient is:

    >>> import minigrad as mg
    >>> w = mg.Tensor([1.0, 1.0], requires_grad=True)
    >>> Adam([w], lr=0.1).step([np.array([1e-3, -1e3])])
    >>> w.data.round(4).tolist()
    [0.9, 1.1]
    """

    decoupled = False
    not_fingerprinted = ("_rate", "_inverse")  # computed anew in each step

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        *,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr)
        kind = type(self).__name__
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{kind}: betas={betas!r} must be a pair, such as (0.9, 0.999)")
        first, second = betas
        self.betas = fraction(f"{kind}: betas[0]", first), fraction(f"{kind}: betas[1]", second)
        self.eps = not_negative(f"{kind}: eps", eps)
        if not self.eps:
            raise ValueError(f"{kind}: eps must be above 0, or a parameter whose gradient is 0 would become NaN")
        self.weight_decay = not_negative(f"{kind}: weight_decay", weight_decay)
        self.slot("mean")
        self.slot("square")

    def begin(self) -> None:
        first, second = self.betas
        # lr · m̂ / (√v̂ + ε) with both corrections taken out of the arrays.
        self._rate = self.lr / (1 - first**self.steps)
        self._inverse = 1 / math.sqrt(1 - second**self.steps)

    def update(self, data: Array, gradient: Array, work: list[Array], *state: Array) -> None:
        first, second = self.betas
        mean, square = state
        step, other = work
        if self.weight_decay and self.decoupled:
            np.multiply(data, 1 - self.lr * self.weight_decay, out=data)
        elif self.weight_decay:
            np.multiply(data, self.weight_decay, out=other)
            gradient = np.add(other, gradient, out=other)
        np.multiply(mean, first, out=mean)
        np.multiply(gradient, 1 - first, out=step)
        np.add(mean, step, out=mean)
        np.multiply(square, second, out=square)
        np.multiply(gradient, gradient, out=step)
        np.multiply(step, 1 - second, out=step)
        np.add(square, step, out=square)
        np.sqrt(square, out=step)
        np.multiply(step, self._inverse, out=step)
        np.add(step, self.eps, out=step)
        np.divide(mean, step, out=step)
        np.multiply(step, self._rate, out=step)
        np.subtract(data, step, out=data)

    def repr_arguments(self) -> str:
        parts = [f", betas=({self.betas[0]:g}, {self.betas[1]:g})"] if self.betas != (0.9, 0.999) else []
        parts += [f", eps={self.eps:g}"] if self.eps != 1e-8 else []
        parts += [f", weight_decay={self.weight_decay:g}"] if self.weight_decay else []
        return "".join(parts)


class AdamW(Adam):
    """Adam with weight decay that does not pass through the running means.

    As `Adam`, but instead of adding λ w to the gradient each step first does w ← (1 − lr · λ) w. Loshchilov & Hutter
    (2019), *Decoupled Weight Decay Regularization*, ICLR, algorithm 2, with the learning rate as the schedule's factor.

    Parameters
    ----------
    parameters : Module, iterable of Tensor, or iterable of (str, Tensor)
    lr : float, default 0.001
        The learning rate, above 0.
    betas : pair of float, default (0.9, 0.999)
        β₁ and β₂, each in [0, 1).
    eps : float, default 1e-8
        ε, above 0.
    weight_decay : float, default 0.01
        λ, at least 0.

    Raises
    ------
    ValueError
        If an argument is out of its range, or `Optimizer` cannot work on the parameters.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.Tensor([1.0], requires_grad=True)
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step([np.array([0.0])])
    >>> w.data.tolist()
    [0.95]
    """

    decoupled = True

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        *,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(parameters, lr, betas, eps=eps, weight_decay=weight_decay)
