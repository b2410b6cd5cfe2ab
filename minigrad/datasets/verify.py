"""Read a data file and refuse it unless its content is exactly the published one."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

from minigrad.datasets.datafile import DataFile
from minigrad.datasets.errors import DataError

__all__ = ["checked", "verified_content"]

_CHUNK = 1 << 20


def verified_content(path: Path, file: DataFile, *, label: str = "", remedy: str = "") -> bytes:
    """The decompressed content of a file, after checking its size and its SHA-256.

    Whether it is compressed is told by its first bytes, not by its name: some servers and browsers
    unpack a ``.gz`` on the way and keep the name.

    Parameters
    ----------
    path : Path
        What to read.
    file : DataFile
        What it should be.
    label, remedy : str, optional
        What the message calls it and advises, where the path itself would tell the reader nothing.

    Raises
    ------
    DataError
        When the file cannot be read, breaks off, has another size or another hash.

    Examples
    --------
    >>> import tempfile
    >>> file = DataFile("toy", "labels", "", hashlib.sha256(b"abc").hexdigest(), 3, ("toy",))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels")
    ...     _ = path.write_bytes(b"abc")
    ...     verified_content(path, file)
    b'abc'
    """
    content, damage = _read(path, limit=file.size)
    return checked(content, file, label=label or str(path), remedy=remedy or _remedy(path, file), damage=damage)


def checked(content: bytes, file: DataFile, *, label: str, remedy: str, damage: str = "") -> bytes:
    """The content itself, if it has the size and the SHA-256 that the file should have.

    Parameters
    ----------
    content : bytes
        Decompressed; of content that is too long, one byte more than the right size is enough.
    file : DataFile
        What it should be.
    label, remedy : str
        What the message calls it and advises.
    damage : str, optional
        What went wrong while it was read.

    Raises
    ------
    DataError
        When it is not the published content, or ``damage`` is not empty.

    Examples
    --------
    >>> file = DataFile("toy", "labels", "", hashlib.sha256(b"abc").hexdigest(), 3, ("toy",))
    >>> checked(b"abc", file, label="labels", remedy="Load it again.")
    b'abc'
    """
    if not damage and len(content) == file.size:
        found = hashlib.sha256(content).hexdigest()
        if found == file.sha256:
            return content
        damage = f"expected SHA-256 {file.sha256}, found {found}"
    elif len(content) > file.size:
        damage = f"expected {file.size:,} bytes of content, found more"
    else:
        reason = f" ({damage})" if damage else ""
        damage = f"expected {file.size:,} bytes of content, found {len(content):,}{reason}"
    raise DataError(f"{label} is not {file.name} of {file.dataset}, or it is damaged: {damage}. {remedy}")


def _read(path: Path, limit: int) -> tuple[bytes, str]:
    """At most ``limit`` bytes of content and one more, and what went wrong while reading, if anything."""
    content, damage = bytearray(), ""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            # One byte beyond the limit shows a file that is too long without unpacking all of it.
            while len(content) <= limit:
                # read1 hands out what there is, so a stream that breaks off is counted to its last byte.
                chunk = stream.read1(min(_CHUNK, limit + 1 - len(content)))
                if not chunk:
                    break
                content += chunk
    except EOFError:
        damage = "the gzip stream breaks off"
    except (OSError, zlib.error) as error:
        damage = f"reading failed: {error}"
    return bytes(content), damage


def _remedy(path: Path, file: DataFile) -> str:
    advice = f"delete it and load {file.dataset} again, or replace it with the file from {file.url}."
    if path.parent.name in file.folders:
        return advice[0].upper() + advice[1:]
    return (
        f"If it belongs to another data set (their files can have the same names), leave it, and put those "
        f"of {file.dataset} in a subfolder {file.folders[0]!r} beside it. If not, {advice}"
    )
