"""``minigrad precision``: the cost to a precision of each kind of sketch, along training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minigrad.commands.options import add_networks, add_workers, networks_of, number, path, show, whole, workers_of

__all__ = ["add_precision"]


def add_precision(commands: Any) -> None:
    """Add the sub-command to a parser's others."""
    command = commands.add_parser(
        "precision",
        help="what it costs to reach a precision with samples, rows, columns and one price, along training",
        description="Train networks, and at some stages measure J = (1 + V/σ²) × operations over exact ones: the cost "
        "to reach a precision, 1 for exact VJPs on any smaller batch. For samples at the logits, rows and columns at "
        "their best budgets, and for rows by one price. Write precision.csv, table.csv, precision.json and "
        "precision.png. Finished networks are kept.",
    )
    command.set_defaults(run=run, resumes=True)
    add_networks(command)
    command.add_argument("--data", default="fashion_mnist", help="see `minigrad list` (default: %(default)s)")
    command.add_argument("--stages", type=whole, nargs="+", metavar="N", help="numbers of steps after which to look")
    command.add_argument("--batch-size", type=whole, default=64, metavar="N", help="samples (default: %(default)s)")
    command.add_argument(
        "--batches", type=whole, default=20, metavar="N", help="to measure J on (default: %(default)s)"
    )
    command.add_argument(
        "--factors",
        type=number,
        nargs="*",
        default=[0.5, 2.0],
        metavar="F",
        help="also the price at these multiples of its root τ (default: 0.5 2)",
    )
    command.add_argument(
        "--trained",
        default="exact",
        metavar="TEXT",
        help="what networks are trained with: exact, 'price(auto)', or an estimator (default: %(default)s)",
    )
    command.add_argument("--seeds", type=whole, default=3, metavar="N", help="(default: %(default)s)")
    add_workers(command)
    command.add_argument("--out", type=path, metavar="FOLDER", help="(default: runs/precision)")


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    from minigrad.experiments.outputs import written
    from minigrad.experiments.precision import PRECISION_STAGES, measure_precision

    configurations = networks_of(options, data=options.data, batch_size=options.batch_size)
    out = options.out or Path("runs") / "precision"
    with workers_of(options) as workers:
        result = measure_precision(
            configurations,
            out,
            stages=tuple(options.stages or PRECISION_STAGES),
            batches=options.batches,
            factors=tuple(options.factors),
            trained=options.trained,
            seeds=options.seeds,
            **workers,
        )
    show(result, written(out, ["precision.png", "precision.csv", "table.csv", "precision.json"]))
    return 0
