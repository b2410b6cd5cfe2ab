"""One BLAS thread for the command line: the process begins anew, once, unless the environment decides."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from minigrad import cli
from minigrad.threads import THREAD_SETTINGS


class Anew(Exception):
    """Stands for the new process: what comes after it is never reached."""


@pytest.fixture
def begun(monkeypatch):
    """What the process would begin anew with, and the environment at that time."""
    seen = []

    def execv(path, arguments):
        seen.append((path, arguments, {name: os.environ.get(name) for name in THREAD_SETTINGS}))
        raise Anew

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-u", "-m", "minigrad", "list"])
    monkeypatch.setattr(cli, "main", lambda: 17)
    for name in THREAD_SETTINGS:
        monkeypatch.setenv(name, "")  # so that whatever is set below is undone afterwards
        monkeypatch.delenv(name)
    return seen


def test_the_process_begins_anew_with_one_thread(begun):
    with pytest.raises(Anew):
        cli.console()
    one = dict.fromkeys(THREAD_SETTINGS, "1")
    assert begun == [(sys.executable, [sys.executable, "-u", "-m", "minigrad", "list"], one)]
    assert cli.console() == 17 and len(begun) == 1  # the new process finds the settings, and goes on


@pytest.mark.parametrize("name", THREAD_SETTINGS)
def test_the_environment_decides(name, begun, monkeypatch):
    monkeypatch.setenv(name, "4")
    assert cli.console() == 17 and begun == []
    assert [other for other in THREAD_SETTINGS if other in os.environ] == [name]


def test_main_leaves_the_process_alone(monkeypatch, capsys):
    """A library call, such as from a notebook, never replaces its process."""
    for name in THREAD_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "execv", lambda *arguments: pytest.fail("began anew"))
    assert cli.main(["list"]) == 0 and capsys.readouterr().out.startswith("models")


WATCH = "import os, sys; from minigrad import cli; cli.main = lambda: print({what}) or 5; sys.exit(cli.console())"


@pytest.mark.parametrize("setting, expected", [({}, "1"), ({"OMP_NUM_THREADS": "2"}, "2")])
def test_in_a_process_of_its_own(setting, expected):
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_SETTINGS} | setting
    code = WATCH.format(what='os.environ["OMP_NUM_THREADS"], sys.argv[1:], sys.flags.utf8_mode')
    command = [sys.executable, "-X", "utf8", "-c", code, "a b", "--lr=1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == (f"{expected} ['a b', '--lr=1'] 1", "")
    assert os.name != "posix" or done.returncode == 5  # elsewhere, the first process does not wait for the second


def test_a_file_in_the_working_folder_is_not_taken_for_a_module(tmp_path):
    """The installed command does not look there for modules, and does not begin to when it begins anew."""
    script = os.path.join(os.path.dirname(sys.executable), "minigrad")
    if not os.path.exists(script):
        pytest.skip("the command is not installed beside this Python")
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong module')")
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_SETTINGS}
    done = subprocess.run(
        [sys.executable, script, "list"], cwd=tmp_path, env=environment, capture_output=True, text=True,
        encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("models")
