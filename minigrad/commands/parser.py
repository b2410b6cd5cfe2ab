"""The parser of the command line: a misspelt sub-command or option is answered with the nearest one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from minigrad.naming import unknown

__all__ = ["Parser", "one_of"]


class Parser(argparse.ArgumentParser):
    """A parser with sub-commands, which keeps them under ``commands``."""

    commands: Mapping[str, argparse.ArgumentParser]

    def add_commands(self) -> Any:
        """The place to which sub-commands are added, once."""
        found = self.add_subparsers(required=True, metavar="command", dest="command")
        self.commands = found.choices
        return found

    def read(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """The arguments as a namespace.

        Parameters
        ----------
        arguments : sequence of str, optional
            Default: those of the process.

        Raises
        ------
        SystemExit
            With status 0 after all of the help where there is no argument; with status 2 if an argument is not known.
        """
        given = sys.argv[1:] if arguments is None else list(arguments)
        if not given:
            self.print_help()
            self.exit()
        if not given[0].startswith("-") and given[0] not in self.commands:
            self.error(unknown("command", _cut(given[0]), self.commands))
        options, rest = self.parse_known_args(given)
        if rest:
            self._refuse(self.commands[options.command], rest[0])
        return options

    @staticmethod
    def _refuse(command: argparse.ArgumentParser, word: str) -> NoReturn:
        name = word.partition("=")[0]
        if not name.startswith("-"):
            command.error(
                f"{_cut(word)!r} is one argument too many; `{command.prog} --help` shows those that there are"
            )
        known = (flag for action in command._actions for flag in action.option_strings if flag.startswith("--"))
        command.error(unknown("option", _cut(name), known))


def one_of(what: str, names: Sequence[str]) -> Callable[[str], str]:
    """The type of an argument that is one of some names; others are answered with the nearest."""

    def read(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(unknown(what, _cut(text), names))
        return text

    return read


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
