"""Take functions away from a submission: what it is asked to write, and what no solution of an assignment needs.

A blocked function loses its *code*, so that it does not matter by which name it is called: imported, renamed, copied,
fetched with ``getattr`` or out of a closure, it says that it is blocked. Its source cannot be read a second time.

This keeps honest people honest and the marks fair. It is no sandbox: who sets their mind to it gets out of any Python.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from types import FunctionType

from reading import Reading

WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
REFUSED = (
    *("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "pty.spawn"),
    *("os.kill", "os.killpg", "signal.pthread_kill", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link"),
    *("os.symlink", "os.chmod", "os.chown", "os.truncate", "os.utime", "os.startfile", "os.chdir"),
    *("shutil.rmtree", "shutil.move", "shutil.copyfile", "resource.setrlimit", "resource.prlimit"),
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "urllib.Request"),
    *("ctypes.dlopen", "ctypes.dlsym", "ctypes.cdata", "ctypes.string_at"),
)
"""Events of which `sys.audit` tells (PEP 578), and which no assignment needs."""


def places(names):
    """The files and folders of modules."""
    found = []
    for name in names:
        module = importlib.import_module(name)
        file = os.path.realpath(module.__file__)
        package = hasattr(module, "__path__")
        found += [os.path.dirname(file) + os.sep] if package else [file, importlib.util.cache_from_source(file)]
    return tuple(found)


def _refuse(*args, **kwargs):
    raise RuntimeError("text")


def refusal(called, free):
    """The code of a function that says that it is blocked, with as many free variables as the one that it replaces."""
    text = f"{called} is blocked here: the assignment is to write it yourself"
    code = _refuse.__code__
    said = tuple(text if constant == "text" else constant for constant in code.co_consts)
    return code.replace(co_consts=said, co_freevars=free)


def take_code_away(folders):
    """Every function that lives, wherever it is kept, whose code stands in one of the files or folders."""
    for function in gc.get_objects():
        if type(function) is not FunctionType or function.__name__ in ("__getattr__", "__init_subclass__"):
            continue  # what an import and a class statement call is no answer to anything
        if function.__code__.co_filename.startswith(folders):
            called = f"{function.__module__}.{function.__qualname__}"
            function.__code__ = refusal(called, function.__code__.co_freevars)


def block(names, foreign, own, library, unreadable=()):
    """Block modules by name, forbid foreign packages, and watch over files and processes from now on.

    Parameters
    ----------
    names : sequence of str
        Modules and packages whose functions lose their code. Import what uses them honestly before.
    foreign : sequence of str
        Packages that may not be imported.
    own, library : path
        The folder of the submission, and that of minigrad: what it may read besides Python's libraries.
    unreadable : sequence of str
        Folders of others, wherever they are; see `Reading`.
    """
    folders = places(names)
    reading = Reading(own, library, folders, unreadable)
    foreign = set(foreign)

    def watch(event, arguments):
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, int):
                return
            path = os.path.realpath(os.fsdecode(path))
            writes = set(mode or "") & set("wax+") or (flags or 0) & WRITES
            if writes and path != os.devnull:
                raise PermissionError(f"a submission may not write files: {path}")
            if os.path.isdir(path):  # from it, files would be opened by names that do not say where they are
                raise PermissionError(f"a submission may not open folders: {path}")
            if said := reading.refusal(path):
                raise PermissionError(said)
        elif event in ("os.listdir", "os.scandir"):
            path = arguments[0] or "."
            if not isinstance(path, int) and (said := reading.refusal(path, names=True)):
                raise PermissionError(said)
        elif event == "import" and arguments[0].partition(".")[0] in foreign:
            raise ImportError(f"{arguments[0]} may not be used here: write it with NumPy")
        elif event in refused:
            raise PermissionError(f"a submission may not do this: {event}")

    refused = frozenset(REFUSED)
    if folders:
        take_code_away(folders)
    sys.addaudithook(watch)
