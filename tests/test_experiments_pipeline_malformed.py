"""Frames that are cut short, damaged, of another version, or that lie: refused, with what was expected."""

from __future__ import annotations

import re
import struct
import zlib

import numpy as np
import pytest
from frame_cases import STRUCTURES, G

from minigrad.experiments.pipeline.frame import HEAD_BYTES, FrameError, decode, encode, read_head
from minigrad.structure import (
    Structured,
    dense,
)

# What is malformed


def sealed(frame):
    """The frame with its checksums made right again."""
    frame = bytearray(frame)
    struct.pack_into("<I", frame, 32, zlib.crc32(frame[HEAD_BYTES:]))
    struct.pack_into("<I", frame, 36, zlib.crc32(frame[:36]))
    return bytes(frame)


def changed(frame, at, form, value, seal=True):
    frame = bytearray(frame)
    struct.pack_into(form, frame, at, value)
    return sealed(frame) if seal else bytes(frame)


WHOLE = encode(G, 3)
(NAN,) = struct.unpack("<Q", struct.pack("<d", float("nan")))
ROWS, QUANTISED = encode(STRUCTURES["rows"]), encode(STRUCTURES["3 bits, row, plain"])
POWERS = encode(STRUCTURES["powers of two"])
KEPT = len(STRUCTURES["rows"].indices)
FIRST = HEAD_BYTES + 8  # of the shape
INDICES = len(ROWS) - 8 * KEPT
STEPS = len(QUANTISED) - 2 * 4 * STRUCTURES["3 bits, row, plain"].step.size

MALFORMED = {
    "nothing": (b"", "0 bytes came, where a head has 40"),
    "another thing": (b"GET / HTTP/1.1\r\n" + 40 * b" ", "begins with b'GET / HT', where b'MGWIRE"),
    "half a head": (WHOLE[:39], "39 bytes came, where a head has 40"),
    "the head alone": (WHOLE[:HEAD_BYTES], r"40 bytes came, where its head says 40 \+ 44 \+ 480 = 564"),
    "a byte too few": (WHOLE[:-1], "cut short: 563 bytes came, where .* 564"),
    "a byte too many": (WHOLE + b"\0", "too long: 565 bytes came, where .* 564"),
    "version 0": (changed(WHOLE, 8, "<H", 0), "version 0, where 1 is expected"),
    "a later version": (changed(WHOLE, 8, "<H", 2), "version 2, where 1 is expected; both ends need the same"),
    "role 0": (changed(WHOLE, 10, "<B", 0), "role 0 .* 1 … 2"),
    "role 9": (changed(WHOLE, 10, "<B", 9), "role 9 .* 1 … 2"),
    "a byte that is 0": (changed(WHOLE, 11, "<B", 1), "byte 1, where .* 0"),
    "checksum": (WHOLE[:-1] + b"?", "damaged: checksum 0x.{8}, where its head says 0x"),
    "checksum of the head": (changed(WHOLE, 36, "<I", 7, False), "damaged head: checksum 0x.{8}, where it says 0x0+7"),
    "a payload of terabytes": (changed(WHOLE, 16, "<Q", 1 << 42), "4,398,046,511,188 bytes, where at most"),
    "a payload of nan bytes": (changed(WHOLE, 16, "<Q", NAN), "bytes, where at most 4,294,967,296 are expected"),
    "a longer description": (
        changed(WHOLE[:84] + b"?" + WHOLE[84:], 12, "<I", 45),
        "description of 45 bytes, where 44",
    ),
    "a shorter description": (
        changed(changed(WHOLE, 12, "<I", 43), 16, "<Q", 481),
        "43 bytes ends amid a shape, which takes 44",
    ),
    "an empty description": (
        changed(changed(WHOLE, 12, "<I", 0), 16, "<Q", 524),
        "0 bytes ends amid an item, which takes 8",
    ),
    "an unknown kind": (changed(WHOLE, HEAD_BYTES, "<B", 77), r"kind 77, where 0 \(dense\) to 10 \(powers of two\)"),
    "another kind": (changed(WHOLE, HEAD_BYTES, "<B", 4), "factors .* 1 arrays .* where 0 numbers, 2 arrays"),
    "an unknown dtype": (changed(WHOLE, HEAD_BYTES + 1, "<B", 9), "dtype number 9, where 0 … 4"),
    "values that are indices": (changed(WHOLE, HEAD_BYTES + 1, "<B", 4), "dtype int64, where floating-point"),
    "another dtype": (changed(WHOLE, HEAD_BYTES + 1, "<B", 2), "values of dtype float32, where float64"),
    "more axes": (changed(WHOLE, HEAD_BYTES + 2, "<B", 33), "33 axes, where 32 is the most"),
    "more numbers": (changed(WHOLE, HEAD_BYTES + 3, "<B", 250), "ends amid its numbers"),
    "more arrays": (changed(WHOLE, HEAD_BYTES + 4, "<H", 65535), "ends amid an array"),
    "more items": (changed(WHOLE, HEAD_BYTES + 6, "<H", 65535), "ends amid an item"),
    "a larger shape": (changed(WHOLE, FIRST, "<Q", 13), r"values of shape \(12, 10\), where \(13, 10\)"),
    "a shape of nan": (changed(WHOLE, FIRST, "<Q", NAN), "2⁵⁹"),
    "an array of more rows": (changed(WHOLE, FIRST + 20, "<Q", 13), "payload of 480 bytes, where 520 are expected"),
    "an array of fewer rows": (changed(WHOLE, FIRST + 20, "<Q", 11), "payload of 480 bytes, where 440"),
    "an array of nan rows": (changed(WHOLE, FIRST + 20, "<Q", NAN), "2⁵⁹"),
    "an array of −1 rows": (changed(WHOLE, FIRST + 20, "<q", -1), "2⁵⁹"),
    "rows beyond the last": (changed(ROWS, len(ROWS) - 8, "<q", 12), "increase within 0 … 11"),
    "rows before the first": (changed(ROWS, INDICES, "<q", -1), "increase within 0 … 11"),
    "rows that fall": (changed(ROWS, INDICES, "<q", 11), "increase within 0 … 11"),
    "rows that are nan": (changed(ROWS, INDICES, "<d", float("nan")), "increase within 0 … 11"),
    "9 bits": (changed(QUANTISED, FIRST + 16, "<q", 9), "of 9 bits.*1 … 8"),
    "5 bits in the room of 3": (changed(QUANTISED, FIRST + 16, "<q", 5), r"codes of shape \(12, 5\), where"),
    "tiles of nothing": (changed(QUANTISED, FIRST + 24, "<q", 0), "tiles of 0×10.*1×1 at least"),
    "other tiles": (changed(QUANTISED, FIRST + 24, "<q", 13), r"steps of shape \(12, 1\), where \(1, 1\)"),
    "tiles of rows": (changed(QUANTISED, FIRST + 24, "<q", 5), r"codes of shape \(12, 5\), where \(3, 20\)"),
    "a power beyond all": (changed(POWERS, FIRST + 16, "<q", 500), r"power is 2\^500, where 2\^127 at most"),
    "a negative key": (changed(QUANTISED, FIRST + 48, "<q", -5), "key -5"),
    "a step of nan": (changed(QUANTISED, STEPS, "<f", float("nan")), "steps that are not finite"),
    "an infinite low": (changed(QUANTISED, len(QUANTISED) - 4, "<f", float("inf")), "lows that are not finite"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_refused_with_what_was_expected(name):
    frame, words = MALFORMED[name]
    for form in (bytes, bytearray, memoryview):
        with pytest.raises(FrameError, match=words):
            decode(form(frame))


def test_the_table_is_of_what_would_otherwise_be_read():
    for frame in (WHOLE, ROWS, QUANTISED):
        assert sealed(frame) == frame
        decode(frame)


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"step": 4}, "step 3, where 4 is expected"),
        ({"role": "activation"}, "role 'cotangent', where 'activation' is expected"),
        ({"shape": (10, 12)}, r"shape \(12, 10\), where \(10, 12\)"),
        ({"dtype": np.float64}, "dtype float32, where float64"),
    ],
)
def test_a_sound_frame_that_was_not_expected_is_refused(asked, words):
    with pytest.raises(FrameError, match=words):
        decode(WHOLE, **asked)


@pytest.mark.parametrize("name", ["rows", "low rank, then 8 bits", "optimal bits", "heads, then half"])
def test_no_frame_that_was_cut_is_read(name):
    frame = encode(STRUCTURES[name])
    for length in range(len(frame)):
        with pytest.raises(FrameError, match="cut short"):
            decode(frame[:length])


def test_no_flipped_bit_goes_unseen():
    """A CRC-32 finds every single flip, and the head and the rest have one each: all bits of three frames."""
    for g in (STRUCTURES["rows"], STRUCTURES["columns"], STRUCTURES["low rank, then 8 bits"]):
        frame = encode(g)
        for at in range(len(frame)):
            spoilt = bytearray(frame)
            spoilt[at] ^= 1 << at % 8
            with pytest.raises(FrameError):
                decode(spoilt)


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_frame_that_lies_under_right_checksums_is_refused_or_sound(name):
    """Random bytes, with checksums made right: never another error, and never a structure that cannot be used."""
    rng = np.random.default_rng(1)
    frame = encode(STRUCTURES[name])
    described = HEAD_BYTES + read_head(frame).description
    refused = 0
    with np.errstate(all="ignore"):
        for k in range(150):
            spoilt = bytearray(frame)
            for _ in range(1 + k % 3):
                end = described if k % 4 else len(frame)
                spoilt[rng.integers(8, end)] = rng.integers(256)
            try:
                found = decode(sealed(spoilt), shape=STRUCTURES[name].shape)
            except FrameError as error:
                refused += 1
                assert re.search("where|is expected|ends amid|increase|2⁵⁹", str(error)), error
            else:
                assert dense(found).shape == found.shape
                if isinstance(found, Structured):
                    found.uncoded().row_squares()
    assert refused > 40
