"""Which file is graded, whatever a learning platform made of its name; and what is made for nbgrader and Gradescope."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_course import COURSE, FULL, solution

sys.path.append(str(COURSE))
collecting, hand_out, notebooks, submitted, grade = (
    importlib.import_module(name) for name in ("collecting", "hand_out", "notebooks", "submitted", "grade")
)
ANSWER, SKELETON = "x = 1\n", "raise NotImplementedError('task 1a: write it')\n"
DELIVERED = {
    "as it should be": ({"assignment1.py": ANSWER}, "assignment1.py", ""),
    "a capital": ({"Assignment1.ipynb": ANSWER}, "Assignment1.ipynb", "taken: Assignment1.ipynb"),
    "downloaded twice": ({"assignment1 (1).py": ANSWER}, "assignment1 (1).py", "taken: assignment1 (1).py"),
    "renamed by the platform": ({"55_99_assignment1-2.py": ANSWER}, "55_99_assignment1-2.py", "taken: "),
    "by the student's name": ({"bob.PY": ANSWER}, "bob.PY", "taken: bob.PY"),
    "beside other things": (
        {"assignment1 (1).py": ANSWER, "notes.txt": "", "mine.py": ""},
        "assignment1 (1).py",
        "taken",
    ),
    "with the graders": (
        {"Assignment 1.py": ANSWER, "grade.py": "", "test_assignment1.py": ""},
        "Assignment 1.py",
        "taken",
    ),
    "of nbgrader": ({"assignment1/assignment1.ipynb": ANSWER}, "assignment1/assignment1.ipynb", ""),
    "the whole folder": ({"assignment1.py": SKELETON, "assignment1.ipynb": "{}"}, "assignment1.ipynb", "taken: "),
    "two that can be meant": ({"a.py": ANSWER, "b.py": ANSWER}, None, "found: a.py, b.py"),
    "another assignment": ({"assignment2.py": ANSWER}, None, "found: assignment2.py"),
    "a report": ({"report.pdf": ""}, None, "found: report.pdf"),
    "nothing": ({}, None, "found: nothing"),
}


@pytest.mark.parametrize("what", DELIVERED)
def test_the_one_file_that_can_be_meant_is_taken(what: str, tmp_path: Path) -> None:
    files, wanted, said = DELIVERED[what]
    folder = tmp_path / "Bob X_55_assignsubmission_file_"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    file, note = collecting.submissions(tmp_path, 1)[folder.name]
    assert file == (wanted and folder / wanted)
    assert (said in note) if said else note == ""


def test_a_file_by_another_name_is_graded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "assignment1 (1).PY").write_text(solution(1), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["grade.py", "1", str(tmp_path)])
    grade.main()
    shown = capsys.readouterr().out
    assert "taken: assignment1 (1).PY" in shown and shown.rstrip().endswith("total: 10/10")
    (tmp_path / "other.py").write_text("", encoding="utf-8")
    (tmp_path / "assignment1 (1).PY").rename(tmp_path / "mine.py")
    with pytest.raises(SystemExit):
        grade.main()
    assert "not graded: no assignment1.py" in capsys.readouterr().err


def described(text: str) -> dict[str, tuple[str, str | None]]:
    """The signature and the docstring of each function, class and method of a text."""
    found = {}

    def walk(nodes: list[Any], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                signature = ast.unparse(node.args) if isinstance(node, ast.FunctionDef) else ""
                found[f"{prefix}{node.name}"] = signature, ast.get_docstring(node)
                if isinstance(node, ast.ClassDef):
                    walk(node.body, f"{node.name}.")

    walk(ast.parse(text).body, "")
    return found


@pytest.mark.parametrize("number", FULL)
def test_students_of_nbgrader_see_the_whole_task(number: int) -> None:
    """What is left after nbgrader took the solutions out has every name, signature and docstring, and no answer."""
    skeleton = (COURSE / f"assignment{number}.py").read_text(encoding="utf-8")
    made = notebooks.notebook(skeleton, solution(number))
    cells = ["".join(cell["source"]) for cell in made["cells"] if cell["cell_type"] == "code"]
    stub = r"\1# YOUR CODE HERE\n\1raise NotImplementedError()"
    left = [re.sub(r"( *)### BEGIN SOLUTION\n.*?### END SOLUTION", stub, cell, flags=re.DOTALL) for cell in cells]
    text = "\n\n".join(left)
    assert described(text) == described(skeleton)
    names = {node.id for node in ast.walk(ast.parse(skeleton)) if isinstance(node, ast.Name)} - {"annotations"}
    names |= {node.arg for node in ast.walk(ast.parse(skeleton)) if isinstance(node, ast.arg)}
    assert not {name for name in names if not re.search(rf"\b{name}\b", text)}
    lines = {line.strip() for line in solution(number).splitlines() if line.startswith("    ") and len(line) > 40}
    assert not [line for line in lines if line in text and line not in skeleton]


def test_a_cell_as_nbgrader_leaves_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def sweep(*a):\n    # YOUR CODE HERE\n    raise NotImplementedError()\n", encoding="utf-8")
    there = submitted.Submission(file, "assignment1")
    with pytest.raises(AssertionError, match=r"^this is not written yet \(line 3 of assignment1.py\)$"):
        there.call("call", "sweep")
    there.close()


def test_an_answer_that_does_not_fit_a_cell_is_refused() -> None:
    task = 'def f(x):\n    """Task 1a (1 marks): f."""\n    raise NotImplementedError("task 1a")\n'
    skeleton = f'"""Assignment 1."""\n\nA = 1\n\n\n{task}'
    with pytest.raises(ValueError, match="the solution defines helper"):
        notebooks.notebook(
            skeleton, '"""."""\n\nA = 1\n\n\ndef helper():\n    return 1\n\n\ndef f(x):\n    return helper()\n'
        )


@pytest.fixture(scope="module")
def autograder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("gradescope") / "source"
    hand_out.autograder(place, "autumn's 2026", 1)
    return place


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_what_is_made_for_gradescope_runs(autograder: Path, tmp_path: Path) -> None:
    """Its two files have no faults of syntax; the second one grades, in a folder that stands for Gradescope's."""
    for name in ("setup.sh", "run_autograder"):
        subprocess.run(["bash", "-n", str(autograder / name)], check=True)
        assert os.access(autograder / name, os.X_OK)
    assert "'numpy >= 1.26'" in (autograder / "setup.sh").read_text(encoding="utf-8")
    (tmp_path / "submission").mkdir()
    text = of_the_class(solution(1))
    (tmp_path / "submission" / "Assignment1 (2).py").write_text(text, encoding="utf-8")
    script = (autograder / "run_autograder").read_text(encoding="utf-8")
    for there, here in (
        ("/autograder/env/bin/python", sys.executable),
        ("/autograder/source", str(autograder)),
        ("/autograder/", f"{tmp_path}/"),
    ):
        script = script.replace(there, here)
    ran = subprocess.run(["bash", "-c", script], capture_output=True, encoding="utf-8")
    assert ran.returncode == 0, ran.stderr
    found = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
    assert sum(test["score"] for test in found["tests"]) == FULL[1]
    assert "taken: Assignment1 (2).py" in found["output"] and 'with the key "autumn\'s 2026"' in found["output"]


def of_the_class(text: str) -> str:
    """The solution with the constants of the class."""
    return str(hand_out.rewritten(text, 1, "autumn's 2026"))


def test_solutions_are_not_written_where_students_look(tmp_path: Path) -> None:
    for folder in (COURSE / "answers", COURSE.parents[1] / "answers", tmp_path / "students" / "answers"):
        with pytest.raises(ValueError, match="give a folder elsewhere"):
            hand_out.apart(folder, tmp_path / "students")
    hand_out.apart(tmp_path / "answers", tmp_path / "students")


def test_what_was_waited_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an import that does not end, which has more time than a call."""
    monkeypatch.setattr(submitted, "IMPORT", 2.0)
    file = tmp_path / "mine.py"
    file.write_text("while True:\n    pass\n", encoding="utf-8")
    there = submitted.Submission(file, "assignment1", seconds=1.0)
    with pytest.raises(
        AssertionError, match=r"cannot be imported: stopped after 3 seconds: is there a loop .* or is mem"
    ):
        there.call("call", "sweep")
    there.close()
    assert not there.path.parent.exists()
