"""A tape as a table, and as a graph in the DOT language."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.engine.node import Node, save_text, vjp_text
from minigrad.engine.tensor import Tensor
from minigrad.report import Table, si
from minigrad.typing import Array

__all__ = ["summary", "to_dot"]


def summary(nodes: Sequence[Node]) -> Table:
    """A table of nodes: what each computed, from what, and what it saved."""
    rows = []
    for node in nodes:
        sources = [f"#{p}" if isinstance(p, int) else "·" if p is None else p.name or "leaf" for p in node.parents]
        rows.append(
            [
                node.index,
                node.name,
                node.layer,
                ", ".join(sources),
                str(node.shape).replace(" ", ""),
                str(node.dtype),
                si(node.nbytes, "B") + save_text(node),
                vjp_text(node),
            ]
        )
    every: dict[int, Array] = {}
    for node in nodes:
        every.update(node.saved_arrays())
    total = sum(array.nbytes for array in every.values())
    count = f"{len(nodes)} node" + ("" if len(nodes) == 1 else "s")
    heads = ["node", "operation", "layer", "inputs", "output", "dtype", "saved", "VJP"]
    return Table(heads, rows, title=f"tape: {count}, {si(total, 'B')} saved")


def to_dot(nodes: Sequence[Node], leaves: Sequence[Tensor]) -> str:
    """The nodes and leaves as text for Graphviz."""
    lines = ["digraph tape {", '  rankdir=LR; node [shape=box, fontname="sans-serif"];']
    numbers = {id(leaf): k for k, leaf in enumerate(leaves)}
    for k, leaf in enumerate(leaves):
        lines.append(f'  l{k} [label="{_quote(leaf.name or "leaf")}\\n{leaf.shape}", shape=ellipse];')
    for node in nodes:
        text = "" if node.vjp is None else f"\\n{_quote(vjp_text(node))}"
        lines.append(f'  n{node.index} [label="{node.index}: {_quote(node.label)}\\n{node.shape}{text}"];')
        for parent in node.parents:
            if parent is not None:
                source = f"n{parent}" if isinstance(parent, int) else f"l{numbers[id(parent)]}"
                lines.append(f"  {source} -> n{node.index};")
    return "\n".join([*lines, "}"])


def _quote(text: str) -> str:
    """Escape text for a DOT label."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
