"""What a package index shows of minigrad, and what is said of the package in more than one place."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import minigrad

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).parents[1]
TOOLS = {"ruff", "mypy"}
"""What reads the code, and does not run it."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def index_text(monkeypatch):
    """The text that setup.py hands over."""
    setuptools = pytest.importorskip("setuptools")
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    exec(
        compile((ROOT / "setup.py").read_text(encoding="utf-8"), str(ROOT / "setup.py"), "exec"),
        {"__file__": str(ROOT / "setup.py")},
    )
    assert given["long_description_content_type"] == "text/markdown"
    return given["long_description"]


def relative(text):
    """What a text in Markdown refers to beside itself: on an index, nothing is there."""
    return [
        target
        for target in re.findall(r"\]\(([^)]+)\)|<img[^>]+src=\"([^\"]+)", text)
        if "https://" not in "".join(target)
    ]


def test_the_text_on_an_index_needs_no_file_of_the_clone(index_text):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(relative(readme)) == 2 and relative(index_text) == []
    assert "<!-- pictures -->" not in index_text and "\n\n**A sketch pays when" in index_text
    assert len(index_text) > 0.8 * len(readme)


def test_the_version_is_written_once():
    assert "version" not in PROJECT and "version" in PROJECT["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", minigrad.__version__)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"[{minigrad.__version__}]" in changelog or "[Unreleased]" in changelog


def test_the_pythons_that_are_promised_are_the_same_everywhere():
    """Those of the classifiers, which are tested; README and the page on installing say the first and the last."""
    found = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    first, last = found[0], found[-1]
    assert PROJECT["requires-python"] == f">={first}"
    assert found == [f"3.{k}" for k in range(int(first[2:]), int(last[2:]) + 1)]
    for path in ("README.md", "docs/start/install.rst"):
        assert f"{first} to {last}" in (ROOT / path).read_text(encoding="utf-8"), path


def test_no_address_is_given():
    """There is none yet; the first release puts in what is true then."""
    assert "urls" not in PROJECT and not any("email" in author for author in PROJECT["authors"])


def floors():
    """Package to lowest version, of what is needed to use and to test minigrad."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for name in ("cluster", "test") for line in extras[name])]
    found = [re.fullmatch(r"(\S+) >= (\S+)", line) for line in lines]
    return {one[1]: one[2] for one in found if one and one[1] not in TOOLS}


def test_the_lowest_versions_that_are_tested_are_those_of_pyproject():
    text = (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pinned = dict(line.split("==") for line in lines)
    wanted = {name: (*version.split("."), "0", "0")[:3] for name, version in floors().items()}
    assert len(wanted) == 9
    assert {name: tuple(pinned[name].split(".")) for name in wanted} == wanted
