"""The built site and a browser to look at it with, for the tests of the site.

Sphinx comes with the extra ``docs``; the browser is Chromium (or Chrome) with its driver. What is not installed is
skipped, and nothing else is; with ``MINIGRAD_REQUIRE_BROWSER=1`` it is a failure instead. The site is built once, with
two of the lessons run in fast mode; the others are shown without being run, for `test_tutorials` runs them all.
``MINIGRAD_SITE`` names the folder of a site that is built already, which is then looked at instead.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
BUILT_WITH = [
    "sphinx",
    "pydata_sphinx_theme",
    "numpydoc",
    "sphinx_gallery",
    "sphinx_copybutton",
    "myst_parser",
    "ziamath",
    "fontTools",
    "PIL",
    "jupyterlite_sphinx",
    "jupyterlite_pyodide_kernel",
]
RUN_LESSONS = r"plot_0[15]_"
DESKTOP, PHONE = 1280, 390


def lacking(what: str) -> None:
    """Skip the test, or fail it where everything has to be there, as in continuous integration."""
    if os.environ.get("MINIGRAD_REQUIRE_BROWSER"):
        pytest.fail(f"MINIGRAD_REQUIRE_BROWSER is set, but {what}", pytrace=False)
    pytest.skip(what)


def load(path: Path) -> ModuleType:
    """A Python file as a module, under its own name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; built with warnings as errors."""
    for module in BUILT_WITH:
        if importlib.util.find_spec(module) is None:
            lacking(f"{module} is not installed: pip install -e '.[docs]'")
    if "MINIGRAD_SITE" in os.environ:
        there = ROOT / os.environ["MINIGRAD_SITE"]
        assert (there / "index.html").is_file(), f"MINIGRAD_SITE={there} is no site; build one with .ci/docs"
        return there
    folder = tmp_path_factory.mktemp("site")
    generated = shutil.ignore_patterns(
        "_build", "api", "gallery", "_lessons", "_lite*", "_contents", "*.png", "__pycache__"
    )
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=generated)
    for kind in ("experiments", "performance"):  # the pictures of the results are part of their pages
        if (ROOT / "docs" / kind).is_dir():
            shutil.copytree(ROOT / "docs" / kind, folder / "docs" / kind, dirs_exist_ok=True)
    for text in ROOT.glob("*.md"):  # they are on the site, README in parts
        shutil.copy2(text, folder)
    shutil.copytree(ROOT / "tutorials", folder / "tutorials", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "MINIGRAD_FAST": "1", "MINIGRAD_LESSONS": RUN_LESSONS, "MPLBACKEND": "Agg"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", "html"]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder / "html"


def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium that cannot reach the network."""
    if importlib.util.find_spec("selenium") is None:
        lacking("selenium is not installed: pip install -e '.[docs]'")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        lacking("no Chromium with chromedriver is installed (see .ci/browser)")
    assert program is not None and driver is not None
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--allow-file-access-from-files",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chromium.set_page_load_timeout(60)
    chromium.set_script_timeout(60)
    try:
        yield chromium
    finally:
        chromium.quit()


def show(browser: Any, page: Path, width: int = DESKTOP, theme: str = "light", *, motion: bool = True) -> None:
    """Open a page at a width, with the colours and the motion that the system asks for."""
    wanted = {"prefers-color-scheme": theme, "prefers-reduced-motion": "no-preference" if motion else "reduce"}
    features = [{"name": name, "value": value} for name, value in wanted.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    settings = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", settings)
    browser.get(page.as_uri())


def pages_of(site: Path) -> list[Path]:
    """All pages but those of source code and of JupyterLite."""
    found = {page: page.relative_to(site).parts for page in sorted(site.rglob("*.html"))}
    return [page for page, parts in found.items() if parts[0] not in ("_modules", "_static", "lite")]
