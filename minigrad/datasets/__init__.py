"""Data sets, as plain arrays.

One is bundled (`digits`); the others are found on this computer or downloaded, and their content is
checked byte for byte. Each step has a file of its own: `places` finds, `download` fetches, `verify`
checks, `archive` reads what is in one, `idx` and `records` parse; `loading` keeps the names.

To add a data set, write one function that returns a `Dataset`, under ``@register("its_name", "one line about it")``.

Examples
--------
>>> from minigrad import datasets
>>> data = datasets.load("digits")
>>> data.x_train.shape, data.y_train.shape
((1442, 8, 8, 1), (1442,))
>>> data.flat().x_train.shape
(1442, 64)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minigrad.datasets.bundled import digits
from minigrad.datasets.cifar import cifar10, cifar10_subset
from minigrad.datasets.dataset import Dataset
from minigrad.datasets.errors import DataError
from minigrad.datasets.images import fashion_mnist, mnist
from minigrad.datasets.loading import canonical, describe, load, loader, names, register
from minigrad.datasets.one_class import digits_one, fashion_mnist_one
from minigrad.naming import answering

__all__ = [
    "DataError",
    "Dataset",
    "canonical",
    "cifar10",
    "cifar10_subset",
    "describe",
    "digits",
    "digits_one",
    "fashion_mnist",
    "fashion_mnist_one",
    "load",
    "loader",
    "mnist",
    "names",
    "register",
]

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
