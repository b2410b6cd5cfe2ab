"""A data set: training and test arrays that belong together, with their names and their origin."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from minigrad.arrays import plain
from minigrad.counts import whole
from minigrad.streams import Domain, generator
from minigrad.typing import Array, Shape

__all__ = ["Dataset"]

_BLOCK = 1024


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs and labels for training and for testing.

    Index conventions: the first axis of every array is the sample; images are (N, H, W, C), rows of
    features are (N, features).

    Parameters
    ----------
    name : str
        What `minigrad.datasets.load` calls it.
    x_train : ndarray of float32, shape (N, ...)
        Subclasses of ndarray become plain arrays.
    y_train : ndarray of int64, shape (N,)
        Labels: indices into ``classes``.
    x_test : ndarray of float32, shape (M, ...)
    y_test : ndarray of int64, shape (M,)
    classes : tuple of str
        The name of each class.
    source : str, optional
        Where the data come from, as one would cite it.
    licence : str, optional
        The terms under which the data may be used.

    Raises
    ------
    TypeError
        When an array is not a NumPy array of the dtype above.
    ValueError
        When the shapes disagree, a part is empty, or a label is not an index into ``classes``.

    Examples
    --------
    >>> x, y = np.zeros((4, 2), np.float32), np.array([0, 1, 1, 0])
    >>> data = Dataset("coins", x, y, x[:1], y[:1], classes=("heads", "tails"))
    >>> data
    Dataset('coins': 4 for training, 1 for testing, input (2,), 2 classes)
    >>> data.classes[data.y_train[1]]
    'tails'
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    classes: tuple[str, ...]
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        for part in ("x_train", "y_train", "x_test", "y_test"):
            value = getattr(self, part)
            if isinstance(value, np.ndarray) and type(value) is not np.ndarray:
                object.__setattr__(self, part, plain(value, f"data set {self.name!r}: {part}"))
        self._check_part("train", self.x_train, self.y_train)
        self._check_part("test", self.x_test, self.y_test)
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise ValueError(
                f"data set {self.name!r}: a training input has shape {self.x_train.shape[1:]}, "
                f"a test input {self.x_test.shape[1:]}; they must be the same"
            )

    def _check_part(self, part: str, x: Array, y: Array) -> None:
        """Raise unless inputs and labels of one part have the right dtypes and fit each other."""
        for label, array, dtype in ((f"x_{part}", x, np.float32), (f"y_{part}", y, np.int64)):
            where = f"data set {self.name!r}: {label}"
            if not isinstance(array, np.ndarray):
                raise TypeError(f"{where} is a {type(array).__name__}; make it a NumPy array")
            if array.dtype != dtype:
                wanted = np.dtype(dtype).name
                raise TypeError(f"{where} has dtype {array.dtype}; convert it with .astype(np.{wanted})")
        if y.ndim != 1 or x.ndim < 2 or len(x) != len(y):
            raise ValueError(
                f"data set {self.name!r}: x_{part} has shape {x.shape} and y_{part} {y.shape}; "
                "expected (N, ...) and (N,) with the same N"
            )
        if not len(y):
            raise ValueError(f"data set {self.name!r}: the {part} part is empty")
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= self.num_classes:
            raise ValueError(
                f"data set {self.name!r}: y_{part} holds labels from {low} to {high}, but classes has "
                f"{self.num_classes} names, so labels must lie in 0 … {self.num_classes - 1}"
            )

    @property
    def input_shape(self) -> Shape:
        """The shape of one input, without the sample axis.

        Examples
        --------
        >>> from minigrad import datasets
        >>> datasets.digits().input_shape
        (8, 8, 1)
        """
        return self.x_train.shape[1:]

    @property
    def num_classes(self) -> int:
        """The number of classes.

        Examples
        --------
        >>> from minigrad import datasets
        >>> datasets.digits().num_classes
        10
        """
        return len(self.classes)

    def flat(self) -> Dataset:
        """The same data with each input as one row of features, as an MLP takes them.

        Returns
        -------
        Dataset
            Inputs of shape (N, features), features in C order: rows of pixels one after the other, the
            channels of a pixel side by side. The arrays are views where NumPy can make one.

        Examples
        --------
        >>> from minigrad import datasets
        >>> datasets.digits().flat().x_train.shape
        (1442, 64)
        """
        features = math.prod(self.input_shape)
        return replace(
            self,
            x_train=self.x_train.reshape(len(self.x_train), features),
            x_test=self.x_test.reshape(len(self.x_test), features),
        )

    def standardised(self) -> Dataset:
        """The same data with mean 0 and standard deviation 1 in each channel of the training part.

        A channel is an index of the last axis: a colour of an image, a feature of a row. Its mean and standard
        deviation are over all training samples and pixels; the test part is shifted and scaled by the same numbers,
        so nothing of it is used. A channel that is constant is only shifted. Do it before ``flat()`` to treat all
        pixels alike.

        Returns
        -------
        Dataset
            New arrays, float32; this data set is left as it is.

        Examples
        --------
        >>> from minigrad import datasets
        >>> data = datasets.digits().standardised()
        >>> float(abs(data.x_train.mean())) < 1e-5, round(float(data.x_train.std()), 4)
        (True, 1.0)
        """
        flat, channels = self.flat(), self.input_shape[-1]
        x, pixels = flat.x_train, flat.x_train.shape[1] // channels
        # Over samples first, then over pixels: the long contiguous axis stays innermost, which is much faster.
        lowest = x.min(axis=0).reshape(pixels, channels).min(axis=0)
        highest = x.max(axis=0).reshape(pixels, channels).max(axis=0)
        constant = lowest == highest  # found exactly: rounding gives even these a small sd
        mean = x.mean(axis=0, dtype=np.float64).reshape(pixels, channels).mean(axis=0)
        shift = np.tile(np.where(constant, lowest, mean), pixels)
        squares = np.zeros_like(shift)
        for start in range(0, len(x), _BLOCK):  # in blocks: float64 of all data at once is too much
            squares += ((x[start : start + _BLOCK] - shift) ** 2).sum(axis=0)
        sd = np.sqrt(squares.reshape(pixels, channels).mean(axis=0) / len(x))
        scale = np.tile(np.where(constant, 1, sd), pixels).astype(np.float32)
        x_train, x_test = x - shift.astype(np.float32), flat.x_test - shift.astype(np.float32)
        for centred in (x_train, x_test):
            centred /= scale
        return replace(self, x_train=x_train.reshape(self.x_train.shape), x_test=x_test.reshape(self.x_test.shape))

    def one_against_rest(self, label: int) -> Dataset:
        """The same inputs with two classes: one of the old ones, and all the others.

        Few samples matter then once training is under way: with ten classes of equal size, nine tenths are of the rest,
        and most of these are told apart soon.

        Parameters
        ----------
        label : int
            The class that becomes 1; all others become 0.

        Returns
        -------
        Dataset
            Its name is ``name[label against the rest]``.

        Raises
        ------
        ValueError
            If there is no such class, or no other.
        TypeError
            If the label is not a whole number.

        Examples
        --------
        >>> from minigrad import datasets
        >>> data = datasets.digits().one_against_rest(8)
        >>> data.name, data.classes, round(float(data.y_train.mean()), 3)
        ('digits[8 against the rest]', ('not 8', '8'), 0.097)
        """
        label = whole("one_against_rest: label", label, least=0, most=self.num_classes - 1, of="the last class")
        if self.num_classes < 2:
            raise ValueError(f"one_against_rest: data set {self.name!r} has one class alone, so there is no rest")
        chosen = self.classes[label]
        return replace(
            self,
            name=f"{self.name}[{chosen} against the rest]",
            y_train=(self.y_train == label).astype(np.int64),
            y_test=(self.y_test == label).astype(np.int64),
            classes=(f"not {chosen}", chosen),
        )

    def subset(self, train: int | None = None, test: int | None = None, *, seed: int | None = None) -> Dataset:
        """A part of the data, for quick runs.

        Parameters
        ----------
        train, test : int, optional
            How many samples to keep of each part; default: all.
        seed : int, optional
            Without it, the first ones are kept. With it, a random choice, in their old order; a larger part
            with the same seed contains a smaller one.

        Returns
        -------
        Dataset
            Its name says what it is: ``name[train+test]``, with the seed where there is one.

        Raises
        ------
        ValueError
            When a number is not in 1 … the number of samples there are.
        TypeError
            When a number is not a whole one.

        Examples
        --------
        >>> from minigrad import datasets
        >>> datasets.digits().subset(train=500, test=100)
        Dataset('digits[500+100]': 500 for training, 100 for testing, input (8, 8, 1), 10 classes)
        >>> datasets.digits().subset(train=500, seed=3).name
        'digits[500+355, seed 3]'
        """
        keep = [
            _part(name, count, len(y), None if seed is None else generator(Domain.SUBSET, seed, number))
            for number, (name, count, y) in enumerate((("train", train, self.y_train), ("test", test, self.y_test)))
        ]
        drawn = "" if seed is None else f", seed {seed}"
        counts = "+".join(str(len(y[part])) for y, part in zip((self.y_train, self.y_test), keep, strict=True))
        return replace(
            self,
            name=f"{self.name}[{counts}{drawn}]",
            x_train=self.x_train[keep[0]],
            y_train=self.y_train[keep[0]],
            x_test=self.x_test[keep[1]],
            y_test=self.y_test[keep[1]],
        )

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}: {len(self.y_train):,} for training, {len(self.y_test):,} for testing, "
            f"input {self.input_shape}, {self.num_classes} classes)"
        )


def _part(name: str, count: int | None, available: int, rng: np.random.Generator | None) -> Array | slice:
    """The samples to keep of one part: an index for its arrays, which copies, so that the rest can be freed."""
    if count is None:
        return slice(None)
    count = whole(f"subset: {name}", count, most=available, of="the number of samples there are")
    if rng is None:
        return np.arange(count)
    return np.sort(rng.permutation(available)[:count])
