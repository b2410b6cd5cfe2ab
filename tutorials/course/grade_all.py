"""Grade a folder of submissions, each in processes of its own, and write the marks to a CSV file.

    python grade_all.py 2 handed_in marks.csv

In the folder, each student has a folder with ``assignment2.py`` or ``assignment2.ipynb``, or a file of that kind by
the student's name. nbgrader's ``submitted/STUDENT/assignment2/`` is such a folder, too.
"""

from __future__ import annotations

import argparse
import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from collecting import submissions
from grade import NotGraded, add_limits, grade
from variant import mismatch, told


def plain(text):
    """A cell that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def rows(graded, said_of=None):
    """The lines of the CSV file, with its head, from what `grade` gave for each student, and what was said before."""
    said_of = said_of or {}
    tasks = sorted({task: None for marks, _ in graded.values() for task in marks})
    of = {task: max(m[task]["of"] for m, _ in graded.values() if task in m) for task in tasks}
    lines = [["student", *(f"{task} ({of[task]})" for task in tasks), f"total ({sum(of.values())})", "notes"]]
    for student, (marks, said) in graded.items():
        earned = [marks[task]["earned"] if task in marks else 0 for task in tasks]
        notes = [
            f"{task}: {' '.join(note.split())}" for task, line in marks.items() for note in dict.fromkeys(line["notes"])
        ]
        if not marks:
            notes = [" ".join(said.split())[-300:]]
        notes = [*filter(None, [said_of.get(student)]), *notes]
        lines.append([plain(student), *earned, sum(earned), plain("; ".join(notes))])
    return lines


def main():
    """Read the command line, grade, write."""
    parser = argparse.ArgumentParser(description="Grade a folder of submissions.")
    parser.add_argument("number", type=int, choices=range(5), help="of the assignment")
    parser.add_argument("folder", type=Path, help="of the submissions")
    parser.add_argument("csv", type=Path, help="the file for the marks")
    parser.add_argument("--jobs", type=int, default=1, help="how many to grade at a time")
    add_limits(parser)
    given = parser.parse_args()
    if not given.folder.is_dir():
        parser.error(f"there is no folder {given.folder}")
    given.csv.parent.mkdir(parents=True, exist_ok=True)  # before there are marks to lose
    found = submissions(given.folder, given.number)
    if not found:
        parser.error(f"{given.folder} has no submissions: folders with assignment{given.number}.py, or files")

    print(told(given.key))
    wrong = [mismatch(given.number, file, given.key) for file, _ in found.values() if file]
    if wrong and all(wrong):
        parser.error(f"of all {len(wrong)} submissions: {wrong[0]}")

    def one(item):
        student, (file, note) = item
        if file is None:
            print(f"{student}: {note}", flush=True)
            return student, ({}, "")
        try:
            graded = grade(given.number, file, given.seconds, given.megabytes, given.key, given.seed)
        except NotGraded as error:
            graded = {}, f"not graded: {error}"
        earned = sum(line["earned"] for line in graded[0].values()) if graded[0] else graded[1].strip()[-200:]
        print(f"{student}: {earned}" + (f" ({note})" if note else ""), flush=True)
        return student, graded

    with ThreadPoolExecutor(max(1, given.jobs)) as pool:
        graded = dict(pool.map(one, found.items()))
    with given.csv.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows(graded, {student: note for student, (_, note) in found.items()}))
    print(f"{len(graded)} submissions: {given.csv}")


if __name__ == "__main__":
    main()
