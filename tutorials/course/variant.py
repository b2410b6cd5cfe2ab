"""The numbers in the assignments: those of a class, by its key, and those that a grader draws, by a seed.

A class has a key, any text, such as "autumn 2026". From it come the constants at the top of each assignment, so that
the answers of another class are wrong for this one. Without a key they are those that stand there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("class.json")
CHOICES = {
    0: {"SLOPE": (0.1, 0.05, 0.15, 0.2, 0.25, 0.3)},
    1: {"SHIFT": (1.0, -1.0, 0.5, 2.0, 3.0), "TEMPERATURE": (2.0, 0.5, 1.5, 3.0, 4.0)},
    2: {"BLOCK": (2, 1, 3)},
    3: {"CAP": (1.0, 0.95, 0.9, 0.85, 0.8)},
    4: {"EXACT": (1, 2)},
}
"""For each assignment its constants: the first value is that without a key, and each class has one of the others."""


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


def rewritten(text, number, of):
    """The text of an assignment, or of its solution, with the constants of a class."""
    for name, value in constants(number, of).items():
        text, times = re.subn(rf"^{name} = \S+", f"{name} = {value}", text, flags=re.MULTILINE)
        if times != 1:
            raise ValueError(f"assignment {number} should have one line {name} = …, and has {times}")
    return text
