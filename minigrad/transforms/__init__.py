"""Functions of arrays to functions of arrays: derivatives without a tape in sight."""

from minigrad.transforms.reverse import grad, value_and_grad, vjp

__all__ = ["grad", "value_and_grad", "vjp"]
