"""Plausible wrong answers to the assignments: each is one mistake that students make, and what the grader should say.

A wrong answer replaces a function or class of the reference solution, by its own text; so it stands alone.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRONG: list[Wrong] = []


@dataclass(frozen=True)
class Wrong:
    """One wrong answer.

    Parameters
    ----------
    task : str
        As "2b".
    label : str
        The mistake in a few words.
    teaches : str
        What must occur in what the grader says.
    text : str
        The source of the function or class, to be put after that of the solution.
    """

    task: str
    label: str
    teaches: str
    text: str


def wrong(task: str, label: str, teaches: str) -> Callable[[Any], Any]:
    """Register a function or a class as a wrong answer; its name is that of what it replaces."""

    def register(answer: Any) -> Any:
        if any(other.label == label and other.task[0] == task[0] for other in WRONG):
            raise ValueError(f"{label!r} is there already: the text of an answer is found by its label")
        WRONG.append(Wrong(task, label, teaches, source(sys.modules[answer.__module__].__file__ or "", label)))
        return answer

    return register


def source(file: str, label: str) -> str:
    """The text below ``@wrong(…, label, …)``. Names occur several times in a file, so it is found by its label."""
    text = Path(file).read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.decorator_list:
            call = node.decorator_list[0]
            if isinstance(call, ast.Call) and ast.literal_eval(call.args[1]) == label:
                return "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno]) + "\n"
    raise LookupError(f"{file} has no wrong answer {label!r}")
