"""Assertions for one's own primitives, layers and estimators, with messages that say where to look."""

from minigrad.testing.estimators import assert_unbiased, assert_variance_close
from minigrad.testing.gradient_check import assert_gradients_close

__all__ = ["assert_gradients_close", "assert_unbiased", "assert_variance_close"]
