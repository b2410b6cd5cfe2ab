"""``minigrad explore``: the explorer from the command line, in a window or as a picture in a file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from minigrad.commands.options import number, path, whole

if TYPE_CHECKING:
    from minigrad.engine.estimator import Estimator

__all__ = ["add_explore"]


def add_explore(commands: Any) -> None:
    """Add the sub-command to a parser's others.

    Parameters
    ----------
    commands : argparse sub-parsers
        What ``parser.add_subparsers()`` returned.
    """
    command = commands.add_parser(
        "explore",
        help="a window with buttons and a slider: what an estimator does to a cotangent and a gradient",
        description="Open a window on a small recorded network: its cotangent before and after one draw, inclusion "
        "probabilities, the distribution of the gradient estimate, and its noise against the budget. For a tape of "
        "your own, call minigrad.explore.explore(tape, loss) in Python.",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "--vjp",
        metavar="TEXT",
        help="the estimator at first, such as 'diagonal(0.1, target=both)' (default: mask(axis=element))",
    )
    command.add_argument("--budget", type=number, metavar="B", help="the budget at first (default: 0.25)")
    command.add_argument("--draws", type=whole, default=500, metavar="N", help="(default: %(default)s)")
    command.add_argument("--seed", type=whole, default=0, metavar="N", help="(default: %(default)s)")
    command.add_argument(
        "--save",
        type=path,
        metavar="FILE",
        help="write the pictures to FILE (.png, .svg, .pdf; without an ending, .png), and open no window",
    )


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    from minigrad.explore.choices import STANDARD
    from minigrad.explore.example import EXAMPLE_NODE, example
    from minigrad.explore.exploration import Exploration
    from minigrad.explore.opening import explore
    from minigrad.explore.picture import destination
    from minigrad.explore.subject import Subject

    file = None if options.save is None else destination(options.save)
    estimator = None if options.vjp is None else _parsed(options.vjp, options.budget)
    if file is not None:
        subject = Subject(*example(), EXAMPLE_NODE)
        exploration = Exploration.of(
            subject, estimator or STANDARD[0], options.budget, draws=options.draws, rng=options.seed
        )
        print(exploration, flush=True)
        print(f"\nwritten to {exploration.save(file)}")
        return 0
    explorer = explore(estimator=estimator, budget=options.budget, draws=options.draws, rng=options.seed)
    try:
        explorer.show(block=True)
    finally:
        explorer.close()
    return 0


def _parsed(text: str, budget: float | None) -> Estimator:
    from minigrad import estimators
    from minigrad.explore.choices import DEFAULT

    place, colon, after = text.rpartition(":")
    if colon:
        raise ValueError(
            f"--vjp {text!r}: explore looks at one node, so there is no place to choose; leave out "
            f"{place.strip() + colon!r} and give the estimator alone: --vjp {after.strip()!r}"
        )
    return estimators.parse(text, budget=DEFAULT if budget is None else budget)
