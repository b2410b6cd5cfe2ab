"""Every lesson runs by itself, states a number in its prose, finds that number, and ends with exercises.

A lesson writes the number in bold, as ``**9.0**``, computes it, asserts it in a visible cell, and prints
``checked: stated 9.0, found 8.97``. The two agree if they differ by at most one unit of the last digit stated.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "tutorials").glob("plot_*.py"))
CHECKED = re.compile(r"^checked: stated (\S+), found (\S+)$", re.MULTILINE)
NUMBER = re.compile(r"\*\*(-?\d[\d,]*(?:\.\d+)?)[^*\n]{0,20}\*\*")


def prose(source: str) -> str:
    """The text of a lesson: its docstring, and the comments of its cells."""
    lines = [line[1:].strip() for line in source.splitlines() if line.startswith("#")]
    return "\n".join([ast.get_docstring(ast.parse(source)) or "", *lines])


def complaints(source: str, output: str) -> list[str]:
    """What is wrong with a lesson that printed ``output``; empty if nothing is."""
    found = []
    text = prose(source)
    docstring = ast.get_docstring(ast.parse(source)) or ""
    if not re.match(r"[^\n]+\n=+(\n|$)", docstring):
        found.append("the docstring must begin with a title, underlined with =")
    if not any(isinstance(node, ast.Assert) for node in ast.parse(source).body):
        found.append("no cell asserts anything")
    numbers = {number.replace(",", "") for number in NUMBER.findall(text)}
    pairs = CHECKED.findall(output)
    if not pairs:
        found.append("nothing printed of the form `checked: stated 9.0, found 8.97`")
    for stated, value in pairs:
        if stated not in numbers:
            found.append(f"{stated} is printed as stated, but the prose does not say **{stated}**")
        digits = len(stated.partition(".")[2])
        if not abs(float(value) - float(stated)) <= 1.0001 * 10.0**-digits:
            found.append(f"stated {stated}, but found {value}")
    _, heading, exercises = text.partition("\nExercises\n---------\n")
    count = len(re.findall(r"^\d+\. ", exercises, re.MULTILINE))
    hints = exercises.count("*Hint*")
    if not heading:
        found.append("there is no section Exercises")
    elif not 2 <= count <= 3:
        found.append(f"there are {count} exercises; two or three are wanted")
    elif hints < count:
        found.append(f"{count} exercises, but {hints} of them with a *Hint*")
    return found


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_lesson(lesson: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "MPLBACKEND": "Agg", "MINIGRAD_FAST": "1", "PYTHONIOENCODING": "utf-8"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    # With one thread small products do not wait for one another when other tests run beside this one.
    environment.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    # Where there is a display, pyplot says that Agg has no window to open; anything else is an error.
    warnings = ["-W", "error", "-W", "ignore:FigureCanvasAgg is non-interactive:UserWarning"]
    ran = subprocess.run(
        [sys.executable, *warnings, str(lesson)],
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
        env=environment,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    assert not list(tmp_path.iterdir()), "a lesson must not leave files behind"
    assert not complaints(lesson.read_text(encoding="utf-8"), ran.stdout)


def test_lessons_are_numbered() -> None:
    """They are 0, 1, 2, … without a gap, a 1b behind 1, and the title of each begins with its number."""
    names = [lesson.stem.split("_")[1] for lesson in LESSONS]
    numbers = [name for name in names if name.isdecimal()]
    assert numbers == [f"{number:02d}" for number in range(len(numbers))]
    for name, before in zip(names[1:], names, strict=False):
        assert name.isdecimal() or name == f"{before}b", name
    for name, lesson in zip(names, LESSONS, strict=True):
        title = (ast.get_docstring(ast.parse(lesson.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        assert title.startswith(f"{int(name.rstrip('b'))}{'b' * name.endswith('b')}. "), lesson.name


GOOD = '''"""
A lesson
========
"""
# %%
# The answer is **4.0**.
assert 2 + 2 == 4

# %%
# Exercises
# ---------
# 1. One. *Hint*: a.
# 2. Two. *Hint*: b.
'''


def test_a_good_lesson_passes() -> None:
    assert complaints(GOOD, "checked: stated 4.0, found 4.04\n") == []


@pytest.mark.parametrize(
    ("before", "after", "output", "wanted"),
    [
        ("A lesson\n========", "A lesson", "checked: stated 4.0, found 4.0", "title"),
        ("assert", "print() or", "checked: stated 4.0, found 4.0", "asserts"),
        ("", "", "stated 4.0", "nothing printed"),
        ("**4.0**", "**5.0**", "checked: stated 4.0, found 4.0", "the prose does not say"),
        ("", "", "checked: stated 4.0, found 4.2", "but found 4.2"),
        ("", "", "checked: stated 4.0, found nan", "but found nan"),
        ("# Exercises", "# Questions", "checked: stated 4.0, found 4.0", "no section"),
        ("# 2. Two. *Hint*: b.", "", "checked: stated 4.0, found 4.0", "there are 1 exercises"),
        ("*Hint*: b.", "", "checked: stated 4.0, found 4.0", "1 of them"),
    ],
)
def test_a_planted_fault_is_found(before: str, after: str, output: str, wanted: str) -> None:
    found = complaints(GOOD.replace(before, after), output)
    assert len(found) == 1 and wanted in found[0]
