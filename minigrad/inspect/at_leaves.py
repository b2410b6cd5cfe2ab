"""Inspection of estimates of the whole gradient, which need no backward pass.

They are looked at as what an inspection knows already: an estimator at a node. The node joins all leaves into one
vector, the cotangent that arrives there is the exact gradient, and what is drawn in its place is the estimate, which
never looks at that cotangent. So draws, lists of outcomes, verdicts and shares are those of any other estimator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np

from minigrad.engine.context import inside_layer
from minigrad.engine.estimator import Estimator
from minigrad.engine.nesting import active, suspended
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.estimators import WholeGradient
from minigrad.estimators.objective import Objective
from minigrad.inspect.leaves import InspectionTarget, as_vector
from minigrad.inspect.recorded import Record, inspection_target
from minigrad.ops.joining import concatenate
from minigrad.typing import Array

__all__ = ["estimated_target"]


class AtLeaves(Estimator):
    """An estimate of the whole gradient as an estimator of the cotangent of all leaves together."""

    def __init__(self, estimator: WholeGradient, objective: Objective):
        self.whole, self.objective = estimator, objective
        self.unbiased = estimator.unbiased

    def __repr__(self) -> str:
        return repr(self.whole)

    def __deepcopy__(self, memo: dict[int, Any]) -> AtLeaves:
        return AtLeaves(deepcopy(self.whole, memo), self.objective)  # a tape is not copied

    def sample(self, g: Array, node: Any, rng: np.random.Generator) -> Array:
        return self._joined(self.whole.estimate(self.objective, rng), g)

    def outcomes(self, g: Array, node: Any = None) -> Iterator[tuple[float, Array]]:
        for chance, estimate in self.whole.outcomes(self.objective):
            yield chance, self._joined(estimate, g)

    def rare(self, g: Array, level: float, node: Any = None) -> Array | None:
        chance = self.whole.shown(g.size)
        return None if chance is None else np.array(g) if chance < level else np.zeros_like(g)

    def _joined(self, estimate: Sequence[Array], g: Array) -> Array:
        leaves = self.objective.leaves
        shapes = [np.shape(part) for part in estimate]
        if shapes != [leaf.shape for leaf in leaves]:
            raise ValueError(
                f"{self.whole!r} returned arrays of shapes {shapes}, and the gradients have the shapes "
                f"{[leaf.shape for leaf in leaves]}"
            )
        return np.concatenate([np.ravel(part) for part in estimate]).astype(g.dtype, copy=False)


def estimated_target(
    tape: Tape | None,
    loss: Tensor | None,
    wrt: Sequence[Tensor] | None,
    cotangent: Array | None,
    record: Record | None,
    estimator: WholeGradient | None,
) -> InspectionTarget:
    """The target of an inspection: of a tape's own estimators, or of one of the whole gradient in their place.

    Raises
    ------
    TypeError
        If ``estimator`` is none of the whole gradient.
    ValueError
        If the inspected tensors are not all leaves: what is computed on the way has no direction of its own.
    """
    target = inspection_target(tape, loss, wrt, cotangent, record)
    if estimator is None:
        return target
    if not isinstance(estimator, WholeGradient):
        raise TypeError(
            f"estimator= takes an estimate of the whole gradient, such as minigrad.estimators.ForwardGradient(), got "
            f"{estimator!r}. An estimator of cotangents is inspected where it stands: give it to a node (vjp=)"
        )
    leaves = target.tensors
    for k, (name, leaf) in enumerate(zip(target.names, leaves, strict=True)):
        if leaf.tape is not None or any(leaf is other for other in leaves[:k]):
            raise ValueError(
                f"with estimator=, wrt= takes leaves, each once, and {name} of shape {leaf.shape} is not one: the "
                "estimate moves along directions in the space of the leaves"
            )
    exact = as_vector(target.exact_gradient())
    again = None if record is None else partial(record, 0)
    objective = Objective(leaves, (target.tape, target.loss), again, cotangent)
    # Leaves of their own, so that a block that is recording has no part in it.
    stand_ins = [Tensor(leaf.data, requires_grad=True, name=leaf.name) for leaf in leaves]
    with ExitStack() as silence:
        for other in active():
            silence.enter_context(suspended(other))
        with Tape() as joining, inside_layer("all parameters"):
            joined = concatenate(stand_ins, axis=None, vjp=AtLeaves(estimator, objective))
    return InspectionTarget(joining, joined, stand_ins, exact)
