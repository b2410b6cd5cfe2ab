"""``minigrad list``: models, data sets and estimators by name."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

from minigrad.report import WIDTH, si

__all__ = ["add_list"]


def add_list(commands: Any) -> None:
    """Add the sub-command to a parser's others."""
    commands.add_parser("list", help="show models, data sets and estimators").set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    from minigrad import datasets, estimators, nn

    models = {}
    for name, line in nn.models.describe().items():
        size = nn.models.size(name, (28, 28, 1), 10)
        models[name] = (
            f"{line}; {si(size.parameters)} parameters, {si(size.forward_flops, 'flop')} forward (28×28 grey)"
        )
    for title, lines in (
        ("models", models),
        ("data sets", datasets.describe()),
        ("estimators", estimators.describe()),
    ):
        print(title)
        for name, line in lines.items():
            head = f"  {name:15}"
            print(textwrap.fill(line, width=WIDTH, initial_indent=head, subsequent_indent=" " * len(head)))
    return 0
