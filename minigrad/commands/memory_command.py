"""``minigrad memory``: bytes, noise and seconds of what networks save in a few bits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minigrad.commands.options import add_networks, add_workers, networks_of, path, show, whole, workers_of

__all__ = ["add_memory"]


def add_memory(commands: Any) -> None:
    """Add the sub-command to a parser's others."""
    command = commands.add_parser(
        "memory",
        help="what saved sketches take of the tape, and what they cost in noise, seconds and accuracy",
        description="Train networks, and measure for each estimator of what is saved the bytes of the tape, the "
        "variance V that it adds over that of the minibatch, seconds of a step, and the accuracy of networks that are "
        "trained so. Write memory.csv, table.csv, memory.json and memory.png. Finished networks are kept.",
    )
    command.set_defaults(run=run, resumes=True)
    add_networks(command)
    command.add_argument("--data", default="fashion_mnist", help="see `minigrad list` (default: %(default)s)")
    command.add_argument(
        "--save",
        action="append",
        metavar="TEXT",
        help="estimators of what is saved, such as 'rounding(4)', or of the inputs of weights alone, such as "
        "'weights: mask(0.1, axis=row)'; may be repeated",
    )
    command.add_argument("--batch-size", type=whole, default=64, metavar="N", help="samples (default: %(default)s)")
    command.add_argument("--steps", type=whole, default=300, metavar="N", help="of training (default: %(default)s)")
    command.add_argument(
        "--batches", type=whole, default=20, metavar="N", help="to measure noise on (default: %(default)s)"
    )
    command.add_argument("--seeds", type=whole, default=2, metavar="N", help="(default: %(default)s)")
    add_workers(command)
    command.add_argument("--out", type=path, metavar="FOLDER", help="(default: runs/memory)")


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    from minigrad.experiments.outputs import written
    from minigrad.experiments.saved_bytes import measure_saved_bytes
    from minigrad.experiments.saved_bytes_job import SAVED

    configurations = networks_of(options, data=options.data, batch_size=options.batch_size)
    out = options.out or Path("runs") / "memory"
    with workers_of(options) as workers:
        result = measure_saved_bytes(
            configurations,
            out,
            saved=tuple(options.save or SAVED),
            steps=options.steps,
            batches=options.batches,
            seeds=options.seeds,
            **workers,
        )
    show(result, written(out, ["memory.png", "memory.csv", "table.csv", "memory.json"]))
    return 0
