"""Residual sketches: what a node saves for its VJP, replaced by an unbiased random part of it.

Where a VJP is linear in a saved value, as ∂W = Gᵀ X is in X, that value may be replaced in the forward pass by X̂ with
E X̂ = X, drawn independently of everything that shapes G: E[Gᵀ X̂] = Gᵀ X (Theory §1). The outputs stay exact, and
the tape holds X̂, stored as the structured cotangents are, in place of X. Draws are keyed by (tape, node, input), so
two nodes that save one array make two sketches of it, and a sketch at one node shifts the draws of no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from minigrad.arrays import HALF, SINGLE
from minigrad.engine.context import CONTEXT, Recorder
from minigrad.engine.drawing import checked
from minigrad.engine.estimator import Estimator, estimator_hint
from minigrad.engine.node import Node
from minigrad.engine.primitive import Primitive
from minigrad.engine.results import read_only
from minigrad.streams import Domain, generator, give_back, lend

__all__ = ["check_save", "saving", "sketch_residuals"]


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
            "where its VJP is linear in it, as ∂W = GᵀX is in X: for linear, matmul and conv2d. Elsewhere (softmax, "
            "gelu, tanh, a normalisation) the VJP is a curved function f of what is saved, and E f(x̂) is not f(x), or "
            "there is nothing large to save. Sketch the cotangent instead, with vjp="
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
        if name not in node.saved:
            continue  # no gradient that is wanted needs it
        exact = node.saved[name]
        if exact.dtype == HALF:
            exact = exact.astype(SINGLE)
        why = estimator.unfit(exact.shape)
        if why:
            raise ValueError(f"{node.label}: save={{{name!r}: {estimator!r}}}: {why}")
        maker = lend if estimator._trusted else generator  # as in `minigrad.engine.sweep`
        rng = maker(Domain.RESIDUAL, tape.key, node.index, node.primitive.residuals.index(name))
        view = read_only(exact)
        # Without the node: scores are those of the array itself, which is no cotangent of the node.
        drawn = estimator.sample(view, None, rng)
        if maker is lend:
            give_back(rng)
        if drawn is not view:
            node.saved = {**node.saved, name: checked(drawn, estimator, exact, node)}
            node.save = {**node.save, name: estimator}
    if node.save:
        node.primitive = node.primitive.sketched


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
