"""Models by name. Adding one is one function under ``@register``, in a file of its own that is imported here."""

from minigrad.nn.models.bagnet import bagnet, bagnet_group
from minigrad.nn.models.building import build, builder, canonical, describe, names, register
from minigrad.nn.models.perceptron import mlp
from minigrad.nn.models.size import Size, size
from minigrad.nn.models.vit import vit

__all__ = [
    "Size", "bagnet", "bagnet_group", "build", "builder", "canonical", "describe", "mlp", "names", "register", "size",
    "vit",
]  # fmt: skip
