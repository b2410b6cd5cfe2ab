"""Finished runs on disk: one file each, so that an interruption loses none."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, overload

from minigrad.experiments.outputs import results_folder
from minigrad.experiments.run import Run
from minigrad.files import regular, remove_stale, write_atomically

__all__ = ["Kept", "KeptRun", "Store"]


class Kept(Protocol):
    """A result that a store keeps, under a key, which can be written as JSON and read again."""

    @property
    def key(self) -> str:
        """The name under which it is kept."""

    @property
    def label(self) -> str:
        """Of the method."""

    @property
    def seed(self) -> int:
        """The seed."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Any:
        """The result that `to_dict` wrote."""


KeptRun = TypeVar("KeptRun", bound=Kept)


class Store(Generic[KeptRun]):
    """A folder of finished runs.

    Parameters
    ----------
    folder : path-like
        Made if it does not exist.
    of : type, default `Run`
        What it keeps.

    Raises
    ------
    OSError, ValueError
        As `results_folder`: if there is a file of that name, or nothing may be written there.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.training import History
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Store(folder).put(Run("0f", "exact", 0, History()))
    ...     Store(folder).get("0f").label
    'exact'
    """

    @overload
    def __init__(self: Store[Run], folder: str | os.PathLike[str]) -> None: ...

    @overload
    def __init__(self, folder: str | os.PathLike[str], of: type[KeptRun]) -> None: ...

    def __init__(self, folder: str | os.PathLike[str], of: Any = Run):
        self.of = of
        self.folder = results_folder(folder)
        for place in (self.folder, results_folder(self.folder / "runs")):
            remove_stale(place)

    def path(self, key: str) -> Path:
        """Where the run of this key is kept when it is finished."""
        return self.folder / "runs" / f"{key}.json"

    def checkpoint(self, key: str) -> Path:
        """Where the run of this key is kept while it is under way."""
        return self.folder / "runs" / f"{key}.npz"

    def put(self, run: KeptRun) -> None:
        """Keep a finished run, and remove its checkpoint.

        Raises
        ------
        OSError
            If it cannot be written, with the name of the file.
        """
        text = json.dumps(run.to_dict(), allow_nan=False)
        whole = json.dumps({"sha256": _digest(text), "run": text})
        write_atomically(self.path(run.key), lambda stream: stream.write(whole.encode()))
        self.checkpoint(run.key).unlink(missing_ok=True)

    def get(self, key: str) -> KeptRun | None:
        """The run of this key, or None if it is not there, or is damaged and must be trained again.

        Raises
        ------
        OSError
            If it may not be read, or something other than a file is in its place.
        """
        try:
            try:
                regular(self.path(key))
            except ValueError as error:
                raise OSError(errno.EINVAL, str(error)) from error
            whole = json.loads(self.path(key).read_text(encoding="utf-8"))
            if whole["sha256"] != _digest(whole["run"]):
                return None
            run: KeptRun = self.of.from_dict(json.loads(whole["run"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None
        except OSError as error:
            what = f"{self.path(key)} cannot be read ({error.strerror})"
            raise OSError(f"{what}; move it away, or give another folder with --out") from error
        return run if run.key == key else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
