"""Slides of the lessons: nothing is lost or left as it was, and a figure stands in its section."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "tutorials").glob("plot_*.py"))
sys.path.append(str(ROOT / "tutorials" / "course"))

from slides import deck  # noqa: E402

SMALL = '''"""
7. A lesson
===========

It says that **everything** is small. And this is not on a slide.
"""

import matplotlib.pyplot as plt

# %%
# First
# -----
# Let :math:`x` be ``3``.
#
# .. math:: y = x^2
#    + 1
#
# .. list-table::
#    :header-rows: 1
#
#    * - a
#      - :math:`b`
#    * - 1
#      - 2

x = 3

# %%
# Drawn
# -----
# Here **it** is.

plt.plot([1, x])
print("drawn")

# %%
# Exercises
# ---------
# 1. Do it. *Hint*: begin.
# 2. Do it
#    again. *Hint*: go on.
'''


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_every_section_has_a_slide(lesson):
    source, slides = lesson.read_text(encoding="utf-8"), deck(lesson)
    headings = re.findall(r"^(?:# )?([^\n]+)\n(?:# )?(?:={4,}|-{4,})$", source, re.MULTILINE)
    assert len(slides) == len(headings) > 3
    assert sum(len(slide.formulas) for slide in slides) == len(re.findall(r"^(?:# )?\s*\.\. math::", source, re.M))
    assert len(slides[-1].points) == len(re.findall(r"^# \d+\. ", source.partition("# Exercises\n")[2], re.M))
    for slide in slides:
        text = slide.text()
        assert slide.points or slide.notes, slide.title
        assert not re.search(r":\w+:`|``|\.\. \w+::|^#+ %%", text), (slide.title, text)


def test_a_lesson_becomes_a_deck(tmp_path):
    (tmp_path / "lesson.py").write_text(SMALL)
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tutorials" / "course" / "slides.py"), "lesson.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1].endswith("4 slides, 1 figures")
    front, *slides = (tmp_path / "slides" / "lesson" / "slides.md").read_text().split("\n---\n\n")
    assert "title: '7. A lesson'" in front
    assert slides[0].startswith("## 7. A lesson\n\n- It says that **everything** is small.\n\n<!--")
    assert "$$\ny = x^2 + 1\n$$" in slides[1] and "| a | $b$ |\n|---|---|\n| 1 | 2 |" in slides[1]
    assert "![](lesson-1.png)" in slides[2] and (tmp_path / "slides" / "lesson" / "lesson-1.png").is_file()
    assert "- Do it.\n- Do it again.\n" in slides[3] and "begin" in slides[3].partition("<!--")[2]


def test_an_error_names_the_line_of_the_lesson(tmp_path):
    (tmp_path / "lesson.py").write_text(SMALL.replace("plt.plot([1, x])", "plt.plot([1, z])"))
    with pytest.raises(NameError) as caught:
        deck(tmp_path / "lesson.py", tmp_path)
    assert caught.traceback[-1].lineno + 1 == SMALL[: SMALL.index("plt.plot")].count("\n") + 1
