"""Experiments: methods side by side, on the same data, from the same beginnings."""

from minigrad.experiments.compare import compare
from minigrad.experiments.comparison import Comparison
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method
from minigrad.experiments.run import Run, train

__all__ = ["Comparison", "Configuration", "Method", "Run", "compare", "train"]
