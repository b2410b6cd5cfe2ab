"""What goes between the grader and the process of a submission: plain data, and nothing that runs when it is read."""

from __future__ import annotations

import base64
import json

import numpy as np

LONGEST = 1 << 27
"""Bytes of a message. A longer one is taken for the end of the process."""


class Other:
    """Stands for a result that is no plain data: what it was a kind of, and nothing else of it."""

    def __init__(self, kind):
        self.kind = kind


def packed(value):
    """As JSON has it. The *exact* type counts: a subclass may lie about what it is equal to."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind in (list, tuple):
        return {kind.__name__: [packed(item) for item in value]}
    if kind is dict:
        return {"dict": [[packed(key), packed(item)] for key, item in value.items()]}
    if kind is np.ndarray or issubclass(kind, np.number | np.bool_):
        array = np.asarray(value)
        if array.dtype.kind in "biuf" and array.size <= LONGEST // 16:
            data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
            return {"array" if kind is np.ndarray else "number": [array.dtype.str, list(array.shape), data]}
    return {"other": str(kind.__name__)}


def unpacked(value):
    """The inverse of `packed`."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind in ("list", "tuple"):
        items = [unpacked(item) for item in content]
        return items if kind == "list" else tuple(items)
    if kind == "dict":
        return {unpacked(key): unpacked(item) for key, item in content}
    if kind in ("array", "number"):
        dtype, shape, data = content
        array = np.frombuffer(base64.b64decode(data), np.dtype(dtype)).reshape(shape).copy()
        return array if kind == "array" else array[()]
    return Other(content)


def write(stream, message):
    """Send a message, after its length."""
    text = json.dumps(packed(message)).encode()
    stream.write(len(text).to_bytes(8, "little") + text)
    stream.flush()


def read(stream):
    """Wait for a message; None if there is an end in its place, or nonsense."""
    head = stream.read(8)
    length = int.from_bytes(head, "little")
    if len(head) < 8 or length > LONGEST:
        return None
    text = stream.read(length)
    try:
        return unpacked(json.loads(text)) if len(text) == length else None
    except Exception:  # whatever was written there by somebody else than `write`
        return None
