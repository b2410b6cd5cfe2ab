"""``minigrad inspect``, ``advise``, ``reproduce`` and the options of many runs: reports, pictures and exit codes."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
import sys
from concurrent.futures.process import BrokenProcessPool

import pytest

from minigrad import nn, training
from minigrad.cli import main
from minigrad.experiments import Configuration
from minigrad.experiments.inspection import advise_model, inspect_model

JOBS = sys.modules["minigrad.experiments.jobs"]
MEASURE = sys.modules["minigrad.experiments.measurement"]
SMALL = Configuration(train=96, test=30, epochs=1, batch_size=16)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def small_models(monkeypatch):
    monkeypatch.setattr(nn.models, "build", functools.partial(nn.models.build, hidden=(24, 16)))
    monkeypatch.setattr(MEASURE, "ROUNDS", 2)
    monkeypatch.setattr(MEASURE, "DRAWS", 4)


def narrow(text):
    return max(map(len, text.splitlines())) <= 80


# Reports on a trained model


def test_inspect_model(tmp_path, small_models):
    report = inspect_model(SMALL, "mask(axis=sample)", budget=0.25, draws=200, seed=1)
    text = str(report)
    assert all(str(part) in text for part in (report.unbiasedness, report.variance, report.sparsity, report.cost))
    assert all(narrow(str(part)) for part in (report.unbiasedness, report.variance, report.sparsity))
    assert report.unbiasedness.verdict != "failed" and report.variance.total > 0
    assert report.cost.backward < report.cost.backward_exact
    path = report.save(tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "noise.png" and path.read_bytes()[:8] == PNG
    assert [p.name for p in path.parent.iterdir()] == ["noise.png"]


def test_a_biased_estimator_is_found_out(small_models):
    assert inspect_model(SMALL, "topk", budget=0.1, draws=100).unbiasedness.verdict == "failed"


def test_advise_model(tmp_path, small_models):
    report = advise_model(SMALL, "diagonal", budget=0.25, batches=4)
    text = str(report)
    assert narrow(text) and all(str(part) in text for part in (report.noise, report.advice, report.allocation))
    assert report.allocation.common == 0.25 and 0 < report.tradeoff.budget <= 1
    assert advise_model(SMALL, "diagonal(0.5)", budget=0.25, batches=4).allocation.common == 0.5
    assert report.save(tmp_path).read_bytes()[:8] == PNG and (tmp_path / "advice.png").exists()


@pytest.mark.parametrize("function", [inspect_model, advise_model])
@pytest.mark.parametrize("vjp, budget", [("exact", 0.1), ("mask", 1.0), ("mask(1)", 0.1)])
def test_exact_vjps_have_nothing_to_show(function, vjp, budget, monkeypatch):
    monkeypatch.setattr(training, "fit", None)  # found before any training
    with pytest.raises(ValueError, match="is exact: there is no noise to look at"):
        function(SMALL, vjp, budget=budget)


@pytest.mark.parametrize("augment", [False, True])
def test_training_before_the_look_is_that_of_the_configuration(augment, monkeypatch, small_models):
    fit, seen = training.fit, []

    def watched(model, data, **options):
        seen.append((options["epochs"], options["batch_size"], options["augment"], options["optimizer"]))
        assert not any(getattr(module, "vjp", None) for _, module in model.named_modules())  # exact
        return fit(model, data, **options)

    monkeypatch.setattr(training, "fit", watched)
    configuration = dataclasses.replace(SMALL, epochs=2, augment=augment, optimizer="adam", lr=0.001)
    inspect_model(configuration, "mask", draws=100)
    ((epochs, size, changed, optimizer),) = seen
    assert (epochs, size, changed is not None, type(optimizer).__name__) == (2, 16, augment, "Adam")


def test_a_batch_larger_than_the_data_is_all_of_them(small_models):
    configuration = dataclasses.replace(SMALL, train=12, batch_size=64)
    assert inspect_model(configuration, "mask", draws=100).variance.total > 0


# The command line


@pytest.mark.parametrize("command, picture", [("inspect", "noise.png"), ("advise", "advice.png")])
def test_inspect_and_advise(command, picture, tmp_path, small_models, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [command, "--train", "96", "--test", "30", "--batch-size", "16", "--vjp", "mask", "--budget", "0.5"]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert shown.err == "" and narrow(shown.out) and picture in shown.out
    assert (tmp_path / "runs" / f"{command}-mlp-digits" / picture).read_bytes()[:8] == PNG
    assert main([*arguments, "--out", "here"]) == 0 and (tmp_path / "here" / picture).exists()


MISTAKES = {
    ("inspect", "--vjp", "exact"): "is exact",
    ("advise", "--vjp", "mask", "--budget", "1"): "is exact",
    ("advise", "--vjp", "topk"): "biased",
    ("inspect", "--epochs", "0"): "epochs=0",
    ("inspect", "--vjp", "mosk"): "did you mean 'mask'?",
    ("inspect", "--optimizer", "adan"): "did you mean 'adam'?",
    ("inspect", "--train", "0"): "train=0",
    ("reproduce", "mlp", "--data", "digits", "--seeds", "0"): "seeds=0",
    ("reproduce", "mlp", "--data", "digits", "--tune-epochs", "0"): "tune_epochs=0",
    ("reproduce", "mlp", "--data", "digits", "--epochs", "0"): "epochs=0",
    ("reproduce", "mlp", "--data", "digits", "--budgets", "0.5", "1"): "budget=1.0",
    ("reproduce", "mlp", "--data", "digits", "--lrs", "0"): "lr=0.0",
    ("reproduce", "mlp", "--data", "digits", "--train", "100"): "90 training samples",
    ("reproduce", "mlp", "--data", "digits", "--jobs", "0"): "jobs=0",
    ("compare", "--adaptive", "0"): "adaptive=0.0",
    ("compare", "--price", "free"): "price='free' must be auto",
    ("compare", "--price", "-1"): "price='-1' must be auto",
    ("reproduce", "mlp", "--price", ""): "price='' must be auto",
    ("advise", "--vjp", "price(auto)"): "is no estimator of its own",
    ("compare", "--dask", "nowhere"): 'pip install ".[cluster]"',
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes(arguments, tmp_path, small_models, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setattr(JOBS, "train", None)
    assert main(list(arguments)) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("minigrad: ") and narrow(shown.err)
    assert MISTAKES[arguments] in " ".join(shown.err.split()) and not list(tmp_path.iterdir())


def reproduction(out, *more):
    return [
        "reproduce", "mlp", "--data", "digits", "--train", "200", "--test", "100", "--epochs", "1", "--tune-epochs",
        "1", "--lrs", "0.01", "--budgets", "0.5", "--vjp", "mask", "--seeds", "1", "--out", str(out), *more,
    ]  # fmt: skip


@pytest.mark.slow
def test_reproduce(tmp_path, capsys):
    """The same results from this process and from two workers; finished runs are found again by either."""
    assert main(reproduction(tmp_path / "here")) == 0
    shown = capsys.readouterr()
    assert shown.err == "" and narrow(shown.out.replace(str(tmp_path), "."))
    for text in (
        "mlp on digits[200]: 1 epoch, batch 128, 1 seed",
        "mask",
        "exact, smaller batch",
        "study.png, study.csv, study.json",
    ):
        assert text in " ".join(shown.out.split())
    assert main(reproduction(tmp_path / "there", "--jobs", "2")) == 0
    for name in ("study.csv", "study.json"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    study = json.loads((tmp_path / "here" / "study.json").read_text(encoding="utf-8"))["study"]
    wanted = {"lrs": [0.01], "budgets": [0.5], "families": ["mask"], "seeds": 1, "tune_epochs": 1}
    assert study.items() >= wanted.items() and study["configuration"]["standardise"]
    capsys.readouterr()


def test_jobs_and_dask_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compare", "--jobs", "2", "--dask", "tcp://127.0.0.1:1"])
    assert stop.value.code == 2 and "not allowed with" in capsys.readouterr().err


def test_adaptive(tmp_path, small_models, capsys):
    arguments = ["compare", "--train", "96", "--test", "30", "--epochs", "1", "--batch-size", "16", "--vjp", "mask"]
    assert main([*arguments, "--seeds", "1", "--adaptive", "0.25", "--adaptive", "4", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert shown.err == "" and narrow(shown.out.replace(str(tmp_path), "."))
    with open(tmp_path / "results.csv", encoding="utf-8", newline="") as stream:
        rows = {row["method"]: row for row in csv.DictReader(stream)}
    assert {"columns, adaptive 0.25", "columns, adaptive 4", "last: samples, adaptive 0.25"} < set(rows)
    methods = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["methods"]
    assert sorted(m["adaptive"] for m in methods if m["adaptive"]) == [0.25, 0.25, 4.0, 4.0]


@pytest.mark.slow
def test_price(tmp_path, capsys):
    """One price in a comparison, with the baseline of equal cost, and in a study, where it has no budget."""
    arguments = [
        "compare",
        "--train",
        "256",
        "--test",
        "30",
        "--epochs",
        "2",
        "--batch-size",
        "16",
        "--vjp",
        "price(0.01)",
    ]
    assert main([*arguments, "--lr", "0.1", "--seeds", "1", "--price", "auto", "--out", str(tmp_path / "a")]) == 0
    assert main(reproduction(tmp_path / "b", "--price", "auto")) == 0
    shown = capsys.readouterr()
    assert shown.err == "" and narrow(shown.out.replace(str(tmp_path), "."))
    with open(tmp_path / "a" / "results.csv", encoding="utf-8", newline="") as stream:
        rows = {row["method"] for row in csv.DictReader(stream)}
    assert {"exact", "one price", "one price, τ = 0.01"} < rows and any(row.startswith("exact, batch") for row in rows)
    lines = json.loads((tmp_path / "b" / "study.json").read_text(encoding="utf-8"))["lines"]
    (line,) = [line for line in lines if line["family"] == "price(auto)"]
    assert line["budget"] is None and line["method"]["price"] == "auto" and line["total"] > 0


def test_a_worker_that_died_is_told_without_a_traceback(tmp_path, small_models, capsys, monkeypatch):
    def die(*arguments):
        raise BrokenProcessPool("A process in the process pool was terminated abruptly")

    monkeypatch.setattr(JOBS, "train", die)
    assert main(["compare", "--train", "96", "--out", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert "a worker process died" in shown.err and "the same command goes on" in " ".join(shown.err.split())
    assert narrow(shown.err)
