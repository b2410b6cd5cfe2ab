"""The part of its cotangent that each node kept, over draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from minigrad.counts import MOST_DRAWS, count
from minigrad.engine.drawing import draw
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.inspect.leaves import InspectionTarget
from minigrad.plot.kept import kept_by_node
from minigrad.report import Report, Table, si
from minigrad.streams import draw_key, key_of
from minigrad.structure import Columns, Cotangent, Entries, Factors, Rows, Slices, Structured, matrix_shape
from minigrad.typing import Array, Seed

__all__ = ["NodeSparsity", "Sparsity", "counted", "sparsity"]

Unit: TypeAlias = Literal["columns", "rows", "samples", "heads", "tokens", "entries", "rank", "dense"]


@dataclass(frozen=True)
class NodeSparsity:
    """The part that one estimator of one node kept.

    Attributes
    ----------
    node : int
        Index on the tape.
    name : str
        The operation with its layer, and the input where the node has an estimator for each.
    vjp : str
        The estimator.
    unit : {"columns", "rows", "samples", "heads", "tokens", "entries", "rank", "dense"}
        What was counted; "dense" where the estimator returned an array, of which the entries that are not 0 count.
    of : int
        How many there are in all; for a rank, min(rows, columns), which a wide random projection may exceed.
    counts : dict of int to int
        Histogram: number kept → number of draws.
    nbytes : float
        Mean bytes of the cotangent as it was stored, values and indices.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5)).sum()
    >>> node = inspect.sparsity(tape, loss, rng=0).nodes[0]
    >>> node.unit, node.of, sum(node.counts.values())
    ('columns', 2, 100)
    """

    node: int
    name: str
    vjp: str
    unit: Unit
    of: int
    counts: dict[int, int]
    nbytes: float

    @property
    def mean(self) -> float:
        """Mean number kept."""
        return sum(kept * times for kept, times in self.counts.items()) / sum(self.counts.values())

    @property
    def fraction(self) -> float:
        """``mean`` over ``of``."""
        return self.mean / self.of if self.of else 1.0


@dataclass(frozen=True, repr=False)
class Sparsity(Report):
    """The parts that all random nodes of a tape kept.

    Attributes
    ----------
    nodes : tuple of NodeSparsity
    draws : int

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5)).sum()
    >>> kept = inspect.sparsity(tape, loss, rng=0)
    >>> kept.draws, [node.name for node in kept.nodes]
    (100, ['linear'])
    """

    nodes: tuple[NodeSparsity, ...]
    draws: int

    def table(self) -> Table:
        """The report as a table, from the loss to the input."""
        rows = [
            [n.node, n.name, n.vjp, f"{n.mean:.4g} of {n.of} {n.unit}", f"{min(n.counts)}–{max(n.counts)}", n.fraction,
             si(n.nbytes, "B")]
            for n in self.nodes
        ]  # fmt: skip
        heads = ["node", "operation", "VJP", "kept, mean", "range", "fraction", "size"]
        return Table(heads, rows, f"what was kept, over {self.draws} draws, from the loss to the input")

    def data(self) -> dict[str, Any]:
        """The nodes, with mean and fraction, and the number of draws."""
        return {**super().data(), "nodes": [{**vars(n), "mean": n.mean, "fraction": n.fraction} for n in self.nodes]}

    def plot(self, ax: Any = None) -> Any:
        """Draw for each node the histogram of the fraction kept, on a Matplotlib Axes, and return it."""
        return kept_by_node(
            [node.name for node in self.nodes],
            [node.vjp for node in self.nodes],
            [[kept / node.of if node.of else 1.0 for kept in node.counts] for node in self.nodes],
            [list(node.counts.values()) for node in self.nodes],
            ax,
            title=f"{self.draws} draws; ▲ mean",
        )


def sparsity(
    tape: Tape,
    loss: Tensor,
    draws: int = 100,
    rng: Seed = None,
    *,
    cotangent: Array | None = None,
) -> Sparsity:
    """Count what the estimators on a tape keep, over draws.

    Parameters
    ----------
    tape : Tape
    loss : Tensor
        Recorded on that tape.
    draws : int, default 100
    rng : Generator, int or None
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.

    Returns
    -------
    Sparsity

    Raises
    ------
    ValueError
        If there is no draw.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import TopK
    >>> w = mg.Tensor(np.eye(4), requires_grad=True)
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.eye(4), w, vjp=TopK(0.5)).square().sum()
    >>> print(sparsity(tape, loss, draws=20, rng=0))
    what was kept, over 20 draws, from the loss to the input
    node  operation  VJP        kept, mean      range  fraction  size
       0  linear     TopK(0.5)  2 of 4 columns  2–2         0.5  80 B
    """
    draws = count("sparsity: draws", draws, MOST_DRAWS, "draws")
    target = InspectionTarget(tape, loss, None, cotangent)
    key = key_of(rng)
    seen: dict[tuple[int, int], list[Cotangent]] = {}
    for number in range(draws):
        sweep = target.sweep()
        while (stop := sweep.advance()) is not None:
            node, g = stop
            drawn = draw(node, g, draw_key(key, number))
            for k, (_, edges) in enumerate(node.draws()):
                seen.setdefault((node.index, k), []).append(drawn[edges[0]])
            sweep.apply(node, drawn)
    return Sparsity(tuple(_summary(tape, index, k, kept) for (index, k), kept in seen.items()), draws)


def _summary(tape: Tape, index: int, k: int, drawn: Sequence[Cotangent]) -> NodeSparsity:
    node = tape.nodes[index]
    estimator, edges = node.draws()[k]
    edge = f" ({node.primitive.edge_name(edges[0])})" if isinstance(node.vjp, dict) else ""
    counts = [counted(g) for g in drawn]
    # A draw that is an array was handed on untouched, or is empty; the other draws say what the estimator counts.
    unit, of, _ = next((c for c in counts if c[0] != "dense"), counts[0])
    numbers = [c[2] if c[0] == unit else of if c[2] else 0 for c in counts]
    return NodeSparsity(
        node=index,
        name=node.label + edge,
        vjp=repr(estimator),
        unit=unit,
        of=of,
        counts=dict(sorted(Counter(numbers).items())),
        nbytes=float(np.mean([g.nbytes for g in drawn])),
    )


def counted(g: Cotangent) -> tuple[Unit, int, int]:
    """The unit that is counted, how many there are, and how many were kept."""
    rows, columns = matrix_shape(g.shape)
    if not isinstance(g, Structured):
        return "dense", math.prod(g.shape), int(np.count_nonzero(g))
    g = g.uncoded()
    if isinstance(g, Columns):
        return "columns", columns, len(g.indices)
    if isinstance(g, Rows):
        lead = math.prod(g.shape[: len(g.shape) - len(g.trailing)])
        return "rows" if len(g.trailing) == 1 else "samples", lead, len(g.indices)
    if isinstance(g, Slices):
        return "heads" if g.axis == -3 else "tokens", g.shape[g.axis], len(g.indices)
    if isinstance(g, Entries):
        return "entries", rows * columns, len(g.indices)
    if isinstance(g, Factors):
        return "rank", min(rows, columns), g.rank
    return "dense", rows * columns, rows * columns
