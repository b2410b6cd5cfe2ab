"""Neural networks: modules, layers and models."""

import minigrad.nn.models as models
from minigrad.nn.activations import GELU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from minigrad.nn.attention import MultiHeadSelfAttention
from minigrad.nn.blocks import Bottleneck
from minigrad.nn.containers import Residual, Sequential
from minigrad.nn.conv import Conv2d
from minigrad.nn.dropout import Dropout
from minigrad.nn.dtypes import DtypeWarning
from minigrad.nn.embedding import ClassToken, PatchEmbedding, PositionEmbedding
from minigrad.nn.initial import he_uniform, lecun_uniform
from minigrad.nn.linear import Linear
from minigrad.nn.models import bagnet, mlp, vit
from minigrad.nn.module import Module
from minigrad.nn.normalization import BatchNorm, LayerNorm
from minigrad.nn.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from minigrad.nn.receptive import receptive_field
from minigrad.nn.shaping import Flatten, Identity
from minigrad.nn.sketch import Saving, Sketchable, set_budgets, set_save, set_vjp
from minigrad.nn.state import IncompatibleKeys
from minigrad.nn.transformer import TransformerBlock

__all__ = [
    "GELU", "AvgPool2d", "BatchNorm", "Bottleneck", "ClassToken", "Conv2d", "Dropout", "DtypeWarning", "Flatten",
    "GlobalAvgPool", "Identity", "IncompatibleKeys", "LayerNorm", "Linear", "MaxPool2d", "Module",
    "MultiHeadSelfAttention", "PatchEmbedding", "PositionEmbedding", "ReLU", "Residual", "Saving", "Sequential",
    "SiLU", "Sigmoid", "Sketchable", "Softplus", "Tanh", "TransformerBlock", "bagnet", "he_uniform",
    "lecun_uniform", "mlp", "models", "receptive_field", "set_budgets", "set_save", "set_vjp", "vit",
]  # fmt: skip
