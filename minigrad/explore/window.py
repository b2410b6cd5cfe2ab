"""The way of a figure to a screen, where there is one."""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["DisplayError", "new_figure", "show"]


class DisplayError(OSError):
    """There is no screen, or no toolkit, to open a window with.

    A command or a notebook may catch it and write a picture instead (``minigrad explore --save``).

    Examples
    --------
    >>> from minigrad.explore import DisplayError
    >>> try:
    ...     raise DisplayError("no display name and no $DISPLAY environment variable")
    ... except OSError as error:       # it is a fault of the surroundings, like a file that cannot be opened
    ...     print(f"no window: {error}")
    no window: no display name and no $DISPLAY environment variable
    """


def new_figure(**options: Any) -> Any:
    """A figure of pyplot.

    Raises
    ------
    DisplayError
        If the backend that is asked for cannot be had here.
    """
    try:
        import matplotlib.pyplot as plt

        return plt.figure(**options)
    except (
        Exception
    ) as error:  # each toolkit has its own: MPLBACKEND=QtAgg without a display, a DISPLAY that is not there
        raise DisplayError(_advice(str(error))) from error


def show(figure: Any, block: bool | None = None) -> None:
    """Bring a figure of pyplot to the screen, and wait until it is closed, unless the session is interactive.

    Raises
    ------
    DisplayError
        If the backend has no windows.
    """
    import matplotlib.pyplot as plt
    from matplotlib.backend_bases import FigureManagerBase

    manager = figure.canvas.manager
    if manager is None or type(manager).show is FigureManagerBase.show:
        raise DisplayError(_advice(f"Matplotlib's backend {plt.get_backend()!r} only writes files"))
    plt.show(block=block)


def _advice(reason: str) -> str:
    """Advice on what to do instead."""
    screen = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ or sys.platform in ("win32", "darwin")
    missing = (
        "Install a toolkit (`pip install PySide6`, or your system's python3-tk), and see that DISPLAY leads to a screen"
        if screen
        else "There is no display here; over ssh, try `ssh -X`"
    )
    return (
        f"no window can be opened: {reason}.\n{missing}.\n"
        "`minigrad explore --save explorer.png` writes the picture instead.\n"
        "In a notebook: `%matplotlib widget` (after `pip install ipympl`), then `minigrad.explore.explore()`."
    )
