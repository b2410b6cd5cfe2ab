"""Read files out of a tar archive without extracting it: no path in the archive is ever written to."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from minigrad.datasets.datafile import DataFile
from minigrad.datasets.errors import DataError
from minigrad.datasets.verify import checked

__all__ = ["verified_archive", "verified_members"]


def verified_members(
    path: Path, files: Sequence[DataFile], folder: str, *, label: str = "", remedy: str = ""
) -> Iterator[tuple[DataFile, bytes]]:
    """Some files of an archive with their content, each checked by its size and its SHA-256.

    Only regular files whose path in the archive is exactly ``folder/name`` (or ``./folder/name``) are read, into
    memory, and at most one byte more than they should have. Everything else is passed over, whatever it is called.

    Parameters
    ----------
    path : Path
        A tar archive, with or without a gzip layer, which is told by its first bytes.
    files : sequence of DataFile
        What to read.
    folder : str
        The folder within the archive that they are in.
    label, remedy : str, optional
        What the message calls the archive and advises, where the path itself would tell the reader nothing.

    Yields
    ------
    file : DataFile
    content : bytes
        In the order of the archive, so that it is decompressed only once.

    Raises
    ------
    DataError
        When the archive cannot be read, lacks a file (all that it lacks are named), or has another in its place.

    Examples
    --------
    >>> import io, tempfile
    >>> file = DataFile("toy", "a.bin", "", hashlib.sha256(b"abc").hexdigest(), 3, ("toy",))
    >>> with tempfile.TemporaryDirectory() as where:
    ...     path = Path(where, "toy.tar.gz")
    ...     with tarfile.open(path, "w:gz") as archive:
    ...         member = tarfile.TarInfo("toy/a.bin")
    ...         member.size = 3
    ...         archive.addfile(member, io.BytesIO(b"abc"))
    ...     [(file.name, content) for file, content in verified_members(path, [file], "toy")]
    [('a.bin', b'abc')]
    """
    label = label or str(path)
    remedy = remedy or f"Delete it and load {files[0].dataset} again, or replace it with the file from {files[0].url}."
    missing = {f"{folder}/{file.name}": file for file in files}
    damage = ""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with tarfile.open(path, "r:gz" if packed else "r:") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                file = missing.get(name) if member.isreg() else None
                stream = archive.extractfile(member) if file else None
                if file is None or stream is None:
                    continue
                content = stream.read(file.size + 1)
                yield file, checked(content, file, label=f"{name} in {label}", remedy=remedy)
                del missing[name]
                if not missing:
                    return
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        damage = f" Reading it broke off: {error}."
    lacks = ", ".join(missing)
    raise DataError(
        f"{label} is not the archive that it should be, or it is damaged: it lacks {lacks}.{damage} {remedy}"
    )


def verified_archive(
    path: Path, file: DataFile, members: Sequence[DataFile], folder: str, *, label: str = "", remedy: str = ""
) -> None:
    """Raise unless an archive is the published one, or holds the published files under another compression.

    Its SHA-256 settles it where it agrees. Where it does not (a server or a proxy may have unpacked or repacked
    the archive on the way), the files in it decide.

    Raises
    ------
    DataError
        When neither the archive nor the files in it are the published ones.

    Examples
    --------
    >>> import tempfile
    >>> file = DataFile("toy", "toy.tar.gz", "", hashlib.sha256(b"an archive").hexdigest(), 10, ("toy",))
    >>> with tempfile.TemporaryDirectory() as where:
    ...     path = Path(where, "toy.tar.gz")
    ...     _ = path.write_bytes(b"an archive")
    ...     verified_archive(path, file, [file], "toy")     # its sum agrees: no need to look inside
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() == file.sha256:
        return
    remedy = f"Its SHA-256 should be {file.sha256}, and is {digest.hexdigest()}. {remedy}".rstrip()
    for _ in verified_members(path, members, folder, label=label, remedy=remedy):
        pass
