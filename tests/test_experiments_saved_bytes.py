"""What is saved in a few bits: bytes, noise and accuracy are those of the tape and the gradient, and are kept."""

from __future__ import annotations

import csv
import functools
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops
from minigrad.cli import main
from minigrad.estimators import Mask, StochasticRounding
from minigrad.experiments import Configuration, saved_bytes_job
from minigrad.experiments.saved_bytes import measure_saved_bytes
from minigrad.experiments.saved_bytes_job import SAVED, SavedBytesJob, activation_bytes, choose, saved_as
from minigrad.experiments.saved_bytes_result import EXACT, PARTS, SavedBytesPoint, mean_noise
from minigrad.plot.tape_curve import noise_by_bytes

SMALL = {"mlp": Configuration("mlp", "digits", train=300, lr=0.05)}
KINDS = ("rounding(4)", "rounding(2)", "weights: mask(0.1, axis=row)")


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    monkeypatch.setattr(nn.models, "build", functools.partial(nn.models.build, hidden=32))


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.models, "build", functools.partial(nn.models.build, hidden=32))
        folder = tmp_path_factory.mktemp("memory")
        return measure_saved_bytes(SMALL, folder, saved=KINDS, steps=30, batches=4, seeds=2, progress=False), folder


def test_each_kind_of_each_seed(result):
    found, folder = result
    assert [(run.label, run.seed) for run in found.runs] == [("mlp", 0), ("mlp", 1)]
    for run in found.runs:
        exact, four, two, mask, parts = run.points
        assert [p.what for p in run.points] == [EXACT, *KINDS, PARTS]
        assert (exact.size, exact.noise, exact.seconds) == (1, 0, 1) and parts.noise == 0 and parts.accuracy is None
        assert two.size < four.size < 0.6 and parts.size < 0.2
        assert 0 < four.noise < two.noise / 5 and mask.noise > two.noise
        assert all(0 <= p.accuracy <= 1 for p in run.points[:4])
    with open(folder / "memory.csv", encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 10
    with open(folder / "table.csv", encoding="utf-8", newline="") as stream:
        assert [row["saved"] for row in csv.DictReader(stream)] == [EXACT, *KINDS, PARTS]
    assert len(json.loads((folder / "memory.json").read_text(encoding="utf-8"))["runs"]) == 2
    assert (folder / "memory.png").read_bytes()[:4] == b"\x89PNG"
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80 and "mlp on digits, after 30 steps" in text


def test_finished_networks_are_not_done_again(result, monkeypatch):
    found, folder = result
    monkeypatch.setattr(SavedBytesJob, "__call__", lambda *arguments: pytest.fail("done again"))
    options = {"steps": 30, "batches": 4, "seeds": 2, "progress": False}
    assert measure_saved_bytes(SMALL, folder, saved=KINDS, **options) == found


def test_noise_is_the_mean_square_of_what_is_added_over_that_of_the_minibatch(monkeypatch):
    """With exact gradients ±1 and additions of 3 entries, each of square 4: V/σ² is known."""
    signs = iter([1.0, 5.0, -1.0, 3.0])  # exact, sketched, exact, sketched
    monkeypatch.setattr(saved_bytes_job, "gradient", lambda model, x, y, key: np.array([next(signs)]))
    job = SavedBytesJob(SMALL["mlp"], 0, 0, ("rounding(4)",), batches=2)
    data = SMALL["mlp"].load()
    model = nn.mlp((64, 8, 10), rng=0)
    kinds = {EXACT: (None, False), "rounding(4)": saved_as("rounding(4)")}
    noise, error = job._noise(model, data, kinds)["rounding(4)"]
    assert noise == pytest.approx(16 / 2) and error == 0  # variance of 1 and −1, with one degree of freedom


def test_bytes_of_activations_leave_out_what_is_there_anyway():
    x = np.ones((10, 6), np.float32)
    layer = nn.Linear(6, 4, rng=0)
    with mg.Tape() as tape:
        ops.tanh(layer(x))
    assert activation_bytes(tape, x) == 10 * 4 * 4
    model = nn.Sequential(layer, nn.Tanh())
    choose(model, StochasticRounding(4), False)
    assert model[1].save == layer.save == StochasticRounding(4)
    choose(model, Mask(0.5, axis="row"), True)
    assert model[1].save is None and layer.save == Mask(0.5, axis="row")
    choose(model, None, False)
    assert layer.save is None


def test_the_error_is_the_larger_one():
    points = [SavedBytesPoint("a", 0.1, noise, 0.01, 1.0, None) for noise in (0.2, 0.4)]
    assert mean_noise(points) == (pytest.approx(0.3), pytest.approx(0.1))
    assert mean_noise(points[:1]) == (0.2, 0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batches": 1}, "batches=1 must be at least 2"),
        ({"steps": -1}, "steps=-1 must be at least 0"),
        ({"seeds": 0}, "seeds=0 must be at least 1"),
        ({"saved": ("no such thing",)}, "no such thing"),
        ({"saved": ("weights: ",)}, "save='weights: ': estimator"),
    ],
)
def test_what_cannot_be_is_refused(change, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        measure_saved_bytes(SMALL, tmp_path, **change, progress=False)
    assert not (tmp_path / "runs").exists()


def test_defaults_are_understood_and_drawn():
    assert all(saved_as(text)[0].unbiased for text in SAVED)
    figure = noise_by_bytes({"a": {text: (0.1 + k / 10, 10.0**-k, 0.0) for k, text in enumerate(SAVED)}, "b": {}})
    labels = [text.get_text() for text in figure.legends[0].texts]
    assert "rounding(·)" in labels and "weights: mask(·, axis=row)" in labels and len(figure.axes) == 2
    plt.close(figure)


def test_the_command(tmp_path, capsys):
    arguments = [
        "memory",
        "--models",
        "mlp",
        "--data",
        "digits",
        "--train",
        "200",
        "--steps",
        "5",
        "--batches",
        "2",
        "--seeds",
        "1",
    ]
    assert main([*arguments, "--save", "rounding(4)", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "rounding(4)" in shown and "micro-batches" in shown and (tmp_path / "memory.png").exists()
