"""The site is built once, and one browser is opened, for all tests of the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_in_browser import built, opened


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; built with warnings as errors."""
    return built(tmp_path_factory)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium that cannot reach the network."""
    yield from opened(tmp_path_factory)
