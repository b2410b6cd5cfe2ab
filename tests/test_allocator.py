"""Freed memory is kept: a process that repeats itself asks the system for no more pages."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad as mg
from minigrad import allocator

ROOT = Path(__file__).parents[1]
REPEAT = """
import resource, sys
import numpy as np
import minigrad as mg

if sys.argv[1] == "keep":
    assert mg.keep_memory()

def step():
    for _ in range(3):
        arrays = [np.ones(500_000, np.float32) * k for k in range(8)]

step(), step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(choice, **environment):
    """Pages that were fetched from the system while the same arrays were made again."""
    command = [sys.executable, "-c", REPEAT, choice]
    env = {**os.environ, **environment}
    return int(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=env).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
@pytest.mark.parametrize("choice", ["keep", "import alone"])
def test_repeated_steps_fetch_no_pages(choice):
    """120 arrays of 2 MB are 58,594 pages of 4 kB; where glibc learns nothing most of them are fetched again."""
    assert faults(choice) < 600 < faults("import alone", MINIGRAD_KEEP_MEMORY="0")


def test_the_block_that_glibc_is_shown_is_not_touched():
    code = "import resource as r; from minigrad import allocator as a; f = lambda: r.getrusage(0).ru_minflt; b = f(); "
    code += "a.show_large_block(); print(f() - b)"
    pages = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert int(pages) < 100  # of 8192


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    assert mg.keep_memory() is False


@pytest.mark.parametrize(("answer", "wanted"), [(1, True), (0, False)])
def test_it_says_whether_the_library_obeyed(monkeypatch, answer, wanted):
    asked = []

    class Library:
        def mallopt(self, setting, value):
            asked.append((setting, value))
            return answer

    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library())
    assert mg.keep_memory() is wanted
    assert asked == [(-4, 0), (-1, -1), (-2, 64 * 2**20)]
