"""``minigrad budgeted``: full runs under a budget, against the tuned envelope of exact VJPs."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from minigrad.commands.options import RATES, add_workers, number, path, show, tell, whole, workers_of
from minigrad.commands.parser import one_of

__all__ = ["add_budgeted"]


def add_budgeted(commands: Any) -> None:
    """Add the sub-command to a parser's others."""
    command = commands.add_parser(
        "budgeted",
        help="the honest benchmark: whole runs under a budget, against tuned exact VJPs",
        description="Train until a budget of operations or of seconds of processor time is spent, with a learning rate "
        "that reaches 0 then. Every method has the same grid of batch sizes and learning rates: one seed over all of "
        "it, then the best two on held-out training images with other seeds. Say how many times its budget the "
        "envelope of exact runs needs to do as well. Write runs.csv, levels.csv, needed.csv, budgeted.json and "
        "budgeted.png. Finished runs are kept, and the same command goes on after an interruption.",
    )
    command.set_defaults(run=run, resumes=True)
    command.add_argument("preset", type=one_of("preset", list(RATES)), metavar="PRESET", help="mlp, bagnet or vit")
    command.add_argument("--unit", default="operations", help="operations or seconds (default: %(default)s)")
    command.add_argument("--steps", type=whole, metavar="N", help="budget 1, in exact steps of a batch of 64")
    command.add_argument("--budgets", type=number, nargs="+", metavar="B", help="those of the exact envelope")
    command.add_argument("--at", type=number, nargs="+", metavar="B", help="those of the other methods")
    command.add_argument("--batch-sizes", type=whole, nargs="+", metavar="N", help="another grid of batch sizes")
    command.add_argument("--lrs", type=number, nargs="+", metavar="LR", help="another grid of learning rates")
    command.add_argument(
        "--vjp",
        action="append",
        metavar="TEXT",
        help="other methods than the preset's, such as price, 'diagonal(0.3, axis=row)' or "
        "'last: diagonal(distortion=0.1, axis=sample)'; may be repeated",
    )
    command.add_argument("--seeds", type=whole, metavar="N", help="another number than the preset's")
    command.add_argument("--data", help="another data set than the preset's; see `minigrad list`")
    command.add_argument("--train", type=whole, metavar="N", help="only so many training samples")
    command.add_argument("--test", type=whole, metavar="N", help="only so many test samples")
    command.add_argument("--augment", action="store_true", help="random crops and flips of training images")
    add_workers(command)
    command.add_argument("--out", type=path, metavar="FOLDER", help="(default: runs/budgeted-PRESET-DATA-UNIT)")


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    from minigrad.experiments.budgeted_training import BENCHMARKS, budgeted
    from minigrad.experiments.outputs import written

    benchmark = BENCHMARKS[options.preset]
    configuration = _changed(benchmark.configuration, options, ("data", "train", "test"))
    if options.data is not None and options.train is None:
        configuration = dataclasses.replace(configuration, train=None)  # the preset's number is that of its own data
    configuration = dataclasses.replace(configuration, augment=options.augment or configuration.augment)
    names = ("unit", "steps", "budgets", "at", "batch_sizes", "lrs", "seeds")
    benchmark = _changed(dataclasses.replace(benchmark, configuration=configuration), options, names)
    if options.vjp:
        benchmark = dataclasses.replace(benchmark, methods=tuple(options.vjp))
    out = options.out or Path("runs") / f"budgeted-{options.preset}-{configuration.data}-{benchmark.unit}"
    with workers_of(options) as workers:
        result = budgeted(benchmark, out, log=tell, **workers)
    show(result, written(out, ["budgeted.png", "levels.csv", "needed.csv", "runs.csv", "budgeted.json"]))
    return 0


def _changed(what: Any, options: argparse.Namespace, names: tuple[str, ...]) -> Any:
    """A dataclass with those of its fields that were given as arguments."""
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return dataclasses.replace(what, **{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
