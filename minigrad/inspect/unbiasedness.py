"""Is a randomised gradient unbiased? Exactly where all outcomes can be listed, and by a test on draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.inspect.increments import increments
from minigrad.inspect.leaves import Wanted
from minigrad.inspect.pilot import pilot
from minigrad.inspect.probes import (
    Moments,
    Probes,
    bernstein,
    check_finite,
    detectable_mean,
    drawn_moments,
    listed_moments,
    pilot_direction,
    rounding_of,
)
from minigrad.inspect.recorded import Record, wanted_of
from minigrad.inspect.verdicts import ParameterVerdict, by_parameter
from minigrad.report import Table, json_ready
from minigrad.streams import Domain, child, draw_key, key_of
from minigrad.tape import Tape
from minigrad.tensor import Tensor
from minigrad.typing import Array, Seed

__all__ = ["Unbiasedness", "unbiasedness"]

LIMIT = 4096
"""Joint outcomes up to which the mean is computed exactly."""

EFFECTIVE = 10.0
"""A probe that saw fewer large events than this says nothing."""

KEPT = 20.0
"""Nor does a test in which a mean unit was kept less often."""

RAREST = 0.1
"""No unit is taken to be kept with less than this part of the mean probability at its node."""


@dataclass(frozen=True)
class Unbiasedness:
    """The answer of `unbiasedness`.

    Attributes
    ----------
    passed : bool
        Nothing speaks against E ĝ = g, and there was enough to see.
    verdict : {"passed", "failed", "inconclusive"}
    p_value : float
        Smallest adjusted p-value of all probes that saw enough events: the chance of seeing something as extreme if ĝ
        were unbiased. 0 where enumeration shows a bias.
    alpha : float
        The family-wise false-alarm rate.
    method : str
        How it was found out, and on what the false-alarm rate rests.
    draws : int
    enumerated : int
        Joint outcomes that were listed; 0 for none.
    parameters : tuple of ParameterVerdict
    worst_parameter : str or None
    worst_node : int or None
        Index of the node whose own noise has the smallest p-value; looked for when the test fails.
    worst_node_label : str or None
    detectable : float
        The largest over parameters, of those with a gradient that is not 0, of the smallest relative bias that would
        have been detected.
    notes : tuple of str

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5)).sum()
    >>> report = inspect.unbiasedness(tape, loss, draws=200, rng=0)
    >>> report.passed, report.enumerated, report.alpha
    (True, 4, 1e-06)
    """

    passed: bool
    verdict: str
    p_value: float
    alpha: float
    method: str
    draws: int
    enumerated: int
    parameters: tuple[ParameterVerdict, ...]
    worst_parameter: str | None
    worst_node: int | None
    worst_node_label: str | None
    detectable: float
    notes: tuple[str, ...] = field(default=())

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [p.name, "all" if p.worst_row is None else p.worst_row, f"{100 * p.bias:+.3g}".rjust(8), p.p_value,
             f"{100 * p.detectable:.3g}".rjust(10)]
            for p in self.parameters
        ]  # fmt: skip
        notes = [f"{self.method}; family-wise false-alarm rate {self.alpha:g}", *self.notes]
        if self.worst_node is not None:
            notes.append(f"look at node {self.worst_node}: {self.worst_node_label}")
        title = f"unbiasedness: {self.verdict} (p = {self.p_value:.2g})"
        heads = ["parameter", "worst row", "bias / %", "p-value", "detectable / %"]
        return Table(heads, rows, title, notes)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        parameters = [vars(p) for p in self.parameters]
        return dict(json_ready({**fields, "parameters": parameters, "notes": list(self.notes)}))


def unbiasedness(
    tape: Tape | None = None,
    loss: Tensor | None = None,
    wrt: Sequence[Tensor] | None = None,
    draws: int = 2000,
    rng: Seed = None,
    *,
    alpha: float = 1e-6,
    limit: int = LIMIT,
    cotangent: Array | None = None,
    record: Record | None = None,
) -> Unbiasedness:
    """Test whether the randomised gradient of a recorded tape has the exact one as its mean.

    Where the joint outcomes of all estimators are at most ``limit``, the mean is computed exactly, to rounding. In any
    case draws are tested as well, for an estimator may draw other things than it lists, or two nodes may share a draw.

    Parameters
    ----------
    tape : Tape
    loss : Tensor
        Recorded on that tape.
    wrt : sequence of Tensor, optional
        Default: every leaf that the tape read.
    draws : int, default 2000
        Backward passes; at least 100. A quarter is the pilot that says where to look.
    rng : Generator, int or None
    alpha : float, default 1e-6
        Family-wise false-alarm rate, over all probes.
    limit : int, default 4096
        Joint outcomes up to which the mean is computed exactly.
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.
    record : callable, optional
        As for `variance`: needed with residual sketches. Each draw is then recorded afresh, nothing is enumerated, and
        no single node is named.

    Returns
    -------
    Unbiasedness

    Raises
    ------
    ValueError
        If the tape holds residual sketches and there is no ``record``, there are too few draws, alpha is outside
        (0, 1), the exact gradient is not finite, or the probabilities that an estimator lists do not sum to 1.

    Notes
    -----
    For each parameter and each of its rows (entries of the first axis), two projections of ĝ − g must have mean 0: one
    along g, and one along the mean error of the pilot. Their means are tested with Bernstein's inequality, and the
    p-values multiplied by the number of probes (Bonferroni). With all outcomes listed, the variance and the largest
    possible ``|z|`` are known and the test is distribution-free. Otherwise the variance is that of the draws and the
    range is taken as twice the largest ``|z|`` seen, which is right for many draws only: the method is then labelled
    asymptotic.

    What was never seen cannot be judged: a unit kept once in 100,000 draws looks as if it were lost. So draws alone
    condemn nothing unless a mean unit of every node was kept 20 times, and the probe has an effective number of events,
    n·variance/(largest deviation)², of 10. A probe that never varies is condemned if a unit ten times rarer than the
    mean one would have been seen; otherwise the verdict is "inconclusive". Rounding is allowed for: 64 units in the
    last place, and 16 times what exact sweeps with rescaled cotangents differ by.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import Mask, TopK
    >>> w = mg.Tensor(np.eye(3), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((2, 3)), w, vjp=Mask(0.5)).sum()
    >>> unbiasedness(tape, loss, rng=0).verdict
    'passed'
    >>> tape.nodes[0].vjp = TopK(0.5)
    >>> unbiasedness(tape, loss, rng=0).verdict
    'failed'
    """
    if draws < 100:
        raise ValueError(f"unbiasedness: draws={draws}; at least 100 are needed for a pilot and a test")
    if not 0 < alpha < 1:
        raise ValueError(f"unbiasedness: alpha={alpha} must lie in (0, 1)")
    wanted = wanted_of(tape, loss, wrt, cotangent, record)
    exact, key = wanted.exact_gradient(), key_of(rng)
    check_finite(wanted, exact)
    first = draws // 4
    errors, kept = pilot(wanted, exact, key, first)
    mean, second = errors.mean(), errors.mean_square()
    if not all(np.isfinite(part).all() for part in (*mean, *second)):
        return _not_finite(wanted, alpha, draws)
    probes = Probes(wanted, exact, [exact, pilot_direction(mean, second)])
    listed = listed_moments(wanted, exact, probes, limit) if record is None else None
    seen = drawn_moments(wanted, probes, [draw_key(key, number) for number in range(draws - first)])
    if not np.isfinite(seen.square).all():
        return _not_finite(wanted, alpha, draws)
    rounding = rounding_of(wanted, exact, second, probes)

    count = draws - first
    known = seen if listed is None else listed
    bound = np.maximum(known.top * (2 if listed is None else 1), rounding)
    spread = np.maximum(known.square, rounding**2)
    excess = np.maximum(np.abs(seen.mean) - rounding, 0.0)
    certain = np.zeros(probes.size, dtype=bool)
    if listed is not None:
        certain = np.abs(listed.mean) > rounding
        excess = np.where(certain, np.abs(listed.mean), excess)
    chance = probes.size * bernstein(excess, spread, bound, count)
    p = np.where(certain, 0.0, np.clip(chance, np.finfo(float).tiny, 1.0))  # 0 is kept for what is certain
    smallest = detectable_mean(spread, bound, count, alpha / probes.size) + rounding
    conclusive = np.ones(probes.size, dtype=bool)
    if listed is None:
        share = kept.smallest_share()
        # A probe that does not vary at all: either it is off for certain, or what makes up for it is rare.
        still = seen.deviation <= rounding
        enough = RAREST * share * count >= np.log(2 * probes.size / alpha)
        conclusive = np.where(still, enough, (seen.effective >= EFFECTIVE) & (share * count >= KEPT))
        conclusive |= seen.top <= rounding

    suspect = p < alpha
    p = np.where(conclusive, p, 1.0)
    failed = bool((p < alpha).any())
    # Where probes tie (p = 0), the strongest by signal to noise is named.
    strength = np.square(excess) / (spread + bound * excess / 3 + np.finfo(float).tiny)
    order = np.lexsort((-strength, p))
    verdicts = by_parameter(
        probes, known.mean, np.where(certain, known.mean, seen.mean), p, order, smallest, conclusive
    )
    unclear = not failed and (bool(suspect.any()) or not all(v.conclusive for v in verdicts))
    verdict = "failed" if failed else "inconclusive" if unclear else "passed"
    node = None
    if failed and record is None:
        worst = int(order[0])
        node = _worst_node(
            wanted, exact, probes, worst, bool(certain[worst]), child(Domain.SUSPECT, key), min(count, 1000)
        )
    method = f"{count} draws after a pilot, asymptotic (the range of the draws is estimated)"
    if listed is not None:
        method = f"all {listed.count} outcomes listed: exact; {count} draws, distribution-free"
    notes = []
    if unclear:
        unsure = {name for (name, _), odd in zip(probes.labels, suspect, strict=True) if odd}
        names = [v.name for v in verdicts if not v.conclusive or v.name in unsure]
        notes.append(f"too few events in {', '.join(names)}: take more draws, or larger budgets")
    return Unbiasedness(
        passed=verdict == "passed",
        verdict=verdict,
        p_value=float(p.min()),
        alpha=alpha,
        method=method,
        draws=draws,
        enumerated=0 if listed is None else listed.count,
        parameters=tuple(verdicts),
        worst_parameter=probes.labels[order[0]][0] if p[order[0]] < 1 else None,
        worst_node=node,
        worst_node_label=None if node is None else f"{wanted.tape.nodes[node].label}, {wanted.tape.nodes[node].vjp!r}",
        detectable=max([v.detectable for v in verdicts if np.isfinite(v.detectable)], default=0.0),
        notes=tuple(notes),
    )


def _not_finite(wanted: Wanted, alpha: float, draws: int) -> Unbiasedness:
    """The report where some draw was NaN or infinite although the exact gradient is finite."""
    return Unbiasedness(
        passed=False,
        verdict="failed",
        p_value=0.0,
        alpha=alpha,
        method="draws that are not finite",
        draws=draws,
        enumerated=0,
        parameters=tuple(ParameterVerdict(name, None, math.nan, 0.0, math.inf, True) for name in wanted.names),
        worst_parameter=wanted.names[0] if len(wanted.names) == 1 else None,
        worst_node=None,
        worst_node_label=None,
        detectable=math.inf,
        notes=("some draws are NaN or infinite, but the exact gradient is not: is a probability 0?",),
    )


def _worst_node(
    wanted: Wanted, exact: Sequence[Array], probes: Probes, probe: int, certain: bool, key: int, draws: int
) -> int | None:
    """The node that puts most on the mean of one probe: alone, by its list, or else by draws, less a standard error."""
    scores: dict[int, float] = {}
    if certain:
        for node in wanted.tape.nodes:
            alone = None if node.vjp is None else listed_moments(wanted, exact, probes, LIMIT, node.index)
            if alone is not None:
                scores[node.index] = abs(float(alone.mean[probe]))
    else:
        seen: dict[int, Moments] = {}
        for number in range(draws):
            for step in increments(wanted, draw_key(key, number)):
                before, after = probes.of([step.before, step.after], 2)
                seen.setdefault(step.index, Moments(1)).add((after - before)[[probe]])
        for index, z in seen.items():
            scores[index] = abs(float(z.mean[0])) - float(np.sqrt(z.variance[0] / draws))
    return max(scores, key=lambda k: scores[k]) if scores else None
