"""``minigrad field``: when a sketch pays, against how few samples carry the gradient."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minigrad.commands.options import add_networks, add_workers, networks_of, path, show, whole, workers_of

__all__ = ["add_field"]


def add_field(commands: Any) -> None:
    """Add the sub-command to a parser's others."""
    command = commands.add_parser(
        "field",
        help="the figure that says when a sketch pays: when few samples carry the gradient",
        description="Train networks exactly, and at some stages measure the share of effective samples and what it "
        "costs to reach a precision with samples kept at the logits, in operations and in seconds, beside the theory. "
        "Write field.csv, field.json and field.png. Finished networks are kept.",
    )
    command.set_defaults(run=run, resumes=True)
    add_networks(command)
    command.add_argument(
        "--data",
        nargs="+",
        default=["fashion_mnist", "fashion_mnist_one"],
        help="data sets; see `minigrad list` (default: fashion_mnist and one class of it against nine)",
    )
    command.add_argument("--stages", type=whole, nargs="+", metavar="N", help="numbers of steps after which to look")
    command.add_argument("--batches", type=whole, default=12, metavar="N", help="to measure noise on (default: 12)")
    command.add_argument("--seeds", type=whole, default=1, metavar="N", help="(default: %(default)s)")
    add_workers(command)
    command.add_argument("--out", type=path, metavar="FOLDER", help="(default: runs/field)")


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    from minigrad.experiments.field import FIELD_STAGES, measure_field
    from minigrad.experiments.outputs import written

    configurations = networks_of(options)
    out = options.out or Path("runs") / "field"
    with workers_of(options) as workers:
        result = measure_field(
            configurations,
            tuple(options.data),
            out,
            stages=tuple(options.stages or FIELD_STAGES),
            batches=options.batches,
            seeds=options.seeds,
            **workers,
        )
    show(result, written(out, ["field.png", "field.csv", "field.json"]))
    return 0
