"""What type checkers say of programs that use minigrad: nothing of a right one, and something of each mistake.

Both files are checked in one run of each checker, as a user's files are: minigrad is an installed package to it. mypy
runs with ``--strict``, pyright (as basedpyright, which pip installs) in its standard mode.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = ROOT / "tests" / "typing"
MARK = "  # error"

Found = set[tuple[str, int]]
"""Name of the file and number of the line of each error."""


def run(command: list[str], folder: Path) -> str:
    """What a checker prints; it exits with 1 where it finds errors."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(folder: Path) -> Found:
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache", "--no-pretty"]
    lines = run([*command, "user.py", "mistakes.py"], folder).splitlines()
    return {(m[1], int(m[2])) for line in lines if (m := re.match(r"(\S+\.py):(\d+): error: ", line))}


def pyright(folder: Path) -> Found:
    if importlib.util.find_spec("basedpyright") is None:
        if os.environ.get("MINIGRAD_REQUIRE_PYRIGHT"):
            pytest.fail("basedpyright is not installed, and MINIGRAD_REQUIRE_PYRIGHT asks for it")
        pytest.skip('basedpyright is not installed: pip install -e ".[typing]"')
    settings = {"typeCheckingMode": "standard", "include": ["user.py", "mistakes.py"]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    printed = run([sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable], folder)
    report = json.loads(printed)
    assert report["summary"]["filesAnalyzed"] == 2
    errors = [each for each in report["generalDiagnostics"] if each["severity"] == "error"]
    return {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in errors}


@pytest.fixture(scope="module", params=[mypy, pyright], ids=lambda checker: checker.__name__)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("typing")
    for name in ("user.py", "mistakes.py"):
        shutil.copy(FILES / name, folder)
    return request.param(folder)


def lines_of(name: str, numbers: set[int]) -> list[str]:
    text = (FILES / name).read_text(encoding="utf-8").splitlines()
    return [f"{name}:{number}: {text[number - 1]}" for number in sorted(numbers)]


def test_a_right_program_has_no_error(found):
    assert lines_of("user.py", {line for name, line in found if name == "user.py"}) == []


def test_each_mistake_is_found_and_nothing_else(found):
    text = (FILES / "mistakes.py").read_text(encoding="utf-8").splitlines()
    marked = {number for number, line in enumerate(text, 1) if line.endswith(MARK)}
    errors = {line for name, line in found if name == "mistakes.py"}
    assert lines_of("mistakes.py", marked - errors) == [], "not found"
    assert lines_of("mistakes.py", errors - marked) == [], "found where there is none"
    assert marked


def test_the_right_program_runs(capsys):
    runpy.run_path(str(FILES / "user.py"))
    assert capsys.readouterr().out
