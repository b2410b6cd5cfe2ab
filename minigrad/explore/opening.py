"""Open an explorer on a tape of one's own, or on the example."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.estimators import parse
from minigrad.explore.choices import DEFAULT, Choice, Offer, choices_from, find, own_budget
from minigrad.explore.example import EXAMPLE_NODE, example
from minigrad.explore.exploration import BUDGETS
from minigrad.explore.explorer import Explorer
from minigrad.explore.subject import Subject
from minigrad.typing import Array, Seed

__all__ = ["explore"]


def explore(
    tape: Tape | None = None,
    loss: Tensor | None = None,
    node: int | Node | None = None,
    wrt: Tensor | None = None,
    *,
    cotangent: Array | None = None,
    estimators: Mapping[str, Offer] | Sequence[Offer | Choice] | None = None,
    estimator: Offer | None = None,
    budget: float | None = None,
    budgets: Sequence[float] = BUDGETS,
    draws: int = 500,
    rng: Seed = 0,
    figure: Any = None,
) -> Explorer:
    """Open an explorer: see what an estimator does at one node of a tape, and change it with buttons and a slider.

    It shows the cotangent before and after one draw, how likely each of its parts is to be kept, the distribution of
    the gradient estimate around the exact gradient, and the variance, measured and in closed form, against the budget.

    Parameters
    ----------
    tape : Tape, optional
        Default: `example`, a small network on handwritten digits.
    loss : Tensor, optional
        Recorded on that tape.
    node : int or Node, optional
        Where the estimator is put. The other nodes are exact here. Default: the first node that has an estimator, else
        the first that reads a leaf.
    wrt : Tensor, optional
        Whose gradient is looked at; default: the largest leaf that the node reads.
    cotangent : ndarray, optional
        Of the shape of ``loss``, unless that is a scalar.
    estimators : mapping from str, or sequence, optional
        What can be chosen: estimators; texts such as ``"mask(axis=row)"``; or what makes an estimator from a budget, a
        class for instance. Default: masks, diagonal sketches, a low-rank sketch, a projection and top-k.
    estimator : Estimator, str or callable, optional
        What is shown first: the label of a choice, or something as in ``estimators``, which is then offered as well.
        Default: the node's own, if it has one; else the first choice.
    budget : float, optional
        Where the slider is at first. Default: the budget of ``estimator`` if it has one, else 0.25.
    budgets : sequence of float, default 0.05, 0.1, …, 1
        Where the slider stops.
    draws : int, default 500
        Fewer make it quicker to answer, for large cotangents.
    rng : Generator, int or None, default 0
    figure : matplotlib Figure, optional
        Default: a window.

    Returns
    -------
    Explorer
        Call its ``show()`` in a script. Its ``exploration`` holds the numbers that are shown.

    Raises
    ------
    DisplayError
        If the backend that was asked for cannot open a window here.
    TypeError, ValueError, TapeError
        If the tape, the node or an estimator is not what it should be, or two choices have one label; see `Subject` and
        `Choice.of`.

    Warns
    -----
    UserWarning
        If the node has an estimator for each input: each is offered, and shown as if it were that of all inputs.

    Notes
    -----
    In a notebook: ``pip install ipympl``, then in a first cell ``%matplotlib widget``, and the controls are alive; the
    figure shows itself below the cell, and nothing waits. With ``%matplotlib inline`` the figure is a picture: call
    ``explorer.set(estimator="low rank", budget=0.1)``, then ``explorer.figure`` to see it again.

    Examples
    --------
    A tape, a node and an estimator of one's own, without a display:

    >>> import numpy as np, minigrad as mg
    >>> from matplotlib.figure import Figure
    >>> class Coin(mg.Estimator):
    ...     def __init__(self, budget):
    ...         self.budget = budget
    ...     def sample(self, g, node, rng):
    ...         return g / self.budget if rng.random() < self.budget else 0 * g
    >>> w = mg.Tensor(np.eye(3), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((2, 3)), w).tanh().sum()
    >>> explorer = explore(tape, loss, node=0, estimators=[Coin, "mask"], draws=200, figure=Figure(figsize=(12.8, 8)))
    >>> explorer.exploration.distortion is None                           # Coin knows no closed form
    True
    >>> explorer.set(estimator="Mask", budget=0.5)
    >>> round(explorer.exploration.distortion, 6)
    1.0
    """
    if (tape is None) != (loss is None):
        raise TypeError("explore: give a tape and the loss that was recorded on it, or neither")
    if tape is None or loss is None:
        tape, loss = example()
        node = EXAMPLE_NODE if node is None else node
    subject = Subject(tape, loss, node, wrt, cotangent=cotangent)
    choices = choices_from(estimators)
    own = subject.node.vjp
    first = own if estimator is None and isinstance(own, Estimator) else estimator
    selected = 0
    if isinstance(own, Mapping):
        parts = _parts(own)
        choices[:0] = parts.values()
        if estimator is None and parts:
            edge = _edge_to(subject, parts)
            first = parts[edge].label
            budget = own_budget(own[edge]) if budget is None else budget
            labels = ", ".join(part.label for part in parts.values())
            warnings.warn(
                f"node {subject.node.index} ({subject.node.label}) has an estimator for each input. The explorer shows "
                f"one at a time, for all inputs: {first} at first, and {labels} to choose from",
                stacklevel=2,
            )
    if first is not None:
        place = find(choices, first)
        if place is None and isinstance(first, str):
            first = parse(first, budget=DEFAULT)
            place = find(choices, first)
        if place is None:
            made = Choice.of(first)
            if first is own and any(made.label == choice.label for choice in choices):
                made = dataclasses.replace(made, label=f"{made.label} of the node")
            choices.insert(0, made)
        selected = place or 0
    if budget is None:
        budget = own_budget(first)
    return Explorer(
        subject, choices, selected=selected, budget=budget, budgets=budgets, draws=draws, rng=rng, figure=figure
    )


def _parts(vjp: Mapping[str, Estimator]) -> dict[str, Choice]:
    """The estimator of each input, as a choice."""
    made = {edge: Choice.of(part) for edge, part in vjp.items()}
    return {edge: dataclasses.replace(part, label=f"{edge}: {part.label}") for edge, part in made.items()}


def _edge_to(subject: Subject, parts: Mapping[str, Choice]) -> str:
    """The input by which the node reads the tensor that is looked at, if it has an estimator; else the first."""
    for edge, parent in zip(subject.node.primitive.inputs, subject.node.parents, strict=False):
        if parent is subject.tensor and edge in parts:
            return edge
    return next(iter(parts))
