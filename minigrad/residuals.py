"""Residual sketches: what a node saves for its VJP, replaced by an unbiased random part of it.

Where a VJP is linear in a saved value, as ∂W = Gᵀ X is in X, that value may be replaced in the forward pass by X̂ with
E X̂ = X, drawn independently of everything that shapes G: E[Gᵀ X̂] = Gᵀ X (THEORY.md §1). The outputs stay exact, and
the tape holds X̂, stored as the structured cotangents are, in place of X. Draws are keyed by (tape, node, input), so
two nodes that save one array make two sketches of it, and a sketch at one node shifts the draws of no other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, TypeAlias

from minigrad.arrays import HALF, SINGLE
from minigrad.context import CONTEXT
from minigrad.estimator import Estimator
from minigrad.node import Node, estimator_hint
from minigrad.results import read_only
from minigrad.streams import Domain, generator
from minigrad.structure import Cotangent, Structured
from minigrad.sweep import checked

if TYPE_CHECKING:
    from minigrad.primitive import Operation, Primitive
    from minigrad.tape import Tape

__all__ = ["Save", "check_save", "saving", "sketch_residuals", "sketchable"]

Rule: TypeAlias = Callable[..., Cotangent]
Save: TypeAlias = "Estimator | Mapping[str, Estimator] | None"
"""What ``save=`` takes: None saves all; one estimator draws for each saved input by itself; or a mapping by name."""


def sketchable(operation: Operation, *residuals: str) -> None:
    """Let an operation take ``save=``: its VJPs are linear in each of these saved inputs.

    A bilinear primitive gets the structured X̂ in its rules; for others X̂ is made dense in the backward pass, while it
    is needed.

    Parameters
    ----------
    operation : Operation
        Saves each of these inputs in full, under its own name, and no two of them enter one VJP rule.
    *residuals : str
        Names of saved inputs.

    Raises
    ------
    TypeError
        If the operation takes ``*arrays``, which have no names.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.estimators import Mask
    >>> @mg.primitive(w=lambda g, saved: g * saved["x"])
    ... def scale(w, x):
    ...     return w * x, {"x": x}
    >>> sketchable(scale, "x")
    >>> w = mg.Tensor(np.ones(4), requires_grad=True)
    >>> with mg.Tape(rng=1) as tape:
    ...     y = scale(w, x=np.arange(1.0, 5.0), save=Mask(0.5)).sum()
    >>> tape.gradients(y, [w])[0].tolist(), tape.nodes[0].saved["x"]
    ([2.0, 0.0, 6.0, 0.0], Columns(shape=(4,), dtype=float64, stored 1×2, 2))
    """
    primitive = operation.primitive
    if primitive.variadic:
        raise TypeError(f"{primitive.name}: residuals are known by the names of inputs, and *arrays have none")
    primitive.residuals = residuals
    if not primitive.bilinear:
        primitive.sketched = written_out(primitive)
    signature = inspect.signature(operation)
    shown = [*signature.parameters.values(), inspect.Parameter("save", inspect.Parameter.KEYWORD_ONLY, default=None)]
    operation.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]


def written_out(primitive: Primitive) -> Primitive:
    """The same primitive with rules that first make sketched residuals dense; nodes without pay nothing for it."""

    def with_dense(rule: Rule) -> Rule:
        def written(g: Cotangent, saved: dict[str, Any]) -> Cotangent:
            sketches = [name for name in primitive.residuals if isinstance(saved.get(name), Structured)]
            return rule(g, {**saved, **{name: saved[name].dense() for name in sketches}})

        return written

    made = copy(primitive)
    made.rules = {structure: tuple([with_dense(rule) for rule in rules]) for structure, rules in made.rules.items()}
    return made


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


def sketch_residuals(node: Node, save: Mapping[str, Estimator], tape: Tape) -> None:
    """Replace what a node saved by sketches of it, drawn from the tape's forward stream."""
    if not CONTEXT.saving:
        return
    for name, estimator in save.items():
        if name not in node.saved:
            continue  # no gradient that is wanted needs it
        exact = node.saved[name]
        if exact.dtype == HALF:
            exact = exact.astype(SINGLE)
        rng = generator(Domain.RESIDUAL, tape.key, node.index, node.primitive.residuals.index(name))
        view = read_only(exact)
        # Without the node: scores are those of the array itself, which is no cotangent of the node.
        drawn = estimator.sample(view, None, rng)
        if drawn is not view:
            node.saved = {**node.saved, name: checked(drawn, estimator, exact, node)}
            node.save = {**node.save, name: estimator}
    if node.save:
        node.primitive = node.primitive.sketched


@contextmanager
def saving(sketched: bool) -> Iterator[None]:
    """Whether operations heed ``save=`` in this block: ``saving(False)`` records the exact reference of a sketch.

    Parameters
    ----------
    sketched : bool

    Examples
    --------
    >>> import minigrad as mg
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
