"""Where results go: a folder that may be written to, and pictures, without which results are results all the same."""

from __future__ import annotations

import csv
import io
import os
import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from minigrad.files import write_atomically
from minigrad.plot.figure import new_figure

__all__ = ["PASSES", "csv_text", "results_folder", "write_picture", "write_results", "written"]

PASSES = {"total": "forward and backward", "backward": "backward pass alone"}
"""The operations that a picture counts."""


def results_folder(folder: str | os.PathLike[str], make: bool = True) -> Path:
    """A folder for results; found to be one before any work that would be lost.

    Parameters
    ----------
    folder : path-like
    make : bool, default True
        Whether it is made, if it does not exist; otherwise it is only looked whether it can be.

    Raises
    ------
    ValueError
        If the name is empty, or none that a file can have.
    OSError
        If there is a file of that name, or nothing may be written there: a `NotADirectoryError`, `PermissionError` or
        whatever the system says.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     results_folder(Path(place, "new", "results")).is_dir()
    True
    """
    remedy = "results go to a folder, give another one with --out"
    if not os.fspath(folder):
        raise ValueError(f"'' names no folder; {remedy}, or '.' for this one")
    path = Path(folder)
    try:
        above = next(place for place in (path, *path.parents) if place.exists())
        if not above.is_dir():
            raise NotADirectoryError(f"{above} is a file; {remedy}")
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(f"{above} may not be written to; {remedy}")
        if make:
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(f"{path} cannot be made a folder ({error.strerror}); {remedy}") from error
    except ValueError as error:  # a null character
        raise ValueError(f"{str(path)!r} names no folder ({error}); {remedy}") from error
    return path


def write_picture(path: Path, draw: Callable[[Any], object], **options: Any) -> Path | None:
    """Draw on a new Matplotlib figure, and write it as PNG; where that cannot be done, warn, and go on.

    Parameters
    ----------
    path : Path
        A picture that is there already is replaced; where none can be drawn, it is removed, since it shows other
        results.
    draw : callable
        ``draw(figure)``.
    **options
        Of the figure, such as ``figsize``.

    Returns
    -------
    Path or None
        The file, if it was written.

    Warns
    -----
    UserWarning
        If it was not. Tables and numbers are worth more than a picture of them, so nothing is raised.
    """
    try:
        figure = new_figure(**options)
        draw(figure)
        write_atomically(path, lambda stream: figure.savefig(stream, dpi=130, format="png"))
    except Exception as error:  # Matplotlib's own, which may be any; fonts; a full disk
        with suppress(OSError):
            path.unlink(missing_ok=True)
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 300, placeholder=" …")
        warnings.warn(f"{path.name} could not be drawn ({reason}); the results are complete without it", stacklevel=2)
        return None
    return path


def csv_text(lines: Iterable[Sequence[Any]]) -> str:
    """Lines as comma-separated values.

    Examples
    --------
    >>> csv_text([["method", "loss"], ["mask, twice", 0.5]]).splitlines()
    ['method,loss', '"mask, twice",0.5']
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()


def write_results(
    folder: Path, texts: Mapping[str, str], picture: str, draw: Callable[[Any], object], **options: Any
) -> list[Path]:
    """Write files whole or not at all, and a picture as `write_picture` does.

    Parameters
    ----------
    folder : Path
    texts : mapping from str to str
        By the name of the file.
    picture : str
        The name of its file.
    draw, **options
        As for `write_picture`.

    Returns
    -------
    list of Path
        The files; without the picture, and with a warning, where it could not be drawn.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     [path.name for path in write_results(Path(place), {"a.csv": "1"}, "a.png", lambda figure: None)]
    ['a.csv', 'a.png']
    """
    for name, text in texts.items():
        write_atomically(folder / name, partial(_write, text))
    drawn = write_picture(folder / picture, draw, **options)
    return [folder / name for name in texts] + ([drawn] if drawn else [])


def _write(text: str, stream: BinaryIO) -> None:
    stream.write(text.encode())


def written(folder: Path, names: Sequence[str]) -> str:
    """Name those of these files that there are, in words.

    Examples
    --------
    >>> written(Path("no such folder"), ["results.csv"])
    'no such folder: nothing'
    """
    return f"{folder}: {', '.join(name for name in names if (folder / name).exists()) or 'nothing'}"
