"""The window: controls on the left, and the pictures of the current exploration."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minigrad.explore.choices import Choice, different, find
from minigrad.explore.curve import BudgetCurve
from minigrad.explore.exploration import BUDGETS, Exploration
from minigrad.explore.measure import ALONG, ENTRY
from minigrad.explore.picture import SIZE
from minigrad.explore.subject import Subject
from minigrad.explore.window import new_figure, show
from minigrad.naming import unknown
from minigrad.streams import key_of
from minigrad.typing import Seed

__all__ = ["Explorer"]

CONTROLS = 0.165
"""The part of the width that the controls take up."""


class Explorer:
    """An open explorer, as `explore` returns it: its controls, its figure, and what is shown.

    Attributes
    ----------
    exploration : Exploration
        What is shown now; its numbers are those in the pictures. A RuntimeError where the last change failed, so that
        a message is shown instead.
    subject : Subject
        What is looked at.
    choices : list of Choice
        The estimators that are offered.
    figure : matplotlib Figure
    estimator_buttons, view_buttons : matplotlib.widgets.RadioButtons
        Which estimator; and of which number the draws are shown.
    budget_slider : matplotlib.widgets.Slider
    draw_button : matplotlib.widgets.Button

    Examples
    --------
    A figure of one's own needs no display:

    >>> from matplotlib.figure import Figure
    >>> from minigrad.explore import explore
    >>> explorer = explore(draws=100, rng=0, figure=Figure(figsize=(12.8, 8)))
    >>> explorer.set(estimator="low rank", budget=0.5)
    >>> explorer.exploration.estimator
    LowRankSketch(0.5)
    >>> explorer.new_draw()
    >>> explorer.exploration.number
    1
    """

    def __init__(
        self,
        subject: Subject,
        choices: Sequence[Choice],
        *,
        selected: int = 0,
        budget: float = 0.25,
        budgets: Sequence[float] = BUDGETS,
        draws: int = 500,
        rng: Seed = None,
        figure: Any = None,
    ):
        self.subject, self.choices = subject, different(choices)
        self._selected, self._budget, self._view, self._number = selected, budget, ALONG, 0
        self._budgets = sorted({*map(float, budgets), float(budget)})
        if len(self._budgets) < 2 or not 0 < self._budgets[0] <= self._budgets[-1] <= 1:
            raise ValueError(
                f"explore: budget={budget:g} and budgets={[float(p) for p in budgets]} must lie in (0, 1], and be at "
                "least two, for a slider to run between"
            )
        self._draws, self._key = draws, key_of(rng)
        self._curves: dict[int, BudgetCurve] = {}
        self._busy = False
        self._failure: Exception | None = None
        self._exploration = self._explored()  # before there is a window: what is wrong is said without one
        self.figure = new_figure(figsize=SIZE) if figure is None else figure
        self._panels = self.figure.subfigures(1, 2, width_ratios=[CONTROLS, 1 - CONTROLS])[1]
        self._add_controls()
        self._draw()
        # Matplotlib holds callbacks by weak references: without this the controls of an explorer that nobody gave a
        # name would be dead.
        self.figure.explorer = self

    def _add_controls(self) -> None:
        from matplotlib.widgets import Button, RadioButtons, Slider

        left, width = 0.008, CONTROLS - 0.016
        names = ["\n".join(textwrap.wrap(choice.label, 24)) for choice in self.choices]
        heights = 0.036 * len(names) + 0.018 * sum(name.count("\n") for name in names)
        height = min(0.56, heights)
        buttons = self.figure.add_axes((left, 0.95 - height, width, height), label="estimator")
        buttons.set_title("estimator", loc="left", fontsize=11)
        look: dict[str, Any] = {"activecolor": "#D55E00"}
        self.estimator_buttons = RadioButtons(buttons, names, active=self._selected, **look)
        views = self.figure.add_axes((left, 0.24, width, 0.075), label="view")
        views.set_title("number shown", loc="left", fontsize=11)
        self.view_buttons = RadioButtons(views, [ALONG, ENTRY], **look)
        for label in [*self.estimator_buttons.labels, *self.view_buttons.labels]:
            label.set_fontsize(9)
        track = self.figure.add_axes((left + 0.008, 0.135, width - 0.016, 0.035), label="budget")
        self.budget_slider = Slider(
            track,
            "",
            self._budgets[0],
            self._budgets[-1],
            valinit=self._budget,
            valstep=self._budgets,
            color="#0072B2",
            initcolor="none",
        )
        self.budget_slider.valtext.set_visible(False)  # it would not fit to the right; the title says it
        self._budget_title = track.set_title("", loc="left", fontsize=11)
        self.draw_button = Button(self.figure.add_axes((left, 0.03, width, 0.06), label="draw"), "new draw")
        indices = {name: k for k, name in enumerate(names)}
        self.estimator_buttons.on_clicked(lambda name: self._changed(_selected=indices[str(name)]))
        self.view_buttons.on_clicked(lambda name: self._changed(_view=name))
        self.budget_slider.on_changed(lambda value: self._changed(_budget=float(value)))
        self.draw_button.on_clicked(lambda event: self.new_draw())

    @property
    def exploration(self) -> Exploration:
        """The exploration that is shown now."""
        if self._failure is not None:
            raise RuntimeError(
                f"the explorer shows no exploration: {self._asked()} failed with {type(self._failure).__name__}: "
                f"{self._failure}; choose another with set(...)"
            ) from self._failure
        return self._exploration

    def set(self, *, estimator: str | None = None, budget: float | None = None, view: str | None = None) -> None:
        """Move the controls; where there is no mouse, in a notebook without widgets for instance.

        Parameters
        ----------
        estimator : str, optional
            The label of a choice.
        budget : float, optional
            In (0, 1]; not only where the slider stops.
        view : {"along the gradient", "one entry"}, optional

        Raises
        ------
        ValueError
            If there is no such choice or view, or the budget is out of range.
        """
        place = self._selected if estimator is None else find(self.choices, estimator)
        if place is None:
            raise ValueError(unknown("estimator", estimator, [choice.label for choice in self.choices]))
        if view is not None and view not in (ALONG, ENTRY):
            raise ValueError(unknown("view", view, [ALONG, ENTRY]))
        if budget is not None and not 0 < budget <= 1:
            raise ValueError(f"budget={budget} is outside (0, 1]. It is the expected fraction that is kept")
        with self._quietly():
            self.estimator_buttons.set_active(place)
            self.view_buttons.set_active((ALONG, ENTRY).index(view or self._view))
            self._make_room(self._budget if budget is None else budget)
            self.budget_slider.set_val(self._budget if budget is None else budget)
        self._changed(_selected=place, _view=view or self._view, _budget=self._budget if budget is None else budget)

    def _make_room(self, budget: float) -> None:
        """Let the slider reach a budget beyond its stops."""
        slider = self.budget_slider
        if not slider.valmin <= budget <= slider.valmax:
            slider.valstep = sorted({*self._budgets, slider.valmin, slider.valmax, budget})
            slider.valmin, slider.valmax = min(slider.valmin, budget), max(slider.valmax, budget)
            slider.ax.set_xlim(slider.valmin, slider.valmax)
            if hasattr(slider.poly, "set_x"):  # a polygon before Matplotlib 3.9
                slider.poly.set_x(slider.valmin)

    def new_draw(self) -> None:
        """Show the next draw; what was measured over all of them stays."""
        self._number = (self._number + 1) % self._draws
        self._update(lambda: self._explored() if self._failure else self._exploration.show_draw(self._number))

    def save(self, path: str | Path) -> Path:
        """Write the pictures, without the controls, to a file; as `Exploration.save`."""
        return self.exploration.save(path)

    def show(self, block: bool | None = None) -> None:
        """Bring the window to the screen, and wait until it is closed.

        In a notebook, or with ``plt.ion()``, the figure shows itself; there is no need to call this.

        Parameters
        ----------
        block : bool, optional
            Whether to wait; default: unless the session is interactive.

        Raises
        ------
        DisplayError
            If there is no screen, or no toolkit to open a window with; it says what to do instead.
        """
        show(self.figure, block)

    def close(self) -> None:
        """Close the window."""
        if getattr(self.figure, "number", None) is not None:
            import matplotlib.pyplot as plt

            plt.close(self.figure)

    def _changed(self, **state: Any) -> None:
        """Take in what a control says; measure and draw again if anything is new."""
        new = any(getattr(self, name) != value for name, value in state.items())
        if self._busy or not (new or self._failure):
            return
        for name, value in state.items():
            setattr(self, name, value)
        looked = state.keys() == {"_view"} and not self._failure
        self._update(lambda: self._exploration if looked else self._explored())

    def _update(self, make: Callable[[], Exploration]) -> None:
        """Show what is made, or why it cannot be."""
        try:
            self._exploration = make()
            self._draw()
        except Exception as error:  # of an estimator of one's own: say so where it is seen, too
            self._failure = error
            self._panels.clear()
            words = f"{self._asked()}\n\n{type(error).__name__}: {error}"
            wrapped = "\n".join(textwrap.fill(line, 80) for line in words.splitlines())
            self._panels.text(0.5, 0.5, wrapped, ha="center", va="center", parse_math=False)
            self._budget_title.set_text(f"budget {self._budget:.3g}" if self.choices[self._selected].adjustable else "")
            self.figure.canvas.draw_idle()
            raise
        self._failure = None

    def _asked(self) -> str:
        return f"{self.choices[self._selected].label} at budget {self._budget:g}"

    def _explored(self) -> Exploration:
        choice = self.choices[self._selected]
        exploration = Exploration.of(
            self.subject, choice, self._budget, draws=self._draws, rng=self._key, budgets=self._budgets,
            number=self._number, curve=self._curves.get(self._selected),
        )  # fmt: skip
        self._curves.setdefault(self._selected, exploration.curve)
        return exploration

    def _draw(self) -> None:
        fixed = "" if self.choices[self._selected].adjustable else " (fixed)"
        budget = self._exploration.budget
        self._budget_title.set_text("no budget" if budget is None else f"budget {budget:.3g}{fixed}")
        self._panels.clear()
        self._exploration.plot(self._panels, self._view)
        self.figure.canvas.draw_idle()

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Let controls be moved without an answer to each."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def __repr__(self) -> str:
        return (
            f"<Explorer of {self.subject!r}: {self._asked() if self._failure else repr(self._exploration.estimator)}>"
        )
