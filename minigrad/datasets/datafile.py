"""A file that a data set needs, as it is known beforehand: its name, its address, its content's hash."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DataFile"]


@dataclass(frozen=True)
class DataFile:
    """One official file of a data set.

    The hash and the size are of the *decompressed* content. Gzip layers of one and the same content
    differ between mirrors and packages; the content does not. An archive of several files (``.tar.gz``)
    is the exception: its own are those of the file as it is published, and `archive` checks its members.

    Parameters
    ----------
    dataset : str
        The data set it belongs to, for messages.
    name : str
        The file's official name, with ``.gz`` when it is distributed compressed.
    url : str
        Where it is published.
    sha256 : str
        SHA-256 of the content, 64 hexadecimal digits.
    size : int
        Bytes of the content.
    folders : tuple of str
        Names that the data set's own folder may have; the first is the one that downloads go to.
    also : tuple of str
        Other names under which mirrors have it, with ``.gz`` likewise.

    Examples
    --------
    >>> file = DataFile("toy", "labels.gz", "http://example.org/labels.gz", "0" * 64, 8, ("toy",))
    >>> file.names
    ('labels.gz', 'labels')
    """

    dataset: str
    name: str
    url: str
    sha256: str
    size: int
    folders: tuple[str, ...]
    also: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which it may lie on disk: as distributed, and unpacked."""
        every = [name for given in (self.name, *self.also) for name in (given, given.removesuffix(".gz"))]
        return tuple(dict.fromkeys(every))
