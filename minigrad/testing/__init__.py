"""Assertions for one's own primitives, layers and estimators, with messages that say where to look."""

from typing import TYPE_CHECKING

from minigrad.naming import answering
from minigrad.testing.estimators import assert_unbiased, assert_variance_close
from minigrad.testing.gradient_check import assert_gradients_close

__all__ = ["assert_gradients_close", "assert_unbiased", "assert_variance_close"]

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
