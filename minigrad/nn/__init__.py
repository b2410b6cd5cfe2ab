"""Neural networks: modules, layers and models.

The layers of a file are those of its ``__all__``: a layer is added there, and a file of layers here.
"""

from typing import TYPE_CHECKING

from minigrad.naming import answering
from minigrad.nn import models as models
from minigrad.nn.activations import *
from minigrad.nn.attention import *
from minigrad.nn.blocks import Bottleneck as Bottleneck
from minigrad.nn.containers import *
from minigrad.nn.conv_layer import *
from minigrad.nn.dropout import *
from minigrad.nn.dtypes import DtypeWarning as DtypeWarning
from minigrad.nn.embedding import *
from minigrad.nn.initial import he_uniform as he_uniform
from minigrad.nn.initial import lecun_uniform as lecun_uniform
from minigrad.nn.linear_layer import *
from minigrad.nn.models import bagnet as bagnet
from minigrad.nn.models import mlp as mlp
from minigrad.nn.models import vit as vit
from minigrad.nn.module import Module as Module
from minigrad.nn.norm_layers import *
from minigrad.nn.pooling_layers import *
from minigrad.nn.receptive import *
from minigrad.nn.shaping import *
from minigrad.nn.sketch import Saving as Saving
from minigrad.nn.sketch import Sketchable as Sketchable
from minigrad.nn.sketch import set_budgets as set_budgets
from minigrad.nn.sketch import set_save as set_save
from minigrad.nn.sketch import set_vjp as set_vjp
from minigrad.nn.state import IncompatibleKeys as IncompatibleKeys
from minigrad.nn.transformer import *

# Type checkers follow the imports above; mypy takes no `__all__` that is computed.
if not TYPE_CHECKING:
    __all__ = sorted(
        name
        for name, it in globals().items()
        if it is models or getattr(it, "__module__", "").startswith("minigrad.nn.")
    )
    __getattr__ = answering(__name__)
