"""Checkpoints: arrays and JSON in one file, without pickle, that is either whole or not there."""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from collections.abc import Callable, Mapping
from typing import IO, Any, TypeAlias

import numpy as np

from minigrad.files import regular, write_atomically
from minigrad.typing import Array, Shape

__all__ = ["CheckpointError", "Headers", "load_checkpoint", "save_checkpoint"]

FORMAT = 1
META = "meta.json"

Headers: TypeAlias = "dict[str, tuple[Shape, np.dtype[Any]]]"
"""Shape and dtype of each array in a file."""


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read, or does not fit.

    Examples
    --------
    >>> import os, tempfile
    >>> from minigrad.training import CheckpointError, load_checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.npz")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(b"no checkpoint")
    ...     try:
    ...         load_checkpoint(path)
    ...     except CheckpointError as error:
    ...         print(type(error).__name__)
    CheckpointError
    """


def save_checkpoint(path: str | os.PathLike[str], arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
    """Write arrays and JSON-ready data to one ``.npz`` file, atomically.

    Parameters
    ----------
    path : path-like
    arrays : mapping from str to ndarray
        Of numbers.
    meta : mapping
        What ``json.dumps`` can write; JSON has no numbers for NaN and infinity.

    Raises
    ------
    TypeError
        If an array holds Python objects, or ``meta`` cannot be written as JSON.
    ValueError
        If a number in ``meta`` is not finite.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(folder + "/a.npz", {"w": np.ones(2)}, {"epoch": 3})
    ...     arrays, meta = load_checkpoint(folder + "/a.npz")
    >>> arrays["w"].tolist(), meta["epoch"]
    ([1.0, 1.0], 3)
    """
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"checkpoint: {name!r} has dtype {array.dtype}; only numbers can be saved")
    text = json.dumps({"format": FORMAT, "arrays": sorted(arrays), "meta": dict(meta)}, allow_nan=False)

    def write(stream: IO[bytes]) -> None:
        with zipfile.ZipFile(stream, "w") as archive:  # stored, with a CRC for each part
            archive.writestr(META, text)
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                    np.lib.format.write_array(
                        part, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False
                    )

    write_atomically(path, write)


def load_checkpoint(
    path: str | os.PathLike[str], check: Callable[[Headers, dict[str, Any]], object] | None = None
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

    Nothing is read but regular files, and no more of them than they take on the disk.

    Parameters
    ----------
    path : path-like
    check : callable, optional
        ``check(headers, meta)`` is called before any array is read, with the shape and dtype of each; what it raises
        is not caught.

    Returns
    -------
    arrays : dict from str to ndarray
    meta : dict

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is no such file, or it may not be read.
    CheckpointError
        If the file is truncated, damaged, or not a checkpoint.

    Examples
    --------
    >>> import os, tempfile
    >>> from minigrad.training import save_checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.npz")
    ...     save_checkpoint(path, {"w": np.ones(2)}, {"epoch": 3})
    ...     arrays, meta = load_checkpoint(path)
    >>> arrays["w"].tolist(), meta
    ([1.0, 1.0], {'epoch': 3})
    """
    try:
        regular(path)
        with zipfile.ZipFile(path) as archive:
            _check_sizes(archive, os.stat(path).st_size)
            head = _head(archive)
            meta = dict(head["meta"])
            headers = {info.filename.removesuffix(".npy"): _header(archive, info) for info in _parts(archive)}
            if sorted(headers) != head["arrays"]:
                raise ValueError("its table of contents is damaged")
    except Exception as error:
        raise _refusal(path, error) from error
    if check is not None:
        check(headers, meta)
    try:
        with zipfile.ZipFile(path) as archive:
            # Each part is read to its end before it is looked at: then its CRC has been checked.
            parts = {info.filename: archive.read(info) for info in _parts(archive)}
        arrays = {
            part.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
            for part, content in parts.items()
        }
        if {name: (array.shape, array.dtype) for name, array in arrays.items()} != headers:
            raise ValueError("it was changed while it was read")
    except Exception as error:
        raise _refusal(path, error) from error
    return arrays, meta


def _check_sizes(archive: zipfile.ZipFile, size: int) -> None:
    """Raise unless the parts are stored as they are, and together no larger than the file."""
    infos = archive.infolist()
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise ValueError("it is compressed, which checkpoints are not")
    if len({info.filename for info in infos}) != len(infos) or sum(info.file_size for info in infos) > size:
        raise ValueError("its parts overlap")


def _parts(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [info for info in archive.infolist() if info.filename != META]


def _head(archive: zipfile.ZipFile) -> dict[str, Any]:
    """What is not arrays."""
    head = json.loads(archive.read(META))
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        found = repr(head.get("format")) if isinstance(head, dict) else "that is not known"
        raise ValueError(f"its format is {found}, and this version of minigrad reads format {FORMAT}")
    return head


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[Shape, np.dtype[Any]]:
    """Shape and dtype of an array; raise if its values would not fill the part."""
    with archive.open(info) as part:
        version = np.lib.format.read_magic(part)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(part)
        if dtype.hasobject:
            raise ValueError(f"{info.filename} holds Python objects")
        if part.tell() + math.prod(shape) * dtype.itemsize != info.file_size:
            raise ValueError(f"{info.filename} has another length than its shape {shape} says")
    return shape, dtype


def _refusal(path: str | os.PathLike[str], error: Exception) -> Exception:
    """What is raised in place of an error, for damage shows in many ways: as a bad CRC, as encryption, ...."""
    if isinstance(error, (FileNotFoundError, PermissionError)):
        return error
    reason = str(error.args[0]) if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
    return CheckpointError(
        f"{os.fspath(path)} is truncated, damaged or not a checkpoint ({reason}). Delete it and start again, or give "
        "the path of another one"
    )
