"""``minigrad compare``: train with exact and with randomised VJPs, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minigrad.commands.options import (
    add_configuration,
    add_price,
    add_workers,
    configuration_of,
    number,
    path,
    show,
    tell,
    whole,
    workers_of,
)

__all__ = ["add_compare"]


def add_compare(commands: Any) -> None:
    """Add the sub-command to a parser's others."""
    command = commands.add_parser(
        "compare",
        help="train with exact and with randomised VJPs, side by side",
        description="Train a model with exact VJPs, with each estimator, and with exact VJPs on a smaller batch of "
        "equal cost; print a table, and write convergence.png, results.csv and results.json. Finished runs are kept: "
        "an interrupted comparison goes on when the same command is given again.",
    )
    command.set_defaults(run=run, resumes=True)
    add_configuration(command, epochs=20)
    command.add_argument(
        "--vjp",
        action="append",
        metavar="TEXT",
        help="an estimator, such as 'diagonal(0.1, target=both)', for all layers but the last, or for the last alone, "
        "such as 'last: diagonal(axis=sample)'; may be repeated (default: mask, mask(axis=sample), diagonal, lowrank "
        "and topk)",
    )
    command.add_argument(
        "--budget",
        type=number,
        default=0.1,
        metavar="B",
        help="expected fraction kept, in (0, 1], for estimators that are given without one (default: %(default)s)",
    )
    command.add_argument(
        "--adaptive",
        type=number,
        action="append",
        default=[],
        metavar="T",
        help="also diagonal sketches whose budgets follow the noise: the variance that they add is kept near this "
        "fraction of the minibatch variance; may be repeated",
    )
    add_price(command)
    command.add_argument(
        "--sampler",
        action="append",
        default=[],
        metavar="S",
        help="also training samples drawn by importance before the forward pass: importance, importance(0.2) with such "
        "a mixture, or with VJPs as --vjp takes them, 'importance + last: diagonal(0.3, axis=sample)'; may be repeated",
    )
    command.add_argument("--seeds", type=whole, default=3, metavar="N", help="how many seeds (default: %(default)s)")
    add_workers(command)
    command.add_argument("--out", type=path, metavar="FOLDER", help="for results (default: runs/compare-MODEL-DATA)")


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    from minigrad.experiments import compare
    from minigrad.experiments.method import DEFAULT_VJPS
    from minigrad.experiments.outputs import written

    for text in options.sampler:
        if not text.strip().startswith("importance"):
            raise ValueError(f"sampler={text!r} must begin with importance, such as importance(0.2)")
    configuration = configuration_of(options)
    out = options.out or Path("runs") / f"compare-{configuration.model}-{configuration.data}"
    with workers_of(options) as workers:
        comparison = compare(
            configuration,
            [*(options.vjp or DEFAULT_VJPS), *(f"price({price})" for price in options.price), *options.sampler],
            budget=options.budget,
            adaptive=options.adaptive,
            seeds=options.seeds,
            out=out,
            log=tell,
            **workers,
        )
    show(comparison, written(out, ["convergence.png", "results.csv", "results.json"]))
    return 0
