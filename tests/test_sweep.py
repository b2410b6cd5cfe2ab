"""Estimators on nodes and edges: who draws, from what key, and what the sweep makes of it."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.structure import Columns, Dense, Rows, sum_to


class Scale(mg.Estimator):
    """Multiplies by a random number, and remembers which."""

    def __init__(self):
        self.factors = []

    def sample(self, g, node, rng):
        self.factors.append(rng.random())
        return g * self.factors[-1]


class Spoil(mg.Estimator):
    def sample(self, g, node, rng):
        g *= 2
        return g


class Give(mg.Estimator):
    def __init__(self, what):
        self.what = what

    def sample(self, g, node, rng):
        return self.what


def chain(length=4):
    """w·c0·c1·… with a node for each factor."""
    w = mg.Tensor(np.ones(3), requires_grad=True)
    with mg.Tape() as tape:
        y = w
        for k in range(length):
            y = y * (k + 1.0)
        loss = y.sum()
    return tape, loss, w


def product(vjp):
    a = mg.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    b = mg.Tensor(np.arange(12.0).reshape(3, 4) - 5, requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.matmul(a, b, vjp=vjp).sum()
    return tape, loss, a, b


def test_one_estimator_makes_one_draw_for_all_edges():
    scale = Scale()
    tape, loss, a, b = product(scale)
    ga, gb = tape.gradients(loss, [a, b], rng=3)
    (factor,) = scale.factors
    one = np.ones((2, 4))
    np.testing.assert_allclose(ga, factor * (one @ b.data.T))
    np.testing.assert_allclose(gb, factor * (a.data.T @ one))


def test_a_mapping_makes_one_draw_for_each_edge_it_names():
    first, second = Scale(), Scale()
    tape, loss, a, b = product({"a": first, "b": second})
    ga, gb = tape.gradients(loss, [a, b], rng=3)
    one = np.ones((2, 4))
    assert len(first.factors) == len(second.factors) == 1 and first.factors != second.factors
    np.testing.assert_allclose(ga, first.factors[0] * (one @ b.data.T))
    np.testing.assert_allclose(gb, second.factors[0] * (a.data.T @ one))

    only = Scale()
    tape, loss, a, b = product({"b": only})
    ga, gb = tape.gradients(loss, [a, b], rng=3)
    np.testing.assert_array_equal(ga, one @ b.data.T)
    # The draw of an edge does not depend on what the other edge does.
    assert only.factors == second.factors


def test_edges_without_gradient_make_no_draw():
    scale = Scale()
    b = mg.Tensor(np.ones((3, 4)), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.matmul(np.ones((2, 3)), b, vjp={"a": scale}).sum()
    tape.gradients(loss, [b], rng=0)
    assert scale.factors == []


def test_the_inputs_of_variadic_operations_have_numbers():
    scale = Scale()
    x, y = (mg.Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    with mg.Tape() as tape:
        loss = ops.concatenate([x, y], vjp={"arrays[1]": scale}).sum()
    gx, gy = tape.gradients(loss, [x, y], rng=0)
    assert gx.tolist() == [1, 1] and gy.tolist() == [scale.factors[0]] * 2


def test_draws_are_keyed_by_seed_and_node():
    tape, loss, w = chain()
    scales = [Scale() for _ in range(4)]
    for node, scale in zip(tape.nodes, scales, strict=False):
        node.vjp = scale
    tape.gradients(loss, [w], rng=7)
    every = [scale.factors[-1] for scale in scales]
    assert len(set(every)) == 4
    tape.nodes[2].vjp = None
    tape.gradients(loss, [w], rng=7)
    assert [scale.factors[-1] for scale in (scales[0], scales[1], scales[3])] == [every[0], every[1], every[3]]
    tape.gradients(loss, [w], rng=8)
    assert scales[0].factors[-1] != every[0]


def test_one_estimator_on_several_nodes_draws_for_each():
    tape, loss, w = chain()
    shared = Scale()
    for node in tape.nodes[:3]:
        node.vjp = shared
    tape.gradients(loss, [w], rng=7)
    assert len(set(shared.factors)) == 3


def test_same_seed_same_bits_and_a_generator_moves_on():
    tape, loss, w = chain()
    for node in tape.nodes:
        node.vjp = Scale()
    first, second = (tape.gradients(loss, [w], rng=11)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    generator = np.random.default_rng(0)
    one, two = (tape.gradients(loss, [w], rng=generator)[0] for _ in range(2))
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(one, tape.gradients(loss, [w], rng=np.random.default_rng(0))[0])
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    tape.gradients(loss, [w], rng=None)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    loss.backward(rng=11)
    np.testing.assert_array_equal(w.grad, first)


def test_an_estimator_cannot_change_the_cotangent_of_others():
    x = mg.Tensor(np.ones(3), requires_grad=True)
    with mg.Tape() as tape:
        y = x * 2
        left = y * 5
        loss = ((left + y) * 1.0).sum()  # the cotangent of left is that of y: one writable array
    tape.nodes[left.node].vjp = Spoil()
    with pytest.raises(ValueError, match=r"multiply: .*in place.*g\.copy"):
        tape.gradients(loss, [x], rng=0)
    tape.nodes[left.node].vjp = None
    gx, gy = tape.gradients(loss, [x, y])
    assert gx.tolist() == [12, 12, 12] and gy.tolist() == [6, 6, 6]


def test_an_estimator_may_hand_back_what_it_was_given():
    class Same(mg.Estimator):
        def sample(self, g, node, rng):
            return g

    for answer in (Same(), type("Wrapped", (Same,), {"sample": lambda self, g, node, rng: Dense(g)})()):
        x = mg.Tensor(np.ones(3), requires_grad=True)
        with mg.Tape() as tape:
            y = ops.add(x, 1.0, vjp=answer)
        g = np.array([1.0, 2.0, 3.0])
        (gx,) = tape.gradients(y, [x], cotangent=g)
        gx += 1  # writable, and of its own
        assert g.tolist() == [1, 2, 3]


def test_structured_answers_reach_every_primitive():
    """A primitive without rules for a structure sees the dense array."""
    g = np.array([[1.0, 0.0, 3.0], [4.0, 0.0, 6.0]])
    for kept in (
        Columns(g[:, [0, 2]], np.array([0, 2]), g.shape),
        Rows(g, np.array([0, 1]), g.shape),
    ):
        x = mg.Tensor(np.full((2, 3), 0.5), requires_grad=True)
        with mg.Tape() as tape:
            y = ops.multiply(x, np.array([1.0, 2.0, 3.0]), vjp=Give(kept))
        (gx,) = tape.gradients(y, [x], cotangent=np.ones((2, 3)))
        np.testing.assert_array_equal(gx, g * [1, 2, 3])


def test_structured_gradients_stay_rows_if_asked():
    w = mg.Tensor(np.ones((3, 2)), requires_grad=True)
    x = np.arange(8.0).reshape(4, 2)
    kept = Columns(np.ones((4, 1)), np.array([2]), (4, 3))
    with mg.Tape() as tape:
        y = ops.linear(x, w, vjp=Give(kept))
    (sparse,) = tape.gradients(y, [w], cotangent=np.ones((4, 3)), structured=True)
    (plain,) = tape.gradients(y, [w], cotangent=np.ones((4, 3)))
    assert isinstance(sparse, Rows) and sparse.indices.tolist() == [2]
    np.testing.assert_array_equal(plain, sparse.dense())
    np.testing.assert_array_equal(plain[2], x.sum(axis=0))
    tape.backward(y, np.ones((4, 3)))
    assert isinstance(w.grad, np.ndarray)


@pytest.mark.parametrize(
    "what, error, message",
    [
        (np.ones(2), ValueError, r"multiply: .* returned a cotangent of shape \(2,\) for one of shape \(3,\)"),
        (Rows(np.ones((1, 2)), np.array([0]), (3, 2)), ValueError, "of the same shape"),
        (np.array(["a", "b", "c"]), TypeError, "not real numbers"),
    ],
)
def test_wrong_answers_are_refused(what, error, message):
    tape, loss, w = chain(1)
    tape.nodes[0].vjp = Give(what)
    with pytest.raises(error, match=message):
        tape.gradients(loss, [w], rng=0)


def test_answers_take_the_dtype_of_the_cotangent():
    w = mg.Tensor(np.ones(3, np.float32), requires_grad=True)
    seen = []

    @mg.primitive(x=lambda g, saved: seen.append(g.dtype) or g)
    def spy(x):
        return x + 0, {}

    with mg.Tape() as tape:
        y = spy(w, vjp=Give(np.ones(3, np.float64)))
    tape.gradients(y, [w], cotangent=np.ones(3))
    assert seen == [np.float32]


def test_what_a_node_takes_as_vjp():
    tape, _, _ = chain(1)
    node = tape.nodes[0]
    for wrong, hint in [("mask(0.1)", r"parse\('mask"), (Scale, "this is the class"), (3, "subclass")]:
        with pytest.raises(TypeError, match=hint):
            node.vjp = wrong
    with pytest.raises(ValueError, match="its inputs are x, y"):
        node.vjp = {"w": Scale()}
    with pytest.raises(TypeError, match="multiply: vjp="):
        node.vjp = {"x": 0.1}
    with pytest.raises(ValueError, match="names the input 'w'"):
        ops.multiply(1.0, 2.0, vjp={"w": Scale()})  # noticed outside of a tape, too
    node.vjp = {"x": None}
    assert node.draws() == []


def test_an_estimator_without_sample_says_so():
    tape, loss, w = chain(1)
    tape.nodes[0].vjp = mg.Estimator()
    with pytest.raises(NotImplementedError, match="Write `def sample"):
        tape.gradients(loss, [w])


def test_a_sweep_can_be_copied_at_a_stop():
    tape, loss, w = chain(2)
    tape.nodes[1].vjp = Scale()
    sweep = tape.sweep(loss)
    node, g = sweep.advance()
    assert node is tape.nodes[1] and g.tolist() == [1, 1, 1]
    other = sweep.copy()
    sweep.apply(node, [g, g])
    other.apply(node, [10 * g, g])
    assert sweep.advance() is None and other.advance() is None
    assert sweep.gradient(w).tolist() == [2, 2, 2] and other.gradient(w).tolist() == [20, 20, 20]


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 4), (1, 4), (3, 1), (4,), (1,), (), (2, 1, 4), (1, 1, 1)])
def test_unbroadcast_is_the_transpose_of_broadcasting(shape):
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal(shape), rng.standard_normal((2, 3, 4))
    back = sum_to(g, shape)
    assert back.shape == shape
    np.testing.assert_allclose((np.broadcast_to(x, g.shape) * g).sum(), (x * back).sum(), rtol=1e-12)


def test_unbroadcast_refuses_what_does_not_broadcast():
    assert sum_to(np.ones((2, 3)), (2,)) is None
    assert sum_to(np.ones(3), (2, 3)) is None


# ---------------------------------------------------------------------------------------------------------------------
# Sums that are formed in place
# ---------------------------------------------------------------------------------------------------------------------

CHOICES = {
    "slices": lambda x, k: x[k : k + 2],
    "numbers": lambda x, k: x[k],
    "repeated": lambda x, k: x[[k, 0, k]],
    "many": lambda x, k: x[np.full((3000, 1), k)][:4, 0],
    "a mask": lambda x, k: x[np.arange(6) >= k],
    "take": lambda x, k: ops.take(x, [k, k], axis=0),
    "take of all": lambda x, k: ops.take(x, [k, 17 - k, k], axis=None),
    "take along columns": lambda x, k: ops.take(x, [k % 3], axis=1),
}


@pytest.mark.parametrize("of_a_node", [False, True])
@pytest.mark.parametrize("choice", CHOICES)
def test_many_parts_of_one_array_add_up(choice, of_a_node):
    x = mg.Tensor(np.arange(18.0).reshape(6, 3), requires_grad=True)
    with mg.Tape() as tape:
        z = x * 1.0 if of_a_node else x
        loss = sum((k + 1) * CHOICES[choice](z, k).sum() for k in range(5))
    expected = np.zeros(18)
    for k in range(5):
        np.add.at(expected, CHOICES[choice](mg.Tensor(np.arange(18).reshape(6, 3)), k).data.astype(int).ravel(), k + 1)
    first = tape.gradients(loss, [x, z] if of_a_node else [x])
    before = [g.copy() for g in first]
    again = tape.gradients(loss, [x])
    for g, then in zip(first, before, strict=True):
        assert np.array_equal(g, expected.reshape(6, 3)) and np.array_equal(g, then)
    assert np.array_equal(again[0], first[0]) and not np.shares_memory(again[0], first[0])


@pytest.mark.parametrize("of_a_node", [False, True])
def test_sums_in_place_stay_within_their_sweep(of_a_node):
    """A copy in the midst of the parts, as an enumeration takes it: what one sweep adds does not reach the other."""
    x = mg.Tensor(np.ones((4, 3)), requires_grad=True)
    with mg.Tape() as tape:
        z = x * 1.0 if of_a_node else x
        parts = [z[0], ops.multiply(z[1], 1.0, vjp=Mask(0.5)), z[2], z[2], z[2], z[3]]
        loss = sum(part.sum() for part in parts)
    one = tape.sweep(loss)
    node, g = one.advance()
    other = one.copy()
    for sweep, factor in ((one, 10.0), (other, 100.0)):
        sweep.apply(node, [factor * g] * len(node.parents))
        assert sweep.advance() is None
    for sweep, factor in ((one, 10.0), (other, 100.0)):
        assert sweep.gradient(x).tolist() == [[1.0] * 3, [factor] * 3, [3.0] * 3, [1.0] * 3]


def test_the_gradient_of_a_leaf_of_float16_has_its_dtype():
    """It is added up in float32, and comes as float16; that of a float32 leaf is not copied for it."""
    for dtype in (np.float16, np.float32, np.float64):
        w = mg.Tensor(np.ones((2, 3), dtype), requires_grad=True)
        with mg.Tape() as tape:
            y = (w * w + w).sum()
        (gradient,) = tape.gradients(y, [w])
        assert gradient.dtype == dtype and gradient.tolist() == [[3.0] * 3] * 2


def test_shares_are_kept_of_estimators_that_follow_the_cotangent_alone():
    x, w = (mg.Tensor(np.ones(shape), requires_grad=True) for shape in ((4, 3), (5, 3)))
    with mg.Tape() as tape:
        y = ops.linear(x, w, vjp={"x": Mask(0.5), "w": DiagonalSketch(distortion=0.5)}).sum()
    tape.gradients(y, [x, w], rng=0)
    assert set(tape.shares) == {(0, 1)}
