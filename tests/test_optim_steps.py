"""What a step does, against the textbook formulas in plain NumPy."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim import optimizer as module
from minigrad.structure import Columns, Rows

SHAPES = [(3, 4), (4,), ()]


def problem(seed=0, dtype=np.float64, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    tensors = [mg.Tensor(rng.normal(size=shape), requires_grad=True, dtype=dtype) for shape in shapes]
    gradients = [[np.asarray(rng.normal(size=shape), dtype) for shape in shapes] for _ in range(6)]
    return tensors, gradients


def sgd_reference(w, gradients, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    """Sutskever et al. (2013), with the learning rate outside of the velocity."""
    w, v = w.copy(), 0.0
    for g in gradients:
        g = g + weight_decay * w
        v = momentum * v + g
        w = w - lr * (g + momentum * v if nesterov else v)
    return w


def adam_reference(w, gradients, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False):
    """Kingma & Ba (2015), algorithm 1; Loshchilov & Hutter (2019), algorithm 2."""
    w, m, v = w.copy(), 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        decay = lr * weight_decay * w if decoupled else 0
        g = g if decoupled else g + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        w = w - decay - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return w


CASES = {
    "sgd": (optim.SGD, sgd_reference, {"lr": 0.1}),
    "decay": (optim.SGD, sgd_reference, {"lr": 0.1, "weight_decay": 0.3}),
    "momentum": (optim.SGD, sgd_reference, {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (optim.SGD, sgd_reference, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.3}),
    "adam": (optim.Adam, adam_reference, {"lr": 0.1}),
    "adam, others": (optim.Adam, adam_reference, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 0.1, "weight_decay": 0.3}),
    "adamw": (optim.AdamW, adam_reference, {"lr": 0.1, "weight_decay": 0.3}),
}


@pytest.fixture(params=CASES, name="case")
def case_fixture(request):
    make, reference, settings = CASES[request.param]
    decoupled = {"decoupled": True} if make is optim.AdamW else {}
    return make, lambda w, gradients: reference(w, gradients, **settings, **decoupled), settings


@pytest.mark.parametrize("block", [5, 65536])
def test_six_steps_agree_with_the_formulas(case, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)  # blocks of 5 values cut the 12 of the matrix into 3 pieces
    make, reference, settings = case
    tensors, gradients = problem()
    expected = [reference(t.data, [step[k] for step in gradients]) for k, t in enumerate(tensors)]
    planted = [reference(t.data, [1.001 * step[k] for step in gradients]) for k, t in enumerate(tensors)]
    optimizer = make(tensors, **settings)
    for step in gradients:
        optimizer.step(step)
    for tensor, right, wrong in zip(tensors, expected, planted, strict=True):
        np.testing.assert_allclose(tensor.data, right, rtol=1e-12)
        if settings.get("eps") or make is optim.SGD:  # Adam hardly feels the scale of its gradients
            assert not np.allclose(tensor.data, wrong, rtol=1e-8, atol=0)


def test_parameters_keep_dtype_memory_and_shape_and_gradients_are_left_alone(case):
    make, reference, settings = case
    tensors, gradients = problem(dtype=np.float32)
    arrays = [tensor.data for tensor in tensors]
    expected = [reference(t.data.astype(float), [s[k].astype(float) for s in gradients]) for k, t in enumerate(tensors)]
    before = [[g.copy() for g in step] for step in gradients]
    optimizer = make(tensors, **{**settings, "lr": np.float64(settings["lr"])})
    for count, step in enumerate(gradients, start=1):
        optimizer.step(step)
        assert [tensor.version for tensor in tensors] == [count] * 3
    for tensor, array, right in zip(tensors, arrays, expected, strict=True):
        assert tensor.data is array and array.dtype == np.float32
        np.testing.assert_allclose(array, right, rtol=2e-5)
    for step, same in zip(gradients, before, strict=True):
        for g, old in zip(step, same, strict=True):
            np.testing.assert_array_equal(g, old)


def test_blocks_do_not_change_a_bit(case, monkeypatch):
    make, _, settings = case
    results = []
    for block in (7, 65536):
        monkeypatch.setattr(module, "BLOCK", block)
        tensors, gradients = problem(dtype=np.float32)
        optimizer = make(tensors, **settings)
        for step in gradients:
            optimizer.step(step)
        results.append([tensor.data.tobytes() for tensor in tensors])
    assert results[0] == results[1]


def test_other_memory_layouts(case, monkeypatch):
    make, _, settings = case
    monkeypatch.setattr(module, "BLOCK", 5)
    results = []
    for order in "CF":
        tensors, gradients = problem(shapes=[(6, 4)])
        tensors[0].data = np.array(tensors[0].data, order=order)
        optimizer = make(tensors, **settings)
        for (g,) in gradients:
            optimizer.step([np.asarray(g, order="F" if order == "C" else "C")])
        results.append(tensors[0].data)
    np.testing.assert_array_equal(*results)


def test_parameters_of_several_dtypes_and_sizes():
    tensors = [mg.Tensor(np.ones(n), requires_grad=True, dtype=d) for n in (2, 9, 3) for d in (np.float32, np.float64)]
    optim.Adam(tensors, lr=0.5).step([np.ones(t.shape, t.dtype) for t in tensors])
    for tensor in tensors:
        np.testing.assert_allclose(tensor.data, 0.5, rtol=1e-6)


def test_grad_attributes_are_the_default(case):
    make, _, settings = case
    tensors, gradients = problem()
    twins, _ = problem()
    first, second = make(tensors, **settings), make(twins, **settings)
    for step in gradients:
        for tensor, g in zip(tensors, step, strict=True):
            tensor.grad = g
        first.step()
        second.step(step)
    for tensor, twin in zip(tensors, twins, strict=True):
        np.testing.assert_array_equal(tensor.data, twin.data)
    first.zero_grad()
    assert all(tensor.grad is None for tensor in tensors)


@pytest.mark.parametrize("rows", ["rows", "samples"])
def test_rows_change_only_themselves_and_agree_with_dense_bit_for_bit(case, rows):
    make, _, settings = case
    shape = (5, 2, 3)
    values, indices = np.random.default_rng(1).normal(size=(2, 3)), np.array([1, 7])
    if rows == "samples":
        values, indices = np.random.default_rng(1).normal(size=(2, 2, 3)), np.array([0, 3])
    sparse = Rows(values, indices, shape)
    one, two = (mg.Tensor(np.full(shape, 0.3), requires_grad=True) for _ in range(2))
    first, second = make([one], **settings), make([two], **settings)
    for _ in range(2):
        first.step([sparse])
        second.step([sparse.dense()])
    assert one.data.tobytes() == two.data.tobytes()
    touched = np.zeros(shape, bool)
    touched.reshape(-1, *values.shape[1:])[indices] = True
    if make is optim.SGD and set(settings) == {"lr"}:
        assert ((one.data != 0.3) == touched).all()
    first.step([Columns(np.ones((10, 1)), np.array([1]), shape)])


def test_rows_in_other_memory_are_not_lost():
    w = mg.Tensor(np.zeros((2, 2, 3), order="F"), requires_grad=True)  # its flattened rows are a copy
    optim.SGD([w], lr=1.0).step([Rows(np.ones((1, 3)), np.array([2]), (2, 2, 3))])
    assert w.data.reshape(4, 3).tolist() == [[0] * 3, [0] * 3, [-1] * 3, [0] * 3]


def test_a_model_is_optimised_through_rows_from_a_tape():
    class FirstColumn(mg.Estimator):
        def sample(self, g, node, rng):
            return Columns(g[:, :1].copy(), np.array([0]), g.shape)

    layer = nn.Linear(3, 4, vjp=FirstColumn(), rng=0)
    before = layer.weight.data.copy()
    optimizer = optim.SGD(layer, lr=0.1)
    with mg.Tape() as tape:
        loss = layer(np.ones((2, 3), np.float32)).sum()
    gradients = tape.gradients(loss, optimizer.parameters, structured=True)
    assert isinstance(gradients[0], Rows)
    optimizer.step(gradients)
    np.testing.assert_allclose(layer.weight.data[0], before[0] - 0.2, rtol=1e-6)
    np.testing.assert_array_equal(layer.weight.data[1:], before[1:])
    with pytest.raises(mg.TapeError, match="the leaf weight was changed in place"):
        tape.backward(loss)


def test_what_is_not_finite_stays_visible(case):
    make, _, settings = case
    w = mg.Tensor(np.ones(2), requires_grad=True)
    make([w], **settings).step([np.array([np.nan, 1.0])])
    assert np.isnan(w.data[0]) and np.isfinite(w.data[1])


def test_a_quadratic_is_minimised(case):
    make, _, settings = case
    w = mg.Tensor(np.array([3.0, -2.0]), requires_grad=True)
    optimizer = make([w], **{**settings, "lr": 0.05, "weight_decay": 0.0})
    for _ in range(400):
        optimizer.zero_grad()
        with mg.Tape():
            loss = ((w - np.array([1.0, 2.0])) ** 2).sum()
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(w.data, [1.0, 2.0], atol=0.02)


def test_adam_has_its_first_step_of_length_lr_at_every_scale():
    w = mg.Tensor(np.zeros(3), requires_grad=True)
    optim.Adam([w], lr=0.1).step([np.array([1e-3, 1.0, 1e100])])
    np.testing.assert_allclose(w.data, -0.1, rtol=1e-4)
    assert math.isclose(optim.Adam([w]).lr, 1e-3)


def test_a_step_allocates_next_to_nothing(case):
    make, _, settings = case
    w = mg.Tensor(np.ones(1_000_000, np.float32), requires_grad=True)
    optimizer = make([w], **settings)
    g = np.ones(1_000_000, np.float32)
    optimizer.step([g])  # makes the work arrays
    tracemalloc.start()
    try:
        optimizer.step([g])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000, "bytes; one array like w takes 4,000,000"


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW])
def test_float16_parameters_take_the_steps_of_float32_rounded(make):
    """Squares of small gradients, and ε, are 0 in float16: Adam divided by 0."""
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal(5), 1e-3 * rng.standard_normal((20, 5))
    ends = []
    for dtype in (np.float16, np.float32):
        weight = mg.Tensor(start.astype(np.float16).astype(dtype), requires_grad=True)
        optimizer = make([weight], lr=0.1)
        for gradient in gradients:
            optimizer.step([gradient.astype(np.float16).astype(dtype)])
        again = make([weight], lr=0.1)
        again.load_state_dict(optimizer.state_dict())
        assert weight.dtype == dtype
        ends.append(weight.data.astype(float))
    np.testing.assert_allclose(ends[0], ends[1], atol=0.02)  # 20 roundings of 5e-4
