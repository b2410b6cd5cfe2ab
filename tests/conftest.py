"""The built site and one browser, for all tests of the site; one BLAS thread, for tests that compare bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_in_browser import built, opened

from minigrad.threads import one_thread


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site; built with warnings as errors."""
    return built(tmp_path_factory)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium that cannot reach the network."""
    yield from opened(tmp_path_factory)


@pytest.fixture
def one_blas_thread() -> Iterator[None]:
    """One BLAS thread, as runs take: a test that compares their bits must not add up in another order."""
    with one_thread():
        yield
