"""A little of what ``tests/reliability`` does for as long as it is given."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from reliability import kills, programs
from reliability.soak import soak

import minigrad as mg


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system starts no process as a copy of another")
def test_runs_that_are_killed_at_random_moments_end_with_the_same_bits():
    """In a process of its own: one that forks has one thread."""
    done = subprocess.run(
        [sys.executable, kills.__file__, "--kills", "8", "--seed", "1"],
        capture_output=True, text=True, timeout=600, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    count, runs, alike, of = map(
        int, re.match(r"(\d+) kills of (\d+) runs.*: (\d+) runs of (\d+)", done.stdout).groups()
    )
    assert count >= 8 and runs == alike == of


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system starts no process as a copy of another")
def test_a_run_with_other_bits_is_counted(monkeypatch):
    monkeypatch.setattr(kills, "killed_after", lambda *_: False)
    seen = []

    def run(*case, **options):
        seen.append(case)
        if "checkpoint" in options:
            options["checkpoint"].write_bytes(b"")
        return len(seen)

    monkeypatch.setattr(kills, "run", run)
    assert kills.kills(0) == (0, 0, 0, 0)
    monkeypatch.setattr(kills, "killed_after", lambda *_, left=[True, False]: left.pop(0))
    assert kills.kills(1) == (1, 1, 0, 1)


def test_random_programs_agree_with_numpy_differences_and_forward_mode():
    found = programs.worst(40, seed=1)
    assert found["values of NumPy"] < 1e-14 and found["forward mode"] < 1e-13
    assert found["finite differences"] < 1e-7


def test_random_programs_agree_with_a_peer():
    autograd = pytest.importorskip("autograd")
    importlib.import_module("autograd.numpy")
    assert programs.worst(40, 2, autograd)["autograd"] < 1e-12


@pytest.mark.parametrize("wrong", [1e-6, 1.0])
def test_a_wrong_derivative_is_seen(monkeypatch, wrong):
    right = mg.value_and_grad

    def planted(function, argnums):
        def found(*at):
            value, gradients = right(function, argnums=argnums)(*at)
            return value, tuple(gradient * (1 + wrong) for gradient in gradients)

        return found

    monkeypatch.setattr(mg, "value_and_grad", planted)
    found = programs.worst(40, seed=1)
    assert found["forward mode"] > 0.1 * wrong and found["finite differences"] > 0.1 * wrong


def test_programs_are_repeated_by_their_seed():
    at = np.random.default_rng(0).normal(size=(2, *programs.SHAPE))
    values = [programs.program(np.random.default_rng([3, k]))(np, *at) for k in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_training_holds_what_it_held():
    """A counter, a list that grows by doubling: some kilobytes."""
    (_, first, _), *_, (_, last, _) = soak(480, 120)
    assert last - first < 40_000, (first, last)


def test_tapes_that_stay_are_seen(monkeypatch):
    kept, tape = [], mg.Tape
    monkeypatch.setattr(mg, "Tape", lambda: kept.append(tape()) or kept[-1])
    (_, first, _), (_, last, _) = soak(120, 60)
    assert len(kept) == 120 and last - first > 1_000_000
