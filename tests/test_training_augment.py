"""Augmentation: exact properties of crops and flips, and their frequencies."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from minigrad.training.augment import Augment, random_crop, random_flip


def images(count: int, height: int = 5, width: int = 6, channels: int = 2) -> np.ndarray:
    """Every number different and none of them 0, so that each pixel tells where it came from."""
    return np.arange(1, count * height * width * channels + 1, dtype=np.float32).reshape(count, height, width, channels)


def all_crops(image: np.ndarray, padding: int) -> list[np.ndarray]:
    """The crops of one image, written out: what is shifted in is 0."""
    height, width, _ = image.shape
    crops = []
    for down in range(-padding, padding + 1):
        for right in range(-padding, padding + 1):
            crop = np.zeros_like(image)
            for i in range(height):
                for j in range(width):
                    if 0 <= i - down < height and 0 <= j - right < width:
                        crop[i, j] = image[i - down, j - right]
            crops.append(crop)
    return crops


@pytest.mark.parametrize("padding", [1, 2, 4])
def test_each_output_is_one_of_the_crops_of_its_own_image_and_all_occur(padding):
    x = images(300)
    before = x.copy()
    y = random_crop(padding)(x, np.random.default_rng(0))
    assert y.shape == x.shape and y.dtype == np.float32 and y.flags.c_contiguous
    assert np.array_equal(x, before) and not np.shares_memory(x, y)
    places = []
    for image, output in zip(x, y, strict=True):
        (place,) = [k for k, crop in enumerate(all_crops(image, padding)) if np.array_equal(crop, output)]
        places.append(place)
    # Rows and columns are drawn apart: each of the 2·padding + 1 shifts occurs on both axes. P(one of at most nine is
    # missed by 300 images) ≤ 18·(8/9)^300 < 1e-14.
    side = 2 * padding + 1
    assert {place // side for place in places} == {place % side for place in places} == set(range(side))


def test_crops_are_equally_likely():
    # χ² with 24 degrees of freedom for the 25 crops of padding 2 among 20,000 images. P(χ² > 93) = 6e-10: the
    # false-alarm rate, were the seed not fixed. A crop of twice its share (in 20,000 images) gives χ² ≈ 800.
    x = np.zeros((20_000, 5, 5, 1), np.float32)
    x[:, 2, 2] = 1
    y = random_crop(2)(x, np.random.default_rng(1))
    counts = y.sum(axis=(0, 3)).ravel()
    assert counts.sum() == 20_000 and counts.min() > 0
    assert ((counts - 800) ** 2 / 800).sum() < 93


def test_flips_mirror_the_width_of_each_image_or_leave_it():
    x = images(64)
    before = x.copy()
    y = random_flip()(x, np.random.default_rng(0))
    same = (y == x).all(axis=(1, 2, 3))
    mirrored = (y == x[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all() and same.any() and mirrored.any()
    assert y.dtype == np.float32 and np.array_equal(x, before) and not np.shares_memory(x, y)


@pytest.mark.parametrize("probability", [0.5, 0.2])
def test_flips_have_their_probability(probability):
    # A binomial count of 40,000 within 6.2 standard deviations: false-alarm rate 6e-10, were the seed not fixed.
    # A probability that is off by 0.03 is at least 12 deviations away, and is found with power 1 - 1e-8.
    count = 40_000
    x = np.tile(np.array([1, 2], np.float32).reshape(1, 1, 2, 1), (count, 1, 1, 1))
    flipped = (random_flip(probability)(x, np.random.default_rng(2))[:, 0, 0, 0] == 2).sum()
    assert abs(flipped - count * probability) < 6.2 * np.sqrt(count * probability * (1 - probability))


def test_certain_cases_are_exact():
    x, rng = images(9), np.random.default_rng(0)
    assert np.array_equal(random_flip(0)(x, rng), x)
    assert np.array_equal(random_flip(1)(x, rng), x[:, :, ::-1])
    assert np.array_equal(random_flip(1)(random_flip(1)(x, rng), rng), x)
    assert np.array_equal(random_crop(0)(x, rng), x)
    assert np.array_equal(Augment()(x, rng), x)


@pytest.mark.parametrize("step", [random_crop(2), random_flip(), Augment(random_crop(1), random_flip(0.3))])
def test_the_generator_decides_and_nothing_else(step):
    x = images(32)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (step(x, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert np.array_equal(step(x.astype(np.float64), np.random.default_rng(5)), first)  # another dtype, same draws
    rng = np.random.default_rng(5)
    assert not np.array_equal(step(x, rng), step(x, rng))  # the next batch has draws of its own


def test_steps_go_one_after_the_other():
    x, shift = images(16), random_crop(1)
    composed = Augment(shift, random_flip(1))(x, np.random.default_rng(3))
    assert np.array_equal(composed, shift(x, np.random.default_rng(3))[:, :, ::-1])
    nested = Augment(Augment(shift), random_flip(1))
    assert np.array_equal(nested(x, np.random.default_rng(3)), composed)
    brighter = Augment(lambda batch, rng: batch + 1)
    assert np.array_equal(brighter(x, np.random.default_rng(0)), x + 1)


def test_they_are_values_that_print_compare_and_travel():
    augment = Augment(random_crop(4), random_flip())
    assert repr(augment) == "Augment(random_crop(4), random_flip(0.5))"
    assert eval(repr(augment)) == augment == pickle.loads(pickle.dumps(augment))
    assert augment != Augment(random_flip(), random_crop(4)) and hash(augment) == hash(eval(repr(augment)))
    with pytest.raises(AttributeError):
        augment.steps = ()


def test_a_view_and_an_empty_batch_are_fine():
    x = images(8)
    assert np.array_equal(
        random_crop(1)(x[::-2], np.random.default_rng(0)), random_crop(1)(x[::-2].copy(), np.random.default_rng(0))
    )
    assert Augment(random_crop(1), random_flip())(x[:0], np.random.default_rng(0)).shape == (0, 5, 6, 2)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: random_crop(-1), ValueError, "padding=-1 must be at least 0"),
        (lambda: random_crop(1.5), TypeError, "padding=1.5 must be a whole number"),
        (lambda: random_crop(5)(images(2), np.random.default_rng(0)), ValueError, "padding=5 must be less than 5"),
        (lambda: random_flip(1.5), ValueError, "probability=1.5 must lie in 0 … 1"),
        (lambda: random_flip(float("nan")), ValueError, "must lie in 0 … 1"),
        (lambda: Augment(random_flip), TypeError, r"write random_flip\(…\)"),
        (lambda: Augment(3), TypeError, "3 is not callable"),
        (lambda: random_crop(1)(images(2)[0], np.random.default_rng(0)), ValueError, r"found \(5, 6, 2\)"),
        (lambda: random_flip()(images(2).reshape(2, -1), np.random.default_rng(0)), ValueError, "rows of features"),
        (lambda: random_flip()(images(2), 0), TypeError, "rng is a int; give a Generator"),
        (
            lambda: Augment(lambda x, rng: x[:, 1:])(images(2), np.random.default_rng(0)),
            ValueError,
            r"made float32 of shape \(2, 4, 6, 2\) from float32 of shape \(2, 5, 6, 2\)",
        ),
        (lambda: Augment(lambda x, rng: x * 1j)(images(2), np.random.default_rng(0)), ValueError, "made complex64"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()
