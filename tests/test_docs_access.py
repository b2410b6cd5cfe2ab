"""The site for everyone: by keyboard and screen reader, and in the dark."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from site_in_browser import DESKTOP, lacking, show

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


# What lessons and pictures show


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
