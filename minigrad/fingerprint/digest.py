"""Checksums."""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["digest"]


def digest(*parts: Any) -> str:
    """A checksum of bytes.

    Examples
    --------
    >>> digest(b"a", b"b") == digest(b"ab")
    True
    """
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return f"sha256 {total.hexdigest()}"
