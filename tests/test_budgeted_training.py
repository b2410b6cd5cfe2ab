"""Budgeted training: budgets are kept, nothing is chosen on test images, and all that was run is told."""

from __future__ import annotations

import csv
import dataclasses
import functools
import importlib.util
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from minigrad import nn, ops, training
from minigrad.cli import main
from minigrad.experiments import Configuration, Method
from minigrad.experiments.budgeted_training import BENCHMARKS, Benchmark, BudgetedJob, BudgetedRun, budgeted
from minigrad.experiments.budgeted_training.spending import Spending, unit_cost
from minigrad.experiments.field import measure_field
from minigrad.experiments.precision import measure_precision
from minigrad.experiments.saved_bytes import measure_saved_bytes
from minigrad.experiments.store import Store
from minigrad.training.loop import Loop

STAGES = sys.modules["minigrad.experiments.budgeted_training.two_stages"]
RUN = sys.modules["minigrad.experiments.budgeted_training.budgeted_run"]
BASE = Configuration(train=200, test=60)
METHODS = ("price", "last: diagonal(distortion=0.3, axis=sample)")
SMALL = Benchmark(BASE, 6, (16, 32), (0.01, 0.1), budgets=(0.5, 1.0, 2.0), methods=METHODS, seeds=2)


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    monkeypatch.setattr(nn.models, "build", functools.partial(nn.models.build, hidden=32))


@pytest.fixture
def done(monkeypatch):
    """The jobs that were done, in order."""
    seen, run = [], BudgetedJob.__call__

    def call(job, checkpoint=None):
        seen.append(job)
        return run(job, checkpoint)

    monkeypatch.setattr(BudgetedJob, "__call__", call)
    return seen


def rows(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# One run


def job(method="Exact()", budget=1e7, unit="operations", scored=True, **settings):
    configuration = dataclasses.replace(BASE, batch_size=16, **settings)
    return BudgetedJob(configuration, Method(method, method), 0, unit, 1.0, budget, scored)


@pytest.mark.parametrize("vjp", ["Exact()", "DiagonalSketch(0.5)", "DiagonalSketch(distortion=0.5, axis='row')"])
def test_a_run_ends_with_its_budget(vjp):
    run = job(vjp)()
    assert abs(run.forward + run.backward - 1e7) <= 0.51 * (run.forward + run.backward) / run.steps
    assert run.seconds > 0 and run.wall > 0 and run.diverged is None
    assert all(getattr(run, f"{part}_loss") > 0 for part in ("held", "train", "test"))


def test_a_sketch_has_more_steps_for_its_budget():
    exact, sketched = job()(), job("DiagonalSketch(0.25)")()
    assert sketched.steps > 1.2 * exact.steps


def test_seconds_are_those_of_the_thread(monkeypatch):
    """A clock that ticks a hundredth of a second each time it is asked: a step is two ticks apart."""
    ticks = iter(np.arange(0, 1e6) / 100)
    monkeypatch.setattr(RUN.time, "thread_time", lambda: float(next(ticks)))
    run = job(unit="seconds", budget=0.5)()
    assert run.steps == 50 and run.seconds == pytest.approx(0.5)


def test_the_learning_rate_reaches_0_with_the_budget():
    data = BASE.load()
    model = BASE.build(data, Method("exact"), 0)
    spending = Spending("operations", 1.0, 0.2)
    loop = Loop(model, data, BASE.make_optimizer(model), 16, ops.cross_entropy, None, None, 1, 0, [spending])
    for part, factor in ((0.0, 1.0), (0.25, 0.5 + 0.5 * math.sqrt(0.5)), (0.5, 0.5), (1.0, 0.0), (1.5, 0.0)):
        loop.forward_flops, loop.backward_flops = 0.4 * part, 0.6 * part
        spending(loop)
        assert loop.optimizer.lr == pytest.approx(0.2 * factor, abs=1e-12)


def test_held_out_images_are_not_trained_on_and_the_others_all_are(monkeypatch):
    seen = []
    step = Loop.one_step

    def watched(loop):
        seen.extend(loop.batches[loop.step].tolist())
        assert len(loop.x) == 180 and loop.test is None
        return step(loop)

    monkeypatch.setattr(Loop, "one_step", watched)
    job()()
    assert set(seen) == set(range(180))


def test_it_is_the_same_again_and_after_an_interruption(tmp_path, monkeypatch):
    whole = job("DiagonalSketch(0.5)")()
    monkeypatch.setattr(RUN, "CHECKPOINT_SECONDS", 0.0)
    step = Loop.one_step

    def killed(loop):
        if loop.step == 11:
            raise KeyboardInterrupt
        return step(loop)

    monkeypatch.setattr(Loop, "one_step", killed)
    with pytest.raises(KeyboardInterrupt):
        job("DiagonalSketch(0.5)")(tmp_path / "a.npz")
    begun = []
    monkeypatch.setattr(Loop, "one_step", lambda loop: begun.append(loop.step) or step(loop))
    again = job("DiagonalSketch(0.5)")(tmp_path / "a.npz")
    assert begun[0] == 11
    clock = {"seconds": 0.0, "wall": 0.0}
    assert dataclasses.replace(again, **clock) == dataclasses.replace(whole, **clock)


def test_a_checkpoint_that_is_damaged_is_begun_again(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no checkpoint")
    assert job()(tmp_path / "a.npz").steps == job()().steps
    with pytest.raises(training.CheckpointError):
        (tmp_path / "folder").mkdir()
        job()(tmp_path / "folder")


def test_a_run_that_diverges_says_so():
    run = job(lr=1e30)()
    assert run.diverged and run.held_loss is None and run.test_accuracy is None
    assert BudgetedRun.from_dict(json.loads(json.dumps(run.to_dict(), allow_nan=False))) == run


def test_keys_tell_runs_apart():
    jobs = [
        job(), job("Mask(0.5)"), job(budget=2e7), job(unit="seconds"), job(scored=False), job(lr=0.5),
        dataclasses.replace(job(), seed=1),
    ]  # fmt: skip
    assert len({each.key for each in jobs}) == len(jobs) and job().key == job().key


def test_the_unit_is_an_exact_step_of_64():
    data = BASE.load()
    model = BASE.build(data, Method("exact"), 0)
    multiply_adds = 64 * (64 * 32 + 32 * 10)
    backward = 2 * multiply_adds - 64 * 64 * 32  # the images need no gradient
    assert sum(p.size for p in model.parameters()) == 65 * 32 + 33 * 10
    assert unit_cost(BASE, data, "operations") == pytest.approx(2 * (multiply_adds + backward), rel=0.03)
    assert unit_cost(BASE, data, "seconds") > 0


# A whole benchmark


@pytest.mark.slow
def test_a_benchmark(tmp_path, done):
    told = []
    result = budgeted(SMALL, tmp_path, log=told.append)
    assert told[0].startswith("3 methods, 5 budgets in all: 20 runs over the grid, then 20.")
    first, second = done[:20], done[20:]
    assert len(second) == 20 and {each.seed for each in first} == {1000} and {each.seed for each in second} == {0, 1}
    assert not any(each.scored for each in first) and all(each.scored for each in second)
    assert all(run.test_loss is None and run.train_loss is None for run in result.grid)
    for label, level in {(run.label, run.level) for run in result.grid}:
        grid = [run for run in result.grid if (run.label, run.level) == (label, level)]
        assert {(run.batch_size, run.lr) for run in grid} == {(b, lr) for b in (16, 32) for lr in (0.01, 0.1)}
        best = sorted(grid, key=lambda run: run.held_loss)[:2]
        finals = [one for one in result.finalists if (one.label, one.level) == (label, level)]
        assert {(one.batch_size, one.lr) for one in finals} == {(run.batch_size, run.lr) for run in best}
        (chosen,) = (one for one in finals if one.chosen)
        assert chosen.held == min(one.held for one in finals)
    unit = unit_cost(BASE, BASE.load(), "operations")
    for run in result.runs:
        assert run.forward + run.backward == pytest.approx(run.level * 6 * unit, rel=0.51 / run.steps)
    assert {label for label, _ in result.needed} == {method.label for method in SMALL.rivals[1:]}
    assert len(rows(tmp_path / "levels.csv")) == 10 and len(rows(tmp_path / "needed.csv")) == 2
    assert len(rows(tmp_path / "runs.csv")) == 40
    data = json.loads((tmp_path / "budgeted.json").read_text(encoding="utf-8"))
    assert data["benchmark"]["lrs"] == [0.01, 0.1] and len(data["finals"]) == 20
    assert (tmp_path / "budgeted.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"

    assert budgeted(SMALL, tmp_path).finals == result.finals and len(done) == 40  # nothing is done twice
    more = budgeted(dataclasses.replace(SMALL, seeds=3), tmp_path)
    assert len(done) == 50 and set(result.finals) < set(more.finals)


@pytest.mark.slow
def test_test_images_are_not_chosen_by(tmp_path, monkeypatch):
    """Test labels that reward not learning: were they the judge, the rate that moves nothing would be chosen."""
    data = BASE.load()
    turned = dataclasses.replace(data, y_test=(data.y_test + 1) % 10)
    monkeypatch.setattr(Configuration, "load", lambda self: turned)
    benchmark = dataclasses.replace(SMALL, lrs=(1e-6, 0.1), methods=("mask(0.5)",), seeds=1, steps=40)
    result = budgeted(benchmark, tmp_path)
    assert {one.lr for one in result.finalists if one.chosen} == {0.1}
    chosen = next(one for one in result.finalists if one.chosen)
    still = BudgetedJob(dataclasses.replace(BASE, lr=1e-6), Method("exact"), 0, "operations", 1.0, 1e8, True)()
    assert chosen.runs[0].test_loss > still.test_loss


@pytest.mark.slow
def test_seconds_go_on_with_the_same_budgets(tmp_path, monkeypatch):
    benchmark = dataclasses.replace(SMALL, unit="seconds", steps=3, seeds=1, budgets=(1.0, 2.0))
    result = budgeted(benchmark, tmp_path)
    monkeypatch.setattr(STAGES, "unit_cost", lambda *arguments: pytest.fail("measured again"))
    assert budgeted(benchmark, tmp_path).runs == result.runs
    assert all(run.seconds > 0 and run.steps > 0 for run in result.runs)


def test_a_method_all_of_whose_runs_diverged_is_told(tmp_path):
    benchmark = dataclasses.replace(SMALL, lrs=(1e30,), batch_sizes=(16, 32), methods=("mask(0.5)",), seeds=1)
    result = budgeted(benchmark, tmp_path)
    assert str(result).count("diverged") >= 8 and not result.needed
    assert len(rows(tmp_path / "runs.csv")) == 16


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lrs": ()}, "lrs"),
        ({"lrs": (0.1, 0.1)}, "each of them once"),
        ({"budgets": (0.0,)}, "must be positive"),
        ({"unit": "joules"}, "joules"),
        ({"methods": ("diagonal",)}, "a budget or a distortion of their own"),
        ({"methods": ("exact",)}, "exact"),
        ({"batch_sizes": (0,)}, "batch_size=0"),
        ({"seeds": 0}, "seeds=0"),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SMALL, **change)


def test_a_batch_larger_than_the_data_is_refused(tmp_path):
    with pytest.raises(ValueError, match="181 is larger than the data: 180"):
        budgeted(dataclasses.replace(SMALL, batch_sizes=(181,)), tmp_path)


def test_the_presets_have_grids_as_large_as_promised():
    assert set(BENCHMARKS) == {"mlp", "bagnet", "vit"}
    for benchmark in BENCHMARKS.values():
        assert len(benchmark.batch_sizes) >= 3 and len(benchmark.lrs) >= 3 and benchmark.seeds >= 3


def test_the_command(tmp_path, capsys):
    data = ["--data", "digits", "--train", "200", "--test", "50", "--steps", "4", "--seeds", "1"]
    grid = ["--batch-sizes", "16", "--lrs", "0.01", "0.1", "--budgets", "1", "2", "--vjp", "mask(0.5)"]
    assert main(["budgeted", "mlp", *data, *grid, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "Mask(0.5)" in shown and "needed.csv" in shown
    assert len(list(Store(tmp_path, BudgetedRun).folder.glob("runs/*.json"))) == 12
    assert main(["budgeted", "mlp", "--data", "digits", "--unit", "joules"]) == 2
    assert "joules" in capsys.readouterr().err


@pytest.mark.slow
def test_results_become_pages(tmp_path):
    path = Path(__file__).parents[1] / "docs" / "measured_pages.py"
    spec = importlib.util.spec_from_file_location("measured_pages", path)
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    benchmark = dataclasses.replace(SMALL, methods=("mask(0.5)",), seeds=1, lrs=(0.1,), budgets=(1.0, 2.0))
    budgeted(benchmark, tmp_path / "results")
    measure_field({"mlp": BASE}, ("digits",), tmp_path / "field", stages=(5,), batches=2)
    measure_precision({"mlp": BASE}, tmp_path / "precision", stages=(5,), batches=2, seeds=1)
    measure_saved_bytes({"mlp": BASE}, tmp_path / "memory", saved=("rounding(4)",), steps=3, batches=2, seeds=1)
    pages.main([str(tmp_path / name) for name in ("results", "field", "precision", "memory")], tmp_path)
    for name in ("budgeted-mlp-digits-operations.rst", "field.rst", "precision.rst", "memory.rst"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        files = re.findall(r"(?::file:|image::) (\S+)", text) + re.findall(r":download:`(\S+)`", text)
        assert len(files) >= 2 and all((tmp_path / file).exists() for file in files)
