"""The explorer's window without a display: its controls, what its pictures show, and what it leaves behind."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.backend_bases import FigureManagerBase, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import minigrad as mg
from minigrad import ops
from minigrad.cli import main
from minigrad.cotangents import dense
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, TopK
from minigrad.explore import Choice, DisplayError, Exploration, Explorer, Subject, example, explore
from minigrad.explore.choices import STANDARD
from minigrad.explore.example import NODE
from minigrad.explore.measure import ALONG, ENTRY

PANELS = ["exact cotangent", "draw ", "inclusion", "draws of the gradient", "mean of the first", "noise of"]


def canvas():
    """A figure without a window, which is not painted unless one asks for it."""
    return Figure(figsize=(12.8, 8))


@pytest.fixture
def explorer():
    return explore(draws=60, rng=0, figure=canvas())


def panels(explorer):
    """The axes of the six pictures."""
    axes = [ax for ax in explorer.figure.axes if ax.get_title() and not ax.get_label()]
    assert len(axes) == 6
    return axes


def click(explorer, ax, x=0.5, y=0.5, drag_to=None):
    """Press the mouse at a place of some axes, as fractions, and let go."""
    for name, where in (("button_press_event", (x, y)), ("button_release_event", drag_to or (x, y))):
        if drag_to is not None and name == "button_release_event":
            place = ax.transAxes.transform(where)
            MouseEvent("motion_notify_event", explorer.figure.canvas, *place)._process()
        MouseEvent(name, explorer.figure.canvas, *ax.transAxes.transform(where), button=1)._process()


def agrees(explorer):
    """Compare the numbers in the pictures with those that the library gives afresh."""
    before, after, likely, spread, running, trade = panels(explorer)
    exploration, subject = explorer.exploration, explorer.subject
    estimator, g = exploration.estimator, subject.cotangent
    rows, columns = int(np.prod(g.shape[:-1])), g.shape[-1]
    np.testing.assert_array_equal(before.images[0].get_array().filled(0), g.reshape(rows, columns))
    drawn = subject.draw(estimator, exploration.number, exploration.key)
    np.testing.assert_array_equal(after.images[0].get_array().filled(0), dense(drawn).reshape(rows, columns))
    if hasattr(estimator, "probabilities") and estimator.budget < 1:
        p = estimator.probabilities(g, subject.node)
        shown = likely.images[0].get_array().ravel() if likely.images else [bar.get_height() for bar in likely.patches]
        np.testing.assert_allclose(shown, p)
    view = explorer.view_buttons.value_selected
    gradient = subject.gradient
    exact = np.linalg.norm(gradient) if view == ALONG else gradient.flat[np.abs(gradient).argmax()]
    values = []
    for k in range(exploration.draws):
        estimate = subject.estimate(subject.draw(estimator, k, exploration.key))
        along = (estimate * gradient).sum() / np.linalg.norm(gradient)
        values.append(along if view == ALONG else estimate.flat[np.abs(gradient).argmax()])
    assert spread.lines[0].get_xdata()[0] == pytest.approx(exact)
    assert spread.lines[1].get_xdata()[0] == pytest.approx(np.mean(values))
    assert spread.lines[2].get_xdata()[0] == pytest.approx(values[exploration.number])
    np.testing.assert_allclose(
        running.lines[0].get_ydata(), np.cumsum(values) / np.arange(1, len(values) + 1), rtol=1e-9, atol=1e-12
    )
    norm = np.square(g, dtype=np.float64).sum()
    try:
        wanted = [explorer.choices[explorer._selected].make(p).distortion(g, subject.node) / norm
                  for p in trade.lines[0].get_xdata()]  # fmt: skip
    except NotImplementedError:
        wanted = None
    if wanted is not None:
        np.testing.assert_allclose(trade.lines[0].get_ydata(), wanted)
    star = trade.containers[-1][0]
    errors = [
        np.square(dense(subject.draw(estimator, k, exploration.key)).astype(float) - g).sum() / norm
        for k in range(exploration.draws)
    ]
    assert star.get_xydata().tolist() == [[estimator.budget, pytest.approx(np.mean(errors))]]
    return True


def test_what_it_shows_at_first(explorer):
    assert isinstance(explorer, Explorer) and explorer.exploration.estimator == Mask(0.25, axis="element")
    for ax, words in zip(panels(explorer), PANELS, strict=True):
        assert words in ax.get_title()
        assert ax.get_xlabel() and (ax.get_ylabel() or "draw " in ax.get_title())
    assert agrees(explorer)
    assert "Mask(0.25, axis='element') at node 2 (linear)" in explorer.figure.subfigs[1].get_suptitle()


def test_every_estimator_by_its_button(explorer):
    for k, choice in enumerate(STANDARD):
        explorer.estimator_buttons.set_active(k)
        assert explorer.exploration.estimator == choice.make(0.25)
        assert agrees(explorer)
    for budget in (0.4, 1.0):
        for k in (0, 5, 8):
            explorer.set(estimator=STANDARD[k].label, budget=budget)
            assert explorer.exploration.estimator == STANDARD[k].make(budget)
            assert agrees(explorer)
    assert explorer.exploration.measured == 0


def test_the_slider(explorer):
    axes = explorer.budget_slider.ax
    explorer.budget_slider.set_val(0.5)
    assert explorer.exploration.estimator.budget == 0.5
    assert axes.get_title("left") == "budget 0.5"
    click(explorer, axes, 0.99)
    assert explorer.exploration.estimator.budget == 1.0
    click(explorer, axes, 0.9, drag_to=(0.01, 0.5))
    assert explorer.exploration.estimator.budget == 0.05
    assert agrees(explorer)


def test_the_button_shows_the_next_draw_and_measures_nothing_anew(explorer):
    explorer.set(estimator="diagonal: both")
    errors = explorer.exploration.errors
    seen = []
    for number in (1, 2, 3):
        click(explorer, explorer.draw_button.ax)
        assert explorer.exploration.number == number and explorer.exploration.errors is errors
        assert f"draw {number + 1} of Ĝ" in panels(explorer)[1].get_title()
        seen.append(panels(explorer)[1].images[0].get_array().filled(0))
        assert agrees(explorer)
    assert (seen[0] != seen[1]).any() and (seen[1] != seen[2]).any()


def test_after_the_last_draw_comes_the_first():
    explorer = explore(draws=3, figure=canvas())
    numbers = []
    for _ in range(4):
        explorer.new_draw()
        numbers.append(explorer.exploration.number)
    assert numbers == [1, 2, 0, 1]


def test_the_mouse_on_an_estimator_and_on_a_number(explorer):
    labels = explorer.estimator_buttons.labels
    explorer.figure.canvas.draw()
    box = labels[8].get_window_extent().transformed(labels[8].axes.transAxes.inverted())
    click(explorer, labels[8].axes, (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    assert explorer.exploration.estimator == LowRankSketch(0.25)
    before = explorer.exploration
    explorer.view_buttons.set_active(1)
    assert explorer.exploration is before  # another look at the same numbers
    assert "[" in panels(explorer)[3].get_xlabel()
    assert agrees(explorer)


def test_a_planted_fault_is_found(explorer):
    """The comparison that the tests above rest on does fail."""
    panels(explorer)[4].lines[0].set_ydata(panels(explorer)[4].lines[0].get_ydata() * 1.01)
    with pytest.raises(AssertionError):
        agrees(explorer)
    explorer.set(budget=0.3)
    bar = panels(explorer)[1].images[0]
    bar.set_array(bar.get_array() * 2)
    with pytest.raises(AssertionError):
        agrees(explorer)


def test_set(explorer):
    explorer.set(estimator="low rank", budget=0.33, view=ENTRY)
    assert explorer.exploration.estimator == LowRankSketch(0.33)
    assert explorer.estimator_buttons.value_selected == "low rank" and explorer.view_buttons.value_selected == ENTRY
    assert explorer.budget_slider.val == 0.33
    explorer.set(view=ALONG)
    assert explorer.exploration.estimator == LowRankSketch(0.33) and agrees(explorer)
    before = explorer.exploration
    explorer.set()
    assert explorer.exploration is before
    for arguments, words in (
        ({"estimator": "low rnk"}, "did you mean 'low rank'"),
        ({"view": "entries"}, "unknown view"),
        ({"budget": 0.0}, "outside"),
        ({"budget": 2}, "outside"),
    ):
        with pytest.raises(ValueError, match=words):
            explorer.set(**arguments)
    assert explorer.exploration is before


# --- one's own


class Coin(mg.Estimator):
    def __init__(self, budget):
        self.budget = budget

    def sample(self, g, node, rng):
        return g / self.budget if rng.random() < self.budget else 0 * g


class Broken(mg.Estimator):
    def __init__(self, budget):
        self.budget = budget

    def sample(self, g, node, rng):
        return g[:1]


def own_tape(vjp=None):
    w = mg.Tensor(np.random.default_rng(0).standard_normal((4, 3)), requires_grad=True, name="w")
    with mg.Tape() as tape:
        loss = ops.linear(np.random.default_rng(1).standard_normal((5, 3)), w, vjp=vjp).tanh().square().sum()
    return tape, loss, w


def test_a_tape_and_an_estimator_of_ones_own():
    tape, loss, w = own_tape()
    explorer = explore(tape, loss, 0, w, estimators={"mine": Coin, "mask": Mask(0.5)}, draws=40, figure=canvas())
    assert [text.get_text() for text in explorer.estimator_buttons.labels] == ["mine", "mask"]
    assert isinstance(explorer.exploration.estimator, Coin) and explorer.exploration.distortion is None
    assert "how often" in panels(explorer)[2].get_title()
    np.testing.assert_allclose(
        [bar.get_height() for bar in panels(explorer)[2].patches], explorer.exploration.frequencies
    )
    assert agrees(explorer)
    explorer.set(estimator="mask", budget=0.6)
    assert agrees(explorer) and explorer.exploration.estimator == Mask(0.6)


def test_the_nodes_own_estimator_comes_first():
    tape, loss, _ = own_tape(Mask(0.3, axis="row", design="systematic"))
    explorer = explore(tape, loss, draws=10, figure=canvas())
    assert explorer.exploration.estimator == Mask(0.3, axis="row", design="systematic")
    assert len(explorer.choices) == len(STANDARD) + 1
    tape, loss, _ = own_tape(DiagonalSketch(0.3))
    explorer = explore(tape, loss, draws=10, figure=canvas())
    assert explorer.exploration.estimator == DiagonalSketch(0.3) and len(explorer.choices) == len(STANDARD)
    explorer = explore(tape, loss, estimator="top-k (biased)", draws=10, figure=canvas())
    assert explorer.exploration.estimator == TopK(0.25)
    assert tape.nodes[0].vjp == DiagonalSketch(0.3)


def test_an_estimator_with_a_fixed_budget():
    tape, loss, _ = own_tape()
    explorer = explore(tape, loss, estimators=[Coin(0.3), "mask"], draws=10, figure=canvas())
    assert explorer.budget_slider.ax.get_title("left") == "budget 0.3 (fixed)"
    explorer.set(budget=0.7)
    assert explorer.exploration.estimator.budget == 0.3
    explorer.set(estimator="Mask")
    assert explorer.budget_slider.ax.get_title("left") == "budget 0.7"


def test_a_broken_estimator_is_told_of_in_the_window_and_another_mends_it():
    tape, loss, _ = own_tape()
    explorer = explore(tape, loss, estimators=["mask", Broken], draws=10, figure=canvas())
    with pytest.raises(ValueError, match="returned a cotangent of shape"):
        explorer.set(estimator="Broken")
    (text,) = explorer.figure.subfigs[1].texts
    assert "Broken at budget 0.25" in text.get_text() and "returned a cotangent of shape" in text.get_text()
    explorer.set(estimator="Mask")
    assert agrees(explorer)
    with pytest.raises(ValueError, match="returned a cotangent of shape"):
        explore(tape, loss, estimators=[Broken], figure=canvas())


def test_mistakes():
    tape, loss, _ = own_tape()
    for arguments, error, words in (
        ({"tape": tape}, TypeError, "a tape and the loss"),
        ({"loss": loss}, TypeError, "a tape and the loss"),
        ({"tape": tape, "loss": loss, "budget": 2.0}, ValueError, r"must lie in \(0, 1\]"),
        ({"tape": tape, "loss": loss, "budgets": [0.25]}, ValueError, "at least two"),
        ({"tape": tape, "loss": loss, "draws": 1}, ValueError, "at least 2"),
        ({"tape": tape, "loss": loss, "estimator": "mosk"}, ValueError, "did you mean 'mask'"),
    ):
        with pytest.raises(error, match=words):
            explore(**arguments, figure=canvas())


def test_a_single_row_and_a_scalar_node():
    w = mg.Tensor(np.ones(4), requires_grad=True, name="w")
    with mg.Tape() as tape:
        loss = (w * 2.0).sum()
    for node in (0, 1):
        explorer = explore(tape, loss, node, draws=5, figure=canvas())
        for choice in (STANDARD[0], STANDARD[8], STANDARD[10]):
            explorer.set(estimator=choice.label)
        explorer.figure.savefig(io.BytesIO(), dpi=20)  # warnings are errors


# --- pictures without a window


@pytest.mark.parametrize("view", [ALONG, ENTRY])
def test_an_exploration_draws_itself_on_a_given_figure(view):
    exploration = Exploration.of(Subject(*example(), NODE), Mask(0.5), draws=10, rng=0)
    figure = Figure(figsize=(12.8, 8))
    assert exploration.plot(figure, view) is figure and len([ax for ax in figure.axes if ax.get_title()]) == 6
    part = Figure().subfigures(1, 2)[0]
    assert exploration.plot(part, view) is part
    with pytest.raises(ValueError, match="view='no'"):
        exploration.plot(Figure(), "no")


def test_nothing_is_cramped():
    """At the size of the window no words of a picture lie over those of another, and none are cut off."""
    explorer = explore(draws=30, figure=canvas())
    for label, budget in (
        ("mask: elements", 0.05), ("diagonal: cotangent", 0.25), ("low rank", 0.05), ("projection", 0.5),
        ("top-k (biased)", 0.05), ("diagonal: cotangent", 1.0),
    ):  # fmt: skip
        explorer.set(estimator=label, budget=budget)
        assert not cramped(explorer.figure)


def test_a_planted_cramped_picture_is_found():
    figure = canvas()
    left, right = figure.subplots(1, 2)
    assert not cramped(figure)
    right.set_ylabel("far away", labelpad=90)
    assert cramped(figure)
    right.set_ylabel("")
    right.set_xlabel("below", labelpad=90)
    assert cramped(figure)


def cramped(figure):
    """Words of axes that reach into those of others, or out of the figure."""
    painted = FigureCanvasAgg(figure)
    painted.draw()
    renderer, found = painted.get_renderer(), []
    words = {}
    for ax in figure.axes:
        texts = [*ax.texts, ax.title, ax._left_title]
        if ax.axison:
            texts += [ax.xaxis.label, ax.yaxis.label]
            for axis in (ax.xaxis, ax.yaxis):
                low, high = sorted(axis.get_view_interval())
                texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                texts += [tick.label2 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        words[ax] = [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text() and t.get_visible()]
    for ax, texts in words.items():
        for text, box in texts:
            if box.x0 < 0 or box.y0 < 0 or box.x1 > figure.bbox.width or box.y1 > figure.bbox.height:
                found.append(f"{text!r} is cut off")
            for other, more in words.items():
                if other is not ax:
                    found += [f"{text!r} over {t!r}" for t, b in more if box.overlaps(b)]
                    if other.get_window_extent().overlaps(box):
                        found.append(f"{text!r} over the picture {other.get_title()!r}")
    return found


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
    click(explorer, explorer.draw_button.ax)
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
    exploration = Exploration.of(Subject(*example(), NODE), vjp, 0.3, draws=30, rng=4)
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
        env={**kept, **environment}, capture_output=True, text=True, encoding="utf-8", timeout=120,
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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_explorer_stays_light():
    check = (
        "import minigrad.explore, sys\nprint([m for m in ('matplotlib', 'minigrad.experiments') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_window_of_the_command_is_closed_again(monkeypatch):
    import matplotlib.pyplot as plt

    asked = []
    monkeypatch.setattr(Explorer, "show", lambda self, block=None: asked.append((block, plt.get_fignums())))
    assert main(["explore", "--draws", "5", "--vjp", "topk(0.5)"]) == 0
    assert asked == [(True, [1])] and not plt.get_fignums()


def test_a_choice_of_ones_own_by_hand():
    choice = Choice("mine", Coin)
    explorer = explore(estimators=[choice], draws=5, figure=canvas())
    assert explorer.choices == [choice]
