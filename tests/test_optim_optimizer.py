"""Parameters, errors, and the state of optimisers."""

from __future__ import annotations

import io

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

MAKERS = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, 0.1),
    "AdamW": lambda p: optim.AdamW(p, 0.1),
}


def leaf(*shape, name=None, dtype=np.float32):
    return mg.Tensor(np.ones(shape, dtype), requires_grad=True, name=name)


def random_gradients(optimizer, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=t.shape).astype(t.dtype) for t in optimizer.parameters]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_run_goes_on_bit_for_bit_from_its_state(make):
    model = nn.mlp((5, 4, 3), rng=0)
    optimizer = make(model)
    for step in range(4):
        optimizer.step(random_gradients(optimizer, step))
    optimizer.lr = 0.05
    # Through a file of arrays, as a checkpoint would.
    file = io.BytesIO()
    np.savez(file, **optimizer.state_dict())
    weights = model.state_dict()
    for step in range(4, 8):
        optimizer.step(random_gradients(optimizer, step))

    file.seek(0)
    twin = nn.mlp((5, 4, 3), rng=9)
    twin.load_state_dict(weights)
    resumed = make(twin)
    with np.load(file, allow_pickle=False) as state:
        resumed.load_state_dict(dict(state))
    assert resumed.steps == 4 and resumed.lr == 0.05
    for step in range(4, 8):
        resumed.step(random_gradients(resumed, step))
    for path, array in model.state_dict().items():
        assert array.tobytes() == twin.state_dict()[path].tobytes()
    # The state matters: without it, or without the count of steps, the end is another one.
    if resumed._slots:
        other = nn.mlp((5, 4, 3), rng=9)
        other.load_state_dict(weights)
        fresh = make(other)
        fresh.lr = 0.05
        for step in range(4, 8):
            fresh.step(random_gradients(fresh, step))
        assert (other[0].weight.data != model[0].weight.data).any()


def test_the_state_is_copied_and_named_by_path():
    optimizer = optim.SGD(nn.mlp((3, 2), rng=0), 0.1, 0.9)
    state = optimizer.state_dict()
    assert list(state) == ["steps", "lr", "velocity/0.weight", "velocity/0.bias"]
    state["velocity/0.bias"][...] = 7
    assert not optimizer.state_dict()["velocity/0.bias"].any()
    optimizer.load_state_dict(state)
    state["velocity/0.bias"][...] = 8
    assert optimizer.state_dict()["velocity/0.bias"].tolist() == [7, 7]


def test_a_state_that_does_not_fit_is_refused_whole():
    optimizer = optim.Adam([leaf(2, name="w")], 0.1)
    optimizer.step([np.ones(2, np.float32)])
    before = optimizer.state_dict()
    wrong = {"steps": -1, "lr": np.nan, "mean/w": np.ones(3, np.float32), "velocity/w": np.ones(2)}
    with pytest.raises(ValueError) as caught:
        optimizer.load_state_dict(wrong)
    text = str(caught.value)
    for part in [
        "does not fit this Adam",
        "mean/w has shape (3,) and dtype float32, but the parameter needs (2,) and float32",
        "missing from the state: square/w",
        "not in the optimiser: velocity/w",
        "steps is -1",
        "lr is nan",
    ]:
        assert part in text
    for key, value in optimizer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
    with pytest.raises(ValueError, match=r"steps is 1\.5"):
        optimizer.load_state_dict({**before, "steps": 1.5})
    with pytest.raises(ValueError, match="missing from the state: steps"):
        optimizer.load_state_dict({key: value for key, value in before.items() if key != "steps"})


def test_parameters_from_a_module_tensors_or_pairs():
    model = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Linear(2, 1, rng=0))
    model[0].bias.requires_grad = False
    assert optim.SGD(model, 0.1).names == ["0.weight", "1.weight", "1.bias"]
    assert optim.SGD(model[1].parameters(), 0.1).names == ["1.weight", "1.bias"]
    assert optim.SGD(iter([("a", leaf(1)), ("b", leaf(1))]), 0.1).names == ["a", "b"]
    assert optim.SGD([leaf(1, name="w"), leaf(1, name="w"), leaf(1)], 0.1).names == ["w", "w#1", "2"]
    shared = nn.Linear(2, 2, rng=0)
    assert len(optim.SGD(nn.Sequential(shared, shared), 0.1).parameters) == 2


def test_parameters_that_cannot_be_optimised():
    w = leaf(2, name="w")
    with mg.Tape():
        y = w * 2
    fixed = leaf(2, name="fixed")
    fixed.data.flags.writeable = False
    for parameters, error, text in [
        ([], ValueError, "no parameters to optimise"),
        (nn.ReLU(), ValueError, "no parameters to optimise"),
        (w, TypeError, r"write \[w\] for a single one"),
        ([w, np.ones(2)], TypeError, "parameter 1 is a ndarray, not a Tensor"),
        ([mg.Tensor([1.0], name="c")], ValueError, "parameter c requires no gradient"),
        ([y], ValueError, "parameter 0 is the result of an operation"),
        ([w, w], ValueError, "parameter w is given twice"),
        ([fixed], ValueError, "array of parameter fixed cannot be written to"),
    ]:
        with pytest.raises(error, match=f"SGD: .*{text}"):
            optim.SGD(parameters, 0.1)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda p: optim.SGD(p, 0.0), ValueError, "SGD: lr=0 would never"),
        (lambda p: optim.SGD(p, -0.1), ValueError, "SGD: lr=-0.1 must be"),
        (lambda p: optim.SGD(p, float("nan")), ValueError, "SGD: lr=nan must be"),
        (lambda p: optim.Adam(p, float("inf")), ValueError, "Adam: lr=inf must be"),
        (lambda p: optim.SGD(p, "0.1"), TypeError, "SGD: lr='0.1' must be a number"),
        (lambda p: optim.SGD(p, 0.1, 1.0), ValueError, r"SGD: momentum=1 must lie in \[0, 1\)"),
        (lambda p: optim.SGD(p, 0.1, -0.5), ValueError, "SGD: momentum=-0.5"),
        (lambda p: optim.SGD(p, 0.1, float("nan")), ValueError, "SGD: momentum=nan"),
        (lambda p: optim.SGD(p, 0.1, nesterov=True), ValueError, "nesterov=True looks ahead along the momentum"),
        (lambda p: optim.SGD(p, 0.1, weight_decay=-1), ValueError, "SGD: weight_decay=-1"),
        (lambda p: optim.Adam(p, betas=(0.9, 1.0)), ValueError, r"Adam: betas\[1\]=1 must"),
        (lambda p: optim.Adam(p, betas=(-0.1, 0.9)), ValueError, r"Adam: betas\[0\]=-0.1 must"),
        (lambda p: optim.Adam(p, betas=0.9), TypeError, "betas=0.9 must be a pair"),
        (lambda p: optim.AdamW(p, eps=0.0), ValueError, "AdamW: eps must be above 0"),
        (lambda p: optim.AdamW(p, weight_decay=float("nan")), ValueError, "AdamW: weight_decay=nan"),
    ],
)
def test_arguments_out_of_range(make, error, text):
    with pytest.raises(error, match=text):
        make([leaf(1)])


def test_lr_may_be_set_to_zero_by_a_schedule_but_not_to_nonsense():
    optimizer = optim.SGD([leaf(2)], 0.1)
    optimizer.lr = 0
    optimizer.step([np.ones(2, np.float32)])
    assert optimizer.parameters[0].data.tolist() == [1, 1]
    with pytest.raises(ValueError, match="lr=-1"):
        optimizer.lr = -1
    assert optimizer.lr == 0


def test_gradients_that_do_not_fit_change_nothing():
    one, two = leaf(2, name="one"), leaf(3, name="two")
    optimizer = optim.SGD([one, two], 0.1, 0.9)
    one.grad = np.ones(2, np.float32)
    good = np.ones(2, np.float32)
    for gradients, error, text in [
        (None, ValueError, r"no gradient for two: \.grad is None"),
        ([good], ValueError, "got 1 gradients for 2 parameters"),
        ([good, np.ones(2)], ValueError, r"the gradient of two has shape \(2,\), the parameter \(3,\)"),
        ([good, None], TypeError, "the gradient of two is a NoneType"),
        ([good, two], TypeError, "the gradient of two is a Tensor, not an array"),
    ]:
        with pytest.raises(error, match=text):
            optimizer.step(gradients)
    assert one.data.tolist() == [1, 1] and optimizer.steps == 0 and one.version == 0
    two.data = two.data.astype(np.float64)
    with pytest.raises(ValueError, match=r"two was of shape \(3,\) and dtype float32 .* make a new one"):
        optimizer.step([good, np.ones(3)])


def test_a_parameter_frozen_later_is_passed_over():
    one, two = leaf(2), leaf(2)
    optimizer = optim.SGD([one, two], 0.1)
    two.requires_grad = False
    one.grad = np.ones(2, np.float32)
    optimizer.step()
    assert two.data.tolist() == [1, 1] and two.version == 0 and one.data[0] < 1


def test_an_optimiser_of_ones_own():
    class SignDescent(optim.Optimizer):
        def update(self, data, gradient, work, *state):
            step, _ = work
            np.sign(gradient, out=step)
            np.multiply(step, self.lr, out=step)
            np.subtract(data, step, out=data)

    w = leaf(2)
    SignDescent([w], 0.5).step([np.array([-3.0, 0.1])])
    assert w.data.tolist() == [1.5, 0.5]
    with pytest.raises(NotImplementedError, match=r"Optimizer has no `update`\. Write"):
        optim.Optimizer([w], 0.5).step([w.data])


def test_repr():
    model = nn.mlp((3, 2), rng=0)
    assert repr(optim.SGD(model, 0.1, 0.9, nesterov=True, weight_decay=1e-4)) == (
        "<SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.0001) of 2 parameters with 8 values>"
    )
    assert repr(optim.AdamW([leaf(1)])) == "<AdamW(lr=0.001, weight_decay=0.01) of 1 parameter with 1 value>"
    assert repr(optim.Adam([leaf(1)], betas=(0.5, 0.9), eps=1e-4)).startswith(
        "<Adam(lr=0.001, betas=(0.5, 0.9), eps=0.0001)"
    )
