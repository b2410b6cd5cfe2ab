"""Tapes within tapes: no derivative of a derivative is a constant, or zero, without a word."""

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
    y = leaf(x)
    with mg.Tape() as tape:
        y = leaf(x)
        z = fn(y)
    return tape.gradients(z, [y])[0]


TRANSFORMS = {
    "grad": lambda fn, x: mg.grad(fn)(x),
    "value_and_grad": lambda fn, x: mg.value_and_grad(fn)(x)[1],
    "the value": lambda fn, x: mg.value_and_grad(fn)(x)[0],
    "vjp": lambda fn, x: mg.vjp(fn, x)[1](np.ones(()))[0],
    "Tape": own_tape,
}
OUTER = {
    "grad": lambda fn: mg.grad(fn)(3.0),
    "vjp": lambda fn: mg.vjp(fn, 3.0)[1](1.0)[0],
    "Tape": lambda fn: own_tape(fn, 3.0),
}
INNER = {
    "by closure": lambda inner, x: inner(lambda y: x * y, 5.0),
    "recorded before": lambda inner, x: inner(lambda y, z=x * x: z * y, 5.0),
    "as the value": lambda inner, x: inner(lambda y: x, 5.0),
    "recorded, as the value": lambda inner, x: inner(lambda y, z=x * x: z, 5.0),
    "beside a fresh leaf": lambda inner, x: inner(lambda y: leaf(2.0) * y + x, 5.0),
}


@pytest.mark.parametrize("how", INNER)
@pytest.mark.parametrize("inner", TRANSFORMS)
@pytest.mark.parametrize("outer", OUTER)
def test_an_outer_tensor_is_refused_whether_or_not_the_outer_tape_has_met_it(outer, inner, how):
    """d/dx of x·d/dy(xy) is 2x, 6 at 3; as a constant inside it would be 3, and without the factor x 0."""
    for fn in (lambda x: x * INNER[how](TRANSFORMS[inner], x), lambda x: INNER[how](TRANSFORMS[inner], x) * x):
        with pytest.raises(mg.TapeError, match="outer|another tape|a leaf"):
            OUTER[outer](fn)
    with pytest.raises(mg.TapeError, match="outer|another tape|a leaf"):  # here it would be a silent 0
        OUTER[outer](lambda x: mg.Tensor(INNER[how](TRANSFORMS[inner], x)) * 1.0)


def test_the_right_number_where_the_formula_is_written_out():
    assert mg.grad(lambda x: x * x)(3.0) == 6.0


@pytest.mark.parametrize("as_argument", [1, "keyword"])
def test_another_argument_is_refused_too(as_argument):
    def outer(x):
        if as_argument == 1:
            return x * mg.grad(lambda y, z: y * z)(5.0, x)
        return x * mg.grad(lambda y, z: y * z)(5.0, z=x)

    with pytest.raises(mg.TapeError, match=r"multiply: input 'y' is a leaf that was made before this inner block"):
        mg.grad(outer)(3.0)


def test_the_differentiated_argument_is_refused_too():
    with pytest.raises(TypeError, match="derivatives of derivatives"):
        mg.grad(lambda x: x * mg.grad(lambda y: y * y)(x))(3.0)
    with pytest.raises(TypeError, match=r"argument 0\[0\] is .*derivatives of derivatives"):
        mg.grad(lambda x: x * mg.grad(lambda y: (y * y).sum())([x, x]).sum())(3.0)


def test_one_step_of_maml_a_residual_and_the_gradient_by_a_learning_rate():
    model = nn.mlp(2, 3, 1, rng=0)
    x, y = np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32)
    with mg.Tape(), pytest.raises(mg.TapeError, match="made before this inner block"), mg.Tape():  # MAML
        ops.mse(model(x), y)
    with mg.Tape(), pytest.raises(mg.TapeError, match="made before this inner block"):  # a residual
        mg.grad(lambda x: model(x).sum())(x)

    def after_a_step(rate):
        w = mg.grad(lambda w: (w - rate) ** 2)(2.0)
        return (2.0 - rate * w) ** 2

    with pytest.raises(mg.TapeError, match="made before this inner block"):
        mg.grad(after_a_step)(0.1)


def test_a_leaf_of_an_inner_block_is_refused_outside_of_it():
    """d/dv of v·d/dv(v³) is 9v²; with the inner gradient as a constant it would be 3v²."""
    with mg.Tape() as outer:
        with mg.Tape() as inner:
            v = leaf(2.0, name="v")
            z = v**3
        (g,) = inner.gradients(z, [v])
        constant = mg.Tensor(g) * leaf(1.0)
        with pytest.raises(mg.TapeError, match=r"multiply: input 'x' is a leaf that a block within this one has read"):
            v * g
        with pytest.raises(mg.TapeError, match=r"multiply: input 'x' was recorded on another tape"):
            z * g
        assert (v.detach() * g).item() == 24.0
    with pytest.raises(mg.TapeError, match=r"wrt\[0\] \(v\) is a leaf that a block within this one has read"):
        outer.gradients(constant, [v])  # 0 without a word
    assert inner.gradients(z, [v])[0] == g == 12.0


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
        with pytest.raises(mg.TapeError, match=r"(gradient was taken already.*block has ended)|made before this inner"):
            USES[use](w, y, g)
        fresh = leaf(2.0) * g  # cannot hang on it
        assert (w.detach() * g).item() == 18.0
        assert tape.gradients(y, [w])[0] == g == 6.0  # again, of what stands there
    assert fresh.item() == 12.0
    with tape:  # a gradient that was taken outside of the block is data
        z = y * w
    assert tape.gradients(z, [w])[0] == 27.0


def test_it_is_passed_on_through_any_depth():
    with mg.Tape():
        with mg.Tape(), mg.Tape():
            v = leaf(2.0)
            v * v
        with pytest.raises(mg.TapeError, match="within this one has read"):
            v * 2
    assert (v * 2).item() == 4.0


def test_a_tape_that_is_pulled_back_within_another_block():
    w = leaf([1.0, 2.0], name="w")
    with mg.Tape() as first:
        y = (w**3).sum()
    with mg.Tape():
        w * 2
        with pytest.raises(
            mg.TapeError, match="the leaf w was read both on this tape and in the block that is recording"
        ):
            first.gradients(y, [w])
    with mg.Tape():
        assert first.gradients(y, [w])[0].tolist() == [3.0, 12.0]
        with pytest.raises(mg.TapeError, match="within this one has read"):
            w * 2
    w2, pullback = mg.vjp(lambda w: w * w, 2.0)
    with mg.Tape():
        assert pullback(1.0)[0] == 4.0
        with pytest.raises(TypeError, match="the cotangent is a tensor that is being differentiated itself"):
            pullback(leaf(1.0))
        with pytest.raises(TypeError, match="the cotangent is a tensor that is being differentiated itself"):
            pullback(leaf(1.0) * 2)
        assert pullback(mg.Tensor(2.0))[0] == 8.0
    assert pullback(leaf(1.0))[0] == 4.0  # no tape, nothing is lost


def test_what_stays_legal():
    model = nn.mlp(2, 3, 1, rng=0)
    w = leaf([1.0, 2.0])
    x = np.ones((4, 2), np.float32)
    with mg.Tape() as tape:
        out = (w * w).sum()
        fresh = own_tape(lambda y: (y * y).sum(), [3.0])
        of_values = mg.grad(lambda y: (y**3).sum())(w.data)
        detached = mg.grad(lambda y: (w.detach() * y).sum())(np.ones(2))
        constants = mg.grad(lambda y: (ops.linear(y, np.ones((1, 2)))).sum())(np.ones(2))
    assert fresh == 6.0 and of_values.tolist() == [3.0, 12.0] and detached.tolist() == [1.0, 2.0]
    assert constants.tolist() == [1.0, 1.0] and tape.gradients(out, [w])[0].tolist() == [2.0, 4.0]
    # One after the other, and in a function of one's own outside of any block, nothing changes.
    for _ in range(2):
        with mg.Tape() as tape:
            loss = ops.mse(model(x), np.zeros((4, 1), np.float32))
            loss.backward()
    assert mg.grad(lambda y: (w * y).sum())(np.ones(2)).tolist() == [1.0, 2.0]
    with tape, tape:  # a tape within itself is one tape
        assert (w * w).tape is tape
    with mg.Tape() as outer, mg.Tape(), outer, pytest.raises(mg.TapeError, match="made before this inner block"):
        w * w
    with outer:
        assert (w * w).tape is outer


def test_a_tensor_that_begins_to_require_a_gradient_later():
    with mg.Tape():
        old = mg.Tensor([1.0])
        with mg.Tape() as inner:
            fresh = mg.Tensor([1.0]) * 2
            fresh.requires_grad = old.requires_grad = True
            assert (fresh * 2).tape is inner
            with pytest.raises(mg.TapeError, match="made before this inner block"):
                old * 2


def test_copies_are_as_old_as_the_copy():
    w = leaf([1.0])
    with mg.Tape(), mg.Tape() as inner:
        for twin in (copy.copy(w), copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
            assert twin.requires_grad and (twin * 2).tape is inner


def test_what_measures_a_model_is_refused_within_a_block_too():
    """A fit within a recording is a constant for it, as any inner gradient is."""
    model = nn.mlp(2, 3, 2, rng=0)
    x, y = np.ones((4, 2), np.float32), np.zeros(4, int)

    def record(rng):
        with mg.Tape(rng=rng) as tape:
            loss = ops.cross_entropy(model(x), y)
        return tape, loss

    def fit():
        training.fit(model, (x, y), optimizer=optim.SGD(model, lr=0.1), epochs=1, batch_size=2, rng=0)

    for measure in (fit, lambda: inspect.variance(record=record, draws=4, rng=0)):
        with mg.Tape(), pytest.raises(mg.TapeError, match="made before this inner block.*Leave the inner block first"):
            measure()


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


def test_an_outer_tape_keeps_no_inner_leaf_alive():
    with mg.Tape() as outer:
        with mg.Tape() as inner:
            v = leaf([1.0])
            v * 2
        gone = weakref.ref(v)
        del v, inner
        gc.collect()
    assert gone() is None and len(outer.lent) == 0
