"""Every word of the glossary is explained, or linked to, where a reader of the lessons meets it first.

A first use is an explanation if it is bold (``**tape**``), and a link if it is ``:term:`tape```. Headings cannot be
either, and do not count; nor do literals and formulas.
"""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "tutorials").glob("plot_*.py"))
GLOSSARY = (ROOT / "docs" / "start" / "glossary.rst").read_text(encoding="utf-8")
ENTRY = re.compile(r"^   (\S.*)\n((?:      .*\n?)+)", re.MULTILINE)
TERMS = {name: " ".join(text.split()) for name, text in ENTRY.findall(GLOSSARY.partition(":sorted:")[2])}
EXPLAINED = re.compile(r"\*\*[^*]+\*\*|:term:`[^`]+`")


@functools.cache
def texts() -> dict[str, str]:
    """What each lesson says, in reading order."""
    return {number(lesson): prose(lesson.read_text(encoding="utf-8")) for lesson in LESSONS}


def number(lesson: Path) -> str:
    return lesson.stem.split("_")[1].lstrip("0") or "0"


def prose(source: str) -> str:
    """What a lesson says, without headings, literals and formulas."""
    comments = re.findall(r"^# ?(.*)$", re.sub(r"^# %%.*$", "", source, flags=re.MULTILINE), re.MULTILINE)
    lines = [*(ast.get_docstring(ast.parse(source)) or "").splitlines(), *comments]
    under = {k for k, line in enumerate(lines) if re.fullmatch(r"[-=~]{3,}", line.strip())}
    text = "\n".join(line for k, line in enumerate(lines) if not {k, k + 1} & under)
    text = re.sub(r"^\.\. math::.*(?:\n {3,}.*)*", "", text, flags=re.MULTILINE)
    text = re.sub(r":math:`[^`]*`|``[^`]*``", "", text)
    return re.sub(r"\s+", " ", text)


def pattern(term: str) -> re.Pattern[str]:
    """The term, in the singular or the plural, as a word of its own."""
    words = r"[\s-]".join(map(re.escape, re.split(r"[\s-]", term)))
    plural = f"{words[:-1]}(?:f|ves)" if term == "leaf" else f"{words}(?:e?s)?"
    return re.compile(rf"(?<![\w-]){plural}(?![\w-])", 0 if term.isupper() else re.IGNORECASE)


def complaint(term: str, lessons: dict[str, str]) -> str | None:
    """What is wrong with the first use of a term in these texts, in their order; None where nothing is."""
    for name, text in lessons.items():
        found = pattern(term).search(text)
        if found is None:
            continue
        if any(mark.start() <= found.start() < mark.end() for mark in EXPLAINED.finditer(text)):
            return None
        around = text[max(0, found.start() - 60) : found.end() + 40]
        return f"{term!r} is used in lesson {name} without an explanation or a link: …{around}…"
    return f"{term!r} is in no lesson"


@pytest.mark.parametrize("term", TERMS)
def test_the_first_use_explains_or_links(term: str) -> None:
    wrong = complaint(term, texts())
    assert wrong is None, wrong


@pytest.mark.parametrize("term", TERMS)
def test_the_lesson_that_is_named_explains_the_term(term: str) -> None:
    named = re.search(r"\(Lesson (\d+b?)\)$", TERMS[term])
    assert named, f"{term}: the glossary does not end with the lesson that explains it"
    bold = re.findall(r"\*\*([^*]+)\*\*", texts()[named[1]])
    assert any(pattern(term).search(words) for words in bold), f"{term!r} is not in bold in lesson {named[1]}"


def test_every_word_that_lessons_link_to_is_in_the_glossary() -> None:
    known = {term.lower() for term in TERMS}
    assert len(known) == len(TERMS) > 30
    for lesson in LESSONS:
        for shown in re.findall(r":term:`([^`]+)`", lesson.read_text(encoding="utf-8")):
            target = re.search(r"<([^>]+)>$", shown)
            assert (target[1] if target else shown).lower() in known, f"{lesson.name}: :term:`{shown}`"


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["A **tape** is a list. The tape is read."], None),
        (["Two :term:`tapes <tape>` are read."], None),
        (["nothing", "A **tape** is a list."], None),
        (["The tape is read. A **tape** is a list."], "without an explanation"),
        (["The tapes are read.", "A **tape** is a list."], "without an explanation"),
        (["Videotape and tape-worm are other words."], "in no lesson"),
    ],
)
def test_a_first_use_is_judged(texts: list[str], wanted: str | None) -> None:
    found = complaint("tape", dict(enumerate(texts)))  # type: ignore[arg-type]
    assert (found is None) if wanted is None else (found is not None and wanted in found)


def test_headings_literals_and_formulas_do_not_count() -> None:
    docstring = '"""\nA tape\n======\n\nSome ``tape``.\n"""\n'
    cell = "# %%\n# The tape\n# --------\n# .. math:: tape\n#    + tape\n#\n# A list.\n"
    assert prose(docstring + cell).strip() == "Some . A list."
