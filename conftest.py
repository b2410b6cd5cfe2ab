"""For the examples in docstrings: what one of them registers by name is forgotten after it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from minigrad.datasets.loading import DATASETS
from minigrad.estimators.text import ESTIMATORS
from minigrad.nn.models.building import MODELS


@pytest.fixture
def names_are_forgotten() -> Iterator[None]:
    """Forget what a test registers."""
    with ExitStack() as stack:
        for registry in (ESTIMATORS, MODELS, DATASETS):
            stack.enter_context(registry.temporary())
        yield


# A shell ignores Ctrl-C in what it runs in the background; the examples and tests of Ctrl-C listen there, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def names_of_examples_are_forgotten(request: pytest.FixtureRequest) -> None:
    """Forget what a doctest registers."""
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("names_are_forgotten")
