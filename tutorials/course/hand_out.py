"""Make the folder of a class: the assignments as scripts and as notebooks, and the graders; no solutions.

    python hand_out.py ~/course/students --key "autumn 2026"
    python hand_out.py ~/course/students --key "autumn 2026" --solutions ~/course/answers

The second one writes what is yours, apart: the solutions for the same class as scripts and as notebooks for nbgrader's
``source``, the answers to the exercises of the lessons, and autograders for Gradescope.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import shlex
import shutil
from pathlib import Path

from notebooks import notebook
from variant import CHOICES, rewritten

import minigrad

COURSE = Path(__file__).resolve().parent
GRADER = (
    *("blocking.py", "collecting.py", "conftest.py", "given.py", "grade.py", "grading.py", "notebooks.py"),
    *("pytest.ini", "reading.py", "runner.py", "submitted.py", "variant.py", "wire.py"),
)
"""What all graders need."""
LIBRARY_TESTS = ("gradient_elementwise.py", "gradient_points.py", "gradient_reductions.py")
"""Tests of the library that assignment 0 is to pass."""


def empty(folder):
    """Make a folder, unless there is something in it."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; give another folder, or clear it")
    folder.mkdir(parents=True, exist_ok=True)


def library_tests():
    """Where the tests of the library are: beside these files in what is handed out, else in the clone around them."""
    here, clone = COURSE / "library_tests", COURSE.parents[1] / "tests"
    for place in (here, clone):
        if all((place / name).is_file() for name in LIBRARY_TESTS):
            return place
    raise FileNotFoundError(
        f"{clone / LIBRARY_TESTS[0]} is not there; assignment 0 takes tests of the library along, so run this in "
        "tutorials/course of a complete clone, or leave assignment 0 out: --only 1 2 3 4"
    )


def graders(folder, key, numbers):
    """Write what grades, for a class."""
    for name in (*GRADER, *(f"test_assignment{number}.py" for number in numbers)):
        shutil.copy(COURSE / name, folder / name)
    (folder / "class.json").write_text(json.dumps({"key": key}), encoding="utf-8")
    if 0 in numbers:
        (folder / "library_tests").mkdir()
        for name in LIBRARY_TESTS:
            shutil.copy(library_tests() / name, folder / "library_tests" / name)


def hand_out(folder, key="", numbers=tuple(CHOICES)):
    """Write a student's folder.

    Parameters
    ----------
    folder : path
        Is made; what is there must be empty.
    key : str
        Of the class; "" for the constants as they stand.
    numbers : sequence of int
        Of the assignments.

    Raises
    ------
    FileExistsError
        If there is something in the folder.
    FileNotFoundError
        If assignment 0 is among them and this is no complete clone.
    """
    folder = Path(folder)
    if 0 in numbers:
        library_tests()  # before anything is written
    empty(folder)
    graders(folder, key, numbers)
    shutil.copy(COURSE / "students.md", folder / "README.md")
    for number in numbers:
        text = rewritten((COURSE / f"assignment{number}.py").read_text(encoding="utf-8"), number, key)
        (folder / f"assignment{number}.py").write_text(text, encoding="utf-8")
        (folder / f"assignment{number}.ipynb").write_text(json.dumps(notebook(text), indent=1), encoding="utf-8")


def apart(folder, students):
    """Refuse a folder for solutions that students get to see: theirs, or the clone, which they have as well."""
    clone = COURSE.parents[1]
    for other, what in ((Path(students).resolve(), "the students' folder"), (clone, "the clone of minigrad")):
        if folder.resolve().is_relative_to(other):
            raise ValueError(f"{folder} is in {what}, {other}: give a folder elsewhere for the solutions")


def solutions(folder, key="", numbers=tuple(CHOICES)):
    """Write what is the instructor's.

    Scripts; for nbgrader a folder ``source`` with notebooks and graders; for Gradescope a folder ``gradescope`` with
    what goes into the autograder of each assignment; the answers to the exercises of the lessons.
    """
    folder = Path(folder)
    empty(folder)
    for path in (COURSE / "solutions").glob("*.md"):
        shutil.copy(path, folder / path.name)
    for number in numbers:
        name = f"assignment{number}"
        skeleton, answer = (
            rewritten((place / f"{name}.py").read_text(encoding="utf-8"), number, key)
            for place in (COURSE, COURSE / "solutions")
        )
        (folder / f"{name}.py").write_text(answer, encoding="utf-8")
        source = folder / "source" / name
        source.mkdir(parents=True)
        graders(source, key, [number])
        (source / f"{name}.ipynb").write_text(json.dumps(notebook(skeleton, answer), indent=1), encoding="utf-8")
        autograder(folder / "gradescope" / name, key, number)


SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, when it builds the image.
set -euo pipefail
apt-get update
apt-get install -y python3 python3-venv
python3 -m venv /autograder/env
/autograder/env/bin/pip install {needed}
"""
RUN = """#!/usr/bin/env bash
# Gradescope runs this for each submission. Another seed gives other arrays; students should not know it.
cd /autograder/source || exit 1
/autograder/env/bin/python grade.py {number} /autograder/submission --key {key} --seed {seed} \\
    --results /autograder/results/results.json
test -f /autograder/results/results.json  # what was not graded has results as well: they say why
"""


def autograder(folder, key, number):
    """Write what goes into the zip file of an autograder for Gradescope; minigrad comes along."""
    folder.mkdir(parents=True)
    graders(folder, key, [number])
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(minigrad.__file__).parent, folder / "minigrad", ignore=ignored)
    run = RUN.format(number=number, key=shlex.quote(key), seed=secrets.token_hex(8))
    project = (COURSE.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.findall(r'^ +"([^"]+)"', re.search(r"^dependencies = \[(.*?)^\]", project, re.M | re.S)[1], re.M)
    setup = SETUP.format(needed=" ".join(map(shlex.quote, [*needed, "pytest", "hypothesis"])))
    for name, text in (("setup.sh", setup), ("run_autograder", run)):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        (folder / name).chmod(0o755)


def main():
    """Read the command line, write."""
    parser = argparse.ArgumentParser(description="Make the folder of a class.")
    parser.add_argument("folder", type=Path, help="for students; is made")
    parser.add_argument("--key", default="", help="of the class, any text: other constants, and other arrays")
    parser.add_argument("--solutions", type=Path, metavar="FOLDER", help="write the solutions there, too")
    parser.add_argument("--only", type=int, nargs="+", choices=sorted(CHOICES), help="these assignments only")
    given = parser.parse_args()
    numbers = tuple(given.only or CHOICES)
    try:
        if given.solutions:
            apart(given.solutions, given.folder)
        hand_out(given.folder, given.key, numbers)
        if given.solutions:
            solutions(given.solutions, given.key, numbers)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(f"for students: {given.folder}" + (f"; for you: {given.solutions}" if given.solutions else ""))


if __name__ == "__main__":
    main()
