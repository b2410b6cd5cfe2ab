"""Which files a submission may read: Python's libraries and its own folder. All else belongs to others.

A list of what is forbidden would forget something: the folder of a neighbour, the answers of the class wherever they
were written, a second copy of minigrad. So all is forbidden, but for what is listed.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path

import numpy as np

LIBRARY = "minigrad"
SYSTEM = (
    *("/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/share", "/usr/local/lib", "/usr/local/share", "/lib", "/lib64"),
    *("/etc", "/opt/homebrew/lib", "/opt/homebrew/share", "/Library", "/System", "/nix/store"),
    *("/dev/null", "/dev/random", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"),
)
"""Where systems keep libraries, fonts and time zones. A path that does not exist does no harm."""


def plain(path):
    """A path by which files can be compared: without links, and in lower case where case does not count."""
    return os.path.normcase(os.path.realpath(os.fsdecode(path)))


def libraries():
    """Where Python keeps its own files and those of packages."""
    found = [*SYSTEM, *sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()]
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix):
        found += [os.path.join(prefix, name) for name in ("lib", "lib64", "share", "DLLs", "etc", "pyvenv.cfg")]
    found += [Path(np.__file__).parents[1], *filter(None, [os.environ.get("WINDIR")])]
    scripts = {sysconfig.get_path("scripts"), sysconfig.get_path("data")}  # the second is all of the prefix
    return {plain(path) for path in found if path not in scripts}


class Reading:
    """Says of a path why it may not be read, or None.

    Of the folders that a path lies in the innermost one that is listed decides.

    Parameters
    ----------
    own : path
        The folder of the submission; it has nothing but a copy of its file.
    library : path
        The folder ``minigrad`` of the grader.
    blocked : sequence of str
        Files, and folders that end with a separator, that the assignment is to write anew.
    unreadable : sequence of str
        Folders of others.
    """

    def __init__(self, own, library, blocked=(), unreadable=()):
        self._library = plain(library)
        self._listed = dict.fromkeys(libraries(), "free")
        self._listed.update({plain(path): "other" for path in unreadable})
        self._listed.update({plain(path): "free" for path in (own, library)})
        self._listed.update({plain(path): "blocked" for path in blocked})

    def refusal(self, path, names=False):
        """Why a file may not be read; or with ``names`` a folder not be listed, where an import looks for its file."""
        path = plain(path)
        inner = path
        while (kind := self._listed.get(inner)) is None and os.path.dirname(inner) != inner:
            inner = os.path.dirname(inner)
        if kind == "blocked" and names:
            return None  # the import then says what is blocked, and not that there is no such module
        if kind == "blocked":
            return f"{path} is blocked here: the assignment is to write it yourself"
        if kind != "free":
            return f"{path} is blocked here: a submission may read its own file and Python's libraries only"
        if inner != self._library and LIBRARY in Path(path[len(inner) :]).parts:
            return f"{path} is blocked here: it is another copy of {LIBRARY}"
        return None
