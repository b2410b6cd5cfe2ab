"""Memory that is given back, kept for the next step.

A training step asks for the same large arrays again and again. The C library gives each back to the operating system
and fetches it anew, page by page and zeroed, which took a tenth of a transformer's step (docs/performance).

glibc learns from what is freed: a block that came from the system by itself, as large ones do, shows when it is given
back that blocks of this size come and go; from then on it takes them from its heap, and keeps twice as much of that.
``import minigrad`` shows it a block of the largest size that it learns from, at once and untouched. Whoever does not
want that sets the environment variable ``MINIGRAD_KEEP_MEMORY=0`` before the import. `keep_memory` goes further.
"""

from __future__ import annotations

import ctypes
import os
import platform

import numpy as np

__all__ = ["keep_memory", "show_large_block"]

# Numbers of glibc's malloc.h.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
GROW = 64 * 2**20
"""Bytes by which the heap grows at least; untouched pages take no memory."""

LEARNT = 32 * 2**20 - 2**13
"""Bytes of the largest block that glibc learns from (DEFAULT_MMAP_THRESHOLD_MAX on 64 bits), less what it adds."""


def show_large_block() -> None:
    """Make and free one block that is never touched: glibc then keeps up to 64 MiB of freed memory for the next arrays.

    Other C libraries just take it back. It takes some microseconds, and no memory. It is left out where the environment
    says ``MINIGRAD_KEEP_MEMORY=0``.
    """
    if os.environ.get("MINIGRAD_KEEP_MEMORY") != "0":
        np.empty(LEARNT, np.uint8)


def keep_memory() -> bool:
    """Let this process keep all the memory that arrays give back, and use it again for the next ones.

    As it is imported, minigrad lets glibc keep 64 MiB, and arrays of up to 32 MiB, unless the environment variable
    ``MINIGRAD_KEEP_MEMORY`` is 0. This is for larger ones.
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
