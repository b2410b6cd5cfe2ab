"""Tables: how every report of the library is shown, as text, in a notebook, and as JSON-ready data."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

__all__ = ["Table", "si"]


class Table:
    """Rows of values under headings.

    Parameters
    ----------
    columns : sequence of str
        Headings; a unit belongs in its heading.
    rows : sequence of sequences
        One value for each heading: str, int, float or None (shown as –). Floats are shown with four digits.
    title : str, optional
        A line above the table.
    notes : sequence of str, optional
        Lines below the table.

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
        lines = [self.title] if self.title else []
        for row in [self.columns, *cells]:
            aligned = (
                cell.rjust(width) if numeric else cell.ljust(width)
                for cell, width, numeric in zip(row, widths, right, strict=True)
            )
            lines.append("  ".join(aligned).rstrip())
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_show(value))}</td>" for value in row) + "</tr>" for row in self.rows
        )
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON-ready data: its title, its rows as dicts by heading, its notes."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "notes": self.notes}


def _show(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else str(value)
    return str(value)


def si(value: float, unit: str = "") -> str:
    """A number with three digits and a decimal prefix, for people to read.

    Examples
    --------
    >>> si(1536, "B"), si(2.5e9, "flop"), si(12, "B")
    ('1.54 kB', '2.5 Gflop', '12 B')
    """
    prefixes = ["", "k", "M", "G", "T", "P"]
    step = min(int(math.log10(abs(value)) // 3), len(prefixes) - 1) if abs(value) >= 1000 else 0
    return f"{value / 1000**step:.3g} {prefixes[step]}{unit}".rstrip()
