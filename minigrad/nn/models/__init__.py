"""Models by name. Adding one is one function under ``@register``, in a file of its own that is imported here."""

# In the order in which they are listed: the simplest first.
from minigrad.nn.models.perceptron import mlp

# isort: split
from minigrad.nn.models.bagnet import bagnet
from minigrad.nn.models.registry import build, builder, describe, names, register
from minigrad.nn.models.size import Size, size
from minigrad.nn.models.vit import vit

__all__ = ["Size", "bagnet", "build", "builder", "describe", "mlp", "names", "register", "size", "vit"]
