"""Dropout: one mask for both ways, from an explicit generator."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops


def test_forward_and_backward_share_the_mask():
    y, pullback = mg.vjp(lambda x: ops.dropout(x, 0.25, rng=1), np.ones(1000))
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    np.testing.assert_array_equal(pullback(np.full(1000, 2.0))[0], 2 * y)
    # Kept: Binomial(1000, 3/4), sd 13.7; 100 is 7.3 sd (false alarm 1e-12), and the seed is fixed.
    assert abs((y > 0).sum() - 750) < 100


def test_the_generator_of_the_tape_drives_it():
    def record(seed):
        with mg.Tape(rng=seed):
            return ops.dropout(np.ones(50)).data, ops.dropout(np.ones(50)).data

    (a, b), (c, d) = record(3), record(3)
    np.testing.assert_array_equal([a, b], [c, d])
    assert not np.array_equal(a, b) and not np.array_equal(a, record(4)[0])


def test_rates():
    x = np.ones(5, np.float32)
    assert ops.dropout(x, 0.0).data.tolist() == [1] * 5 and ops.dropout(x, 0.5).dtype == np.float32
    for rate in (-0.1, 1.0, 2):
        with pytest.raises(ValueError, match=r"dropout: rate=.* must lie in \[0, 1\)"):
            ops.dropout(x, rate)
