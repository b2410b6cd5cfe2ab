"""A tape as boxes and lines for a picture, with values, and the cotangents of one backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arrays import wide
from minigrad.engine.context import CONTEXT, TapeError
from minigrad.engine.node import Node
from minigrad.engine.sweep import Sweep
from minigrad.engine.tape_text import graph
from minigrad.plot.boxes import Box, Graph
from minigrad.report import si
from minigrad.structure import dense
from minigrad.typing import Array, Seed

__all__ = ["boxes"]

LISTED = 3
"""Values up to this many are listed; of more the range is told."""


def boxes(tape: Any, y: Any, cotangent: Any, rng: Seed, back: bool) -> Graph:
    """The graph of a tape; see `minigrad.Tape.graph`."""
    labels, estimators, edges = graph(tape.nodes, tape.leaves)
    edges = list(dict.fromkeys(edges))  # w * w reads w twice
    first = len(tape.leaves)
    arrived: dict[int, Any] = {}
    note = ""
    if back:
        arrived, note = cotangents(tape, y, cotangent, rng)
    order = sorted((k for k in arrived if k >= first), reverse=True)
    steps = {k: number for number, k in enumerate(order, 1)}
    for k in range(first):
        readers = [steps[end] for start, end in edges if start == k and end in steps]
        if readers and k in arrived:
            steps[k] = max(readers)
    things = [*tape.leaves, *tape.nodes]
    found = []
    for k, (thing, label, estimator) in enumerate(zip(things, labels, estimators, strict=True)):
        name, shape = label.split("\n")
        node = isinstance(thing, Node)
        value = thing.value if node else thing.data
        box = Box(
            name, shape, not node, estimator, "" if value is None else told(value),
            told(dense(arrived[k])) if k in arrived else "", si(thing.nbytes, "B") if node else "", steps.get(k),
        )  # fmt: skip
        found.append(box)
    return Graph(found, edges, len(order), note)


def cotangents(tape: Any, y: Any, cotangent: Any, rng: Seed) -> tuple[dict[int, Any], str]:
    """By the number of the box, leaves first, what arrives there in one backward pass; and a note."""
    everywhere = frozenset(range(len(tape.nodes)))
    if y is not None:
        sweep = tape.sweep(y, cotangent, everywhere)
    else:
        why = refused(tape)
        if why:
            return {}, why
        last = tape.nodes[-1]
        sweep = Sweep(tape.nodes, last.index, np.array(1, wide(last.dtype)), everywhere)
    before = tape.shares
    tape.run(sweep, rng)
    tape.shares = before
    first = len(tape.leaves)
    found = {first + index: g for index, g in sweep.kept.items()}
    for k, leaf in enumerate(tape.leaves):
        g = sweep.gradient(leaf)
        if g is not None:
            found[k] = g
    drawn = any(tape.nodes[k - first].vjp is not None for k in found if k >= first)
    return found, f"cotangents of one random draw (rng={rng!r})" if drawn else ""


def refused(tape: Any) -> str:
    """Why there is no backward pass from the last node; empty if there is one."""
    if not tape.nodes:
        return "nothing was recorded"
    if CONTEXT.tapes:
        return "cotangents are shown after the block has ended"
    if tape.nodes[-1].shape:
        return "the last node is no single number: tape.to_html(y, cotangent=…) shows cotangents from any tensor y"
    try:
        tape.check_leaves("cotangents")
    except TapeError as error:
        return str(error)
    return ""


def told(values: Array) -> str:
    """An array in a few words: its values, or their range.

    Examples
    --------
    >>> told(np.array(0.5)), told(np.array([1.0, -2.0])), told(np.arange(9.0)), told(np.zeros((0, 2)))
    ('0.5', '[1, -2]', '0 … 8', 'empty')
    """
    flat = np.asarray(values).reshape(-1)
    if not flat.size:
        return "empty"
    if flat.size <= LISTED:
        each = ", ".join(f"{value:.3g}" for value in flat)
        return f"[{each}]" if values.ndim else each
    low, high = f"{flat.min():.3g}", f"{flat.max():.3g}"
    return f"all {low}" if low == high else f"{low} … {high}"
