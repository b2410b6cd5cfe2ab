"""Schedules are pure functions of the number of the step."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import optim

SCHEDULES = [
    optim.Constant(0.3),
    optim.StepDecay(0.3, every=7),
    optim.Cosine(0.3, steps=20, final=0.01),
    optim.Warmup(optim.Cosine(0.3, steps=20), steps=5),
    optim.Warmup(optim.Warmup(optim.Constant(0.3), 3), 2),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_values_do_not_depend_on_what_was_asked_before(schedule):
    forwards = [schedule(step) for step in range(40)]
    assert [schedule(step) for step in reversed(range(40))] == forwards[::-1]
    assert all(type(value) is float and 0 <= value <= 0.3 + 1e-15 for value in forwards)
    assert schedule(np.int64(3)) == forwards[3]
    assert eval(repr(schedule), vars(optim)) == schedule
    with pytest.raises(ValueError, match="step -1 is negative"):
        schedule(-1)
    with pytest.raises(TypeError):
        schedule(0.5)


def test_step_decay():
    schedule = optim.StepDecay(0.8, every=3, factor=0.5)
    assert [schedule(step) for step in range(7)] == [0.8] * 3 + [0.4] * 3 + [0.2]


def test_cosine_falls_along_half_a_cosine_and_stays():
    schedule = optim.Cosine(0.5, steps=10, final=0.1)
    for step in range(11):
        assert math.isclose(schedule(step), 0.3 + 0.2 * math.cos(math.pi * step / 10), rel_tol=1e-12)
    assert schedule(10) == schedule(11) == schedule(10**9) == 0.1


def test_warmup_rises_in_equal_steps_and_hands_over_without_a_jump():
    schedule = optim.Warmup(optim.Cosine(0.6, steps=10), steps=5)
    rises = np.diff([schedule(step) for step in range(6)])
    np.testing.assert_allclose(rises, 0.1, rtol=1e-12)
    assert math.isclose(schedule(0), 0.1)
    assert schedule(5) == 0.6
    assert [schedule(5 + step) for step in range(12)] == [optim.Cosine(0.6, steps=10)(step) for step in range(12)]
    assert optim.Warmup(lambda step: 1.0 + step, 3)(4) == 2.0


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: optim.Constant(0.0), ValueError, "Constant: lr=0"),
        (lambda: optim.Constant(float("nan")), ValueError, "Constant: lr=nan"),
        (lambda: optim.Constant("0.1"), TypeError, "Constant: lr='0.1' must be a number"),
        (lambda: optim.StepDecay(0.1, every=0), ValueError, "StepDecay: every=0 must be at least 1"),
        (lambda: optim.StepDecay(0.1, every=1.5), TypeError, "every=1.5 must be a whole number"),
        (lambda: optim.StepDecay(0.1, 3, factor=-1), ValueError, "StepDecay: factor=-1"),
        (lambda: optim.Cosine(-0.1, steps=3), ValueError, "Cosine: lr=-0.1"),
        (lambda: optim.Cosine(0.1, steps=0), ValueError, "Cosine: steps=0"),
        (lambda: optim.Cosine(0.1, steps=3, final=float("inf")), ValueError, "Cosine: final=inf"),
        (lambda: optim.Warmup(0.1, 3), TypeError, "Warmup: takes a schedule first"),
        (lambda: optim.Warmup(optim.Constant(0.1), 0), ValueError, "Warmup: steps=0"),
    ],
)
def test_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
