"""Reports and their tables: shown as text, in a notebook, and as JSON-ready data."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

__all__ = ["WIDTH", "Report", "Table", "json_ready", "si", "wrapped"]

WIDTH = 80
"""Columns of a terminal that text keeps to where it can."""

UNBROKEN = 12
"""Cells up to this width, such as numbers with a unit, stay on one line."""


class Report:
    """Base class of reports: text, a notebook's HTML and JSON-ready data from one table and the fields.

    A report is a dataclass, made with ``repr=False`` so that it shows its table at the prompt as well. It writes
    `table`; `data`, where more than its fields is worth keeping; and `plot`, where a picture says more.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, repr=False)
    ... class Norms(Report):
    ...     of: dict[str, float]
    ...
    ...     def table(self):
    ...         return Table(["tensor", "norm"], [list(pair) for pair in self.of.items()])
    >>> norms = Norms({"w": 0.5, "b": float("nan")})
    >>> norms
    tensor  norm
    w        0.5
    b        nan
    >>> norms.to_dict()
    {'of': {'w': 0.5, 'b': None}}
    """

    def table(self) -> Table:
        """The report as a table."""
        raise NotImplementedError(
            f"{type(self).__name__} has no table of its own: tables() gives all that is printed. A new report writes "
            "table(), or tables() where it is made of several reports"
        )

    def tables(self) -> list[Table]:
        """All that is printed, one table below the other."""
        return [self.table()]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.tables()))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(table._repr_html_() for table in self.tables())

    def data(self) -> dict[str, Any]:
        """The contents that `to_dict` makes JSON-ready: here the fields of the dataclass, by name."""
        return _fields(self)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data; None for a number that is not finite."""
        return dict(json_ready(self.data()))

    def plot(self, ax: Any = None, /) -> Any:
        """Draw the report on a Matplotlib Axes and return it, where a picture says more than the table.

        Raises
        ------
        NotImplementedError
            If it has no picture.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no picture: print() shows its table, and to_dict() gives its numbers to draw"
        )


class Table:
    """Rows of values under headings.

    Parameters
    ----------
    columns : sequence of str
        Headings; a unit belongs in its heading. Where all are empty, text has no line for them.
    rows : sequence of sequences
        One value for each heading: str, int, float or None (shown as –). Floats are shown with four digits.
    title : str, optional
        A line above the table.
    notes : sequence of str, optional
        Lines below the table.

    Raises
    ------
    ValueError
        When shown, if a row has not one value for each heading.

    Notes
    -----
    Text keeps to 80 columns: long cells of words are broken into lines, the widest first. A table that has too many
    columns of numbers for that is shown as wide as it is.

    Examples
    --------
    >>> print(Table(["node", "share"], [["linear", 0.25], ["tanh", None]], notes=["shares add up to 1"]))
    node    share
    linear   0.25
    tanh        –
    shares add up to 1
    """

    def __init__(
        self, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "", notes: Sequence[str] = ()
    ):
        self.columns = list(columns)
        self.rows = [list(row) for row in rows]
        self.title = title
        self.notes = list(notes)

    def __str__(self) -> str:
        cells = [[_show(value) for value in row] for row in self.rows]
        right = [any(isinstance(row[k], (int, float)) for row in self.rows) for k in range(len(self.columns))]
        widths = [max([len(head), *(len(row[k]) for row in cells)]) for k, head in enumerate(self.columns)]
        least = [
            widths[k] if right[k] else max([len(head), *(_longest_word(row[k]) for row in cells)])
            for k, head in enumerate(self.columns)
        ]
        widths = _fitted(widths, least)
        lines = _wrapped(self.title, WIDTH) if self.title else []
        for row in [self.columns, *cells] if any(self.columns) else cells:
            broken = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
            for line in range(max((len(parts) for parts in broken), default=1)):
                shown = [parts[line] if line < len(parts) else "" for parts in broken]
                aligned = (
                    cell.rjust(width) if numeric else cell.ljust(width)
                    for cell, width, numeric in zip(shown, widths, right, strict=True)
                )
                lines.append("  ".join(aligned).rstrip())
        return "\n".join([*lines, *(line for note in self.notes for line in _wrapped(note, WIDTH))])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape  # here: its table of entities is a millisecond of every import

        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_show(value))}</td>" for value in row) + "</tr>" for row in self.rows
        )
        heads = f"<thead><tr>{head}</tr></thead>" if any(self.columns) else ""
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<table>{caption}{heads}<tbody>{body}</tbody></table>{notes}"

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON-ready data: its title, its rows as dicts by heading, its notes; None for NaN, infinity."""
        rows = [dict(zip(self.columns, map(json_ready, row), strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "notes": self.notes}


def _show(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else str(value)
    return str(value)


def _fitted(widths: list[int], least: list[int]) -> list[int]:
    """Widths of columns, the widest made narrower until all fit or each is at its least."""
    widths = list(widths)
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH:
        able = [k for k, low in enumerate(least) if widths[k] > low]
        if not able:
            break
        widths[max(able, key=widths.__getitem__)] -= 1
    return widths


def _longest_word(text: str) -> int:
    """The width that a cell needs at least, with the indentation of its later lines."""
    pieces = _pieces(text) if len(text) > UNBROKEN else [text]
    return max([len(pieces[0].strip()), *(2 + len(piece.strip()) for piece in pieces[1:])])


def _pieces(text: str) -> list[str]:
    """Where a text may be broken: at spaces, and behind the bracket of a call such as ``DiagonalSketch(0.1)``."""
    return [piece for piece in re.split(r"(?<=\s)(?=\S)|(?<=\w\()(?=\S)", text) if piece.strip()] or [""]


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most this width, those after the first indented; a piece that is longer is not broken."""
    if len(text) <= width:
        return [text]
    if all(len(word) <= width - 2 for word in text.split()):  # no call has to be broken
        return textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    lines = [""]
    for piece in _pieces(text):
        if lines[-1].strip() and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("  ")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def json_ready(value: Any) -> Any:
    """Data for ``json.dumps``, with None in place of each float that is not finite: JSON has no number for it.

    Tuples and arrays become lists, NumPy's numbers Python's, reports and other dataclasses dicts.

    Examples
    --------
    >>> json_ready({"variance": [1.5, float("nan")], "budgets": np.array([0.5, 1.0])})
    {'variance': [1.5, None], 'budgets': [0.5, 1.0]}
    """
    if isinstance(value, Report):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return json_ready(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return json_ready(_fields(value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def si(value: float, unit: str = "") -> str:
    """A number with three digits and a decimal prefix, for people to read.

    Examples
    --------
    >>> si(1536, "B"), si(2.5e9, "flop"), si(12, "B")
    ('1.54 kB', '2.5 Gflop', '12 B')
    """
    prefixes = ["", "k", "M", "G", "T", "P", "E"]
    if not math.isfinite(value):
        return f"{value} {unit}".rstrip()
    rounded = abs(float(f"{value:.3g}"))  # so that 999,999 is 1 M and not 1000 k
    step = min(int(math.log10(rounded) // 3), len(prefixes) - 1) if rounded >= 1000 else 0
    return f"{value / 1000**step:.3g} {prefixes[step]}{unit}".rstrip()


def wrapped(text: str) -> str:
    """Text broken into lines of at most 80 columns; paths and addresses stay whole.

    Examples
    --------
    >>> print(wrapped("one line, " * 8 + "and what does not fit"))
    one line, one line, one line, one line, one line, one line, one line, one line,
      and what does not fit
    """
    broken = (
        textwrap.fill(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )
    return "\n".join(broken)
