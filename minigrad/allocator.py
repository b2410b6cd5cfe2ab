"""Memory that is given back, kept for the next step.

A training step asks for the same large arrays again and again. The C library gives each back to the operating system
and fetches it anew, page by page and zeroed, which took a tenth of a transformer's step (docs/performance). It can be
told to keep them.
"""

from __future__ import annotations

import ctypes
import platform

__all__ = ["keep_memory"]

# Numbers of glibc's malloc.h.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
GROW = 64 * 2**20
"""Bytes by which the heap grows at least; untouched pages take no memory."""


def keep_memory() -> bool:
    """Let this process keep the memory that arrays give back, and use it again for the next ones.

    Call it once, before training. It changes the allocator of the whole process: the process stays as large as it ever
    was, and large arrays come from the heap. Nothing else changes; results are the same bits. The command line does it
    by itself.

    Returns
    -------
    bool
        Whether the C library could be told; it is glibc that can, as most Linux systems have it.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.keep_memory() in (True, False)
    True
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # No blocks apart from the heap, which are given back when freed; never trim the heap; grow it in large steps.
    return all(
        [mallopt(setting, value) == 1 for setting, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, -1), (TOP_PAD, GROW))]
    )
