"""Activations as modules, so that they can stand in a Sequential."""

from __future__ import annotations

from minigrad import ops
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.module import Module

__all__ = ["GELU", "ReLU", "SiLU", "Sigmoid", "Softplus", "Tanh"]


class ReLU(Module):
    """max(x, 0): `minigrad.ops.relu`.

    Examples
    --------
    >>> ReLU()([-1.0, 2.0]).data.tolist()
    [0.0, 2.0]
    """

    per_pixel = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.relu(x)


class GELU(Module):
    """x Φ(x), exact: `minigrad.ops.gelu`.

    Examples
    --------
    >>> round(GELU()(1.0).item(), 4)
    0.8413
    """

    per_pixel = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.gelu(x)


class SiLU(Module):
    """x σ(x): `minigrad.ops.silu`.

    Examples
    --------
    >>> round(SiLU()(1.0).item(), 4)
    0.7311
    """

    per_pixel = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.silu(x)


class Sigmoid(Module):
    """1 / (1 + exp(−x)): `minigrad.ops.sigmoid`.

    Examples
    --------
    >>> Sigmoid()(0.0).item()
    0.5
    """

    per_pixel = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.sigmoid(x)


class Softplus(Module):
    """log(1 + exp(x)): `minigrad.ops.softplus`.

    Examples
    --------
    >>> round(Softplus()(0.0).item(), 4)
    0.6931
    """

    per_pixel = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.softplus(x)


class Tanh(Module):
    """The hyperbolic tangent: `minigrad.ops.tanh`.

    Examples
    --------
    >>> Tanh()(0.0).item()
    0.0
    """

    per_pixel = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.tanh(x)
