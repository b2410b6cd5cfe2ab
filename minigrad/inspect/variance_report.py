"""The report on the variance of a gradient: how noisy it is, and whose fault it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from minigrad.inspect.means import Mean
from minigrad.plot.noise_bars import noise_by_node
from minigrad.report import Report, Table

__all__ = ["Variance"]


@dataclass(frozen=True, repr=False)
class Variance(Report):
    """The variance of a gradient, and the nodes that cause it.

    All variances are sums over the entries of all inspected tensors, for the loss as it was recorded: under a mean over
    the batch they are those of the mean gradient.

    Attributes
    ----------
    by_node : dict of int to float
        For each random node, by its index on the tape, its share of the variance. They sum to ``total``. A node that
        the sweep does not meet on its way from the loss is left out.
    by_parameter : dict of str to float
        The share of each tensor; they sum to ``total``.
    standard_errors : dict of int to float
        Of the shares in ``by_node``.
    standard_error : float
        Of ``total``.
    norm : float
        ‖g‖ of the exact gradient.
    cosine : float
        Mean cosine of the angle between ĝ and g; 0 for a draw where either is 0.
    relative_noise : dict of int to float
        For each random node, E‖ĝ_k − g_k‖² / ‖g_k‖² of the cotangent that arrives there, before its own estimator.
    labels, estimators : dict of int to str
        For each random node, its operation and its estimator.
    draws : int
    biased : tuple of int
        Nodes whose estimator says that it is biased: their shares are squared errors, and what follows them is no
        orthogonal decomposition.
    residuals : float
        With ``record=``, the share of all residual sketches (``save=``) together. Given these, the shares in
        ``by_node`` are those of the backward pass; all are orthogonal.
    residuals_error, residuals_share_error : float
        The standard error of that, and of its share.
    directions : int
        The number of random directions along which the shares of nodes were measured; 0 if they were measured
        without, draw by draw.
    direction_errors : dict of int to float
        The standard error of each share that is due to the directions.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5)).sum()
    >>> noise = inspect.variance(tape, loss, draws=200, rng=0)
    >>> sorted(noise.by_node), sorted(noise.by_parameter)
    ([0], ['w'])
    >>> bool(np.isclose(sum(noise.by_node.values()), noise.total))
    True
    """

    by_node: dict[int, float]
    by_parameter: dict[str, float]
    standard_errors: dict[int, float]
    standard_error: float
    share_errors: dict[int, float]
    effective_draws: float
    norm: float
    cosine: float
    relative_noise: dict[int, float]
    labels: dict[int, str]
    estimators: dict[int, str]
    draws: int
    biased: tuple[int, ...]
    residuals: float = 0.0
    residuals_error: float = 0.0
    residuals_share_error: float = 0.0
    directions: int = 0
    direction_errors: dict[int, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """E‖ĝ − g‖², the sum over nodes, and the share of residual sketches."""
        return math.fsum([*self.by_node.values(), self.residuals])

    @property
    def relative(self) -> float:
        """``total`` over ‖g‖²; infinite where g is 0."""
        return self.total / self.norm**2 if self.norm else math.inf if self.total else 0.0

    @property
    def signal_to_noise(self) -> float:
        """‖g‖ over the root of ``total``; infinite without noise."""
        return self.norm / math.sqrt(self.total) if self.total else math.inf

    @property
    def warning(self) -> str | None:
        """Advice on the number of draws, where there were too few for the standard errors to hold; else None."""
        mean = Mean(self.total, self.standard_error, self.effective_draws, self.draws)
        return mean.warning("the total", "draws", "draws=")

    def table(self) -> Table:
        """The report as a table, from the loss to the input."""
        total = self.total or 1.0
        rows: list[list[Any]] = []
        for k, value in self.by_node.items():
            share = f"{100 * value / total:.1f} ± {100 * self.share_errors[k]:.1f}"
            rows.append([k, self.labels[k], self.estimators[k], value, share.rjust(11), self.relative_noise[k]])
        if self.residuals:
            share = f"{100 * self.residuals / total:.1f} ± {100 * self.residuals_share_error:.1f}"
            rows.append(["", "residual sketches", "", self.residuals, share.rjust(11), ""])
        notes = [
            f"total {self.total:.4g} ± {self.standard_error:.2g}; relative {self.relative:.4g}",
            f"± s.e. over {self.draws} draws ({self.effective_draws:.3g} effective) on this one recording",
            f"signal to noise {self.signal_to_noise:.3g}; mean cosine with the exact gradient {self.cosine:.3g}",
        ]
        if self.directions:
            worst = 100 * max(self.direction_errors.values(), default=0.0)
            notes.append(f"shares along {self.directions} directions, which add an error of up to ± {worst:.1f} %")
        if self.warning:
            notes.append(self.warning)
        if self.biased:
            notes.append(f"biased: node {', '.join(map(str, self.biased))}; these are squared errors")
        heads = ["node", "operation", "VJP", "variance", "share / %", "noise met"]
        return Table(heads, rows, "variance of the gradient, from the loss to the input", notes)

    def data(self) -> dict[str, Any]:
        """The fields, and what follows from them."""
        derived = ("total", "relative", "signal_to_noise", "warning")
        return {**{name: getattr(self, name) for name in derived}, **super().data()}

    def plot(self, ax: Any = None) -> Any:
        """Draw the share of each node, from the loss to the input, and the growth of the noise with depth."""
        nodes, total = list(self.by_node), self.total or 1.0
        return noise_by_node(
            [self.labels[k] for k in nodes],
            [self.estimators[k] for k in nodes],
            [self.by_node[k] / total for k in nodes],
            [self.share_errors[k] for k in nodes],
            [self.relative_noise[k] for k in nodes],
            ax,
        )
