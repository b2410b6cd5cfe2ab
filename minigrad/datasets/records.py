"""The binary format of CIFAR-10: records of one label byte and three planes of pixels."""

from __future__ import annotations

import numpy as np

from minigrad.datasets.errors import DataError
from minigrad.typing import Array

__all__ = ["RECORD", "parse_records"]

RECORD = 1 + 3 * 32 * 32
"""Bytes of a record."""


def parse_records(content: bytes, name: str = "the content", *, remedy: str = "") -> tuple[Array, Array]:
    """Images and labels from the bytes of a CIFAR-10 batch.

    A record is a label, 0 to 9, and the red, the green and the blue plane of an image, each in C order.

    Parameters
    ----------
    content : bytes
        One record after the other.
    name : str
        What to call it in messages.
    remedy : str, optional
        What a message advises.

    Returns
    -------
    images : ndarray of uint8, shape (N, 32, 32, 3)
        A read-only view of the bytes, channels last.
    labels : ndarray of int64, shape (N,)

    Raises
    ------
    DataError
        When there is no record, the last one is cut short, or a label is not in 0 … 9.

    Examples
    --------
    >>> planes = bytes(1024 * [1]) + bytes(1024 * [2]) + bytes(1024 * [3])
    >>> images, labels = parse_records(bytes([7]) + planes)
    >>> images.shape, images[0, 5, 5].tolist(), labels.tolist()
    ((1, 32, 32, 3), [1, 2, 3], [7])
    """
    remedy = remedy or "Delete it and load the data set again, or replace it with the official file."
    count, left = divmod(len(content), RECORD)
    if left or not count:
        reason = f"it has {count:,} whole records of {RECORD:,} bytes and {left:,} bytes more"
        raise DataError(f"{name} is empty or cut short: {reason}. {remedy}")
    records = np.frombuffer(content, np.uint8).reshape(count, RECORD)
    labels = records[:, 0].astype(np.int64)
    wrong = np.flatnonzero(labels > 9)
    if len(wrong):
        raise DataError(
            f"{name} is not a batch of CIFAR-10: record {wrong[0]:,} has the label {labels[wrong[0]]}, "
            f"and labels lie in 0 … 9. {remedy}"
        )
    return records[:, 1:].reshape(count, 3, 32, 32).transpose(0, 2, 3, 1), labels
