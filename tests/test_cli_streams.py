"""The command in odd surroundings: standard streams that are closed or full, backends, odd terminals and names."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad.experiments.outputs
from minigrad.cli import main
from minigrad.experiments.inspection import Advising, Inspection
from minigrad.report import Report, Table

needs_sh = pytest.mark.skipif(os.name != "posix", reason="needs a shell")

COMPARE = (
    "compare --model mlp --epochs 1 --train 64 --test 20 --batch-size 32 --seeds 1 --vjp 'mask(axis=sample)' --out out"
)
RESULTS = {"results.csv", "results.json", "convergence.png", "runs"}
QUICK = """
import functools, sys
from minigrad import nn
import minigrad.experiments.measurement as measure
import minigrad.cli

measure.ROUNDS, measure.DRAWS = 2, 4
nn.models.build = functools.partial(nn.models.build, hidden=16)
if __name__ == "__main__":
    sys.exit(minigrad.cli.console())
"""
"""The command with a small network, whose cost is measured in a few rounds."""


def sh(line, cwd):
    """A line of the shell, in which ``minigrad`` is the command."""
    (cwd / "quick.py").write_text(QUICK)
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(cwd / 'quick.py'))}"
    kept = {name: value for name, value in os.environ.items() if name not in ("MPLBACKEND", "DISPLAY", "COLUMNS")}
    kept["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), kept.get("PYTHONPATH", "")])
    return subprocess.run(
        ["sh", "-c", f"minigrad() {{ {command} \"$@\"; }}; {line}"],
        cwd=cwd, env=kept, capture_output=True, text=True, encoding="utf-8", timeout=300,
    )  # fmt: skip


# A line of the shell; its status; words on its standard output and its standard error; whether the results are there.
CASES = {
    "standard error is closed": (f"minigrad {COMPARE} 2>&-", 0, "written to out", "", True),
    "all three are closed": (f"minigrad {COMPARE} --jobs 1 <&- >&- 2>&-", 0, "", "", True),
    "nobody reads": (f"{{ minigrad {COMPARE}; echo status $? >&2; }} | true", 0, "", "status 0", True),
    "standard output is full": (
        f"minigrad {COMPARE} >/dev/full", 2, "", "minigrad: standard output cannot be written to: No space left", True
    ),
    "a reader that has seen enough": (
        "{ minigrad list; echo status $? >&2; } | head -1", 0, "models\n", "status 0", False
    ),
    "a backend that there is not": (
        f"MPLBACKEND=nonsense minigrad {COMPARE}", 0, "written to out: results.csv, results.json\n",
        "minigrad: warning: convergence.png could not be drawn", True,
    ),
    "a backend that there is not, where a picture is all": (
        "MPLBACKEND=nonsense minigrad explore --draws 3 --save a.png", 2, "", "unset the environment variable MPL",
        False,
    ),
    "plain letters, a narrow terminal, no home": (
        "unset HOME XDG_CACHE_HOME; LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 PYTHONIOENCODING=ascii COLUMNS=20 "
        f"minigrad {COMPARE}", 0, "E|?-g|?/|g|?", "", True,
    ),
}  # fmt: skip


@needs_sh
@pytest.mark.parametrize("name", CASES)
def test_surroundings(name, tmp_path):
    line, status, out, err, kept = CASES[name]
    if "/dev/full" in line and not os.path.exists("/dev/full"):
        pytest.skip("this system has no full device")
    done = sh(line, tmp_path)
    assert done.returncode == status, done.stderr
    assert out in done.stdout and err in " ".join(done.stderr.split()), done.stderr
    for trace in ("Traceback", "Exception ignored", "site-packages"):
        assert trace not in done.stderr
    if not err:
        assert done.stderr == ""
    if kept:
        found = {path.name for path in (tmp_path / "out").iterdir()}
        assert found == RESULTS - ({"convergence.png"} if "MPLBACKEND" in line else set())


@needs_sh
def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    """What is said on standard error, by a worker or a C library, would go into that file."""
    code = "import os, minigrad.cli as cli; cli._stand_in(); print(os.open('new', os.O_CREAT), os.get_inheritable(2))"
    (tmp_path / "code.py").write_text(code)
    python = f"{shlex.quote(sys.executable)} code.py"
    for closed in ("<&- 2>&-", ""):
        done = sh(f"{python} {closed}", tmp_path)
        number, inherited = done.stdout.split()
        assert int(number) > 2 and inherited == "True"


class Drawn(Report):
    """Some report with a picture."""

    def table(self):
        return Table(["a table"], [])

    def plot(self, ax):
        ax.plot([1, 2])


REPORTS = {
    "inspect": ("inspect_model", Inspection(*4 * [Drawn()]), "noise.png"),
    "advise": ("advise_model", Advising(*4 * [Drawn()]), "advice.png"),
}


@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("command", REPORTS)
def test_a_report_is_printed_whether_or_not_it_can_be_drawn(command, fails, tmp_path, capsys, monkeypatch):
    """Nothing of it is kept elsewhere, so it is shown first; a picture of something else does not stay."""
    name, report, picture = REPORTS[command]
    monkeypatch.setattr(sys.modules["minigrad.experiments.inspection"], name, lambda *arguments, **options: report)
    (tmp_path / picture).write_text("an earlier one")
    if fails:
        monkeypatch.setattr(minigrad.experiments.outputs, "new_figure", no_figure)
    assert main([command, "--train", "64", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("a table") and ("written to" in shown.out) is not fails
    warning = f"minigrad: warning: {picture} could not be drawn (OSError: no backend); the\n  results are complete"
    assert shown.err.startswith(warning if fails else "") and bool(shown.err) is fails
    assert [path.read_bytes()[:4] for path in tmp_path.iterdir()] == ([] if fails else [b"\x89PNG"])


def no_figure(**options):
    raise OSError("no backend")


@pytest.mark.parametrize(
    "command", ["compare", "inspect", "advise", "reproduce mlp --data digits --train 200 --test 20"]
)
@pytest.mark.parametrize("out", ["a file", "a file/below", "", "x" * 300, "~/y\0"])
def test_a_folder_that_cannot_be_is_found_before_the_work(command, out, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").write_text("")
    for module, work in (("jobs", "train"), ("inspection", "inspect_model"), ("inspection", "advise_model")):
        monkeypatch.setattr(sys.modules[f"minigrad.experiments.{module}"], work, None)
    try:
        assert main([*command.split(), f"--out={out}"]) == 2
    except SystemExit as stop:
        assert stop.code == 2
    words = " ".join(capsys.readouterr().err.split())
    assert "give another one with --out" in words or "is no name; write one such as results" in words
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]


def test_a_folder_with_a_line_break_in_its_name(tmp_path):
    assert minigrad.experiments.outputs.results_folder(tmp_path / "a\nb").is_dir()


def test_a_home_that_there_is_not(capsys, monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", "~nobody-of-that-name/data")
    monkeypatch.setitem(sys.modules, "pooch", None)  # and no download
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert main(["compare", "--data", "mnist", "--train", "9"]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_only_commands_that_keep_runs_say_that_they_do(capsys, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["minigrad.commands.reports"], "configuration_of", stop)
    assert main(["inspect"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"
    monkeypatch.setattr(sys.modules["minigrad.commands.compare_command"], "configuration_of", stop)
    assert main(["compare"]) == 130
    assert "finished runs are kept, and the same command goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, words",
    [
        (MemoryError("Unable to allocate 5 GiB"), "there is not enough memory: Unable to allocate 5 GiB"),
        (MemoryError(), "there is not enough memory: give smaller numbers"),
        (
            OSError(28, "No space left on device"),
            "Free some space: finished runs are kept, and the same command goes on",
        ),
    ],
)
def test_last_words(error, words, tmp_path, capsys, monkeypatch):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(sys.modules["minigrad.experiments.jobs"], "train", fail)
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(COMPARE)) == 2
    assert words in " ".join(capsys.readouterr().err.split())
