"""SciPy's special functions that are rarely wanted: on tensors under SciPy's own name, ``scipy.special.j0(x)``.

One line for each: the derivative is written with functions of NumPy's and SciPy's, which are recorded where a tensor
goes in, so that derivatives of every order follow. Source: *NIST Digital Library of Mathematical Functions*, chapters
6 to 8 and 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from minigrad.engine.define import define
from minigrad.engine.primitive import Rule
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.operands import constant
from minigrad.typing import Array

__all__: list[str] = []

Slope = Callable[..., Any]


def _of_one(function: np.ufunc, slope: Slope) -> None:
    """Let a function of x stand for itself; ``slope(x, out)`` is its derivative."""

    def forward(x: Array) -> tuple[Array, dict[str, Any]]:
        out = function(x)
        return out, {"x": x, "out": out}

    def call(x: TensorLike) -> Tensor:
        return record(made, (x,))

    forward.__name__ = call.__name__ = f"_{function.__name__}"
    made = define(kind="elementwise", x=lambda g, saved: g * slope(saved["x"], saved["out"]))(forward)
    stands_for(function)(call)


def _of_two(function: np.ufunc, by_x: Slope | None, by_y: Slope) -> None:
    """The same for a function of x and y. Without ``by_x`` there is no derivative by the first, which is an order."""

    def forward(x: Array, y: Array) -> tuple[Array, dict[str, Any]]:
        return function(x, y), {"x": x, "y": y}

    def call(x: TensorLike, y: TensorLike) -> Tensor:
        return record(made, (_fixed(x, function) if by_x is None else x, y))

    forward.__name__ = call.__name__ = f"_{function.__name__}"
    made = define(kind="elementwise", broadcasts=True, x=_rule(function, by_x, "xy"), y=_rule(function, by_y, "xy"))(
        forward
    )
    stands_for(function)(call)


def _rule(function: np.ufunc, slope: Slope | None, names: str) -> Rule:
    """The VJP rule of an input; one that is never asked, where there is no derivative."""

    def rule(g: Any, saved: dict[str, Any]) -> Any:
        if slope is None:
            raise TypeError(f"scipy.special.{function.__name__} has no derivative here but by its last argument")
        return g * slope(*[saved[name] for name in names])

    return rule


def _fixed(value: TensorLike, function: np.ufunc) -> Any:
    """An argument by which there is no derivative."""
    where = f"an argument of scipy.special.{function.__name__} other than the last"
    return constant(value, where) if isinstance(value, Tensor) else value


# Bessel functions

_of_one(special.j0, lambda x, out: -special.j1(x))
_of_one(special.j1, lambda x, out: (special.j0(x) - special.jv(2, x)) / 2)
_of_one(special.y0, lambda x, out: -special.y1(x))
_of_one(special.y1, lambda x, out: (special.y0(x) - special.yv(2, x)) / 2)
_of_one(special.i0, lambda x, out: special.i1(x))
_of_one(special.i1, lambda x, out: (special.i0(x) + special.iv(2, x)) / 2)
_of_one(special.i0e, lambda x, out: special.i1e(x) - np.sign(x) * out)
_of_one(special.i1e, lambda x, out: (special.i0e(x) + special.ive(2, x)) / 2 - np.sign(x) * out)
_of_one(special.k0, lambda x, out: -special.k1(x))
_of_one(special.k1, lambda x, out: (special.k0(x) + special.kv(2, x)) / -2)
_of_two(special.jv, None, lambda v, x: (special.jv(v - 1, x) - special.jv(v + 1, x)) / 2)
_of_two(special.yv, None, lambda v, x: (special.yv(v - 1, x) - special.yv(v + 1, x)) / 2)
_of_two(special.yn, None, lambda v, x: (special.yv(v - 1, x) - special.yv(v + 1, x)) / 2)
_of_two(special.iv, None, lambda v, x: (special.iv(v - 1, x) + special.iv(v + 1, x)) / 2)
_of_two(special.kv, None, lambda v, x: (special.kv(v - 1, x) + special.kv(v + 1, x)) / -2)
_of_two(
    special.ive,
    None,
    lambda v, x: (special.ive(v - 1, x) + special.ive(v + 1, x)) / 2 - np.sign(x) * special.ive(v, x),
)

# Beside the gamma function: the densities of the gamma and of the beta distribution are the slopes of their integrals


def _gamma_density(a: Any, x: Any) -> Any:
    return np.exp(special.xlogy(a - 1, x) - x - special.gammaln(a))


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    return np.exp(special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b))


_of_one(special.rgamma, lambda x, out: -out * special.psi(x))
_of_one(special.gammasgn, lambda x, out: out * 0)
_of_two(special.gammainc, None, _gamma_density)
_of_two(special.gammaincc, None, lambda a, x: -_gamma_density(a, x))


@define(
    kind="elementwise",
    broadcasts=True,
    a=_rule(special.betainc, None, "abx"),
    b=_rule(special.betainc, None, "abx"),
    x=_rule(special.betainc, _beta_density, "abx"),
)
def _betainc_values(a: Array, b: Array, x: Array) -> tuple[Array, dict[str, Any]]:
    return special.betainc(a, b, x), {"a": a, "b": b, "x": x}


@stands_for(special.betainc)
def _betainc(a: TensorLike, b: TensorLike, x: TensorLike) -> Tensor:
    return record(_betainc_values, (_fixed(a, special.betainc), _fixed(b, special.betainc), x))


# Exponentials, errors and entropies

_of_one(special.erfcx, lambda x, out: 2 * x * out - 2 / math.sqrt(math.pi))
_of_one(special.dawsn, lambda x, out: 1 - 2 * x * out)
_of_one(special.expi, lambda x, out: np.exp(x) / x)
_of_one(special.exp1, lambda x, out: -np.exp(-x) / x)
_of_one(special.exp10, lambda x, out: math.log(10) * out)
_of_one(special.log_expit, lambda x, out: special.expit(-x))
_of_one(special.entr, lambda x, out: -np.log(x) - 1)
_of_two(special.rel_entr, lambda x, y: np.log(x / y) + 1, lambda x, y: -x / y)
_of_two(special.kl_div, lambda x, y: np.log(x / y), lambda x, y: 1 - x / y)
