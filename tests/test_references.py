"""What docstrings and comments refer the reader to is there: pages, files, folders, and chapters of the theory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_docs import NAMES, ROOT

SOURCES = sorted(
    path
    for folder in ("minigrad", "docs", "tutorials", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if not {"_build", "_lessons", "_lite", "_lite_notebooks", "_contents", "gallery", "api"}
    & set(path.relative_to(ROOT).parts)
    and path != Path(__file__)
)
FILE = re.compile(r"(?<![\w./-])((?:[\w-]+/)*[\w-]+\.(?:md|rst))\b(?!\()")
FOLDER = re.compile(r"(?<![\w./-])(docs/[\w-]+(?:/[\w-]+)*|tutorials/[\w-]+(?:/[\w-]+)*)(?![\w./*-])")
CHAPTER = re.compile(r"(\S+) §(\d+)")


def chapters() -> list[str]:
    """The chapters of the theory in the order in which they are numbered."""
    index = (ROOT / "docs" / "theory" / "index.rst").read_text(encoding="utf-8")
    listed = re.search(r":numbered:\n\n((?: +\w+\n)+)", index)
    assert listed
    return listed[1].split()


def prose(source: str) -> str:
    """Docstrings and comments; other strings are left out."""
    return "\n".join([*re.findall(r'"""(.*?)"""', source, re.DOTALL), *re.findall(r"#.*", source)])


def lost(source: str) -> list[str]:
    """References of a Python file that lead nowhere."""
    text, found = prose(source), []
    for name in FILE.findall(text):
        if not any((ROOT / base / name).is_file() for base in ("", "docs", "docs/performance")):
            found.append(name)
    for name in FOLDER.findall(text):
        if "_build" not in name and not any((ROOT / f"{name}{end}").exists() for end in ("", ".rst", ".py")):
            found.append(name)
    for book, number in CHAPTER.findall(text):
        if book.lstrip("(\"'`") != "Theory" or not 1 <= int(number) <= len(chapters()):
            found.append(f"{book} §{number}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_references_lead_somewhere(path: Path) -> None:
    assert lost(path.read_text(encoding="utf-8")) == []


def test_the_numbers_of_chapters_are_those_of_the_site() -> None:
    assert list(NAMES.SECTIONS.values()) == chapters()
    assert list(NAMES.SECTIONS) == [str(number) for number in range(1, 1 + len(chapters()))]
    lines = ["It is the minimum (Theory §3)."]
    NAMES.link_theory(None, "", "", None, None, lines)
    assert lines == [f"It is the minimum (:doc:`theory §3 </theory/{chapters()[2]}>`)."]


@pytest.mark.parametrize(
    "wrong", ["THEORY.md", "docs/theory/gone.rst", "docs/gone", "Theory §99", "THEORY.md §3", "tutorials/gone"]
)
def test_a_reference_that_leads_nowhere_is_found(wrong: str) -> None:
    assert lost(f'"""See {wrong} for more."""\n') and lost(f"x = 1  # see ({wrong})\n")


def test_sound_references_are_let_be() -> None:
    sound = '"""See README.md, docs/guide/primitive.rst, docs/performance, tutorials/course and Theory §8."""'
    assert lost(sound) == [] and lost('name = "gone.md"') == []


COMMAND = re.compile(r"(?<![\w/.\\-])(?:python3? (?!-m venv)|python -m|pip install|minigrad compare)")


def before_the_environment(text: str) -> list[str]:
    """Commands of the environment that a reader meets before it is active."""
    active = re.search(r"activate", text)
    return [
        text[m.start() : m.start() + 40] for m in COMMAND.finditer(text) if not active or m.start() < active.start()
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/start/install.rst", "tutorials/course/README.md"])
def test_the_environment_is_active_before_its_commands_are_typed(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert before_the_environment(text) == []
    assert before_the_environment(text.replace("activate", ""))  # the check has something to look at
