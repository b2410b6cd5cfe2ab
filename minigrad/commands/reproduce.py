"""``minigrad reproduce``: the paper's question, accuracy against budget, for every method."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from minigrad.commands.options import RATES, add_price, add_workers, number, path, show, tell, whole, workers_of
from minigrad.commands.parser import one_of

__all__ = ["add_reproduce"]


def add_reproduce(commands: Any) -> None:
    """Add the sub-command to a parser's others."""
    command = commands.add_parser(
        "reproduce",
        help="the paper's question: accuracy against budget, for every method",
        description="Choose a learning rate for every method at every budget on held out training data, train with "
        "several seeds, and write study.csv, study.json and study.png. Finished runs are kept, and the same command "
        "goes on after an interruption. Presets take a part of the data: a quarter of an hour for mlp, hours for "
        "the rest.",
    )
    command.set_defaults(run=run, resumes=True)
    command.add_argument("preset", type=one_of("preset", list(RATES)), metavar="PRESET", help="mlp, bagnet or vit")
    command.add_argument("--data", help="another data set than the preset's; see `minigrad list`")
    command.add_argument("--epochs", type=whole, metavar="N", help="another number than the preset's")
    command.add_argument("--train", type=whole, metavar="N", help="only so many training samples")
    command.add_argument("--test", type=whole, metavar="N", help="only so many test samples")
    command.add_argument("--budgets", type=number, nargs="+", metavar="B", help="other budgets than the preset's")
    command.add_argument("--vjp", action="append", metavar="TEXT", help="other methods than the preset's")
    command.add_argument("--lrs", type=number, nargs="+", metavar="LR", help="another grid of learning rates")
    command.add_argument("--tune-epochs", type=whole, metavar="N", help="epochs of the runs that choose learning rates")
    command.add_argument("--seeds", type=whole, metavar="N", help="another number than the preset's")
    add_price(command)
    add_workers(command)
    command.add_argument("--out", type=path, metavar="FOLDER", help="(default: runs/reproduce-PRESET)")


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    from minigrad.experiments import PRESETS, reproduce
    from minigrad.experiments.outputs import written

    study = PRESETS[options.preset]
    names = ("data", "epochs", "train", "test")
    changed = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    study = dataclasses.replace(study, configuration=dataclasses.replace(study.configuration, **changed))
    prices = [f"price({price})" for price in options.price]
    fields = {
        "budgets": options.budgets and tuple(options.budgets),
        "families": tuple(dict.fromkeys((*(options.vjp or study.families), *prices))),
        "lrs": options.lrs and tuple(options.lrs),
        "seeds": options.seeds,
        "tune_epochs": options.tune_epochs,
    }
    study = dataclasses.replace(study, **{name: value for name, value in fields.items() if value is not None})
    out = options.out or Path("runs") / f"reproduce-{options.preset}"
    with workers_of(options) as workers:
        result = reproduce(study, out, log=tell, **workers)
    show(result, written(out, ["study.png", "study.csv", "study.json"]))
    return 0
