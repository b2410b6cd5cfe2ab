"""Dropout."""

from __future__ import annotations

from minigrad import ops
from minigrad.engine.estimator import Save
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.layer_arguments import as_tensor
from minigrad.nn.sketch import Saving

__all__ = ["Dropout"]


class Dropout(Saving):
    """In training, set each value to 0 with probability ``rate`` and divide the others by 1 − rate; else nothing.

    The draws come from the tape that is recording, so ``Tape(rng=…)`` makes them reproducible: `minigrad.ops.dropout`.

    Parameters
    ----------
    rate : float, default 0.5
        In [0, 1).
    save : Estimator, mapping or None
        How the factors are sketched; there are two of them, so ``StochasticRounding(1)`` is exact.

    Raises
    ------
    ValueError
        If the rate is outside [0, 1).

    Examples
    --------
    >>> Dropout(0.5).eval()([1.0, 2.0]).data.tolist()
    [1.0, 2.0]
    """

    per_pixel = True
    operation = ops.dropout

    def __init__(self, rate: float = 0.5, *, save: Save = None):
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate={rate} must lie in [0, 1); it is the probability that a value is set to 0")
        self.rate = float(rate)
        self.save = save

    def forward(self, x: TensorLike) -> Tensor:
        if self.training and self.rate:
            return ops.dropout(x, self.rate, save=self._save)
        return as_tensor(x)

    def repr_arguments(self) -> str:
        return f"{self.rate:g}{self.repr_save()}"
