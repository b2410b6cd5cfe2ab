"""MNIST and Fashion-MNIST: 28×28 grey images in four IDX files each.

The SHA-256 sums are of the decompressed files. Fashion-MNIST's were computed from Debian's package
``dataset-fashion-mnist``; MNIST's are those on which several independent public projects agree.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minigrad.datasets.datafile import DataFile
from minigrad.datasets.dataset import Dataset
from minigrad.datasets.download import download
from minigrad.datasets.errors import DataError
from minigrad.datasets.idx import parse_idx
from minigrad.datasets.loading import register
from minigrad.datasets.places import find
from minigrad.datasets.verify import verified_content
from minigrad.typing import Array

__all__ = ["FASHION_MNIST", "MNIST", "fashion_mnist", "mnist"]

_PARTS = {  # part: official name, bytes decompressed
    "x_train": ("train-images-idx3-ubyte.gz", 16 + 60_000 * 28 * 28),
    "y_train": ("train-labels-idx1-ubyte.gz", 8 + 60_000),
    "x_test": ("t10k-images-idx3-ubyte.gz", 16 + 10_000 * 28 * 28),
    "y_test": ("t10k-labels-idx1-ubyte.gz", 8 + 10_000),
}


def _files(dataset: str, base: str, folders: tuple[str, ...], **sha256: str) -> dict[str, DataFile]:
    """The four files of a relative of MNIST, by part."""
    return {
        # Several mirrors write train-images.idx3-ubyte.
        part: DataFile(dataset, name, f"{base}/{name}", sha256[part], size, folders, (name.replace("-idx", ".idx"),))
        for part, (name, size) in _PARTS.items()
    }


FASHION_MNIST: Mapping[str, DataFile] = _files(
    "fashion_mnist",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ("fashion-mnist", "fashion_mnist"),
    x_train="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    y_train="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    x_test="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    y_test="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)

MNIST: Mapping[str, DataFile] = _files(
    "mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    ("mnist",),
    x_train="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    y_train="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    x_test="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    y_test="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)


@register("fashion_mnist", "70,000 articles of clothing, 28×28 grey, found or downloaded (31 MB)")
def fashion_mnist() -> Dataset:
    """Load Fashion-MNIST: 60,000 + 10,000 grey images of clothing in ten classes.

    Its four files are looked for in ``$MINIGRAD_DATA`` (in a folder ``fashion-mnist`` or
    ``fashion_mnist`` there, or directly), in ``/usr/share/datasets`` (Debian: ``apt install
    dataset-fashion-mnist``) and in the user's cache; what is missing is downloaded (31 MB).
    However they came, their content is checked.

    Returns
    -------
    Dataset
        Images of shape (N, 28, 28, 1), float32 in [0, 1], and labels of int64.

    Raises
    ------
    DataError
        When a file is damaged, or neither here nor to be downloaded.

    Notes
    -----
    H. Xiao, K. Rasul and R. Vollgraf (2017), *Fashion-MNIST: a Novel Image Dataset for Benchmarking
    Machine Learning Algorithms*, arXiv:1708.07747. MIT licence, Zalando SE.

    Examples
    --------
    >>> fashion_mnist()     # doctest: +SKIP
    Dataset('fashion_mnist': 60,000 for training, 10,000 for testing, input (28, 28, 1), 10 classes)
    """
    return _load(
        FASHION_MNIST,
        classes=(
            "T-shirt/top", "trouser", "pullover", "dress", "coat",
            "sandal", "shirt", "sneaker", "bag", "ankle boot",
        ),
        source="Xiao, Rasul & Vollgraf (2017), Fashion-MNIST, arXiv:1708.07747",
        licence="MIT, Zalando SE",
    )  # fmt: skip


@register("mnist", "70,000 handwritten digits, 28×28 grey, found or downloaded (12 MB)")
def mnist() -> Dataset:
    """Load MNIST: 60,000 + 10,000 grey images of handwritten digits.

    Its four files are looked for in ``$MINIGRAD_DATA`` (in a folder ``mnist`` there, or directly), in
    ``/usr/share/datasets/mnist`` and in the user's cache; what is missing is downloaded (12 MB).
    However they came, their content is checked.

    Returns
    -------
    Dataset
        Images of shape (N, 28, 28, 1), float32 in [0, 1], and labels of int64.

    Raises
    ------
    DataError
        When a file is damaged, or neither here nor to be downloaded.

    Notes
    -----
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998), *Gradient-based learning applied to document
    recognition*, Proceedings of the IEEE 86(11). Y. LeCun and C. Cortes hold the copyright; it is
    commonly distributed under CC BY-SA 3.0.

    Examples
    --------
    >>> mnist()     # doctest: +SKIP
    Dataset('mnist': 60,000 for training, 10,000 for testing, input (28, 28, 1), 10 classes)
    """
    return _load(
        MNIST,
        classes=tuple("0123456789"),
        source="LeCun, Bottou, Bengio & Haffner (1998), Proc. IEEE 86(11)",
        licence="CC BY-SA 3.0, Y. LeCun and C. Cortes",
    )


def _load(files: Mapping[str, DataFile], classes: tuple[str, ...], source: str, licence: str) -> Dataset:
    """Find, check and parse the four files, one after the other."""
    parts = {part: _array(file) for part, file in files.items()}
    for part, array in parts.items():
        axes = 3 if part.startswith("x") else 1
        if array.ndim != axes:
            raise DataError(f"{files[part].name}: expected {axes} axes, found shape {array.shape}")
    return Dataset(
        name=next(iter(files.values())).dataset,
        x_train=_scale(parts["x_train"]),
        y_train=parts["y_train"].astype(np.int64),
        x_test=_scale(parts["x_test"]),
        y_test=parts["y_test"].astype(np.int64),
        classes=classes,
        source=source,
        licence=licence,
    )


def _array(file: DataFile) -> Array:
    path = find(file) or download(file)
    return parse_idx(verified_content(path, file), str(path))


def _scale(images: Array) -> Array:
    """Bytes (N, H, W) to float32 in [0, 1] with a channel axis, (N, H, W, 1)."""
    return np.divide(images[..., np.newaxis], 255, dtype=np.float32)
