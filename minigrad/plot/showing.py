"""Figures on the screen; or in files, where there is no screen."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["show"]


def show(folder: str | os.PathLike[str] = ".") -> None:
    """Show all open figures of pyplot, or write them where no window can be opened.

    A script that ends with it does the same on a laptop as `matplotlib.pyplot.show`. On a computer without a display,
    where Matplotlib falls back to a backend that only draws, the figures are written as PNG files, named after the
    script, and it is said where. Who has chosen that backend by ``MPLBACKEND`` wants no files, and gets none.

    Parameters
    ----------
    folder : path-like, default "."
        Of the files; it must be there.

    Raises
    ------
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> from minigrad import plot
    >>> plot.show()  # no figure is open
    """
    import matplotlib.pyplot as plt

    numbers = plt.get_fignums()
    if not numbers:
        return
    if plt.get_backend().lower() != "agg":
        plt.show()
        return
    if "MPLBACKEND" in os.environ:
        return
    stem = Path(sys.argv[0]).stem if sys.argv[0].endswith(".py") else "figure"
    written = [Path(folder) / f"{stem}-{place}.png" for place in range(1, len(numbers) + 1)]
    for number, path in zip(numbers, written, strict=True):
        plt.figure(number).savefig(path)
    print("no window can be opened here; written: " + ", ".join(map(str, written)))
