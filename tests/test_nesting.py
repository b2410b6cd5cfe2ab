"""Tapes within tapes: derivatives of derivatives are right, and none is a constant, or zero, without a word."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import inspect, nn, ops, optim, training


def leaf(value, name=None):
    return mg.Tensor(np.asarray(value, dtype=float), requires_grad=True, name=name)


def own_tape(fn, x):
    """The gradient of fn at x, on a tape of one's own."""
    with mg.Tape() as tape:
        y = leaf(x) if not isinstance(x, mg.Tensor) else x
        z = fn(y)
    return tape.gradients(z, [y])[0]


GRADIENTS = {
    "grad": lambda fn, x: mg.grad(fn)(x),
    "value_and_grad": lambda fn, x: mg.value_and_grad(fn)(x)[1],
    "vjp": lambda fn, x: mg.vjp(fn, x)[1](np.ones(()))[0],
    "Tape": own_tape,
    "jvp": lambda fn, x: mg.jvp(fn, (x,), (np.ones(()),))[1],
}
VALUES = {
    "value_and_grad": lambda fn, x: mg.value_and_grad(fn)(x)[0],
    "vjp": lambda fn, x: mg.vjp(fn, x)[0],
    "jvp": lambda fn, x: mg.jvp(fn, (x,), (np.ones(()),))[0],
}
INNER = {  # a function of y and x; its derivative by y at y = 5, and the derivative of that by x at 3
    "by closure": (lambda y, x: x * x * y, lambda x: x**2, lambda x: 2 * x),
    "twice": (lambda y, x: x * y * y, lambda x: 10 * x, lambda x: 10.0),
    "through a function": (lambda y, x: (x * y).exp() * 1e-6, None, None),
    "as the value": (lambda y, x: x + 0 * y, lambda x: 0.0, lambda x: 0.0),
    "beside a fresh leaf": (lambda y, x: leaf(2.0) * y * x, lambda x: 2 * x, lambda x: 2.0),
}
E15 = np.exp(15.0) * 1e-6
INNER["through a function"] = (INNER["through a function"][0], lambda x: x * np.exp(5 * x) * 1e-6, lambda x: 16 * E15)


@pytest.mark.parametrize("how", INNER)
@pytest.mark.parametrize("inner", GRADIENTS)
@pytest.mark.parametrize("outer", GRADIENTS)
def test_derivatives_of_derivatives_by_closure(outer, inner, how):
    """d/dx of x·d/dy f(y, x), whether or not the outer tape has met x before."""
    fn, first, second = INNER[how]
    for order in (lambda x, d: x * d, lambda x, d: d * x):
        got = GRADIENTS[outer](lambda x, order=order: order(x, GRADIENTS[inner](lambda y: fn(y, x), 5.0)), 3.0)
        np.testing.assert_allclose(got, first(3.0) + 3 * second(3.0), rtol=1e-13)


@pytest.mark.parametrize("how", ["recorded before", "x itself"])
@pytest.mark.parametrize("inner", VALUES)
@pytest.mark.parametrize("outer", GRADIENTS)
def test_values_of_inner_functions_are_tensors_too(outer, inner, how):
    def fn(x):
        z = x * x if how == "recorded before" else x
        return VALUES[inner](lambda y: z * y if how == "recorded before" else z, 5.0) * x

    np.testing.assert_allclose(GRADIENTS[outer](fn, 3.0), 135.0 if how == "recorded before" else 6.0)


@pytest.mark.parametrize("inner", GRADIENTS)
@pytest.mark.parametrize("outer", GRADIENTS)
@pytest.mark.parametrize("outermost", GRADIENTS)
def test_three_levels(outermost, outer, inner):
    """x⁵: 60 x²; and of a product of levels, d/dx [x² · d/dx (x · d/dx x³)] = d/dx [x² · 9 x²] = 36 x³."""
    a, b, c = GRADIENTS[outermost], GRADIENTS[outer], GRADIENTS[inner]
    np.testing.assert_allclose(a(lambda x: b(lambda y: c(lambda z: z**5, y), x), 1.5), 60 * 1.5**2, rtol=1e-13)
    got = a(lambda x: x * x * b(lambda y: y * c(lambda z: z * z * z, y), x), 1.5)
    np.testing.assert_allclose(got, 36 * 1.5**3, rtol=1e-13)


def test_perturbations_are_not_confused():
    """d/dx [x · d/dy (x + y)] = 1 (Siskind and Pearlmutter 2005); 2 where the levels are mixed up."""
    for outer in GRADIENTS.values():
        for inner in GRADIENTS.values():
            np.testing.assert_allclose(outer(lambda x, inner=inner: x * inner(lambda y: x + y, 1.0), 1.0), 1.0)


def test_two_tensors_that_share_one_array():
    """What was saved is known by its name: f = x y² of one array, d²f/dxdy = 2 y and d²f/dy² = 2 x."""
    array = np.array(3.0)

    def fn(x, y):
        return mg.grad(lambda x, y: x * y * y, 1)(x, y)

    by_x, by_y = mg.grad(fn, (0, 1))(array, array)
    assert (by_x, by_y) == (6.0, 6.0)
    x, y = mg.Tensor(array, requires_grad=True), mg.Tensor(array, requires_grad=True)
    with mg.Tape() as outer:
        with mg.Tape() as inner:
            z = x * y
        (gx,) = inner.gradients(z, [x])
    assert [g.item() for g in outer.gradients(gx, [x, y])] == [0.0, 1.0]


@pytest.mark.parametrize("as_argument", [1, "keyword"])
def test_another_argument(as_argument):
    def outer(x):
        if as_argument == 1:
            return x * mg.grad(lambda y, z: y * z)(5.0, x)
        return x * mg.grad(lambda y, z: y * z)(5.0, z=x)

    assert mg.grad(outer)(3.0) == 6.0


def test_the_differentiated_argument_and_a_container_of_it():
    assert mg.grad(lambda x: x * mg.grad(lambda y: y * y)(x))(3.0) == 12.0
    assert mg.grad(lambda x: x * sum(mg.grad(lambda y: y[0] * y[1] * y[1])([x, x])))(3.0) == 9 * 3.0**2


def test_one_step_of_maml_a_residual_and_the_gradient_by_a_learning_rate():
    x, y = np.linspace(-1, 1, 8).reshape(4, 2), np.ones((4, 1))

    def loss(w, x=x):
        return ((x @ w).tanh() - y).square().mean()

    def after_a_step(w):  # MAML
        return loss(w - 0.3 * mg.grad(loss)(w), x[::-1].copy())

    w = np.array([[0.3], [-0.2]])
    mg.testing.assert_gradients_close(after_a_step, w)

    def residual(w):  # of a differential equation
        return (mg.grad(lambda t: (w[0] * (w[1] * t).tanh()).sum())(np.linspace(0, 1, 5)) - 1.0).__pow__(2).sum()

    mg.testing.assert_gradients_close(residual, np.array([0.7, 1.3]))

    def by_the_rate(rate):
        w = 2.0 - rate * mg.grad(lambda w: (w - rate) ** 2)(2.0)
        return (w - 1.0) ** 2

    mg.testing.assert_gradients_close(by_the_rate, np.array(0.1))


def test_parameters_of_a_model_in_both():
    """A penalty on the gradient by the input, and its gradient by the parameters, against central differences."""
    model = nn.mlp(2, 3, 1, rng=0)
    x = np.linspace(-1, 1, 8).reshape(4, 2)
    parameters = [p for _, p in model.named_parameters()]
    for p in parameters:
        p.data = p.data.astype(np.float64)

    def penalty():
        with mg.Tape() as tape:
            slope = mg.grad(lambda x: model(x).tanh().sum())(x)
            value = (slope * slope).sum()
        return tape, value

    tape, value = penalty()
    gradients = tape.gradients(value, parameters)
    rng = np.random.default_rng(0)
    for p, g in zip(parameters, gradients, strict=True):
        d, data, h = rng.standard_normal(p.shape), p.data, 1e-6
        p.data = data + h * d
        up = penalty()[1].item()
        p.data = data - h * d
        down = penalty()[1].item()
        p.data = data
        assert (g * d).sum() == pytest.approx((up - down) / (2 * h), abs=1e-8)


def test_a_leaf_of_an_inner_block_belongs_to_the_blocks_around():
    """d/dv of v·d/dv(v³) is 9v²; with the inner gradient as a constant it would be 3v²."""
    with mg.Tape() as outer:
        with mg.Tape() as inner:
            v = leaf(2.0, name="v")
            z = v**3
        (g,) = inner.gradients(z, [v])
        product = v * g
        whole = z * g
        assert (v.detach() * g).item() == 24.0
    assert outer.gradients(product, [v])[0] == 36.0
    assert outer.gradients(whole, [v])[0] == 15 * 2.0**4
    assert inner.gradients(z, [v])[0] == 12.0
    assert isinstance(inner.gradients(z, [v])[0], np.ndarray)


def test_a_block_differentiates_by_what_was_computed_around_it():
    w = leaf(1.5, name="w")
    with mg.Tape() as outer:
        h = w * w
        with mg.Tape() as inner:
            z = h**3
            mixed = h * w
        (g,) = inner.gradients(z, [h])
        with pytest.raises(mg.TapeError, match="computed before its block began"):
            inner.gradients(mixed, [w])  # w² as a constant, without a word
        assert inner.gradients(mixed, [h])[0].item() == 1.5
    assert outer.gradients(g, [w])[0] == pytest.approx(12 * 1.5**3)
    inner.backward(z)
    assert h.grad is None and w.grad == 0.0


OWN = {
    "gradients": lambda tape, y, w: tape.gradients(y, [w])[0],
    "Tape.backward": lambda tape, y, w: tape.backward(y) or w.grad,
    "Tensor.backward": lambda tape, y, w: y.backward() or w.grad,
}
USES = {
    "the leaf": lambda w, y, g: w * g,
    "another way round": lambda w, y, g: g * w,
    "what was recorded": lambda w, y, g: y * g,
    "within a block": lambda w, y, g: mg.grad(lambda v: v * w)(2.0),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("take", OWN)
def test_a_block_does_not_go_on_after_a_gradient_of_its_own(take, use):
    """d/dw of w·d/dw(w²) is 4w, 12 at 3; with the gradient as a constant it was 6."""
    w = leaf(3.0)
    tape = mg.Tape()
    with tape:
        y = w**2
        g = OWN[take](tape, y, w)
        with pytest.raises(mg.TapeError, match=r"gradient was taken already.*with minigrad.Tape\(\) as inner"):
            USES[use](w, y, g)
        fresh = leaf(2.0) * g  # cannot hang on it
        assert (w.detach() * g).item() == 18.0
        assert tape.gradients(y, [w])[0] == g == 6.0  # again, of what stands there
    assert fresh.item() == 12.0
    with tape:  # a gradient that was taken outside of the block is data
        z = y * w
    assert tape.gradients(z, [w])[0] == 27.0


def test_a_tape_that_is_pulled_back_within_another_block():
    """It was recorded before that block, which so cannot see what its gradient hangs on."""
    w = leaf([1.0, 2.0], name="w")
    with mg.Tape() as first:
        y = (w**3).sum()
    with mg.Tape():
        w * 2
        with pytest.raises(mg.TapeError, match="the leaf w was read both in the block that is recording now"):
            first.gradients(y, [w])
        with pytest.raises(mg.TapeError, match="the leaf w was read both in the block that is recording now"):
            first.pushforward([(w, np.ones(2))])
    with mg.Tape() as tape:
        constant = mg.Tensor(first.gradients(y, [w])[0]) * leaf(1.0)
        assert constant.data.tolist() == [3.0, 12.0]
        with pytest.raises(mg.TapeError, match="recorded before this block and pulled back within it"):
            w * 2
    with pytest.raises(mg.TapeError, match=r"wrt\[0\] \(w\) is a leaf of a tape that was recorded before"):
        tape.gradients(constant, [w])


def test_backward_is_refused_where_a_tape_around_has_read_the_leaf():
    w = leaf([1.0, 2.0], name="w")
    with mg.Tape():
        with mg.Tape() as inner:
            y = (w**3).sum()
        with pytest.raises(mg.TapeError, match="the leaf w was read both"):
            inner.backward(y)
    inner.backward(y)
    assert w.grad.tolist() == [3.0, 12.0]


def test_cotangents_that_are_differentiated():
    value, pullback = mg.vjp(lambda w: w * w, 2.0)
    with mg.Tape() as tape:
        c = leaf(3.0)
        (g,) = pullback(c)
        assert pullback(mg.Tensor(2.0))[0] == 8.0
    assert tape.gradients(g, [c])[0] == 4.0 and value == 4.0
    assert pullback(leaf(1.0))[0] == 4.0  # no tape, nothing is lost
    with pytest.raises(TypeError, match="is a tensor that is being differentiated itself"):
        pullback(g)


def test_what_stays_an_array():
    w = leaf([1.0, 2.0])
    with mg.Tape() as tape:
        out = (w * w).sum()
        fresh = own_tape(lambda y: (y * y).sum(), [3.0])
        of_values = mg.grad(lambda y: (y**3).sum())(w.data)
        detached = mg.grad(lambda y: (w.detach() * y).sum())(np.ones(2))
        constants = mg.grad(lambda y: (ops.linear(y, np.ones((1, 2)))).sum())(np.ones(2))
    assert of_values.tolist() == [3.0, 12.0] and detached.tolist() == [1.0, 2.0] and constants.tolist() == [1.0, 1.0]
    assert all(isinstance(g, np.ndarray) for g in (of_values, detached, constants))
    # Nothing of the inner functions; the leaf that was made by hand in a block within is one of both.
    assert [node.name for node in tape.nodes[:4]] == ["multiply", "sum", "multiply", "sum"]
    assert not {node.name for node in tape.nodes} & {"power", "linear"}
    assert fresh.item() == 6.0 and tape.gradients(out, [w])[0].tolist() == [2.0, 4.0]
    with tape, tape:  # a tape within itself is one tape
        assert (w * w).tape is tape
    with mg.Tape() as outer, mg.Tape() as inner, outer:
        both = w * w
    assert set(both.stands) == {outer, inner}


def test_a_tensor_that_begins_to_require_a_gradient_later():
    with mg.Tape() as outer:
        old = mg.Tensor([1.0])
        with mg.Tape() as inner:
            fresh = mg.Tensor([1.0]) * 2
            fresh.requires_grad = old.requires_grad = True
            assert set((fresh * old).stands) == {outer, inner}


def test_copies_are_leaves_of_their_own():
    w = leaf([1.0])
    with mg.Tape(), mg.Tape() as inner:
        for twin in (copy.copy(w), copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
            assert twin.requires_grad and (twin * 2).tape is inner


def test_what_measures_a_model_is_refused_within_a_block():
    """A fit within a recording, and a report, hold arrays: constants for the block without a word."""
    model = nn.mlp(2, 3, 2, rng=0)
    x, y = np.ones((4, 2), np.float32), np.zeros(4, int)

    def record(rng):
        with mg.Tape(rng=rng) as tape:
            loss = ops.cross_entropy(model(x), y)
        return tape, loss

    def fit():
        training.fit(model, (x, y), optimizer=optim.SGD(model, lr=0.1), epochs=1, batch_size=2, rng=0)

    with mg.Tape(), pytest.raises(TypeError, match=r"SGD.step: the gradient of .* is a Tensor.*leave that block first"):
        fit()
    with mg.Tape(), pytest.raises(mg.TapeError, match="was read both.*leave the block first"):
        inspect.variance(record=record, draws=4, rng=0)


def test_blocks_of_other_threads_do_not_matter():
    w = leaf([1.0])
    found = []

    def work():
        with mg.Tape() as tape:
            y = w * 3
        found.append(tape.gradients(y, [w], cotangent=[1.0])[0].tolist())

    with mg.Tape() as tape:
        y = w * 2
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        y = y + w
    assert found == [[3.0]] and tape.gradients(y, [w], cotangent=[1.0])[0].tolist() == [3.0]


def test_an_outer_tape_keeps_no_inner_tape_alive():
    with mg.Tape() as outer:
        w = leaf([1.0])
        with mg.Tape() as inner:
            y = w * w
        gone = weakref.ref(inner)
        (g,) = inner.gradients(y, [w], cotangent=[1.0])
        del y, inner
        gc.collect()
        assert gone() is None
        z = g * w
    assert outer.gradients(z, [w], cotangent=[1.0])[0].tolist() == [4.0]


def test_what_is_one_of_wrt_by_another_name_is_refused():
    """y is x for the tape around; by x alone, with y as a leaf, the gradient of x·y would be y and not 2x."""

    def inner(x, y):
        with mg.Tape() as tape:
            z = x * y
        return tape.gradients(z, [x])[0]

    with pytest.raises(mg.TapeError, match="computed before its block began"):
        mg.grad(lambda x: mg.grad(lambda y: inner(x, y))(x))(3.0)
    assert mg.grad(lambda x: inner(x, x.detach()) * x)(3.0) == 3.0
