"""History: what it holds, how it is written and read, shown and drawn."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from minigrad.training import Epoch, History
from minigrad.training.evaluate import accuracy


def epoch(number, **changes):
    values = {
        "epoch": number, "step": 10 * number, "lr": 0.1, "loss": 1.0 / number, "accuracy": 0.5, "test_loss": 1.1,
        "test_accuracy": 0.25, "seconds": 0.123456, "backward_seconds": 0.01, "forward_flops": 1e6,
        "backward_flops": 2.5e6,
    }  # fmt: skip
    return Epoch(**{**values, **changes})


def test_a_round_trip_through_strict_json():
    history = History([epoch(1), epoch(2, test_loss=None, test_accuracy=None), epoch(3, test_loss=math.inf)])
    text = json.dumps(history.to_dict(), allow_nan=False)
    assert History.from_dict(json.loads(text)) == history
    nan = History([epoch(1, test_loss=math.nan)])
    assert math.isnan(History.from_dict(json.loads(json.dumps(nan.to_dict(), allow_nan=False))).last.test_loss)


def test_columns_and_length():
    history = History([epoch(1), epoch(2)])
    assert len(history) == 2 and history["loss"] == [1.0, 0.5] and history.last.epoch == 2


def test_an_empty_history():
    assert str(History()).startswith("epoch")
    assert History.from_dict(History().to_dict()) == History()
    with pytest.raises(IndexError, match="no epoch yet"):
        _ = History().last


def test_the_table():
    lines = str(History([epoch(1, test_loss=None, test_accuracy=None), epoch(2)])).splitlines()
    assert lines[0].split("  ") and "test accuracy" in lines[0]
    assert lines[1].count("–") == 2 and lines[2].endswith("2.5 M")
    assert max(map(len, lines)) <= 80
    assert "<table>" in History([epoch(1)])._repr_html_()


def test_the_plot_is_drawn_on_the_given_axes():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert History([epoch(1), epoch(2)]).plot(ax) is ax
    assert [line.get_label() for line in ax.lines] == ["training", "test"]
    assert ax.lines[0].get_ydata().tolist() == [1.0, 0.5] and ax.get_ylabel() == "loss (nats)"
    assert len(History([epoch(1, test_loss=None)]).plot(Figure().subplots()).lines) == 1


def test_accuracy_from_labels_and_from_probabilities():
    logits = np.array([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0]])
    assert accuracy(logits, np.array([1, 0, 0])) == pytest.approx(2 / 3)
    assert accuracy(logits, np.array([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]])) == pytest.approx(2 / 3)
