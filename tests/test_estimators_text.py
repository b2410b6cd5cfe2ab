"""Estimators as text, and what their arguments may be."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import operator
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from estimator_cases import AXES, CLASSES, DESIGNS, KINDS, TARGETS, every
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import estimators, ops
from minigrad.estimators import (
    DiagonalSketch,
    Exact,
    LowRankSketch,
    Mask,
    RandomProjection,
    RangeFinderSketch,
    TopK,
    WinnerTakeAll,
    WithReplacement,
    parse,
)


@pytest.mark.parametrize("budget", [0.1, 1 / 3, 1e-9, 1.0])
def test_every_combination_makes_the_round_trip(budget):
    for estimator in [*every(budget), Exact()]:
        again = parse(repr(estimator))
        assert again == estimator
        assert type(again) is type(estimator)
        assert repr(again) == repr(estimator)
        assert hash(again) == hash(estimator)
        assert copy.deepcopy(estimator) == estimator


def test_short_names_without_quotes():
    for axis, target, design in itertools.product(AXES, TARGETS, DESIGNS):
        text = f"diagonal(0.1, axis={axis}, target={target}, design={design})"
        assert parse(text) == DiagonalSketch(0.1, axis, target, design)
    assert parse("mask(0.5, row, systematic)") == Mask(0.5, "row", "systematic")
    assert parse("mask(budget=0.5)") == parse(" Mask( 0.5 ) ") == Mask(0.5)
    assert parse("topk(0.5, element)") == TopK(0.5, "element")
    assert parse("lowrank(0.5, systematic)") == LowRankSketch(0.5, "systematic")
    for axis, target in itertools.product(AXES, TARGETS):
        assert parse(f"replacement(0.5, {axis}, target={target})") == WithReplacement(0.5, axis, target)
        assert parse(f"winner(0.5, {axis}, target={target})") == WinnerTakeAll(0.5, axis, target)
    assert parse("rangefinder(0.5, oversampling=4, power=2)") == RangeFinderSketch(0.5, 4, 2)
    assert parse("with_replacement(0.5)") == WithReplacement(0.5)
    assert parse("low_rank(0.5)") == parse("LowRankSketch(0.5)") == LowRankSketch(0.5)
    for kind in KINDS:
        assert parse(f"projection(0.5, {kind})") == RandomProjection(0.5, kind)
    assert parse("exact") == parse("exact()") == parse("Exact") == Exact()


def test_a_budget_from_outside_fills_only_a_gap():
    assert parse("mask", budget=0.25) == Mask(0.25)
    assert parse("mask(axis=row)", budget=0.25) == Mask(0.25, "row")
    assert parse("mask(0.5)", budget=0.25) == Mask(0.5)
    assert parse("exact", budget=0.25) == Exact()
    with pytest.raises(ValueError, match=r"say which budget, as in mask\(0.1\)"):
        parse("mask")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("masc(0.1)", "did you mean 'mask'"),
        ("diagnal(0.1)", "did you mean 'diagonal'"),
        ("lowrnk(0.1)", "did you mean 'lowrank'"),
        ("projektion(0.1)", "did you mean 'projection'"),
        ("xyzzy(0.1)", "Known: .*mask"),
        ("mask(0.1, axis=colum)", "Mask: .*did you mean 'column'"),
        ("diagonal(0.1, target=wieght)", "DiagonalSketch: .*did you mean 'weight'"),
        ("mask(0.1, design=poison)", "did you mean 'poisson'"),
        ("lowrank(0.1, design=systemtic)", "did you mean 'systematic'"),
        ("projection(0.1, kind=gausian)", "did you mean 'gaussian'"),
        ("topk(0.1, axis=rows)", "did you mean 'row'"),
        ("replacment(0.1)", "did you mean 'replacement'"),
        ("winner(0.1, target=wieght)", "WinnerTakeAll: .*did you mean 'weight'"),
        ("mask(0.1, axes=row)", "did you mean 'axis'"),
        ("mask(0.1, target=both)", "argument of mask"),
        ("exact(0.1)", "exact takes at most 0 arguments"),
        ("mask(0.1, row, poisson, 4)", "takes at most 3 arguments"),
        ("mask(0.1, budget=0.2)", "budget is given twice"),
        ("mask(f(0.1))", "unknown estimator 'f'"),
        ("mask(2)", r"outside \(0, 1\]"),
        ("mask(-0.1)", r"outside \(0, 1\]"),
        *[
            (text, "is not of the form name")
            for text in ("", "mask(0.1", "0.1", "mask 0.1", "mask(0.1)(0.2)", "a.mask(0.1)",
                         "mask(**{})", "mask(*[0.1])", "mask(0.1, axis=row, axis=row)", "mask(0.1); mask(0.2)",
                         "mask\0", "import os")
        ],
    ],
)  # fmt: skip
def test_what_is_not_understood_is_explained(text, words):
    with pytest.raises(ValueError, match=words):
        parse(text)


def test_text_is_never_evaluated():
    for text in ("mask(__import__('os').getcwd())", "mask(open)", "().__class__"):
        with pytest.raises((ValueError, TypeError)):
            parse(text)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "budget", [0, 0.0, -1, -1e-300, 1.5, 1 + 1e-9, float("inf"), float("nan"), np.float64("nan"), 2]
)
def test_budgets_outside_the_range_are_refused(cls, budget):
    with pytest.raises(ValueError, match=rf"{cls.__name__}: budget=.*outside \(0, 1\].*1 is exact"):
        cls(budget)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("budget", [True, False, np.True_, "0.1", None, [0.1], (0.1,), 1j, Exact()], ids=repr)
def test_budgets_that_are_no_numbers_are_refused(cls, budget):
    with pytest.raises(TypeError, match=rf"{cls.__name__}: the budget must be a number in \(0, 1\], got"):
        cls(budget)


@pytest.mark.parametrize("cls", CLASSES)
def test_budgets_of_every_kind_of_number(cls):
    for budget in (
        0.25,
        np.float32(0.25),
        np.float64(0.25),
        np.float16(0.25),
        Fraction(1, 4),
        Decimal("0.25"),
        np.array(0.25),
    ):
        estimator = cls(budget)
        assert type(estimator.budget) is float
        assert estimator.budget == 0.25
        assert parse(repr(estimator)) == estimator
    assert cls(np.float32(0.1)).budget == float(np.float32(0.1))
    assert cls(1).budget == cls(np.int64(1)).budget == 1.0


@pytest.mark.parametrize("cls", CLASSES)
def test_a_budget_is_needed(cls):
    with pytest.raises(TypeError, match="budget"):
        cls()


@pytest.mark.parametrize("value", [None, 3, "Column", ["column"], ""], ids=repr)
def test_unknown_options(value):
    for cls in CLASSES:
        for option in (field.name for field in dataclasses.fields(cls) if isinstance(field.default, str)):
            with pytest.raises(ValueError, match=rf"{cls.__name__}: unknown {option} .* Known: "):
                cls(0.1, **{option: value})


def test_what_every_estimator_says_of_itself():
    for estimator in [*every(0.3), Exact()]:
        assert estimator.unbiased is not isinstance(estimator, TopK)
        assert estimator.budget == (1.0 if estimator == Exact() else 0.3)
        for shape in [(), (5,), (4, 6), (2, 3, 4)]:
            assert 0 < estimator.kept(shape).fraction <= 1 or isinstance(estimator, RandomProjection)
            assert estimator.overhead(shape) >= 0
    with pytest.raises(AttributeError):
        Mask(0.3).budget = 0.5  # frozen: a change would be missed by what has been decided from it


def test_names_and_their_lines():
    assert list(estimators.describe()) == sorted(estimators.names())
    assert {"diagonal", "exact", "mask"} <= set(estimators.names())
    for name in estimators.names():
        assert estimators.describe()[name].startswith(name)
    assert all("\n" not in line for line in estimators.describe().values())
    assert "biased" in estimators.describe()["topk"]


def test_the_base_class_says_what_is_missing():
    class Half(mg.Estimator):
        pass

    for call, words in (
        (lambda: Half().sample(np.ones(2), None, np.random.default_rng(0)), "Half has no `sample`. Write"),
        (lambda: Half().outcomes(np.ones(2)), "Half does not list its outcomes"),
        (lambda: Half().distortion(np.ones(2)), "Half has no closed form"),
    ):
        with pytest.raises(NotImplementedError, match=words):
            call()


@pytest.mark.parametrize(
    ("returned", "error", "words"),
    [
        (np.ones(3), ValueError, r"multiply: Odd\(\) returned a cotangent of shape \(3,\) for one of shape \(2,\)"),
        (np.ones(2) * 1j, TypeError, r"multiply: Odd\(\) returned values of dtype complex128"),
        (None, ValueError, "returned a cotangent of shape"),
    ],
)
def test_an_estimator_of_ones_own_that_returns_something_else(returned, error, words):
    class Odd(mg.Estimator):
        def sample(self, g, node, rng):
            return returned

        def __repr__(self):
            return "Odd()"

    x = mg.Tensor(np.ones(2), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.multiply(x, 2.0, vjp=Odd())
    with pytest.raises(error, match=words):
        tape.gradients(y, [x], np.ones(2), rng=0)


def test_an_estimator_cannot_change_the_cotangent_it_is_given():
    class Vandal(mg.Estimator):
        def sample(self, g, node, rng):
            g *= 0
            return g

    x = mg.Tensor(np.ones(2), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.multiply(x, 2.0, vjp=Vandal())
    with pytest.raises(ValueError, match=r"in place|read-only"):
        tape.gradients(y, [x], np.ones(2), rng=0)


@pytest.mark.parametrize(
    "text", ["diagonal(0,1)", "mask( 0 , 25 )", "mask(0,5, axis=row)", "mask(budget=0,1)", "lowrank(0,1,poisson)"]
)
def test_a_decimal_comma_is_explained(text):
    with pytest.raises(ValueError, match=r"decimal point, 0\.\d+; a comma parts arguments"):
        parse(text)


def test_register_is_a_decorator():
    before = estimators.names()
    with pytest.raises(TypeError, match=r"decorator.*got a type, so nothing was registered.*@estimators\.register"):
        estimators.register("coin", Mask)
    with pytest.raises(TypeError, match="not a dataclass that inherits from minigrad.Estimator"):
        estimators.register("coin", "heads or tails")(lambda g: g)
    assert estimators.names() == before


NAMES = [*estimators.names(), "Mask", "DiagonalSketch", "maks", ""]
OPTIONS = ["budget", "axis", "target", "design", "kind", "oversampling", "power", "self", "x"]
ODD = [
    "nan", "inf", "None", "True", "'0.1'", "b'1'", "1j", "10**400", "1" + "0" * 320, "-1" + "0" * 400, "9" * 5000,
    "1e999", "[0.1]", "()", "{}", "{[]: 1}", "...", "-1", "0", "0.1", "1_0", "row", "'row'", "1if 1 else 2", "1is 2",
    "'\\d'", "f'{1}'", "lambda: 0", "*a", "**a", "(x:=1)", "await x", "not 1", "-" * 200 + "1",
    "(" * 90 + "1" + ")" * 90, "\udcff", "\0", "é", "\n",
]  # fmt: skip
VALUES = st.one_of(st.sampled_from(ODD), st.integers().map(str), st.floats().map(repr), st.text(max_size=5))
ARGUMENTS = st.one_of(VALUES, st.tuples(st.sampled_from(OPTIONS), VALUES).map("=".join))
CALLS = st.builds(
    lambda name, given: f"{name}({', '.join(given)})", st.sampled_from(NAMES), st.lists(ARGUMENTS, max_size=4)
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.one_of(st.text(), CALLS, ARGUMENTS.map("mask({})".format)), st.sampled_from([None, 0.1, "0.1", 10**400]))
def test_whatever_the_text_it_is_an_estimator_or_a_value_error_that_shows_it(text, budget):
    try:
        estimator = parse(text, budget=budget)
    except ValueError as error:
        assert str(error).startswith("estimator text ") and 40 < len(str(error)) < 3000
    else:
        assert isinstance(estimator, mg.Estimator) and parse(repr(estimator)) == estimator


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *[(f"mask({x})", "the budget must be a number in (0, 1], got ") for x in ("nan", "'0.1'", "None", "True")],
        ("mask(1" + "0" * 400 + ")", "budget=inf is outside (0, 1]"),
        ("mask(-1" + "0" * 400 + ")", "budget=-inf is outside (0, 1]"),
        ("mask(10**400)", "is not of the form name(budget"),
        ("mask(" + "9" * 5000 + ")", "… (5008 characters) is not of the form name(budget"),
        ("-" * 100_000 + "1", "… (100003 characters) is not of the form name(budget"),
        ("rangefinder(0.1, oversampling=1e5)", "oversampling=100000.0 must be a whole number"),
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_a_value_error(text, words):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value).startswith("estimator text ") and words in str(caught.value)


@pytest.mark.usefixtures("names_are_forgotten")
def test_an_estimator_of_ones_own_that_refuses_its_arguments():
    @estimators.register("picky", "takes a whole number")
    @dataclasses.dataclass(frozen=True)
    class Picky(mg.Estimator):
        parts: int

        def __post_init__(self):
            1 / operator.index(self.parts)

    for text in ("picky", "picky(2.5)", "picky(0)"):  # missing, of another type, out of range
        with pytest.raises(ValueError, match=re.escape(f"estimator text {text!r}: ")):
            parse(text)
