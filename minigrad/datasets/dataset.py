"""A data set: training and test arrays that belong together, with their names and their origin."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from minigrad.typing import Array, Shape

__all__ = ["Dataset"]


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
        """How many classes there are.

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

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}: {len(self.y_train):,} for training, {len(self.y_test):,} for testing, "
            f"input {self.input_shape}, {self.num_classes} classes)"
        )
