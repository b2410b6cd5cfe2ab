"""Models by name. Adding one is one function under ``@register``, in a file of its own that is imported here."""

from minigrad.nn.models.perceptron import mlp
from minigrad.nn.models.registry import build, describe, names, register

__all__ = ["build", "describe", "mlp", "names", "register"]
