"""What instructors have for the lessons: an answer to every exercise, and a plan whose order holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_course import COURSE, FULL

LESSONS = {path.stem.split("_")[1].lstrip("0") or "0": path for path in COURSE.parent.glob("plot_*.py")}
ORDER = sorted(LESSONS, key=lambda name: (int(re.sub(r"\D", "", name)), name))
NEEDS = {0: ("1", "1b", "2", "3"), 1: ("1", "1b", "2"), 2: ("3", "4")}
"""What the assignments of the four weeks rest on."""


def numbered(text: str) -> dict[int, list[str]]:
    """The lines of each entry of a numbered list."""
    found: dict[int, list[str]] = {}
    for line in text.splitlines():
        if match := re.match(r"(\d+)\. ", line):
            found[int(match[1])] = []
        if found and line.strip():
            found[max(found)].append(line)
    return found


def answers() -> dict[str, dict[int, list[str]]]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((COURSE / "solutions").glob("*.md")))
    _, *parts = re.split(r"^## Lesson (\w+)$", text, flags=re.MULTILINE)
    return {name: numbered(part.partition("\n# ")[0]) for name, part in zip(parts[::2], parts[1::2], strict=True)}


def exercises(lesson: Path) -> list[int]:
    """The numbers of the exercises, by which a lesson ends."""
    text = lesson.read_text(encoding="utf-8")
    assert "\n# Exercises\n" in text, f"{lesson.name} has no exercises"
    return [int(number) for number in re.findall(r"^# (\d+)\. ", text.partition("\n# Exercises\n")[2], re.MULTILINE)]


def test_there_are_answers_to_no_other_lessons() -> None:
    assert set(answers()) == set(LESSONS)


@pytest.mark.parametrize("lesson", ORDER)
def test_every_exercise_has_a_short_answer(lesson: str) -> None:
    asked, answered = exercises(LESSONS[lesson]), answers()[lesson]
    assert asked and list(answered) == asked
    assert all(2 <= len(lines) <= 6 for lines in answered.values()), answered


def weeks() -> list[tuple[list[str], list[int]]]:
    """Of each week the lessons and the assignments."""
    section = (COURSE / "README.md").read_text(encoding="utf-8").partition("## Four weeks")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if re.match(r"\| \d", line)]
    return [(re.findall(r"(\w+) \(\d+\)", row[1]), [int(n) for n in re.findall(r"\d", row[2])]) for row in rows]


def test_an_assignment_of_the_plan_comes_after_its_lessons() -> None:
    plan, read, due = weeks(), [], []
    assert len(plan) == 4
    for lessons, assignments in plan:
        read += lessons
        due += assignments
        for number in assignments:
            assert set(NEEDS[number]) <= set(read), (number, read)
    assert read == sorted(read, key=ORDER.index) and set(read) <= set(LESSONS)
    assert sorted(due) == sorted(NEEDS) and set(due) <= set(FULL)
