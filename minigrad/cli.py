"""The command line: compare, reproduce, inspect, advise, explore and list."""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import minigrad
from minigrad.allocator import keep_memory
from minigrad.datasets.errors import DataError
from minigrad.explore.command import add_explore
from minigrad.report import WIDTH, si
from minigrad.threads import THREAD_SETTINGS
from minigrad.training import CheckpointError, DivergenceError

__all__ = ["main"]


def console() -> int:
    """The command as a process of its own: with one BLAS thread, unless the environment says otherwise.

    The products of small networks are too small for threads, which cost several times what they bring as soon as
    anything else runs on the machine. NumPy reads the setting when it is imported, so the process begins anew, with the
    very arguments that Python was given. Freed memory is kept for the next step.
    """
    if not any(name in os.environ for name in THREAD_SETTINGS):
        os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
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
        return int(options.run(options))
    except KeyboardInterrupt:
        print("\ninterrupted; finished runs are kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BrokenExecutor as error:
        text = f"{error}\nFinished runs are kept, and the same command goes on from there"
        print(_lines(f"minigrad: a worker process died: {text}"), file=sys.stderr)
        return 2
    except (ValueError, OSError, ImportError, DataError, CheckpointError, DivergenceError) as error:
        print(_lines(f"minigrad: {error}"), file=sys.stderr)
        return 2


def _lines(text: str) -> str:
    """Text broken into lines of at most 80 columns; paths and addresses stay whole."""
    broken = (
        textwrap.fill(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )
    return "\n".join(broken)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="minigrad", description="Exact and randomised backpropagation in NumPy (arXiv:2602.14701)."
    )
    parser.add_argument("--version", action="version", version=f"minigrad {minigrad.__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser("list", help="show models, data sets and estimators").set_defaults(run=_list)
    _add_compare(commands)
    _add_reproduce(commands)
    for name, run, text, what in (
        ("inspect", _inspect, "is it unbiased, how noisy is it, whose fault is it, what did it save", "noise.png"),
        ("advise", _advise, "which budget to train with, and how to share it among layers", "advice.png"),
    ):
        command = commands.add_parser(
            name,
            help=text,
            description="Train exactly for a few epochs, then look at the gradient of the model with an estimator on "
            f"all layers but the last: {text}. Prints tables and writes {what}.",
        )
        command.set_defaults(run=run)
        _add_configuration(command, epochs=1)
        command.add_argument("--vjp", default="diagonal", metavar="TEXT", help="an estimator (default: %(default)s)")
        command.add_argument("--budget", type=float, default=0.1, metavar="B", help="(default: %(default)s)")
        command.add_argument("--seed", type=int, default=0, metavar="N", help="(default: %(default)s)")
        command.add_argument("--out", type=Path, metavar="FOLDER", help=f"(default: runs/{name}-MODEL-DATA)")
    add_explore(commands)
    return parser


def _add_compare(commands: Any) -> None:
    compare = commands.add_parser(
        "compare",
        help="train with exact and with randomised VJPs, side by side",
        description="Train a model with exact VJPs, with each estimator, and with exact VJPs on a smaller batch of "
        "equal cost; print a table, and write convergence.png, results.csv and results.json. Finished runs are kept: "
        "an interrupted comparison goes on when the same command is given again.",
    )
    compare.set_defaults(run=_compare)
    _add_configuration(compare, epochs=20)
    compare.add_argument(
        "--vjp",
        action="append",
        metavar="TEXT",
        help="an estimator, such as 'diagonal(0.1, target=both)', for all layers but the last, or for the last alone, "
        "such as 'last: diagonal(axis=sample)'; may be repeated (default: mask, mask(axis=sample), diagonal, lowrank "
        "and topk)",
    )
    compare.add_argument(
        "--budget",
        type=float,
        default=0.1,
        metavar="B",
        help="expected fraction kept, in (0, 1], for estimators that are given without one (default: %(default)s)",
    )
    compare.add_argument(
        "--adaptive",
        type=float,
        action="append",
        default=[],
        metavar="T",
        help="also diagonal sketches whose budgets follow the noise: the variance that they add is kept near this "
        "fraction of the minibatch variance; may be repeated",
    )
    compare.add_argument("--seeds", type=int, default=3, metavar="N", help="how many seeds (default: %(default)s)")
    _add_workers(compare)
    compare.add_argument("--out", type=Path, metavar="FOLDER", help="for results (default: runs/compare-MODEL-DATA)")


def _add_reproduce(commands: Any) -> None:
    command = commands.add_parser(
        "reproduce",
        help="the paper's question: accuracy against budget, for every method",
        description="Choose a learning rate for every method at every budget on held out training data, train with "
        "several seeds, and write study.csv, study.json and study.png. Finished runs are kept, and the same command "
        "goes on after an interruption.",
    )
    command.set_defaults(run=_reproduce)
    command.add_argument("preset", choices=["mlp", "bagnet", "vit"], help="which architecture")
    command.add_argument("--data", help="another data set than the preset's; see `minigrad list`")
    command.add_argument("--epochs", type=int, metavar="N", help="another number than the preset's")
    command.add_argument("--train", type=int, metavar="N", help="only so many training samples")
    command.add_argument("--test", type=int, metavar="N", help="only so many test samples")
    command.add_argument("--budgets", type=float, nargs="+", metavar="B", help="other budgets than the preset's")
    command.add_argument("--vjp", action="append", metavar="TEXT", help="other estimators than the preset's")
    command.add_argument("--lrs", type=float, nargs="+", metavar="LR", help="another grid of learning rates")
    command.add_argument("--tune-epochs", type=int, metavar="N", help="epochs of the runs that choose learning rates")
    command.add_argument("--seeds", type=int, metavar="N", help="another number than the preset's")
    _add_workers(command)
    command.add_argument("--out", type=Path, metavar="FOLDER", help="(default: runs/reproduce-PRESET)")


def _add_configuration(command: argparse.ArgumentParser, epochs: int) -> None:
    command.add_argument("--model", default="mlp", help="see `minigrad list` (default: %(default)s)")
    command.add_argument("--data", default="digits", help="see `minigrad list` (default: %(default)s)")
    command.add_argument("--epochs", type=int, default=epochs, metavar="N", help="(default: %(default)s)")
    command.add_argument("--batch-size", type=int, default=64, metavar="N", help="samples (default: %(default)s)")
    command.add_argument(
        "--lr",
        type=float,
        default=0.01,
        help="learning rate; in training it falls along half a cosine to 0 (default: %(default)s)",
    )
    command.add_argument("--optimizer", default="sgd", help="sgd (with momentum) or adam (default: %(default)s)")
    command.add_argument("--train", type=int, metavar="N", help="only so many training samples")
    command.add_argument("--test", type=int, metavar="N", help="only so many test samples")
    command.add_argument("--standardise", action="store_true", help="mean 0 and standard deviation 1 by channel")
    command.add_argument("--augment", action="store_true", help="random crops and flips of training images")


def _add_workers(command: argparse.ArgumentParser) -> None:
    workers = command.add_mutually_exclusive_group()
    workers.add_argument("--jobs", type=int, metavar="N", help="so many processes, which share the cores")
    workers.add_argument("--dask", metavar="ADDRESS", help="a Dask cluster, by the address of its scheduler")


def _configuration(options: argparse.Namespace) -> Any:
    from minigrad.experiments import Configuration

    names = ("model", "data", "epochs", "batch_size", "lr", "optimizer", "train", "test", "standardise", "augment")
    return Configuration(**{name: getattr(options, name) for name in names})


@contextmanager
def _workers(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The executor that was asked for, as arguments of an experiment."""
    from minigrad.experiments.jobs import dask_executor, process_executor

    if options.dask:
        with dask_executor(options.dask) as executor:
            yield {"executor": executor, "local": False}
    elif options.jobs is not None:
        with process_executor(options.jobs) as executor:
            yield {"executor": executor}
    else:
        yield {}


def _reproduce(options: argparse.Namespace) -> int:
    from minigrad.experiments import PRESETS, reproduce

    study = PRESETS[options.preset]
    names = ("data", "epochs", "train", "test")
    changed = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    study = dataclasses.replace(study, configuration=dataclasses.replace(study.configuration, **changed))
    fields = {
        "budgets": options.budgets and tuple(options.budgets),
        "families": options.vjp and tuple(options.vjp),
        "lrs": options.lrs and tuple(options.lrs),
        "seeds": options.seeds,
        "tune_epochs": options.tune_epochs,
    }
    study = dataclasses.replace(study, **{name: value for name, value in fields.items() if value is not None})
    out = options.out or Path("runs") / f"reproduce-{options.preset}"
    with _workers(options) as workers:
        result = reproduce(study, out, **workers)
    print(result)
    print()
    print(_lines(f"written to {out}: study.png, study.csv, study.json"))
    return 0


def _inspect(options: argparse.Namespace) -> int:
    from minigrad.experiments.inspection import inspect_model

    return _report(options, "inspect", inspect_model)


def _advise(options: argparse.Namespace) -> int:
    from minigrad.experiments.inspection import advise_model

    return _report(options, "advise", advise_model)


def _report(options: argparse.Namespace, name: str, make: Callable[..., Any]) -> int:
    configuration = _configuration(options)
    report = make(configuration, options.vjp, budget=options.budget, seed=options.seed)
    print(report)
    path = report.save(options.out or Path("runs") / f"{name}-{configuration.model}-{configuration.data}")
    print()
    print(_lines(f"written to {path}"))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from minigrad.experiments import compare
    from minigrad.experiments.method import DEFAULT_VJPS

    configuration = _configuration(options)
    out = options.out or Path("runs") / f"compare-{configuration.model}-{configuration.data}"
    with _workers(options) as workers:
        comparison = compare(
            configuration,
            options.vjp or DEFAULT_VJPS,
            budget=options.budget,
            adaptive=options.adaptive,
            seeds=options.seeds,
            out=out,
            told=lambda line: print(_lines(line)),
            **workers,
        )
    print(comparison)
    print()
    print(_lines(f"written to {out}: convergence.png, results.csv, results.json"))
    return 0


def _list(options: argparse.Namespace) -> int:
    from minigrad import datasets, estimators, nn

    models = {}
    for name, line in nn.models.describe().items():
        size = nn.models.size(name, (28, 28, 1), 10)
        models[name] = (
            f"{line}; {si(size.parameters)} parameters, {si(size.forward_flops, 'flop')} forward (28×28 grey)"
        )
    for title, lines in (
        ("models", models),
        ("data sets", datasets.describe()),
        ("estimators", estimators.describe()),
    ):
        print(title)
        for name, line in lines.items():
            head = f"  {name:15}"
            print(textwrap.fill(line, width=80, initial_indent=head, subsequent_indent=" " * len(head)))
    return 0
