"""Arguments that several sub-commands share."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minigrad.commands.parser import one_of
from minigrad.report import wrapped

__all__ = [
    "RATES",
    "add_configuration",
    "add_networks",
    "add_price",
    "add_workers",
    "configuration_of",
    "networks_of",
    "number",
    "path",
    "show",
    "tell",
    "whole",
    "workers_of",
]


RATES = {"mlp": 0.01, "vit": 0.001, "bagnet": 0.01}
"""The architectures of the paper, and constant learning rates at which they are trained to be measured on the way."""


def whole(text: str) -> int:
    """A whole number, as an argument; raise what argparse shows if it is none."""
    try:
        return int(text)
    except ValueError:  # also of one with more digits than Python reads
        raise argparse.ArgumentTypeError(f"{_cut(text)} is not a whole number; write digits, such as 3") from None


def number(text: str) -> float:
    """A number, as an argument."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{_cut(text)} is not a number; write one such as 0.1 or 1e-3") from None


def path(text: str) -> Path:
    """The name of a file or folder, as an argument."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is no name; write one such as results, or . for this folder")
    return Path(text)


def _cut(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}…"


def add_configuration(command: argparse.ArgumentParser, epochs: int) -> None:
    """Arguments that decide what a training run computes."""
    command.add_argument("--model", default="mlp", help="see `minigrad list` (default: %(default)s)")
    command.add_argument("--data", default="digits", help="see `minigrad list` (default: %(default)s)")
    command.add_argument("--epochs", type=whole, default=epochs, metavar="N", help="(default: %(default)s)")
    command.add_argument("--batch-size", type=whole, default=64, metavar="N", help="samples (default: %(default)s)")
    command.add_argument(
        "--lr",
        type=number,
        default=0.01,
        help="learning rate; in training it falls along half a cosine to 0 (default: %(default)s)",
    )
    command.add_argument("--optimizer", default="sgd", help="sgd (with momentum) or adam (default: %(default)s)")
    command.add_argument("--train", type=whole, metavar="N", help="only so many training samples")
    command.add_argument("--test", type=whole, metavar="N", help="only so many test samples")
    command.add_argument("--standardise", action="store_true", help="mean 0 and standard deviation 1 by channel")
    command.add_argument("--augment", action="store_true", help="random crops and flips of training images")


def add_networks(command: argparse.ArgumentParser) -> None:
    """The options for the architectures that are looked at, and for how much of the data they are trained on."""
    command.add_argument(
        "--models",
        nargs="+",
        type=one_of("model", list(RATES)),
        default=list(RATES),
        metavar="MODEL",
        help="some of mlp, bagnet and vit (default: all)",
    )
    command.add_argument("--train", type=whole, metavar="N", help="only so many training samples")


def networks_of(options: argparse.Namespace, **changed: Any) -> dict[str, Any]:
    """The configurations of the networks that were asked for, by model, each at its constant rate."""
    from minigrad.experiments.budgeted_training import BENCHMARKS

    if options.train is not None:
        changed["train"] = options.train
    return {
        name: dataclasses.replace(BENCHMARKS[name].configuration, lr=RATES[name], **changed) for name in options.models
    }


def add_workers(command: argparse.ArgumentParser) -> None:
    """Where runs are done: here, in processes or on a cluster."""
    workers = command.add_mutually_exclusive_group()
    workers.add_argument("--jobs", type=whole, metavar="N", help="so many processes; each takes one core")
    workers.add_argument("--dask", metavar="ADDRESS", help="a Dask cluster, by the address of its scheduler")


def add_price(command: argparse.ArgumentParser) -> None:
    """A method that puts one price on every edge."""
    command.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="P",
        help="also one price for every edge of all layers: auto, which finds it from the noise of the run, seconds, "
        "which has it paid in seconds of this machine, or a number τ; may be repeated",
    )


def configuration_of(options: argparse.Namespace) -> Any:
    """The `Configuration` that was asked for."""
    from minigrad.experiments import Configuration

    names = ("model", "data", "epochs", "batch_size", "lr", "optimizer", "train", "test", "standardise", "augment")
    return Configuration(**{name: getattr(options, name) for name in names})


@contextmanager
def workers_of(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The executor that was asked for, as arguments of an experiment."""
    from minigrad.experiments.executors import dask_executor, process_executor

    if options.dask is not None:
        with dask_executor(options.dask) as executor:
            yield {"executor": executor, "shared_filesystem": False}
    elif options.jobs is not None:
        with process_executor(options.jobs) as executor:
            yield {"executor": executor}
    else:
        yield {}


def tell(line: str) -> None:
    """Print a line at once, also where the output is a file."""
    print(wrapped(line), flush=True)


def show(result: object, written: str) -> None:
    """Print what a sub-command found, and which files it wrote."""
    print(result)
    print()
    print(wrapped(f"written to {written}"))
