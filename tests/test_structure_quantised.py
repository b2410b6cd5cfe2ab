"""Packed codes, dither, and matrices in a few bits: exact to the code, blockwise products, and no dense copy."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from minigrad import ops
from minigrad.estimators import StochasticRounding
from minigrad.estimators.grids import ends, row_ends
from minigrad.ops.patches import Patches
from minigrad.ops.windows import Windows
from minigrad.structure import Quantised, blockwise, contract, contract_batches, dense, multiply, multiply_batches
from minigrad.structure.dither import WORD, round_up, thresholds, words
from minigrad.structure.packing import pack, packed_width, unpack

BITS = range(1, 9)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("columns", [0, 1, 2, 3, 7, 8, 9, 16, 33])  # divisible by the packing, and not
def test_packing_is_undone(bits, columns):
    codes = np.random.default_rng(0).integers(2**bits, size=(4, columns)).astype(np.uint8)
    packed = pack(codes, bits)
    assert packed.shape == (4, packed_width(columns, bits)) and packed.dtype == np.uint8
    np.testing.assert_array_equal(unpack(packed, columns, bits, np.empty((4, columns), np.float32)), codes)
    assert not np.shares_memory(packed, codes)


@pytest.mark.parametrize("bits", BITS)
def test_packing_wastes_no_bit_of_a_wide_row(bits):
    assert packed_width(1024, bits) == 128 * bits


def test_byte_k_holds_columns_k_and_k_plus_w():
    codes = np.arange(12, dtype=np.uint8).reshape(1, 12) % 4
    codes[0, :3] = [3, 2, 1]
    (packed,) = pack(codes, 2)
    assert len(packed) == 3
    assert [packed[1] >> shift & 3 for shift in (0, 2, 4, 6)] == codes[0, 1::3].tolist()


def test_dither_of_some_rows_is_that_of_all():
    whole = words(3, 0, 20, 7)
    np.testing.assert_array_equal(words(3, 6, 4, 7), whole[6:10])
    assert (words(4, 0, 20, 7) != whole).any()


def every_word():
    return np.arange(2**16, dtype=np.uint16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", [0.0, 1.0, 2.5, 100 + 1 / 3, 254.999, 255.0, 2**-18, 3 + 2**-9])
def test_rounding_is_unbiased_to_2_to_the_minus_17_over_all_words(y, dtype):
    """The mean over all 65536 words is no estimate: whole numbers are exact, all others to half a word."""
    given = np.full(2**16, y, dtype)
    codes = round_up(given * given.dtype.type(WORD), every_word())
    assert set(codes.tolist()) <= {int(y), int(y) + 1}
    assert abs(codes.astype(np.float64).mean() - given[0]) <= 2**-17
    if y == int(y):
        assert set(codes.tolist()) == {int(y)}


def test_that_test_sees_dither_of_eight_bits():
    """Words of 8 bits miss 3 + 2⁻⁹ by 2⁻⁹, of which the bound above is 1/256."""
    coarse = (every_word() >> 8 << 8) + np.uint16(128)
    codes = round_up(np.full(2**16, 3 + 2**-9) * WORD, coarse)
    assert abs(codes.mean() - (3 + 2**-9)) > 200 * 2**-17


@pytest.mark.parametrize("y", [0.3, 2.5, 100 + 1 / 3, 254.999])
def test_a_code_is_up_where_its_threshold_is_below_the_fraction(y):
    """What a dither that is subtracted again rests on; apart from the one word that is as near as rounding."""
    codes = round_up(np.full(2**16, y) * WORD, every_word())
    up = thresholds(every_word(), np.dtype(float)) < y % 1
    assert np.count_nonzero((codes > int(y)) != up) <= 1


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 47, 200])
@pytest.mark.parametrize("subtractive", [False, True])
def test_tiles_of_several_rows_are_stored_as_runs(rows, subtractive):
    """Any rows, of any number that does not divide evenly, are those of the whole; the step bounds each error.

    Blocks are of one size, of 16 rows at most: the last is filled up by less than a row for each of them.
    """
    g = np.random.default_rng(rows).normal(size=(rows, 16)).astype(np.float32)
    estimator = StochasticRounding(4, "block", "subtractive" if subtractive else "plain")
    q = estimator.sample(g, None, 0)
    blocks = -(-rows // 16)
    each = -(-rows // blocks)
    assert q.codes.shape == ((blocks, 8 * each) if rows > 16 else (rows, 8)) and blocks * each - rows < blocks
    whole = q.dense()
    tiles = np.arange(rows) // each
    span = np.array([np.ptp(g[tiles == k]) for k in range(tiles[-1] + 1)])
    assert (np.abs(whole - g) <= 1.001 * span[tiles][:, None] / 15).all()
    for start, stop in [(0, rows), (rows // 3, rows), (rows // 2, rows // 2 + 1), (0, 1)]:
        np.testing.assert_array_equal(q.rows(start, stop), whole[start:stop])
        np.testing.assert_array_equal(dense(q.take_rows(np.arange(start, stop))), whole[start:stop])
    np.testing.assert_array_equal(dense(q.take_rows(np.arange(0, rows, 2))), whole[::2])
    assert q.nbytes == round(estimator.kept(g.shape).value_bytes(g.size, 4))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (700, 16), (4100, 8), (5, 128)])
def test_ends_of_narrow_rows(shape):
    g = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for one, other in zip(row_ends(g), ends(g, (1, shape[1])), strict=True):
        np.testing.assert_array_equal(one, other)


def quantised(shape, bits=4, subtractive=False, seed=0, dtype=np.float64):
    g = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    rows = g.reshape(-1, shape[-1])
    low = rows.min(axis=1, keepdims=True)
    step = (rows.max(axis=1, keepdims=True) - low) / dtype(2**bits - 1)
    return Quantised.rounded(g, low, step, bits, (1, shape[-1]), 5, subtractive), g


@pytest.mark.parametrize("subtractive", [False, True])
def test_an_entry_is_off_by_less_than_a_step(subtractive):
    q, g = quantised((40, 9), subtractive=subtractive)
    off = np.abs(q.dense() - g) / q.step
    assert off.max() < (0.5 + 1e-4 if subtractive else 1) and off.max() > 0.4


@pytest.mark.parametrize("subtractive", [False, True])
@pytest.mark.parametrize("block", [1, 7, 24, 1 << 19])
def test_products_a_block_at_a_time(subtractive, block, monkeypatch):
    """Whatever the size of a block, also one that no number of rows fills."""
    whole = quantised((4, 3, 5), subtractive=subtractive)[0].dense()
    monkeypatch.setattr(blockwise, "BLOCK", block)
    q, _ = quantised((4, 3, 5), subtractive=subtractive)
    other, w = np.random.default_rng(1).normal(size=(4, 3, 2)), np.random.default_rng(2).normal(size=(5, 2))
    flat = whole.reshape(12, 5)
    np.testing.assert_allclose(contract(q, other), flat.T @ other.reshape(12, 2), atol=1e-12)
    np.testing.assert_allclose(contract(other, q), other.reshape(12, 2).T @ flat, atol=1e-12)
    np.testing.assert_allclose(contract(q, q), flat.T @ flat, atol=1e-12)
    np.testing.assert_allclose(multiply(q, w), whole @ w, atol=1e-12)
    np.testing.assert_allclose(multiply(w.T[:, :3], q.take_rows(np.arange(2, 5))), w.T[:, :3] @ flat[2:5], atol=1e-12)
    batches = np.random.default_rng(3).normal(size=(4, 2, 5))
    np.testing.assert_allclose(multiply_batches(q, batches), whole @ batches.swapaxes(1, 2), atol=1e-12)
    np.testing.assert_allclose(multiply_batches(batches, q), batches @ whole.swapaxes(1, 2), atol=1e-12)
    np.testing.assert_allclose(contract_batches(q, other), whole.swapaxes(1, 2) @ other, atol=1e-12)
    np.testing.assert_allclose(contract_batches(other, q), other.swapaxes(1, 2) @ whole, atol=1e-12)
    np.testing.assert_allclose(q.column_sums(), flat.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(q.row_squares(), (whole**2).sum(axis=-1), atol=1e-12)


@pytest.mark.parametrize("subtractive", [False, True])
@pytest.mark.parametrize("at", [[0], [3], [2, 3, 4], [0, 5, 11], []])
def test_some_rows_and_samples(subtractive, at):
    q, _ = quantised((12, 5), subtractive=subtractive)
    np.testing.assert_array_equal(dense(q.take_rows(np.array(at, int))), q.dense()[at])
    image, _ = quantised((12, 2, 3, 5), subtractive=subtractive)
    np.testing.assert_array_equal(dense(image.take_samples(np.array(at, int))), image.dense()[at])
    twice = q.take_rows(np.arange(2, 9)).take_rows(np.arange(3, 5))  # the dither moves along
    np.testing.assert_array_equal(dense(twice), q.dense()[5:7])


def peak(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_products_never_hold_a_dense_copy(monkeypatch):
    monkeypatch.setattr(blockwise, "BLOCK", 1 << 12)
    q, g = quantised((256, 4, 4, 64), dtype=np.float32)
    other = np.ones((256, 4, 4, 3), np.float32)
    windows = Windows((4, 4), (3, 3), (1, 1), (1, 1))
    monkeypatch.setattr("minigrad.ops.windows.BLOCK_BYTES", 1 << 14)
    products = {
        "linear": lambda: contract(other, q),
        "convolution": lambda: contract(Patches(q, windows), other),
        "matmul": lambda: contract_batches(q.reshaped((64, 64)), other.reshape(64, 64, 3)),
    }
    for name, product in products.items():
        assert peak(product) < g.nbytes / 2, name
    assert peak(lambda: q.dense()) > g.nbytes  # the measure sees one


def test_memory_is_a_little_more_than_the_bits():
    q, g = quantised((256, 1024), dtype=np.float32)
    assert q.nbytes == g.nbytes // 8 + 256 * 8
    assert ops.linear.primitive.takes(Quantised) is False  # products with it are no cheaper
