"""Files that are whole or not there, and what is left of those whose writer was killed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where nobody else can remove a file that is open
    fcntl = None  # type: ignore[assignment]

__all__ = ["regular", "remove_stale", "temporary_folder", "write_atomically"]

OLD = 86400.0
"""Seconds after which something temporary is stale where the system has no locks to tell whether its writer lives."""

_TEMPORARY = r"\.{}\.[0-9a-f]{{8}}\.part"


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that, whatever happens, either the old or the new content stands under its name.

    The content goes to ``.NAME.xxxxxxxx.part`` beside it first. One that a killed process left is removed by the next
    write of the same file.

    Parameters
    ----------
    path : path-like
        Its folder must exist.
    write : callable
        ``write(stream)`` writes the content to a binary stream.

    Raises
    ------
    OSError
        If it cannot be written, as when no space is left; what stood there before is untouched.

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
    try:
        remove_stale(path.parent, re.escape(path.name))
        stream, temporary = _locked_file(path)
        try:
            with stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
                if fcntl is not None:  # under the lock, or another process may take it for stale
                    os.replace(temporary, path)
            if fcntl is None:
                os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno is None or not Path(error.filename or path).name.endswith((path.name, ".part")):
            raise  # not about this file
        raise OSError(
            error.errno,
            f"{error.strerror}: {path} could not be written, and what was there before is as it was. When that is "
            "mended (free space, permissions), start the same again: it goes on from what was kept",
            str(path),
        ) from error


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder that is removed with all that is in it; those of this prefix that killed processes left, too.

    Parameters
    ----------
    parent : Path
        Where it is made.
    prefix : str
        Such as ``".download"``: the name is ``PREFIX.xxxxxxxx.part``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent, temporary_folder(Path(parent), ".download") as folder:
    ...     folder.is_dir()
    True
    """
    remove_stale(parent, re.escape(prefix.removeprefix(".")))
    while True:
        folder = parent / f"{prefix}.{secrets.token_hex(4)}.part"
        folder.mkdir()
        handle = os.open(folder, os.O_RDONLY) if fcntl is not None else -1
        if _lock(handle) is not False and folder.exists():
            break
        os.close(handle)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle >= 0:
            os.close(handle)


def remove_stale(folder: Path, name: str = r".+") -> None:
    """Remove temporary files and folders whose writers are dead.

    A writer holds a lock (``flock``) on what it writes, and the system takes that away when the process ends, however
    it ends. Where there are no such locks, what has not been changed for a day is stale.

    Parameters
    ----------
    folder : Path
        Not there: nothing is done.
    name : str
        A regular expression of the names of the files that were to be written. Default: any.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, ".run.npz.0123abcd.part").write_bytes(b"half")
    ...     remove_stale(Path(folder))
    ...     os.listdir(folder)
    []
    """
    wanted = re.compile(_TEMPORARY.format(name))
    try:
        found = [entry.name for entry in os.scandir(folder) if wanted.fullmatch(entry.name)]
    except OSError:
        return
    for each in found:
        _remove_if_stale(folder / each)


def regular(path: str | os.PathLike[str]) -> None:
    """Raise unless something is a regular file: a pipe would be waited for, and a device read for ever.

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is nothing, or it may not be looked at.
    ValueError
        If it is something else than a file.

    Examples
    --------
    >>> regular(os.curdir)
    Traceback (most recent call last):
        ...
    ValueError: it is a folder, not a regular file
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        raise ValueError(f"it is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a regular file")


def _locked_file(path: Path) -> tuple[IO[bytes], Path]:
    """A new temporary file for a path, under a lock."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        stream = open(temporary, "xb")  # noqa: SIM115 -- with the permissions that any new file gets
        # Another process may have taken it for stale before the lock was there.
        if _lock(stream.fileno()) is not False and temporary.exists():
            return stream, temporary
        stream.close()


def _lock(handle: int) -> bool | None:
    """True if the lock of an open file could be had; None where there are none."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def _remove_if_stale(path: Path) -> None:
    try:
        folder = path.is_dir()
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        try:
            dead = _lock(handle)
            if dead is None:
                dead = time.time() - os.fstat(handle).st_mtime > OLD
            if dead and folder:
                shutil.rmtree(path, ignore_errors=True)
            elif dead and fcntl is not None:
                path.unlink()
        finally:
            os.close(handle)
        if dead and not folder and fcntl is None:
            path.unlink()
    except OSError:  # somebody else was faster, or may do what we may not
        return
