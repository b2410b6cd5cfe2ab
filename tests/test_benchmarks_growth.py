"""How a training step grows: the fits on made-up data of known exponent, and the whole command at a tiny size.

Nothing is timed; the tiny run only has to write its page and picture.
"""

import numpy as np
import pytest
from benchmarks import growth
from benchmarks.growth import Grown
from benchmarks.measure import Measured
from benchmarks.scaling import series
from benchmarks.slopes import above_constant, power_law

X = np.array([0.02, 0.05, 0.1, 0.25, 0.5, 1.0])
NOISE = np.exp(0.02 * np.random.default_rng(0).standard_normal((200, X.size)))
"""Two percent, a fixed seed."""


def assert_recovers(fit, exponent, constant=0.0):
    """The exponent without noise exactly, and with it within five standard errors in all of 200 data sets but a few.

    With 3 or 4 degrees of freedom Student's t is beyond 5 with probability up to 0.016, so that 3.2 of 200 are expected
    at most; more than 14 have probability below 1e-5.
    """
    y = constant + 3.0 * X**exponent
    assert fit(X, y).exponent == pytest.approx(exponent, rel=1e-6)
    outside = 0
    for noise in NOISE:
        law = fit(X, y * noise)
        outside += abs(law.exponent - exponent) > 5 * law.error
    assert outside <= 14


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.7, 2.0])
def test_a_power_law_is_recovered(exponent):
    assert_recovers(power_law, exponent)


@pytest.mark.parametrize("exponent, constant", [(1.0, 0.5), (1.0, 3.0), (2.0, 1.0)])
def test_an_exponent_above_a_constant_is_recovered(exponent, constant):
    assert_recovers(above_constant, exponent, constant)
    law = above_constant(X, constant + 3.0 * X**exponent)
    assert law.share == pytest.approx(constant / (constant + 3), rel=1e-6)
    assert above_constant(X, constant + 3.0 * X**exponent, exponent).constant == pytest.approx(constant, rel=1e-6)


@pytest.mark.parametrize(
    "fault",
    [
        lambda x, y: power_law(y, x),
        lambda x, y: power_law(np.exp(x), y),
        lambda x, y: power_law(x, np.log1p(y)),
        lambda x, y: power_law(x, y + 0.2),
    ],
    ids=["axes swapped", "x not in logarithms", "y in logarithms twice", "a constant overlooked"],
)
def test_wrong_fits_are_noticed(fault):
    with pytest.raises(AssertionError):
        assert_recovers(fault, 1.7)


def test_a_planted_exponent_shows_in_the_table():
    """A method whose seconds grow with the square of the batch stands out beside operations that grow with the first
    power."""
    batch = series(tiny=True)[0]
    operations = [1e6 * value for value in batch.values]
    sound, planted = (
        Grown(batch, "exact", [Measured(value**power, 1.1 * value**power) for value in batch.values], operations)
        for power in (1.0, 2.0)
    )
    heads, first, second = growth.rows([sound, planted])
    exponents = [dict(zip(heads, row, strict=True)) for row in (first, second)]
    assert [row["least"] for row in exponents] == [row["medians"] for row in exponents] == ["1.00", "2.00"]
    assert [row["counted"] for row in exponents] == ["1.00", "1.00"]


def test_counted_operations_grow_as_they_should():
    """From two large sizes on paper: forward and exact backward are products, 2·B·w² each."""
    of = {one.name: one for one in series(tiny=True)}
    count = {
        name: [of[name].setting("exact", value).operations() for value in (64, 128)] for name in ("batch", "width")
    }
    assert count["batch"][1] / count["batch"][0] == pytest.approx(2, rel=1e-2)
    assert 3.5 < count["width"][1] / count["width"][0] < 4
    kept = [of["budget"].setting("Mask, columns", value).operations() for value in (0.25, 0.5, 0.75)]
    assert kept[2] - kept[1] == pytest.approx(kept[1] - kept[0])  # c_0 + c_1 p


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="two different x"):
        power_law([2.0, 2.0], [1.0, 3.0])
    with pytest.raises(ValueError, match="2 points"):
        above_constant([1.0, 2.0], [1.0, 3.0])


@pytest.mark.slow
def test_the_command_writes_its_page_and_picture(tmp_path, capsys):
    growth.main(["--tiny", "--rounds", "1", "--out", str(tmp_path)])
    shown, page = capsys.readouterr().out, (tmp_path / "growth.rst").read_text(encoding="utf-8")
    for name in ("batch", "width", "depth", "budget"):
        assert f"training step by {name}" in shown and f"By {name}" in page
    assert ".. figure:: growth.png" in page and "- versions: Python" in page
    measured = [line for line in page.splitlines() if not line.startswith("- command:")]  # which has pytest's own words
    assert not any("nan" in line for line in measured)
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
