"""CIFAR-10: colour photographs of 32×32 pixels in ten classes, from the official binary archive.

No pickle is read. The authors publish the MD5 of the archive, c32a1d4ab5d03f1284b67883e8d87530. The SHA-256 sums
below, of the archive and of each file in it, are those on which independent public projects agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from minigrad.datasets.archive import verified_archive, verified_members
from minigrad.datasets.datafile import DataFile
from minigrad.datasets.dataset import Dataset
from minigrad.datasets.download import download
from minigrad.datasets.errors import DataError
from minigrad.datasets.loading import register
from minigrad.datasets.places import VARIABLE, places
from minigrad.datasets.records import RECORD, parse_records
from minigrad.datasets.verify import verified_content
from minigrad.typing import Array

__all__ = ["ARCHIVE", "BATCHES", "cifar10", "cifar10_subset"]

_INSIDE = "cifar-10-batches-bin"
_FOLDERS = ("cifar10", f"cifar10/{_INSIDE}", _INSIDE)
_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_LARGEST = 10_000 * RECORD

ARCHIVE = DataFile(
    "cifar10",
    "cifar-10-binary.tar.gz",
    _URL,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    170_052_171,
    _FOLDERS,
)

BATCHES = tuple(
    DataFile("cifar10", name, _URL, sha256, _LARGEST, _FOLDERS)
    for name, sha256 in {
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    }.items()
)
"""The training batches in order, and the test batch last."""

_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_PAPER = "Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images, University of Toronto"
_LICENCE = "none stated; the authors ask to cite the report"


@register("cifar10", "60,000 colour photographs, 32×32, ten classes, found or downloaded (170 MB)")
def cifar10() -> Dataset:
    """Load CIFAR-10: 50,000 + 10,000 colour photographs in ten classes.

    The first of these places that has all of it is taken: ``$MINIGRAD_DATA``, ``/usr/share/datasets``, the user's
    cache. It may be there as the archive ``cifar-10-binary.tar.gz`` or unpacked, as its six files ``*.bin``; in a
    folder ``cifar10`` or ``cifar-10-batches-bin``, or directly. Where there is nothing, the archive is downloaded
    (170 MB). However they came, the six files are checked
    byte for byte. The archive is read where it lies, never extracted.

    Returns
    -------
    Dataset
        Images of shape (N, 32, 32, 3), float32 in [0, 1], and labels of int64. The arrays take 740 MB.

    Raises
    ------
    DataError
        When a file is damaged or missing, or the archive is neither here nor to be downloaded. A part of
        CIFAR-10 is refused too; `cifar10_subset` takes it.

    Notes
    -----
    A. Krizhevsky (2009), *Learning Multiple Layers of Features from Tiny Images*, technical report, University of
    Toronto. https://www.cs.toronto.edu/~kriz/cifar.html

    Examples
    --------
    >>> cifar10()     # doctest: +SKIP
    Dataset('cifar10': 50,000 for training, 10,000 for testing, input (32, 32, 3), 10 classes)
    """
    path = _find() or download(ARCHIVE, partial(verified_archive, members=BATCHES, folder=_INSIDE))
    contents: Iterable[tuple[DataFile, bytes]]
    if path.is_dir():
        contents = ((file, verified_content(path / file.name, file, remedy=_remedy())) for file in BATCHES)
    else:
        contents = verified_members(path, BATCHES, _INSIDE)
    batches = {file.name: parse_records(content, f"{file.name} in {path}") for file, content in contents}
    parts = [batches[file.name] for file in BATCHES]
    return _dataset("cifar10", parts[:-1], parts[-1], source=_PAPER)


@register("cifar10_subset", "a part of CIFAR-10 for quick runs: whatever batches are in a folder of yours, unverified")
def cifar10_subset() -> Dataset:
    """Load a part of CIFAR-10, in the layout of the official binary files, from a folder on this computer.

    It takes the files that are there: ``test_batch.bin`` and one or more of ``data_batch_1.bin`` to
    ``data_batch_5.bin``, each with 1 to 10,000 records, from the first place of `cifar10` that has such. What a
    part holds cannot be compared with published sums; only its form is checked. So it has a name of its own,
    which tables and figures show, and nothing else ever loads it. For a part of the verified data, take
    ``cifar10().subset(train=5000, test=1000)``.

    Returns
    -------
    Dataset
        As `cifar10` returns, with fewer images. `repr` says how many.

    Raises
    ------
    DataError
        When no folder has such files, a file ends in the middle of a record or has a label above 9, or
        ``batches.meta.txt`` is there and has other classes than CIFAR-10.

    Examples
    --------
    >>> cifar10_subset()     # doctest: +SKIP
    Dataset('cifar10_subset': 10,000 for training, 2,000 for testing, input (32, 32, 3), 10 classes)
    """
    *training, test = (file.name for file in BATCHES)
    for folder in places(ARCHIVE):
        names = [name for name in training if (folder / name).is_file()]
        if names and (folder / test).is_file():
            break
    else:
        looked = "".join(f"\n  {place}" for place in places(ARCHIVE))
        raise DataError(
            f"no part of CIFAR-10 on this computer: no folder has {test} and one of {', '.join(training)}. "
            f"Looked in:{looked}\nWhat to do: set {VARIABLE} to a folder with them, or take a part of the whole with "
            "datasets.cifar10().subset(train=…, test=…)."
        )
    _check_classes(folder / "batches.meta.txt")
    parts = [_unverified(folder / name) for name in [*names, test]]
    return _dataset("cifar10_subset", parts[:-1], parts[-1], source=f"A part of CIFAR-10, not verified: {_PAPER}")


def _find() -> Path | None:
    """The first folder with all batches, or archive, that there is; None where there is nothing at all."""
    partial_folders = []
    for folder in places(ARCHIVE):
        missing = [file.name for file in BATCHES if not (folder / file.name).is_file()]
        if not missing:
            return folder
        for name in ARCHIVE.names:
            if (folder / name).is_file():
                return folder / name
        if len(missing) < len(BATCHES):
            partial_folders.append((folder, missing))
    if not partial_folders:
        return None
    folder, missing = partial_folders[0]
    raise DataError(f"{folder} has a part of CIFAR-10 only: {', '.join(missing)} missing. {_remedy()}")


def _remedy() -> str:
    return (
        f"Put {ARCHIVE.name} from {_URL} in its place, which is read as it is. If it is meant to be a part of "
        "CIFAR-10 for quick runs, load 'cifar10_subset'."
    )


def _unverified(path: Path) -> tuple[Array, Array]:
    """The records of a file of which only the form is known."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}. Make it readable, or replace it.") from error
    remedy = "Replace it with a file of whole records."
    if len(content) > _LARGEST:
        raise DataError(f"{path} is not a batch of CIFAR-10: it has more than 10,000 records. {remedy}")
    return parse_records(content, str(path), remedy=remedy)


def _check_classes(path: Path) -> None:
    """Raise when a list of classes is there that is not CIFAR-10's."""
    if not path.is_file():
        return
    found = path.read_bytes()[:1000].decode("ascii", "replace").split()
    if found != list(_CLASSES):
        raise DataError(
            f"{path} is not that of CIFAR-10: expected the classes {', '.join(_CLASSES)}; found "
            f"{', '.join(found) or 'nothing'}. The files beside it belong to another data set; put those of CIFAR-10 "
            f"in a folder {_INSIDE!r}."
        )


def _dataset(name: str, training: Sequence[tuple[Array, Array]], test: tuple[Array, Array], source: str) -> Dataset:
    x_train, y_train = _join(training)
    x_test, y_test = _join([test])
    return Dataset(name, x_train, y_train, x_test, y_test, classes=_CLASSES, source=source, licence=_LICENCE)


def _join(batches: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Batches one after the other, pixels scaled to [0, 1], without a second copy of the images."""
    labels = np.concatenate([labels for _, labels in batches])
    images = np.empty((len(labels), 32, 32, 3), np.float32)
    start = 0
    for pixels, _ in batches:
        np.divide(pixels, 255, out=images[start : start + len(pixels)], dtype=np.float32)
        start += len(pixels)
    return images, labels
