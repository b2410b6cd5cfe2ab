"""Activations as modules, so that they can stand in a Sequential."""

from __future__ import annotations

from minigrad import ops
from minigrad.engine.estimator import Save
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.module import Module
from minigrad.nn.sketch import Saving

__all__ = ["GELU", "ReLU", "SiLU", "Sigmoid", "Softplus", "Tanh"]


class _Activation(Saving):
    """An element-wise function; ``save`` sketches its slope, all that its VJP reads."""

    per_pixel = True

    def __init__(self, *, save: Save = None):
        self.save = save

    def forward(self, x: TensorLike) -> Tensor:
        return type(self).operation(x, save=self._save)

    def repr_arguments(self) -> str:
        return self.repr_save().removeprefix(", ")


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


class GELU(_Activation):
    """x Φ(x), exact: `minigrad.ops.gelu`.

    Parameters
    ----------
    save : Estimator, mapping or None
        How the slope is sketched; see `minigrad.nn.set_save`.

    Examples
    --------
    >>> round(GELU()(1.0).item(), 4)
    0.8413
    """

    operation = ops.gelu


class SiLU(_Activation):
    """x σ(x): `minigrad.ops.silu`.

    Parameters
    ----------
    save : Estimator, mapping or None
        How the slope is sketched; see `minigrad.nn.set_save`.

    Examples
    --------
    >>> round(SiLU()(1.0).item(), 4)
    0.7311
    """

    operation = ops.silu


class Sigmoid(_Activation):
    """1 / (1 + exp(−x)): `minigrad.ops.sigmoid`.

    Parameters
    ----------
    save : Estimator, mapping or None
        How the slope is sketched; see `minigrad.nn.set_save`.

    Examples
    --------
    >>> Sigmoid()(0.0).item()
    0.5
    """

    operation = ops.sigmoid


class Softplus(_Activation):
    """log(1 + exp(x)): `minigrad.ops.softplus`.

    Parameters
    ----------
    save : Estimator, mapping or None
        How the slope is sketched; see `minigrad.nn.set_save`.

    Examples
    --------
    >>> round(Softplus()(0.0).item(), 4)
    0.6931
    """

    operation = ops.softplus


class Tanh(_Activation):
    """The hyperbolic tangent: `minigrad.ops.tanh`.

    Parameters
    ----------
    save : Estimator, mapping or None
        How the slope is sketched; see `minigrad.nn.set_save`.

    Examples
    --------
    >>> Tanh()(0.0).item()
    0.0
    """

    operation = ops.tanh
