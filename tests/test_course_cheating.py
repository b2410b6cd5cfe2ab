"""Marks are for work: what a submission tries in place of an answer earns nothing, and stops nothing.

Each entry of `CHEATS` is put after the reference solution of an assignment, whose task it then answers in its own way.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_course import FULL, TASKS, earned, run, solution, worth


@dataclass(frozen=True)
class Cheat:
    """What is tried, for which task, and what must be said of it. ``keeps`` is what is earned all the same."""

    label: str
    task: str
    said: str
    text: str
    keeps: int = 0


SOLUTION = str(Path(__file__).parents[1] / "tutorials" / "course" / "solutions" / "assignment1.py")
BLOCKED = "is blocked here: the assignment is to write it yourself"
FILL = "def water_fill(weights, total):\n    "
CHEATS = [
    Cheat(
        "imports the answer",
        "3a",
        BLOCKED,
        "from minigrad.theory import optimal_probabilities\n"
        f"{FILL}return CAP * optimal_probabilities(weights, total / CAP)\n",
    ),
    Cheat("by an alias", "3a", BLOCKED, "from minigrad.theory import optimal_probabilities as water_fill\n"),
    Cheat(
        "by getattr",
        "3a",
        BLOCKED,
        f"import minigrad\n{FILL}return getattr(minigrad.theory, 'optimal_' + 'probabilities')(weights, total)\n",
    ),
    Cheat(
        "copies the attribute before it is called",
        "3a",
        BLOCKED,
        f"import minigrad\nTHEIRS = minigrad.theory.optimal_probabilities\n{FILL}return THEIRS(weights, total)\n",
    ),
    Cheat(
        "makes a function of the code of another",
        "3a",
        BLOCKED,
        "import types, minigrad\nf = minigrad.theory.optimal_probabilities\n"
        "water_fill = types.FunctionType(f.__code__, f.__globals__)\n",
    ),
    Cheat(
        "by a partial",
        "3a",
        BLOCKED,
        "import functools, minigrad\nTHEIRS = functools.partial(minigrad.theory.optimal_probabilities)\n"
        f"{FILL}return THEIRS(weights, total)\n",
    ),
    Cheat(
        "reads the source and runs it",
        "3a",
        "is blocked here",
        f"import minigrad.theory.probabilities as p\n{FILL}scope = dict(vars(p))\n"
        "    exec(open(p.__file__).read(), scope)\n    return scope['optimal_probabilities'](weights, total)\n",
    ),
    Cheat(
        "reloads the module",
        "3a",
        "is blocked here",
        "import importlib, minigrad.theory.probabilities as p\n"
        f"{FILL}return importlib.reload(p).optimal_probabilities(weights, total)\n",
    ),
    Cheat(
        "asks another Python",
        "3a",
        "a submission may not do this: subprocess.Popen",
        f"import subprocess, sys\n{FILL}return eval(subprocess.check_output([sys.executable, '-c', '1']))\n",
    ),
    Cheat(
        "takes the sketch of the library",
        "3b",
        BLOCKED,
        "from minigrad.estimators import DiagonalSketch as ColumnSketch\n",
    ),
    Cheat(
        "inherits from the library",
        "2a",
        BLOCKED,
        "from minigrad.estimators import Mask\nclass ColumnMask(Mask):\n    pass\n",
    ),
    Cheat(
        "lets the library differentiate",
        "1b",
        BLOCKED,
        "import minigrad as mg\ndef log_softmax_vjp(g, y):\n"
        "    return mg.vjp(lambda x: mg.ops.log_softmax(x / TEMPERATURE), y * TEMPERATURE)[1](g)[0]\n",
    ),
    Cheat(
        "lets another library differentiate",
        "1b",
        "torch may not be used here",
        "def log_softmax_vjp(g, y):\n    import torch\n    return torch.autograd\n",
    ),
    Cheat(
        "puts its own engine upon that of the library",
        "0c",
        BLOCKED,
        "import minigrad as mg\ndef gradients(loss, variables, g):\n"
        "    return mg.Tape().gradients(loss, variables, g)\n",
    ),
    Cheat(
        "measures by the library",
        "2b",
        BLOCKED,
        "from minigrad import inspect\ndef weight_variance(G, X, p, axis):\n"
        "    return inspect.exact_moments(None, None, []).total_variance\n",
    ),
    Cheat(
        "reads the solution",
        "1b",
        "is blocked here",
        f"def log_softmax_vjp(g, y):\n    exec(open({SOLUTION!r}).read())\n",
    ),
    Cheat(
        "changes the grader in its own process",
        "1b",
        "the VJP is wrong",
        "import pytest, minigrad.testing as t\n"
        "t.assert_gradients_close = lambda *a, **k: None\n"
        "pytest.fail = lambda *a, **k: None\n"
        "def log_softmax_vjp(g, y):\n    return g\n",
        keeps=1,  # each vector gets what it gets alone
    ),
    Cheat(
        "writes its own marks",
        "1b",
        "a submission may not write files",
        "import pathlib\ndef log_softmax_vjp(g, y):\n    pathlib.Path('marks.json').write_text('{}')\n",
    ),
    Cheat(
        "ends the grader",
        "1b",
        "a submission may not do this: os.kill",
        "import os\ndef log_softmax_vjp(g, y):\n    os.kill(os.getppid(), 9)\n",
    ),
    Cheat("leaves with sys.exit", "1b", "SystemExit", "import sys\ndef log_softmax_vjp(g, y):\n    sys.exit(0)\n"),
    Cheat(
        "leaves with os._exit",
        "1b",
        "the process of the submission came to an end (code 0)",
        "import os\ndef log_softmax_vjp(g, y):\n    os._exit(0)\n",
    ),
    Cheat(
        "crashes Python",
        "1b",
        "the process of the submission came to an end",
        "import os\ndef log_softmax_vjp(g, y):\n    os.abort()\n",
    ),
    Cheat(
        "never ends",
        "1b",
        "is there a loop that does not end, or is memory being filled?",
        "def log_softmax_vjp(g, y):\n    while True:\n        pass\n",
    ),
    Cheat(
        "never ends, and lets nothing stop it",
        "1b",
        "is there a loop that does not end, or is memory being filled?",
        "def log_softmax_vjp(g, y):\n    while True:\n        try:\n            while True:\n                pass\n"
        "        except BaseException:\n            pass\n",
    ),
    Cheat(
        "prints what looks like marks",
        "1b",
        "the cotangent of x is None",
        "def log_softmax_vjp(g, y):\n    print('task 1b: 3/3\\ntotal: 10/10')\n",
    ),
    Cheat(
        "prints for ever",
        "1b",
        "",
        "def log_softmax_vjp(g, y):\n    while True:\n        print('nonsense' * 1000)\n",
    ),
    Cheat(
        "sends nonsense in place of answers",
        "1b",
        "",
        "import os\ndef log_softmax_vjp(g, y):\n    for fd in range(3, 20):\n        try:\n"
        "            os.write(fd, b'nonsense' * 100)\n        except OSError:\n            pass\n    return g\n",
        keeps=0,
    ),
    Cheat(
        "returns what equals everything",
        "1b",
        "should be an array (or a number), got Yes",
        "import numpy as np\nclass Yes(np.ndarray):\n    __eq__ = __le__ = __ge__ = lambda self, other: True\n"
        "def log_softmax_vjp(g, y):\n    return g.view(Yes)\n",
    ),
]
if sys.platform == "linux":
    CHEATS.append(
        Cheat(
            "asks for all the memory",
            "1b",
            "more memory than is allowed",
            "import numpy as np\ndef log_softmax_vjp(g, y):\n    kept = []\n    while True:\n"
            "        kept.append(np.empty(2**27))\n",
        )
    )


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: f"{cheat.task}: {cheat.label}")
def test_no_marks_and_no_harm(cheat: Cheat, tmp_path: Path) -> None:
    number = int(cheat.task[0])
    text = f"{solution(number)}\n\n{cheat.text}"
    tasks = run(number, text, tmp_path, f"--task={cheat.task}", "--call-seconds=4", "--megabytes=1500")
    assert tasks[cheat.task]["earned"] == cheat.keeps, tasks
    assert any(cheat.said in note for note in tasks[cheat.task]["notes"]), tasks[cheat.task]["notes"]


def test_what_fails_in_one_task_leaves_the_others(tmp_path: Path) -> None:
    text = f"{solution(1)}\n\nimport os\ndef log_softmax_vjp(g, y):\n    os._exit(0)\n"
    tasks = run(1, text, tmp_path)
    assert {task: line["earned"] for task, line in tasks.items()} == {"1a": 3, "1b": 0, "1c": 4}


@pytest.mark.parametrize("number", FULL)
def test_an_attempt_that_is_not_needed_costs_nothing(number: int, tmp_path: Path) -> None:
    """Who imports the library to compare with it, and answers with work, has full marks."""
    text = f"import minigrad\nfrom minigrad import theory, estimators, inspect\n{solution(number)}".replace(
        "from __future__ import annotations\n", ""
    )
    task = f"{number}{TASKS[number][0]}"
    tasks = run(number, text, tmp_path, f"--task={task}")
    assert earned(tasks) == worth(tasks) > 0
