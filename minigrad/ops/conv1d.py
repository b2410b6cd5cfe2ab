"""Convolution of sequences: that of images with a single row of pixels.

Index conventions: X is (N, L, C), N samples, L places, C channels; the kernel is (l, C, m), the output (N, OL, m). As
images they are (N, 1, L, C), (1, l, C, m) and (N, 1, OL, m), and the node of the convolution is that of `conv2d`.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from minigrad.engine.define import operation, primitive_of
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.conv import conv2d
from minigrad.ops.counterparts import stands_for
from minigrad.ops.indexing import getitem
from minigrad.ops.shapes import reshape
from minigrad.ops.windows import number

__all__ = ["conv1d", "convolve"]


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(x)


@operation(primitive_of(conv2d))
def conv1d(
    x: TensorLike,
    w: TensorLike,
    b: TensorLike | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    *,
    vjp: VJP = None,
    save: Save = None,
) -> Tensor:
    """Convolution of sequences, in the sense of neural networks: the kernel is not turned round.

    It is `conv2d` of images with one row of pixels, between two reshapes; ``vjp=`` and ``save=`` are for its node.

    Parameters
    ----------
    x : Tensor or array_like, shape (N, L, C)
        Sequences.
    w : Tensor or array_like, shape (l, C / groups, m)
        The kernel, for m output channels.
    b : Tensor or array_like, shape (m,), optional
    stride : int, default 1
        From one output place to the next.
    padding : int, default 0
        Zeros added at each end.
    dilation : int, default 1
        From one place under the kernel to the next.
    groups : int, default 1
        Groups of channels beside each other; see `conv2d`.

    Returns
    -------
    Tensor, shape (N, OL, m)
        ``OL = (L + 2·padding − dilation·(l − 1) − 1) // stride + 1``.

    Raises
    ------
    ValueError
        If the shapes do not match, the kernel is longer than the padded sequence, a setting is out of range, or the
        groups do not divide both numbers of channels.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> x, w = np.arange(5.0).reshape(1, 5, 1), np.ones((2, 1, 1))
    >>> ops.conv1d(x, w).data.ravel().tolist()
    [1.0, 3.0, 5.0, 7.0]
    >>> ops.conv1d(x, w, stride=2, padding=1).shape
    (1, 3, 1)
    """
    x, w = _tensor(x), _tensor(w)
    for name, value, axes in (("x", x, "(N, L, C)"), ("w", w, "(kernel length, in channels, out channels)")):
        if value.ndim != 3:
            raise ValueError(f"conv1d: {name} must have shape {axes}, but it has shape {value.shape}")
    out = conv2d(
        reshape(x, (x.shape[0], 1, *x.shape[1:])),
        reshape(w, (1, *w.shape)),
        b,
        (1, number("conv1d: stride", stride)),
        (0, number("conv1d: padding", padding, 0)),
        (1, number("conv1d: dilation", dilation)),
        groups,
        vjp=vjp,
        save=save,
    )
    return reshape(out, (out.shape[0], *out.shape[2:]))


@stands_for(np.convolve)
def convolve(a: TensorLike, v: TensorLike, mode: Literal["full", "same", "valid"] = "full") -> Tensor:
    """The convolution of two vectors, as in `numpy.convolve`: the second one is turned round.

    Parameters
    ----------
    a : Tensor or array_like, shape (n,)
    v : Tensor or array_like, shape (m,)
    mode : {"full", "same", "valid"}
        All n + m − 1 places at which they overlap; the max(n, m) in the middle; or those at which they overlap
        completely.

    Returns
    -------
    Tensor, shape (n + m − 1,), (max(n, m),) or (max(n, m) − min(n, m) + 1,)

    Raises
    ------
    ValueError
        If an input is no vector, or empty, or ``mode`` is none of these.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5]).data.tolist()
    [0.0, 1.0, 2.5, 4.0, 1.5]
    """
    a, v = _tensor(a), _tensor(v)
    if a.ndim != 1 or v.ndim != 1 or not a.shape[0] or not v.shape[0]:
        raise ValueError(
            f"convolve: needs two vectors that are not empty, but they have shapes {a.shape} and {v.shape}"
        )
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"convolve: mode={mode!r} is none of 'full', 'same' and 'valid'")
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    n, m = a.shape[0], v.shape[0]
    turned = reshape(getitem(v, slice(None, None, -1)), (m, 1, 1))
    out = reshape(conv1d(reshape(a, (1, n, 1)), turned, padding=0 if mode == "valid" else m - 1), (-1,))
    first = (m - 1) // 2
    return getitem(out, slice(first, first + n)) if mode == "same" else out
