"""Augmentation: random crops and flips of a batch of images, drawn from the generator of the run.

Each step is a callable ``(x, rng) -> x`` of images (N, H, W, C); `Augment` does several one after the other. Labels
never come here. All samples are changed at once, and the same generator gives the same images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.counts import whole
from minigrad.typing import Array

__all__ = ["Augment", "random_crop", "random_flip"]


@dataclass(frozen=True)
class random_crop:  # lower case: it reads as the verb it is, as `range` does
    """Shift each image by up to ``padding`` pixels, up or down and left or right.

    An image is framed with zeros and cut back to its size at a random place: each of the (2·padding + 1)² crops is
    equally likely, independently for each image. Zeros are the mean colour after `Dataset.standardised`, and black
    without.

    Parameters
    ----------
    padding : int
        In pixels, at least 0 and less than the height and the width of the images.

    Raises
    ------
    ValueError
        If the padding is out of range, or a batch is not of shape (N, H, W, C).
    TypeError
        If it is not a whole number, or ``rng`` is not a Generator.

    Examples
    --------
    >>> x = np.arange(1, 5, dtype=np.float32).reshape(1, 2, 2, 1)
    >>> random_crop(1)(x, np.random.default_rng(35))[0, :, :, 0]
    array([[0., 0.],
           [1., 2.]], dtype=float32)
    """

    padding: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", whole("random_crop: padding", self.padding, 0))

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """A crop of each image: a new array of the shape and dtype of ``x``."""
        _check("random_crop", x, rng)
        count, height, width, channels = x.shape
        if self.padding >= min(height, width):
            raise ValueError(
                f"random_crop: padding={self.padding} must be less than {min(height, width)}, since of images of "
                f"{height}×{width} pixels some crops would hold nothing"
            )
        top, left = rng.integers(0, 2 * self.padding + 1, (2, count))
        border = (self.padding, self.padding)
        framed = np.pad(x, ((0, 0), border, border, (0, 0)))
        windows = sliding_window_view(framed, (height, width, channels), axis=(1, 2, 3))
        return windows[np.arange(count), top, left, 0]

    def __repr__(self) -> str:
        return f"random_crop({self.padding})"


@dataclass(frozen=True)
class random_flip:
    """Mirror each image, left to right, with some probability and independently of the others.

    Parameters
    ----------
    probability : float, default 0.5

    Raises
    ------
    ValueError
        If the probability is not in [0, 1], or a batch is not of shape (N, H, W, C).
    TypeError
        If ``rng`` is not a Generator.

    Examples
    --------
    >>> x = np.arange(3, dtype=np.float32).reshape(1, 1, 3, 1)
    >>> random_flip(1)(x, np.random.default_rng(0))[0, 0, :, 0]
    array([2., 1., 0.], dtype=float32)
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"random_flip: probability={self.probability} must lie in 0 … 1")

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """Each image or its mirror image: a new array of the shape and dtype of ``x``."""
        _check("random_flip", x, rng)
        flipped = rng.random(len(x)) < self.probability
        return np.where(flipped[:, np.newaxis, np.newaxis, np.newaxis], x[:, :, ::-1], x)

    def __repr__(self) -> str:
        return f"random_flip({self.probability})"


@dataclass(frozen=True, init=False)
class Augment:
    """Several steps, one after the other.

    Parameters
    ----------
    *steps : callable
        Each takes a batch of images and a Generator, and returns a batch of the same shape and dtype.

    Raises
    ------
    TypeError
        If a step is not callable, or is a class that still wants its arguments.
    ValueError
        If a step changes the shape or the dtype of a batch.

    Examples
    --------
    The augmentation that is usual for CIFAR-10:

    >>> augment = Augment(random_crop(4), random_flip())
    >>> augment
    Augment(random_crop(4), random_flip(0.5))
    >>> augment(np.zeros((8, 32, 32, 3), np.float32), np.random.default_rng(0)).shape
    (8, 32, 32, 3)
    """

    steps: tuple[Callable[[Array, np.random.Generator], Array], ...]

    def __init__(self, *steps: Callable[[Array, np.random.Generator], Array]):
        for step in steps:
            if isinstance(step, type):
                raise TypeError(f"Augment: {step.__name__} is given without arguments; write {step.__name__}(…)")
            if not callable(step):
                raise TypeError(f"Augment: {step!r} is not callable; a step is a function of images and a Generator")
        object.__setattr__(self, "steps", steps)

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """The batch after all steps."""
        _check("Augment", x, rng)
        for step in self.steps:
            y = step(x, rng)
            if y.shape != x.shape or y.dtype != x.dtype:
                raise ValueError(
                    f"Augment: {step!r} made {y.dtype} of shape {y.shape} from {x.dtype} of shape {x.shape}; "
                    "a step keeps both"
                )
            x = y
        return x

    def __repr__(self) -> str:
        return f"Augment({', '.join(map(repr, self.steps))})"


def _check(where: str, x: Array, rng: np.random.Generator) -> None:
    if x.ndim != 4:
        raise ValueError(
            f"{where}: images have shape (N, H, W, C), found {x.shape}; give images, not rows of features, for which "
            "this has no meaning"
        )
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{where}: rng is a {type(rng).__name__}; give a Generator, np.random.default_rng(seed)")
