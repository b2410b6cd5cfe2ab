"""Where data files may lie on this computer, in the order in which they are looked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from minigrad.datasets.datafile import DataFile

__all__ = ["VARIABLE", "cache_folder", "find", "places"]

VARIABLE = "MINIGRAD_DATA"
SYSTEM = Path("/usr/share/datasets")
"""Where Debian's ``dataset-*`` packages put their files, each in a folder of its own."""


def cache_folder() -> Path:
    """The user's cache folder for minigrad, which may not exist yet.

    It is pooch's choice for the operating system; where there is no pooch, as in a browser,
    ``$XDG_CACHE_HOME/minigrad`` or ``~/.cache/minigrad``.

    Examples
    --------
    >>> "minigrad" in cache_folder().parts
    True
    """
    try:
        import pooch
    except ImportError:
        # By the XDG convention a relative path in the variable is to be ignored.
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (base if base.is_absolute() else Path(os.path.expanduser("~/.cache"))) / "minigrad"
    return Path(pooch.os_cache("minigrad"))


def places(file: DataFile) -> Iterator[Path]:
    """The folders where a file is looked for, in order.

    ``$MINIGRAD_DATA``, a subfolder named after the data set before the folder itself; the system's
    data sets; the user's cache. It is an iterator so that pooch is only imported, to ask for
    the cache, when the places before it did not have the file.

    Examples
    --------
    >>> file = DataFile("toy", "labels.gz", "http://example.org/labels.gz", "0" * 64, 8, ("toy",))
    >>> [place.name for place in places(file)][-2:]
    ['toy', 'toy']
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        root = Path(os.path.expanduser(chosen))  # which leaves the ~ of an unknown user as it is
        yield from (root / folder for folder in file.folders)
        yield root
    yield from (SYSTEM / folder for folder in file.folders)
    cache = cache_folder()
    yield from (cache / folder for folder in file.folders)


def find(file: DataFile) -> Path | None:
    """The first of `places` that has the file, compressed or unpacked; None where none has.

    Only names are compared here; whether the content is right is for `verify` to say.

    Examples
    --------
    >>> find(DataFile("toy", "no such file", "", "0" * 64, 8, ("toy",))) is None
    True
    """
    for folder in places(file):
        for name in file.names:
            if (folder / name).is_file():
                return folder / name
    return None
