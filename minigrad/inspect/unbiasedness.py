"""Is a randomised gradient unbiased? Exactly where all outcomes can be listed, and by a test on draws."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigrad.counts import MOST_DRAWS, count
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.estimators import WholeGradient
from minigrad.inspect.alone import biased_alone, fixed, moments_of_one, sketches_draw_nothing, states, worst_node
from minigrad.inspect.at_leaves import estimated_target
from minigrad.inspect.evidence import Evidence, take
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.pilot import pilot
from minigrad.inspect.probes import (
    Moments,
    Probes,
    check_finite,
    listed_moments,
    pilot_direction,
    rounding_of,
    surely_off,
)
from minigrad.inspect.recorded import Record, Recorded
from minigrad.inspect.verdicts import ParameterVerdict, Unbiasedness, Verdict, by_parameter
from minigrad.streams import Domain, child, key_of
from minigrad.typing import Array, Seed

__all__ = ["Unbiasedness", "unbiasedness"]

LIMIT = 4096
"""Joint outcomes up to which the mean is computed exactly."""

DRAWS, MOST = 2000, 100_000
"""Draws that are taken, and with ``detect=`` the most that are, unless told otherwise."""

PILOT = 500
"""Draws of the pilot with ``detect=``, and of the first look at the noise."""


def unbiasedness(
    tape: Tape | None = None,
    loss: Tensor | None = None,
    wrt: Sequence[Tensor] | None = None,
    draws: int | None = None,
    rng: Seed = None,
    *,
    detect: float | None = None,
    alpha: float = 1e-6,
    limit: int = LIMIT,
    cotangent: Array | None = None,
    record: Record | None = None,
    estimator: WholeGradient | None = None,
    quiet: bool = False,
) -> Unbiasedness:
    """Test whether the randomised gradient of a recorded tape has the exact one as its mean.

    Where the joint outcomes of all estimators are at most ``limit``, the mean is computed exactly, to rounding; so is
    that of each estimator alone, all others exact, where it has few. In any case draws are tested as well, for an
    estimator may draw other things than it lists, or two nodes may share a draw.

    Parameters
    ----------
    tape : Tape
    loss : Tensor
        Recorded on that tape.
    wrt : sequence of Tensor, optional
        Default: every leaf that the tape read.
    draws : int, default 2000
        Backward passes; at least 100. A quarter is the pilot that says where to look. With ``detect`` the most that may
        be taken; default 100,000.
    rng : Generator, int or None
    detect : float, optional
        The bias one wants to be able to see, as a part of the gradient: 0.05 is 5 %. As many draws are taken as it
        needs for a bias of this size, along g, of any parameter or row to be found with a probability of at least 0.9.
    alpha : float, default 1e-6
        Family-wise false-alarm rate, over all probes.
    limit : int, default 4096
        Joint outcomes up to which the mean is computed exactly.
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.
    record : callable, optional
        As for `variance`: needed with residual sketches. Each draw is then recorded afresh, nothing is enumerated, and
        no single node is named.
    estimator : WholeGradient, optional
        As for `variance`: tested in place of the estimators on the tape.
    quiet : bool, default False
        With ``detect``: no progress bar.

    Returns
    -------
    Unbiasedness

    Raises
    ------
    ValueError
        If the tape holds residual sketches and there is no ``record``, there are too few draws, alpha is outside
        (0, 1), the exact gradient is not finite, or the probabilities that an estimator lists do not sum to 1. If
        ``detect`` is not positive, or takes more draws than allowed: the error says how many.

    Notes
    -----
    For each parameter and each of its rows (entries of the first axis; taps of a convolution), two projections of ĝ − g
    must have mean 0: one along g, and one along the mean error of the pilot. Their means are tested with Bernstein's
    inequality, and the p-values multiplied by the number of probes (Bonferroni). With all outcomes listed, the variance
    and the largest possible ``|z|`` are known and the test is distribution-free. Otherwise the variance is that of the
    draws and the range is taken as twice the largest ``|z|`` seen, which is right for many draws only: the method is
    then labelled asymptotic.

    No draws can tell a part that is lost from one that is kept once in a million. So nothing is condemned for what may
    be *rare*, expected less than log(2·probes/alpha) times in all draws (about 20):

    * Estimators that say which part of a cotangent is rare (`Estimator.rare`; all unbiased ones of the library do) are
      forgiven that part, pulled back through the tape, and no more. A part that they call frequent and that was never
      seen is a bias.
    * Of others, entries that were the same in all draws of the pilot are no evidence; nor is anything if a mean unit of
      their node was kept fewer than 20 times. What varied is judged, on the stated assumption that nothing rarer makes
      up for it.
    * In either case a probe that varied needs an effective number of events, n·variance/(largest deviation)², of 10.
    * An estimator that neither touches its generator nor remembers anything draws nothing: its one outcome is its mean.

    What then remains open is "inconclusive", not "passed". Rounding is allowed for: 64 units in the last place, and 16
    times what exact sweeps with rescaled cotangents differ by.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import Mask, TopK
    >>> w = mg.Tensor(np.eye(3), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((2, 3)), w, vjp=Mask(0.5)).sum()
    >>> unbiasedness(tape, loss, rng=0).verdict
    'passed'
    >>> unbiasedness(tape, loss, detect=0.2, rng=0, quiet=True).detectable <= 0.2
    True
    >>> tape.nodes[0].vjp = TopK(0.5)
    >>> unbiasedness(tape, loss, rng=0).verdict
    'failed'
    """
    most = DRAWS if detect is None else MOST
    if draws is not None:
        most = count("unbiasedness: draws", draws, MOST_DRAWS, "draws", least=100)  # for a pilot and a test
    if not 0 < alpha < 1:
        raise ValueError(f"unbiasedness: alpha={alpha} must lie in (0, 1)")
    if detect is not None and not 0 < detect < math.inf:
        raise ValueError(f"unbiasedness: detect={detect} must be a positive part of the gradient, as 0.05 for 5 %")
    target = estimated_target(tape, loss, wrt, cotangent, record, estimator)
    afresh = isinstance(target, Recorded)
    exact, key = target.exact_gradient(), key_of(rng)
    check_finite(target, exact)
    first = most // 4 if detect is None else min(PILOT, most // 4)
    before = states(target)
    errors, kept = pilot(target, exact, key, first)
    mean, second = errors.mean(), errors.mean_square()
    if not all(np.isfinite(part).all() for part in (*mean, *second)):
        return _not_finite(target, alpha, first)
    probes = Probes(target, exact, [exact, pilot_direction(mean, second)])
    rounding = rounding_of(target, exact, second, probes)
    fixed_ones = fixed(target, before)
    one = all(node.vjp is None or node.index in fixed_ones for node in target.tape.nodes)
    one = one and sketches_draw_nothing(target)
    listed, alone = moments_of_one(target, probes) if one else None, {}
    if not afresh and not one:
        listed = listed_moments(target, exact, probes, limit)
        alone = {} if listed is not None else biased_alone(target, exact, probes, rounding, fixed_ones)
    evidence = Evidence(target, exact, probes, rounding, errors, kept, listed, alpha)
    seen = take(evidence, key, first, most, detect, quiet)
    if not np.isfinite(seen.square).all():
        return _not_finite(target, alpha, first + seen.count)

    number = seen.count
    variance, bound = evidence.variance(seen), evidence.bound(seen)
    excess = evidence.excess(seen)
    certain, off = np.zeros(probes.size, dtype=bool), seen.mean
    for of in [*([] if listed is None else [listed]), *alone.values()]:
        certain |= (sure := surely_off(of, rounding))
        off = np.where(sure, of.mean, off)
    excess = np.where(certain, np.abs(off), excess)
    odd = evidence.chance(np.maximum(np.abs(seen.mean) - rounding, 0.0), seen) < alpha  # though it may be forgiven
    p = np.where(evidence.telling(seen), evidence.chance(excess, seen), 1.0)
    p = np.where(certain, 0.0, np.clip(p, np.finfo(float).tiny, 1.0))  # 0 is kept for what is certain
    failed = bool((p < alpha).any())
    # Where probes tie (p = 0), the strongest by signal to noise is named.
    strength = np.square(excess) / (variance + bound * excess / 3 + np.finfo(float).tiny)
    order = np.lexsort((-strength, p))
    known = next(iter(alone.values())) if alone else seen if listed is None else listed
    detectable, conclusive = evidence.detectable(seen, number), evidence.conclusive(seen)
    verdicts = by_parameter(probes, known.mean, off, p, order, detectable, conclusive)
    figure = float(np.nanmax(detectable, initial=0.0))
    unclear = [v.name for v in verdicts if not v.conclusive]
    unclear += sorted({name for (name, _), is_odd in zip(probes.labels, odd, strict=True) if is_odd} - {*unclear})
    if detect is not None and figure > detect:
        unclear += [v.name for v in verdicts if v.detectable > detect and v.name not in unclear]
    verdict: Verdict = "failed" if failed else "inconclusive" if unclear else "passed"
    node = None
    if failed and not afresh:
        worst = int(order[0])
        tested = 0 if listed is not None and certain[worst] else min(number, 1000)
        node = next(iter(alone)) if alone else None
        if node is None:
            node = worst_node(target, exact, probes, worst, child(Domain.SUSPECT, key), tested)
    return Unbiasedness(
        passed=verdict == "passed",
        verdict=verdict,
        p_value=float(p.min()),
        alpha=alpha,
        method=_method(evidence, one, alone, number),
        draws=first + number,
        enumerated=0 if listed is None else listed.count,
        parameters=tuple(verdicts),
        worst_parameter=probes.labels[order[0]][0] if p[order[0]] < 1 else None,
        worst_node=node,
        worst_node_label=None if node is None else f"{target.tape.nodes[node].label}, {target.tape.nodes[node].vjp!r}",
        detectable=figure,
        notes=() if failed or not unclear else evidence.remarks(seen, unclear),
    )


def _method(evidence: Evidence, one: bool, alone: dict[int, Moments], count: int) -> str:
    if one:
        return "no estimator draws anything, so one draw is the mean: exact"
    if evidence.listed is not None:
        return f"all {evidence.listed.count} outcomes listed: exact; {count} draws, distribution-free"
    if alone:
        return f"all {next(iter(alone.values())).count} outcomes of node {next(iter(alone))} listed: exact"
    text = f"{count} draws after a pilot, asymptotic (the range of the draws is estimated)"
    if not evidence.known:
        text += f"; assumes that nothing rarer than {evidence.events / count:.2g} makes up for what was seen"
    return text


def _not_finite(target: InspectionTarget, alpha: float, draws: int) -> Unbiasedness:
    """The report where some draw was NaN or infinite although the exact gradient is finite."""
    return Unbiasedness(
        passed=False,
        verdict="failed",
        p_value=0.0,
        alpha=alpha,
        method="draws that are not finite",
        draws=draws,
        enumerated=0,
        parameters=tuple(
            ParameterVerdict(name, None, math.nan, 0.0, math.inf, None, math.inf, True) for name in target.names
        ),
        worst_parameter=target.names[0] if len(target.names) == 1 else None,
        worst_node=None,
        worst_node_label=None,
        detectable=math.inf,
        notes=("some draws are NaN or infinite, but the exact gradient is not: is a probability 0?",),
    )
