"""The text for a package index, README.md without its pictures; all else is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import setup

readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
setup(
    long_description=re.sub(r"<!-- pictures -->.*?<!-- end of the pictures -->\n+", "", readme, flags=re.DOTALL),
    long_description_content_type="text/markdown",
)
