"""Marks by task: what a submission is, and how its marks are counted.

A test says what it is worth with ``@pytest.mark.task("2b", marks=2)``. Marks are earned by a test that ran and passed,
and by nothing else: one that was skipped, expected to fail, broke off, was deselected or never ran earns 0, and the
total is that of all tests that were found, whether they ran or not.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from grade import table

COURSE = Path(__file__).parent
BOARD = pytest.StashKey()


def pytest_addoption(parser):
    group = parser.getgroup("course")
    group.addoption("--submission", default=str(COURSE), help="the student's file, or the folder that it is in")
    group.addoption("--task", action="append", default=[], help="grade this task only; may be given several times")
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
        board.notes.setdefault(item.nodeid, str(call.excinfo.value) or call.excinfo.typename)
    else:
        board.notes.setdefault(item.nodeid, "skipped, and a test that was skipped earns nothing")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter, exitstatus, config):
    yield  # the marks come last, after the FAILED lines that would push them out of sight
    if exitstatus == pytest.ExitCode.USAGE_ERROR:
        return
    terminalreporter.section("marks")
    for line in table(config.stash[BOARD].tasks()):
        terminalreporter.line(line)


def pytest_sessionfinish(session):
    if path := session.config.getoption("--marks"):
        Path(path).write_text(json.dumps(session.config.stash[BOARD].tasks(), indent=1), encoding="utf-8")


@pytest.fixture(scope="module")
def submission(request):
    """The student's module, imported from where ``--submission`` says."""
    name = request.module.ASSIGNMENT
    path = Path(request.config.getoption("--submission"))
    path = path / f"{name}.py" if path.is_dir() else path
    if not path.is_file():
        pytest.fail(f"there is no {path}; say where it is with --submission", pytrace=False)
    spec = importlib.util.spec_from_file_location(f"submitted_{name}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit, pytest.skip.Exception) as error:  # whatever it is, it is no reason to pass
        pytest.fail(f"{path.name} cannot be imported: {type(error).__name__}: {error}", pytrace=False)
    return module
