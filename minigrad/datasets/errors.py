"""The error of this package: a data file that is missing, damaged or not what it should be."""

from __future__ import annotations

__all__ = ["DataError"]


class DataError(Exception):
    """A data set cannot be had: a file is missing, damaged, or not the one it should be.

    The message names the file, what was expected and found, and what to do.

    Examples
    --------
    >>> from minigrad.datasets.idx import parse_idx
    >>> try:
    ...     parse_idx(b"not an IDX file", "labels.gz")
    ... except DataError as error:
    ...     print(error)
    labels.gz is not an IDX file of unsigned bytes: it begins with 6e 6f 74 20, expected 00 00 08 and the
    number of axes. Delete it and load the data set again, or replace it with the official file.
    """
