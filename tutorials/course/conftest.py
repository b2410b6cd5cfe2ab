"""Marks by task: what a submission is, and how its marks are counted.

A test says what it is worth with ``@pytest.mark.task("2b", marks=2)``. Marks are earned by a test that ran and passed,
and by nothing else: one that was skipped, expected to fail, broke off, was deselected or never ran earns 0, and the
total is that of all tests that were found, whether they ran or not.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from grade import table
from submitted import Submission
from variant import mismatch

COURSE = Path(__file__).parent
LIBRARY_TESTS = COURSE / "library_tests"  # in what is handed out; here they are at home
sys.path.append(str(LIBRARY_TESTS if LIBRARY_TESTS.is_dir() else COURSE.parents[1] / "tests"))
BOARD = pytest.StashKey()


def pytest_addoption(parser):
    group = parser.getgroup("course")
    group.addoption("--submission", default=str(COURSE), help="the student's file, or the folder that it is in")
    group.addoption("--task", action="append", default=[], help="grade this task only; may be given several times")
    group.addoption("--key", help="of the class, if another than that of class.json")
    group.addoption("--seed", help="of the arrays on which the answers are tried")
    group.addoption("--call-seconds", type=float, default=20.0, help="for one call of the submission")
    group.addoption("--megabytes", type=int, default=3000, help="of address space for the submission")
    group.addoption("--marks", metavar="FILE", help="write the marks to this file, as JSON")


class Board:
    """What every test is worth, and what became of it."""

    def __init__(self):
        self.worth = {}  # node id -> (task, marks)
        self.passed = {}  # node id -> phases that passed
        self.notes = {}  # node id -> why there are no marks

    def tasks(self):
        """For each task the marks earned, the marks there are, and what to mend."""
        table = {}
        for test, (task, marks) in self.worth.items():
            line = table.setdefault(task, {"earned": 0, "of": 0, "notes": []})
            line["of"] += marks
            if self.passed.get(test) == {"setup", "call", "teardown"} and test not in self.notes:
                line["earned"] += marks
            else:
                line["notes"].append(self.notes.get(test, "not run"))
        return dict(sorted(table.items()))


def pytest_configure(config):
    config.stash[BOARD] = Board()
    for option, variable in (("--key", "COURSE_KEY"), ("--seed", "COURSE_SEED")):
        if config.getoption(option) is not None:
            os.environ[variable] = config.getoption(option)  # graders draw their arrays when they are imported


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    board, chosen = config.stash[BOARD], config.getoption("--task")
    for item in items:
        marker = item.get_closest_marker("task")
        if marker is None:
            raise pytest.UsageError(f"{item.nodeid} says not what it is worth: add @pytest.mark.task(name, marks=…)")
        board.worth[item.nodeid] = marker.args[0], marker.kwargs["marks"]
    there = sorted({task for task, _ in board.worth.values()})
    if unknown := sorted(set(chosen) - set(there)):
        raise pytest.UsageError(f"--task: no task {', '.join(unknown)}; there are {', '.join(there)}")
    if chosen:
        left_out = [item for item in items if board.worth[item.nodeid][0] not in chosen]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
        for item in left_out:
            del board.worth[item.nodeid]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Say where a run was broken off: such a test gets no report of its own."""
    outcome = yield
    write_marks(item.config)
    if outcome.excinfo and not issubclass(outcome.excinfo[0], Exception):
        item.config.stash[BOARD].notes[item.nodeid] = (
            f"the run was broken off here ({outcome.excinfo[0].__name__}), by Ctrl-C or by the submission itself"
        )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    board = item.config.stash[BOARD]
    if report.outcome == "passed" and not hasattr(report, "wasxfail"):
        board.passed.setdefault(item.nodeid, set()).add(report.when)
    elif report.outcome == "failed":
        if isinstance(call.excinfo.value, AssertionError) and str(call.excinfo.value):
            report.longrepr = str(call.excinfo.value)  # the grader's words; how it came to them helps nobody
        board.notes.setdefault(item.nodeid, str(call.excinfo.value) or call.excinfo.typename)
    else:
        board.notes.setdefault(item.nodeid, "skipped, and a test that was skipped earns nothing")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter, exitstatus, config):
    yield  # the marks come last, after all that would push them out of sight
    if exitstatus == pytest.ExitCode.USAGE_ERROR:
        return
    terminalreporter.section("marks")
    for line in table(config.stash[BOARD].tasks()):
        terminalreporter.line(line)


def write_marks(config):
    """The marks so far: who stops the run from outside finds those that were earned."""
    if path := config.getoption("--marks"):
        Path(path).write_text(json.dumps(config.stash[BOARD].tasks(), indent=1), encoding="utf-8")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    write_marks(session.config)


def pytest_sessionfinish(session, exitstatus):
    if exitstatus != pytest.ExitCode.USAGE_ERROR:  # such as a task that there is not: nothing was to be run
        write_marks(session.config)


@pytest.fixture(scope="module")
def submission(request):
    """The student's file, from where ``--submission`` says, in a process of its own."""
    module, option = request.module, request.config.getoption
    path = Path(option("--submission"))
    if path.is_dir():
        path = path / f"{module.ASSIGNMENT}.py"
    if not path.is_file():
        pytest.fail(f"there is no {path}; say where it is with --submission", pytrace=False)
    if said := mismatch(int(module.ASSIGNMENT[-1]), path):
        pytest.fail(said, pytrace=False)
    limits = option("--call-seconds"), option("--megabytes")
    there = Submission(path, module.ASSIGNMENT, module.BLOCKED, module.FOREIGN, *limits)
    yield there
    if said := there.said():
        print(said)
    there.close()
