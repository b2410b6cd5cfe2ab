"""The share that estimators keep where it follows the cotangent, measured over draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from minigrad.counts import MOST_DRAWS, count
from minigrad.engine.drawing import draw
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.inspect.leaves import InspectionTarget
from minigrad.streams import draw_key, key_of
from minigrad.structure import share
from minigrad.typing import Array, Seed

__all__ = ["Shares", "adapting", "mean_shares"]

Shares: TypeAlias = Mapping[tuple[int, int], float]
"""By node and by the number of the estimator among its ``draws()``: the share of the cotangent that was kept."""


def adapting(tape: Tape) -> list[tuple[int, int]]:
    """The estimators of a tape whose share follows the cotangent."""
    return [(node.index, k) for node in tape.nodes for k, (e, edges) in enumerate(node.draws()) if e.adapts and edges]


def mean_shares(tape: Tape, loss: Tensor, draws: int, rng: Seed, cotangent: Array | None = None) -> Shares:
    """The mean share that each estimator kept that ``adapts``; empty, and nothing is drawn, where there is none."""
    draws = count("cost: draws", draws, MOST_DRAWS, "draws")
    wanted = adapting(tape)
    if not wanted:
        return {}
    target = InspectionTarget(tape, loss, None, cotangent)
    key = key_of(rng)
    total: dict[tuple[int, int], float] = dict.fromkeys(wanted, 0.0)
    for number in range(draws):
        sweep = target.sweep()
        while (stop := sweep.advance()) is not None:
            node, g = stop
            drawn = draw(node, g, draw_key(key, number))
            for k, (_, edges) in enumerate(node.draws()):
                if (node.index, k) in total:
                    total[node.index, k] += share(drawn[edges[0]]) / draws
            sweep.apply(node, drawn)
    return total
