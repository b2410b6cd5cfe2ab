"""What the tests of the estimators share: the estimators, the nodes, and every backward pass with its probability.

Index conventions: G has B rows and m columns; x is (…, B, n), w is (m, n); a is (…, B, n), b is (…, n, m).
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

import minigrad as mg
from minigrad import ops
from minigrad.engine.wanted import arrived
from minigrad.estimators import WinnerTakeAll, WithReplacement, with_budget
from minigrad.estimators.dual import Dual
from minigrad.estimators.text import ESTIMATORS
from minigrad.structure import dense

AXES = ("column", "row", "sample", "element")
DESIGNS = ("poisson", "systematic")
TARGETS = ("cotangent", "input", "weight", "both")
DRAWN = (WithReplacement, WinnerTakeAll)
KINDS = ("gaussian", "rademacher", "countsketch", "orthogonal")

OPTIONS = {"axis": AXES, "target": TARGETS, "design": DESIGNS, "kind": KINDS, "oversampling": (0,)}
"""What each option is tried with; others keep their defaults."""

REGISTERED = [ESTIMATORS.find(name) for name in ESTIMATORS.names()]
CLASSES = [
    cls for cls in REGISTERED
    if cls.__module__.startswith("minigrad.") and any(field.name == "budget" for field in dataclasses.fields(cls))
]  # fmt: skip
"""Every estimator of the library with a budget."""


DUAL = [cls for cls in CLASSES if issubclass(cls, Dual)]
"""Those that take a distortion in place of a budget."""


def every(budget):
    """Every estimator in every combination of its options, the biased ones too; with a distortion where it takes one.

    The distortion is that of a uniform mask with the budget; independent draws are enough for it.
    """
    found = []
    for cls in CLASSES:
        names = [field.name for field in dataclasses.fields(cls) if field.name in OPTIONS]
        for choice in itertools.product(*[OPTIONS[name] for name in names]):
            options = dict(zip(names, choice, strict=True))
            found.append(cls(budget, **options))
            if cls in DUAL and options.get("design") != "systematic":
                found.append(cls(distortion=1 / budget - 1, **options))
    return found


def knows(estimator, method):
    """Whether an estimator has a closed form, whatever its budget."""
    found = getattr(with_budget(estimator, 0.5), method)
    try:
        if method == "outcomes":
            next(found(normal(0, 3, 4)))
        else:
            found(normal(0, 3, 4))
    except NotImplementedError:
        return False
    return True


def unbiased(budget):
    """Every unbiased estimator."""
    return [estimator for estimator in every(budget) if estimator.unbiased]


def finite(budget):
    """Every unbiased estimator whose outcomes can be listed."""
    return [estimator for estimator in unbiased(budget) if knows(estimator, "outcomes")]


def closed(budget):
    """Every estimator that knows its distortion, the biased ones too."""
    return [estimator for estimator in every(budget) if knows(estimator, "distortion")]


def normal(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# Operands of one bilinear node, and the shapes that they have.
LINEAR = {
    "linear": ((3, 2), (3, 2)),
    "linear, x with three axes": ((2, 2, 3), (2, 3)),
    "linear, x a vector": ((3,), (4, 3)),
}
MATMUL = {
    "matmul": ((3, 2), (2, 3)),
    "matmul, batched": ((2, 2, 3), (2, 3, 2)),
    "matmul, b for all batches": ((2, 2, 3), (3, 2)),
    "matmul, a for all batches": ((2, 3), (2, 3, 2)),
    "matmul, batches of both broadcast": ((2, 1, 1, 2), (1, 2, 2, 2)),
    "matmul, a batch of one": ((1, 2, 2), (2, 2, 2)),
    "matmul, a a vector": ((3,), (2, 3, 2)),
    "matmul, b a vector": ((2, 2, 3), (3,)),
}


def bilinear(name, vjp, dtype=np.float64):
    """Record one node by its name in LINEAR or MATMUL; return the tape, its output, the leaves and a cotangent."""
    is_linear = name in LINEAR
    shapes = LINEAR[name] if is_linear else MATMUL[name]
    if is_linear:
        shapes = (*shapes, shapes[1][:1])
    leaves = [mg.Tensor(normal(k, *shape, dtype=dtype), requires_grad=True) for k, shape in enumerate(shapes)]
    with mg.Tape() as tape:
        y = (ops.linear if is_linear else ops.matmul)(*leaves, vjp=vjp)
    return tape, y, leaves, normal(9, *y.shape, dtype=dtype)


def network(vjp, rows=2, widths=(2, 2, 2, 1), dtype=np.float64):
    """Record a network of linear layers with a tanh between; return the tape, the loss and the leaves."""
    h = normal(20, rows, widths[0], dtype=dtype)
    leaves = []
    with mg.Tape() as tape:
        for k, (n, m) in enumerate(itertools.pairwise(widths)):
            w = mg.Tensor(normal(30 + k, m, n, dtype=dtype), requires_grad=True)
            b = mg.Tensor(normal(40 + k, m, dtype=dtype), requires_grad=True)
            leaves += [w, b]
            h = ops.linear(ops.tanh(h) if k else h, w, b, vjp=vjp)
        loss = (h * h).sum()
    return tape, loss, leaves


def answers(node, g):
    """Every way to answer a stop of the sweep: (probability, one cotangent for each input)."""
    draws = node.draws()
    for choice in itertools.product(*[list(estimator.outcomes(g, node)) for estimator, _ in draws]):
        probability, cotangents = 1.0, [g] * len(node.parents)
        for (chance, cotangent), (_, edges) in zip(choice, draws, strict=True):
            probability *= chance
            for edge in edges:
                cotangents[edge] = cotangent
        yield probability, cotangents


def passes(tape, y, wrt, cotangent=None):
    """Every backward pass, depth first: (probability, gradients as one vector)."""

    def go_on(sweep, probability):
        stop = sweep.advance()
        if stop is None:
            yield probability, np.concatenate([dense(arrived(sweep, leaf, tape)).ravel() for leaf in wrt])
            return
        node, g = stop
        for chance, cotangents in answers(node, g):
            branch = sweep.copy()
            branch.apply(node, cotangents)
            yield from go_on(branch, probability * chance)

    keep = frozenset(leaf.node for leaf in wrt if leaf.node is not None)
    yield from go_on(tape.sweep(y, cotangent, keep), 1.0)


def moments(outcomes):
    """Of (probability, array) pairs: total probability, mean, and trace of the covariance, summed stably."""
    outcomes = list(outcomes)
    total = sum(p for p, _ in outcomes)
    mean = sum(p * dense(value) for p, value in outcomes)
    return total, mean, float(sum(p * np.sum((dense(value) - mean) ** 2) for p, value in outcomes))


def exact(tape, y, wrt, cotangent=None):
    """The exact gradients of a tape as one vector, whatever estimators it carries."""
    kept = [node.vjp for node in tape.nodes]
    try:
        for node in tape.nodes:
            node.vjp = None
        return np.concatenate([g.ravel() for g in tape.gradients(y, wrt, cotangent)])
    finally:
        for node, vjp in zip(tape.nodes, kept, strict=True):
            node.vjp = vjp


def assert_unbiased(tape, y, wrt, cotangent=None):
    """By enumeration: the probabilities sum to 1, and the mean is the exact gradient, both to 1e-12."""
    total, mean, _ = moments(passes(tape, y, wrt, cotangent))
    wanted = exact(tape, y, wrt, cotangent)
    assert abs(total - 1) < 1e-12
    np.testing.assert_allclose(mean, wanted, rtol=0, atol=1e-12 * max(1.0, np.abs(wanted).max()))
