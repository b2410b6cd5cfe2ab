"""Slides of a lesson: ``python slides.py ../plot_04_uniform_masks.py [--out FOLDER]``.

Each section of the lesson becomes a slide: its formulas, the sentences with a word or a number in bold, its tables and
its figures, for which the lesson is run. What else it says stands in the notes of the speaker. The deck is one Markdown
file, as Marp, pandoc and others take it: ``npx @marp-team/marp-cli --html FILE`` or
``pandoc -t revealjs -s --mathjax FILE -o slides.html``. It is yours to shorten.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

CELL = re.compile(r"^# %%.*$", re.MULTILINE)
HEADING = re.compile(r"^([^\n]+)\n([-=~])\2{2,}\n", re.MULTILINE)
MATH = re.compile(r"^\.\. math::[ ]*\n?((?:.*\S.*\n?)(?:[ ]+.*\n?|\n(?=[ ]))*)", re.MULTILINE)
ROLES = [
    (re.compile(r":math:`([^`]*)`"), r"$\1$"),
    (re.compile(r":\w+:`([^`<]*?)\s*<[^`>]*>`"), r"\1"),
    (re.compile(r":\w+:`~?([^`]*)`"), r"\1"),
    (re.compile(r"`([^`<]+?)\s*<([^`>]+)>`_+"), r"[\1](\2)"),
    (re.compile(r"``([^`]*)``"), r"`\1`"),
    (re.compile(r"(?<![`\w])`~?([^`]+)`(?!`)"), r"`\1`"),
]
ITEM = re.compile(r"^\d+\. ", re.MULTILINE)
HINT = re.compile(r"\s*\*Hint\*.*", re.DOTALL)
SENTENCE = re.compile(r"(?<=[.:?!])\s+(?=[A-ZÀ-Ý$*`(])")


@dataclass
class Slide:
    """A section of a lesson."""

    title: str
    formulas: list[str] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The slide in Markdown."""
        shown = self.points or [SENTENCE.split(note)[0] for note in self.notes[:1]]
        parts = [
            f"## {self.title}",
            "\n".join(f"- {point}" for point in shown),
            *(f"$$\n{formula}\n$$" for formula in self.formulas),
        ]
        parts += [*self.tables, *(f"![]({figure})" for figure in self.figures)]
        notes = "\n\n".join(self.notes).replace("-->", "→")
        return "\n\n".join([part for part in parts if part] + ([f"<!--\n{notes}\n-->"] if notes else []))


def markdown(text: str) -> str:
    """Text of a lesson in Markdown."""
    for pattern, replacement in ROLES:
        text = pattern.sub(replacement, text)
    return text


def add_text(slides: list[Slide], text: str) -> None:
    """Sort a text into slides; a heading in it begins the next."""
    parts = HEADING.split(text + "\n")
    for place, part in enumerate(parts):
        if place % 3 == 1:
            slides.append(Slide(markdown(part.strip())))
        elif place % 3 == 0 and slides:
            slide = slides[-1]
            slide.formulas += [" ".join(found.split()) for found in MATH.findall(part)]
            for paragraph in re.split(r"\n\s*\n", MATH.sub("\n\n", part)):
                if paragraph.lstrip().startswith("* - "):
                    slide.tables.append(table(paragraph))
                elif not paragraph.lstrip().startswith(".. "):
                    add_paragraph(slide, paragraph)


def add_paragraph(slide: Slide, paragraph: str) -> None:
    """Put what is in bold on a slide, exercises without their hints, and all of it into the notes."""
    for item in ITEM.split(paragraph):
        told = markdown(" ".join(item.split()))
        if told:
            slide.notes.append(told)
            exercise = ITEM.match(paragraph)
            slide.points += [HINT.sub("", told)] if exercise else [p for p in SENTENCE.split(told) if "**" in p]


def table(rows: str) -> str:
    """A list of lists as a table in Markdown."""
    cells = [[markdown(" ".join(cell.split())) for cell in re.split(r"^\s*- ", row, flags=re.MULTILINE)]
             for row in re.split(r"^\s*\* - ", rows, flags=re.MULTILINE)[1:]]  # fmt: skip
    head, *body = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([head, "|" + "---|" * len(cells[0]), *body])


def deck(lesson: Path, pictures: Path | None = None) -> list[Slide]:
    """The slides of a lesson; with a folder for pictures the lesson is run, and its figures are put there."""
    source = lesson.read_text(encoding="utf-8")
    slides: list[Slide] = []
    space = {"__name__": "__main__", "__file__": str(lesson)}
    add_text(slides, ast.get_docstring(ast.parse(source)) or "")
    for place, cell in enumerate(CELL.split(source)):
        lines = cell.splitlines()
        prose = []
        while lines and (lines[0].startswith("#") or not lines[0].strip()):
            prose.append(lines.pop(0).removeprefix("#").removeprefix(" "))
        if place:
            add_text(slides, "\n".join(prose))
        if pictures is not None:
            run(source, cell, space, slides[-1], pictures)
    return slides


def run(source: str, cell: str, space: dict[str, object], slide: Slide, pictures: Path) -> None:
    """Run one cell, and give its figures to a slide."""
    import matplotlib.pyplot as plt

    above = source[: source.index(cell)].count("\n")  # errors then name the line of the lesson
    exec(compile("\n" * above + cell, str(space["__file__"]), "exec"), space)
    for number in plt.get_fignums():
        path = pictures / f"{Path(str(space['__file__'])).stem}-{len(list(pictures.glob('*.png'))) + 1}.png"
        plt.figure(number).savefig(path, dpi=150)
        plt.close(number)
        slide.figures.append(path.name)


def main() -> None:
    """Write the decks that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="+", type=Path, metavar="LESSON", help="such as ../plot_04_uniform_masks.py")
    parser.add_argument("--out", type=Path, default=Path("slides"), metavar="FOLDER", help="(default: slides)")
    options = parser.parse_args()
    os.environ["MPLBACKEND"] = "Agg"  # lessons then write no files of their own
    for lesson in options.lessons:
        folder = options.out / lesson.stem
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.png"):
            old.unlink()
        slides = deck(lesson, folder)
        first = f"---\nmarp: true\nmath: katex\npaginate: true\ntitle: {slides[0].title!r}\n---\n\n"
        text = first + "\n\n---\n\n".join(slide.text() for slide in slides) + "\n"
        (folder / "slides.md").write_text(text, encoding="utf-8")
        print(f"{folder / 'slides.md'}: {len(slides)} slides, {sum(len(slide.figures) for slide in slides)} figures")


if __name__ == "__main__":
    main()
