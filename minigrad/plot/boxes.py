"""Boxes: what a picture of a tape shows of each leaf and node, and where their lines lead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from minigrad.plot.style import shorter

__all__ = ["Box", "Graph", "Graphed"]


@dataclass(frozen=True)
class Box:
    """One leaf or node of a tape, in words.

    Attributes
    ----------
    label, shape : str
        Such as ``0: linear`` and ``(4, 2)``.
    leaf : bool
    estimator : str
        Empty where the VJP is exact.
    value : str
        The output, or its range; empty where nothing holds it any more.
    cotangent : str
        The same of what arrives on the way back; empty where that is not known.
    saved : str
        The bytes that the tape holds for it.
    step : int or None
        When its cotangent is whole on the way back, counted from 1: that of a node when it is the node's turn, that of
        a leaf after its last reader. None where none arrives.
    """

    label: str
    shape: str
    leaf: bool = False
    estimator: str = ""
    value: str = ""
    cotangent: str = ""
    saved: str = ""
    step: int | None = None

    def lines(self, values: bool = False) -> list[str]:
        """The lines of text in the box: the cotangent is among them where it is known."""
        found = [self.label, self.shape]
        if values and self.value:
            found.append(f"= {self.value}")
        if self.cotangent:
            found.append(f"∂ {self.cotangent}")
        return found + (shorter(self.estimator).split("\n") if self.estimator else [])


@dataclass(frozen=True)
class Graph:
    """The boxes of a tape, leaves before nodes, and its lines.

    Attributes
    ----------
    boxes : list of Box
    edges : list of (int, int)
        Pairs (from, to) of boxes, from < to: what is read, and what reads it. Each once.
    steps : int
        Nodes that hand a cotangent on.
    note : str
        Why there are no cotangents, where there are none; or of which draw they are.
    """

    boxes: list[Box]
    edges: list[tuple[int, int]] = field(default_factory=list)
    steps: int = 0
    note: str = ""


class Graphed(Protocol):
    """A `minigrad.Tape`, as far as pictures know it."""

    def graph(self, y: Any = None, cotangent: Any = None, rng: Any = None, *, back: bool = True) -> Graph: ...
