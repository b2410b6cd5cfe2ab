"""Grade a submission from the command line, in processes of its own.

    python grade.py 2 path/to/assignment2.py

prints the marks by task. The submission may be a script or a notebook. What it does to itself costs the marks of the
task that it does it in; what it does to the run as a whole ends the run, and the marks earned so far stand.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from collecting import chosen
from notebooks import code
from variant import mismatch, told

COURSE = Path(__file__).resolve().parent


class NotGraded(ValueError):
    """Marks would say nothing: there is no file that can be meant, or its constants are not those of the key."""


def stopped(seconds):
    """What to say of that which was stopped."""
    return f"stopped after {seconds:.0f} seconds: is there a loop that does not end, or is memory being filled?"


def grade(number, submission, seconds=300.0, megabytes=3000, key=None, seed=None, tasks=()):
    """The marks by task, and what the grader said.

    Parameters
    ----------
    number : int
        Of the assignment.
    submission : path
        The student's file.
    seconds : float, default 300
        After so long everything is stopped. A call takes a fifteenth at most.
    megabytes : int, default 3000
        Of address space for the submission, where the operating system has such a limit (Linux has).
    key : str, optional
        Of the class, if another than that of class.json.
    seed : str, optional
        Another one gives other arrays, which nobody has seen.
    tasks : sequence of str
        Grade these only.

    Returns
    -------
    marks : dict
        For each task a dict with ``earned``, ``of`` and ``notes``; empty if nothing was graded.
    said : str

    Raises
    ------
    NotGraded
        If the file has other constants than the key gives.
    """
    if wrong := mismatch(number, submission, key):
        raise NotGraded(wrong)
    with tempfile.TemporaryDirectory() as folder:
        report, log = Path(folder) / "marks.json", Path(folder) / "log.txt"
        test = COURSE / f"test_assignment{number}.py"
        command = [sys.executable, "-m", "pytest", str(test), f"--submission={Path(submission).resolve()}"]
        command += [f"--marks={report}", "--rootdir", str(COURSE), "-c", str(COURSE / "pytest.ini")]
        command += ["-p", "no:cacheprovider", f"--megabytes={megabytes}", f"--call-seconds={seconds / 15:g}"]
        command += [f"--{name}={value}" for name, value in (("key", key), ("seed", seed)) if value is not None]
        command += [f"--task={task}" for task in tasks]
        with log.open("wb") as stream:
            ended = _run(command, stream, seconds, folder)
        said = log.read_text(encoding="utf-8", errors="replace")[-20000:]
        marks = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
    if not ended:
        said += f"\n{stopped(seconds)}"
    elif not marks:
        said += "\nthe grader did not get to its end"
    return marks, said


def _run(command, stream, seconds, folder):
    """Run to the end, or until time is up; then nothing of it is left. Whether it came to its end."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd=folder, start_new_session=True
    )
    try:
        process.wait(timeout=seconds)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
        process.wait()


def table(tasks):
    """The marks as lines of text: of each task, why marks were lost, and the total."""
    lines = []
    for task, line in tasks.items():
        lines.append(f"task {task}: {line['earned']}/{line['of']}")
        for note in dict.fromkeys(line["notes"]):
            first, *rest = [text for text in note.splitlines() if text.strip()] or [""]
            lines += [f"    {first}", *(f"      {text.strip()}" for text in rest[:3])]
    earned, of = (sum(line[key] for line in tasks.values()) for key in ("earned", "of"))
    return [*lines, f"total: {earned}/{of}"]


def gradescope(marks, said, seconds, told=""):
    """What Gradescope wants to find in results.json, with a test for each task.

    Parameters
    ----------
    marks, said
        As `grade` returns them.
    seconds : float
        That it took.
    told : str
        What is said above the marks.
    """
    if not marks:
        return {"score": 0, "execution_time": seconds, "output": said, "visibility": "visible", "tests": []}
    tests = [
        {
            "name": f"task {task}",
            "number": task,
            "score": line["earned"],
            "max_score": line["of"],
            "status": "passed" if line["earned"] == line["of"] else "failed",
            "output": "\n".join(dict.fromkeys(line["notes"])),
            "visibility": "visible",
        }
        for task, line in marks.items()
    ]
    return {"execution_time": seconds, "output": told, "visibility": "visible", "tests": tests}


def in_notebook(task, cells):
    """The marks for a task of a notebook: ``in_notebook("1a", In)``. nbgrader takes the number as what was earned.

    Raises
    ------
    AssertionError
        If there are no marks: with what to mend.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"assignment{task[0]}.py"
        path.write_text(code(cells), encoding="utf-8")
        try:
            marks, said = grade(int(task[0]), path, tasks=[task])
        except NotGraded as error:
            raise AssertionError(str(error)) from None
    if not marks or not marks[task]["earned"]:
        raise AssertionError("\n".join(table(marks)) if marks else said)
    print("\n".join(table(marks)[:-1]))
    return marks[task]["earned"]


def add_limits(parser):
    """The options of all that grades."""
    parser.add_argument("--seconds", type=float, default=300.0, help="stop a submission after so long")
    parser.add_argument("--megabytes", type=int, default=3000, help="of address space for a submission (Linux)")
    parser.add_argument("--key", help="of the class, if another than that of class.json")
    parser.add_argument("--seed", help="any text: grade on arrays that nobody has seen")


def main():
    """Read the command line, grade, print."""
    parser = argparse.ArgumentParser(description="Grade a submission.")
    parser.add_argument("number", type=int, choices=range(5), help="of the assignment")
    parser.add_argument("submission", type=Path, help="the student's script or notebook, or its folder")
    parser.add_argument("--results", type=Path, metavar="FILE", help="write results.json for Gradescope, too")
    add_limits(parser)
    given = parser.parse_args()
    if not given.submission.exists():
        parser.error(f"there is no file {given.submission}")
    if given.results:
        given.results.parent.mkdir(parents=True, exist_ok=True)  # before there are marks to lose
    start, marks, wrong, head = time.monotonic(), {}, "", told(given.key)
    file, note = chosen(given.submission, given.number) if given.submission.is_dir() else (given.submission, "")
    head += f"\n{note}" if note else ""
    try:
        if file is None:
            raise NotGraded(note)
        marks, said = grade(given.number, file, given.seconds, given.megabytes, given.key, given.seed)
    except NotGraded as error:
        said = wrong = f"{error} ({told(given.key)})"
    if given.results:
        results = gradescope(marks, said, round(time.monotonic() - start, 1), head)
        given.results.write_text(json.dumps(results, indent=1), encoding="utf-8")
    if wrong:
        parser.exit(2, f"not graded: {wrong}\n")
    print(head)
    # From the report: what the submission printed may look like marks, too.
    print("\n".join(table(marks)) if marks else f"{said}\ntotal: 0")


if __name__ == "__main__":
    main()
