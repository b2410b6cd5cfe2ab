"""The command line: what it prints, its exit codes, and no traceback for a mistake of the user."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import subprocess
import sys

import pytest

import minigrad
from minigrad import datasets, nn
from minigrad.cli import _parser, main
from minigrad.datasets import DataError
from minigrad.experiments import Configuration
from minigrad.training import CheckpointError

JOBS = sys.modules["minigrad.experiments.jobs"]
MEASURE = sys.modules["minigrad.experiments.measurement"]
LONG = "DiagonalSketch(0.1, axis='row', target='both', design='systematic')"


@pytest.fixture
def quick(monkeypatch):
    def few(self):
        data = datasets.digits()
        part = {"x_train": data.x_train[:128], "y_train": data.y_train[:128]}
        return dataclasses.replace(data, **part, x_test=data.x_test[:50], y_test=data.y_test[:50])

    monkeypatch.setattr(Configuration, "load", few)
    monkeypatch.setattr(nn.models, "build", functools.partial(nn.models.build, hidden=32))
    monkeypatch.setattr(MEASURE, "ROUNDS", 2)
    monkeypatch.setattr(MEASURE, "DRAWS", 4)


def shell(*arguments, cwd=None, **environment):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "minigrad", *arguments],
        cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, encoding="utf-8", timeout=600,
    )  # fmt: skip


def small(out, *more):
    return ["compare", "--epochs", "1", "--batch-size", "64", "--seeds", "1", "--out", str(out), *more]


def narrow(text):
    return max(map(len, text.splitlines())) <= 80


def test_compare(tmp_path, quick, capsys):
    assert main(small(tmp_path / "out", "--vjp", "mask", "--vjp", LONG)) == 0
    shown = capsys.readouterr()
    assert shown.err == "" and narrow(shown.out.replace(str(tmp_path), "."))
    for text in ("exact", "Mask(0.1)", "design='systematic')", "accuracy", "variance", "convergence.png, results.csv"):
        assert text in " ".join(shown.out.split())
    assert str(tmp_path / "out") in shown.out
    assert main(small(tmp_path / "out", "--vjp", "mask", "--vjp", LONG)) == 0
    assert "4 of 4 runs were finished before" in capsys.readouterr().out


def test_options_reach_the_configuration(tmp_path, quick, capsys):
    assert (
        main(small(tmp_path, "--vjp", "mask(axis=sample)", "--budget", "0.5", "--lr", "0.25", "--data", "DIGITS")) == 0
    )
    data = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    wanted = {"model": "mlp", "data": "digits", "epochs": 1, "batch_size": 64, "lr": 0.25}
    assert data["configuration"].items() >= wanted.items()
    assert data["methods"][1]["vjp"] == "Mask(0.5, axis='sample')" and data["seeds"] == [0]


def test_the_default_folder_is_named(tmp_path, quick, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "--epochs", "1", "--seeds", "1", "--vjp", "mask"]) == 0
    assert os.path.join("runs", "compare-mlp-digits") in capsys.readouterr().out
    assert (tmp_path / "runs" / "compare-mlp-digits" / "convergence.png").exists()


def test_list(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert narrow(out)
    for name in ("models", "mlp", "data sets", "digits", "fashion_mnist", "estimators", "diagonal", "lowrank", "topk"):
        assert f"\n  {name} " in f"\n{out}" or f"\n{name}\n" in f"\n{out}"


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["list", "--help"]])
def test_help_fits(arguments, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out = capsys.readouterr().out
    assert stop.value.code == 0 and narrow(out) and "None" not in out


def test_help_names_the_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    for default in ("mlp", "digits", "0.1", "20", "64", "0.01", "3"):
        assert f"(default: {default})" in words


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0 and minigrad.__version__ in capsys.readouterr().out


MISTAKES = {
    ("--model", "mpl"): "did you mean 'mlp'?",
    ("--data", "digit"): "did you mean 'digits'?",
    ("--vjp", "mosk"): "did you mean 'mask'?",
    ("--vjp", "mask(axis=colunm)"): "did you mean 'column'?",
    ("--vjp", "diagonal(targt=both)"): "did you mean 'target'?",
    ("--vjp", "mask(ten)"): "the budget must be a number",
    ("--vjp", "mask(True)"): "the budget must be a number",
    ("--vjp", "mask("): "not of the form",
    ("--vjp", ""): "not of the form",
    ("--budget", "0"): "outside (0, 1]",
    ("--budget", "1.5"): "outside (0, 1]",
    ("--budget", "nan"): "outside (0, 1]",
    ("--lr", "-1"): "lr=-1.0",
    ("--lr", "0"): "lr=0.0",
    ("--lr", "nan"): "lr=nan",
    ("--lr", "inf"): "lr=inf",
    ("--epochs", "0"): "epochs=0",
    ("--batch-size", "0"): "batch_size=0",
    ("--batch-size", "129"): "128 training samples",
    ("--seeds", "0"): "seeds=0",
    ("--out", "setup.cfg"): "setup.cfg is a file",
    ("--out", "setup.cfg/below"): "setup.cfg",
}


@pytest.mark.parametrize("option, value", MISTAKES)
def test_mistakes(option, value, tmp_path, quick, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.cfg").write_text("")
    monkeypatch.setattr(JOBS, "train", None)  # every one is found before any training
    assert main([*small("out"), option, value]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("minigrad: ") and narrow(shown.err)
    assert MISTAKES[option, value] in " ".join(shown.err.split())


@pytest.mark.parametrize("arguments", [["reproduce"], ["compare", "--epochs", "x"], ["compare", "--seeds", "1.5"]])
def test_arguments_that_argparse_refuses(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "usage: minigrad" in capsys.readouterr().err


def test_the_command_alone_shows_the_sub_commands(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    shown = capsys.readouterr()
    assert (stop.value.code, shown.err) == (0, "")
    words = re.findall(r"^ {4}(\S+)", shown.out, re.MULTILINE)
    assert words == list(_parser().commands) and "minigrad COMMAND --help" in shown.out


MISSPELT = {
    ("comapre",): "did you mean 'compare'?",
    ("Compare",): "did you mean 'compare'?",
    ("reprodcue", "mlp"): "did you mean 'reproduce'?",
    ("train",): "Known: list, compare",
    ("compare", "--budgt", "1"): "did you mean '--budget'?",
    ("compare", "--epocs=3"): "did you mean '--epochs'?",
    ("compare", "--learning-rate", "1"): "Known: --help, --model",
    ("reproduce", "mlp", "--buget", "1"): "did you mean '--budgets'?",
    ("reproduce", "mpl"): "did you mean 'mlp'?",
    ("budgeted", "bagnte"): "did you mean 'bagnet'?",
    ("field", "--models", "vti"): "did you mean 'vit'?",
    ("precision", "--models", "mpl"): "did you mean 'mlp'?",
    ("compare", "mlp"): "'mlp' is one argument too many; `minigrad compare --help`",
    ("x" * 5000,): "unknown command",
}


@pytest.mark.parametrize("arguments", MISSPELT, ids=lambda arguments: " ".join(arguments)[:40])
def test_a_misspelt_command_or_option_is_answered_with_the_nearest(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    words = " ".join(capsys.readouterr().err.split())
    assert stop.value.code == 2 and MISSPELT[arguments] in words and len(words) < 2000


@pytest.mark.parametrize("command", sorted(_parser().commands))
def test_every_option_of_every_command_is_the_nearest_to_itself_misspelt(command, capsys):
    """Two letters changed places, in each long option that takes a value."""
    for action in _parser().commands[command]._actions:
        name = action.option_strings[-1] if action.option_strings else ""
        if not name.startswith("--") or len(name) < 7:
            continue
        swapped = f"{name[:-2]}{name[-1]}{name[-2]}" if name[-1] != name[-2] else f"{name[:-1]}x"
        needed = ["mlp"] if command in ("reproduce", "budgeted") else []
        with pytest.raises(SystemExit):
            main([command, *needed, swapped])
        assert f"did you mean {name!r}?" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("error", [DataError, CheckpointError, ValueError, PermissionError])
def test_errors_of_the_library_are_told_without_a_traceback(error, tmp_path, quick, capsys, monkeypatch):
    def fail(*arguments):
        raise error("train-images.gz is damaged " + "and so on " * 20)

    monkeypatch.setattr(JOBS, "train", fail)
    assert main(small(tmp_path)) == 2
    err = capsys.readouterr().err
    assert err.startswith("minigrad: train-images.gz is damaged") and narrow(err)


def test_a_mistake_in_the_program_is_not_hidden(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(JOBS, "train", lambda *arguments: {}["x"])
    with pytest.raises(KeyError):
        main(small(tmp_path))


def test_ctrl_c(tmp_path, quick, capsys, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(JOBS, "train", stop)
    assert main(small(tmp_path)) == 130
    shown = capsys.readouterr()
    assert "the same command goes on from there" in shown.err and narrow(shown.err) and shown.out == ""


def test_as_a_process(tmp_path):
    done = shell("list")
    assert done.returncode == 0 and done.stderr == "" and narrow(done.stdout)
    done = shell("compare", "--model", "mpl", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())  # nothing is made for a request that cannot be met


def test_a_data_set_that_cannot_be_had(tmp_path):
    (tmp_path / "mnist").mkdir()
    for name in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        (tmp_path / "mnist" / name).write_bytes(b"not an IDX file")
    done = shell("compare", "--data", "mnist", "--out", str(tmp_path / "out"), MINIGRAD_DATA=str(tmp_path))
    assert done.returncode == 2 and done.stderr.startswith("minigrad:") and "Traceback" not in done.stderr


def test_a_terminal_without_the_signs_gets_the_results_all_the_same():
    done = shell("list", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "8?8" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="needs a pipe that closes")
def test_a_reader_that_has_seen_enough():
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -u -m minigrad list | true"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0 and done.stderr == ""


HEAVY = ("matplotlib", "tqdm", "pooch", "scipy.optimize", "scipy.stats", "minigrad.experiments")


@pytest.mark.parametrize(
    "code", ["import minigrad", "from minigrad import nn, optim, inspect, theory, training, datasets, plot"]
)
def test_importing_stays_light(code):
    check = f"{code}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=600)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_training_that_diverges_is_one_message(capsys):
    assert main(["inspect", "--train", "200", "--vjp", "mask", "--lr", "1e18"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("minigrad: ") and "Traceback" not in said and max(map(len, said.splitlines())) <= 80


def test_a_file_in_the_working_folder_is_not_taken_for_a_module(tmp_path):
    """The installed command does not look there for modules."""
    script = os.path.join(os.path.dirname(sys.executable), "minigrad")
    if not os.path.exists(script):
        pytest.skip("the command is not installed beside this Python")
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong module')")
    done = subprocess.run(
        [sys.executable, script, "list"], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=600
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("models")
