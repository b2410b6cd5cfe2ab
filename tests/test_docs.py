"""The site: it builds without a warning, its links lead somewhere, and a browser shows it without the network.

What is needed for this, and how an existing site is looked at, is said in `site_in_browser`.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from site_in_browser import DESKTOP, PHONE, ROOT, load, pages_of, show

NAMES = load(ROOT / "docs" / "_ext" / "public_names.py")


# The site as files


class Page(HTMLParser):
    """What a page refers to, and what can be referred to on it."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.anchors.update(value for key in ("id", "name") if (value := given.get(key)))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        if tag in ("img", "script", "source", "iframe") and given.get("src"):
            self.loaded.append(given["src"] or "")
        if tag == "img" and given.get("srcset"):
            self.loaded += [part.split()[0] for part in (given["srcset"] or "").split(",")]
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "modulepreload"):
            self.loaded.append(given.get("href") or "")


def faults(folder: Path) -> list[str]:
    """Links that lead nowhere, and things that a page would load from the network."""
    others = ("_static", "lite")  # of the theme and of JupyterLite
    own = (path for path in folder.rglob("*.html") if path.relative_to(folder).parts[0] not in others)
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in own}
    found = []
    for path, page in pages.items():
        for reference in page.links + page.loaded:
            parts = urlsplit(reference)
            where = f"{path.name}: {reference}"
            if parts.scheme or parts.netloc:
                if reference in page.loaded and parts.scheme != "data":
                    found.append(f"{where} is loaded from the network")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{where}: there is no such file")
            elif target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{where}: there is no such place on the page")
    for path in folder.rglob("*.css"):
        if path.relative_to(folder).parts[0] == "lite":
            continue
        for reference in re.findall(r"url\(\s*['\"]?((?:https?:)?//[^)'\"]+)", path.read_text(encoding="utf-8")):
            found.append(f"{path.name}: {reference} is loaded from the network")
    return found


def test_links_lead_somewhere_and_nothing_needs_the_network(site: Path) -> None:
    assert not faults(site)


def test_a_planted_fault_of_a_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "good.html").write_text('<p id="here"><a href="#here">.</a> <a href="https://example.org">.</a>')
    assert faults(tmp_path) == []
    (tmp_path / "bad.html").write_text(
        '<a href="gone.html"></a><a href="good.html#gone"></a><img src="https://a.b/c.png">'
    )
    (tmp_path / "bad.css").write_text("@import url(https://a.b/c.css);")
    found = " ".join(faults(tmp_path))
    assert found.count("no such file") == 1 and found.count("no such place") == 1 and found.count("network") == 2


def test_every_public_name_has_a_page(site: Path) -> None:
    places = set(re.findall(r'id="(minigrad\.[\w.]+)"', "".join(p.read_text("utf-8") for p in site.glob("api/*.html"))))
    assert set(NAMES.homes().values()) <= places


def test_formulas_are_mathml(site: Path) -> None:
    for name in ("theory/optimal", "theory/convergence", "gallery/plot_05_the_best_diagonal_sketch"):
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        assert text.count("<math") > 20
        assert r"\frac" not in text and "math-error" not in text
        assert not re.search(r"<munderover>\s*<mi>", text), "an index that belongs at the foot of a letter is below it"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of how ziamath finds its files
def test_the_font_has_the_characters_of_all_formulas_and_few_others(site: Path) -> None:
    from fontTools.ttLib import TTFont

    maths = load(ROOT / "docs" / "_ext" / "browser_math.py")
    font = TTFont(site / "_static" / "STIXTwoMath.woff")
    assert (site / "_static" / "STIXTwoMath.woff").stat().st_size < 250_000
    needed = set().union(*(maths.shown(page.read_text(encoding="utf-8")) for page in pages_of(site)))
    assert {ord(c) for c in "𝑥∑√"} <= needed
    lacking = {chr(code) for code in needed - set(font.getBestCmap()) if not chr(code).isspace() and code != 0x2061}
    assert not lacking, "not in the font at all, so that it is drawn by another"


def test_lessons_can_be_downloaded(site: Path) -> None:
    for lesson in sorted((ROOT / "tutorials").glob("plot_*.py")):
        text = (site / "gallery" / f"{lesson.stem}.html").read_text(encoding="utf-8")
        for kind in (".py", ".ipynb"):
            assert re.search(rf'href="[^"]*/{lesson.stem}\{kind}"', text), f"{lesson.name}: no {kind} to download"


def test_the_readme_names_every_lesson_and_its_picture_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for lesson in sorted((ROOT / "tutorials").glob("plot_*.py")):
        title = re.search(r"^r?\"\"\"\n(\d+b?)\. ([\w-]+)", lesson.read_text(encoding="utf-8"))
        assert title and f"{title[1]} {title[2]}" in readme, f"{lesson.name} is not in the map of lessons"
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", readme):
        assert (ROOT / target).is_file(), f"README.md points to {target}, which is not there"
    assert (ROOT / "docs" / "_static" / "minigrad.png").stat().st_size < 150_000


# The site in a browser


MEASURE = """
const done = arguments[0];
const pictures = () => Promise.all([...document.images].map(i => new Promise(settled => {
  i.loading = 'eager';  // those out of sight would wait
  if (i.complete) settled(); else i.onload = i.onerror = settled;
})));
document.fonts.ready.then(pictures).then(() => done(measure()));
function measure() {
const wide = [...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && box.right > window.innerWidth + 1;
}).slice(0, 3).map(e => e.tagName + '.' + e.className);
const scrolls = 'pre, table, .formula, .pst-scrollable-table-container, .output_subarea';
const cut = [...document.querySelectorAll('article :is(h1, h2, h3, h4, p, li, dt, dd)')].filter(
  e => e.clientWidth && e.scrollWidth > e.clientWidth + 2 && !e.closest(scrolls) && !e.querySelector(scrolls)
).slice(0, 3).map(e => e.innerText.slice(0, 60));
return {
  cut: cut, width: document.documentElement.scrollWidth, window: window.innerWidth, wide: wide,
  missing: [...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.src),
  text: document.body.innerText.length,
};
}
"""


def complaints(browser: Any, page: Path, width: int, theme: str = "light") -> list[str]:
    """What is wrong with a page at a width; empty if nothing is."""
    show(browser, page, width, theme)
    seen = browser.execute_async_script(MEASURE)
    found = [f"console: {entry['message']}" for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    if seen["width"] > width or seen["window"] > width:
        found.append(f"{seen['width']} pixels wide on a screen of {width}: {seen['wide']}")
    found += [f"wider than its column: {text!r}" for text in seen["cut"]]
    found += [f"picture not loaded: {source}" for source in seen["missing"]]
    if not seen["text"]:
        found.append("the page is empty")
    return [f"{page.name} at {width}, {theme}: {line}" for line in found]


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_pages_in_a_browser(site: Path, browser: Any, width: int) -> None:
    pages = pages_of(site)
    in_api = [page for page in pages if page.parent.name == "api"]
    # Of the pages of single names every eighth, and those of the longest.
    longest = sorted(in_api, key=lambda page: -page.stat().st_size)[:8]
    chosen = [page for page in pages if page not in in_api or page in longest] + in_api[::8]
    found = [line for page in chosen for line in complaints(browser, page, width)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_is_taken_from_the_system(site: Path, browser: Any, theme: str) -> None:
    found = []
    for page in [page for page in pages_of(site) if page.parent.name != "api"]:
        found += complaints(browser, page, DESKTOP, theme)
        shown = browser.execute_script(
            "return [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor]"
        )
        light = sum(map(int, re.findall(r"\d+", shown[1])[:3])) > 3 * 128
        if shown[0] != theme or light != (theme == "light"):
            found.append(f"{page.name} is shown as {shown}")
    assert not found, "\n".join(found)


FORMULAS = """
const done = arguments[0];
document.fonts.ready.then(() => done({
  font: [...document.fonts].filter(f => f.family.includes('STIX') && f.status == 'loaded').length,
  empty: [...document.querySelectorAll('math')].filter(m => !m.getBoundingClientRect().width).length,
  formulas: document.querySelectorAll('math').length,
}));
"""


def test_formulas_are_drawn_with_their_font(site: Path, browser: Any) -> None:
    for name in ("theory/optimal", "gallery/plot_05_the_best_diagonal_sketch"):
        browser.get((site / f"{name}.html").as_uri())
        seen = browser.execute_async_script(FORMULAS)
        assert seen["font"] and seen["formulas"] > 20 and not seen["empty"], (name, seen)


def test_search_finds(site: Path, browser: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    for words, page in (("saturated water-filling", "plot_05"), ("LowRankSketch", "LowRankSketch")):
        browser.get(f"{(site / 'search.html').as_uri()}?q={words.replace(' ', '+')}")
        wait = WebDriverWait(browser, 30)
        links = wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#search-results li a"))
        assert any(page in (link.get_attribute("href") or "") for link in links), words
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_a_planted_fault_of_a_page_is_found(browser: Any, tmp_path: Path) -> None:
    head = '<!doctype html><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
    for name, body, wanted in (
        ("good", "<p>fine</p>", ""),
        ("wide", "<div style='width:600px'>wide</div>", "pixels wide"),
        ("cut", "<article style='overflow: auto'><h1>" + 40 * "W" + "</h1></article>", "wider than its column"),
        ("gone", "<p>text</p><img src='gone.png'>", "picture not loaded"),
        ("error", "<p>text</p><script>throw new Error('planted')</script>", "planted"),
    ):
        (tmp_path / f"{name}.html").write_text(head + body)
        found = " ".join(complaints(browser, tmp_path / f"{name}.html", PHONE))
        assert (wanted in found) if wanted else not found
    seen = browser.execute_async_script(FORMULAS)
    assert seen == {"font": 0, "empty": 0, "formulas": 0}
