"""Words on the screen: where they cannot be written they are lost, and never the work."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any

__all__ = ["Lenient", "in_notebook", "lenient_warnings", "progress_bar", "watched"]


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


def in_notebook() -> bool:
    """True in a notebook: where a shell of IPython is driven by a kernel, and words are shown below a cell.

    Examples
    --------
    >>> in_notebook()
    False
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def progress_bar(
    total: int, done: int, unit: str, shown: bool | None = None, label: str = "", *, scaled: bool = False
) -> Any:
    """A progress bar with the time left: below the cell in a notebook, else on standard error.

    Parameters
    ----------
    total, done : int
        How many there are, and how many of them are done already.
    unit : str
        What is counted.
    shown : bool, optional
        Default: in a notebook, and if standard error is a terminal.
    label : str
        Words in front of the bar.
    scaled : bool, default False
        Whether numbers are shown with a prefix, as in 3 MB.

    Returns
    -------
    tqdm
        A context manager with ``update()`` and ``set_postfix(…)``. In a notebook it is drawn where ipywidgets is
        installed, and made of letters where not.

    Examples
    --------
    >>> with progress_bar(3, 1, "run", shown=False) as bar:
    ...     bar.update()
    """
    from importlib.util import find_spec

    settings: dict[str, Any] = {"total": total, "initial": done, "unit": unit, "desc": label, "unit_scale": scaled}
    if in_notebook() and shown is not False:
        if find_spec("ipywidgets") is not None:
            from tqdm.notebook import tqdm as drawn

            return _without_thread(drawn)(**settings, leave=False, miniters=1)
        shown = True
    from tqdm import tqdm

    quiet = None if shown is None else not shown
    return _without_thread(tqdm)(**settings, disable=quiet, leave=False, file=Lenient(sys.stderr), miniters=1)


def _without_thread(bar: type) -> type:
    """A class of bars that watches itself at each update, in place of a thread: not everywhere can one be started."""
    return type(bar.__name__, (bar,), {"monitor_interval": 0})


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
