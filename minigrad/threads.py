"""One BLAS thread for a run, so that its bits do not hang on how many threads the environment gives."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["one_thread"]


class _Here(threading.local):
    inside = False


_HERE = _Here()
_LOCK = threading.Lock()
_LIMITS: list[tuple[Any, Any]] = []
"""Of the runs under way and those that ended meanwhile, in the order in which they began."""
_under_way = 0


@contextmanager
def one_thread() -> Iterator[None]:
    """A block, or a function that is decorated with it, whose matrix products take one BLAS thread.

    A product that is shared among threads is summed in another order, and its last bits are others. Whatever trains or
    measures from a seed therefore computes in such a block. With one thread, too, several runs side by side do not wait
    for one another.

    Most BLAS libraries have one number of threads for the whole process. It is put back when the last block is left
    that is open in any Python thread; until then no other block sees it change. A block within a block does nothing.

    Warns
    -----
    RuntimeWarning
        If a BLAS library keeps more threads.

    Notes
    -----
    Asking which libraries are loaded takes about a millisecond: once for a run, never for a step. A library that is
    loaded later keeps its threads, but NumPy's is there before any block. What threadpoolctl does not know, as Apple's
    Accelerate, keeps its threads, too.

    Examples
    --------
    >>> from threadpoolctl import threadpool_info
    >>> with one_thread():
    ...     {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} <= {1}
    True
    """
    if _HERE.inside:
        yield
        return
    _begin()
    _HERE.inside = True
    try:
        yield
    finally:
        _HERE.inside = False
        _end()


def _begin() -> None:
    global _under_way
    import scipy.linalg  # noqa: F401  SciPy has a BLAS of its own, which must not be loaded when a run is under way
    from threadpoolctl import ThreadpoolController

    with _LOCK:
        libraries = ThreadpoolController().select(user_api="blas")
        _take_control(libraries)
        # Also where another run has set it: where BLAS takes its threads from OpenMP, each Python thread has a number.
        _LIMITS.append((libraries, libraries.limit(limits=1)))
        _under_way += 1
    kept = [f"{one['filepath']} ({one['num_threads']})" for one in libraries.info() if (one["num_threads"] or 1) > 1]
    if kept:
        warnings.warn(
            f"a BLAS library keeps its threads: {', '.join(kept)}. The last bits of this run may hang on their number; "
            "set it to 1 by the library's environment variable, such as OPENBLAS_NUM_THREADS=1, before Python starts",
            RuntimeWarning,
            stacklevel=5,
        )


def _end() -> None:
    global _under_way
    with _LOCK:
        _under_way -= 1
        if not _under_way:
            while _LIMITS:  # the latest first, for it found the 1 of those before it
                libraries, limit = _LIMITS.pop()
                _take_control(libraries)
                limit.restore_original_limits()
                _take_control(libraries)


def _take_control(libraries: Any) -> None:
    """Let this Python thread set numbers; threadpoolctl 3.8 and later heeds the first that did, and no other."""
    for library in libraries.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)
