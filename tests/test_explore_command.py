"""The explorer and the world around it: pyplot, notebooks, a missing display, and the command line."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import matplotlib
import pytest
from matplotlib.backend_bases import FigureManagerBase, MouseEvent
from matplotlib.figure import Figure

from minigrad.cli import main
from minigrad.explore import DisplayError, Exploration, Explorer, Subject, example, explore
from minigrad.explore.example import EXAMPLE_NODE


def canvas():
    """A figure without a window, which is not painted unless one asks for it."""
    return Figure(figsize=(12.8, 8))


# --- what is left behind


def test_a_figure_of_ones_own_touches_no_pyplot_state():
    import matplotlib.pyplot as plt

    before = dict(matplotlib.rcParams)
    explorer = explore(draws=5, figure=Figure(figsize=(12.8, 8)))
    explorer.set(budget=0.5)
    explorer.new_draw()
    explorer.close()
    assert not plt.get_fignums() and dict(matplotlib.rcParams) == before


def test_a_window_is_closed_without_a_trace():
    import matplotlib.pyplot as plt

    explorer = explore(draws=5)
    assert plt.get_fignums() == [explorer.figure.number]
    explorer.close()
    explorer.close()
    assert not plt.get_fignums()


def test_the_controls_live_as_long_as_the_figure():
    figure = canvas()
    explore(draws=5, figure=figure)
    gc.collect()
    explorer = figure.explorer
    place = explorer.draw_button.ax.transAxes.transform((0.5, 0.5))
    for name in ("button_press_event", "button_release_event"):
        MouseEvent(name, figure.canvas, *place, button=1)._process()
    assert explorer.exploration.number == 1


def test_in_a_notebook_nothing_is_shown_by_hand(monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("show blocks"))
    with plt.ion():
        explorer = explore(draws=5)
        explorer.set(budget=0.5)
        explorer.new_draw()
        assert "<table>" in explorer.exploration._repr_html_()
    explorer.close()


def test_without_a_display_show_says_what_to_do(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    explorer = explore(draws=5)
    with pytest.raises(DisplayError, match="no display here") as caught:
        explorer.show()
    assert "--save" in str(caught.value) and "%matplotlib widget" in str(caught.value)
    explorer.close()
    with pytest.raises(DisplayError):
        explore(draws=5, figure=canvas()).show()
    monkeypatch.setenv("DISPLAY", ":0")
    with pytest.raises(DisplayError, match="Install a toolkit"):
        explore(draws=5, figure=canvas()).show()


def test_with_a_display_show_waits(monkeypatch):
    import matplotlib.pyplot as plt

    class Manager(FigureManagerBase):
        def show(self):
            """Have a window."""

    asked = []
    monkeypatch.setattr(plt, "show", lambda *, block: asked.append(block))
    explorer = explore(draws=5)
    monkeypatch.setattr(explorer.figure.canvas, "manager", Manager(explorer.figure.canvas, 99))
    explorer.show()
    explorer.show(block=True)
    assert asked == [None, True]
    monkeypatch.undo()
    explorer.close()


def test_a_backend_that_cannot_be_had(monkeypatch):
    import matplotlib.pyplot as plt

    def fail(**options):
        raise ImportError("Cannot load backend 'QtAgg' which requires the 'qt' interactive framework")

    monkeypatch.setattr(plt, "figure", fail)
    with pytest.raises(DisplayError, match="Cannot load backend"):
        explore(draws=5)


# --- the command


def narrow(text):
    return max(map(len, text.splitlines())) <= 80


def test_the_command_writes_a_picture(tmp_path, capsys):
    path = tmp_path / "new" / "explorer.png"
    vjp = "diagonal(0.3, target=both)"
    assert main(["explore", "--save", str(path), "--vjp", vjp, "--draws", "30", "--seed", "4"]) == 0
    shown = capsys.readouterr()
    exploration = Exploration.of(Subject(*example(), EXAMPLE_NODE), vjp, 0.3, draws=30, rng=4)
    assert shown.err == "" and str(exploration) in shown.out and narrow(shown.out.replace(str(tmp_path), "."))
    from matplotlib.image import imread

    assert imread(path).shape[:2] == (800, 1280)
    assert main(["explore", "--save", str(tmp_path / "a.svg"), "--budget", "0.5", "--draws", "10"]) == 0
    assert "Mask(0.5, axis='element')" in capsys.readouterr().out and (tmp_path / "a.svg").stat().st_size > 1000


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--save", "a.nothing"], "not supported"),
        (["--save", "setup.cfg/a.png"], "setup.cfg"),
        (["--save", "a.png", "--budget", "0"], "outside (0, 1]"),
        (["--save", "a.png", "--budget", "nan"], "outside (0, 1]"),
        (["--save", "a.png", "--draws", "1"], "at least 2"),
        (["--save", "a.png", "--vjp", "mosk"], "did you mean 'mask'?"),
        (["--save", "a.png", "--seed", "-1"], "must not be negative"),
    ],
)
def test_mistakes_on_the_command_line(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.cfg").write_text("")
    assert main(["explore", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("minigrad: ") and narrow(shown.err) and shown.out == ""
    assert words in " ".join(shown.err.split())


def shell(*arguments, **environment):
    kept = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")}
    return subprocess.run(
        [sys.executable, "-m", "minigrad", "explore", *arguments],
        env={**kept, **environment}, capture_output=True, text=True, encoding="utf-8", timeout=600,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_the_command_without_a_display():
    done = shell("--draws", "5")
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr and narrow(done.stderr)
    assert "no window can be opened" in done.stderr and "minigrad explore --save explorer.png" in done.stderr


def test_a_picture_in_a_file_needs_neither_display_nor_pyplot(tmp_path):
    code = f"""
import sys
from minigrad.cli import main
assert "matplotlib" not in sys.modules
assert main(["explore", "--save", {str(tmp_path / "a.png")!r}, "--draws", "5"]) == 0
assert "matplotlib.pyplot" not in sys.modules
import minigrad.explore, minigrad.plot
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_explorer_stays_light():
    check = (
        "import minigrad.explore, sys\nprint([m for m in ('matplotlib', 'minigrad.experiments') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=600)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_window_of_the_command_is_closed_again(monkeypatch):
    import matplotlib.pyplot as plt

    asked = []
    monkeypatch.setattr(Explorer, "show", lambda self, block=None: asked.append((block, plt.get_fignums())))
    assert main(["explore", "--draws", "5", "--vjp", "topk(0.5)"]) == 0
    assert asked == [(True, [1])] and not plt.get_fignums()


def test_the_file_that_is_named_is_the_file_that_is_written(tmp_path, capsys):
    assert main(["explore", "--save", str(tmp_path / "a"), "--draws", "3"]) == 0
    assert str(tmp_path / "a.png") in capsys.readouterr().out and (tmp_path / "a.png").exists()
    exploration = Exploration.of(Subject(*example(), EXAMPLE_NODE), "mask", draws=3, rng=0)
    assert exploration.save(tmp_path / "b") == tmp_path / "b.png" and (tmp_path / "b.png").exists()
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        exploration.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    (tmp_path / "c.png").mkdir()
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        exploration.save(tmp_path / "c")


@pytest.mark.parametrize("name, words", [("a.nothing", "not supported"), (".", "is a folder")])
def test_a_bad_file_is_refused_before_the_draws(name, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Exploration, "of", lambda *args, **kwargs: pytest.fail("it has drawn"))
    assert main(["explore", "--save", str(tmp_path / name)]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "text, words",
    [("", "is not of the form name(budget"), ("last: mask(0.1)", "one node"), ("last: mask", "--vjp 'mask'")],
)
@pytest.mark.parametrize("save", [True, False])
def test_an_estimator_that_is_not_understood(text, words, save, tmp_path, capsys):
    assert main(["explore", "--vjp", text, *(["--save", str(tmp_path / "a.png")] if save else [])]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
