"""The words of `assert_unbiased` on a bias: where it is, how large, whose, and what to look at."""

from __future__ import annotations

import numpy as np

from minigrad.inspect.leaves import InspectionTarget, drawn
from minigrad.inspect.verdicts import Unbiasedness
from minigrad.streams import draw_key

__all__ = ["raise_unless_passed"]


def raise_unless_passed(report: Unbiasedness, what: str, target: InspectionTarget, key: int) -> None:
    """Raise unless the report says passed; ``what`` is the subject, and after a bar what it was tried on."""
    if report.passed:
        return
    name, _, tried = what.partition("|")
    on = f" for {tried}" if tried else ""
    if report.verdict == "inconclusive":
        raise AssertionError(
            f"{name}{on} was not shown to be unbiased: too few events to tell, or what is off may be made up for by "
            "something too rare to be seen. Is anything never kept, or with a probability near 0? If not, take "
            f"more draws\n{report}"
        )
    certain = "no chance: it was computed from what the estimator can give"
    chance = certain if report.p_value == 0 else f"by chance: {report.p_value:.1g}"
    lines = [f"{name} is biased{on}", *_entry(target, report.worst_parameter, key, min(report.draws, 2000))]
    row = next((p.worst_row for p in report.parameters if p.name == report.worst_parameter), None)
    lines.append(f"  where: {report.worst_parameter}{'' if row is None else f', row {row}'} ({chance})")
    if report.worst_node is not None and not tried:
        lines.append(f"  whose: node {report.worst_node}: {report.worst_node_label}")
    lines.append(
        "  look at: is each unit divided by the probability with which it is kept, once? Is that probability 0 "
        "anywhere? Does an empty draw return zeros, and not everything? With replacement: is the sum divided "
        "by the number of draws? Is anything scaled to the norm of what was kept? Do two nodes share a draw?"
    )
    raise AssertionError("\n".join([*lines, str(report)]))


def _entry(target: InspectionTarget, parameter: str | None, key: int, draws: int) -> list[str]:
    """Words for the entry of a parameter whose mean is furthest off, beside its standard error."""
    exact = target.exact()
    mean, square = np.zeros_like(exact), np.zeros_like(exact)
    with np.errstate(all="ignore"):
        for number in range(draws):
            error = drawn(target, draw_key(key, number)) - exact
            mean += error / draws
            square += np.square(error) / draws
        error = np.sqrt(np.maximum(square - np.square(mean), 0) / draws)
        off = np.abs(mean) / np.maximum(error, 1e-12 + 1e-9 * np.abs(exact).max(initial=0.0))
    off[~np.isfinite(off)] = np.inf
    which = target.names.index(parameter) if parameter in target.names else 0
    part, shape = target.slices[which], target.tensors[which].shape
    worst = part.start + int(np.argmax(off[part]))
    place = tuple(int(i) for i in np.unravel_index(worst - part.start, shape))
    expected, got = float(exact[worst]), float(exact[worst] + mean[worst])
    got = 0.0 if abs(got) < 1e-9 * abs(expected) else got
    factor = f", a factor of {got / expected:.3g}" if expected else ""
    of = "" if target.names == ["g"] else f"{target.names[which]}, "
    return [f"  {of}entry {place}: expected {expected:.6g}, mean {got:.6g} ± {error[worst]:.1g}{factor}"]
