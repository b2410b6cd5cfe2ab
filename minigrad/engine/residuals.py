"""Residual sketches: what a node saves for its VJP, replaced by an unbiased random part of it.

Where a VJP is linear in a saved value, as ∂W = Gᵀ X is in X, that value may be replaced in the forward pass by X̂ with
E X̂ = X, drawn independently of everything that shapes G: E[Gᵀ X̂] = Gᵀ X (Theory §1). The outputs stay exact, and
the tape holds X̂, stored as the structured cotangents are, in place of X. Draws are keyed by (tape, node, input), so a
sketch at one node shifts the draws of no other.

Two nodes that save one array share one sketch of it, as the projections to Q, K and V do, where every gradient that
reads it ends at a leaf: each is linear in the draw by itself. Where a weight was computed, its cotangent goes on to
what may have saved the same array, and meets there a draw of its own: the mean of a product needs two draws.

An element-wise function of one input has the VJP g·slope, which is linear in its slope, however curved the function.
Where a VJP is quadratic in what was saved, as that of a normalisation is, two sketches are drawn; see
`minigrad.engine.twice`.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.arrays import HALF, SINGLE
from minigrad.engine.context import CONTEXT, Recorder
from minigrad.engine.drawing import checked
from minigrad.engine.estimator import Estimator, estimator_hint
from minigrad.engine.node import Node
from minigrad.engine.primitive import Primitive
from minigrad.engine.results import read_only
from minigrad.engine.tensor import Tensor
from minigrad.engine.twice import twin
from minigrad.streams import Domain, generator, give_back, lend
from minigrad.structure import Cotangent
from minigrad.typing import Array

__all__ = ["check_save", "residual", "saving", "sketch_residuals"]


def check_save(primitive: Primitive, save: Any) -> dict[str, Estimator]:
    """The estimators that ``save=`` names, by the saved input.

    Raises
    ------
    TypeError
        If the operation has no residual that may be sketched, or an estimator is none.
    ValueError
        If a mapping names anything else.
    """
    if not primitive.residuals:
        raise TypeError(
            f"{primitive.name}: there is no save= here. What a node saves may be replaced by an unbiased sketch x̂ only "
            "where its VJP is linear in it, as ∂W = GᵀX is in X: for linear, matmul, conv2d, products, and the slopes "
            "of gelu, silu, tanh and their like; or quadratic, with two sketches, for normalisations and softmax. "
            "Elsewhere the VJP is another curved function of it, or there is nothing large to save. Sketch the "
            "cotangent instead, with vjp="
        )
    chosen = dict(save) if isinstance(save, Mapping) else dict.fromkeys(primitive.residuals, save)
    for name, estimator in chosen.items():
        if name not in primitive.residuals:
            raise ValueError(
                f"{primitive.name}: save= names {name!r}, but what may be sketched here is "
                f"{', '.join(primitive.residuals)}"
            )
        if estimator is not None and not isinstance(estimator, Estimator):
            raise TypeError(
                f"{primitive.name}: save= takes an estimator, a dict from saved inputs to estimators, or None, got "
                f"{estimator!r}; {estimator_hint(estimator, 'save')}"
            )
    return {name: estimator for name, estimator in chosen.items() if estimator is not None}


def sketch_residuals(node: Node, save: Mapping[str, Estimator], tape: Recorder) -> None:
    """Replace what a node saved by sketches of it, drawn from the tape's forward stream."""
    if not CONTEXT.saving:
        return
    for name, estimator in save.items():
        saved = residual(node, name)
        if saved is None:
            continue  # no gradient that is wanted needs it
        why = estimator.unfit(saved.shape)
        if why:
            raise ValueError(f"{node.label}: save={{{name!r}: {estimator!r}}}: {why}")
        if name in node.primitive.quadratic:
            drawn = two_draws(node, name, saved, estimator, tape)
        else:
            one = shared_draw(node, name, saved, estimator, tape)
            drawn = {} if one is None else {name: one}
        if drawn:
            node.saved = drawn if node.primitive.slope else {**node.saved, **drawn}
            node.save = {**node.save, name: estimator}
    if node.save:
        node.primitive = node.primitive.sketched


def residual(node: Node, name: str) -> Array | None:
    """The array that a node saved under this name; of an element-wise function its slope; None where there is none."""
    if not node.primitive.slope or name in node.saved:
        return node.saved.get(name)
    rule = node.primitive.rules[np.ndarray][0]
    slope: Array = np.asarray(rule(np.ones(node.shape, node.dtype), node.saved))
    return slope


def shared_draw(node: Node, name: str, saved: Array, estimator: Estimator, tape: Recorder) -> Cotangent | None:
    """The sketch of another node of the same array where one draw may serve both; else a new one, None if exact."""
    shares = ends_at_leaves(node, name)
    known = tape.drawn.setdefault(id(saved), []) if shares else []
    for array, other, drawn in known:
        if array() is saved and (other is estimator or (estimator._trusted and other == estimator)):
            before: Cotangent | None = drawn
            return before
    found = new_draw(node, name, saved, estimator, tape)
    if shares:
        known.append((weakref.ref(saved), estimator, found))  # no more than a reference: what was sketched may go
    return found


def two_draws(node: Node, name: str, saved: Array, estimator: Estimator, tape: Recorder) -> dict[str, Cotangent]:
    """Two sketches of an array, independent of each other, by their names; empty where both are the array itself."""
    first, second = (new_draw(node, name, saved, estimator, tape, second=k) for k in (False, True))
    if first is None and second is None:
        return {}
    return {name: saved if first is None else first, twin(name): saved if second is None else second}


def ends_at_leaves(node: Node, name: str) -> bool:
    """True if every gradient that reads this residual ends at a leaf, on the one tape that is recording."""
    if node.primitive.kind != "bilinear" or len(CONTEXT.tapes) > 1:
        return False
    own = node.primitive.inputs.index(name)
    return all(k == own or parent is None or isinstance(parent, Tensor) for k, parent in enumerate(node.parents))


def new_draw(
    node: Node, name: str, saved: Array, estimator: Estimator, tape: Recorder, second: bool = False
) -> Cotangent | None:
    """A sketch of an array; None where the estimator hands it on as it is."""
    exact = saved.astype(SINGLE) if saved.dtype == HALF else saved
    maker = lend if estimator._trusted else generator  # as in `minigrad.engine.sweep`
    names = node.primitive.residuals
    rng = maker(Domain.RESIDUAL, tape.key, node.index, names.index(name) + (len(names) if second else 0))
    view = read_only(exact)
    # Without the node: scores are those of the array itself, which is no cotangent of the node.
    drawn = estimator.sample(view, None, rng)
    if maker is lend:
        give_back(rng)
    return None if drawn is view else checked(drawn, estimator, exact, node)


@contextmanager
def saving(sketched: bool) -> Iterator[None]:
    """Set whether operations heed ``save=`` in this block: ``saving(False)`` records the exact reference of a sketch.

    Parameters
    ----------
    sketched : bool

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    >>> with mg.Tape(rng=0) as tape, mg.saving(False):
    ...     y = mg.ops.linear(np.ones((4, 3)), w, save=Mask(0.5, axis="row"))
    >>> tape.nodes[0].save, type(tape.nodes[0].saved["x"]).__name__
    ({}, 'ndarray')
    """
    before = CONTEXT.saving
    CONTEXT.saving = bool(sketched)
    try:
        yield
    finally:
        CONTEXT.saving = before
