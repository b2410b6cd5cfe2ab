"""minigrad: reverse-mode automatic differentiation in pure NumPy, with exact or unbiased random VJPs."""

import minigrad.ops as ops
from minigrad.allocator import keep_memory
from minigrad.engine.context import TapeError
from minigrad.engine.define import primitive
from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node
from minigrad.engine.residuals import saving
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.transforms import grad, value_and_grad, vjp

__all__ = [
    "Estimator", "Node", "Tape", "TapeError", "Tensor", "grad", "keep_memory", "ops", "primitive", "saving",
    "value_and_grad", "vjp",
]  # fmt: skip
__version__ = "0.1.0"
