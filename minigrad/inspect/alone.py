"""The estimator of one node alone: its own bias, exact where its outcomes are few, and its share in that of the whole.

E ĝ = g at a node, given what arrives there, is all that an unbiased gradient asks of an estimator. With all others
exact there is no noise from elsewhere, and one list does where the joint outcomes of all nodes are too many.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from minigrad.engine.drawing import draw, sketch
from minigrad.engine.estimator import Estimator, TooManyOutcomes
from minigrad.engine.node import Node
from minigrad.engine.residuals import residual
from minigrad.fingerprint import FingerprintError, describe
from minigrad.inspect.increments import increments
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.moments import count_outcomes, node_outcomes
from minigrad.inspect.probes import Moments, Probes, listed_moments, surely_off
from minigrad.streams import Domain, draw_key, generator
from minigrad.structure import Cotangent, dense
from minigrad.typing import Array

__all__ = ["biased_alone", "fixed", "moments_of_one", "sketches_draw_nothing", "states", "worst_node"]

LISTED = 1024
"""Outcomes of one node up to which the mean of its cotangents is computed."""

PULLED = 64
"""And up to which all of them are pulled back to the leaves, even where that mean is right: a rule may be wrong."""


def states(target: InspectionTarget) -> dict[int, str]:
    """For each random node what its estimators hold, if that can be told: one that changes it may remember draws."""
    found = {}
    for node in target.tape.nodes:
        if node.vjp is not None:
            with contextlib.suppress(FingerprintError):
                held = [vars(estimator) for estimator, _ in node.draws()]
                found[node.index] = json.dumps(describe(held, node.label), sort_keys=True)
    return found


def fixed(target: InspectionTarget, before: Mapping[int, str]) -> set[int]:
    """The nodes whose estimators draw nothing: they leave their generator alone, and their state is as ``before``."""
    now = states(target)
    found = {index for index, state in now.items() if before.get(index) == state}
    sweep = target.sweep()
    while (stop := sweep.advance()) is not None:
        node, g = stop
        if node.index in found and not all(_draws_nothing(estimator, g, node) for estimator, _ in node.draws()):
            found.discard(node.index)
        sweep.apply(node, [g] * len(node.parents))
    return found


def sketches_draw_nothing(target: InspectionTarget) -> bool:
    """True if no sketch of a residual draws anything; true where there are none."""
    fresh = target.fresh(0)
    for node, exact in zip(fresh.tape.nodes, target.tape.nodes, strict=True):
        for name, estimator in node.save.items():
            if not _draws_nothing(estimator, np.asarray(residual(exact, name)), exact):
                return False
    return True


def _draws_nothing(estimator: Estimator, g: Cotangent, node: Node) -> bool:
    try:
        copy.deepcopy(estimator)
    except Exception:  # whatever it holds, such as a tape, does not say why it cannot be copied
        return False
    outs = []
    for seed in range(2):
        rng = generator(Domain.LISTENED, seed)
        before = _state(rng)
        outs.append(dense(sketch(copy.deepcopy(estimator), g, node, rng)))
        if _state(rng) != before:
            return False
    return np.array_equal(outs[0], outs[1], equal_nan=True)


def _state(rng: np.random.Generator) -> tuple[str, int]:
    """The state of a generator, which changes when it draws, or makes others."""
    return repr(rng.bit_generator.state), int(rng.bit_generator.seed_seq.n_children_spawned)  # type: ignore[attr-defined]


def moments_of_one(target: InspectionTarget, probes: Probes, random: Sequence[int] | None = None) -> Moments:
    """The probes' moments where every draw is the same; ``random`` as in `Sweep`."""
    fresh = target.fresh(0)
    sweep = fresh.sweep(random)
    while (stop := sweep.advance()) is not None:
        sweep.apply(stop[0], draw(*stop, 0))
    found = Moments(probes.size)
    found.add(probes.of([fresh.gradient(sweep)], 1))
    return found


def biased_alone(
    target: InspectionTarget, exact: Sequence[Array], probes: Probes, rounding: Array, nothing_drawn: Collection[int]
) -> dict[int, Moments]:
    """The nodes whose estimator makes the gradient biased though all others are exact, and the probes' moments then."""
    found = {}
    sweep = target.sweep()
    while (stop := sweep.advance()) is not None:
        node, g = stop
        if node.index in nothing_drawn or _worth_pulling(node, g):
            if node.index in nothing_drawn:
                alone: Moments | None = moments_of_one(target, probes, [node.index])
            else:
                alone = listed_moments(target, exact, probes, LISTED, node.index)
            if alone is not None and surely_off(alone, rounding).any():
                found[node.index] = alone
        sweep.apply(node, [g] * len(node.parents))
    return found


def _worth_pulling(node: Node, g: Cotangent) -> bool:
    """True if the outcomes of a node can be listed, and are few, or have another mean than its cotangent."""
    try:
        count = count_outcomes(node, g, LISTED)
        if count <= PULLED or count > LISTED:
            return count <= PULLED
        means = [np.zeros(g.shape) for _ in node.parents]
        for probability, cotangents in node_outcomes(node, g, LISTED):
            for mean, cotangent in zip(means, cotangents, strict=True):
                mean += probability * dense(cotangent)
    except (TooManyOutcomes, NotImplementedError):
        return False
    g = dense(g)
    rounding = 64 * float(np.finfo(g.dtype).eps) * float(np.abs(g).max(initial=0.0))
    return any(bool((np.abs(mean - g) > rounding).any()) for mean in means)


def worst_node(
    target: InspectionTarget, exact: Sequence[Array], probes: Probes, probe: int, key: int, draws: int
) -> int | None:
    """The node that puts most on the mean of one probe: by its list, or else by draws, less a standard error.

    ``draws`` is 0 where the outcomes of all nodes are listed.
    """
    scores: dict[int, float] = {}
    if not draws:
        for node in target.tape.nodes:
            alone = None if node.vjp is None else listed_moments(target, exact, probes, LISTED * 4, node.index)
            if alone is not None:
                scores[node.index] = abs(float(alone.mean[probe]))
    seen: dict[int, Moments] = {}
    for number in range(draws):
        for step in increments(target, draw_key(key, number)):
            before, after = probes.of([step.before, step.after], 2)
            seen.setdefault(step.index, Moments(1)).add((after - before)[[probe]])
    for index, z in seen.items():
        scores[index] = abs(float(z.mean[0])) - float(np.sqrt(z.variance[0] / draws))
    return max(scores, key=lambda k: scores[k]) if scores else None
