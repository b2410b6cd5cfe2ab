"""The option by which of each test's cases only some are run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def collected(step):
    run = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", f"--one-in={step}"]
    done = subprocess.run([*run, "tests/test_budgeted_envelope.py", "tests/test_threads.py"], cwd=ROOT,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    return done, [line for line in done.stdout.splitlines() if "::" in line]


def test_no_test_is_left_out_and_of_its_cases_one_in_some_is_run():
    every, few = collected(1)[1], collected(3)[1]
    assert len(few) < len(every)
    cases = {}
    for name in every:
        cases.setdefault(name.partition("[")[0], []).append(name)
    assert few == [name for name in every if cases[name.partition("[")[0]].index(name) % 3 == 0]


def test_nonsense_is_refused():
    assert "--one-in=0 must be at least 1" in collected(0)[0].stderr
