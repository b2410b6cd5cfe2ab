"""For the examples in docstrings: what one of them registers by name is forgotten after it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from minigrad.datasets.registry import _LOADERS
from minigrad.estimators.registry import _CLASSES, _LINES
from minigrad.nn.models.registry import _BUILDERS

# A shell ignores Ctrl-C in what it runs in the background; the examples and tests of Ctrl-C listen there, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def names_of_examples_are_forgotten(request: pytest.FixtureRequest) -> Iterator[None]:
    """Put the lists of names back as they were, after a doctest."""
    kept: list[tuple[dict, dict]] = []
    if isinstance(request.node, pytest.DoctestItem):
        kept = [(names, dict(names)) for names in (_LOADERS, _CLASSES, _LINES, _BUILDERS)]
    yield
    for names, before in kept:
        names.clear()
        names.update(before)
