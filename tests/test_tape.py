"""Recording, and what backward and gradients promise."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops


def leaf(values, dtype=np.float64, name=None):
    return mg.Tensor(np.array(values, dtype=dtype), requires_grad=True, name=name)


def test_outside_a_tape_nothing_is_recorded():
    w = leaf([1.0, 2.0])
    y = (w * w).sum()
    assert y.tape is None and y.node is None and not y.requires_grad
    with mg.Tape() as tape:
        pass
    y = (w * w).sum()
    assert tape.nodes == [] and y.tape is None


def test_operations_on_constants_are_not_recorded():
    with mg.Tape() as tape:
        y = (mg.Tensor([1.0]) * 2 + np.ones(1)).exp()
    assert tape.nodes == [] and not y.requires_grad


def test_what_a_node_tells():
    w, x = leaf(np.ones((2, 3)), np.float32, "w"), mg.Tensor(np.ones((4, 3), np.float32))
    with mg.Tape() as tape:
        y = ops.linear(x, w).tanh()
    first, second = tape.nodes
    assert (first.index, first.name, first.parents[0], first.parents[1]) == (0, "linear", None, w)
    assert first.in_shapes == ((4, 3), (2, 3), None) and first.shape == (4, 2) and first.dtype == np.float32
    assert second.parents == (0,) and y.node == 1 and y.tape is tape
    assert tape.leaves == [w]
    assert "linear" in str(tape.summary()) and "n0 -> n1" in tape.to_dot()


def test_saved_is_visible_with_its_bytes():
    w, x = leaf(np.ones((2, 3)), np.float32), mg.Tensor(np.ones((4, 3), np.float32))
    with mg.Tape() as tape:
        y = ops.linear(x, w)
        z = y * y
        z.sum()
    assert set(tape.nodes[0].saved) == {"x"}, "x is a constant, so w need not be kept"
    assert tape.nodes[0].saved["x"] is x.data and tape.nodes[0].nbytes == 4 * 3 * 4
    assert tape.nodes[1].nbytes == y.data.nbytes, "an array that is saved twice counts once"
    assert tape.nodes[2].nbytes == 0


def test_backward_fills_grad_and_a_second_one_adds():
    w = leaf([1.0, 2.0])
    with mg.Tape() as tape:
        loss = (w * w).sum()
    tape.backward(loss)
    np.testing.assert_array_equal(w.grad, [2, 4])
    first = w.grad
    loss.backward()
    np.testing.assert_array_equal(w.grad, [4, 8])
    np.testing.assert_array_equal(first, [2, 4])  # an array handed out before does not change
    w.grad = None
    tape.backward(loss, cotangent=3.0)
    np.testing.assert_array_equal(w.grad, [6, 12])


def test_inner_nodes_do_not_count_twice_in_a_second_backward():
    w = leaf([0.3])
    with mg.Tape() as tape:
        y = w.exp()
        loss = (y * y + y).sum()
    for k in range(1, 4):
        tape.backward(loss)
        np.testing.assert_allclose(w.grad, k * (2 * np.exp(0.6) + np.exp(0.3)), rtol=1e-14)


def test_gradients_leaves_grad_alone_and_repeats():
    w = leaf([1.0, 2.0])
    with mg.Tape() as tape:
        loss = (w * w).sum()
    for _ in range(3):
        np.testing.assert_array_equal(tape.gradients(loss, [w])[0], [2, 4])
    assert w.grad is None


def test_a_diamond_adds_over_its_paths():
    w = leaf([0.5, -1.0])
    with mg.Tape() as tape:
        y = w.exp()
        left, right = y * 2, y.sin()
        loss = (left * right + y + y).sum()
    e = np.exp(w.data)
    np.testing.assert_allclose(tape.gradients(loss, [w])[0], (2 * np.sin(e) + 2 * e * np.cos(e) + 2) * e, rtol=1e-14)


def test_a_node_used_many_times():
    w = leaf([2.0])
    with mg.Tape() as tape:
        y = w * 3
        loss = sum((y for _ in range(50)), start=y).sum()
    assert tape.gradients(loss, [w])[0].tolist() == [153.0]


def test_gradients_of_intermediate_tensors():
    w = leaf([0.5, 2.0])
    with mg.Tape() as tape:
        y = w * w
        z = y.exp()
        loss = z.sum()
        later = z * 2
    gw, gy, gz, gl, gout = tape.gradients(loss, [w, y, z, later, loss])
    np.testing.assert_allclose(gy, np.exp(y.data))
    np.testing.assert_allclose(gw, 2 * w.data * np.exp(y.data))
    assert gz.tolist() == [1, 1] and gl.tolist() == [0, 0] and gout == 1


def test_gradients_are_arrays_of_their_own():
    w, v = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    start = np.array([5.0, 6.0])
    with mg.Tape() as tape:
        y = w + v
    every = tape.gradients(y, [w, v, w, y], cotangent=start)
    for gradient in every:
        gradient += 100
    assert start.tolist() == [5, 6]
    for gradient in every:
        assert gradient.tolist() == [105, 106]
    assert tape.gradients(y, [w], cotangent=start)[0].tolist() == [5, 6]
    with mg.Tape() as tape:
        y = w * v
    once, again = tape.gradients(y, [w, w], cotangent=start)
    once += 100
    assert again.tolist() == [15, 24]


def test_unused_leaves_get_zeros():
    w, recorded, foreign = leaf([1.0, 2.0]), leaf([[3.0]], np.float32), leaf([4.0])
    with mg.Tape() as tape:
        loss = w.sum()
        recorded.exp()
    tape.backward(loss)
    assert recorded.grad.dtype == np.float32 and recorded.grad.tolist() == [[0.0]]
    assert [g.tolist() for g in tape.gradients(loss, [recorded, foreign])] == [[[0.0]], [0.0]]
    recorded.grad = np.ones((1, 1), np.float32)
    tape.backward(loss)
    assert recorded.grad.tolist() == [[1.0]]


def test_gradients_have_the_dtype_of_their_tensor():
    w, v = leaf([1.0], np.float32), leaf([2.0], np.float64)
    with mg.Tape() as tape:
        y = w * 3
        loss = (y * v).sum()
    gw, gv, gy = tape.gradients(loss, [w, v, y])
    assert (loss.dtype, gw.dtype, gv.dtype, gy.dtype) == (np.float64, np.float32, np.float64, np.float32)


def test_a_chain_of_100_000_operations():
    w = leaf([1.0])
    with mg.Tape() as tape:
        y = w
        for _ in range(50_000):
            y = y + 1.0
            y = -y
    assert len(tape.nodes) == 100_000
    tape.backward(y, cotangent=[1.0])
    assert w.grad.tolist() == [1.0]


def test_nested_tapes_all_record_what_a_leaf_is_read_for():
    w = leaf([2.0])
    with mg.Tape() as outer:
        a = w * 3
        with mg.Tape() as inner:
            v = leaf([2.0])
            b = v * 5
        c = a * 7
    assert [len(outer.nodes), len(inner.nodes)] == [3, 1]
    assert outer.gradients(c, [w], cotangent=[1.0])[0].tolist() == [21.0]
    assert inner.gradients(b, [v], cotangent=[1.0])[0].tolist() == [5.0]


def test_a_tape_is_closed_by_an_exception():
    w = leaf([1.0])
    with pytest.raises(RuntimeError, match="stop"), mg.Tape() as tape:
        raise RuntimeError("stop")
    assert (w * 2).tape is None and tape.nodes == []


def test_a_tape_can_be_continued():
    w = leaf([2.0])
    with mg.Tape() as tape:
        y = w * w
    with tape:
        loss = (y * 3).sum()
    assert tape.gradients(loss, [w])[0].tolist() == [12.0]


def test_threads_record_on_their_own_tapes():
    shared, results, gate = leaf(np.ones(3)), {}, threading.Barrier(4)

    def work(k):
        gate.wait()
        with mg.Tape() as tape:
            y = shared * float(k)
            gate.wait()  # every tape is open at once
            for _ in range(50):
                y = y + shared
        results[k] = (len(tape.nodes), tape.gradients(y, [shared], cotangent=np.ones(3))[0].tolist())

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {k: (51, [50.0 + k] * 3) for k in range(4)}


def test_errors_of_backward():
    w, other = leaf(np.ones((2, 3)), name="weight"), leaf([1.0])
    with mg.Tape() as tape:
        y = w * 2
        loss = y.sum()
    with mg.Tape() as second:
        far = other * 2
    with pytest.raises(mg.TapeError, match=r"shape \(2, 3\).*only a scalar.*cotangent"):
        tape.backward(y)
    with pytest.raises(ValueError, match=r"cotangent has shape \(3,\), but the tensor has shape \(2, 3\)"):
        tape.backward(y, cotangent=np.ones(3))
    with pytest.raises(TypeError, match="complex"):
        tape.backward(y, cotangent=np.ones((2, 3), complex))
    with pytest.raises(mg.TapeError, match="another tape"):
        second.backward(loss)
    with pytest.raises(mg.TapeError, match="not recorded"):
        tape.backward(w)
    with pytest.raises(mg.TapeError, match="not recorded"):
        mg.Tensor(1.0).backward()
    with pytest.raises(mg.TapeError, match=r"wrt\[0\] was recorded on another tape"):
        tape.gradients(loss, [far])
    with pytest.raises(mg.TapeError, match=r"wrt\[1\] of shape \(4,\) requires no gradient"):
        tape.gradients(loss, [w, mg.Tensor(np.ones(4))])
    with pytest.raises(TypeError, match="list of tensors"):
        tape.gradients(loss, w)
    with pytest.raises(TypeError, match=r"wrt\[0\] is a ndarray"):
        tape.gradients(loss, [np.ones(3)])
    with pytest.raises(mg.TapeError, match="another tape"), mg.Tape():
        loss * 2
    w.version += 1
    with pytest.raises(mg.TapeError, match=r"weight was changed in place.*Record a new tape"):
        tape.backward(loss)


@pytest.mark.parametrize("rng, error", [(-1, ValueError), ("a", TypeError), (0.5, TypeError)])
def test_rng_must_be_a_seed_or_a_generator(rng, error):
    w = leaf([1.0])
    with mg.Tape() as tape:
        loss = w.sum()
    with pytest.raises(error, match="seed"):
        tape.gradients(loss, [w], rng=rng)


def test_a_non_finite_cotangent_passes():
    w = leaf([1.0, 2.0])
    with mg.Tape() as tape:
        y = w * 3
    assert str(tape.gradients(y, [w], cotangent=[np.nan, np.inf])[0].tolist()) == "[nan, inf]"


def test_a_tape_within_itself():
    tape = mg.Tape()
    with tape, mg.Tape() as inner:
        w = leaf([1.0])
        with tape:
            pass
        assert (w * 2).tape is inner
    assert (w * 2).tape is None
    with pytest.raises(mg.TapeError, match="not entered"):
        tape.__exit__(None, None, None)


def test_another_array_in_a_leaf_is_noticed():
    w = leaf([1.0, 2.0], name="weight")
    with mg.Tape() as tape:
        loss = (w * w).sum()
    recorded, w.data = w.data, np.array([5.0, 6.0])
    with pytest.raises(mg.TapeError, match=r"weight had its .data replaced.*Record a new tape"):
        tape.backward(loss)
    w.data = recorded
    assert tape.gradients(loss, [w])[0].tolist() == [2, 4]


def test_errors_say_what_happened():
    w = leaf([1.0])
    with mg.Tape() as tape:
        y = w * 2
    with mg.Tape(), pytest.raises(mg.TapeError, match="another tape"):
        y * 3
    late = w * 2
    for call in (tape.backward, lambda y: y.backward(), lambda y: tape.gradients(y, [w])):
        with pytest.raises(mg.TapeError, match="block had ended"):
            call(late)
        with pytest.raises(mg.TapeError, match="it is a leaf"):
            call(w)
    for start in (np.ones(3), 1.0):
        with pytest.raises(TypeError, match=f"Tensor to start from.*{type(start).__name__}"):
            tape.backward(start)
        with pytest.raises(TypeError, match="Tensor to start from"):
            tape.gradients(start, [w])


@pytest.mark.parametrize("keep", [pickle.dumps, copy.deepcopy, copy.copy])
def test_tapes_are_neither_saved_nor_copied(keep):
    w = leaf([1.0], name="w")
    with mg.Tape() as tape:
        y = w * 2
    with pytest.raises(TypeError, match="tapes are not saved or copied"):
        keep(tape)
    with pytest.raises(TypeError, match=r"neither saved nor copied.*detach"):
        keep(y)
    tape.backward(y, cotangent=[1.0])
    again = keep(w)
    again = pickle.loads(again) if isinstance(again, bytes) else again
    assert (again.name, again.requires_grad, again.data.tolist(), again.grad.tolist()) == ("w", True, [1.0], [2.0])
