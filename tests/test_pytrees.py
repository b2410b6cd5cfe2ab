"""Containers of arrays: what is a container and what a leaf, paths, and other leaves in the same structure."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from minigrad.pytrees import flatten

Layer = namedtuple("Layer", ["weight", "bias"])
A, B = np.ones(2), np.zeros(3)


class Bag(dict):
    """A dict that holds something besides."""

    label = ""


class Row(list):
    pass


class Pair(tuple):
    pass


class Thing:
    pass


THING = Thing()


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        (A, ["x"]),
        (1.0, ["x"]),
        (THING, ["x"]),
        ("text", ["x"]),
        (None, []),
        ({}, []),
        ([], []),
        ((), []),
        ([[]], []),
        ([None, None], []),
        ([1.0, None], ["x[0]"]),
        ([1.0, "text"], ["x[0]", "x[1]"]),
        ([A], ["x[0]"]),
        ((A, 1.0), ["x[0]", "x[1]"]),
        ([np.float64(1.0), np.array(2.0)], ["x[0]", "x[1]"]),
        ([1.0, {"a": 2.0}], ["x[0]", "x[1]['a']"]),
        ([[1.0, 2.0], [A]], ["x[0]", "x[1][0]"]),
        ([(A, B), (A, B)], ["x[0][0]", "x[0][1]", "x[1][0]", "x[1][1]"]),
        ({"b": A, "a": {3: B, ("k", 1): None}}, ["x['b']", "x['a'][3]"]),
        (Layer(A, B), ["x.weight", "x.bias"]),
        (Layer(1.0, 2.0), ["x.weight", "x.bias"]),  # its fields are read by name
        ([Layer(1.0, 2.0)], ["x[0].weight", "x[0].bias"]),
        (Row([A]), ["x[0]"]),
        (Pair((A, B)), ["x[0]", "x[1]"]),
    ],
)
def test_leaves_and_where_they_stand(value, paths):
    tree = flatten(value, "x")
    assert tree.paths == paths and len(tree.leaves) == len(paths)
    assert tree.is_leaf == (paths == ["x"])


@pytest.mark.parametrize(
    "numbers",
    [
        [1.0, 2.0],
        (1.0, 2.0),
        [1, True],
        [np.float32(1), np.int8(2), np.bool_(True)],
        [[1.0, 2.0], (3.0, 4.0)],
        [[[1.0]], [[2.0]]],
        [1j],
        [Fraction(1, 2), Decimal("0.5")],
        Row([1.0]),
        Pair((1.0, 2.0)),
    ],
)
def test_a_list_of_numbers_only_is_one_array(numbers):
    for what, value in (("x", numbers), ("x['w']", {"w": numbers})):
        tree = flatten(value, "x")
        assert tree.paths == [what] and isinstance(tree.leaves[0], np.ndarray)
        np.testing.assert_array_equal(tree.leaves[0], np.asarray(numbers))


def test_numbers_may_be_leaves_each():
    assert flatten([1.0, (2, 3.0)], "x", numbers=False).leaves == [1.0, 2, 3.0]


@pytest.mark.parametrize("ragged", [[[1.0, 2.0], [3.0]], [[1.0], 2.0], ([1.0], (2.0, 3.0))])
def test_ragged_lists_are_refused_with_what_to_write(ragged):
    with pytest.raises(ValueError, match=r"x\['w'\] is a (list|tuple) of numbers.*\[np.array\(part\), \.\.\.\]"):
        flatten({"w": ragged}, "x")


def test_what_holds_itself_is_refused():
    for value in ([1.0], [A], [[2.0]]):
        value.append(value)
        with pytest.raises(ValueError, match=r"x\[1\] is a list that holds itself"):
            flatten(value, "x")
    circle = {"a": {}}
    circle["a"]["b"] = circle
    with pytest.raises(ValueError, match=r"x\['a'\]\['b'\] is a dict that holds itself"):
        flatten(circle, "x")


def test_a_list_that_is_nested_too_deep_for_an_array_is_a_container():
    value = 1.0
    for _ in range(70):
        value = [value]
    assert not flatten(value, "x").is_leaf


def test_other_leaves_go_into_containers_of_the_same_types():
    default = defaultdict(lambda: 7, {"b": A, "a": B})
    bag = Bag(w=A)
    bag.label = "first"
    value = [default, bag, OrderedDict(z=A, y=None), Layer(A, (B, Row([A]))), Pair((A, 2.0)), None, [], ()]
    tree = flatten(value, "x")
    new = tree.rebuild(range(len(tree.leaves)))
    assert new == [{"b": 0, "a": 1}, {"w": 2}, {"z": 3, "y": None}, (4, (5, [6])), (7, 8), None, [], ()]
    assert [type(part) for part in new] == [type(part) for part in value]
    assert list(new[0]) == ["b", "a"] and new[0]["else"] == 7 and new[1].label == "first"
    assert type(new[3].bias[1]) is Row
    assert value[0]["b"] is A and "else" not in value[0]  # what came in stays as it was


def test_the_structure_is_that_of_the_moment():
    for kind in (dict, Bag):
        value = kind(a=A)
        tree = flatten(value, "x")
        value["b"] = B
        assert tree.rebuild([1]) == {"a": 1}


def test_what_stands_in_two_places_is_two_leaves():
    inner = {"w": A}
    tree = flatten({"one": A, "two": A, "three": [inner, inner]}, "x")
    assert tree.paths == ["x['one']", "x['two']", "x['three'][0]['w']", "x['three'][1]['w']"]
    assert tree.rebuild(range(4)) == {"one": 0, "two": 1, "three": [{"w": 2}, {"w": 3}]}


@pytest.mark.parametrize(
    ("value", "other", "found"),
    [
        (A, [3.0, 4.0], [[3.0, 4.0]]),
        ({"a": A, "b": 1.0}, {"b": 5, "a": "s"}, ["s", 5]),
        ((A, [B, None]), [1, (2, None)], [1, 2]),
        (Layer(A, B), (1, 2), [1, 2]),
        ((1.0, A), [5.0, 6.0], [5.0, 6.0]),  # not an array: it stands where a container does
        ([A], [[1.0, 2.0]], [[1.0, 2.0]]),
        (defaultdict(int, a=A), {"a": 1}, [1]),
        ({1: A}, {np.int64(1): 5}, [5]),
        (None, None, []),
    ],
)
def test_match(value, other, found):
    assert flatten(value, "x").match(other, "g", "x") == found


@pytest.mark.parametrize(
    ("value", "other", "error", "message"),
    [
        ({"a": A}, {}, ValueError, r"g\['a'\] is missing"),
        ({"a": A}, {"a": 1, "b": 2}, ValueError, r"g\['b'\] is one too many"),
        ({"a": (A, B)}, {"a": [1]}, ValueError, r"g\['a'\]\[1\] is missing"),
        (Layer(A, B), (1,), ValueError, r"g\.bias is missing"),
        ([A], [1, 2], ValueError, r"g\[1\] is one too many"),
        ([A, 1.0], [], ValueError, r"g\[0\] is missing"),
        ([A, B], np.ones((2, 2)), TypeError, "g is a ndarray, and a list belongs there"),
        ({"a": A}, [1], TypeError, "g is a list, and a dict belongs there"),
        ({"a": A}, None, TypeError, "g is None, and a dict belongs there"),
        ([A], {0: 1}, TypeError, "g is a dict, and a list belongs there"),
        ([A], [{"a": 1}], TypeError, r"g\[0\] is a dict, and an array belongs there"),
        ([A], [[A]], TypeError, r"g\[0\] is a list, and an array belongs there"),
        ([A], [None], TypeError, r"g\[0\] is None, and an array belongs there"),
        ([None, A], [1, 2], TypeError, r"g\[0\] is an int, and None belongs there"),
    ],
)
def test_another_structure_is_refused_with_the_place(value, other, error, message):
    with pytest.raises(error, match=f"^{message}: g must have the structure of the value$"):
        flatten(value, "x").match(other, "g", "the value")
