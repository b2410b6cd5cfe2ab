"""An exploration as a table, and as JSON-ready data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.report import Table, json_ready

if TYPE_CHECKING:
    from minigrad.explore.exploration import Exploration

__all__ = ["data", "table"]


def table(exploration: Exploration) -> Table:
    """See `minigrad.explore.Exploration.table`."""
    error = [exploration.distortion, exploration.measured, exploration.standard_error]
    rows: list[list[Any]] = [
        ["cotangent: E‖Ĝ − G‖² / ‖G‖²", *error],
        *([e.label, e.exact, e.mean, e.standard_error] for e in exploration.estimates.values()),
    ]
    subject, estimator = exploration.subject, exploration.estimator
    notes = [f"gradient of {subject.name}: E‖ĝ − g‖² / ‖g‖² = {exploration.variance:.4g}, measured"]
    if not estimator.unbiased:
        notes.append("biased on purpose: the means need not come to the exact values, and errors are no variances")
    if exploration.unit and not exploration.frequencies.any():
        notes.append("no draw kept anything: means and errors of so few draws say nothing; raise the budget, or draws")
    title = f"{estimator!r} at node {subject.node.index} ({subject.node.label}), {exploration.draws} draws"
    return Table(["", "exact", "mean", "± s.e."], rows, title, notes)


def data(exploration: Exploration) -> dict[str, Any]:
    """See `minigrad.explore.Exploration.to_dict`."""
    found = {
        "estimator": repr(exploration.estimator),
        "budget": exploration.budget,
        "node": exploration.subject.node.index,
        "tensor": exploration.subject.name,
        "draws": exploration.draws,
        "unit": exploration.unit,
        "probabilities": exploration.probabilities,
        "frequencies": exploration.frequencies,
        "distortion": exploration.distortion,
        "measured": exploration.measured,
        "standard_error": exploration.standard_error,
        "variance": exploration.variance,
        "estimates": {
            name: {"label": e.label, "exact": e.exact, "mean": e.mean, "standard_error": e.standard_error}
            for name, e in exploration.estimates.items()
        },
        "curve": {name: getattr(exploration.curve, name) for name in exploration.curve.__dataclass_fields__},
    }
    return dict(json_ready(_lists(found)))


def _lists(value: Any) -> Any:
    """Arrays as lists."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
