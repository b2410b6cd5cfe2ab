"""Stochastic rounding: unbiased by enumeration, its distortion, its dither, bytes, text, and every odd input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from estimator_cases import moments, normal

import minigrad as mg
from minigrad import inspect, ops
from minigrad.estimators import StochasticRounding, parse, with_budget
from minigrad.estimators.fewest_bits import fewest_bits
from minigrad.inspect import TooManyOutcomes
from minigrad.structure import Half, RowGroups, dense
from minigrad.structure.dither import words

AXES = ("row", "column", "block", "tensor")
PLAIN = [StochasticRounding(bits, axis) for bits in (1, 2, 3, 5, 8) for axis in AXES] + [
    StochasticRounding(2, allocation="optimal"),
    *[StochasticRounding(distortion=omega, axis=axis) for omega in (0.01, 0.3, 50.0) for axis in AXES],
    StochasticRounding(distortion=1e-9),
    *[
        StochasticRounding(bits, axis, ends=e)
        for e in ("largest", "norm")
        for bits in (2, 4)
        for axis in ("row", "tensor")
    ],
]
SUBTRACTIVE = [StochasticRounding(b, axis, "subtractive") for b in (1, 4, 8) for axis in AXES] + [
    StochasticRounding(3, dither="subtractive", allocation="optimal"),
    *[StochasticRounding(distortion=omega, dither="subtractive") for omega in (0.01, 0.3, 50.0)],
]
SHAPES = [(3, 4), (2, 2, 3), (6,), (1, 1), ()]


def cotangent(shape, seed=0, dtype=np.float64):
    """Rows of very different ranges."""
    g = normal(seed, *shape, dtype=dtype)
    return g * np.exp(np.arange(shape[0])).reshape(-1, *(1,) * (len(shape) - 1)).astype(dtype) if len(shape) > 1 else g


@pytest.mark.parametrize("estimator", PLAIN, ids=repr)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_unbiased_and_its_distortion_by_enumeration(estimator, shape):
    g = cotangent(shape)
    total, mean, variance = moments(estimator.outcomes(g))
    assert abs(total - 1) < 1e-12
    np.testing.assert_allclose(mean, g, rtol=0, atol=1e-12 * np.abs(g).max())
    assert estimator.distortion(g) == pytest.approx(variance, rel=1e-9, abs=1e-20)


@pytest.mark.parametrize("estimator", PLAIN, ids=repr)
def test_a_draw_is_one_of_the_outcomes(estimator):
    g = cotangent((3, 3))
    known = [dense(out) for _, out in estimator.outcomes(g)]
    for seed in range(5):
        drawn = dense(estimator.sample(g, None, seed))
        assert min(np.abs(drawn - out).max() for out in known) < 1e-12 * np.abs(g).max()


@pytest.mark.parametrize("estimator", PLAIN + SUBTRACTIVE, ids=repr)
def test_mean_and_distortion_of_draws(estimator):
    """1000 draws of 12 entries, seeds fixed. Each mean is within 5.5 standard errors: false alarm 12·4e-8 a case.

    A bias of a fifth of a step at f = ½ would be 12 standard errors; what is finer is enumerated.
    """
    g = cotangent((3, 4), dtype=np.float32)
    rng = np.random.default_rng(1)
    draws = np.array([dense(estimator.sample(g, None, rng)) for _ in range(1000)], np.float64)
    off = draws - g
    error = off.std(axis=0) / math.sqrt(len(draws))
    assert (np.abs(off.mean(axis=0)) <= 5.5 * error + 3e-5 * np.ptp(g)).all()
    squares = (off**2).sum(axis=(1, 2))
    bound = 5.5 * squares.std() / math.sqrt(len(draws)) + 1e-5 * squares.mean() + 1e-12
    assert abs(squares.mean() - estimator.distortion(g)) <= bound


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_subtractive_dither_has_a_twelfth_of_a_step_whatever_the_value(bits):
    g = np.linspace(0, 1, 9)[None]
    step = 1 / (2**bits - 1)
    off = np.array([dense(StochasticRounding(bits, dither="subtractive").sample(g, None, k)) - g for k in range(1000)])
    assert np.abs(off).max() <= step / 2 * (1 + 1e-4)
    # A uniform error has the fourth moment step⁴/80: the standard error of a variance is step²·√((1/80 − 1/144)/1000).
    assert np.abs((off**2).mean(axis=0) - step**2 / 12).max() < 5.5 * step**2 * math.sqrt((1 / 80 - 1 / 144) / 1000)
    assert StochasticRounding(bits, dither="subtractive").distortion(g) == pytest.approx(9 * step**2 / 12)


def rounded_up(bits_of_a_word, monkeypatch):
    """How many of 2²⁰ entries are rounded up that stand at 2⁻¹⁰ of a step."""
    if bits_of_a_word == 8:
        coarse = lambda *where: (words(*where) & np.uint16(0xFF00)) + np.uint16(128)  # noqa: E731
        monkeypatch.setattr("minigrad.structure.quantised.words", coarse)
    g = np.full((1, 2**20), 2**-10, np.float32)
    g[0, :2] = 0, 1
    return int(StochasticRounding(1).sample(g, None, 0).dense().sum())


def test_the_dither_has_sixteen_bits(monkeypatch):
    """Binomial(2²⁰, 2⁻¹⁰) has mean 1024 and deviation 32. False alarm 4e-8 at 5.5 deviations; seed fixed."""
    assert abs(rounded_up(16, monkeypatch) - 1024) < 5.5 * 32
    assert rounded_up(8, monkeypatch) < 5  # words of 8 bits never round up what stands below 2⁻⁹


@pytest.mark.parametrize("omega", [1e-4, 0.01, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("dither", ["plain", "subtractive"])
def test_a_distortion_is_guaranteed(omega, axis, dither):
    for g in (cotangent((6, 40)), normal(3, 5, 7), np.eye(5)):
        estimator = StochasticRounding(distortion=omega, axis=axis, dither=dither)
        assert estimator.distortion(g) <= omega * np.square(g).sum() * (1 + 1e-9)
        bytes_of = estimator.sample(g, None, 0).nbytes
        assert estimator.adapts and bytes_of <= g.nbytes + 8 * len(g)


def test_a_distortion_takes_fewer_bits_of_rows_of_small_range():
    g = cotangent((6, 40))
    drawn = StochasticRounding(distortion=1e-3).sample(g, None, 0)
    assert isinstance(drawn, RowGroups)
    bits = {int(row): held.bits for rows, held in drawn.groups for row in rows}
    assert bits[0] < bits[5]


def test_optimal_bits_gain_what_theory_says():
    g = cotangent((8, 64))
    equal, optimal = StochasticRounding(4), StochasticRounding(4, allocation="optimal")
    assert equal.distortion(g) / optimal.distortion(g) > 5
    assert optimal.sample(g, None, 0).nbytes <= equal.sample(g, None, 0).nbytes + 8 * len(g)
    alike = normal(0, 8, 64)
    alike = (alike - alike.min(1, keepdims=True)) / np.ptp(alike, axis=1, keepdims=True)
    assert optimal.distortion(alike) == equal.distortion(alike)


def test_exact_values_are_exact():
    """Zeros of a ReLU, equal rows, and points of the grid; in every axis that has them."""
    g = np.maximum(normal(0, 5, 8), 0)
    g[2], g[3] = 0.3, 0
    for bits in (1, 3, 8):
        for seed in range(20):
            drawn = StochasticRounding(bits).sample(g, None, seed).dense()
            assert (drawn[g == 0] == 0).all() and (drawn[2] == 0.3).all()
    whole = np.arange(256.0)[None] * 7 - 30
    np.testing.assert_array_equal(StochasticRounding(8).sample(whole, None, 0).dense(), whole)
    assert StochasticRounding(8).distortion(whole) == StochasticRounding(3).distortion(np.full((4, 5), 0.1)) == 0
    same = np.full((4, 5), 0.1, np.float32)
    np.testing.assert_array_equal(StochasticRounding(4, dither="subtractive").sample(same, None, 0).dense(), same)


@pytest.mark.parametrize("estimator", PLAIN + SUBTRACTIVE + [StochasticRounding(16)], ids=repr)
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_handed_on(estimator, odd):
    g = normal(0, 3, 4)
    g[1, 2] = odd
    assert estimator.sample(g, None, 0) is g
    assert estimator.distortion(g) == 0 and [p for p, _ in estimator.outcomes(g)] == [1.0]


@pytest.mark.parametrize("estimator", PLAIN + SUBTRACTIVE + [StochasticRounding(16)], ids=repr)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
def test_empty_arrays(estimator, shape):
    g = np.zeros(shape, np.float32)
    assert estimator.sample(g, None, 0) is g and estimator.distortion(g) == 0


SCALES = {
    np.float32: [1e-45, 7e-45, 1e-38, 1e-30, 1e30, 1e38],
    np.float64: [5e-324, 4e-323, 1e-307, 1e-38, 1e38, 1e300, 1e307],
}


@pytest.mark.parametrize("dtype, scales", SCALES.items())
@pytest.mark.parametrize("estimator", [e for e in PLAIN + SUBTRACTIVE if e.axis == "row"], ids=repr)
def test_denormals_and_giants(estimator, dtype, scales):
    """Within a step of what it was, and unbiased: enumerated in the scale of the array."""
    for scale in scales:
        with np.errstate(under="ignore"):
            g = (np.array([[0.0, 1.0, 2.6], [-1.3, 0.4, 1.1]]) * scale).astype(dtype)
        top = float(np.abs(g).max())
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            drawn = dense(estimator.sample(g, None, 0))
        assert drawn.dtype == dtype and np.isfinite(drawn).all()
        assert (np.abs(drawn.astype(np.longdouble) - g) <= np.longdouble(top) * 4.1).all()
        if estimator.dither == "plain":
            mean = sum(p * dense(out).astype(np.longdouble) for p, out in estimator.outcomes(g))
            slack = 1e-6 if dtype == np.float32 else 1e-12
            assert (np.abs(mean - g) <= slack * np.longdouble(top) + 1e-20 * np.finfo(dtype).tiny).all()


def test_a_range_beyond_the_largest_float_is_handed_on():
    g = np.array([[-3e38, 3e38]], np.float32)
    assert StochasticRounding(4).sample(g, None, 0) is g
    assert dense(StochasticRounding(4).sample(g.astype(np.float64), None, 0)).tolist() == g.tolist()


@pytest.mark.parametrize("columns", [1, 3, 7, 9, 255, 257, 300])
@pytest.mark.parametrize("estimator", [StochasticRounding(b, a) for b in (1, 2, 3, 4, 7) for a in AXES], ids=repr)
def test_columns_that_the_packing_or_a_block_does_not_divide(estimator, columns):
    g = normal(0, 5, columns, dtype=np.float32)
    drawn = estimator.sample(g, None, 0).dense()
    assert np.abs(drawn - g).max() <= np.ptp(g) / (2**estimator.bits - 1) * (1 + 1e-5)
    assert np.abs(drawn - g).max() > 0 or columns == 1


def test_blocks_are_parts_of_wide_rows_or_several_narrow_ones():
    wide, narrow = normal(0, 2, 600), normal(0, 100, 60)
    assert StochasticRounding(4, "block").sample(wide, None, 0).low.shape == (2, 3)
    assert StochasticRounding(4, "block").sample(narrow, None, 0).low.shape == (25, 1)
    assert StochasticRounding(4, "column").sample(narrow, None, 0).low.shape == (1, 60)
    assert StochasticRounding(4, "tensor").sample(narrow, None, 0).low.shape == (1, 1)


def test_float16_for_contrast_is_biased_and_says_so():
    estimator, g = StochasticRounding(16), normal(0, 3, 4, dtype=np.float32)
    drawn = estimator.sample(g, None, 0)
    assert not estimator.unbiased and StochasticRounding(8).unbiased
    assert isinstance(drawn, Half) and drawn.nbytes == g.nbytes / 2 and drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn.dense(), g.astype(np.float16))
    assert estimator.distortion(g) == pytest.approx(float(np.square(drawn.dense().astype(float) - g).sum()))
    assert estimator.sample(g * 1e6, None, 0).shape == g.shape and np.isfinite(dense(estimator.sample(g * 1e6))).all()


@pytest.mark.parametrize("dtype", [np.float16, np.int64])
def test_other_dtypes(dtype):
    g = np.array([[0, 1, 3], [2, 2, 2]], dtype)
    assert dense(StochasticRounding(2).sample(g, None, 0)).tolist() == g.tolist()


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        ({"bits": 0}, ValueError, "bits=0"),
        ({"bits": -3}, ValueError, "bits=-3"),
        ({"bits": 9}, ValueError, "bits=9 must be 1 to 8, or 16"),
        ({"bits": 32}, ValueError, "bits=32"),
        ({"bits": 10**30}, ValueError, "bits=1"),
        ({"bits": 4.0}, TypeError, "whole number"),
        ({"bits": True}, TypeError, "whole number"),
        ({"bits": "4"}, TypeError, "whole number"),
        ({}, TypeError, "got neither"),
        ({"bits": 4, "distortion": 0.1}, TypeError, "got both"),
        ({"distortion": -1}, ValueError, "distortion=-1"),
        ({"distortion": math.nan}, ValueError, "distortion=nan"),
        ({"bits": 4, "axis": "rows"}, ValueError, "did you mean 'row'"),
        ({"bits": 4, "axis": "sample"}, ValueError, "unknown axis"),
        ({"bits": 4, "dither": "subtract"}, ValueError, "did you mean 'subtractive'"),
        ({"bits": 4, "allocation": "best"}, ValueError, "unknown allocation"),
        ({"bits": 4, "axis": "column", "allocation": "optimal"}, ValueError, "axis='row'"),
        ({"distortion": 0.1, "allocation": "optimal"}, ValueError, "axis='row'"),
        ({"bits": 1, "ends": "largest"}, ValueError, "needs 2 to 8 bits"),
        ({"bits": 16, "ends": "norm"}, ValueError, "needs 2 to 8 bits"),
        ({"distortion": 0.1, "ends": "norm"}, ValueError, "needs 2 to 8 bits"),
        ({"bits": 4, "ends": "max"}, ValueError, "unknown ends"),
    ],
)
def test_bad_arguments(arguments, kind, message):
    with pytest.raises(kind, match=message):
        StochasticRounding(**arguments)


@pytest.mark.parametrize("estimator", PLAIN + SUBTRACTIVE + [StochasticRounding(16)], ids=repr)
def test_text(estimator):
    assert parse(repr(estimator)) == estimator
    assert parse(repr(estimator).replace("StochasticRounding", "rounding").replace("'", "")) == estimator


def test_text_that_is_wrong():
    for text in ("rounding", "rounding(0)", "rounding(9)", "rounding(4, axis=rows)", "rounding(4, 5, 6, 7, 8)"):
        with pytest.raises(ValueError, match="estimator text"):
            parse(text)
    assert parse("rounding(4, column, subtractive)") == StochasticRounding(4, "column", "subtractive")
    with pytest.raises(TypeError, match="no field `budget`"):
        with_budget(StochasticRounding(4), 0.5)


def test_the_budget_of_a_distortion_is_next_to_one():
    """It may need all bits; only where nothing may be lost it is 1, and the array is handed on."""
    assert StochasticRounding(distortion=0.1).budget == math.nextafter(1, 0)
    assert StochasticRounding(distortion=0.0).budget == 1
    assert StochasticRounding(3).budget == 3 / 32


def test_what_is_rare_is_the_way_to_the_unlikely_point():
    """One bit of 0 … 1: .01 is rarely 1, and .98 rarely 0; the parts are what rounding the other way would undo."""
    g = np.array([[0.0, 0.01, 0.5, 0.98, 1.0]])
    one = StochasticRounding(1)
    np.testing.assert_allclose(one.rare(g, 0.015), [[0, 0.01, 0, 0, 0]], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(one.rare(g, 0.03), [[0, 0.01, 0, -0.02, 0]], rtol=1e-12, atol=1e-15)


def test_the_fewest_bits_are_none_where_scales_outweigh_what_they_save():
    """Two rows of two float64 in one byte each are 2 bytes, and their four scales 32: more than the array has."""
    rows = np.array([[0.0, 1.0], [0.0, 8.0]])
    span = np.ptp(rows, axis=1, keepdims=True)
    assert fewest_bits(rows, span, 0.01, "plain", False) == 0
    wide = np.tile(rows, 32)
    assert fewest_bits(wide, span, 0.01, "plain", False) > 0


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_no_entry_lies_beyond_the_last_point(bits):
    """The largest of each row is the last point, or just below; division may round it to just beyond."""
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((500, 7)).astype(np.float32)
    one = StochasticRounding(bits, "row")
    _, f, _ = one._fractions(whole, one._grids(whole))
    last = f[np.arange(500), whole.argmax(axis=1)]
    assert ((last == 0) | (last > 0.999)).all() and (last == 0).any()


def test_too_many_outcomes():
    with pytest.raises(TooManyOutcomes, match="too many to list"):
        StochasticRounding(4).outcomes(normal(0, 8, 8))
    with pytest.raises(NotImplementedError, match="continuum"):
        StochasticRounding(4, dither="subtractive").outcomes(normal(0, 2, 2))


@pytest.mark.parametrize("estimator", PLAIN[:20] + SUBTRACTIVE[:12] + [StochasticRounding(16), PLAIN[20]], ids=repr)
@pytest.mark.parametrize("columns", [64, 61])
def test_expected_bytes_are_those_that_are_stored(estimator, columns):
    g = cotangent((32, columns), dtype=np.float32) / np.float32(1e12)  # within float16
    w = mg.Tensor(normal(1, columns, 3, dtype=np.float32), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(mg.Tensor(normal(2, 32, 3, dtype=np.float32), requires_grad=True), w, vjp=estimator)
    (node,) = inspect.cost(tape, y, cotangent=g, draws=1, rng=0).nodes
    stored = estimator.sample(g, None, 0).nbytes
    if estimator.allocation == "optimal":  # rows of odd width end in part of a byte, and indices are of 8 bytes
        assert stored == pytest.approx(node.wire_bytes, rel=0.05)
    else:
        assert node.wire_bytes == pytest.approx(stored)
    assert node.backward_exact < node.backward  # rounding spares no operation, and takes some


def test_bytes_of_a_distortion_are_measured():
    g = cotangent((32, 64), dtype=np.float32)
    estimator = StochasticRounding(distortion=0.01)
    w = mg.Tensor(normal(1, 64, 3, dtype=np.float32), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(normal(2, 32, 3, dtype=np.float32), w, vjp=estimator)
    assert inspect.cost(tape).nodes[0].bound and inspect.cost(tape).nodes[0].wire_bytes == g.nbytes
    measured = inspect.cost(tape, y, cotangent=g, rng=0).nodes[0]
    assert not measured.bound and measured.wire_bytes == pytest.approx(estimator.sample(g, None, 0).nbytes)


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 9, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", AXES)
def test_a_distortion_never_stores_more_than_the_array(columns, dtype, axis):
    """Narrow rows of very different ranges: where some are stored in bits, the whole is smaller."""
    rng = np.random.default_rng(columns)
    g = (rng.standard_normal((301, columns)) * np.exp(2 * rng.standard_normal((301, 1)))).astype(dtype)
    drawn = StochasticRounding(distortion=0.01, axis=axis).sample(g, None, 0)
    assert drawn.nbytes <= g.nbytes and (drawn is g or drawn.nbytes < g.nbytes)
    assert columns < 40 or drawn is not g or axis != "row"
    for rows, held in getattr(drawn, "groups", ()):  # nor does any row by itself
        assert isinstance(held, np.ndarray) or held.nbytes + rows.nbytes < len(rows) * g[0].nbytes


def test_a_few_rows_in_bits_do_not_make_up_for_the_indices_of_all():
    g = normal(0, 301, 40, dtype=np.float32)
    g[7] = 0.5
    estimator = StochasticRounding(distortion=1e-9)
    assert estimator.sample(g, None, 0) is g and estimator.distortion(g) == 0
    g[:290] = 0.5
    assert estimator.sample(g, None, 0).nbytes < g.nbytes / 2


@pytest.mark.parametrize("shape", [(90, 3), (301, 1), (17, 16), (64, 16), (5, 300)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_expected_bytes_of_blocks_and_of_optimal_bits(shape, dtype):
    g = normal(0, *shape, dtype=dtype) * np.exp(normal(1, shape[0], 1)).astype(dtype)
    for estimator in (StochasticRounding(4, "block"), StochasticRounding(3, "block"), StochasticRounding(8)):
        kept = estimator.kept(shape)
        assert kept.structure.expected_bytes(kept, shape, g.itemsize) == estimator.sample(g, None, 0).nbytes
    optimal = StochasticRounding(3, allocation="optimal")
    kept, drawn = optimal.kept(shape), optimal.sample(g, None, 0)
    codes = sum(held.codes.nbytes for _, held in drawn.groups)
    fixed = drawn.nbytes - codes  # scales and indices; the codes fill bytes row by row
    assert kept.structure.expected_bytes(kept, shape, g.itemsize) - 3 * g.size / 8 == pytest.approx(fixed)


@pytest.mark.parametrize(
    "estimator", [*SUBTRACTIVE, StochasticRounding(4, dither="subtractive", ends="norm")], ids=repr
)
@pytest.mark.parametrize("scale", [3e38, 2e38, 1e38])
def test_subtracted_dither_does_not_reach_beyond_the_largest_float(estimator, scale):
    """Half a step beyond the ends; an array for which that is too far is handed on."""
    g = (np.array([[1.0, -0.1, 0.05], [0.3, -0.7, 1.1]]) * scale).astype(np.float32)
    g = np.clip(g, -3.3e38, 3.3e38)
    for seed in range(6):
        with np.errstate(over="raise", invalid="raise"):
            drawn = estimator.sample(g, None, seed)
            assert np.isfinite(dense(drawn)).all()


@pytest.mark.parametrize("estimator", [PLAIN[3], PLAIN[20], SUBTRACTIVE[0], StochasticRounding(16)], ids=repr)
def test_as_a_vjp_it_gives_the_gradients_of_what_it_writes_out(estimator):
    class Written(mg.Estimator):
        def sample(self, g, node, rng):
            return dense(estimator.sample(g, node, rng))

    def gradients(vjp):
        shapes = [(2, 5, 5, 4), (3, 3, 4, 6), (4, 6), (2, 4, 25)]
        x, k, w, a = [mg.Tensor(normal(i, *shape), requires_grad=True) for i, shape in enumerate(shapes)]
        with mg.Tape() as tape:
            h = ops.linear(ops.conv2d(x, k, padding=1, vjp=vjp).tanh(), w, vjp=vjp).reshape((2, 25, 4))
            y = ops.gelu(ops.matmul(a, h, vjp=vjp), vjp=vjp).sum(axis=-1, vjp=vjp)
        return tape.gradients(y, [x, k, w, a], normal(5, 2, 4), rng=3)

    for got, expected in zip(gradients(estimator), gradients(Written()), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.slow
def test_inspections():
    """Exact moments by enumeration, contributions by node that sum up, and a test of the mean that passes."""
    w = mg.Tensor(normal(1, 2, 3), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(normal(2, 2, 3), w, vjp=StochasticRounding(2)).tanh(vjp=StochasticRounding(1)).sum()
    exact = inspect.exact_moments(tape, y)
    assert inspect.unbiasedness(tape, y, rng=0).passed
    found = inspect.variance(tape, y, draws=1000, rng=0)
    assert found.total == pytest.approx(exact.total_variance, rel=0.3)
