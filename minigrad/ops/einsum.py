"""Sums of products over named axes."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.typing import Array

__all__ = ["einsum"]


def _operand(g: Array, saved: Saved, k: int) -> Array:
    """The cotangent of operand k: the same sum with g in its place.

    Axes that only operand k has, or that have length 1 in all others, were summed over, so g is spread along them;
    along an axis where operand k has length 1 and was repeated, its cotangents add up. An axis named twice in
    operand k is a diagonal, and the cotangent lies on it.
    """
    terms, out, arrays = saved["terms"], saved["into"], saved["arrays"]
    mine = terms[k]
    unique = "".join(dict.fromkeys(mine))
    others = [term for j, term in enumerate(terms) if j != k]
    values = [array for j, array in enumerate(arrays) if j != k]
    length = {c: arrays[k].shape[mine.index(c)] for c in unique}
    reach = {
        c: n
        for term, v in zip([out, *others], [g, *values], strict=True)
        for c, n in zip(term, v.shape, strict=True)
        if n != 1
    }
    lone = [c for c in unique if c not in reach]
    spread = [np.ones(length[c], g.dtype) for c in lone]
    text = ",".join([out, *others, *lone]) + "->" + unique
    result = np.einsum(text, g, *values, *spread, optimize=True)
    repeated = tuple([axis for axis, c in enumerate(unique) if length[c] == 1 and result.shape[axis] != 1])
    if repeated:
        result = result.sum(axis=repeated, keepdims=True)
    if unique == mine:
        return np.asarray(result)
    full = np.zeros(arrays[k].shape, result.dtype)
    np.einsum(f"{mine}->{unique}", full)[...] = result
    return full


def _explicit(subscripts: str, arrays: tuple[Array, ...]) -> tuple[list[str], str]:
    """Subscripts with the output spelled out and letters in place of ``...``."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(arrays):
        raise ValueError(f"the subscripts {subscripts!r} are for {len(terms)} operands, but {len(arrays)} were given")
    if not arrow:
        letters = sorted(c for c in set(left) if c.isalpha() and left.count(c) == 1)
        right = ("..." if "..." in left else "") + "".join(letters)
    free = [c for c in string.ascii_letters if c not in subscripts]
    widths = [array.ndim - len(term.replace("...", "")) for term, array in zip(terms, arrays, strict=True)]
    most = max([w for term, w in zip(terms, widths, strict=True) if "..." in term], default=0)
    if most and "..." not in right:
        raise ValueError(
            f"the subscripts {subscripts!r} leave out the axes of '...': write '...' in the output as well"
        )
    batch = "".join(free[:most])
    explicit = []
    for term, width in zip(terms, widths, strict=True):
        if width < 0 or (width and "..." not in term):
            raise ValueError(
                f"the subscripts {term!r} do not fit an operand with {width + len(term.replace('...', ''))} axes"
            )
        explicit.append(term.replace("...", batch[most - width :] if width else ""))
    return explicit, right.replace("...", batch)


@define(kind="multilinear", broadcasts=True, arrays=_operand)
def _einsum(*arrays: Array, subscripts: str, optimize: Any = True) -> tuple[Array, Saved]:
    terms, out = _explicit(subscripts, arrays)
    result = np.einsum(",".join(terms) + "->" + out, *arrays, optimize=optimize)
    return np.asarray(result), {"terms": terms, "into": out, "arrays": arrays}


def _numpy_einsum(*operands: Any, optimize: Any = False) -> Tensor:
    return einsum(*operands, optimize=True if optimize is False else optimize)  # without a word, the cheapest order


@stands_for(np.einsum, by=_numpy_einsum)
@operation(_einsum)
def einsum(subscripts: Any, *operands: Any, optimize: Any = True, vjp: VJP = None) -> Tensor:
    """A sum of products over named axes, as in `numpy.einsum`.

    Parameters
    ----------
    subscripts : str
        Such as ``"bij,bjk->bik"``; implicit outputs, ``...`` and repeated letters (diagonals) are understood.
    *operands : Tensor or array_like
        Without ``subscripts``: each followed by the list of its axes, numbers from 0 to 51 or ``...``, and perhaps the
        list of the axes of the output.
    optimize : bool, str or list, default True
        The order of the products, as in `numpy.einsum`; the backward pass finds its own.
    vjp : Estimator, mapping or None
        The inputs are named ``arrays[0]``, ``arrays[1]``, …

    Raises
    ------
    ValueError
        If the subscripts do not fit the operands.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> a, b = np.ones((2, 3)), np.ones((4, 3))
    >>> ops.einsum("ij,kj->ik", a, b).shape
    (2, 4)
    >>> ops.einsum(a, [0, 1], b, [2, 1], [0, 2]).shape
    (2, 4)
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _from_lists([subscripts, *operands])
    return record(_einsum, operands, {"subscripts": subscripts, "optimize": optimize}, vjp=vjp)


LABELS = string.ascii_uppercase + string.ascii_lowercase
"""The letters of axes that are numbered; their order is that of the numbers, which implicit outputs follow."""


def _from_lists(given: list[Any]) -> tuple[str, tuple[TensorLike, ...]]:
    """Subscripts and operands of ``einsum(x, [0, 1], y, [1, 2], [0, 2])``."""
    if len(given) < 2:
        raise TypeError("einsum: the subscripts come first, as a string, or after each operand the list of its axes")
    pairs = len(given) // 2
    text = ",".join([_letters(axes) for axes in given[1 : 2 * pairs : 2]])
    if len(given) % 2:
        text += "->" + _letters(given[-1])
    return text, tuple(given[: 2 * pairs : 2])


def _letters(axes: Any) -> str:
    """A list of axes as subscripts."""
    if isinstance(axes, (str, Tensor)) or not np.iterable(axes):
        raise TypeError(
            f"einsum: {axes!r} stands where a list of axes should; the subscripts come first, as a string, or after "
            "each operand the list of its axes"
        )
    letters = []
    for axis in axes:
        if axis is not Ellipsis and not (isinstance(axis, (int, np.integer)) and 0 <= axis < len(LABELS)):
            raise ValueError(f"einsum: {axis!r} is no axis: they are numbers from 0 to {len(LABELS) - 1}, or ...")
        letters.append("..." if axis is Ellipsis else LABELS[axis])
    return "".join(letters)


def _forward_flops(node: Any) -> float:
    sizes: dict[str, int] = {}
    for term, array in zip(node.saved["terms"], node.saved["arrays"], strict=True):
        for c, n in zip(term, array.shape, strict=True):
            sizes[c] = max(sizes.get(c, 1), n)
    return 2.0 * float(np.prod(list(sizes.values()), dtype=float))


_einsum.forward_flops = _forward_flops
_einsum.backward_flops = lambda node, edge, kept: _forward_flops(node)
