"""The report of an advice on what to train with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minigrad.engine.estimator import VJP
from minigrad.nn.module import Module
from minigrad.report import Report, Table, si

__all__ = ["NOTHING", "SURE", "Advice", "Candidate"]

SURE = 2.6
"""So many standard errors J must be below 1. Were it 1 for each of four sketches, one would be advised in 2 % of cases
(0.5 % each, one-sided, for normal errors)."""

NOTHING = "nothing"


@dataclass(frozen=True)
class Candidate:
    """One way to train, and the cost to reach a precision with it.

    Attributes
    ----------
    name : str
    setting : str
        The estimator with its budget, or the price.
    ratio, error : float
        J and its standard error, over batches and draws that had no part in the choice of the budget.
    forward, backward : float
        Operations of a step, scores included, and for a price its part of the measurement of gains.
    noise : float
        V/σ².
    caution : str or None
        What to do where V rests on too few effective batches.

    Examples
    --------
    >>> Candidate("rows", "DiagonalSketch(0.5, axis='row')", 0.8, 0.05, 1.0, 1.0, 0.2).surely_pays
    True
    """

    name: str
    setting: str
    ratio: float
    error: float
    forward: float
    backward: float
    noise: float
    caution: str | None = None

    @property
    def surely_pays(self) -> bool:
        """True if J is below 1 by 2.6 standard errors."""
        return self.ratio + SURE * self.error < 1 and self.caution is None


@dataclass(frozen=True, repr=False)
class Advice(Report):
    """Advice on what to train with.

    Attributes
    ----------
    candidates : tuple of Candidate
        The first is exact.
    advised : str
        The name of the one with the least J among those whose J is surely below 1; "nothing" where there is none.
    vjps : dict of str to VJP
        By layer path what `minigrad.nn` layers take as their ``vjp`` for it; empty for nothing.
    minibatch : float
        σ².
    batch_size, batches : int
        Budgets were chosen on so many batches, and J measured on as many others.

    Examples
    --------
    >>> from minigrad import datasets, inspect, nn
    >>> data = datasets.digits().flat()
    >>> advice = inspect.advise(nn.mlp((64, 32, 10), rng=0), data, batch_size=32, batches=4, rng=0)
    >>> advice.advised, [candidate.name for candidate in advice.candidates]
    ('nothing', ['nothing', 'samples at the logits', 'rows', 'columns', 'rows by one price'])
    """

    candidates: tuple[Candidate, ...]
    advised: str
    minibatch: float
    batch_size: int
    batches: int
    vjps: dict[str, VJP] = field(default_factory=dict)

    @property
    def best(self) -> Candidate:
        """The candidate that is advised."""
        return next(candidate for candidate in self.candidates if candidate.name == self.advised)

    @property
    def sentence(self) -> str:
        """The advice in words."""
        best = self.best
        if best.name == NOTHING:
            return "do not sketch: exact VJPs (on a smaller batch, if cost matters) are cheaper for the same precision"
        what = f"{best.name}, {best.setting}" if best.setting else best.name
        return (
            f"use {what}: {100 * best.ratio:.0f} ± {100 * best.error:.1g} % of the operations "
            "of exact VJPs to a precision"
        )

    def set_on(self, model: Module) -> None:
        """Set what is advised on the layers of a model, all others exact."""
        for path, module in model.named_modules():
            if hasattr(module, "vjp"):
                module.vjp = self.vjps.get(path)

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [c.name, c.setting, si(c.forward + c.backward, "flop"), float(f"{c.noise:.3g}"),
             f"{c.ratio:.3f} ± {c.error:.1g}" if c.error else f"{c.ratio:g}"]
            for c in self.candidates
        ]  # fmt: skip
        cautions = [f"{c.name}: {c.caution}" for c in self.candidates if c.caution]
        notes = [
            self.sentence,
            *cautions,
            "J: (1 + V/σ²) × operations, over those of exact VJPs on this or any smaller batch,",
            "for steps whose noise dominates",
            f"σ² {self.minibatch:.3g} (batch {self.batch_size}, mean loss); ± s.e. over {self.batches} batches, by "
            f"which no budget was chosen; advised is the least J that is {SURE:g} s.e. below 1",
        ]
        return Table(["what", "setting", "step", "V/σ²", "J"], rows, "what to train with", notes)

    def data(self) -> dict[str, Any]:
        """The fields, VJPs as text, and the advice in words."""
        found = {**super().data(), "vjps": {path: repr(vjp) for path, vjp in self.vjps.items()}}
        return {**found, "sentence": self.sentence}
