"""Frames: every structure comes back as it was, in the bytes that were announced."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from estimator_cases import every
from frame_cases import STRUCTURES, G, Own, OwnRows

from minigrad.estimators import StochasticRounding, Then, parse
from minigrad.experiments.pipeline import frame as frames
from minigrad.experiments.pipeline.frame import decode, encode, header_bytes, read_head
from minigrad.experiments.pipeline.items import NAMES
from minigrad.structure import (
    Coded,
    Columns,
    Dense,
    Entries,
    Factors,
    Half,
    PowersOfTwo,
    Quantised,
    RowGroups,
    Rows,
    Slices,
    Structured,
    dense,
)


def same(a, b):
    """Whether two cotangents are of one type and have the same parts, bit for bit."""
    if type(a) is not type(b) or a.shape != b.shape or a.dtype != b.dtype:
        return False
    parts = (a.parts, b.parts) if isinstance(a, Structured) else ((a,), (b,))
    return all(
        x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(*parts, strict=True)
    )


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_comes_back_as_it_was(name):
    g = STRUCTURES[name]
    found = decode(encode(g, 5), step=5, role="cotangent", shape=g.shape, dtype=g.dtype.newbyteorder("="))
    sent = g.dense() if isinstance(g, Dense) else g
    sent = sent.astype(sent.dtype.newbyteorder("=")) if isinstance(sent, np.ndarray) else sent
    assert same(found, sent), (found, sent)
    assert dense(found).tobytes() == dense(sent).tobytes()
    if isinstance(found, np.ndarray):
        assert found.flags.writeable and found.flags.aligned


def test_every_kind_has_been_sent():
    kinds = {type(g) for g in STRUCTURES.values()}
    assert kinds >= {
        Rows,
        Columns,
        Entries,
        Factors,
        Slices,
        Quantised,
        Half,
        RowGroups,
        Coded,
        PowersOfTwo,
        np.ndarray,
    }
    assert len(NAMES) == 11


def test_what_every_estimator_returns_goes_as_its_structure():
    """No estimator of the library makes something that would have to be written out."""
    for estimator in every(0.4):
        g = estimator.sample(G, None, np.random.default_rng(3))
        assert same(decode(encode(g)), g), estimator


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_frame_has_the_bytes_of_the_structure_and_those_of_the_header(name):
    g = STRUCTURES[name]
    assert len(encode(g)) == header_bytes(g) + g.nbytes == read_head(encode(g)).length


def test_the_header_of_a_matrix():
    """40 bytes of head, and 8 + 8·2 for the whole, 4 + 8·2 for its array."""
    assert header_bytes(G) == 40 + 24 + 20


@pytest.mark.parametrize(
    "g",
    [
        Own(G),
        OwnRows(G[:2], np.array([1, 3]), G.shape),
        Coded(OwnRows(G[:2], np.array([1, 3]), G.shape), {"values": G[:2]}),
        Coded(Rows(G[:2], np.array([1, 3]), G.shape), {"values": Own(G[:2])}),
    ],
    ids=["a class", "a subclass", "coded", "within"],
)
def test_a_structure_of_ones_own_goes_as_an_array(g):
    found = decode(encode(g))
    assert isinstance(found, np.ndarray) and np.array_equal(found, g.dense())
    assert len(encode(g)) == header_bytes(g) + found.nbytes


def test_a_grid_that_is_not_finite_goes_as_an_array():
    with np.errstate(over="ignore", invalid="ignore"):
        g = StochasticRounding(4).sample(G, None, 0).scaled(1e38)
        assert isinstance(decode(encode(g)), np.ndarray)


@pytest.mark.parametrize("g", [np.arange(3, dtype=np.uint16), np.ones(2, np.longdouble), np.ones(2, complex)])
def test_other_dtypes_are_no_values(g):
    if g.dtype == np.dtype(float):
        pytest.skip("long double is double here")
    with pytest.raises(TypeError, match="float32"):
        encode(g)


def test_the_package_does_not_unpickle():
    for path in Path(frames.__file__).parent.glob("*.py"):
        words = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not words & {"pickle", "eval", "exec", "marshal", "dill"}, path


def test_then_of_each_pair_comes_back():
    for first in ("mask(0.5, axis=row)", "mask(0.5)", "lowrank(0.3)"):
        for second in ("rounding(1)", "rounding(2, allocation=optimal)", "rounding(16)", "mask(0.5)"):
            g = Then(parse(first), parse(second)).sample(G, None, 2)
            assert same(decode(encode(g)), g)
