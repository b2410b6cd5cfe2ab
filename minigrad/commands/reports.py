"""``minigrad inspect`` and ``minigrad advise``: a look at the gradient of a model, before it is trained at length."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minigrad.commands.options import add_configuration, configuration_of, number, path, whole
from minigrad.report import wrapped

__all__ = ["add_reports"]


def add_reports(commands: Any) -> None:
    """Add both sub-commands to a parser's others."""
    for name, run, text, what in (
        ("inspect", _inspect, "is it unbiased, how noisy is it, whose fault is it, what did it save", "noise.png"),
        ("advise", _advise, "what to train with, which budget, and how to share it among layers", "advice.png"),
    ):
        command = commands.add_parser(
            name,
            help=text,
            description="Train exactly for a few epochs, then look at the gradient of the model with an estimator on "
            f"all layers but the last: {text}. Prints tables and writes {what}.",
        )
        command.set_defaults(run=run)
        add_configuration(command, epochs=1)
        command.add_argument("--vjp", default="diagonal", metavar="TEXT", help="an estimator (default: %(default)s)")
        command.add_argument("--budget", type=number, default=0.1, metavar="B", help="(default: %(default)s)")
        command.add_argument("--seed", type=whole, default=0, metavar="N", help="(default: %(default)s)")
        command.add_argument("--out", type=path, metavar="FOLDER", help=f"(default: runs/{name}-MODEL-DATA)")


def _inspect(options: argparse.Namespace) -> int:
    from minigrad.experiments.inspection import inspect_model

    return _report(options, "inspect", inspect_model)


def _advise(options: argparse.Namespace) -> int:
    from minigrad.experiments.inspection import advise_model

    return _report(options, "advise", advise_model)


def _report(options: argparse.Namespace, name: str, make: Callable[..., Any]) -> int:
    from minigrad.experiments.outputs import results_folder

    configuration = configuration_of(options)
    out = options.out or Path("runs") / f"{name}-{configuration.model}-{configuration.data}"
    results_folder(out, make=False)  # no folder is made for what cannot be done
    report = make(configuration, options.vjp, budget=options.budget, seed=options.seed)
    print(report, flush=True)  # first, since a picture may fail
    picture = report.save(out)
    print(f"\n{wrapped(f'written to {picture}')}" if picture else "")
    return 0
