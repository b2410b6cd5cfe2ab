"""`Dataset`: what fits together, flat rows, standardising, and parts of the data."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import datasets
from minigrad.datasets import Dataset


def toy(**changes) -> Dataset:
    x, y = np.zeros((4, 2, 3), np.float32), np.array([0, 1, 1, 0])
    fields = {"name": "toy", "x_train": x, "y_train": y, "x_test": x[:1], "y_test": y[:1]}
    return Dataset(**{**fields, "classes": ("a", "b"), **changes})


def test_dataset_properties_and_flat():
    data = toy(x_train=np.arange(24, dtype=np.float32).reshape(4, 2, 3))
    assert data.input_shape == (2, 3) and data.num_classes == 2
    flat = data.flat()
    assert flat.input_shape == (6,) and flat.x_test.shape == (1, 6)
    assert flat.x_train[1].tolist() == [6, 7, 8, 9, 10, 11]
    assert flat.y_train is data.y_train and flat.classes == data.classes
    assert flat.flat().input_shape == (6,)
    assert "\n" not in repr(data) and len(repr(data)) < 110
    with pytest.raises(AttributeError):
        data.name = "other"


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"x_train": np.zeros((4, 2, 3))}, TypeError, "x_train has dtype float64"),
        ({"y_test": np.zeros(1, np.int32)}, TypeError, "y_test has dtype int32"),
        ({"x_test": [[0.0]]}, TypeError, "x_test is a list"),
        ({"y_train": np.zeros(3, np.int64)}, ValueError, r"\(4, 2, 3\) and y_train \(3,\)"),
        ({"y_train": np.zeros((4, 1), np.int64)}, ValueError, "with the same N"),
        ({"x_test": np.zeros((1, 3, 2), np.float32)}, ValueError, "they must be the same"),
        ({"classes": ("a",)}, ValueError, "labels from 0 to 1"),
        ({"y_train": np.array([0, -1, 1, 0])}, ValueError, "labels from -1 to 1"),
        (
            {"x_test": np.zeros((0, 2, 3), np.float32), "y_test": np.zeros(0, np.int64)},
            ValueError,
            "the test part is empty",
        ),
    ],
)
def test_dataset_refuses_what_does_not_fit(changes, error, says):
    with pytest.raises(error, match=says):
        toy(**changes)


def test_standardising_uses_the_training_part_only():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(2500, 3, 5, 2)) * [0.1, 7] + [3, -1]).astype(np.float32)  # more than two blocks
    y = np.zeros(2500, np.int64)
    data = toy(x_train=x, y_train=y, x_test=x[:7] + 1, y_test=y[:7])
    mean, sd = x.astype(np.float64).mean((0, 1, 2)), x.astype(np.float64).std((0, 1, 2))
    done = data.standardised()
    assert done.x_train.dtype == done.x_test.dtype == np.float32
    np.testing.assert_allclose(done.x_train, (x - mean) / sd, atol=1e-5)
    np.testing.assert_allclose(done.x_test, (x[:7] + 1 - mean) / sd, atol=1e-4)
    assert data.x_train is x and done.y_train is y and done.name == "toy"


def test_standardising_takes_a_feature_of_a_row_as_a_channel_and_only_shifts_what_is_constant():
    rng = np.random.default_rng(0)
    x = rng.random((3000, 3), np.float32)
    x[:, 1] = 0.1
    y = np.zeros(3000, np.int64)
    done = toy(x_train=x, y_train=y, x_test=x[:2] + np.float32(0.5), y_test=y[:2]).standardised()
    np.testing.assert_allclose(done.x_train[:, [0, 2]].std(axis=0), 1, rtol=1e-5)
    assert not done.x_train[:, 1].any()
    np.testing.assert_allclose(done.x_test[:, 1], 0.5, rtol=1e-6)


def test_a_subset_is_the_first_samples_and_says_so():
    data = datasets.digits()
    part = data.subset(train=10, test=5)
    assert np.array_equal(part.x_train, data.x_train[:10]) and np.array_equal(part.y_test, data.y_test[:5])
    assert repr(part).startswith("Dataset('digits[10+5]': 10 for training, 5 for testing")
    assert part.x_train.base is None  # a copy: what was left out can be freed
    assert data.subset(test=5).name == "digits[1442+5]" and len(data.subset(test=5).y_train) == 1442


def test_a_drawn_subset_depends_on_the_seed_alone_and_keeps_samples_with_their_labels():
    n = 200
    x = np.arange(n, dtype=np.float32).reshape(n, 1)
    data = toy(x_train=x, y_train=np.arange(n) % 2, x_test=x, y_test=np.arange(n) % 2)
    part = data.subset(train=20, test=30, seed=4)
    assert part.name == "toy[20+30, seed 4]"
    rows = part.x_train[:, 0].astype(int)
    assert np.array_equal(part.y_train, rows % 2) and (np.diff(rows) > 0).all() and rows.tolist() != list(range(20))
    again = data.subset(train=50, test=30, seed=4)
    assert np.array_equal(again.x_test, part.x_test)  # the test part does not depend on the size of the other
    assert set(rows) < set(again.x_train[:, 0].astype(int))
    assert not np.array_equal(data.subset(train=20, seed=5).x_train, part.x_train)
    assert not np.array_equal(data.subset(train=30, test=30, seed=4).x_train, part.x_test)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"train": 0}, ValueError, r"train=0 must lie in 1 … 4"),
        ({"train": 5}, ValueError, r"train=5 must lie in 1 … 4"),
        ({"test": -1}, ValueError, r"test=-1 must lie in 1 … 1"),
        ({"train": 2.0}, TypeError, r"train=2.0 must be a whole number"),
    ],
)
def test_a_subset_that_cannot_be_is_refused(options, error, says):
    with pytest.raises(error, match=says):
        toy().subset(**options)


def test_one_against_rest():
    x = np.zeros((4, 2), np.float32)
    data = Dataset("three", x, np.array([0, 2, 1, 2]), x[:2], np.array([2, 0]), ("a", "b", "c"))
    two = data.one_against_rest(2)
    assert two.y_train.tolist() == [0, 1, 0, 1] and two.y_test.tolist() == [1, 0]
    assert two.y_train.dtype == np.int64 and two.classes == ("not c", "c") and two.x_train is data.x_train
    with pytest.raises(ValueError, match="one_against_rest: label=3"):
        data.one_against_rest(3)
    with pytest.raises(TypeError, match="one_against_rest: label"):
        data.one_against_rest(0.5)
    with pytest.raises(ValueError, match="no rest"):
        Dataset("one", x, np.zeros(4, np.int64), x, np.zeros(4, np.int64), ("a",)).one_against_rest(0)
