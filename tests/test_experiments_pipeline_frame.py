"""Frames: every structure comes back as it was, in the bytes that were announced; whatever is malformed is refused."""

from __future__ import annotations

import ast
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from estimator_cases import every

from minigrad.estimators import StochasticRounding, Then, parse
from minigrad.experiments.pipeline import frame as frames
from minigrad.experiments.pipeline.frame import HEAD_BYTES, FrameError, decode, encode, header_bytes, read_head
from minigrad.experiments.pipeline.items import NAMES
from minigrad.structure import (
    Coded,
    Columns,
    Dense,
    Entries,
    Factors,
    Half,
    Quantised,
    RowGroups,
    Rows,
    Slices,
    Structured,
    dense,
)

RNG = np.random.default_rng(0)
G = (RNG.standard_normal((12, 10)) * np.logspace(-2, 2, 12)[:, None]).astype(np.float32)
IMAGES = RNG.standard_normal((3, 4, 2, 6)).astype(np.float32)


def drawn(text, g=G, seed=0):
    return parse(text).sample(g, None, np.random.default_rng(seed))


class Own(Structured):
    """A structure that the format has never heard of."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    @property
    def parts(self):
        return (self.values,)

    def dense(self):
        return 2 * self.values


class OwnRows(Rows):
    """A subclass that means something else by its arrays."""

    __slots__ = ()

    def dense(self):
        return 3 * super().dense()


STRUCTURES = {
    "dense": G,
    "dense, wrapped": Dense(G),
    "scalar": np.array(2.5),
    "vector": G[0],
    "empty": np.zeros((0, 4), np.float32),
    "no columns": np.zeros((3, 0), np.float32),
    "not contiguous": G.T,
    "of the other byte order": G.astype(">f4"),
    "float16": G.astype(np.float16),
    "float64": G.astype(float),
    "nan and infinity": np.array([[np.nan, np.inf, -0.0]], np.float32),
    "rows": drawn("mask(0.5, axis=row)"),
    "no rows": Rows(np.zeros((0, 10), np.float32), np.zeros(0, np.intp), (12, 10)),
    "samples": drawn("mask(0.5, axis=sample)", IMAGES),
    "rows of images": drawn("mask(0.5, axis=row)", IMAGES),
    "columns": drawn("mask(0.5)"),
    "entries": drawn("mask(0.2, axis=element)"),
    "factors": drawn("lowrank(0.3)"),
    "factors of images": drawn("lowrank(0.5)", IMAGES),
    "slices": drawn("mask(0.5, axis=token)", IMAGES),
    "heads": drawn("mask(0.5, axis=head)", IMAGES),
    "half": drawn("rounding(16)"),
    "optimal bits": drawn("rounding(3, allocation=optimal)"),
    "by distortion": drawn("rounding(distortion=1e-5)"),
    "rows, then 4 bits": drawn("then(mask(0.5, axis=row), rounding(4))"),
    "columns, then 3 bits by optimal": drawn("then(mask(0.5), rounding(3, allocation=optimal))"),
    "entries, then 5 bits": drawn("then(mask(0.5, axis=element), rounding(5))"),
    "low rank, then 8 bits": drawn("then(lowrank(0.3), rounding(8))"),
    "heads, then half": drawn("then(mask(0.5, axis=head), rounding(16))", IMAGES),
    "samples, then 2 bits": drawn("then(mask(0.5, axis=sample), rounding(2))", IMAGES),
    "two sketches": Coded(
        drawn("mask(0.5, axis=row)"), {"values": drawn("mask(0.5)", drawn("mask(0.5, axis=row)").values)}
    ),
    **{
        f"{bits} bits, {axis}, {dither}" + ", images" * (g is IMAGES): StochasticRounding(bits, axis, dither).sample(
            g, None, 1
        )
        for bits in (1, 3, 8)
        for axis in ("row", "column", "block", "tensor")
        for dither in ("plain", "subtractive")
        for g in (G, IMAGES)
    },
}


def same(a, b):
    """Whether two cotangents are of one type and have the same parts, bit for bit."""
    if type(a) is not type(b) or a.shape != b.shape or a.dtype != b.dtype:
        return False
    parts = (a.parts, b.parts) if isinstance(a, Structured) else ((a,), (b,))
    return all(
        x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(*parts, strict=True)
    )


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_comes_back_as_it_was(name):
    g = STRUCTURES[name]
    found = decode(encode(g, 5), step=5, role="cotangent", shape=g.shape, dtype=g.dtype.newbyteorder("="))
    sent = g.dense() if isinstance(g, Dense) else g
    sent = sent.astype(sent.dtype.newbyteorder("=")) if isinstance(sent, np.ndarray) else sent
    assert same(found, sent), (found, sent)
    assert dense(found).tobytes() == dense(sent).tobytes()
    if isinstance(found, np.ndarray):
        assert found.flags.writeable and found.flags.aligned


def test_every_kind_has_been_sent():
    kinds = {type(g) for g in STRUCTURES.values()}
    assert kinds >= {Rows, Columns, Entries, Factors, Slices, Quantised, Half, RowGroups, Coded, np.ndarray}
    assert len(NAMES) == 10


def test_what_every_estimator_returns_goes_as_its_structure():
    """No estimator of the library makes something that would have to be written out."""
    for estimator in every(0.4):
        g = estimator.sample(G, None, np.random.default_rng(3))
        assert same(decode(encode(g)), g), estimator


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_frame_has_the_bytes_of_the_structure_and_those_of_the_header(name):
    g = STRUCTURES[name]
    assert len(encode(g)) == header_bytes(g) + g.nbytes == read_head(encode(g)).length


def test_the_header_of_a_matrix():
    """40 bytes of head, and 8 + 8·2 for the whole, 4 + 8·2 for its array."""
    assert header_bytes(G) == 40 + 24 + 20


@pytest.mark.parametrize(
    "g",
    [
        Own(G),
        OwnRows(G[:2], np.array([1, 3]), G.shape),
        Coded(OwnRows(G[:2], np.array([1, 3]), G.shape), {"values": G[:2]}),
        Coded(Rows(G[:2], np.array([1, 3]), G.shape), {"values": Own(G[:2])}),
    ],
    ids=["a class", "a subclass", "coded", "within"],
)
def test_a_structure_of_ones_own_goes_as_an_array(g):
    found = decode(encode(g))
    assert isinstance(found, np.ndarray) and np.array_equal(found, g.dense())
    assert len(encode(g)) == header_bytes(g) + found.nbytes


def test_a_grid_that_is_not_finite_goes_as_an_array():
    with np.errstate(over="ignore", invalid="ignore"):
        g = StochasticRounding(4).sample(G, None, 0).scaled(1e38)
        assert isinstance(decode(encode(g)), np.ndarray)


@pytest.mark.parametrize("g", [np.arange(3, dtype=np.uint16), np.ones(2, np.longdouble), np.ones(2, complex)])
def test_other_dtypes_are_no_values(g):
    if g.dtype == np.dtype(float):
        pytest.skip("long double is double here")
    with pytest.raises(TypeError, match="float32"):
        encode(g)


def test_the_package_does_not_unpickle():
    for path in Path(frames.__file__).parent.glob("*.py"):
        words = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not words & {"pickle", "eval", "exec", "marshal", "dill"}, path


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
    "an unknown kind": (changed(WHOLE, HEAD_BYTES, "<B", 77), r"kind 77, where 0 \(dense\) to 9 \(coded\)"),
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
    "other tiles": (changed(QUANTISED, FIRST + 24, "<q", 5), r"steps of shape \(12, 1\), where \(3, 1\)"),
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


def test_then_of_each_pair_comes_back():
    for first in ("mask(0.5, axis=row)", "mask(0.5)", "lowrank(0.3)"):
        for second in ("rounding(1)", "rounding(2, allocation=optimal)", "rounding(16)", "mask(0.5)"):
            g = Then(parse(first), parse(second)).sample(G, None, 2)
            assert same(decode(encode(g)), g)
