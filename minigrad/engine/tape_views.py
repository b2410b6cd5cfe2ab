"""The ways to look at a tape: a table, a graph, a drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minigrad.engine.node import Node
from minigrad.engine.tape_text import summary, to_dot
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.report import Table
from minigrad.typing import Seed

if TYPE_CHECKING:
    from minigrad.plot.boxes import Graph

__all__ = ["Views"]

DRAWN = 150
"""Nodes up to which a notebook draws a tape; of more it shows the table."""


class Views:
    """The base of `minigrad.Tape` that shows its nodes and leaves."""

    nodes: list[Node]

    @property
    def leaves(self) -> list[Tensor]:
        """The leaves that recorded operations read, in the order of their first use."""
        raise NotImplementedError

    def summary(self) -> Table:
        """A table of the nodes: what each computed, from what, and what it saved.

        Returns
        -------
        Table
            ``print`` shows it; ``to_dict()`` is JSON-ready.
        """
        return summary(self.nodes)

    def to_dot(self) -> str:
        r"""The tape as a graph in the DOT language, for Graphviz.

        Examples
        --------
        >>> import minigrad as mg
        >>> w = mg.Tensor([1.0], requires_grad=True, name="w")
        >>> with mg.Tape() as tape:
        ...     y = w.exp()
        >>> print(tape.to_dot())
        digraph tape {
          rankdir=LR; node [shape=box, fontname="sans-serif"];
          l0 [label="w\n(1,)", shape=ellipse];
          n0 [label="0: exp\n(1,)"];
          l0 -> n0;
        }
        """
        return to_dot(self.nodes, self.leaves)

    def graph(
        self, y: Tensor | None = None, cotangent: TensorLike | None = None, rng: Seed = 0, *, back: bool = True
    ) -> Graph:
        """The tape as boxes and lines, in words, with the cotangents of a backward pass; for pictures.

        Parameters
        ----------
        y, cotangent, rng
            As for `gradients`. Default: from the last node, if that is a single number, with the draws of seed 0.
        back : bool, default True
            Whether a backward pass is taken. ``.grad`` and `shares` stay as they are.
        """
        from minigrad.engine.tape_boxes import boxes  # here, as below: importing minigrad draws nothing

        return boxes(self, y, cotangent, rng, back)

    def to_html(self, y: Tensor | None = None, cotangent: TensorLike | None = None, rng: Seed = 0) -> str:
        """The tape as a page for a browser: a drawing with values and cotangents, and a slider back through it.

        In a notebook the tape shows itself so. Values are those that something still holds: a tensor in use, or a node.

        Parameters
        ----------
        y, cotangent, rng
            As for `graph`.

        Examples
        --------
        >>> import minigrad as mg
        >>> w = mg.Tensor(3.0, requires_grad=True, name="w")
        >>> with mg.Tape() as tape:
        ...     y = w * w
        >>> html = tape.to_html()
        >>> "value 9" in html, "gradient 6" in html
        (True, True)
        """
        from minigrad.engine.tape_page import page

        return page(self.graph(y, cotangent, rng), f"{self!r}"[1:-1])

    def _repr_html_(self) -> str:
        if len(self.nodes) > DRAWN:
            return summary(self.nodes)._repr_html_()
        from minigrad.engine.tape_page import drawing

        return drawing(self.graph(), f"{self!r}"[1:-1])

    def __repr__(self) -> str:
        return f"<Tape of {len(self.nodes)} node{'' if len(self.nodes) == 1 else 's'}>"
