"""What a type checker says of a user's file of layers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USER = Path("tests", "typing", "nn_user.py")


def test_a_checker_knows_the_types_of_layers_and_reports_slips(tmp_path):
    """Every line that is marked as wrong is reported under its code, and no other line is."""
    pytest.importorskip("mypy")
    lines = (ROOT / USER).read_text("utf-8").splitlines()
    marked = {(k, code) for k, line in enumerate(lines, 1) for code in re.findall(r"# error: ([a-z-]+)$", line)}
    assert len(marked) >= 10
    options = ["--strict", "--config-file=", "--no-error-summary", "--hide-error-context"]
    cache = f"--cache-dir={tmp_path}"
    told = subprocess.run(
        [sys.executable, "-m", "mypy", *options, cache, str(USER)], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode in (0, 1), told.stderr + told.stdout
    found = re.findall(rf"^{re.escape(str(USER))}:(\d+): error: .*\[([a-z-]+)\]$", told.stdout, re.MULTILINE)
    assert {(int(k), code) for k, code in found} == marked, told.stdout
