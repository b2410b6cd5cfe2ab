"""The course kit: graders pass the solutions, fail the skeletons, and teach on wrong answers; nothing else earns marks.

A grader runs inside this process, as a pytest run of its own, on a file that is written for the occasion.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from course_wrong_answers import WRONG, Wrong

COURSE = Path(__file__).parents[1] / "tutorials" / "course"
FULL = {0: 18, 1: 10, 2: 14, 3: 15, 4: 14}
TASKS = {0: "abcde", 1: "abc", 2: "abc", 3: "abc", 4: "abcd"}
BUILT_ON = {"0a", "3a"}
"""Tasks whose functions are used by the answers to later ones."""

for number in FULL:
    importlib.import_module(f"course_wrong_answers.assignment{number}")


def solution(number: int) -> str:
    return (COURSE / "solutions" / f"assignment{number}.py").read_text(encoding="utf-8")


def run(number: int, text: str, folder: Path, *options: str) -> dict[str, dict]:
    """The marks by task of a submission; none where the grader refused to begin."""
    submission, marks = folder / f"assignment{number}.py", folder / "marks.json"
    submission.write_text(text, encoding="utf-8")
    marks.unlink(missing_ok=True)
    arguments = [str(COURSE / f"test_assignment{number}.py"), f"--rootdir={COURSE}", "-c", str(COURSE / "pytest.ini")]
    arguments += [
        f"--submission={submission}",
        f"--marks={marks}",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
    ]
    pytest.main([*arguments, *options])
    return json.loads(marks.read_text(encoding="utf-8")) if marks.exists() else {}


def earned(tasks: dict[str, dict]) -> int:
    return sum(line["earned"] for line in tasks.values())


def worth(tasks: dict[str, dict]) -> int:
    return sum(line["of"] for line in tasks.values())


@pytest.mark.parametrize("number", FULL)
def test_solutions_get_full_marks(number: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tasks = run(number, solution(number), tmp_path)
    assert "".join(tasks) == "".join(f"{number}{letter}" for letter in TASKS[number])
    assert earned(tasks) == worth(tasks) == FULL[number]
    shown = capfd.readouterr().out
    assert f"total: {FULL[number]}/{FULL[number]}" in shown and re.search(rf"task {number}b: \d/\d", shown)


@pytest.mark.parametrize("number", FULL)
def test_skeletons_get_none_and_are_told_so_in_few_words(
    number: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    skeleton = (COURSE / f"assignment{number}.py").read_text(encoding="utf-8")
    tasks = run(number, skeleton, tmp_path)
    assert earned(tasks) == 0 and worth(tasks) == FULL[number]
    for task, line in tasks.items():
        write = "task 0b: write" if task == "0e" else f"task {task}: write"
        assert all(write in note for note in line["notes"]), line
    for task, line in tasks.items():  # the skeleton says what a task is worth
        assert re.search(rf"Task {task} \({line['of']} marks\)", skeleton)
    assert f"({FULL[number]} marks)" in skeleton.splitlines()[0]
    shown = capfd.readouterr().out
    assert "submitted.py" not in shown and len(shown.splitlines()) < 80  # no tracebacks of the grader's own


def test_each_task_has_three_wrong_answers() -> None:
    tasks = [f"{number}{letter}" for number, letters in TASKS.items() for letter in letters]
    assert {task: sum(answer.task == task for answer in WRONG) >= 3 for task in tasks} == dict.fromkeys(tasks, True)


def rounds() -> list[tuple[str, list[Wrong]]]:
    """Wrong answers in one submission: to different tasks, the first of each, the second, …; or one that others use."""
    found: dict[str, list[Wrong]] = {}
    seen: Counter[str] = Counter()
    for answer in WRONG:
        seen[answer.task] += 1
        which = answer.task if answer.task in BUILT_ON else answer.task[0]
        found.setdefault(f"{which}, number {seen[answer.task]}", []).append(answer)
    return list(found.items())


def test_the_rounds_are_all_wrong_answers() -> None:
    assert Counter(answer for _, answers in rounds() for answer in answers) == Counter(WRONG)
    assert all(len({answer.task for answer in answers}) == len(answers) for _, answers in rounds())


@pytest.mark.parametrize("answers", [answers for _, answers in rounds()], ids=[name for name, _ in rounds()])
def test_one_slip_costs_once_and_is_told_why(answers: list[Wrong], tmp_path: Path) -> None:
    """The marks of one test are lost, in its task, and in no task that builds on it, one slip in each task or none."""
    number = int(answers[0].task[0])
    tasks = run(number, "\n\n".join([solution(number), *(answer.text for answer in answers)]), tmp_path)
    lost = {task: line["notes"] for task, line in tasks.items() if line["notes"]}
    assert sorted(lost) == sorted(answer.task for answer in answers), lost
    for answer in answers:
        (note,) = lost[answer.task]
        assert answer.teaches in note, answer.label
        assert 0 < tasks[answer.task]["of"] - tasks[answer.task]["earned"] <= 3, answer.label


SKIPPING = {
    "skips at import": "import pytest\npytest.skip('not today', allow_module_level=True)\n",
    "ends the program at import": "raise SystemExit(0)\n",
    "cannot be imported": "import a_module_that_is_nowhere\n",
    "skips in each function": "import pytest\ndef {name}(*a, **k):\n    pytest.skip('not today')\n",
    "expects to fail": "import pytest\ndef {name}(*a, **k):\n    pytest.xfail('known')\n",
    "stops the run": "import pytest\ndef {name}(*a, **k):\n    pytest.exit('done', returncode=0)\n",
    "interrupts": "def {name}(*a, **k):\n    raise KeyboardInterrupt\n",
    "exits": "def {name}(*a, **k):\n    raise SystemExit(0)\n",
    "answers that equal everything": (
        "class Yes(dict):\n    __eq__ = __ge__ = __le__ = lambda self, other: True\n    __hash__ = None\n"
        "    def __iter__(self):\n        return iter(())\n"
        "def {name}(*a, **k):\n    return Yes()\n"
    ),
    "returns nothing": "def {name}(*a, **k):\n    return None\n",
}
NAMES = ("scale_shift_vjp", "log_softmax_vjp", "sweep")


@pytest.mark.parametrize("how", SKIPPING)
def test_no_marks_without_answers(how: str, tmp_path: Path) -> None:
    template = SKIPPING[how]
    text = "\n".join(template.format(name=name) for name in NAMES) if "{name}" in template else template
    tasks = run(1, text, tmp_path)
    assert earned(tasks) == 0 and worth(tasks) == FULL[1]


CONSTANT = {
    0: """
import numpy as np
def unbroadcast(g, shape):
    return np.zeros(shape)
class Variable:
    def __init__(self, value, inputs=(), vjp=None):
        self.value, self.inputs, self.vjp = value, inputs, vjp
    def same(self, *others, **settings):
        return Variable(self.value, (), lambda g: (g, g))
    __add__ = __mul__ = __matmul__ = leaky = sum = same
def gradients(loss, variables, g):
    return [np.ones(2) for _ in variables]
def column_mask(variable, p, rng):
    return Variable(variable.value, (variable,), lambda g: (g,))
""",
    1: """
import numpy as np
def scale_shift_vjp(g, x, a, b):
    return np.zeros_like(x), np.zeros_like(a), np.zeros_like(b)
def log_softmax_vjp(g, y):
    return np.zeros_like(y)
def sweep(tape, out, g):
    return {}
""",
    2: """
import minigrad as mg
class ColumnMask(mg.Estimator):
    def __init__(self, p):
        self.p = p
    def sample(self, g, node, rng):
        return g
def weight_variance(G, X, p, axis):
    return 0.0
def pull_back(g, weights, p, rng):
    for w in weights:
        g = g @ w
    return g
""",
    3: """
import numpy as np
import minigrad as mg
def water_fill(weights, total):
    return np.ones(len(weights))
class ColumnSketch(mg.Estimator):
    def __init__(self, r):
        self.r = r
    def sample(self, g, node, rng):
        return g
    def outcomes(self, g, node=None):
        yield 1.0, g
    def distortion(self, g, node=None):
        return 0.0
LowRankSketch = ColumnSketch
""",
    4: """
def minibatch_variance(gradients, b):
    return 0.0
def step_cost(widths, batch):
    return 0.0, 0.0
def best_budget(c0, c1, a, b):
    return 1.0, 1.0
def added_variance(tape, loss, wrt, exact, draws, rng):
    return 0.0
""",
}


@pytest.mark.parametrize("number", CONSTANT)
def test_no_marks_for_exact_or_constant_answers(number: int, tmp_path: Path) -> None:
    """What is exact is unbiased, and 0 is a variance now and then; neither is an answer."""
    tasks = run(number, CONSTANT[number], tmp_path)
    assert worth(tasks) == FULL[number]
    assert earned(tasks) == 0, {task: line for task, line in tasks.items() if line["earned"]}


def test_no_marks_for_tests_that_did_not_run(tmp_path: Path) -> None:
    tasks = run(1, solution(1), tmp_path, "-k", "test_fan_out")
    assert earned(tasks) == 1 and worth(tasks) == FULL[1]
    assert "not run" in tasks["1a"]["notes"]


def loaded_grade() -> ModuleType:
    spec = importlib.util.spec_from_file_location("course_grade", COURSE / "grade.py")
    assert spec is not None and spec.loader is not None
    grade = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(grade)
    return grade


def test_a_submission_that_ends_or_holds_the_process_gets_nothing(tmp_path: Path) -> None:
    grade = loaded_grade()
    ends = tmp_path / "assignment1.py"
    ends.write_text("import os\nos._exit(0)\n", encoding="utf-8")
    marks, _ = grade.grade(1, ends)
    assert earned(marks) == 0 and worth(marks) == FULL[1]
    assert "came to an end (code 0)" in marks["1a"]["notes"][0]
    holds = tmp_path / "assignment2.py"
    holds.write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    marks, said = grade.grade(2, holds, seconds=2)
    assert earned(marks) == 0 and "stopped after 2 seconds" in said
    marks, said = grade.grade(1, COURSE / "solutions" / "assignment1.py")
    assert earned(marks) == FULL[1] and "task 1a: 3/3" in said


def test_marks_that_a_submission_prints_are_not_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = tmp_path / "assignment1.py"
    text = "print('= marks =\\ntotal: 10/10')\n"
    forged.write_text(f"{text}import atexit\natexit.register(lambda: {text.strip()})\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["grade.py", "1", str(forged)])
    loaded_grade().main()
    shown = capsys.readouterr().out
    assert shown.rstrip().endswith("total: 0/10") and "10/10" not in shown
    assert "no attribute 'sweep'" in shown  # and why


def test_marks_come_last(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(1, "", tmp_path)
    shown = capfd.readouterr().out
    assert shown.index("= FAILURES =") < shown.index("= marks =") < shown.index("total: 0/10")
    assert "FAILED" not in shown  # the lines of a summary would push them out of sight


def test_an_unknown_task_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(1, solution(1), tmp_path, "--task=9z") == {}
    shown = capfd.readouterr()
    assert "no task 9z; there are 1a, 1b, 1c" in shown.err and "total" not in shown.out


def test_what_a_submission_raises_ends_its_call_only(tmp_path: Path) -> None:
    text = solution(1) + "\n\ndef log_softmax_vjp(*a):\n    raise KeyboardInterrupt\n"
    tasks = run(1, text, tmp_path)
    assert [tasks[task]["earned"] for task in ("1a", "1b", "1c")] == [3, 0, 4]
    assert any("KeyboardInterrupt" in note for note in tasks["1b"]["notes"])


def test_what_students_get_has_no_solutions() -> None:
    for number in FULL:
        text = (COURSE / f"test_assignment{number}.py").read_text(encoding="utf-8")
        assert "import solutions" not in text and "from solutions" not in text
    readme = (COURSE / "README.md").read_text(encoding="utf-8")
    for number, marks in FULL.items():
        assert re.search(rf"\| {number} \|.*\| {marks} \|", readme), number
