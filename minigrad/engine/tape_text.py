"""A tape as a table, and as a graph in the DOT language."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.engine.node import Node, save_text, vjp_text
from minigrad.engine.tensor import Tensor
from minigrad.report import Table, si
from minigrad.typing import Array

__all__ = ["graph", "summary", "to_dot"]


def summary(nodes: Sequence[Node]) -> Table:
    """A table of nodes: what each computed, from what, and what it saved.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> w = mg.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> with mg.Tape() as tape:
    ...     loss = (w * w).sum()
    >>> print(summary(tape.nodes))
    tape: 2 nodes, 16 B saved
    node  operation  layer  inputs      output  dtype    saved  VJP
       0  multiply          leaf, leaf  (2,)    float64  16 B   exact
       1  sum               #0          ()      float64  0 B    exact
    """
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


def graph(nodes: Sequence[Node], leaves: Sequence[Tensor]) -> tuple[list[str], list[str], list[tuple[int, int]]]:
    """The graph: a label for each leaf and then each node, its estimator or "", and pairs (from, to) of these."""
    numbers = {id(leaf): k for k, leaf in enumerate(leaves)}
    labels = [f"{leaf.name or 'leaf'}\n{leaf.shape}" for leaf in leaves]
    labels += [f"{node.index}: {node.label}\n{node.shape}" for node in nodes]
    estimators = [""] * len(leaves) + ["" if node.vjp is None else vjp_text(node) for node in nodes]
    edges = [
        (len(leaves) + parent if isinstance(parent, int) else numbers[id(parent)], len(leaves) + node.index)
        for node in nodes
        for parent in node.parents
        if parent is not None
    ]
    return labels, estimators, edges


def to_dot(nodes: Sequence[Node], leaves: Sequence[Tensor]) -> str:
    """The nodes and leaves as text for Graphviz."""
    labels, estimators, edges = graph(nodes, leaves)
    names = [f"l{k}" for k in range(len(leaves))] + [f"n{node.index}" for node in nodes]
    lines = ["digraph tape {", '  rankdir=LR; node [shape=box, fontname="sans-serif"];']
    for k, (name, label, estimator) in enumerate(zip(names, labels, estimators, strict=True)):
        text = _quote(f"{label}\n{estimator}" if estimator else label).replace("\n", "\\n")
        lines.append(f'  {name} [label="{text}"{", shape=ellipse" if k < len(leaves) else ""}];')
    lines += [f"  {names[start]} -> {names[end]};" for start, end in edges]
    return "\n".join([*lines, "}"])


def _quote(text: str) -> str:
    """Escape text for a DOT label."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
