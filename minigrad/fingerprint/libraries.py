"""Code that is not the user's own: it is told by its name and version."""

from __future__ import annotations

import functools
import site
import sys
import sysconfig
from pathlib import Path
from typing import Any

import minigrad
from minigrad.fingerprint.digest import digest

__all__ = ["in_library", "is_loaded", "is_named", "name_of", "of_library", "source", "version"]

_LIBRARIES = [
    Path(folder).resolve()
    for folder in {
        *(sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(), site.getusersitepackages(), str(Path(minigrad.__file__).parent),
    }
    if folder is not None  # a Python without a home of its user, as in WebAssembly, has no folder of theirs
]  # fmt: skip


@functools.cache
def source() -> str:
    """The version of minigrad with a checksum of those of its files that decide what is computed.

    Examples
    --------
    >>> source().split(",")[0] == minigrad.__version__
    True
    """
    root = Path(minigrad.__file__).parent
    files = sorted(path.relative_to(root) for path in root.rglob("*.py"))
    deciding = [path for path in files if path.parts[0] not in ("commands", "explore", "plot", "cli.py")]
    total = digest(*(part for path in deciding for part in (path.as_posix().encode(), (root / path).read_bytes())))
    return f"{minigrad.__version__}, {total}"


def name_of(value: Any) -> str:
    """The name of a function or class with that of its module."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", repr(value))
    module = getattr(value, "__module__", None)
    return f"{module}.{name}" if module and module != "builtins" else str(name)


def is_named(value: Any) -> bool:
    """True if a function or class is what its module has under its name.

    Examples
    --------
    >>> is_named(Path), is_named(lambda: 0)
    (True, False)
    """
    found: Any = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value


@functools.lru_cache(maxsize=1024)
def in_library(name: str | None) -> bool:
    """True if a module is Python's own, minigrad's, or that of an installed package."""
    if name in ("__main__", "__mp_main__"):  # a script, a notebook, or the script of the parent process
        return False
    if name is None or name in sys.builtin_module_names:
        return True
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if module is None or file is None:  # such as a notebook
        return False
    return of_library(file)


def of_library(file: str) -> bool:
    """True if a file is Python's own, minigrad's, or that of an installed package."""
    where = Path(file).resolve()
    return any(folder in where.parents for folder in _LIBRARIES)


def is_loaded(name: str) -> bool:
    """True if a module has been imported."""
    return name in sys.modules


def version(module: str) -> dict[str, str]:
    """The version of an installed package, where it says one."""
    top = module.partition(".")[0]
    found = getattr(sys.modules.get(top), "__version__", None)
    return {"version": found} if isinstance(found, str) and top not in ("minigrad", "numpy") else {}
