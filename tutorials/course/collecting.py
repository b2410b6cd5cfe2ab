"""Which file of a folder is the submission, where the names are those that a learning platform gave."""

from __future__ import annotations

import re
from pathlib import Path

from notebooks import text_of

KINDS = (".py", ".ipynb")
COURSE = Path(__file__).parent
ASSIGNMENT = re.compile(r"assignment\W*_?(\d)", re.IGNORECASE)
UNWRITTEN = re.compile(r"raise NotImplementedError\([\"']task \d")


def chosen(folder, number):
    """Of a student's folder the file that is graded, and what is to be said of the choice.

    Files arrive by other names than they were given: "Assignment2.ipynb", "assignment1 (1).py". So whatever is the one
    that can be meant is taken, and where there are several none is.

    Returns
    -------
    file : Path or None
    note : str
    """
    folder = folder / f"assignment{number}" if (folder / f"assignment{number}").is_dir() else folder
    graders = {path.name for path in COURSE.glob("*.py") if not ASSIGNMENT.match(path.name)}
    files = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix.lower() in KINDS and not path.name.startswith((".", "test_assignment"))
    )
    exact = [folder / f"assignment{number}{kind}" for kind in KINDS if (folder / f"assignment{number}{kind}").is_file()]
    if len(exact) == 2:  # the whole folder was handed in, and one of the two is as it was
        file = min(exact, key=lambda path: len(UNWRITTEN.findall(text_of(path))))
        return file, f"there are a script and a notebook; taken: {file.name}"
    if exact:
        return exact[0], ""
    files = [path for path in files if path.name not in graders]
    numbers = {path: match[1] if (match := ASSIGNMENT.search(path.stem)) else None for path in files}
    for those in (
        [path for path in files if numbers[path] == str(number)],
        [path for path in files if numbers[path] is None],
    ):
        if len(those) == 1:
            return those[0], f"there is no assignment{number}.py and no notebook of that name; taken: {those[0].name}"
        if those:
            break
    names = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    return None, f"no assignment{number}.py and no notebook, nor one file that can be meant; found: {names}"


def submissions(folder, number):
    """For each student what `chosen` gives."""
    found = {}
    for entry in sorted(Path(folder).iterdir()):
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir():
            found[entry.name] = chosen(entry, number)
        elif entry.suffix.lower() in KINDS:
            found[entry.stem] = entry, ""
    return found
