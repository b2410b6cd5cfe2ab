"""The numbers in the assignments: those of a class, by its key, and those that a grader draws, by a seed.

A class has a key, any text, such as "autumn 2026". From it come the constants at the top of each assignment, so that
the answers of another class are wrong for this one. Without a key they are those that stand there.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
from notebooks import text_of

FILE = Path(__file__).with_name("class.json")
CHOICES = {
    0: {"SLOPE": (0.1, 0.05, 0.15, 0.2, 0.25, 0.3)},
    1: {"SHIFT": (1.0, -1.0, 0.5, 2.0, 3.0), "TEMPERATURE": (2.0, 0.5, 1.5, 3.0, 4.0)},
    2: {"BLOCK": (2, 3, 4, 5)},
    3: {"CAP": (1.0, 0.95, 0.9, 0.85, 0.8)},
    4: {"EXACT": (1, 2, 3, 4)},
}
"""For each assignment its constants: the first value is that without a key, and each class has one of the others.

So there are several others of each, and none that makes a task empty (a block of one column is no block).
"""


def key():
    """The key of this class: of ``--key``, or of the class.json beside this file; "" without."""
    if "COURSE_KEY" in os.environ:
        return os.environ["COURSE_KEY"]
    return json.loads(FILE.read_text(encoding="utf-8"))["key"] if FILE.is_file() else ""


def constants(number, of=None):
    """The constants of an assignment, for a key; by default that of this class."""
    of = key() if of is None else of
    if not of:
        return {name: values[0] for name, values in CHOICES[number].items()}
    found = {}
    for name, values in CHOICES[number].items():
        place = int.from_bytes(hashlib.sha256(f"{of}: {name}".encode()).digest()[:8], "big")
        found[name] = values[1 + place % (len(values) - 1)]
    return found


def rng(number):
    """The stream from which a grader draws its arrays: another for each class, and for each ``--seed``."""
    words = hashlib.sha256(f"{key()}: {os.environ.get('COURSE_SEED', '0')}".encode()).digest()
    return np.random.default_rng([number, *words])


def found(text, names):
    """The numbers that a script gives to some names, each as it is at the end; those that it computes are left out."""
    numbers = {}
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return numbers  # the grader will say what is wrong with it
    for statement in statements:
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Name) and target.id in names:
                try:
                    numbers[target.id] = ast.literal_eval(statement.value)
                except (ValueError, TypeError):
                    numbers.pop(target.id, None)
    return numbers


def mismatch(number, path, of=None):
    """What to say where a submission has other constants than a key gives; "" where it has the same.

    Right answers to the questions of another class are wrong in this one: such marks would be false, and in silence.
    """
    given = constants(number, of)
    there = found(text_of(path), given)
    off = [name for name in there if there[name] != given[name]]
    said = "; ".join(f"the file has {name} = {there[name]!r}, the key gives {given[name]!r}" for name in off)
    return f"{said}: wrong or missing --key?" if said else ""


def told(of=None):
    """The key in words, for those who read marks."""
    word = key() if of is None else of
    return f'graded with the key "{word}"' if word else "graded without a key, on the constants as they stand"


def rewritten(text, number, of):
    """The text of an assignment, or of its solution, with the constants of a class."""
    for name, value in constants(number, of).items():
        text, times = re.subn(rf"^{name} = \S+", f"{name} = {value}", text, flags=re.MULTILINE)
        if times != 1:
            raise ValueError(f"assignment {number} should have one line {name} = …, and has {times}")
    return text
