"""The last word of a comparison: the cost to a precision of each sketch, as `minigrad.inspect.advise` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minigrad.datasets import Dataset
from minigrad.engine.estimator import VJP
from minigrad.experiments.method import Method
from minigrad.inspect.advice_report import Advice
from minigrad.inspect.exact_batches import ExactBatches
from minigrad.inspect.recorded_batches import RecordedBatches
from minigrad.nn.module import Module
from minigrad.report import Table

__all__ = ["verdict", "verdict_table"]

BATCHES = 20
"""As many as `minigrad.inspect.advise` measures J on, and the same ones."""


def verdict(
    model: Module, methods: Sequence[Method], vjps: Mapping[str, Mapping[str, VJP]], data: Dataset, batch_size: int
) -> Advice | None:
    """Measure J of the methods that only sketch, without bias, on the batches on which `inspect.advise` measures it.

    Parameters
    ----------
    model : Module
        Without estimators, at the parameters that are judged; it is left as it is.
    methods : sequence of Method
        Smaller batches have J = 1; budgets that follow the noise, samplers and biased methods have none.
    vjps : mapping from label to mapping from layer path to VJP
    data : Dataset
    batch_size : int

    Returns
    -------
    Advice or None
        None where no method has a J, or there is no minibatch noise to measure.

    Examples
    --------
    >>> from minigrad import datasets, nn
    >>> from minigrad.estimators import Mask
    >>> model, data = nn.mlp((64, 16, 10), rng=0), datasets.digits().flat()
    >>> found = verdict(model, [Method("mask", "Mask(0.1)")], {"mask": {"0": Mask(0.1)}}, data, 32)
    >>> [candidate.name for candidate in found.candidates], found.advised
    (['nothing', 'mask'], 'nothing')
    """
    judged = [
        m for m in methods if not m.exact and m.estimator.unbiased and m.adaptive is None and m.importance is None
    ]
    if not judged:
        return None
    layers = {path: module for path, module in model.named_modules() if hasattr(module, "vjp")}
    before = {path: module.vjp for path, module in layers.items()}
    recorded = RecordedBatches(model, data, batch_size, rng=0)
    try:
        exact = ExactBatches(recorded, range(BATCHES, 2 * BATCHES))
    except ValueError:  # no minibatch noise; whatever else goes wrong is not hidden
        return None
    found = [exact.nothing()]
    try:
        for method in judged:
            for path, module in layers.items():
                module.vjp = vjps[method.label].get(path)
            found.append(exact.candidate(method.label, ""))
    finally:
        for path, module in layers.items():
            module.vjp = before[path]
    advised = min((c for c in found if c.surely_pays), key=lambda c: c.ratio, default=found[0])
    return Advice(tuple(found), advised.name, exact.minibatch, batch_size, BATCHES)


def verdict_table(found: Advice) -> Table:
    """J of each method, and the sentence with which a comparison ends.

    Examples
    --------
    >>> from minigrad.inspect.advice_report import Candidate
    >>> exact = Candidate("nothing", "exact", 1.0, 0.0, 1.0, 1.0, 0.0)
    >>> print(verdict_table(Advice((exact,), "nothing", 1.0, 32, 20)).notes[-1])
    do not sketch: exact VJPs (on a smaller batch, if cost matters) are cheaper for the same precision
    """
    rows = [[c.name, f"{c.noise:.3g}", f"{c.ratio:.3f} ± {c.error:.1g}"] for c in found.candidates[1:]]
    notes = [
        "J: (1 + V/σ²) × operations, over those of exact VJPs on this or any smaller batch, for steps whose noise",
        f"dominates; after one exact epoch, ± s.e. over {found.batches} batches, as `minigrad advise` measures it",
        found.sentence,
    ]
    return Table(["method", "V/σ²", "J"], rows, "the cost to a precision", notes)
