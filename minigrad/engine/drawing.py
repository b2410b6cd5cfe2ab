"""A stop of the backward sweep at a node with an estimator: what arrives there, and one random draw in place of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node
from minigrad.engine.primitive import is_own
from minigrad.engine.results import explain_read_only, handed_back, read_only, returned
from minigrad.streams import Domain, generator, give_back, lend
from minigrad.structure import Cotangent, Rows, Structured, dense

__all__ = ["arriving", "checked", "draw", "sketch"]


def arriving(node: Node, g: Cotangent) -> Cotangent:
    """The cotangent as the estimators of a node take it.

    `Rows` stay what they are where all of them draw among these alone: what was left out nearer to the loss costs
    nothing more. All else is made dense.
    """
    if type(g) is Rows:
        vjp: Any = node._vjp
        if all(estimator.takes_rows for estimator in (vjp.values() if isinstance(vjp, dict) else (vjp,))):
            return g
    return dense(g)


def draw(node: Node, g: Cotangent, key: int) -> list[Cotangent]:
    """One random cotangent for each input of a node.

    Draws are keyed by (key, node, input), so that making one node exact shifts the draws of no other.
    """
    estimator = node._vjp
    if isinstance(estimator, Estimator):  # one draw serves every input
        return [drawn(estimator, g, node, key, 0)] * len(node.parents)
    out: list[Cotangent] = [g] * len(node.parents)
    for estimator, (edge,) in node.draws():
        out[edge] = drawn(estimator, g, node, key, edge + 1)
    return out


def drawn(estimator: Estimator, g: Cotangent, node: Node, key: int, number: int) -> Cotangent:
    """One draw of an estimator; those of the library do not keep the generator, and get one that is lent."""
    if not estimator._trusted:
        return sketch(estimator, g, node, generator(Domain.BACKWARD, key, node.index, number))
    rng = lend(Domain.BACKWARD, key, node.index, number)
    cotangent = sketch(estimator, g, node, rng)
    give_back(rng)
    return cotangent


def sketch(estimator: Estimator, g: Cotangent, node: Node, rng: np.random.Generator) -> Cotangent:
    """Call ``estimator.sample``; one that is not the library's own gets a view, and what it returns is checked."""
    if estimator._trusted:
        drawn = estimator.sample(g, node, rng)
        return drawn if drawn.dtype == g.dtype else drawn.astype(g.dtype)
    try:
        out = estimator.sample(read_only(g), node, rng)
    except ValueError as error:
        explain_read_only(error, f"{node.label}: {estimator!r}", "the cotangent")
        raise
    return checked(out, estimator, g, node)


def checked(out: Any, estimator: Estimator, g: Cotangent, node: Node) -> Cotangent:
    """The cotangent that an estimator returned, in the dtype of ``g``; raise if it is not one."""
    shape = out.shape if isinstance(out, Structured) else np.shape(out)
    if shape != g.shape:
        raise ValueError(
            f"{node.label}: {estimator!r} returned a cotangent of shape {shape} for one of shape {g.shape}; it "
            "must be an array or a structured cotangent of the same shape"
        )
    who = f"{node.label}: {estimator!r} returned"
    if not is_own(estimator.sample):
        out = handed_back(out, who)
    elif not isinstance(out, Structured):
        out = returned(out, who)
    cotangent: Cotangent = out if out.dtype == g.dtype else out.astype(g.dtype)
    return cotangent
