"""Neural networks: modules, layers and models."""

import minigrad.nn.models as models
from minigrad.nn.activations import GELU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from minigrad.nn.containers import Residual, Sequential
from minigrad.nn.dropout import Dropout
from minigrad.nn.initial import he_uniform
from minigrad.nn.linear import Linear
from minigrad.nn.models import mlp
from minigrad.nn.module import Module
from minigrad.nn.shaping import Flatten, Identity
from minigrad.nn.sketch import Sketchable, set_budgets, set_vjp
from minigrad.nn.state import Differences

__all__ = [
    "GELU", "Differences", "Dropout", "Flatten", "Identity", "Linear", "Module", "ReLU", "Residual", "Sequential",
    "SiLU", "Sigmoid", "Sketchable", "Softplus", "Tanh", "he_uniform", "mlp", "models", "set_budgets", "set_vjp",
]  # fmt: skip
