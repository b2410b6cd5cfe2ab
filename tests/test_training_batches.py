"""Batches: full, each pass a permutation, a pure function of the seed and the step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.training import Batches


@st.composite
def sizes(draw):
    samples = draw(st.integers(1, 40))
    return samples, draw(st.integers(1, samples)), draw(st.integers(0, 2**64))


@given(sizes())
def test_batches_are_full_and_each_pass_is_a_permutation(size):
    samples, batch_size, seed = size
    batches = Batches(samples, batch_size, seed)
    steps = batches.steps_per_pass * 3
    seen = [batches[step] for step in range(steps)]
    assert all(len(batch) == batch_size for batch in seen)
    order = np.concatenate(seen)
    for first in range(0, len(order) - samples + 1, samples):
        assert sorted(order[first : first + samples]) == list(range(samples))


@given(sizes(), st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_a_batch_depends_on_seed_and_step_alone(size, steps):
    batches = Batches(*size)
    for step in steps:  # in any order
        assert np.array_equal(batches[step], Batches(*size)[step])


def test_nobody_can_change_what_other_steps_read():
    batches, untouched = Batches(6, 2, 0), Batches(6, 2, 0)
    batches[0][:] = -1
    assert all(np.array_equal(batches[step], untouched[step]) for step in range(3))


def test_passes_and_seeds_differ():
    passes = [tuple(Batches(50, 50, seed)[step]) for seed, step in itertools.product(range(3), repeat=2)]
    assert len(set(passes)) == 9


@pytest.mark.parametrize("batch_size", [0, -1, 7])
def test_a_batch_size_out_of_range(batch_size):
    with pytest.raises(ValueError, match=rf"batch_size={batch_size} must lie in 1 … 6"):
        Batches(6, batch_size, 0)


def test_other_bad_arguments():
    with pytest.raises(TypeError, match=r"batch_size=2\.5 must be a whole number"):
        Batches(6, 2.5, 0)
    with pytest.raises(IndexError, match="step -1 is negative"):
        Batches(6, 2, 0)[-1]
