"""Checkpoints: arrays and JSON in one file, without pickle, that is either whole or not there."""

from __future__ import annotations

import io
import json
import os
import secrets
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from minigrad.typing import Array

__all__ = ["CheckpointError", "load_checkpoint", "save_checkpoint", "write_atomically"]

FORMAT = 1
META = "meta.json"


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


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that, whatever happens, either the old or the new content stands under its name.

    Parameters
    ----------
    path : path-like
        Its folder must exist.
    write : callable
        ``write(stream)`` writes the content to a binary stream.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "note.txt"
    ...     write_atomically(path, lambda stream: stream.write(b"whole"))
    ...     path.read_text()
    'whole'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as stream:  # with the permissions that any new file gets
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

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
    name = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            # Each part is read to its end before it is looked at: then its CRC has been checked.
            parts = {part: archive.read(part) for part in archive.namelist()}
        head = json.loads(parts.pop(META))
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            found = repr(head.get("format")) if isinstance(head, dict) else "that is not known"
            raise ValueError(f"its format is {found}, and this version of minigrad reads format {FORMAT}")
        arrays = {
            part.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
            for part, content in parts.items()
        }
        if sorted(arrays) != head["arrays"]:
            raise ValueError("its table of contents is damaged")
        return arrays, dict(head["meta"])
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # damage shows in many ways: as a bad CRC, as an unknown compression, as encryption
        reason = f"there is no {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise CheckpointError(
            f"{name} is truncated, damaged or not a checkpoint ({reason}). Delete it and start again, or give the "
            "path of another one"
        ) from error
