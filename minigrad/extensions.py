"""Modules of the user's own, imported by their name or from their file, here and in workers."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

__all__ = ["import_extension", "imported"]

_imported: list[str] = []


def imported() -> tuple[str, ...]:
    """What was imported by `import_extension`, in order: files by their whole path.

    A job of an experiment carries it to the process where it is done.
    """
    return tuple(_imported)


def import_extension(name: str) -> ModuleType:
    """Import a module whose definitions are to be known by name.

    Parameters
    ----------
    name : str
        Of a module, such as ``my_package.models``, or of a file that ends in ``.py``. The folder in which the program
        runs, or that of the file, is added at the end of ``sys.path``.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If there is no such module or file, another module has its name, or it fails while it is imported; the message
        says where.

    Examples
    --------
    >>> import_extension("no_such_file.py")
    Traceback (most recent call last):
        ...
    ImportError: --import no_such_file.py: there is no such file...
    """
    file = Path(name).absolute() if name.endswith(".py") else None
    folder = str(file.parent if file else Path.cwd())
    if file is not None and not os.path.isfile(file):
        raise ImportError(f"--import {name}: there is no such file; write one that is there, such as mine.py")
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        module = importlib.import_module(name) if file is None else _from_file(file)
    except Exception as error:
        raise ImportError(f"--import {name}: {type(error).__name__}: {error}{_where(error)}") from error
    found = name if file is None else str(file)
    if found not in _imported:
        _imported.append(found)
    return module


def _from_file(file: Path) -> ModuleType:
    """The module in a file, by the name that ``import`` would give it."""
    known = sys.modules.get(file.stem)
    if known is not None:
        if os.path.realpath(getattr(known, "__file__", None) or "") == os.path.realpath(file):
            return known
        raise ImportError(f"there is another module with the name {file.stem!r}; rename the file")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None  # a name that ends in .py has a loader
    module = sys.modules[file.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[file.stem]
        raise
    return module


def _where(error: Exception) -> str:
    """The line of the user's at which an import failed, or what to write if there is none."""
    if isinstance(error, SyntaxError):
        return ""  # which says it itself
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    last = frames[-1]
    if last.filename == __file__:  # it was not found
        return "; write a module that can be imported from this folder, such as mine, or a file, such as mine.py"
    return f" (line {last.lineno} of {last.filename})"
