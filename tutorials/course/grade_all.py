"""Grade a folder of submissions, each in processes of its own, and write the marks to a CSV file.

    python grade_all.py 2 handed_in marks.csv

In the folder, each student has a folder with ``assignment2.py`` or ``assignment2.ipynb``, or a file of that kind by
the student's name.
"""

from __future__ import annotations

import argparse
import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grade import add_limits, grade

KINDS = (".py", ".ipynb")


def submissions(folder, number):
    """For each student the file; None where there is a folder without one."""
    found = {}
    for entry in sorted(Path(folder).iterdir()):
        if entry.is_dir() and not entry.name.startswith((".", "__")):
            files = [entry / f"assignment{number}{kind}" for kind in KINDS]
            found[entry.name] = next((file for file in files if file.is_file()), None)
        elif entry.suffix in KINDS:
            found[entry.stem] = entry
    return found


def plain(text):
    """A cell that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def rows(graded):
    """The lines of the CSV file, with its head, from student to the marks of `grade` (None without a file)."""
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
    found = submissions(given.folder, given.number)
    if not found:
        parser.error(f"{given.folder} has no submissions: folders with assignment{given.number}.py, or files")

    def one(item):
        student, file = item
        if file is None:
            return student, ({}, f"no assignment{given.number}.py and no notebook")
        graded = grade(given.number, file, given.seconds, given.megabytes, given.key, given.seed)
        earned = sum(line["earned"] for line in graded[0].values())
        print(f"{student}: {earned}", flush=True)
        return student, graded

    with ThreadPoolExecutor(max(1, given.jobs)) as pool:
        graded = dict(pool.map(one, found.items()))
    with given.csv.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows(graded))
    print(f"{len(graded)} submissions: {given.csv}")


if __name__ == "__main__":
    main()
