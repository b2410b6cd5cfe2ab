"""The key of a class: answers of another class are wrong, and a wrong key is told and never graded in silence."""

from __future__ import annotations

import csv
import importlib
import json
import re
import sys
from pathlib import Path

import pytest
from test_course import COURSE, FULL, earned, solution

sys.path.append(str(COURSE))
grade, grade_all, variant = (importlib.import_module(name) for name in ("grade", "grade_all", "variant"))
KEYS = ("", "autumn 2026", "spring 2027", "ε")


def answers_of(number: int, key: str, other: str) -> str:
    """The solution with the constants of one class at its top, and those of another in what it computes."""
    text = variant.rewritten(solution(number), number, key)
    for name, value in variant.constants(number, other).items():
        text = re.sub(rf"\b{name}\b(?! = )", f"({value})", text)
    return str(text)


PAIRS = [(number, *pair) for number in FULL for pair in (KEYS[:2], KEYS[3:1:-1])]


@pytest.mark.parametrize(("number", "key", "other"), PAIRS)
def test_answers_of_another_class_are_wrong(number: int, key: str, other: str, tmp_path: Path) -> None:
    """With the right constants at the top, so that it is the grader that says so; what they do not touch is right."""
    file = tmp_path / f"assignment{number}.py"
    file.write_text(answers_of(number, key, other), encoding="utf-8")
    assert variant.constants(number, key) != variant.constants(number, other)
    marks, said = grade.grade(number, file, key=key)
    assert 0 < earned(marks) < FULL[number], (marks, said)


SHIFTED = "the file has SHIFT = 1.0, the key gives 0.5; the file has TEMPERATURE = 2.0, the key gives 1.5"
ASKED = "wrong or missing --key?"


def test_grade_stops_at_a_wrong_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, results = tmp_path / "assignment1.py", tmp_path / "results.json"
    file.write_text(solution(1), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["grade.py", "1", str(file), "--key", KEYS[1], "--results", str(results)])
    with pytest.raises(SystemExit) as stopped:
        grade.main()
    shown = capsys.readouterr()
    assert stopped.value.code == 2 and "total" not in shown.out
    assert f"{SHIFTED}: {ASKED}" in shown.err and 'graded with the key "autumn 2026"' in shown.err
    found = json.loads(results.read_text(encoding="utf-8"))
    assert found["score"] == 0 and f"{SHIFTED}: {ASKED}" in found["output"]


def test_grade_all_stops_where_no_file_has_the_key_and_tells_of_one_that_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handed, target = tmp_path / "handed", tmp_path / "marks.csv"
    handed.mkdir()
    (handed / "ada.py").write_text(solution(1), encoding="utf-8")
    (handed / "bob.py").write_text(solution(1).replace("SHIFT = 1.0", "SHIFT = 7.0"), encoding="utf-8")
    command = ["grade_all.py", "1", str(handed), str(target)]
    monkeypatch.setattr("sys.argv", [*command, "--key", KEYS[1]])
    with pytest.raises(SystemExit):
        grade_all.main()
    assert ASKED in capsys.readouterr().err and not target.exists()
    monkeypatch.setattr("sys.argv", command)
    grade_all.main()
    assert "graded without a key" in capsys.readouterr().out
    with target.open(encoding="utf-8", newline="") as stream:
        by = {line[0]: line[1:] for line in csv.reader(stream)}
    assert by["ada"][3:] == ["10", ""]
    assert by["bob"][3] == "0" and "not graded: the file has SHIFT = 7.0, the key gives 1.0" in by["bob"][4]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("SHIFT = 0.5  # of your class", {"SHIFT": 0.5}),
        ("SHIFT: float = -1.0", {"SHIFT": -1.0}),
        ("SHIFT = 1.0\nSHIFT = 3.0", {"SHIFT": 3.0}),
        ("SHIFT = OTHER = 2", {"SHIFT": 2}),
        ("SHIFT = 1 / 2", {}),
        ("SHIFT, TEMPERATURE = 1, 2", {}),
        ("def f():\n    SHIFT = 3", {}),
        ("SHIFT = (", {}),
        ("", {}),
    ],
)
def test_constants_that_are_written_are_found(text: str, numbers: dict[str, float]) -> None:
    assert variant.found(text, ("SHIFT", "TEMPERATURE")) == numbers
