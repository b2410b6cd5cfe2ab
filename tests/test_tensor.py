"""Tensor: what it holds, how it shows itself, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.ops.methods import METHODS


def test_data_is_used_as_it_is():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    t = mg.Tensor(a)
    assert t.data is a and t.numpy() is a
    assert (t.shape, t.dtype, t.ndim, t.size, len(t)) == ((2, 3), np.float32, 2, 6, 2)
    assert mg.Tensor([1, 2], dtype=np.float32).dtype == np.float32
    assert mg.Tensor(2.5).item() == float(mg.Tensor(2.5)) == 2.5


@pytest.mark.parametrize("data", [[1, 2], [True]])
def test_integers_have_no_gradient(data):
    mg.Tensor(data)
    with pytest.raises(TypeError, match=r"floating-point.*dtype=np.float32"):
        mg.Tensor(data, requires_grad=True)
    assert mg.Tensor(data, requires_grad=True, dtype=np.float64).requires_grad


@pytest.mark.parametrize("data", [[1j], ["a"], [None]])
def test_only_real_numbers(data):
    with pytest.raises(TypeError, match="real numbers"):
        mg.Tensor(data)


def test_refusals():
    t = mg.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="Tensor already"):
        mg.Tensor(t)
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        t.item()
    with pytest.raises(TypeError, match="in place"):
        t[0] = 3.0
    with pytest.raises(TypeError):
        np.spacing(t)
    with mg.Tape():
        y = t * 2
        with pytest.raises(TypeError, match="gradient would be lost"):
            np.asarray(y)
    np.testing.assert_array_equal(np.asarray(t), [1, 2])


def test_repr_tells_the_role():
    w = mg.Tensor([1.0], requires_grad=True, name="w")
    assert repr(w) == "Tensor([1.], dtype=float64, requires_grad=True, name='w')"
    with mg.Tape():
        assert "node=0 exp" in repr(w.exp())


def test_operators_and_their_reflections():
    a, x = np.array([1.5, 2.0]), mg.Tensor([3.0, 0.5])
    for got, expected in [
        (x + a, x.data + a), (a + x, a + x.data), (x - a, x.data - a), (a - x, a - x.data), (2 - x, 2 - x.data),
        (x * a, x.data * a), (a * x, a * x.data), (x / a, x.data / a), (a / x, a / x.data), (1 / x, 1 / x.data),
        (x**a, x.data**a), (a**x, a**x.data), (2**x, 2**x.data), (-x, -x.data), (abs(-x), abs(x.data)),
        (x @ a, x.data @ a), (a @ x, a @ x.data), (x[0], x.data[0]), (x.T, x.data.T),
        (x.reshape(2, 1), x.data.reshape(2, 1)), (x.reshape((1, 2)), x.data.reshape(1, 2)),
        (x.reshape(-1, 1).transpose(1, 0), x.data.reshape(1, 2)),
    ]:  # fmt: skip
        assert isinstance(got, mg.Tensor)
        np.testing.assert_array_equal(got.data, expected)


def test_comparisons_give_arrays():
    x, y = mg.Tensor([1.0, 2.0, 3.0], requires_grad=True), np.array([2.0, 2.0, 2.0])
    with mg.Tape() as tape:
        for got, expected in [
            (x < y, x.data < y), (x <= y, x.data <= y), (x > 2, x.data > 2), (x >= mg.Tensor(y), x.data >= y),
            (x == 2.0, x.data == 2), (x != 2.0, x.data != 2), (y > x, y > x.data),
        ]:  # fmt: skip
            assert type(got) is np.ndarray and got.dtype == bool
            np.testing.assert_array_equal(got, expected)
    assert tape.nodes == []
    assert len({x, x}) == 1  # still hashable, by identity


@pytest.mark.parametrize("value", [2, 2.0, np.float64(2), np.array(2.0), [2.0, 2.0, 2.0], True])
def test_numbers_and_lists_take_the_dtype_of_the_tensor(value):
    x = mg.Tensor(np.ones(3, np.float32))
    for y in (x + value, value * x, x / value, ops.maximum(value, x), ops.where([True, False, True], x, value)):
        assert y.dtype == np.float32


def test_arrays_keep_their_dtype_as_in_numpy():
    x = mg.Tensor(np.ones(3, np.float32))
    assert (x + np.ones(3)).dtype == np.float64
    assert (mg.Tensor([1, 2]) + 0.5).dtype == np.float64


def test_detach_stops_the_gradient():
    w = mg.Tensor([3.0], requires_grad=True)
    with mg.Tape() as tape:
        y = w * w
        loss = (y.detach() * w).sum()
    assert tape.gradients(loss, [w])[0].tolist() == [9.0]


def test_iteration_goes_over_the_first_axis():
    rows = list(mg.Tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert [row.data.tolist() for row in rows] == [[1, 2], [3, 4]]


def test_methods_are_the_operations():
    x = mg.Tensor(np.linspace(0.1, 0.9, 6).reshape(2, 3))
    for name in METHODS:
        assert getattr(mg.Tensor, name) is getattr(ops, name)
    np.testing.assert_allclose(x.softmax().data.sum(axis=-1), 1)


def test_values_leave_for_numpy_where_no_gradient_is_lost():
    t, w = mg.Tensor([1.0, 2.0]), mg.Tensor([1.0, 2.0], requires_grad=True)
    with mg.Tape():
        with pytest.raises(TypeError, match="gradient would be lost"):
            np.asarray(w)
        assert np.asarray(t).tolist() == [1, 2] and np.shape(w * 2) == (2,)


def test_an_array_on_the_left_is_recorded():
    w = mg.Tensor([1.0, 2.0], requires_grad=True)
    with mg.Tape() as tape:
        loss = (np.array([3.0, 4.0]) * w + np.float64(2) * w).sum()
    assert tape.gradients(loss, [w])[0].tolist() == [5, 6]


def test_single_values_behave_as_numbers():
    t = mg.Tensor([[2.345]])
    assert (f"{t:.2f}", int(t), round(t), round(t, 1)) == ("2.35", 2, 2, 2.3) and f"{t}" == str(t)
    assert f"{mg.Tensor(3):d}" == "3"
    many = mg.Tensor([1.0, 2.0])
    for call, error in [
        (lambda: f"{many:.2f}", TypeError),
        (lambda: int(many), ValueError),
        (lambda: round(many), ValueError),
    ]:
        with pytest.raises(error, match=r"single value.*shape \(2,\)"):
            call()


def test_iteration_records_slices_and_needs_an_axis():
    w = mg.Tensor([1.0, 2.0], requires_grad=True)
    with mg.Tape() as tape:
        first, second = w
        loss = first * second
    assert tape.gradients(loss, [w])[0].tolist() == [2, 1]
    with pytest.raises(TypeError, match="without axes"):
        list(mg.Tensor(3.0))


def test_nothing_equals_none_or_a_text():
    t = mg.Tensor([1.0, 2.0])
    assert not (t == None).any() and (t != None).all() and not (t == "a").any()  # noqa: E711
    assert mg.Tensor(1.0) != None  # noqa: E711


POSITIONS = {
    "argmax": ([], [0], [-1]), "argmin": ([], [0], [-1]), "argsort": ([], [0], [None]), "nonzero": ([],),
}  # fmt: skip


@pytest.mark.parametrize("name, args", [(name, args) for name, every in POSITIONS.items() for args in every])
def test_positions_are_plain_integers(name, args):
    x = np.array([[3.0, 0.0, 2.0], [1.0, 5.0, 0.0]])
    for tensor in (mg.Tensor(x), mg.Tensor(x, requires_grad=True)):
        with mg.Tape():
            got, expected = getattr(tensor, name)(*args), getattr(x, name)(*args)
        for one, other in zip(np.atleast_1d(got), np.atleast_1d(expected), strict=True):
            np.testing.assert_array_equal(one, other)
            assert type(one) in (np.ndarray, np.intp) and one.dtype == np.intp
    assert mg.Tensor(x).argmax(1, keepdims=True).tolist() == [[0], [1]]
    assert mg.Tensor(x).argmin(axis=0, keepdims=True).tolist() == [[1, 0, 1]]


def test_positions_index():
    w = mg.Tensor([3.0, 9.0, 2.0], requires_grad=True)
    with mg.Tape() as tape:
        loss = w[w.argmax()] * w[w.argsort()][0]
    assert tape.gradients(loss, [w])[0].tolist() == [0.0, 2.0, 9.0]


def test_values_as_lists():
    assert mg.Tensor([[1.0, 2.0]]).tolist() == [[1.0, 2.0]] and mg.Tensor(3).tolist() == 3
    w = mg.Tensor([1.0, 2.0], requires_grad=True)
    assert w.tolist() == [1.0, 2.0]  # nothing is recorded
    with mg.Tape():
        for traced in (w, w * 2):
            with pytest.raises(
                TypeError, match=r"^x.tolist\(\) would .* plain list .*`x.data.tolist\(\)`.*`list\(x\)`"
            ):
                traced.tolist()
        assert w.detach().tolist() == [1.0, 2.0]
        assert [x.item() for x in list(w)] == [1.0, 2.0]


def test_one_value_by_its_index():
    x = mg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.item(1, 0) == x.item(2) == 3.0 and x.item(-1) == 4.0
    with pytest.raises(IndexError):
        x.item(4)


@pytest.mark.parametrize(
    "name, args",
    [("flatten", ()), ("flatten", ("F",)), ("ravel", ("F",)), ("copy", ()), ("diagonal", (1,)), ("trace", ()),
     ("repeat", (2, 1)), ("dot", (np.ones(3),)), ("reshape", (3, 2)), ("take", ([0, 5],)), ("take", ([1], 1))],
)  # fmt: skip
def test_methods_of_arrays_are_methods_of_tensors(name, args):
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(getattr(mg.Tensor(x), name)(*args).data, getattr(x, name)(*args))
    np.testing.assert_array_equal(mg.Tensor(x).reshape(3, 2, order="F").data, x.reshape(3, 2, order="F"))


def test_tensor_copies_its_values():
    a = np.ones(2)
    t = mg.tensor(a, requires_grad=True, name="t")
    a[0] = 5
    assert (t.data.tolist(), t.requires_grad, t.name) == ([1.0, 1.0], True, "t")
    again = mg.tensor(t, dtype=np.float32)
    t.data[0] = 7
    assert again.data.tolist() == [1.0, 1.0] and again.dtype == np.float32 and not again.requires_grad
    assert mg.tensor([[1, 2]]).shape == (1, 2) and mg.tensor(3.0).item() == 3.0
    with pytest.raises(TypeError, match="requires_grad needs floating-point values"):
        mg.tensor([1, 2], requires_grad=True)


def test_tensor_of_a_recorded_tensor_is_a_new_leaf():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    with mg.Tape() as tape:
        leaf = mg.tensor(w * 2, requires_grad=True)
        loss = (leaf * leaf).sum()
    assert tape.leaves == [w, leaf] or tape.leaves[-1] is leaf
    assert tape.gradients(loss, [leaf])[0].tolist() == [4.0, 8.0]
