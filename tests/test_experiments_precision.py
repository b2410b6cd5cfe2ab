"""The cost to a precision along training: it is that of `inspect.advise`, by seed and stage, and it is kept."""

from __future__ import annotations

import csv
import functools
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from minigrad import inspect, nn, ops
from minigrad.cli import main
from minigrad.experiments import Configuration, Method
from minigrad.experiments.precision import BUDGETS, PrecisionJob, measure_precision
from minigrad.experiments.precision_result import PrecisionPoint, over_seeds
from minigrad.plot.steps_curve import cost_by_steps
from minigrad.training.loop import Loop

SMALL = {"mlp": Configuration("mlp", train=300, lr=0.05)}
NAMES = ["nothing", "samples at the logits", "rows", "columns", "rows by one price", "rows, 0.5 × τ", "rows, 2 × τ"]


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    monkeypatch.setattr(nn.models, "build", functools.partial(nn.models.build, hidden=32))


def test_it_is_the_advice_at_each_stage(tmp_path, monkeypatch):
    options = {"stages": (30, 0), "batches": 3, "seeds": 2, "progress": False}
    result = measure_precision(SMALL, tmp_path, **options)
    assert [(run.label, run.seed) for run in result.runs] == [("mlp", 0), ("mlp", 1)]
    for run in result.runs:
        assert [point.what for point in run.points] == 2 * NAMES
        assert [point.steps for point in run.points] == 7 * [0] + 7 * [30]
        for point in run.points:
            assert point.ratio == pytest.approx(point.operations * (1 + point.noise), rel=1e-9)
    c = SMALL["mlp"]
    data = c.load()
    model = c.build(data, Method("exact"), 1)
    part = data.x_train, data.y_train
    loop = Loop(model, part, c.make_optimizer(model), c.batch_size, ops.cross_entropy, None, None, None, 1)
    for _ in range(30):
        loop.one_step()
    asked = {"budgets": BUDGETS, "batch_size": c.batch_size, "batches": 3, "factors": (0.5, 2.0), "rng": 1}
    advice = inspect.advise(model, part, **asked)
    assert [point.ratio for point in result.runs[1].points[7:]] == [each.ratio for each in advice.candidates]
    with open(tmp_path / "precision.csv", encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 28
    with open(tmp_path / "table.csv", encoding="utf-8", newline="") as stream:
        means = list(csv.DictReader(stream))
    both = [run.points[11].ratio for run in result.runs]
    assert means[11]["what"] == "rows by one price" and float(means[11]["J"]) == pytest.approx(np.mean(both), abs=1e-3)
    assert len(json.loads((tmp_path / "precision.json").read_text(encoding="utf-8"))["runs"]) == 2
    assert (tmp_path / "precision.png").read_bytes()[:4] == b"\x89PNG"
    monkeypatch.setattr(PrecisionJob, "__call__", lambda *arguments: pytest.fail("done again"))
    assert measure_precision(SMALL, tmp_path, **options) == result


def test_networks_may_be_trained_with_a_price(tmp_path):
    options = {"stages": (40,), "batches": 3, "seeds": 1, "factors": (), "progress": False}
    exact = measure_precision(SMALL, tmp_path, **options)
    priced = measure_precision(SMALL, tmp_path, trained="price(0.01)", **options)
    assert exact.runs[0].key != priced.runs[0].key and priced.trained == "one price, τ = 0.01"
    assert exact.runs[0].points[0].loss != priced.runs[0].points[0].loss
    assert [point.what for point in priced.runs[0].points] == NAMES[:5]


def test_the_error_over_seeds():
    """The larger of the two: that over two seeds, (2 − 1)/√2/√2 = 0.5, and that over batches, √(0.3² + 0.4²)/2."""

    def at(ratio, error, caution=None):
        return PrecisionPoint(0, 1.0, "rows", "", 1.0, 0.0, ratio, error, caution)

    assert over_seeds([at(1.0, 0.3), at(2.0, 0.4, "too few")]) == (1.5, pytest.approx(0.5), True)
    assert over_seeds([at(1.0, 0.3), at(1.1, 0.4)]) == (pytest.approx(1.05), pytest.approx(0.25), False)
    assert over_seeds([at(1.0, 0.3)]) == (1.0, pytest.approx(0.3), False)


def test_what_cannot_be_is_refused(tmp_path):
    cases = [
        ({"batches": 1}, "at least 2"),
        ({"stages": ()}, "at least one"),
        ({"stages": (-1,)}, "-1"),
        ({"factors": (0.0,)}, "positive"),
        ({"trained": "nonsense"}, "nonsense"),
    ]
    for change, words in cases:
        with pytest.raises(ValueError, match=words):
            measure_precision(SMALL, tmp_path, **change)
    with pytest.raises(ValueError, match="positive and finite"):
        inspect.advise(nn.mlp((64, 8, 10), rng=0), (np.zeros((8, 64)), np.zeros(8, int)), factors=(float("inf"),))


def test_the_command(tmp_path, capsys):
    words = ["--data", "digits", "--stages", "0", "20", "--batches", "2", "--train", "200", "--out", str(tmp_path)]
    assert main(["precision", "--models", "mlp", "--seeds", "1", *words]) == 0
    shown = capsys.readouterr().out
    assert "cost to a precision J" in shown and "rows, 2 × τ" in shown and "table.csv" in shown
    table = shown.split("\n\nwritten")[0]
    assert max(map(len, table.splitlines())) <= 80


def test_what_is_far_above_one_leaves_the_picture():
    figure = cost_by_steps({"mlp": {"columns": [(0, 2000.0, 100.0), (9, 0.9, 0.1)]}, "vit": {"rows": [(0, 1.0, 0.1)]}})
    assert [ax.get_title() for ax in figure.axes] == ["mlp", "vit"] and figure.axes[0].get_ylim()[1] < 2
    plt.close(figure)
