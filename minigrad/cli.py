"""The command line: ``minigrad compare`` and ``minigrad list``."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import minigrad

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        The exit status: 0, 2 for a request that cannot be met, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["list"])  # doctest: +ELLIPSIS
    models
      mlp ...
    0
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("\ninterrupted; finished runs are kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"minigrad: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="minigrad", description="Exact and randomised backpropagation in NumPy (arXiv:2602.14701)."
    )
    parser.add_argument("--version", action="version", version=f"minigrad {minigrad.__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    listing = commands.add_parser("list", help="show models, data sets and estimators")
    listing.set_defaults(run=_list)

    compare = commands.add_parser(
        "compare",
        help="train with exact and with randomised VJPs, side by side",
        description="Train a model with exact VJPs, with each estimator, and with exact VJPs on a smaller batch of "
        "equal cost; print a table, and write convergence.png, results.csv and results.json. Finished runs are kept: an "
        "interrupted comparison goes on when the same command is given again.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    compare.set_defaults(run=_compare)
    compare.add_argument("--model", default="mlp", help="see `minigrad list`")
    compare.add_argument("--data", default="digits", help="see `minigrad list`")
    compare.add_argument(
        "--vjp",
        action="append",
        metavar="TEXT",
        help="an estimator, such as 'diagonal(0.1, target=both)'; may be repeated (default: mask, "
        "mask(axis=sample), diagonal, lowrank and topk)",
    )
    compare.add_argument("--budget", type=float, default=0.1, help="for estimators that are given without one")
    compare.add_argument("--epochs", type=int, default=30)
    compare.add_argument("--batch-size", type=int, default=64)
    compare.add_argument("--lr", type=float, default=0.01, help="learning rate; it falls along half a cosine to 0")
    compare.add_argument("--seeds", type=int, default=3, help="how many seeds")
    compare.add_argument("--out", type=Path, help="folder of the results (default: runs/compare-MODEL-DATA)")
    return parser


def _compare(options: argparse.Namespace) -> int:
    from minigrad.experiments import Configuration, compare
    from minigrad.experiments.method import DEFAULT_VJPS

    configuration = Configuration(
        model=options.model, data=options.data, epochs=options.epochs, batch_size=options.batch_size, lr=options.lr
    )
    out = options.out or Path("runs") / f"compare-{configuration.model}-{configuration.data}"
    comparison = compare(
        configuration,
        options.vjp or DEFAULT_VJPS,
        budget=options.budget,
        seeds=options.seeds,
        out=out,
        told=print,
    )
    print(comparison)
    print(f"\nwritten to {out}: convergence.png, results.csv, results.json")
    return 0


def _list(options: argparse.Namespace) -> int:
    from minigrad import datasets, estimators, nn

    for title, lines in (
        ("models", nn.models.describe()),
        ("data sets", datasets.describe()),
        ("estimators", estimators.describe()),
    ):
        print(title)
        for name, line in lines.items():
            head = f"  {name:14}"
            print(textwrap.fill(line, width=80, initial_indent=head, subsequent_indent=" " * len(head)))
    return 0
