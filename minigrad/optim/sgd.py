"""Stochastic gradient descent."""

from __future__ import annotations

import numpy as np

from minigrad.optim.arguments import Parameters, fraction, not_negative
from minigrad.optim.optimizer import Optimizer
from minigrad.structure import Rows
from minigrad.typing import Array

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's look-ahead and weight decay.

    With gradient g, velocity v (0 at first), momentum μ and weight decay λ, each step does

        g ← g + λ w,   v ← μ v + g,   w ← w − lr · v,

    or w ← w − lr · (g + μ v) with ``nesterov``. Polyak (1964); Sutskever et al. (2013), *On the Importance of
    Initialization and Momentum in Deep Learning*, ICML, whose v has the learning rate inside.

    Without momentum and weight decay, a gradient that is a set of rows changes only these rows.

    Parameters
    ----------
    parameters : Module, iterable of Tensor, or iterable of (str, Tensor)
    lr : float
        The learning rate, above 0.
    momentum : float, default 0
        μ, in [0, 1).
    nesterov : bool, default False
        Needs a momentum.
    weight_decay : float, default 0
        λ, the factor of ‖w‖²/2 in the loss that this amounts to; at least 0.

    Raises
    ------
    ValueError
        If an argument is out of its range, or `Optimizer` cannot work on the parameters.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.step([np.array([1.0])])
    >>> w.data.round(6).tolist()
    [0.75]
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr)
        self.momentum = fraction("SGD: momentum", momentum)
        self.weight_decay = not_negative("SGD: weight_decay", weight_decay)
        self.nesterov = bool(nesterov)
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: nesterov=True looks ahead along the momentum, so momentum= must be above 0")
        if self.momentum:
            self.slot("velocity")

    def update(self, data: Array, gradient: Array, work: list[Array], *state: Array) -> None:
        step, other = work
        if self.weight_decay:
            np.multiply(data, self.weight_decay, out=other)
            gradient = np.add(other, gradient, out=other)
        if state:
            (velocity,) = state
            np.multiply(velocity, self.momentum, out=velocity)
            np.add(velocity, gradient, out=velocity)
            if self.nesterov:
                np.multiply(velocity, self.momentum, out=step)
                gradient = np.add(step, gradient, out=step)
            else:
                gradient = velocity
        np.multiply(gradient, self.lr, out=step)
        np.subtract(data, step, out=data)

    def update_rows(self, data: Array, gradient: Rows) -> bool:
        if self.momentum or self.weight_decay:
            return False
        matrix = data.reshape(-1, *gradient.trailing)  # a view, since data is contiguous
        matrix[gradient.indices] -= (gradient.values * self.lr).astype(data.dtype, copy=False)
        return True

    def repr_arguments(self) -> str:
        parts = [f", momentum={self.momentum:g}"] if self.momentum else []
        parts += [", nesterov=True"] if self.nesterov else []
        parts += [f", weight_decay={self.weight_decay:g}"] if self.weight_decay else []
        return "".join(parts)
