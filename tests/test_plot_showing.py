"""`plot.show` in programs of their own: without a display, with a backend that was chosen, with one that shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad as mg

SCRIPT = """
import matplotlib.pyplot as plt
from minigrad import plot
for size in (2, 3):
    plt.figure(figsize=(size, size))
    plt.plot([1, 2])
plot.show()
"""


def ran(folder, **environment):
    (folder / "curves.py").write_text(SCRIPT)
    without = ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    given = {name: value for name, value in os.environ.items() if name not in without}
    given["PYTHONPATH"] = str(Path(mg.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", "curves.py"],
        cwd=folder, env={**given, **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), sorted(path.name for path in folder.glob("*.png"))


@pytest.mark.skipif(sys.platform != "linux", reason="windows can be opened without DISPLAY elsewhere")
def test_without_a_display_the_figures_are_written(tmp_path):
    told, files = ran(tmp_path)
    assert files == ["curves-1.png", "curves-2.png"]
    assert told == ["no window can be opened here; written: curves-1.png, curves-2.png"]
    sizes = [int.from_bytes((tmp_path / name).read_bytes()[16:20], "big") for name in files]
    assert sizes[0] < sizes[1]


def test_a_backend_that_was_chosen_is_left_alone(tmp_path):
    assert ran(tmp_path, MPLBACKEND="agg") == ([], [])


def test_a_backend_that_shows_is_asked(tmp_path):
    (tmp_path / "screen.py").write_text(
        "from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas\n"
        "from matplotlib.backend_bases import FigureManagerBase as FigureManager\n"
        "def show(*a, **k): print('shown')\n"
    )
    told, files = ran(tmp_path, MPLBACKEND="module://screen")
    assert told == ["shown"] and files == []
