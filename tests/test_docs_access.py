"""The site for everyone: by keyboard and screen reader, on a phone, in the dark, on a slow line."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from site_in_browser import DESKTOP, PHONE, lacking, pages_of, show

WIDE = 1400
"""The screen on which no line of code may be cut."""

HEAVIEST = 600_000
"""Bytes of a page with all that it loads, text compressed as servers send it, every picture counted."""


def few_of_many(site: Path) -> list[Path]:
    """All pages, but of those of single names every fortieth."""
    pages = pages_of(site)
    names = [page for page in pages if page.parent.name == "api" and page.name != "index.html"]
    return [page for page in pages if page not in names] + names[::40]


# Rules of accessibility

ONE_OF_EACH = """
for (const row of document.querySelectorAll('tbody tr:nth-child(n + 4)')) row.remove();
const seen = new Set();
for (const span of document.querySelectorAll('.highlight pre span[class]')) {
  const kind = `${span.className} in ${span.closest('.highlight').parentElement.className}`;
  if (seen.has(kind)) span.replaceWith(...span.childNodes); else seen.add(kind);
}
"""
"""Of a thousand words in the same colour one is enough, or a page takes a minute."""


def barriers(browser: Any, page: Path, width: int, theme: str) -> list[str]:
    """What axe-core says of a page."""
    from axe_core_python.selenium import Axe

    show(browser, page, width, theme, motion=False)
    browser.execute_script(ONE_OF_EACH)
    # Nothing is preloaded: style sheets of files cannot be read by scripts. (0, for `Axe` writes False as Python does.)
    found = Axe().run(browser, options={"resultTypes": ["violations"], "preload": 0})["violations"]
    return [
        f"{page.name} at {width}, {theme}: {rule['id']}, {len(rule['nodes'])} ×, {rule['nodes'][0]['html'][:160]}"
        for rule in found
    ]


@pytest.mark.parametrize(("width", "theme"), [(PHONE, "light"), (WIDE, "dark")])
def test_axe_finds_nothing(site: Path, browser: Any, width: int, theme: str) -> None:
    if importlib.util.find_spec("axe_core_python") is None:
        lacking("axe-core-python is not installed: pip install -e '.[docs]'")
    found = [line for page in few_of_many(site) for line in barriers(browser, page, width, theme)]
    assert not found, "\n".join(found)


def test_a_planted_barrier_is_found(browser: Any, tmp_path: Path) -> None:
    if importlib.util.find_spec("axe_core_python") is None:
        lacking("axe-core-python is not installed: pip install -e '.[docs]'")
    head = '<!doctype html><html lang="en"><title>t</title><meta name="viewport" content="width=device-width">'
    body = "<main><h1>Title</h1><p>text</p>{}</main>"
    for name, planted, rule in (
        ("good", "", ""),
        ("nameless", '<a href="#"></a>', "link-name"),
        ("pale", '<p style="color: #bbb; background: #fff">pale</p>', "color-contrast"),
        ("blind", '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "image-alt"),
    ):
        (tmp_path / f"{name}.html").write_text(head + body.format(planted), encoding="utf-8")
        found = " ".join(barriers(browser, tmp_path / f"{name}.html", DESKTOP, "light"))
        assert (rule in found) if rule else not found


# Lines of code, pictures

CODE = """
return [...document.querySelectorAll('pre')].filter(e => e.scrollWidth > e.clientWidth + 1).map(
  e => e.innerText.split('\\n').reduce((a, b) => a.length > b.length ? a : b).slice(0, 130));
"""


def test_code_is_not_cut(site: Path, browser: Any) -> None:
    found = []
    for page in few_of_many(site):
        show(browser, page, WIDE)
        found += [f"{page.name}: {line}" for line in browser.execute_script(CODE)]
    assert not found, "\n".join(found)


def test_code_of_lessons_is_not_cut_on_a_phone(site: Path, browser: Any) -> None:
    inputs = CODE.replace("'pre'", "'.highlight-Python pre, .highlight-console pre'")
    for page in sorted((site / "gallery").glob("plot_*.html")):
        show(browser, page, PHONE)
        assert not browser.execute_script(inputs), page.name


def test_no_lesson_shows_where_an_object_lies(site: Path) -> None:
    for page in sorted((site / "gallery").glob("plot_*.html")):
        assert not re.search(r"object at 0x|&lt;matplotlib\.", page.read_text(encoding="utf-8")), page.name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_paper_of_pictures_is_that_of_the_page(site: Path, browser: Any, theme: str) -> None:
    from PIL import Image

    show(browser, site / "experiments" / "precision.html", DESKTOP, theme)
    place = browser.execute_async_script("""
    const done = arguments[0], picture = document.querySelector('a.picture img');
    picture.loading = 'eager';
    picture.scrollIntoView({block: 'center'});
    picture.decode().then(() => { const b = picture.getBoundingClientRect();
      done([b.left, b.top + window.scrollY, b.width, b.height]); });
    """)
    box = {"x": place[0] - 6, "y": place[1], "width": place[2] + 6, "height": place[3], "scale": 1}
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": box, "captureBeyondViewport": True})
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("L"), int)
    page, paper = pixels[:, 1].mean(), np.median(pixels[:, 8:])
    assert abs(page - paper) < 12, "the page beside the picture, and most of the picture"
    assert pixels.max() - pixels.min() > 150, "the ink can be read"


# Weight


def loaded(site: Path, page: Path) -> set[Path]:
    """The files that a page loads, with its pictures as for a sharp screen."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r'<script\b[^>]*\bsrc="([^"]+)"', text)
    for picture in re.findall(r"<img\b[^>]*>", text):
        sharp = re.search(r'\bsrcset="[^"]*?([^ ,"]+) 2\.00x', picture) or re.search(r'\bsrc="([^"]+)"', picture)
        named += [sharp[1]] if sharp else []
    for link in re.findall(r"<link\b[^>]*>", text):
        href = re.search(r'\bhref="([^"]+)"', link)
        named += [href[1]] if href and re.search(r'rel="(stylesheet|preload|icon)"', link) else []
    fonts = set((site / "_static").rglob("fa-solid*.woff2")) | (
        {site / "_static" / "STIXTwoMath.woff"} if "<math" in text else set()
    )
    paths = {(page.parent / unquote(urlsplit(name).path)).resolve() for name in named if not name.startswith("data:")}
    return {path for path in paths | fonts if path.is_file()} | {page}


def sent(file: Path) -> int:
    """The bytes of a file as a server sends it."""
    content = file.read_bytes()
    return len(gzip.compress(content)) if file.suffix in (".html", ".css", ".js", ".svg") else len(content)


def test_no_page_is_heavy(site: Path) -> None:
    weights = {page.relative_to(site): sum(map(sent, loaded(site, page))) for page in few_of_many(site)}
    assert min(weights.values()) > 100_000, "the theme alone is that much"
    assert {str(page): weight for page, weight in weights.items() if weight > HEAVIEST} == {}
