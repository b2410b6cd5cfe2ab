"""For the examples in docstrings: what one of them registers by name is forgotten after it."""

from __future__ import annotations

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


@pytest.fixture(autouse=True)
def names_of_examples_are_forgotten(request: pytest.FixtureRequest) -> None:
    """Forget what a doctest registers."""
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("names_are_forgotten")
