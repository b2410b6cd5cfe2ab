"""The main job: comparisons that report, are written down whole, and go on after an interruption."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

import minigrad
from minigrad import datasets, nn
from minigrad.experiments import Comparison, Configuration, compare, train
from minigrad.experiments import compare as compare_function
from minigrad.experiments.method import DEFAULT_VJPS, methods_from

JOBS = sys.modules["minigrad.experiments.jobs"]
MEASURE = sys.modules["minigrad.experiments.measurement"]
BUILD = nn.models.build
SMALL = Configuration(epochs=2, batch_size=32)
LONG = "diagonal(0.1, axis=row, target=both, design=systematic)"


def few(self):
    data = datasets.digits()
    part = {"x_train": data.x_train[:160], "y_train": data.y_train[:160]}
    return dataclasses.replace(data, **part, x_test=data.x_test[:50], y_test=data.y_test[:50])


def make_quick(change=setattr):
    """Little data, a small model, and few repetitions of each measurement."""
    change(Configuration, "load", few)
    change(nn.models, "build", functools.partial(nn.models.build, hidden=(32, 16)))
    change(MEASURE, "ROUNDS", 2)
    change(MEASURE, "DRAWS", 4)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    make_quick(monkeypatch.setattr)


def strict(path):
    """What a strict JSON reader makes of a file."""

    def refuse(token):
        raise AssertionError(f"{path} holds {token}, which is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def timeless(comparison):
    """Everything but what a clock decides."""
    data = comparison.to_dict()
    for run in data["runs"]:
        for epoch in run["history"]["epochs"]:
            del epoch["seconds"], epoch["backward_seconds"]
    for line in data["summary"]:
        del line["backward_time"]
    return data


def counted(monkeypatch, stop_at=None, error=KeyboardInterrupt):
    """Count the trainings, and interrupt one in its second epoch."""
    seen = []

    def run(configuration, method, seed, *rest):
        seen.append((method.label, seed))
        if len(seen) == stop_at:
            raise error
        return train(configuration, method, seed, *rest)

    monkeypatch.setattr(JOBS, "train", run)
    return seen


# The files and the table


def test_the_default_methods(tmp_path):
    comparison = compare(SMALL, seeds=2, out=tmp_path)
    lines = str(comparison).splitlines()
    assert max(map(len, lines)) <= 80
    labels = [method.label for method in comparison.methods]
    assert labels[0] == "exact" and len(labels) == 2 + len(DEFAULT_VJPS) and labels[-1].startswith("exact, batch ")
    assert all(any(line.startswith(label) for line in lines) for label in labels)
    assert "TopK(0.1) †" in str(comparison)

    data = strict(tmp_path / "results.json")
    assert data["configuration"] == dataclasses.asdict(SMALL) and data["seeds"] == [0, 1]
    assert data["versions"]["minigrad"] == minigrad.__version__ and data["versions"]["numpy"] == np.__version__
    assert len(data["runs"]) == 14 and [line["method"] for line in data["summary"]] == labels
    assert data == json.loads(json.dumps(comparison.to_dict()))

    with open(tmp_path / "results.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 14 * 2 and rows[0]["method"] == "exact" and None not in rows[0]
    assert float(rows[0]["loss"]) == data["runs"][0]["history"]["epochs"][0]["loss"]
    assert (tmp_path / "convergence.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert {path.name for path in tmp_path.iterdir()} == {"results.csv", "results.json", "convergence.png", "runs"}
    assert len(list((tmp_path / "runs").iterdir())) == 14  # and no checkpoint


def test_the_summary_is_that_of_the_runs(tmp_path):
    comparison = compare(SMALL, ["mask(0.5)"], seeds=3, out=tmp_path)
    for method, line in zip(comparison.methods, comparison.summary(), strict=True):
        accuracy = [run.history.last.test_accuracy for run in comparison.of(method)]
        assert line["test_accuracy_mean"] == pytest.approx(np.mean(accuracy))
        assert line["test_accuracy_sd"] == pytest.approx(np.std(accuracy, ddof=1))
    exact = comparison.measurements["exact"]
    assert (exact.step_flops, exact.backward_flops, exact.variance, exact.backward_time) == (1, 1, 0, 1)
    assert 0.5 < comparison.measurements["Mask(0.5)"].backward_flops < 0.6
    assert comparison.measurements["Mask(0.5)"].variance > 0.05


@pytest.mark.parametrize("vjp", ["mask(0.1)", "projection(0.9)", "lowrank(0.9)"])
def test_the_baseline_costs_what_its_model_does(tmp_path, vjp):
    # also where that is dearer than exact, so that the batch is larger
    comparison = compare(SMALL, [vjp], seeds=1, out=tmp_path)
    method, baseline = comparison.methods[1:]
    wanted, got = (comparison.measurements[m.label].step_flops for m in (method, baseline))
    if baseline.batch_size == len(SMALL.load().x_train):  # there is no more
        assert got < wanted and "(as nearly as the data allow)" in " ".join(str(comparison).split())
    else:
        assert got == pytest.approx(wanted, abs=0.6 / SMALL.batch_size)
    larger = baseline.batch_size > SMALL.batch_size
    assert math.isnan(comparison.measurements[baseline.label].variance) == larger
    strict(tmp_path / "results.json")


def test_long_estimator_texts_fit(tmp_path):
    comparison = compare(SMALL, [LONG, "mask"], seeds=2, out=tmp_path)
    text = str(comparison)
    assert max(map(len, text.splitlines())) <= 80
    for word in ("DiagonalSketch(0.1,", "axis='row',", "target='both',", "design='systematic')"):
        assert word in text
    assert comparison.methods[1].label in {line["method"] for line in strict(tmp_path / "results.json")["summary"]}


@pytest.mark.slow
def test_the_picture_needs_no_display_and_no_pyplot(tmp_path):
    code = f"""
import sys
from minigrad.experiments import Configuration, compare
compare(Configuration(epochs=1, batch_size=1024), ["mask"], seeds=1, out={str(tmp_path)!r})
assert "matplotlib.pyplot" not in sys.modules
"""
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "MPLBACKEND")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "convergence.png").stat().st_size > 10_000


def test_the_picture_shows_every_method(tmp_path):
    from matplotlib.figure import Figure

    comparison = compare(SMALL, ["mask", "topk"], seeds=2, out=tmp_path)
    figure = comparison.plot(Figure())
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "log", "linear", "log"]
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "log", "linear", "linear"]
    assert figure.axes[0].get_ylabel() == "training loss (nats)" and figure.axes[2].get_ylabel() == "test accuracy (%)"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:3] == ["exact", "Mask(0.1)", "TopK(0.1) (biased)"] and labels[3].startswith("exact, batch")
    lines = figure.axes[0].lines
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == len(lines)  # told apart in grey
    exact = figure.axes[1].lines[0]
    np.testing.assert_allclose(exact.get_xdata(), [1, 2])
    assert "forward and backward" in figure.axes[3].get_xlabel()
    assert all(tick == round(tick) for tick in figure.axes[2].get_xticks())  # no half epochs
    assert len({line.get_color() for line in lines}) == len(lines)
    mask = comparison.measurements["Mask(0.1)"]
    for cost, share in (("total", mask.step_flops), ("backward", mask.backward_flops)):
        drawn = comparison.plot(Figure(), cost=cost).axes[1].lines[1].get_xdata()
        np.testing.assert_allclose(drawn, [share, 2 * share], rtol=0.02)
    with pytest.raises(ValueError, match="cost='time'"):
        comparison.plot(Figure(), cost="time")


# Divergence


def steep(which):
    """A training that gives one method a learning rate at which it diverges."""

    def run(configuration, method, seed, *rest):
        return train(
            dataclasses.replace(configuration, lr=1e30) if which(method, seed) else configuration, method, seed, *rest
        )

    return run


def test_a_method_that_diverges_keeps_its_row(tmp_path, monkeypatch):
    # the key of a run is that of its own configuration, so the store is passed by for the steep one
    monkeypatch.setattr(JOBS, "train", rekeyed(steep(lambda method, seed: method.label == "Mask(0.1)")))
    comparison = compare_function(SMALL, ["mask", "topk"], seeds=2, out=tmp_path)
    row = next(line for line in str(comparison).splitlines() if line.startswith("Mask(0.1)"))
    assert "diverged" in row and row.count("–") == 1
    line = comparison.summary()[1]
    assert line["diverged"] == 2 and line["test_accuracy_mean"] is None and line["final_loss_mean"] is None
    data = strict(tmp_path / "results.json")
    assert "at step" in next(run["diverged"] for run in data["runs"] if run["label"] == "Mask(0.1)")
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["diverged"] for row in rows if row["method"] == "Mask(0.1)"} == {"1"}
    assert {row["diverged"] for row in rows if row["method"] == "exact"} == {"0"}


def rekeyed(run):
    def training_run(configuration, method, seed, *rest):
        return dataclasses.replace(run(configuration, method, seed, *rest), key=configuration.key(method, seed))

    return training_run


def test_a_method_that_diverges_with_one_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(JOBS, "train", rekeyed(steep(lambda method, seed: method.label == "Mask(0.1)" and seed == 1)))
    comparison = compare_function(SMALL, ["mask"], seeds=3, out=tmp_path)
    assert "(1 div.)" in str(comparison) and "no longer finite" in str(comparison)
    assert comparison.summary()[1]["diverged"] == 1 and comparison.summary()[1]["test_accuracy_mean"] is not None
    assert max(map(len, str(comparison).splitlines())) <= 80


@pytest.mark.parametrize("lr", [30.0, 1e30])
def test_everything_diverges(tmp_path, lr):
    comparison = compare(dataclasses.replace(SMALL, lr=lr), [*DEFAULT_VJPS, "projection"], seeds=2, out=tmp_path)
    text = str(comparison)
    assert text.count("diverged") >= 1 and max(map(len, text.splitlines())) <= 80
    strict(tmp_path / "results.json")
    assert (tmp_path / "convergence.png").exists()
    again = compare(dataclasses.replace(SMALL, lr=lr), [*DEFAULT_VJPS, "projection"], seeds=2, out=tmp_path)
    assert timeless(again) == timeless(comparison)


# Arguments


def test_methods():
    assert [m.label for m in methods_from(("mask", "Mask(0.1)", "mask(1.0)", "exact"), 0.1)] == ["exact", "Mask(0.1)"]
    for text, words in {
        "mosk": "did you mean 'mask'",
        "mask(abc)": "estimator text 'mask.abc.'.*budget must be a number",
        "mask(0)": "outside",
        "": "not of the form",
        "mask(axis=colum)": "did you mean 'column'",
        "importance(0)": r"importance\(0\): the mixture must be a number in \(0, 1\]",
        "importance() + mask": r"importance\(\): the mixture",
        "importance + mosk": "did you mean 'mask'",
        "importance mask": "not of the form",
    }.items():
        with pytest.raises(ValueError, match=words):
            methods_from((text,), 0.1)


def test_samples_drawn_by_importance(tmp_path):
    """Alone and above a sketch; what they draw is theirs, and a run that is taken up again is the same."""
    texts = [
        "importance(0.5)",
        "last: diagonal(0.5, axis=sample)",
        "importance(0.5) + last: diagonal(0.5, axis=sample)",
    ]
    found = compare(dataclasses.replace(SMALL, epochs=30, lr=0.1), texts, seeds=1, out=tmp_path, progress=False)
    losses = {run.label: run.history.last.loss for run in found.runs}
    sketch = "last: DiagonalSketch(0.5, axis='sample')"
    assert list(losses)[:4] == ["exact", "importance 0.5", sketch, f"importance 0.5 + {sketch}"]
    assert len(set(losses.values())) == len(losses)
    assert [m.exact for m in found.methods[:4]] == [True, True, False, False]
    assert found.measurements["importance 0.5"].step_flops == 1
    alone = train(dataclasses.replace(SMALL, epochs=30, lr=0.1), found.methods[1], 0)
    assert alone.history.last.loss == losses["importance 0.5"]


def test_importance_and_statistics_of_the_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(nn.models, "build", BUILD)
    small = dataclasses.replace(SMALL, model="bagnet")
    with pytest.raises(ValueError, match="batch"):
        compare(small, ["importance"], seeds=1, out=tmp_path, progress=False)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"model": "mpl"}, "did you mean 'mlp'"),
        ({"data": "digit"}, "did you mean 'digits'"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"lr": -0.1}, "lr=-0.1"),
        ({"lr": math.nan}, "lr=nan"),
        ({"lr": math.inf}, "lr=inf"),
    ],
)
def test_bad_configurations(change, words):
    with pytest.raises(ValueError, match=words):
        Configuration(**change)


def test_bad_comparisons(tmp_path):
    with pytest.raises(ValueError, match="seeds=0"):
        compare(SMALL, seeds=0, out=tmp_path)
    with pytest.raises(ValueError, match="batch_size=161 is larger than the data: digits has 160 training samples"):
        compare(dataclasses.replace(SMALL, batch_size=161), out=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        compare(SMALL, out=tmp_path / "file")


def test_a_folder_that_may_not_be_written_to_is_found_before_training(tmp_path, monkeypatch):
    seen = counted(monkeypatch)
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # as a superuser one may write anywhere
    with pytest.raises(PermissionError, match="may not be written to"):
        compare_function(SMALL, out=tmp_path)
    assert not seen


def test_a_comparison_without_sketches(tmp_path):
    comparison = compare(SMALL, ["exact"], seeds=1, out=tmp_path)
    assert isinstance(comparison, Comparison) and [m.label for m in comparison.methods] == ["exact"]
