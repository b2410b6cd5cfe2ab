"""The command line: training, experiments, reports, the explorer and lists, each a sub-command."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, TextIO

import minigrad
from minigrad.allocator import keep_memory
from minigrad.commands.budgeted_command import add_budgeted
from minigrad.commands.compare_command import add_compare
from minigrad.commands.field_command import add_field
from minigrad.commands.listing import add_list
from minigrad.commands.memory_command import add_memory
from minigrad.commands.parser import Parser
from minigrad.commands.pipeline_command import add_pipeline
from minigrad.commands.precision_command import add_precision
from minigrad.commands.reports import add_reports
from minigrad.commands.reproduce import add_reproduce
from minigrad.datasets.errors import DataError
from minigrad.explore.command import add_explore
from minigrad.extensions import import_extension
from minigrad.report import wrapped
from minigrad.terminal import Lenient
from minigrad.threads import one_thread
from minigrad.training import CheckpointError, DivergenceError

__all__ = ["console", "main"]

RESUMES = "finished runs are kept, and the same command goes on from there"
FULL = (errno.ENOSPC, errno.EDQUOT)


def console() -> int:
    """The command as a process of its own: freed memory is kept for the next step."""
    _stand_in()
    keep_memory()
    try:
        return main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said: a second Ctrl-C does not hurry the end


def _stand_in() -> None:
    """Put the null device where a standard stream was closed: the next file that is opened would take its place.

    A worker's, or a C library's, words would then go into that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest number that is free: this one


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
        If the arguments are not those of the command, and after ``--help``, ``--version`` or no argument at all.

    Examples
    --------
    >>> main(["list"])  # doctest: +ELLIPSIS
    models
      bagnet ...
    0
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(errors="replace")  # a terminal without ± gets a ?, and the results all the same
    out, err = Lenient(sys.stdout), Lenient(sys.stderr)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = _run(arguments)
            out.flush()
            if isinstance(out.error, OSError) and not isinstance(out.error, BrokenPipeError):
                print(wrapped(f"minigrad: standard output cannot be written to: {out.error.strerror}"), file=sys.stderr)
                return status or 2
            return status  # also where whoever read our output has seen enough
    finally:
        out.let_go()
        err.let_go()


def _run(arguments: Sequence[str] | None) -> int:
    """Do it, and say in one message what cannot be done."""
    words = ""
    try:
        options = _parser().read(arguments)
        words = RESUMES if options.resumes else ""
        with one_thread(), warnings.catch_warnings():
            warnings.showwarning = _shown_by(warnings.showwarning)
            for name in options.extensions:
                import_extension(name)
            return int(options.run(options))
    except KeyboardInterrupt:
        print(f"\ninterrupted{'; ' if words else ''}{words}", file=sys.stderr)
        return 130
    except BrokenExecutor as error:
        who = "a worker process died: " if isinstance(error, BrokenProcessPool) else ""
        text = f"{who}{error}\n{words.capitalize()}"
    except MemoryError as error:
        text = f"there is not enough memory: {str(error) or 'give smaller numbers'}"
    except OSError as error:
        text = str(error)
        if words and error.errno in FULL and words not in text.lower():
            text = f"{error}\nFree some space: {words}"
    except (ValueError, ImportError, DataError, CheckpointError, DivergenceError) as error:
        text = str(error)
    print(wrapped(f"minigrad: {text}"), file=sys.stderr)
    return 2


def _shown_by(usual: Callable[..., Any]) -> Callable[..., Any]:
    """Show warnings: those meant for users in words alone, the others as usual, with their place."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category is UserWarning:
            print(wrapped(f"minigrad: warning: {message}"), file=sys.stderr if file is None else file)
        else:
            usual(message, category, filename, lineno, file, line)

    return show


def _parser() -> Parser:
    parser = Parser(
        prog="minigrad",
        description="Exact and randomised backpropagation in NumPy (arXiv:2602.14701).",
        epilog="`minigrad COMMAND --help` shows the options of a command. To begin: `minigrad compare`.",
    )
    parser.add_argument("--version", action="version", version=f"minigrad {minigrad.__version__}")
    parser.set_defaults(resumes=False)
    commands = parser.add_commands()
    for add in (
        add_list,
        add_compare,
        add_reproduce,
        add_budgeted,
        add_precision,
        add_field,
        add_memory,
        add_pipeline,
        add_reports,
        add_explore,
    ):
        add(commands)
    for command in parser.commands.values():  # all of them take or show names
        command.add_argument(
            "--import",
            action="append",
            dest="extensions",
            default=[],
            metavar="MODULE",
            help="a module, or a file such as mine.py, that registers estimators, models or data sets of your own; "
            "may be repeated",
        )
    return parser
