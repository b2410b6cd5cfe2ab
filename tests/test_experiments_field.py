"""When a sketch pays: the theory's line, what is measured, and that finished networks are kept."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from minigrad import datasets, nn, ops, theory
from minigrad.cli import main
from minigrad.engine.tape import Tape
from minigrad.experiments import Configuration, Method
from minigrad.experiments.field import FieldJob, _norms, measure_field
from minigrad.plot.share_curve import cost_by_share

SMALL = {"mlp": Configuration("mlp", train=300, lr=0.05)}


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    monkeypatch.setattr(nn.models, "build", functools.partial(nn.models.build, hidden=32))


@pytest.mark.parametrize("forward", [0.3, 0.5, 1.0])
def test_the_ratio_is_the_least_over_all_prices(forward):
    """Against J over a fine grid of prices, written out: p_i = min(1, s_i/τ), σ² = Σ s_i²."""
    norms = np.exp(np.random.default_rng(0).normal(size=200))
    taus = np.geomspace(norms.min() / 2, norms.max() * 2, 20_000)
    p = np.minimum(1, norms / taus[:, None])
    costs = (np.square(norms) / p).sum(axis=1) / np.square(norms).sum() * (forward + p.mean(axis=1)) / (forward + 1)
    found = theory.samples_ratio(norms, forward)
    assert found == pytest.approx(costs.min(), rel=1e-5) and found < 0.9
    assert theory.samples_ratio(7 * norms, forward) == pytest.approx(found)


def test_the_line_falls_to_the_forward_pass():
    line = [theory.lognormal_samples_ratio(share, 0.5) for share in (1.0, 0.8, 0.5, 0.2, 0.05, 0.01)]
    assert line[0] == 1 and line == sorted(line, reverse=True) and line[-1] > 1 / 3


@pytest.mark.parametrize("share", [0.0, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="must lie in"):
        theory.lognormal_samples_ratio(share, 0.5)


def test_no_sample_is_refused_and_no_gradient_costs_what_it_costs():
    with pytest.raises(ValueError, match="at least one"):
        theory.samples_ratio([], 0.5)
    assert theory.samples_ratio([0.0, 0.0], 0.5) == 1.0


def test_norms_are_those_of_the_gradients_at_the_logits():
    c = dataclasses.replace(SMALL["mlp"], train=120)
    data = c.load()
    model = c.build(data, Method("exact"), 0)
    with Tape(rng=0) as tape:
        logits = model(data.x_train)
        loss = ops.cross_entropy(logits, data.y_train)
    (gradient,) = tape.gradients(loss, [logits])
    assert _norms(model, data) == pytest.approx(len(data.x_train) * np.sqrt(np.square(gradient).sum(axis=1)), rel=1e-4)


def test_one_against_the_rest():
    data, whole = datasets.load("digits_one"), datasets.digits()
    assert (data.y_train == (whole.y_train == 8)).all() and (data.y_test == (whole.y_test == 8)).all()


def test_a_field(tmp_path, monkeypatch):
    options = {"stages": (0, 60), "batches": 4, "progress": False}
    result = measure_field(SMALL, ("digits", "digits_one"), tmp_path, **options)
    ten, one = result.runs
    assert (ten.data, one.data) == ("digits", "digits_one") and [p.steps for p in ten.points] == [0, 60]
    assert ten.points[1].share < ten.points[0].share and one.points[1].share < ten.points[1].share
    for point in (*ten.points, *one.points):
        assert (point.budget < 1) == (point.ratio < 1) and 0 < point.predicted <= 1 and point.seconds_ratio > 0
    assert one.points[1].ratio < ten.points[0].ratio  # few samples carry the gradient: a sketch pays
    with open(tmp_path / "field.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["share"]) for row in rows] == pytest.approx(
        [p.share for r in result.runs for p in r.points], rel=1e-4
    )
    assert len(json.loads((tmp_path / "field.json").read_text(encoding="utf-8"))["runs"]) == 2
    assert (tmp_path / "field.png").read_bytes()[:4] == b"\x89PNG"
    monkeypatch.setattr(FieldJob, "__call__", lambda *arguments: pytest.fail("done again"))
    assert measure_field(SMALL, ("digits", "digits_one"), tmp_path, **options) == result


def test_what_cannot_be_is_refused(tmp_path):
    for change, words in (({"batches": 1}, "at least 2"), ({"stages": ()}, "at least one"), ({"stages": (-1,)}, "-1")):
        with pytest.raises(ValueError, match=words):
            measure_field(SMALL, ("digits",), tmp_path, **change)


def test_the_command(tmp_path, capsys):
    words = ["--data", "digits", "--stages", "0", "20", "--batches", "2", "--train", "200", "--out", str(tmp_path)]
    assert main(["field", "--models", "mlp", *words]) == 0
    assert "when samples at the logits pay" in capsys.readouterr().out


def test_no_point_lies_outside_of_the_picture():
    """A sketch that loses in seconds is in the second panel, above all that the first one has drawn."""
    stage = {"share": 0.5, "ratio": 0.8, "ratio_error": 0.02, "seconds_ratio": 1.4}
    figure = cost_by_share({"mlp": [stage]}, lines={"mlp": ([0.1, 1.0], [0.5, 1.0])})
    assert all(ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 1.4 for ax in figure.axes)
    plt.close(figure)
