"""The process of a submission: it imports the file, and calls it as the grader says; it knows no right answer.

Started by `submitted.Submission`, with the settings as JSON in its one argument.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
from wire import read, write

SEEDED = np.random.default_rng
PRINTED = 1 << 24
"""Bytes that a submission may print."""


class Randomness:
    """What `numpy.random.default_rng` and `numpy.random.seed` do.

    A test of a mean should not fail because a submission sets a seed of its own: that is another slip, with a test of
    its own. So there, with ``fresh``, such seeds are ignored.
    """

    fresh = None

    def default_rng(self, seed=None):
        given = isinstance(seed, np.random.Generator | np.random.BitGenerator)
        return SEEDED(seed if given or self.fresh is None else self.fresh.integers(2**63))

    def seed(self, seed=None):
        LEGACY(seed if self.fresh is None else int(self.fresh.integers(2**32)))


LEGACY = np.random.seed
RANDOMNESS = Randomness()


def limit(megabytes, seconds):
    """Limits of the operating system, where it has any: Windows does not, and macOS has none for memory."""
    try:
        import resource
    except ImportError:
        return
    for kind, most in (
        (resource.RLIMIT_AS, megabytes << 20),
        (resource.RLIMIT_FSIZE, PRINTED),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):
            continue


def imported(path):
    """The submission as a module."""
    spec = importlib.util.spec_from_file_location(f"submitted_{Path(path).stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def failure(error, path):
    """What is told of an exception: its type, its text, and the last line of the submission that it went through."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        text = str(error)
    except BaseException:
        text = ""
    return {"error": str(type(error).__name__), "text": text[:2000], "line": line}


def drawn(how, module, arguments, seed, fresh):
    """One draw: of the generator with a seed, and with ``fresh`` in place of seeds that the submission sets itself."""
    RANDOMNESS.fresh = None if fresh is None else SEEDED(fresh)
    copies = [argument.copy() if isinstance(argument, np.ndarray) else argument for argument in arguments]
    return how(module, *copies, seed)


def answer(module, adaptors, request, path, ask):
    """Do one call, and say what came of it."""
    restore = {}
    try:
        for name in request["replaced"]:
            restore[name] = getattr(module, name, None)
            setattr(module, name, lambda *arguments, name=name: ask(name, arguments))
        how, arguments = adaptors[request["how"]], request["arguments"]
        if request["seeds"] is None:
            return {"value": how(module, *arguments)}
        return {"value": [drawn(how, module, arguments, *seeds) for seeds in request["seeds"]]}
    except MemoryError:
        return {"error": "MemoryError", "text": "more memory than is allowed", "line": None}
    except BaseException as error:  # a SystemExit or KeyboardInterrupt of the submission ends the call, not the run
        return failure(error, path)
    finally:
        RANDOMNESS.fresh = None
        for name, value in restore.items():
            setattr(module, name, value)


def main():
    """Read the settings, import, and answer until the grader goes away."""
    settings = json.loads(sys.argv[1])
    path = settings["path"]
    if settings["library"] not in sys.path:
        sys.path.insert(1, settings["library"])  # that of the grader, wherever it is
    sys.dont_write_bytecode = True
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed is not taken for an answer
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    import given  # imports what the calls need of minigrad, before any of it is blocked
    from blocking import block

    adaptors = {name: value for name, value in vars(given).items() if callable(value)}
    sys.path[:] = [place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent]
    limit(settings["megabytes"], settings["cpu"])
    library = Path(settings["library"]) / "minigrad"
    block(settings["blocked"], settings["foreign"], Path(path).parent, library, settings["unreadable"])
    np.random.default_rng, np.random.seed = RANDOMNESS.default_rng, RANDOMNESS.seed

    def ask(name, arguments):
        write(target, {"ask": name, "arguments": arguments})
        return read(source)

    try:
        module = imported(path)
        write(target, {"value": None})
    except MemoryError:
        write(target, {"error": "MemoryError", "text": "more memory than is allowed", "line": None})
    except BaseException as error:
        write(target, failure(error, path))
    while (request := read(source)) is not None:
        write(target, answer(module, adaptors, request, path, ask))
    os._exit(0)  # and not by what the submission left behind for the end


if __name__ == "__main__":
    main()
