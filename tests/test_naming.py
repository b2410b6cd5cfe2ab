"""The nearest known name."""

from __future__ import annotations

import pytest

from minigrad.naming import unknown

KNOWN = ["column", "row", "sample", "element"]


@pytest.mark.parametrize(
    "given, nearest", [("colunm", "column"), ("rows", "row"), ("SAMPLE", "sample"), ("Row", "row"), ("elem", "element")]
)
def test_the_nearest_is_offered(given, nearest):
    assert f"unknown axis {given!r}; did you mean {nearest!r}?" in unknown("axis", given, KNOWN)


@pytest.mark.parametrize("given", ["zzz", "", 3, None, ["row"]])
def test_all_are_listed_where_none_is_near(given):
    text = unknown("axis", given, KNOWN)
    assert text.startswith(f"unknown axis {given!r}") and text.endswith("Known: column, row, sample, element")


def test_any_iterable():
    assert unknown("axis", "x", iter(["y"])) == "unknown axis 'x'. Known: y"
    assert unknown("axis", "x", {}).endswith("Known: ")


def test_capital_letters_of_what_is_known_do_not_matter():
    assert "did you mean 'ReLU'?" in unknown("layer", "relu", ["ReLU", "Tanh"])
