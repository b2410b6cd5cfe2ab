"""Exact mean and variance of a randomised gradient, by enumeration of every outcome."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from minigrad.engine.drawing import checked
from minigrad.engine.estimator import Estimator, TooManyOutcomes
from minigrad.engine.node import Node
from minigrad.engine.results import read_only
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.estimators import WholeGradient
from minigrad.inspect.at_leaves import estimated_target
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.recorded import Record
from minigrad.report import Report, Table
from minigrad.structure import Cotangent
from minigrad.typing import Array

__all__ = ["LIMIT", "ExactMoments", "count_outcomes", "exact_moments", "node_outcomes", "outcomes", "paths"]

LIMIT = 200_000
"""The number of joint outcomes that are enumerated unless told otherwise."""


@dataclass(frozen=True, repr=False)
class ExactMoments(Report):
    """The first two moments of a gradient, without sampling error.

    Attributes
    ----------
    mean : list of ndarray
        E ĝ for each tensor.
    exact : list of ndarray
        The exact gradient; equal to the mean if the estimators are unbiased.
    total_variance : float
        E‖ĝ − E ĝ‖², the trace of the covariance, over all tensors together. For a loss that is a mean over the
        batch it shrinks with the square of the batch size, as ‖g‖² does.
    by_parameter : dict of str to float
        The share of each tensor; they sum to ``total_variance``.
    bias : float
        ‖E ĝ − g‖.
    outcomes : int
        How many joint outcomes there were.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5)).sum()
    >>> moments = inspect.exact_moments(tape, loss)
    >>> moments.outcomes, round(moments.bias, 9), round(moments.total_variance, 9)
    (4, 0.0, 96.0)
    """

    mean: list[Array]
    exact: list[Array]
    total_variance: float
    by_parameter: dict[str, float]
    bias: float
    outcomes: int

    @property
    def norm(self) -> float:
        """‖g‖ of the exact gradient."""
        return float(np.sqrt(sum(float(np.square(g).sum()) for g in self.exact)))

    def table(self) -> Table:
        """The report as a table."""
        total = self.total_variance or 1.0
        rows = [[name, value, value / total] for name, value in self.by_parameter.items()]
        rows.append(["total", self.total_variance, 1.0 if self.total_variance else 0.0])
        notes = [f"|E ĝ - g| = {self.bias:.3g}, |g| = {self.norm:.3g}"]
        return Table(["parameter", "variance", "share"], rows, f"exact moments over {self.outcomes} outcomes", notes)


def exact_moments(
    tape: Tape | None = None,
    loss: Tensor | None = None,
    wrt: Sequence[Tensor] | None = None,
    *,
    cotangent: Array | None = None,
    limit: int = LIMIT,
    record: Record | None = None,
    estimator: WholeGradient | None = None,
) -> ExactMoments:
    """Compute the mean and the variance of a randomised gradient exactly.

    Every outcome of every estimator is followed, depth first: at each node that has one, the sweep goes on once for
    each outcome, with its probability.

    Parameters
    ----------
    tape : Tape
    loss : Tensor
        Recorded on that tape.
    wrt : sequence of Tensor, optional
        Default: every leaf that the tape read.
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.
    limit : int, default 200,000
        The largest number of joint outcomes.
    record, estimator : callable and WholeGradient, optional
        As for `variance`, and only together or ``estimator`` alone: sketches of residuals are not enumerated.

    Returns
    -------
    ExactMoments

    Raises
    ------
    TooManyOutcomes
        If there are more joint outcomes than ``limit``.
    NotImplementedError
        If an estimator does not list its outcomes.
    ValueError
        If the probabilities that an estimator lists do not sum to 1, or there is ``record`` without ``estimator``.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.eye(2), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((1, 2)), w, vjp=Mask(0.5)).sum()
    >>> print(exact_moments(tape, loss))
    exact moments over 4 outcomes
    parameter  variance  share
    w                 4      1
    total             4      1
    |E ĝ - g| = 0, |g| = 2
    """
    if record is not None and estimator is None:
        raise ValueError(
            "exact_moments: record= is for an estimator= that computes the loss again. Outcomes of residual sketches "
            "are not enumerated: use inspect.variance and inspect.unbiasedness, or record in minigrad.saving(False)"
        )
    target = estimated_target(tape, loss, wrt, cotangent, record, estimator)
    exact = target.exact()
    mean, squares, weight, count = np.zeros_like(exact), np.zeros_like(exact), 0.0, 0
    for probability, gradient in outcomes(target, limit):
        # West's weighted update: no difference of large sums.
        count += 1
        weight += probability
        step = gradient - mean
        mean += step * (probability / weight)
        squares += probability * step * (gradient - mean)
    squares /= weight
    return ExactMoments(
        mean=target.split(mean),
        exact=target.split(exact),
        total_variance=float(squares.sum()),
        by_parameter=target.by_parameter(squares),
        bias=float(np.linalg.norm(mean - exact)),
        outcomes=count,
    )


def outcomes(
    target: InspectionTarget, limit: int, random: Sequence[int] | None = None
) -> Iterator[tuple[float, Array]]:
    """Every gradient that the estimators on a tape can give, as one vector, with its probability.

    ``random`` are the nodes whose estimators are used, as in `Sweep`.
    """
    sweep = target.sweep(random)
    first = sweep.advance()
    if first is None:
        yield 1.0, target.vector(sweep)
        return
    check_count(first, limit)
    # Depth first: at each open node the iterator of its outcomes, and the sweep that stopped there.
    opened = [(1.0, sweep, first[0], node_outcomes(*first, limit))]
    found = 0
    while opened:
        probability, sweep, node, branches = opened[-1]
        branch = next(branches, None)
        if branch is None:
            opened.pop()
            continue
        chance, cotangents = branch
        sweep = sweep.copy()
        sweep.apply(node, cotangents)
        stop = sweep.advance()
        if stop is not None:
            opened.append((probability * chance, sweep, stop[0], node_outcomes(*stop, limit)))
            continue
        found += 1
        if found > limit:
            raise too_many(limit)
        if probability * chance > 0:
            yield probability * chance, target.vector(sweep)


def paths(target: InspectionTarget, limit: int) -> list[int]:
    """The number of outcomes of each random node if what arrives is exact; at most a little over ``limit`` each."""
    counts = []
    sweep = target.sweep()
    while (stop := sweep.advance()) is not None:
        counts.append(count_outcomes(*stop, limit))
        sweep.apply(stop[0], [stop[1]] * len(stop[0].parents))
    return counts


def count_outcomes(node: Node, g: Cotangent, limit: int) -> int:
    """The number of joint outcomes of the estimators of a node; each is counted to ``limit`` + 1 and no further."""
    each = (itertools.islice(estimator.outcomes(read_only(g), node), limit + 1) for estimator, _ in node.draws())
    return math.prod(sum(1 for _ in found) for found in each)


def check_count(stop: tuple[Node, Cotangent], limit: int) -> None:
    """Raise at once if the first node alone has too many outcomes: each of them leads to at least one gradient."""
    if count_outcomes(*stop, limit) > limit:
        raise too_many(limit)


def too_many(limit: int) -> TooManyOutcomes:
    """The error for more outcomes than the limit."""
    return TooManyOutcomes(
        f"the estimators on this tape have more than {limit:,} joint outcomes (the numbers of several nodes multiply). "
        "Make some nodes exact, use smaller shapes or design='systematic', raise limit=, or use draws: "
        "inspect.variance and inspect.unbiasedness"
    )


def node_outcomes(node: Node, g: Cotangent, limit: int) -> Iterator[tuple[float, list[Cotangent]]]:
    """Every set of cotangents, one for each input, that the estimators of one node can give."""
    draws = node.draws()
    if not draws:
        yield 1.0, [g] * len(node.parents)
        return
    # Only the last estimator's outcomes are made one at a time; with several, the others are kept for the product.
    kept = [list(itertools.islice(listed(estimator, g, node), limit + 1)) for estimator, _ in draws[:-1]]
    if math.prod(map(len, kept)) > limit:
        raise too_many(limit)
    for choice in itertools.product(*kept):
        for last in listed(draws[-1][0], g, node):
            chance = 1.0
            out: list[Cotangent] = [g] * len(node.parents)
            for (_, edges), (probability, outcome) in zip(draws, (*choice, last), strict=True):
                chance *= probability
                for edge in edges:
                    out[edge] = outcome
            yield chance, out


def listed(estimator: Estimator, g: Cotangent, node: Node) -> Iterator[tuple[float, Cotangent]]:
    """The outcomes of one estimator, checked on the way: cotangents of the right shape, probabilities that sum to 1."""
    total = 0.0
    for probability, outcome in estimator.outcomes(read_only(g), node):
        if not -1e-12 <= probability <= 1 + 1e-9:
            raise ValueError(
                f"{node.label}: {estimator!r} lists an outcome with probability {probability:.6g}; probabilities lie "
                "in [0, 1]. Look at its `outcomes`: it yields (probability, cotangent), in this order"
            )
        total += probability
        yield probability, checked(outcome, estimator, g, node)
    if not abs(total - 1) <= 1e-9:
        raise ValueError(
            f"{node.label}: the probabilities that {estimator!r} lists sum to {total:.9g}, not to 1. Look at its "
            "`outcomes`: is one left out (the empty draw?), listed twice, or given a wrong probability?"
        )
