"""Operations that draw in the forward pass."""

from __future__ import annotations

from typing import Any

from minigrad.arrays import DOUBLE, plain, wide
from minigrad.engine.context import current_tape
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.streams import Domain, as_generator
from minigrad.typing import Array, Seed

__all__ = ["dropout"]


@define(kind="elementwise", slope=True, x=lambda g, saved: g * saved["scale"])
def _dropout(x: Array, scale: Array) -> tuple[Array, dict[str, Any]]:
    return x * scale, {"scale": scale}


@operation(_dropout)
def dropout(x: TensorLike, rate: float = 0.5, rng: Seed = None, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """Set each value to 0 with probability ``rate``, and divide the others by 1 − rate.

    Srivastava et al. (2014), *Dropout*, JMLR 15.

    Parameters
    ----------
    x : Tensor or array_like
    rate : float, default 0.5
        In [0, 1).
    rng : Generator, int or None
        Default: the generator of the tape that is recording (``Tape(rng=…)``), or fresh entropy without one.
    vjp : Estimator, mapping or None

    Raises
    ------
    ValueError
        If the rate is outside [0, 1).

    Notes
    -----
    ``save=`` takes an estimator for the slope, such as ``StochasticRounding(4)``: ∂x = g·slope is linear in that.

    Examples
    --------
    >>> from minigrad import ops
    >>> sorted(set(ops.dropout([1.0] * 50, 0.5, rng=0).data.tolist()))
    [0.0, 2.0]
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: rate={rate} must lie in [0, 1)")
    values = x.data if isinstance(x, Tensor) else plain(x, "dropout: input 'x'")
    tape = current_tape()
    generator = tape.rng if rng is None and tape is not None else as_generator(Domain.DROPOUT, rng)
    keep = generator.random(values.shape) >= rate
    dtype = wide(values.dtype) if values.dtype.kind == "f" else DOUBLE
    return record(_dropout, (x,), {"scale": keep.astype(dtype) / dtype.type(1 - rate)}, vjp=vjp, save=save)
