"""Download a data file into the user's cache, all of it or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

from minigrad.datasets.datafile import DataFile
from minigrad.datasets.errors import DataError
from minigrad.datasets.places import VARIABLE, cache_folder, places
from minigrad.datasets.verify import verified_content
from minigrad.files import temporary_folder
from minigrad.terminal import watched

__all__ = ["download"]

_CHUNK = 1 << 16


def download(file: DataFile, check: Callable[..., object] | None = None) -> Path:
    """Fetch a file from its address into the cache, and return where it is.

    It is downloaded into a temporary folder beside its place, checked there, and only then moved, in one
    step. So whatever lies in the cache under the final name is whole and is the published file, also
    when the power goes or two processes download at once. A download that breaks off is not resumed: nothing of
    it stays, and the next call begins anew. It also removes what a process that was killed has left.

    Parameters
    ----------
    file : DataFile
        What to fetch.
    check : callable, optional
        ``check(path, file, label=…, remedy=…)`` raises `DataError` unless what arrived is the published file.
        Default: `verified_content`.

    Returns
    -------
    Path
        In the cache, in the first of the file's folders.

    Raises
    ------
    DataError
        When pooch is not installed, the download fails, or what arrives is not the published file.

    Examples
    --------
    >>> from minigrad.datasets.images import FASHION_MNIST
    >>> download(FASHION_MNIST["y_test"]).name     # doctest: +SKIP
    't10k-labels-idx1-ubyte.gz'
    """
    try:
        import pooch
    except ImportError as error:
        raise DataError(_not_found(file, "Downloading needs the package pooch: pip install pooch")) from error
    target = cache_folder() / file.folders[0] / file.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target.parent, ".download") as folder:
            partial = folder / file.name
            _fetch(pooch, file.url, partial)
            (check or verified_content)(
                partial,
                file,
                label=f"What {file.url} sent",
                remedy="Nothing was kept. Try again; if it stays so, a proxy or a login page may be "
                f"answering in its place: fetch the file yourself and put it in {target.parent}.",
            )
            os.replace(partial, target)
    except OSError as error:  # requests' exceptions are OSErrors too
        reason = f"Downloading {file.url} failed: {type(error).__name__}: {error}"
        raise DataError(_not_found(file, reason)) from error
    return target


def _fetch(pooch: ModuleType, url: str, to: Path) -> None:
    """Stream an address into a file, with a progress bar where someone is watching."""
    with ExitStack() as responses:
        # pooch leaves the connection open when the answer is an error, so it is closed from here.
        def close_later(response: Any, **_: Any) -> None:
            responses.callback(response.close)

        fetch = pooch.HTTPDownloader(progressbar=watched(), chunk_size=_CHUNK, hooks={"response": close_later})
        fetch(url, str(to), None)


def _not_found(file: DataFile, reason: str) -> str:
    """The message for a file that is neither here nor to be had: places, reason, remedy."""
    lines = [f"{file.name} of {file.dataset} is not on this computer, and cannot be downloaded. Looked in:"]
    if not os.environ.get(VARIABLE):
        lines.append(f"  ${VARIABLE} (not set)")
    lines += [f"  {place}" + ("" if place.is_dir() else " (no such folder)") for place in places(file)]
    lines += [
        reason,
        f"What to do: try again with a network, or fetch {file.url} elsewhere, put it in a folder "
        f"{file.folders[0]!r} and set {VARIABLE} to the folder around that. "
        "datasets.digits() needs no download.",
    ]
    return "\n".join(lines)
