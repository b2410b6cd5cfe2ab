"""Estimators: what to keep of a cotangent. One family a file, and one line here; designs and axes in one place each.

`WholeGradient` and what is derived from it estimate the gradient as a whole, without a backward pass.
"""

import types
import typing

from minigrad import naming
from minigrad.engine.estimator import Estimator as Estimator
from minigrad.estimators import presets as presets
from minigrad.estimators.budget import with_budget as with_budget
from minigrad.estimators.diagonal import DiagonalSketch as DiagonalSketch
from minigrad.estimators.exact import Exact as Exact
from minigrad.estimators.forward_gradient import ForwardGradient as ForwardGradient
from minigrad.estimators.lowrank import LowRankSketch as LowRankSketch
from minigrad.estimators.mask import Mask as Mask
from minigrad.estimators.natural import NaturalCompression as NaturalCompression
from minigrad.estimators.objective import Objective as Objective
from minigrad.estimators.perturbation import EvolutionStrategy as EvolutionStrategy
from minigrad.estimators.perturbation import WeightPerturbation as WeightPerturbation
from minigrad.estimators.priced import Priced as Priced
from minigrad.estimators.projection import RandomProjection as RandomProjection
from minigrad.estimators.rangefinder import RangeFinderSketch as RangeFinderSketch
from minigrad.estimators.replacement import WithReplacement as WithReplacement
from minigrad.estimators.rounding import StochasticRounding as StochasticRounding
from minigrad.estimators.selection import Selection as Selection
from minigrad.estimators.stratified import StratifiedMask as StratifiedMask
from minigrad.estimators.text import describe as describe
from minigrad.estimators.text import names as names
from minigrad.estimators.text import parse as parse
from minigrad.estimators.text import register as register
from minigrad.estimators.then import Then as Then
from minigrad.estimators.topk import TopK as TopK
from minigrad.estimators.whole_gradient import WholeGradient as WholeGradient
from minigrad.estimators.winner import WinnerTakeAll as WinnerTakeAll

# Of the modules, `presets` alone is for users.
_imported = {name for name, thing in globals().items() if not isinstance(thing, types.ModuleType) and name[0] != "_"}
__all__ = sorted(_imported | {"presets"})

if not typing.TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = naming.answering(__name__)
