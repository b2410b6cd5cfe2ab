"""Finished runs on disk: one file each, so that an interruption loses none."""

from __future__ import annotations

import json
import os
from pathlib import Path

from minigrad.experiments.run import Run
from minigrad.training.checkpoint import write_atomically

__all__ = ["Store"]


class Store:
    """A folder of finished runs.

    Parameters
    ----------
    folder : path-like
        Made if it does not exist.

    Raises
    ------
    NotADirectoryError
        If there is a file of that name.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.training import History
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Store(folder).put(Run("0f", "exact", 0, History()))
    ...     Store(folder).get("0f").label
    'exact'
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"{self.folder} is a file; results go to a folder, give another one with --out")
        (self.folder / "runs").mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Where the run of this key is kept."""
        return self.folder / "runs" / f"{key}.json"

    def put(self, run: Run) -> None:
        """Keep a finished run."""
        text = json.dumps(run.to_dict())
        write_atomically(self.path(run.key), lambda stream: stream.write(text.encode()))

    def get(self, key: str) -> Run | None:
        """The run of this key, or None if it is not there or cannot be read."""
        try:
            return Run.from_dict(json.loads(self.path(key).read_text()))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None  # a damaged file is trained again
