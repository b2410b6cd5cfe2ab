"""The operators and the NumPy-like methods of `Tensor`, declared for type checkers and editors.

At run time `minigrad.ops` hangs its functions on the class, so that nothing stands between ``x.exp()`` and
``ops.exp(x)``; tests/test_methods.py compares what is declared here with what is hung there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from numpy.typing import ArrayLike, DTypeLike

from minigrad.engine.estimator import VJP, Save
from minigrad.typing import Array, Axis, Layout, Mode, Order, Shape, WholeType

__all__ = ["Methods"]

TensorT = TypeVar("TensorT")


class Methods(Generic[TensorT]):
    """The methods that `minigrad.ops` adds to a class of tensors, which names itself as the parameter."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __add__(self, other: TensorT | ArrayLike) -> TensorT: ...
        def __radd__(self, other: ArrayLike) -> TensorT: ...
        def __sub__(self, other: TensorT | ArrayLike) -> TensorT: ...
        def __rsub__(self, other: ArrayLike) -> TensorT: ...
        def __mul__(self, other: TensorT | ArrayLike) -> TensorT: ...
        def __rmul__(self, other: ArrayLike) -> TensorT: ...
        def __truediv__(self, other: TensorT | ArrayLike) -> TensorT: ...
        def __rtruediv__(self, other: ArrayLike) -> TensorT: ...
        def __floordiv__(self, other: TensorT | ArrayLike) -> TensorT: ...
        def __rfloordiv__(self, other: ArrayLike) -> TensorT: ...
        def __mod__(self, other: TensorT | ArrayLike) -> TensorT: ...
        def __rmod__(self, other: ArrayLike) -> TensorT: ...
        def __pow__(self, other: TensorT | ArrayLike) -> TensorT: ...
        def __rpow__(self, other: ArrayLike) -> TensorT: ...
        def __matmul__(self, other: TensorT | ArrayLike) -> TensorT: ...
        def __rmatmul__(self, other: ArrayLike) -> TensorT: ...
        def __neg__(self) -> TensorT: ...
        def __pos__(self) -> TensorT: ...
        def __abs__(self) -> TensorT: ...
        def __getitem__(self, index: Any) -> TensorT: ...
        def __lt__(self, other: TensorT | ArrayLike) -> Array: ...
        def __le__(self, other: TensorT | ArrayLike) -> Array: ...
        def __gt__(self, other: TensorT | ArrayLike) -> Array: ...
        def __ge__(self, other: TensorT | ArrayLike) -> Array: ...
        def __eq__(self, other: object) -> Array: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Array: ...  # type: ignore[override]
        def __hash__(self) -> int: ...
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any: ...
        def __array_function__(self, func: Any, types: Any, args: Any, settings: Any) -> Any: ...

        @property
        def T(self) -> TensorT:
            """The axes reversed."""

        def abs(self, *, vjp: VJP = None) -> TensorT:
            """``|x|``; the derivative at 0 is 0."""

        @overload
        def astype(self, dtype: WholeType, *, vjp: VJP = None) -> Array: ...
        @overload
        def astype(self, dtype: DTypeLike, *, vjp: VJP = None) -> TensorT: ...
        def astype(self, dtype: DTypeLike, *, vjp: VJP = None) -> Any:
            """The same values in another floating dtype; the cotangent is cast back."""

        def broadcast_to(self, shape: int | Shape, *, vjp: VJP = None) -> TensorT:
            """Repeated to a larger shape, by NumPy's rules of broadcasting."""

        def clip(self, low: ArrayLike | None = None, high: ArrayLike | None = None, *, vjp: VJP = None) -> TensorT:
            """``x`` limited to [low, high]; the derivative is 1 inside and on the limits, 0 outside."""

        def copy(self, *, vjp: VJP = None) -> TensorT:
            """The same values in memory of their own; the gradient passes unchanged."""

        def cos(self, *, vjp: VJP = None) -> TensorT:
            """The cosine."""

        def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1, *, vjp: VJP = None) -> TensorT:
            """The diagonals of the matrices in two axes; they are the last axis of the result."""

        def dot(self, b: TensorT | ArrayLike) -> TensorT:
            """The sum of products over the last axis of ``a`` and the last but one of ``b``; scalars multiply."""

        def cumprod(self, axis: int | None = None, *, vjp: VJP = None) -> TensorT:
            """The product of all entries up to each one, along an axis, differentiable where some are 0, too."""

        def cumsum(self, axis: int | None = None, *, vjp: VJP = None) -> TensorT:
            """The sum of all entries up to each one, along an axis."""

        def exp(self, *, vjp: VJP = None) -> TensorT:
            """The exponential."""

        def expand_dims(self, axis: int | Shape, *, vjp: VJP = None) -> TensorT:
            """New axes of length 1."""

        def flatten(self, order: Layout = "C", *, vjp: VJP = None) -> TensorT:
            """All values along one axis."""

        def gelu(self, *, vjp: VJP = None, save: Save = None) -> TensorT:
            """x·Φ(x) with the normal distribution function Φ: the exact form, not its tanh approximation."""

        def log(self, *, vjp: VJP = None) -> TensorT:
            """The natural logarithm."""

        def log1p(self, *, vjp: VJP = None) -> TensorT:
            """log(1 + x), exact for small x."""

        def log_softmax(self, axis: Axis = -1, *, vjp: VJP = None) -> TensorT:
            """The logarithm of the softmax over axes, without overflow."""

        def logsumexp(self, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> TensorT:
            """Log Σ exp(x) over axes, without overflow; −∞ where every value is −∞, with derivative 0."""

        def matmul(self, b: TensorT | ArrayLike, *, vjp: VJP = None, save: Save = None) -> TensorT:
            """The matrix product ``a @ b``, with batches and vectors as in `numpy.matmul`."""

        def max(self, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> TensorT:
            """The largest value over axes; equal largest values share the cotangent equally."""

        def mean(self, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> TensorT:
            """The mean over axes."""

        def min(self, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> TensorT:
            """The smallest value over axes; equal smallest values share the cotangent equally."""

        def moveaxis(
            self, source: int | Sequence[int], destination: int | Sequence[int], *, vjp: VJP = None
        ) -> TensorT:
            """Axes moved to other places, the others keeping their order."""

        def norm(self, ord: Order = None, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> TensorT:
            """A norm over axes: by default the Euclidean one, which of all axes is the Frobenius norm of a matrix."""

        def ravel(self, order: Layout = "C", *, vjp: VJP = None) -> TensorT:
            """All values along one axis."""

        def prod(self, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> TensorT:
            """The product over axes, differentiable where entries are 0, too."""

        def relu(self, *, vjp: VJP = None) -> TensorT:
            """max(x, 0); the derivative at 0 is 0."""

        def repeat(self, repeats: int | ArrayLike, axis: int | None = None) -> TensorT:
            """Each value, or each slice along an axis, several times in a row."""

        def reshape(self, *shape: int | Shape, order: Layout = "C", vjp: VJP = None) -> TensorT:
            """The same values, in the same order, in another shape; ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""

        def round(self, decimals: int = 0, *, vjp: VJP = None) -> TensorT:
            """Rounded to a number of decimals, halves to even; the derivative is taken as 0 everywhere."""

        def sigmoid(self, *, vjp: VJP = None, save: Save = None) -> TensorT:
            """The logistic function 1 / (1 + exp(−x)), without overflow."""

        def silu(self, *, vjp: VJP = None, save: Save = None) -> TensorT:
            """x·sigmoid(x), also called swish."""

        def sin(self, *, vjp: VJP = None) -> TensorT:
            """The sine."""

        def softmax(self, axis: Axis = -1, *, vjp: VJP = None, save: Save = None) -> TensorT:
            """exp(x) / Σ exp(x) over axes, without overflow."""

        def softplus(self, *, vjp: VJP = None, save: Save = None) -> TensorT:
            """log(1 + exp(x)), without overflow."""

        def split(self, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[TensorT]:
            """Cut into pieces along an axis."""

        def sqrt(self, *, vjp: VJP = None) -> TensorT:
            """The square root; its derivative at 0, where the slope is infinite, is taken as 0."""

        def square(self, *, vjp: VJP = None) -> TensorT:
            """``x²``."""

        def squeeze(self, axis: int | Shape | None = None, *, vjp: VJP = None) -> TensorT:
            """Axes of length 1 left out."""

        def std(self, axis: Axis = None, keepdims: bool = False, ddof: int = 0, *, vjp: VJP = None) -> TensorT:
            """The standard deviation over axes; its derivative is taken as 0 where all values are equal."""

        def sum(self, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> TensorT:
            """The sum over axes."""

        def swapaxes(self, axis1: int, axis2: int, *, vjp: VJP = None) -> TensorT:
            """Two axes exchanged."""

        def take(
            self, indices: ArrayLike, axis: int | None = None, *, mode: Mode = "raise", vjp: VJP = None
        ) -> TensorT:
            """Slices along one axis, by their indices; by default from the flattened tensor, as arrays do it."""

        def tanh(self, *, vjp: VJP = None, save: Save = None) -> TensorT:
            """The hyperbolic tangent."""

        def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorT:
            """The sum of the diagonal of the matrices in two axes."""

        def transpose(self, *axes: int | Sequence[int] | None, vjp: VJP = None) -> TensorT:
            """The axes in another order, by default reversed; ``x.transpose(1, 0)`` or ``x.transpose((1, 0))``."""

        def var(self, axis: Axis = None, keepdims: bool = False, ddof: int = 0, *, vjp: VJP = None) -> TensorT:
            """The variance over axes."""
