"""What a class gets: folders without solutions, constants by a key, notebooks; and grading many of them at once."""

from __future__ import annotations

import csv
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_course import COURSE, FULL, TASKS, solution

sys.path.append(str(COURSE))
grade, grade_all, hand_out, notebooks, variant = (
    importlib.import_module(name) for name in ("grade", "grade_all", "hand_out", "notebooks", "variant")
)
KEYS = ("autumn 2026", "spring 2027", "ε")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A student's folder and the solutions, as the command makes them."""
    place = tmp_path_factory.mktemp("class")
    command = [sys.executable, str(COURSE / "hand_out.py"), str(place / "students"), "--key", KEYS[0]]
    subprocess.run([*command, "--solutions", str(place / "answers")], check=True, capture_output=True)
    return place / "students", place / "answers"


def test_students_get_what_they_need_and_no_solutions(folders: tuple[Path, Path]) -> None:
    students, answers = folders
    names = {path.name for path in students.rglob("*")}
    assert {f"assignment{n}{kind}" for n in FULL for kind in (".py", ".ipynb")} <= names
    assert not names & {"solutions", "exercises_first.md", "exercises_last.md", "hand_out.py", "grade_all.py"}
    assert {"exercises_first.md", "exercises_last.md"} <= {path.name for path in answers.iterdir()}
    handed = "\n".join(path.read_text(encoding="utf-8") for path in students.rglob("*") if path.is_file())
    for number in FULL:
        lines = [line.strip() for line in solution(number).splitlines()]
        skeleton = (COURSE / f"assignment{number}.py").read_text(encoding="utf-8")
        telling = {line for line in lines if len(line) > 38 and line not in skeleton and not line.startswith('"""')}
        assert len(telling) >= 2
        assert not [line for line in telling if line in handed]
        assert (answers / f"assignment{number}.py").is_file()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="is not empty"):
        hand_out.hand_out(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_course_without_its_clone_says_what_is_missing(tmp_path: Path) -> None:
    alone = tmp_path / "somewhere" / "course"
    shutil.copytree(COURSE, alone, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, str(alone / "hand_out.py"), str(tmp_path / "students")]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert ran.returncode == 2 and "a complete clone" in ran.stderr and "Traceback" not in ran.stderr
    assert not (tmp_path / "students").exists()
    subprocess.run([*command, "--only", "1"], check=True, capture_output=True)


@pytest.mark.parametrize("number", FULL)
def test_each_class_has_constants_of_its_own(number: int) -> None:
    plain, *others = ({"": variant.constants(number, key)} for key in ("", *KEYS))
    assert all(other != plain for other in others)
    many = {tuple(variant.constants(number, f"class {k}").items()) for k in range(60)}
    choices = variant.CHOICES[number].values()
    expected = 1
    for values in choices:
        expected *= len(values) - 1
    assert len(many) == expected >= 3  # each of them occurs, and a neighbouring class seldom has the same
    for text in ((COURSE / f"assignment{number}.py").read_text(encoding="utf-8"), solution(number)):
        for name, value in variant.constants(number, "").items():
            assert re.search(rf"^{name} = {value}  # of your class$", text, re.MULTILINE)
        for name, value in variant.constants(number, KEYS[0]).items():
            assert f"\n{name} = {value}  #" in variant.rewritten(text, number, KEYS[0])


@pytest.mark.parametrize("number", FULL)
def test_answers_of_the_class_have_full_marks_in_its_folder(number: int, folders: tuple[Path, Path]) -> None:
    """Graded by the student's own folder, which has the key, on arrays of another seed."""
    students, answers = folders
    code = "import sys, json, grade; print(json.dumps(grade.grade(int(sys.argv[1]), sys.argv[2], seed='unseen')[0]))"
    command = [sys.executable, "-c", code, str(number), str(answers / f"assignment{number}.py")]
    ran = subprocess.run(command, cwd=students, check=True, capture_output=True, encoding="utf-8")
    marks = json.loads(ran.stdout)
    assert sum(line["earned"] for line in marks.values()) == FULL[number], marks


def executed(notebook: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Run the cells as a kernel does; what the marking cells gave, by task, 0 where they raised."""
    monkeypatch.syspath_prepend(str(folder))
    scope: dict[str, Any] = {"In": []}
    found = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        scope["In"].append(cell["source"])
        grading = cell["metadata"]["nbgrader"]
        *lines, last = cell["source"].rstrip().splitlines()
        if not grading["grade"]:
            exec(cell["source"], scope)
            continue
        exec("\n".join(lines), scope)
        try:
            found[grading["grade_id"].removeprefix("marks-")] = eval(last, scope)
        except AssertionError:
            found[grading["grade_id"].removeprefix("marks-")] = 0
    return found


def test_a_notebook_marks_itself(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_KEY", KEYS[0])
    students, answers = folders
    source = answers / "source" / "assignment1"
    solved = json.loads((source / "assignment1.ipynb").read_text(encoding="utf-8"))
    assert executed(solved, source, monkeypatch) == {"1a": 3, "1b": 3, "1c": 4}
    empty = json.loads((students / "assignment1.ipynb").read_text(encoding="utf-8"))
    assert executed(empty, source, monkeypatch) == {"1a": 0, "1b": 0, "1c": 0}


@pytest.mark.parametrize("number", FULL)
def test_notebooks_are_such_as_nbgrader_takes(number: int, folders: tuple[Path, Path]) -> None:
    """By the rules of its schema 3; by nbformat and nbgrader themselves, where they are installed."""
    students, answers = folders
    handed = students / f"assignment{number}.ipynb"
    source = answers / "source" / f"assignment{number}" / f"assignment{number}.ipynb"
    for path in (handed, source):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = notebook["cells"]
        grading = [cell["metadata"]["nbgrader"] for cell in cells]
        assert len({one["grade_id"] for one in grading}) == len({cell["id"] for cell in cells}) == len(cells)
        assert sum(one.get("points", 0) for one in grading) == FULL[number]
        marked = [one["grade_id"] for one in grading if one["grade"]]
        assert marked == [f"marks-{number}{letter}" for letter in TASKS[number]]
        for cell, one in zip(cells, grading, strict=True):
            assert one["locked"] != one["solution"] and not (one["grade"] and one["solution"])
            between = re.findall(r"### (BEGIN|END) SOLUTION", "".join(cell["source"]))
            regions = len(between) // 2  # one for each method that is asked for
            assert between == ["BEGIN", "END"] * regions and (regions > 0) == (one["solution"] and path == source)
            if cell["cell_type"] == "code":
                compile("".join(cell["source"]), "cell", "exec")
        try:
            import nbformat
        except ImportError:
            continue
        nbformat.validate(notebook)


def test_a_notebook_is_graded_as_its_script(folders: tuple[Path, Path], tmp_path: Path) -> None:
    source = folders[1] / "source" / "assignment1" / "assignment1.ipynb"
    notebook = json.loads(source.read_text(encoding="utf-8"))
    code = {"cell_type": "code", "metadata": {}, "outputs": [], "source": ["%matplotlib inline\n", "!ls"]}
    notebook["cells"].append(code)
    (tmp_path / "mine.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    marks, _ = grade.grade(1, tmp_path / "mine.ipynb", key=KEYS[0])
    assert sum(line["earned"] for line in marks.values()) == FULL[1]
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    marks, _ = grade.grade(1, tmp_path / "broken.ipynb", key=KEYS[0])
    assert "this is no notebook" in marks["1a"]["notes"][0]
    assert sum(line["earned"] for line in marks.values()) == 0


def test_a_folder_of_submissions_becomes_a_csv_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a right one, one that hangs, one that is not there, and a name that a spreadsheet would run."""
    handed = tmp_path / "handed in"
    for student, text in {
        "Ada": solution(1),
        "=cmd()": f"{solution(1)}\ndef sweep(tape, out, g):\n    while True:\n        pass\n",
        "Nobody": None,
    }.items():
        (handed / student).mkdir(parents=True)
        if text is not None:
            (handed / student / "assignment1.py").write_text(text, encoding="utf-8")
    (handed / "Emmy.py").write_text("import sys\nsys.exit()\n", encoding="utf-8")
    (handed / "notes.txt").write_text("nothing of theirs", encoding="utf-8")
    target = tmp_path / "not there yet" / "marks.csv"
    monkeypatch.setattr(
        "sys.argv", ["grade_all.py", "1", str(handed), str(target), "--seconds=90", "--jobs=2", "--seed=here"]
    )
    grade_all.main()
    with target.open(encoding="utf-8", newline="") as stream:
        head, *lines = csv.reader(stream)
    assert head == ["student", "1a (3)", "1b (3)", "1c (4)", "total (10)", "notes"]
    by = {line[0]: line[1:] for line in lines}
    assert list(by) == ["'=cmd()", "Ada", "Emmy", "Nobody"]
    assert by["Ada"] == ["3", "3", "4", "10", ""]
    assert by["'=cmd()"][:4] == ["3", "3", "0", "6"] and "a loop that does not end" in by["'=cmd()"][4]
    assert by["Emmy"][3] == "0" and "SystemExit" in by["Emmy"][4]
    assert by["Nobody"][3] == "0" and "no assignment1.py" in by["Nobody"][4] and "found: nothing" in by["Nobody"][4]


def test_results_are_such_as_gradescope_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, results = tmp_path / "assignment1.py", tmp_path / "not" / "yet" / "results.json"
    file.write_text(f"{solution(1)}\ndef log_softmax_vjp(g, y):\n    return g\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["grade.py", "1", str(file), "--results", str(results)])
    grade.main()
    found = json.loads(results.read_text(encoding="utf-8"))
    tests = {test["name"]: test for test in found["tests"]}
    assert list(tests) == ["task 1a", "task 1b", "task 1c"]
    assert sum(test["max_score"] for test in tests.values()) == FULL[1]
    assert tests["task 1a"]["status"] == "passed" and tests["task 1a"]["score"] == 3
    assert tests["task 1b"]["status"] == "failed" and "the VJP is wrong" in tests["task 1b"]["output"]
    assert found["execution_time"] > 0 and "without a key" in found["output"]
    assert grade.gradescope({}, "stopped", 1.0)["score"] == 0
