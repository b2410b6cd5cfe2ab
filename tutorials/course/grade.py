"""Grade a submission from the command line, in a process of its own.

    python grade.py 2 path/to/assignment2.py

prints the marks by task. A submission that ends the process, or never ends, gets 0: no report, no marks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

COURSE = Path(__file__).parent


def grade(number: int, submission: str | Path, seconds: float = 300.0) -> tuple[dict, str]:
    """The marks by task, and what the grader said.

    Parameters
    ----------
    number : int
        Of the assignment.
    submission : path
        The student's file.
    seconds : float, default 300
        After so long the submission is stopped.

    Returns
    -------
    marks : dict
        For each task a dict with ``earned``, ``of`` and ``notes``; empty if the process did not get to its end.
    said : str
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "marks.json"
        test = COURSE / f"test_assignment{number}.py"
        command = [sys.executable, "-m", "pytest", str(test), f"--submission={Path(submission).resolve()}"]
        command += [f"--marks={report}", "--rootdir", str(COURSE), "-p", "no:cacheprovider"]
        try:
            ran = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=seconds, cwd=folder)
        except subprocess.TimeoutExpired:
            return {}, f"stopped after {seconds:g} seconds: is there a loop that does not end?"
        if not report.is_file():
            return {}, f"{ran.stdout}{ran.stderr}\nthe grader did not get to its end: does the submission exit?"
        return json.loads(report.read_text(encoding="utf-8")), ran.stdout


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


def main() -> None:
    """Read the command line, grade, print."""
    parser = argparse.ArgumentParser(description="Grade a submission.")
    parser.add_argument("number", type=int, choices=range(1, 5), help="of the assignment")
    parser.add_argument("submission", type=Path, help="the student's file")
    parser.add_argument("--seconds", type=float, default=300.0, help="stop it after so long")
    given = parser.parse_args()
    if not given.submission.is_file():
        parser.error(f"there is no file {given.submission}")
    marks, said = grade(given.number, given.submission, given.seconds)
    if not marks:
        print(f"{said}\ntotal: 0")
        return
    print("\n".join(table(marks)))  # from the report: what the submission printed may look like marks, too


if __name__ == "__main__":
    main()
