"""``minigrad pipeline``: what a cotangent costs between the processes of a pipeline."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minigrad.commands.options import number, path, show, whole

__all__ = ["add_pipeline"]


def add_pipeline(commands: Any) -> None:
    """Add the sub-command to a parser's others."""
    command = commands.add_parser(
        "pipeline",
        help="train in stages, each in a process of its own, and measure the bytes and the noise of what is sent",
        description="Cut a model into stages that run in processes of their own, joined by sockets on the loopback "
        "address, and train it with exact cotangents and with estimators of them on the wire. Write pipeline.csv, "
        "table.csv, pipeline.json and pipeline.png: bytes against variance. Finished runs are kept.",
    )
    command.set_defaults(run=run, resumes=True)
    command.add_argument("--model", default="mlp", help="see `minigrad list` (default: %(default)s)")
    command.add_argument("--data", default="fashion_mnist", help="see `minigrad list` (default: %(default)s)")
    command.add_argument("--steps", type=whole, default=300, metavar="N", help="(default: %(default)s)")
    command.add_argument("--batch-size", type=whole, default=256, metavar="N", help="samples (default: %(default)s)")
    command.add_argument("--lr", type=number, default=0.05, help="learning rate throughout (default: %(default)s)")
    command.add_argument("--optimizer", default="sgd", help="sgd (with momentum) or adam (default: %(default)s)")
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--stages",
        type=whole,
        default=2,
        metavar="N",
        help="of about equal numbers of parameters (default: %(default)s)",
    )
    where.add_argument("--cuts", type=whole, nargs="+", metavar="K", help="the modules with which stages 1, 2, … begin")
    command.add_argument(
        "--wire",
        action="append",
        metavar="TEXT",
        help="an estimator of cotangents that are sent; may be repeated (default: bits, low rank, rows and columns)",
    )
    command.add_argument("--seeds", type=whole, default=1, metavar="N", help="(default: %(default)s)")
    command.add_argument("--draws", type=whole, default=40, metavar="N", help="of a variance (default: %(default)s)")
    command.add_argument("--every", type=whole, default=50, metavar="N", help="steps between checkpoints of a stage")
    command.add_argument("--train", type=whole, metavar="N", help="only so many training samples")
    command.add_argument("--test", type=whole, metavar="N", help="only so many test samples")
    command.add_argument("--out", type=path, metavar="FOLDER", help="(default: runs/pipeline-MODEL-DATA)")


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    from minigrad.experiments import Configuration
    from minigrad.experiments.outputs import written
    from minigrad.experiments.pipeline import measure_pipeline
    from minigrad.experiments.pipeline.measure_wires import WIRES

    names = ("model", "data", "batch_size", "lr", "optimizer", "train", "test")
    configuration = Configuration(**{name: getattr(options, name) for name in names})
    out = options.out or Path("runs") / f"pipeline-{configuration.model}-{configuration.data}"
    result = measure_pipeline(
        configuration,
        out,
        wires=options.wire or WIRES,
        steps=options.steps,
        stages=options.stages,
        cuts=options.cuts or (),
        seeds=options.seeds,
        draws=options.draws,
        every=options.every,
    )
    show(result, written(out, ["pipeline.png", "pipeline.csv", "table.csv", "pipeline.json"]))
    return 0
