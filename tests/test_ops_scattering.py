"""Sums over repeated indices: bit by bit those of `numpy.add.at`, on every way there is."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops.scattering import MANY, add_entries, add_rows

SIZES = {"few": 5, "many": MANY}


def added(values, index, shape):
    out = np.zeros(shape, values.dtype)
    np.add.at(out, index, values)
    return out


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("trailing", [(), (1,), (3,), (2, 4)])
@pytest.mark.parametrize("size", SIZES)
def test_rows(size, trailing, dtype):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((SIZES[size], *trailing)).astype(dtype)
    rows = rng.integers(-7, 7, SIZES[size])
    found = add_rows(values, rows, 7)
    assert found.dtype == dtype
    assert found.tobytes() == added(values, rows, (7, *trailing)).tobytes()


def test_values_that_are_not_finite_reach_their_own_row_alone():
    values = np.ones((MANY, 2), np.float32)
    values[5], values[6] = np.inf, np.nan
    rows = np.arange(MANY) % 9
    assert add_rows(values, rows, 9).tobytes() == added(values, rows, (9, 2)).tobytes()


def test_no_values_and_no_rows():
    assert add_rows(np.ones((0, 3)), np.zeros(0, int), 2).tolist() == [[0.0] * 3] * 2
    assert add_entries(np.ones((0, 3)), (np.zeros(0, int),), (0, 3)).shape == (0, 3)


TABLE = np.random.default_rng(1).standard_normal((6, 5, 80))
PLACES = np.random.default_rng(2).integers(-5, 5, (40, 30))

INDEXED = {
    "rows": (lambda x: x[PLACES], lambda x: x[PLACES]),
    "pairs": (lambda x: x[PLACES, PLACES[0]], lambda x: x[PLACES, PLACES[0]]),
    "all axes": (lambda x: x[PLACES, PLACES, PLACES], lambda x: x[PLACES, PLACES, PLACES]),
    "a slice between": (lambda x: x[PLACES, :, PLACES], lambda x: x[PLACES, :, PLACES]),
    **{
        f"take {axis}": (lambda x, a=axis: mg.ops.take(x, PLACES, a), lambda x, a=axis: np.take(x, PLACES, a))
        for axis in (None, 0, 1, 2, -1)
    },
    **{
        f"take_along_axis {axis}": (
            lambda x, a=axis: mg.ops.take_along_axis(x, np.argsort(TABLE, a)[:5, :5] // 2, a),
            lambda x, a=axis: np.take_along_axis(x, np.argsort(TABLE, a)[:5, :5] // 2, a),
        )
        for axis in (2,)
    },
}


@pytest.mark.parametrize("case", INDEXED)
def test_each_operation_that_repeats_indices_is_the_transpose_of_its_choice(case):
    """Σ g·(choice of x) = Σ (pulled back g)·x, and the pulled back g counts where each entry of x went."""
    ours, theirs = INDEXED[case]
    x = mg.Tensor(TABLE[:, :5] if "along" not in case else TABLE[:5, :5], requires_grad=True)
    with mg.Tape() as tape:
        y = ours(x)
    assert np.array_equal(y.data, theirs(x.data))
    g = np.random.default_rng(3).standard_normal(y.shape)
    (found,) = tape.gradients(y, [x], g)
    where = theirs(np.arange(x.size).reshape(x.shape)).ravel()
    assert found.tobytes() == added(g.ravel(), where, x.size).reshape(x.shape).tobytes()
