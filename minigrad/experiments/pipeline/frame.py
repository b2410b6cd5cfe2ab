"""Frames: activations and structured cotangents as bytes, without pickle, and back.

A frame is a head, a description and a payload, one after the other, in little-endian order (docs/guide/wire.rst):

    head           40 bytes  magic, version, role, lengths, step, and two checksums (CRC-32)
    description              one item: kind, dtype, shape, whole numbers, and the lengths of its arrays; then its items
    payload                  the arrays in that order, in C order, with nothing in between

The lengths in the head have a checksum of their own, so that a receiver may trust them before the rest has come. The
checksums find what was damaged. They are no proof of who sent it: a frame is for machines that trust each other.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from minigrad.experiments.pipeline.description import Reader, arrays_of, described, wire_dtype
from minigrad.experiments.pipeline.items import LayoutError
from minigrad.experiments.pipeline.putting_together import put_together
from minigrad.experiments.pipeline.taking_apart import taken_apart
from minigrad.structure import Cotangent
from minigrad.typing import Shape

__all__ = ["HEAD_BYTES", "MOST_BYTES", "VERSION", "FrameError", "Head", "Role", "decode", "encode", "header_bytes",
           "read_head"]  # fmt: skip

MAGIC = b"MGWIRE\r\n"
"""Its end is what a channel for text would spoil."""

VERSION = 1

Role = Literal["activation", "cotangent"]
"""The use of a frame; numbered from 1."""

HEAD = struct.Struct("<8sHBxIQQI")
CHECK = struct.Struct("<I")
HEAD_BYTES = HEAD.size + CHECK.size

MOST_BYTES = 1 << 32
"""Of a frame, unless the receiver knows better."""


class FrameError(ValueError):
    """Bytes that are no frame, or not the one that was expected.

    Examples
    --------
    >>> try:
    ...     decode(encode(np.ones(3))[:-1])
    ... except FrameError as error:
    ...     print(error)
    frame: cut short: 91 bytes came, where its head says 40 + 28 + 24 = 92
    """


@dataclass(frozen=True)
class Head:
    """The head of a frame.

    Attributes
    ----------
    role : str
    step : int
        Of training.
    description, payload : int
        Bytes that follow.
    checksum : int
        CRC-32 of these.

    Examples
    --------
    >>> read_head(encode(np.ones((2, 3), np.float32), step=7))
    Head(role='cotangent', step=7, description=44, payload=24, checksum=...)
    """

    role: Role
    step: int
    description: int
    payload: int
    checksum: int

    @property
    def length(self) -> int:
        """Bytes of the whole frame."""
        return HEAD_BYTES + self.description + self.payload


def encode(g: Cotangent, step: int = 0, role: Role = "cotangent") -> bytes:
    """An array or a structured cotangent as a frame.

    Parameters
    ----------
    g : ndarray or structured cotangent
        Of float16, float32 or float64. A structure that the format does not know, such as one of your own, goes as an
        array.
    step : int, default 0
        Of training, in 0 … 2⁶⁴ − 1.
    role : {"cotangent", "activation"}

    Raises
    ------
    TypeError
        If it has values of another dtype.

    Examples
    --------
    >>> from minigrad.estimators import StochasticRounding
    >>> g = np.random.default_rng(0).standard_normal((64, 100)).astype(np.float32)
    >>> rounded = StochasticRounding(4).sample(g, None, 0)
    >>> frame = encode(rounded)
    >>> len(encode(g)), len(frame), len(frame) == header_bytes(rounded) + rounded.nbytes
    (25684, 3884, True)
    >>> np.array_equal(decode(frame).dense(), rounded.dense())
    True
    """
    whole = taken_apart(g)
    description = b"".join(described(whole))
    payload = b"".join([np.ascontiguousarray(array, wire_dtype(array)).tobytes() for array in arrays_of(whole)])
    checksum = zlib.crc32(payload, zlib.crc32(description))
    number = get_args(Role).index(role) + 1
    head = HEAD.pack(MAGIC, VERSION, number, len(description), len(payload), step, checksum)
    return head + CHECK.pack(zlib.crc32(head)) + description + payload


def header_bytes(g: Cotangent) -> int:
    """Bytes of a frame beside the arrays: its head and its description.

    Examples
    --------
    >>> header_bytes(np.ones((2, 3), np.float32))
    84
    """
    return HEAD_BYTES + sum(map(len, described(taken_apart(g))))


def decode(
    frame: bytes | bytearray | memoryview,
    *,
    role: Role | None = None,
    step: int | None = None,
    shape: Shape | None = None,
    dtype: Any = None,
) -> Cotangent:
    """The array or structured cotangent of a frame.

    Parameters
    ----------
    frame : bytes-like
        All of it.
    role, step, shape, dtype : optional
        The ones that are expected; others are refused.

    Raises
    ------
    FrameError
        If it is cut short or has bytes too many, is of another version or damaged, if its lengths, indices or grids
        contradict each other, or it is not the one that was expected. The message says what was.

    Examples
    --------
    >>> decode(encode(np.array([[1.0, 2.0]])), shape=(1, 2)).tolist()
    [[1.0, 2.0]]
    >>> decode(encode(np.array([[1.0, 2.0]])), shape=(2, 1))
    Traceback (most recent call last):
        ...
    minigrad.experiments.pipeline.frame.FrameError: frame: shape (1, 2), where (2, 1) is expected
    """
    view = memoryview(frame)
    head = read_head(view)
    expected = f"{HEAD_BYTES} + {head.description} + {head.payload} = {head.length}"
    if len(view) != head.length:
        what = "cut short" if len(view) < head.length else "too long"
        raise FrameError(f"frame: {what}: {len(view)} bytes came, where its head says {expected}")
    if role is not None and head.role != role:
        raise FrameError(f"frame: role {head.role!r}, where {role!r} is expected")
    if step is not None and head.step != step:
        raise FrameError(f"frame: step {head.step}, where {step} is expected")
    checksum = zlib.crc32(view[HEAD_BYTES:])
    if checksum != head.checksum:
        raise FrameError(f"frame: damaged: checksum {checksum:#010x}, where its head says {head.checksum:#010x}")
    reader = Reader(view[HEAD_BYTES : HEAD_BYTES + head.description], view[HEAD_BYTES + head.description :])
    try:
        item = reader.item(0)
        reader.end()
        if shape is not None and item.shape != tuple(shape):
            raise LayoutError(f"shape {item.shape}, where {tuple(shape)} is expected")
        if dtype is not None and item.dtype != np.dtype(dtype):
            raise LayoutError(f"dtype {item.dtype}, where {np.dtype(dtype)} is expected")
        return put_together(item)
    except LayoutError as error:
        raise FrameError(f"frame: {error}") from error


def read_head(frame: bytes | bytearray | memoryview, most: int = MOST_BYTES) -> Head:
    """The head of a frame, from its first bytes.

    Parameters
    ----------
    frame : bytes-like
        At least `HEAD_BYTES`.
    most : int
        A longer frame is refused before anything is made room for.

    Raises
    ------
    FrameError
        If it is no head of this version, or a damaged one.

    Examples
    --------
    >>> read_head(encode(np.ones(2))[:30])
    Traceback (most recent call last):
        ...
    minigrad.experiments.pipeline.frame.FrameError: frame: cut short: 30 bytes came, where a head has 40
    """
    start = bytes(frame[:HEAD_BYTES])
    if start[: len(MAGIC)] != MAGIC[: len(start)]:
        raise FrameError(f"frame: begins with {start[: len(MAGIC)]!r}, where {MAGIC!r} is expected")
    if len(start) < HEAD_BYTES:
        raise FrameError(f"frame: cut short: {len(start)} bytes came, where a head has {HEAD_BYTES}")
    _, version, role, description, payload, step, checksum = HEAD.unpack_from(start)
    if version != VERSION:
        raise FrameError(
            f"frame: version {version}, where {VERSION} is expected; both ends need the same version of minigrad"
        )
    (said,) = CHECK.unpack_from(start, HEAD.size)
    found = zlib.crc32(start[: HEAD.size])
    if found != said:
        raise FrameError(f"frame: damaged head: checksum {found:#010x}, where it says {said:#010x}")
    roles = get_args(Role)
    if not 1 <= role <= len(roles) or start[11]:
        raise FrameError(f"frame: role {role} and byte {start[11]}, where 1 … {len(roles)} and 0 are expected")
    head = Head(roles[role - 1], step, description, payload, checksum)
    if head.length > most:
        raise FrameError(f"frame: {head.length:,} bytes, where at most {most:,} are expected")
    return head
