"""Estimators: what to keep of a cotangent. One family a file; sampling designs and axes in one place each."""

from minigrad.engine.estimator import Estimator
from minigrad.estimators import presets
from minigrad.estimators.budget import with_budget
from minigrad.estimators.diagonal import DiagonalSketch
from minigrad.estimators.exact import Exact
from minigrad.estimators.lowrank import LowRankSketch
from minigrad.estimators.mask import Mask
from minigrad.estimators.projection import RandomProjection
from minigrad.estimators.rangefinder import RangeFinderSketch
from minigrad.estimators.replacement import WithReplacement
from minigrad.estimators.selection import Selection
from minigrad.estimators.text import describe, names, parse, register
from minigrad.estimators.topk import TopK
from minigrad.estimators.winner import WinnerTakeAll

__all__ = [
    "DiagonalSketch",
    "Estimator",
    "Exact",
    "LowRankSketch",
    "Mask",
    "RandomProjection",
    "RangeFinderSketch",
    "Selection",
    "TopK",
    "WinnerTakeAll",
    "WithReplacement",
    "describe",
    "names",
    "parse",
    "presets",
    "register",
    "with_budget",
]
