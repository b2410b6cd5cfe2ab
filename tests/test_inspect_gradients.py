"""What is computed of every draw, row by row: against plain float64 arithmetic on dense arrays."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import network, normal
from inspection_cases import TopHalf, Unlisted, medium, verdict

import minigrad as mg
from minigrad import inspect, ops
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.inspect import gradients, pilot
from minigrad.inspect.gradients import Directions, inner_product, rows_of, squared_distances, squared_norm
from minigrad.inspect.increments import increments
from minigrad.inspect.leaves import InspectionTarget, as_vector, drawn, pulled
from minigrad.inspect.pilot import Errors, KeptShares
from minigrad.streams import draw_key
from minigrad.structure import Columns, Rows, dense

SHAPE = (6, 4, 3)
SCALES = [1.0, 1e-30, 1e25]
"""Squares of the last two do not fit into float32."""


def kinds(dtype=np.float64, scale=1.0):
    """Gradients of one shape, stored in every way that there is."""
    whole = normal(1, *SHAPE, dtype=dtype) * dtype(scale)
    flat = whole.reshape(-1, SHAPE[-1])
    return {
        "dense": normal(2, *SHAPE, dtype=dtype) * dtype(scale),
        "rows": Rows(whole[[1, 4]], np.array([1, 4]), SHAPE),
        "other rows": Rows(whole[[0, 4, 5]] * dtype(1.5), np.array([0, 4, 5]), SHAPE),
        "no rows": Rows(whole[:0], np.array([], dtype=int), SHAPE),
        "rows of two axes": Rows(flat[[3, 20]], np.array([3, 20]), SHAPE),
        "columns": Columns(flat[:, [2]], np.array([2]), SHAPE),
    }


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("piece", [1, 30, 1 << 16])
def test_norms_and_distances(scale, piece, monkeypatch):
    monkeypatch.setattr(gradients, "PIECE", piece)
    for dtype, rel in ((np.float64, 1e-12), (np.float32, 1e-5)):
        for a in kinds(dtype, scale).values():
            wide = dense(a).astype(np.float64)
            assert squared_norm([a]) == pytest.approx(np.square(wide).sum(), rel=rel, abs=0)
            assert squared_distances([a], [a]) == [0]
            for b in kinds(dtype, scale).values():
                expected = np.square(wide - dense(b)).sum()
                assert squared_distances([a], [b]) == [pytest.approx(expected, rel=rel, abs=0)]


def test_inner_products():
    other = normal(3, *SHAPE)
    for a in kinds().values():
        expected = np.sum(dense(a) * other) + 6.0
        assert inner_product([a, np.ones(3)], [other, np.full(3, 2.0)]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("small", [0, 1 << 14])
def test_directions(small, monkeypatch):
    """Several gradients at once, a scalar and a vector among the tensors; each row against a sum of products."""
    monkeypatch.setattr(gradients, "SMALL", small)
    shapes = [SHAPE, (5,), ()]
    directions = [[normal(10 * d + k, *shape) * 10.0 ** (9 * k) for k, shape in enumerate(shapes)] for d in (1, 2)]
    measured = Directions(directions, [np.dtype(float)] * 3)
    vectors = [Rows(np.array([2.0]), np.array([3]), (5,)), normal(4, 5)]
    draws = [[g, vectors[k % 2], np.array(0.5 + k)] for k, g in enumerate(kinds().values())]
    found = measured.along(iter(draws), len(draws))
    assert found.shape == (len(draws), 2, 6 + 5 + 1) and measured.starts == [0, 6, 11]
    for draw, of_draw in zip(draws, found, strict=True):
        for direction, values in zip(directions, of_draw, strict=True):
            parts = [rows_of(u)[1] * rows_of(dense(g))[1] for u, g in zip(direction, draw, strict=True)]
            np.testing.assert_allclose(values, np.concatenate([p.sum(axis=1) for p in parts]), rtol=1e-12, atol=1e-12)
        whole = [dense(g) for g in draw]
        np.testing.assert_allclose(measured.along_accurately(whole), of_draw, rtol=1e-12, atol=1e-12)
    sizes = [np.abs(dense(g)) for g in draws[0]]
    expected = [np.abs(rows_of(u)[1] * rows_of(s)[1]).sum(axis=1) for u, s in zip(directions[1], sizes, strict=True)]
    np.testing.assert_allclose(measured.along_sizes(sizes)[1], np.concatenate(expected), rtol=1e-12)


def test_a_row_that_was_put_in_another_place_is_noticed():
    """The comparison above has the power to see it."""
    rows = kinds()["rows"]
    moved = Rows(rows.values, rows.indices + 1, rows.shape)
    measured = Directions([[normal(5, *SHAPE)]], [np.dtype(float)])
    right, wrong = measured.along([[rows], [moved]], 2)
    assert not np.allclose(right, wrong)


@pytest.mark.parametrize("scale", SCALES)
def test_errors_of_the_pilot(scale, monkeypatch):
    """Mean over all draws, mean square over the first few, with rows that are there in some draws alone."""
    monkeypatch.setattr(pilot, "COUNTED", 5)
    for dtype, rel in ((np.float64, 1e-10), (np.float32, 1e-4)):
        exact = normal(6, *SHAPE, dtype=dtype) * dtype(scale)
        draws = list(kinds(dtype, scale).values())
        errors = Errors([exact])
        for draw in draws:
            errors.add([draw])
        off = np.array([dense(draw).astype(np.float64) - exact for draw in draws])
        np.testing.assert_allclose(errors.mean()[0], off.mean(axis=0), rtol=rel, atol=rel * scale)
        np.testing.assert_allclose(errors.mean_square()[0], np.square(off[:5]).mean(axis=0), rtol=rel, atol=0)


def test_what_the_pilot_counts():
    w = mg.Tensor(normal(7, 8, 3), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.linear(normal(8, 4, 3), w, vjp=Mask(0.25)).square().sum()
    kept = KeptShares(InspectionTarget(tape, loss))
    (node,) = (node for node in tape.nodes if node.vjp is not None)
    for count in (1, 3):
        kept.add(node, np.eye(4, 8), [Columns(np.ones((4, count)), np.arange(count), (4, 8))] * 3)
    kept.draws = 2
    assert kept.left(node.index) == 0.25  # (1 + 3)/2 of 8 columns
    assert kept.arrived(node.index) == 4 / 32  # entries of the identity
    kept.draws = 4
    assert kept.left(node.index) == 0.125


@pytest.mark.parametrize("estimator", [Mask(0.4), Mask(0.4, "row"), DiagonalSketch(0.4, target="both")], ids=repr)
def test_increments_are_exact_sweeps_of_sketched_minus_unsketched(estimator):
    """H_k by hand: the first k estimators draw as they do in the whole sweep, those below are taken off the tape."""
    tape, loss, leaves = network(estimator, rows=5, widths=(4, 6, 5, 3))
    target, key = InspectionTarget(tape, loss, leaves), 99
    random = [node for node in reversed(tape.nodes) if node.vjp is not None]
    hybrids = [target.exact()]
    for k in range(1, len(random) + 1):
        for node in random[k:]:
            node.vjp = None
        hybrids.append(drawn(target, key))
        for node in random[k:]:
            node.vjp = estimator
    for exact in (None, target.exact_gradient()):
        found = list(increments(target, key, exact))
        assert [step.index for step in found] == [node.index for node in random]
        for step, before, after in zip(found, hybrids, hybrids[1:], strict=False):
            np.testing.assert_allclose(as_vector(step.before), before, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(as_vector(step.after), after, rtol=1e-12, atol=1e-12)
            assert sum(step.squares()) == pytest.approx(np.square(after - before).sum(), rel=1e-10)


def test_increments_of_two_branches_and_of_an_intermediate_tensor():
    """The error of a draw is the sum of its increments, whatever the graph."""
    x, w = mg.Tensor(normal(9, 4, 5), requires_grad=True), mg.Tensor(normal(10, 5, 5), requires_grad=True)
    with mg.Tape() as tape:
        h = ops.linear(x, w, vjp=Mask(0.5))
        left = ops.linear(h.tanh(), w, vjp=Mask(0.5, "row"))
        right = ops.linear(h, w, vjp={"x": Mask(0.5), "w": Mask(0.5, "row")})
        loss = (left * right).sum()
    target = InspectionTarget(tape, loss, [x, h, w])
    steps = list(increments(target, 3))
    total = sum(as_vector(step.after) - as_vector(step.before) for step in steps)
    assert len(steps) == 3
    np.testing.assert_allclose(target.exact() + total, as_vector(pulled(target, 3)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [2.0**-90, 2.0**60])
def test_reports_do_not_depend_on_the_scale_of_the_loss(scale):
    """By powers of two, so that every draw has the same bits up to the exponent; squares leave the range of float32."""

    def both(vjp):
        tape, loss, leaves = medium(vjp, np.float32)
        g = np.array(1.0, np.float32)
        return [
            (
                verdict(tape, loss, leaves, draws=600, cotangent=g * np.float32(factor)),
                inspect.variance(tape, loss, leaves, draws=20, rng=0, cotangent=g * np.float32(factor)),
            )
            for factor in (1.0, scale)
        ]

    (one, spread), (other, scaled) = both(Unlisted(Mask(0.5)))
    assert one.verdict == other.verdict == "passed"
    for a, b in zip(one.parameters, other.parameters, strict=True):
        assert a.bias == pytest.approx(b.bias, rel=1e-3, abs=1e-6)
    assert scaled.relative == pytest.approx(spread.relative, rel=1e-5)
    assert scaled.cosine == pytest.approx(spread.cosine, rel=1e-5)
    assert list(scaled.relative_noise.values()) == pytest.approx(list(spread.relative_noise.values()), rel=1e-5)
    (one, _), (other, _) = both(TopHalf())
    assert one.verdict == other.verdict == "failed" and one.worst_node == other.worst_node


def test_a_draw_of_many_takes_what_one_alone_takes():
    """Probes are taken in blocks of draws; the numbers are those of each draw by itself."""
    tape, loss, leaves = medium(Mask(0.3))
    target = InspectionTarget(tape, loss, leaves)
    measured = Directions([target.exact_gradient()], [np.dtype(float)] * len(leaves))
    draws = [pulled(target, draw_key(1, number)) for number in range(7)]
    together = measured.along(draws, 7)
    for number, gradient in enumerate(draws):
        assert np.array_equal(measured.along([gradient], 1)[0], together[number])
