"""How soon methods are where exact VJPs end: by hand, on runs that were written down."""

from __future__ import annotations

import json
import math

import pytest

from minigrad.experiments import Configuration, Run, compare
from minigrad.experiments.reached import reached, reached_table
from minigrad.training import Epoch, History


def run(label, seed, losses, seconds=1.0, flops=1.0, diverged=None):
    epochs = [
        Epoch(epoch=k, step=k, lr=0.1, loss=loss, accuracy=0.0, test_loss=None, test_accuracy=None, seconds=seconds,
              backward_seconds=0.0, forward_flops=k * flops, backward_flops=2 * k * flops)
        for k, loss in enumerate(losses, 1)
    ]  # fmt: skip
    return Run("0f", label, seed, History(epochs), diverged)


def test_by_hand():
    runs = [
        run("exact", 0, [4, 3, 2, 1]),
        run("exact", 1, [4, 3, 2, 2]),
        run("exact", 2, [4], diverged="the loss is nan"),
        run("fast", 0, [4, 1, 5, 5], seconds=1.5, flops=0.5),  # epoch 2 of 4: seconds 3/4, operations 1/4
        run("fast", 1, [4, 3, 2, 1], seconds=2.0, flops=0.5),  # epoch 3 of 4, exact is there at 3, too
        run("fast", 2, [0]),  # its exact run diverged
        run("never", 0, [4, 3, 2, 2]),
        run("never", 1, [4, 3, 2], diverged="later"),
    ]
    exact, fast, never = reached(["exact", "fast", "never", "absent"], runs)
    assert (exact.reached, exact.seeds, exact.epochs) == (2, 2, pytest.approx((1 + 0.75) / 2))
    assert (fast.epochs, fast.operations, fast.seconds) == pytest.approx((0.625, (0.25 + 0.375) / 2, (0.75 + 1.5) / 2))
    assert (never.reached, never.seeds, never.seconds) == (1, 2, math.inf)
    text = str(reached_table([exact, fast, never]))
    assert "1 of 2" in text and "–" in text and max(map(len, text.splitlines())) <= 80
    assert reached(["exact"], [run("exact", 0, [], diverged="at once")]) == []


def test_a_comparison_prints_it(tmp_path):
    small = Configuration("mlp", "digits", epochs=3, train=300, test=50, lr=0.05)
    found = compare(small, ["diagonal(0.5)"], seeds=1, out=tmp_path, progress=False)
    assert "which exact VJPs end with" in str(found)
    data = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [each["label"] for each in data["reached"]] == [method.label for method in found.methods]
    assert data["reached"][0]["reached"] == 1 and 0 < data["reached"][0]["seconds"] <= 1
