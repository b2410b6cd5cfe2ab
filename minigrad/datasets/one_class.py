"""Data sets of one class against all others, in which few samples carry the gradient."""

from __future__ import annotations

from minigrad.datasets.bundled import digits
from minigrad.datasets.dataset import Dataset
from minigrad.datasets.images import fashion_mnist
from minigrad.datasets.loading import register

__all__ = ["digits_one", "fashion_mnist_one"]


@register("digits_one", "the bundled digits, eights against all others")
def digits_one() -> Dataset:
    """Load the bundled digits as two classes: eights, and all others.

    Examples
    --------
    >>> digits_one().classes
    ('not 8', '8')
    """
    return digits().one_against_rest(8)


@register("fashion_mnist_one", "Fashion-MNIST, trousers against all others")
def fashion_mnist_one() -> Dataset:
    """Load Fashion-MNIST as two classes: trousers, and all others.

    Raises
    ------
    DataError
        As `fashion_mnist`.

    Examples
    --------
    >>> fashion_mnist_one().classes  # doctest: +SKIP
    ('not trouser', 'trouser')
    """
    return fashion_mnist().one_against_rest(1)
