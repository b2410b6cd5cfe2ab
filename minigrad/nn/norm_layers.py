"""Normalisation as modules."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import DTypeLike

from minigrad import ops
from minigrad.counts import whole
from minigrad.engine.estimator import Save
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.initial import zeros
from minigrad.nn.layer_arguments import as_tensor, place
from minigrad.nn.module import Window
from minigrad.nn.sketch import Saving
from minigrad.typing import Array

__all__ = ["BatchNorm", "GroupNorm", "LayerNorm", "RMSNorm"]


def ones(features: int, dtype: DTypeLike) -> Tensor:
    """A parameter of ones, the usual start of a gain."""
    return Tensor(np.ones(features, dtype), requires_grad=True)


class _Norm(Saving):
    """A normalisation; ``save`` sketches the normalised values."""

    eps: float

    def _shown(self) -> str:
        return ("" if self.eps == 1e-5 else f", eps={self.eps:g}") + self.repr_save()


class LayerNorm(_Norm):
    """Normalise each row over its features, then scale and shift: `minigrad.ops.layer_norm`.

    Parameters
    ----------
    features : int
        The length n of the last axis.
    eps : float, default 1e-5
        Added to the variance.
    save : Estimator, mapping or None
        How the normalised values are sketched, twice; see `minigrad.nn.set_save`.
    dtype : dtype, default float32

    Attributes
    ----------
    gain, bias : Tensor, shape (n,)
        1 and 0 at first.

    Examples
    --------
    >>> LayerNorm(2)(np.array([[1.0, 3.0]])).data.round(3).tolist()
    [[-1.0, 1.0]]
    """

    operation = ops.layer_norm
    per_pixel = True

    def __init__(self, features: int, eps: float = 1e-5, *, save: Save = None, dtype: DTypeLike = np.float32):
        self.features = whole("LayerNorm: features", features)
        self.eps = float(eps)
        self.save = save
        self.gain = ones(self.features, dtype)
        self.bias = zeros((self.features,), dtype)

    def forward(self, x: TensorLike) -> Tensor:
        return ops.layer_norm(x, self.gain, self.bias, self.eps, save=self._save)

    def repr_arguments(self) -> str:
        return f"{self.features}{self._shown()}"


class RMSNorm(_Norm):
    """Divide each row by its root mean square, then scale: `minigrad.ops.rms_norm`.

    Zhang, Sennrich (2019), *Root Mean Square Layer Normalization*, NeurIPS.

    Parameters
    ----------
    features : int
        The length n of the last axis.
    eps : float, default 1e-5
        Added to the mean square.
    save : Estimator, mapping or None
        How the normalised values are sketched, twice; see `minigrad.nn.set_save`.
    dtype : dtype, default float32

    Attributes
    ----------
    gain : Tensor, shape (n,)
        1 at first.

    Raises
    ------
    ValueError
        If the number of features is not positive. When called: if the last axis of x does not have length n.

    Examples
    --------
    >>> RMSNorm(2)(np.array([[1.0, 7.0]])).data.round(3).tolist()
    [[0.2, 1.4]]
    """

    operation = ops.rms_norm
    per_pixel = True

    def __init__(self, features: int, eps: float = 1e-5, *, save: Save = None, dtype: DTypeLike = np.float32):
        self.features = whole("RMSNorm: features", features)
        self.eps = float(eps)
        self.save = save
        self.gain = ones(self.features, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        return ops.rms_norm(x, self.gain, self.eps, save=self._save)

    def repr_arguments(self) -> str:
        return f"{self.features}{self._shown()}"


class BatchNorm(_Norm):
    """Normalise each feature (channel) over the batch, then scale and shift: `minigrad.ops.batch_norm`.

    In training the statistics are those of the batch, over samples and pixels, and running averages of them are kept:
    ``running ← (1 − momentum)·running + momentum·batch``. In use (`Module.eval`) the running averages stand in, so that
    a sample's output does not depend on its companions.

    The batch is normalised with its biased variance, Σ(x − mean)²/rows; the running variance averages the unbiased one,
    Σ(x − mean)²/(rows − 1), for it estimates that of the data. Ioffe, Szegedy (2015), *Batch Normalization*, ICML.

    Every forward pass in training moves the averages, even one that is recorded only to be looked at.

    Parameters
    ----------
    features : int
        The length n of the last axis; all axes before it are averaged over.
    momentum : float, default 0.1
        In (0, 1]: the weight of the newest batch.
    eps : float, default 1e-5
        Added to the variance.
    save : Estimator, mapping or None
        How the normalised values are sketched, twice; see `minigrad.nn.set_save`.
    dtype : dtype, default float32

    Attributes
    ----------
    gain, bias : Tensor, shape (n,)
        1 and 0 at first.
    running_mean, running_var : ndarray, shape (n,)
        Buffers: saved with the model, not trained. 0 and 1 at first.

    Raises
    ------
    ValueError
        If the momentum is outside (0, 1]. When called in training: if there is only one row, which has no variance.

    Examples
    --------
    >>> layer = BatchNorm(1, momentum=0.5)
    >>> layer(np.array([[1.0], [3.0]], np.float32)).data.ravel().round(3).tolist()
    [-1.0, 1.0]
    >>> layer.running_mean.tolist(), layer.running_var.tolist()
    ([1.0], [1.5])
    >>> layer.eval()(np.array([[1.0]], np.float32)).item()
    0.0
    """

    operation = ops.batch_norm
    per_pixel = True
    running_mean: Array
    running_var: Array

    def __init__(
        self,
        features: int,
        momentum: float = 0.1,
        eps: float = 1e-5,
        *,
        save: Save = None,
        dtype: DTypeLike = np.float32,
    ):
        self.features = whole("BatchNorm: features", features)
        if not 0 < momentum <= 1:
            raise ValueError(f"BatchNorm: momentum={momentum} must lie in (0, 1]; it is the weight of the newest batch")
        self.momentum, self.eps = float(momentum), float(eps)
        self.save = save
        self.gain = ones(self.features, dtype)
        self.bias = zeros((self.features,), dtype)
        self.buffer("running_mean", np.zeros(self.features, dtype))
        self.buffer("running_var", np.ones(self.features, dtype))

    def forward(self, x: TensorLike) -> Tensor:
        if not self.training:
            return ops.batch_norm(
                x, self.gain, self.bias, self.running_mean, self.running_var, self.eps, save=self._save
            )
        x = as_tensor(x)
        rows = math.prod(x.shape[:-1])
        if rows == 1:
            raise ValueError(
                f"{place(self)}: one row of shape {x.shape} has no variance. Train on batches of at least two "
                "samples (or larger images), or call eval() to use the running statistics"
            )

        def observe(mean: Array, variance: Array) -> None:
            self._average("running_mean", mean)
            self._average("running_var", variance * (rows / (rows - 1)))

        return ops.batch_norm(x, self.gain, self.bias, eps=self.eps, observe=observe, save=self._save)

    def _average(self, name: str, newest: Array) -> None:
        running = getattr(self, name)
        setattr(self, name, (running + self.momentum * (newest - running)).astype(running.dtype, copy=False))

    def repr_arguments(self) -> str:
        momentum = "" if self.momentum == 0.1 else f", momentum={self.momentum:g}"
        return f"{self.features}{momentum}{self._shown()}"


class GroupNorm(_Norm):
    """Normalise groups of channels of each sample, over its pixels, then scale and shift: `minigrad.ops.group_norm`.

    No sample sees another, in training as in use, and there are no running statistics: it suits small batches, and
    sketches that keep few samples, whose cotangents a `BatchNorm` makes dense. It learns as well at a rate of its own.
    Wu, He (2018), *Group Normalization*, ECCV.

    For `receptive_field` it counts as if its statistics were given; these, two numbers for each group, see the whole
    image, in use as well.

    Parameters
    ----------
    groups : int
        A divisor of the features.
    features : int
        The length n of the last axis.
    eps : float, default 1e-5
        Added to the variance.
    save : Estimator, mapping or None
        How the normalised values are sketched, twice; see `minigrad.nn.set_save`.
    dtype : dtype, default float32

    Attributes
    ----------
    gain, bias : Tensor, shape (n,)
        1 and 0 at first.

    Raises
    ------
    ValueError
        If the groups do not divide the features.

    Examples
    --------
    >>> GroupNorm(2, 4)(np.array([[1.0, 3.0, 10.0, 30.0]])).data.round(3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    operation = ops.group_norm

    def __init__(
        self, groups: int, features: int, eps: float = 1e-5, *, save: Save = None, dtype: DTypeLike = np.float32
    ):
        self.groups, self.features = whole("GroupNorm: groups", groups), whole("GroupNorm: features", features)
        if self.features % self.groups:
            raise ValueError(f"GroupNorm: groups={groups} must divide features={features}, so that all are as large")
        self.eps = float(eps)
        self.save = save
        self.gain = ones(self.features, dtype)
        self.bias = zeros((self.features,), dtype)

    def forward(self, x: TensorLike) -> Tensor:
        return ops.group_norm(x, self.gain, self.bias, self.groups, self.eps, save=self._save)

    def windows(self) -> Iterable[Window]:
        return ()  # apart from the statistics

    def repr_arguments(self) -> str:
        return f"{self.groups}, {self.features}{self._shown()}"
