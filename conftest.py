"""For all tests: an option to run fewer; what examples register by name is forgotten after them."""

from __future__ import annotations

import signal
from collections import Counter
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option by which a suite that ran elsewhere is run in part."""
    parser.addoption("--one-in", type=int, default=1, metavar="N", help="of each test's cases: the first, and one in N")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave cases out, but never a test."""
    step, seen = config.getoption("--one-in"), Counter[str]()
    if step < 1:
        raise pytest.UsageError(f"--one-in={step} must be at least 1")
    kept, left = [], []
    for item in items:
        test = item.nodeid.partition("[")[0]
        (left if seen[test] % step else kept).append(item)
        seen[test] += 1
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept
