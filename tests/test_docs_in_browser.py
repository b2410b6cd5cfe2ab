"""Lessons that open in the browser: what lies in JupyterLite, and the button with and without a network."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_in_browser import ROOT, show

import minigrad

LESSON = "plot_00_one_neuron_by_hand"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the site, and does not tell of it."""

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The address of the site on this computer: JupyterLite needs a server."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_jupyterlite_has_every_lesson_and_the_wheel(site: Path) -> None:
    lite = site / "lite"
    for lesson in sorted((ROOT / "tutorials").glob("plot_*.py")):
        notebook = json.loads((lite / "files" / "gallery" / f"{lesson.stem}.ipynb").read_text(encoding="utf-8"))
        assert "%pip install -q minigrad-vjp" in notebook["cells"][0]["source"][0]
        page = (site / "gallery" / f"{lesson.stem}.html").read_text(encoding="utf-8")
        assert page.count('<a class="in-browser"') == 1
    (index,) = (lite / "pypi").glob("all.json")
    (release,) = json.loads(index.read_text(encoding="utf-8"))["minigrad-vjp"]["releases"].values()
    assert (lite / "pypi" / release[0]["filename"]).is_file()
    assert minigrad.__version__ in release[0]["filename"]


def test_without_a_network_the_button_points_to_the_notebook(site: Path, browser: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    page = site / "gallery" / f"{LESSON}.html"
    show(browser, page)
    browser.find_element("css selector", "a.in-browser").click()
    (link,) = WebDriverWait(browser, 15).until(
        lambda b: b.find_elements("css selector", "p.in-browser [role=status] a")
    )
    assert "cannot be fetched" in browser.find_element("css selector", "p.in-browser").text
    assert (page.parent / link.get_dom_attribute("href")).resolve().name == f"{LESSON}.ipynb"
    assert (page.parent / link.get_dom_attribute("href")).resolve().is_file()
    assert browser.current_url.startswith(page.as_uri())


def test_where_python_answers_the_lesson_opens(served: str, browser: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(f"{served}/gallery/{LESSON}.html")
    browser.execute_script(
        "document.querySelector('a.in-browser').dataset.kernel = arguments[0]", f"{served}/index.html"
    )
    browser.find_element("css selector", "a.in-browser").click()
    WebDriverWait(browser, 60).until(lambda b: "/lite/notebooks/" in b.current_url)
    shown = lambda b: b.execute_script("return document.body ? document.body.innerText : ''")  # noqa: E731
    WebDriverWait(browser, 60).until(lambda b: "One neuron" in shown(b) and "minigrad-vjp" in shown(b))
