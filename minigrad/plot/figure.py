"""A Matplotlib figure for a file: no display, no pyplot, and nothing left behind."""

from __future__ import annotations

from typing import Any

__all__ = ["new_figure"]


def new_figure(**options: Any) -> Any:
    """A figure that belongs to no window.

    Parameters
    ----------
    **options
        Of the figure, such as ``figsize``.

    Raises
    ------
    OSError
        If Matplotlib cannot be started, as where the environment asks for a backend that there is not.

    Examples
    --------
    >>> new_figure(figsize=(4, 3)).get_size_inches().tolist()
    [4.0, 3.0]
    """
    try:
        from matplotlib.figure import Figure
    except ValueError as error:  # from MPLBACKEND, or a matplotlibrc
        raise OSError(
            "Matplotlib cannot be started: unset the environment variable MPLBACKEND, or set it to Agg, and see what "
            f"matplotlibrc says ({str(error).partition(';')[0]})"
        ) from error
    return Figure(**options)
