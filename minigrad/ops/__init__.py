"""Operations: functions on tensors, which are also the operators and methods of `Tensor`.

Each file of this package is a family, and its ``__all__`` is the list of its operations: an operation is added there.
Each is two functions: ``_exp`` on arrays, which `minigrad.engine.define.define` makes a primitive, and ``exp`` on
tensors, which hands that primitive to `minigrad.engine.record.record`. See docs/guide/primitive.rst for the rest.
"""

from typing import TYPE_CHECKING

from minigrad.naming import answering
from minigrad.ops import methods
from minigrad.ops import numpy_composed as numpy_composed
from minigrad.ops import numpy_grids as numpy_grids
from minigrad.ops.arithmetic import *
from minigrad.ops.averages import *
from minigrad.ops.batch_normalization import *
from minigrad.ops.binary_losses import *
from minigrad.ops.casting import *
from minigrad.ops.contraction import *
from minigrad.ops.conv import *
from minigrad.ops.conv1d import *
from minigrad.ops.cumulative import *
from minigrad.ops.determinants import *
from minigrad.ops.deviation import *
from minigrad.ops.diagonals import *
from minigrad.ops.editing import *
from minigrad.ops.einsum import *
from minigrad.ops.exponential import *
from minigrad.ops.extremes import *
from minigrad.ops.factorizations import *
from minigrad.ops.finite_differences import *
from minigrad.ops.gamma_functions import *
from minigrad.ops.group_normalization import *
from minigrad.ops.hyperbolic import *
from minigrad.ops.indexing import *
from minigrad.ops.joining import *
from minigrad.ops.linear import *
from minigrad.ops.losses import *
from minigrad.ops.matmul import *
from minigrad.ops.matrix_functions import *
from minigrad.ops.nan_reductions import *
from minigrad.ops.normalization import *
from minigrad.ops.norms import *
from minigrad.ops.order_statistics import *
from minigrad.ops.padding import *
from minigrad.ops.piecewise import *
from minigrad.ops.pooling import *
from minigrad.ops.powers import *
from minigrad.ops.quantiles import *
from minigrad.ops.random import *
from minigrad.ops.ranks import *
from minigrad.ops.reductions import *
from minigrad.ops.reordering import *
from minigrad.ops.repeating import *
from minigrad.ops.selecting import *
from minigrad.ops.shapes import *
from minigrad.ops.sigmoids import *
from minigrad.ops.sinc import *
from minigrad.ops.singular_values import *
from minigrad.ops.softmax import *
from minigrad.ops.splitting import *
from minigrad.ops.stacking import *
from minigrad.ops.steps import *
from minigrad.ops.trigonometric import *

abs = absolute
degrees = rad2deg
mod = remainder
neg = negative
radians = deg2rad

# Type checkers follow the imports above; mypy takes no `__all__` that is computed.
if not TYPE_CHECKING:
    __all__ = sorted(
        name for name, it in globals().items() if getattr(it, "__module__", "").startswith("minigrad.ops.")
    )
    methods.install({name: globals()[name] for name in __all__})
    __getattr__ = answering(__name__)
