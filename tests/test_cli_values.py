"""Every option of every command, with every kind of bad value: one message that says what to write instead."""

from __future__ import annotations

import argparse
import re
import sys

import pytest

import minigrad.experiments.field
import minigrad.experiments.inspection
import minigrad.experiments.jobs
import minigrad.experiments.pipeline.pipeline_run
import minigrad.experiments.precision
import minigrad.experiments.saved_bytes_job  # noqa: F401
from minigrad.cli import _parser, main

JOBS = sys.modules["minigrad.experiments.jobs"]
OF_A_NETWORK = [
    sys.modules["minigrad.experiments.pipeline.pipeline_run"].PipelineJob,
    sys.modules["minigrad.experiments.saved_bytes_job"].SavedBytesJob,
    sys.modules["minigrad.experiments.field"].FieldJob,
    sys.modules["minigrad.experiments.precision"].PrecisionJob,
]
INSPECTION = sys.modules["minigrad.experiments.inspection"]
BEGUN = "the work has begun"
HUGE = "1" + "0" * 23
LONG = "9" * 5000

COMMANDS = {
    "compare": ["compare", "--epochs", "1", "--train", "128", "--test", "50", "--seeds", "1", "--vjp", "mask"],
    "reproduce": ["reproduce", "mlp", "--data", "digits", "--train", "200", "--vjp", "mask", "--budgets", "0.5"],
    "inspect": ["inspect", "--train", "128"],
    "advise": ["advise", "--train", "128"],
    "field": ["field", "--models", "mlp", "--data", "digits", "--train", "100"],
    "precision": ["precision", "--models", "mlp", "--data", "digits", "--train", "100"],
    "memory": ["memory", "--models", "mlp", "--data", "digits", "--train", "100"],
    "pipeline": ["pipeline", "--data", "digits", "--train", "300", "--wire", "rounding(4)"],
    "explore": ["explore", "--save", "a.png", "--draws", "3"],
}

# What is no value of an option of this type, or none that can be meant.
NUMBERS = ["", "x", "nan", "inf", "-inf", "-1", "0", "1e999", "0,1", "1j", "True", "None"]
COUNTS = ["", "x", "nan", "1.5", "1e23", "-1", "0", HUGE, "-" + HUGE, LONG, "1,000", "True", "None"]
SEEDS = [value for value in COUNTS if value not in ("0", HUGE)]
BUDGETS = [*NUMBERS, "1.5", HUGE]
NAMES = ["", " ", "x", "mpl\nx", "nan", LONG[:300], "é", "\udcff", "mlp digits"]
ESTIMATORS = [
    "", "mosk", "mask(nan)", "mask('0.1')", "mask(None)", "mask(True)", "mask(1j)", "mask(0)", "mask(1e999)",
    f"mask({HUGE}{HUGE * 20})", f"mask({LONG})", "10**400", "mask(10**400)", "mask(0.1, axis=3)", "mask(0.1, axis=nan)",
    "mask(0.1, column, poisson, 1)", "mask(0.1, budget=0.2)", "mask(*[0.1])", "(" * 90, "-" * 5000 + "1",
    "mask(\udcff)", "mask(\n", "last:", "first: mask", "a: b: mask", "lowrank(0.1, design=[])",
    "rangefinder(0.1, oversampling=0.5)",
    "rangefinder(0.1, power=0)", "exact(1)",
]  # fmt: skip
FOLDERS = ["", "a file", "a file/below", "x" * 300]

VALUES = {
    "--model": NAMES, "--models": NAMES, "--data": NAMES, "--optimizer": NAMES,
    "--epochs": COUNTS, "--batch-size": COUNTS, "--train": COUNTS, "--test": COUNTS, "--seeds": COUNTS,
    "--tune-epochs": COUNTS, "--jobs": COUNTS, "--draws": COUNTS, "--batches": COUNTS, "--seed": SEEDS,
    "--lr": NUMBERS, "--lrs": NUMBERS, "--adaptive": NUMBERS, "--budget": BUDGETS, "--budgets": [*BUDGETS, "1"],
    "--vjp": ESTIMATORS, "--out": FOLDERS, "--save": ["", "a file/below.png", "x" * 300 + ".png", "a.nothing", "."],
    "--import": ["", " ", "x", ".", "..", "a.b.c", "x.py", "a file", "a file/x.py", "é", "\udcff", f"{LONG[:300]}.py"],
    "--steps": COUNTS, "--stages": [value for value in COUNTS if value != "0"], "--factors": NUMBERS,
    "--cuts": COUNTS, "--every": COUNTS, "--wire": ESTIMATORS,
    "--price": NUMBERS, "--sampler": ["", "x", "mask(0.5)", "importance(0)", "importance(x)", "importance(1) + x"],
    "--dask": ["", "x", "tcp://", "foo://127.0.0.1:1"],
}  # fmt: skip

# Options that take something else in one command.
OTHERS = {("memory", "--save"): [text for text in ESTIMATORS if text], ("precision", "--trained"): ESTIMATORS}

# What is bad elsewhere, and has a meaning here.
GOOD = {
    *((command, "--batch-size", HUGE) for command in ("inspect", "advise")),  # all of the data
    ("field", "--train", HUGE),  # all that each data set has
    ("memory", "--steps", "0"),  # a fresh network
}

REMEDY = re.compile(
    r"must (not )?be|must lie|did you mean|Known:|write (one|digits)|such as|outside \(0, 1\]|give |choose |leave |"
    r"takes at most|is given twice|expected one argument"
)
"""Words by which a message says what to write instead."""


def options_of(command):
    """The options of a command that take a value."""
    (commands,) = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return [
        action.option_strings[-1]
        for action in commands.choices[command]._actions
        if action.option_strings and action.nargs != 0
    ]


CASES = [(command, option) for command in COMMANDS for option in options_of(command)]


@pytest.fixture
def nothing_is_trained(monkeypatch, tmp_path):
    def begin(*arguments, **options):
        raise ValueError(BEGUN)

    monkeypatch.setattr(JOBS, "train", begin)
    for job in OF_A_NETWORK:
        monkeypatch.setattr(job, "__call__", begin)
    monkeypatch.setattr(INSPECTION.training, "fit", begin)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").write_text("")


def message_of(arguments, capsys):
    """What the command says last, if it ends as it should; else what is wrong."""
    try:
        status = main(arguments)
    except SystemExit as stop:  # argparse, which shows how the command is used, too
        status = stop.code
    words = " ".join(capsys.readouterr().err.split())
    start = words.find("error: argument" if "usage:" in words else "minigrad: ")
    if status != 2 or start < 0 or BEGUN in words or "Traceback" in words or len(words) > 3000:
        return f"{status}: {words}"
    return words[start:]


@pytest.mark.parametrize("command, option", CASES)
def test_bad_values(command, option, nothing_is_trained, capsys):
    if option == "--dask":
        pytest.importorskip("distributed")
    for value in OTHERS.get((command, option)) or VALUES[option]:
        if (command, option, value) not in GOOD:
            message = message_of([*COMMANDS[command], f"{option}={value}"], capsys)
            assert message.startswith(("minigrad: ", "error: argument")) and REMEDY.search(message), (value, message)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "explore"])
def test_good_values_are_not_refused(command, nothing_is_trained, capsys):
    """The table above would be as content with a command that refuses everything."""
    assert message_of(COMMANDS[command], capsys) == f"2: minigrad: {BEGUN}"


@pytest.mark.parametrize("command, option, value", sorted(GOOD))
def test_what_is_bad_elsewhere(command, option, value, nothing_is_trained, capsys):
    assert message_of([*COMMANDS[command], f"{option}={value}"], capsys) == f"2: minigrad: {BEGUN}"
