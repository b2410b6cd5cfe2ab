"""The command line: compare, reproduce, inspect, advise, explore and list."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor

import minigrad
from minigrad.allocator import keep_memory
from minigrad.commands.compare import add_compare
from minigrad.commands.explore import add_explore
from minigrad.commands.listing import add_list
from minigrad.commands.reports import add_reports
from minigrad.commands.reproduce import add_reproduce
from minigrad.datasets.errors import DataError
from minigrad.report import wrapped
from minigrad.threads import one_thread
from minigrad.training import CheckpointError, DivergenceError

__all__ = ["main"]


def console() -> int:
    """The command as a process of its own: freed memory is kept for the next step."""
    keep_memory()
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        The exit status: 0, 2 for a request that cannot be met, 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        If the arguments are not those of the command, and after ``--help`` and ``--version``.

    Examples
    --------
    >>> main(["list"])  # doctest: +ELLIPSIS
    models
      mlp ...
    0
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without ± gets a ?, and the results all the same
            stream.reconfigure(errors="replace")
    try:
        with one_thread():
            return int(options.run(options))
    except KeyboardInterrupt:
        print("\ninterrupted; finished runs are kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BrokenExecutor as error:
        text = f"{error}\nFinished runs are kept, and the same command goes on from there"
        print(wrapped(f"minigrad: a worker process died: {text}"), file=sys.stderr)
        return 2
    except (ValueError, OSError, ImportError, DataError, CheckpointError, DivergenceError) as error:
        print(wrapped(f"minigrad: {error}"), file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="minigrad", description="Exact and randomised backpropagation in NumPy (arXiv:2602.14701)."
    )
    parser.add_argument("--version", action="version", version=f"minigrad {minigrad.__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for add in (add_list, add_compare, add_reproduce, add_reports, add_explore):
        add(commands)
    return parser
