"""Seconds of edges: the line through two products, with a clock that is planted."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import datasets, inspect, nn
from minigrad.inspect import edge_seconds
from minigrad.inspect.edge_seconds import FRACTIONS

STEP, EXACT, CHOICE, FIXED, ROW = 20.0, 5.0, 0.25, 0.125, 0.0625
"""What the planted clock says, in seconds: twice the first for a step, and of each edge the others."""


@pytest.fixture
def clock(monkeypatch):
    """In place of the clock: what each kind of work takes, by the fraction of the rows that a product keeps."""
    planted = {"fixed": FIXED, "rows": 16}

    def kept(node, g, position, fraction):
        return ("product", fraction)

    def least(work):
        if isinstance(work, tuple):
            return planted["fixed"] + ROW * work[1] * planted["rows"]
        inner = getattr(work, "func", None)
        if inner is None:
            return STEP
        return CHOICE if inner is edge_seconds._choose else EXACT

    monkeypatch.setattr(edge_seconds, "_kept_product", kept)
    monkeypatch.setattr(edge_seconds, "_least", least)
    return planted


def seconds():
    model = nn.mlp((64, 32, 10), rng=0)
    return inspect.error_gains(model, datasets.digits().flat(), batch_size=16, cost="seconds", rng=0).seconds


def test_a_row_and_what_is_there_without_any(clock):
    found = seconds()
    assert found.step == 2 * STEP and set(found.edges) == {"0/w", "2/x", "2/w"}
    for each in found.edges.values():
        assert each == pytest.approx((EXACT, CHOICE + FIXED, ROW), rel=1e-12)


def test_a_line_that_begins_below_nothing_begins_at_nothing(clock):
    clock["fixed"] = -0.1
    for each in seconds().edges.values():
        assert each == pytest.approx((EXACT, CHOICE, ROW), rel=1e-12)


def test_rows_that_cost_nothing_cost_next_to_nothing(clock):
    clock["rows"] = 0
    for exact, choice, row in seconds().edges.values():
        assert row == pytest.approx(1e-12 * EXACT / 16) and exact == EXACT
        assert choice == pytest.approx(CHOICE + FIXED)


def test_products_are_of_as_many_rows_as_the_fraction_says(monkeypatch):
    seen = []
    monkeypatch.setattr(edge_seconds, "_least", lambda work: work() is None or 1.0)
    gather = edge_seconds.Rows.gather

    def gathered(g, rows, scale):
        seen.append((rows, scale))
        return gather(g, rows, scale)

    monkeypatch.setattr(edge_seconds.Rows, "gather", staticmethod(gathered))
    seconds()
    for fraction, (rows, scale) in zip(FRACTIONS * 3, seen[: 2 * 3], strict=True):
        assert rows.size == 16 * fraction == np.unique(rows).size and rows[[0, -1]].tolist() == [0, 15]
        np.testing.assert_array_equal(scale, np.float32(1 / fraction))
