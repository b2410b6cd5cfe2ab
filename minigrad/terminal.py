"""Words on the screen: where they cannot be written they are lost, and never the work."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any

__all__ = ["Lenient", "lenient_warnings", "progress_bar", "watched"]


class Lenient(io.TextIOBase):
    """A text stream over another one, which may be missing, closed or broken.

    Parameters
    ----------
    stream : text stream or None
        Such as ``sys.stderr``, which is None where a process was started without one.

    Attributes
    ----------
    error : Exception or None
        The first failure; nothing is written after it.

    Examples
    --------
    >>> out = Lenient(None)
    >>> print("lost", file=out)
    >>> closed = io.StringIO()
    >>> closed.close()
    >>> out = Lenient(closed)
    >>> print("lost", file=out)
    >>> out.error
    ValueError('I/O operation on closed file')
    """

    def __init__(self, stream: Any):
        self.stream = stream
        self.error: Exception | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream, as progress bars ask for it; plain letters where there is none."""
        return getattr(self.stream, "encoding", None) or "ascii"

    def write(self, text: str) -> int:
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        self._try("flush")

    def _try(self, name: str, *arguments: str) -> None:
        if self.stream is None or self.error is not None:
            return
        try:
            getattr(self.stream, name)(*arguments)
        except (OSError, ValueError) as error:  # a pipe without a reader, a full disk, a terminal that has gone; closed
            self.error = error

    def isatty(self) -> bool:
        try:
            return self.stream is not None and bool(self.stream.isatty())
        except (OSError, ValueError, AttributeError):
            return False

    def fileno(self) -> int:
        if self.stream is None:
            raise OSError("there is no such stream")
        return int(self.stream.fileno())

    def writable(self) -> bool:
        return True

    def let_go(self) -> None:
        """After a failure, give the stream's place to the null device, so that the end of the process is a quiet one.

        What the stream still holds is written once more when Python ends, which would fail again.
        """
        if self.error is not None:
            with suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())


def watched() -> bool:
    """True if standard error is a terminal.

    Examples
    --------
    >>> import contextlib
    >>> with contextlib.redirect_stderr(None):
    ...     watched()
    False
    """
    return Lenient(sys.stderr).isatty()


def progress_bar(total: int, done: int, unit: str, shown: bool | None = None, label: str = "") -> Any:
    """A progress bar on standard error, with the time left.

    Parameters
    ----------
    total, done : int
        How many there are, and how many of them are done already.
    unit : str
        What is counted.
    shown : bool, optional
        Default: if standard error is a terminal.
    label : str
        Words in front of the bar.

    Returns
    -------
    tqdm
        A context manager with ``update()`` and ``set_postfix(…)``.

    Examples
    --------
    >>> with progress_bar(3, 1, "run", shown=False) as bar:
    ...     bar.update()
    """
    from tqdm import tqdm

    quiet = None if shown is None else not shown
    return tqdm(
        total=total, initial=done, unit=unit, desc=label, disable=quiet, leave=False, file=Lenient(sys.stderr)
    )  # fmt: skip


@contextmanager
def lenient_warnings() -> Iterator[None]:
    """A block in which a warning of any library, for which there is no standard error, does not stop the work.

    Python gives up a warning where ``sys.stderr`` is None, but raises ValueError where it is closed.
    """
    if sys.stderr is None or not getattr(sys.stderr, "closed", False):
        yield
        return
    with redirect_stderr(Lenient(None)):
        yield
