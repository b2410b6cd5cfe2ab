"""minigrad: reverse-mode automatic differentiation in pure NumPy, with exact or unbiased random VJPs."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

import minigrad.ops as ops
from minigrad.allocator import keep_memory, show_large_block
from minigrad.engine.context import TapeError
from minigrad.engine.copied_tensor import tensor
from minigrad.engine.define import primitive
from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node
from minigrad.engine.residuals import saving
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.naming import missing
from minigrad.transforms.curvature import gauss_newton_product, hvp
from minigrad.transforms.elementwise import elementwise_grad
from minigrad.transforms.forward import jvp
from minigrad.transforms.jacobian import hessian, jacobian
from minigrad.transforms.reverse import grad, value_and_grad, vjp

__all__ = [
    "Estimator", "Node", "Tape", "TapeError", "Tensor", "elementwise_grad", "gauss_newton_product", "grad", "hessian",
    "hvp", "jacobian", "jvp", "keep_memory", "ops", "primitive", "saving", "tensor", "value_and_grad", "vjp",
]  # fmt: skip
__version__ = "0.1.0"

PACKAGES = (
    "datasets", "estimators", "experiments", "explore", "extras", "fingerprint", "inspect", "nn", "optim", "plot",
    "structure", "testing", "theory", "training",
)  # fmt: skip
"""The public packages beside `ops`. Each is imported when it is first asked for: ``import minigrad`` stays light."""

LOOKED_IN = ("nn", "optim")
"""Packages that are imported to say where a name is that is asked of this one."""

show_large_block()


def __dir__() -> list[str]:
    return sorted([*__all__, *PACKAGES, "__version__"])


if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name for a module

    def __getattr__(name: str) -> ModuleType:
        if name in PACKAGES:
            return importlib.import_module(f"{__name__}.{name}")
        if not name.startswith("_"):
            for package in LOOKED_IN:  # so that it can be said where a name is
                importlib.import_module(f"{__name__}.{package}")
        raise missing(__name__, name, __dir__())
