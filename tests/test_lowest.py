"""The lowest versions on which everything is tested are those that setup.cfg admits."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = {"ruff", "mypy"}
"""What reads the code, and does not run it."""


def floors():
    """Package to lowest version, of what is needed to use and to test minigrad."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = parser["options.extras_require"]
    lines = [parser["options"]["install_requires"], *(extras[name] for name in ("cluster", "test"))]
    found = [re.fullmatch(r"(\S+) >= (\S+)", line) for text in lines for line in text.split("\n") if line]
    return {one[1]: one[2] for one in found if one[1] not in TOOLS}


def test_lowest_versions_are_those_of_setup_cfg():
    text = (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pinned = dict(line.split("==") for line in lines)
    wanted = {name: (*version.split("."), "0", "0")[:3] for name, version in floors().items()}
    assert len(wanted) == 9
    assert {name: tuple(pinned[name].split(".")) for name in wanted} == wanted
