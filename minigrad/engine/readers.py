"""Who asks a tensor for a plain array, for messages."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["reader"]


def reader() -> str:
    """The function of SciPy's that the user called and that asks for an array now, or else NumPy.

    Functions of SciPy's that are written in Python hand tensors to ``np.asarray``, which names nobody. Where decorators
    of SciPy's do that before the function is called, it is SciPy without a name.
    """
    frame: FrameType | None = sys._getframe(1)
    found = "NumPy"
    while frame is not None:
        module, name = str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        package = module.partition(".")[0]
        if package == "scipy":
            named = not module.startswith("scipy._lib") and not name.startswith(("_", "<")) and name != "wrapper"
            found = f"SciPy's {name}" if named else "SciPy" if found == "NumPy" else found
        if package not in ("scipy", "numpy", "minigrad"):
            break
        frame = frame.f_back
    return found
