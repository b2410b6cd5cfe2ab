"""state_dict and load_state_dict."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


def model(seed=0):
    return nn.Sequential(nn.Linear(3, 2, rng=seed), nn.ReLU(), nn.Linear(2, 1, rng=seed + 1))


def test_round_trip_is_bit_for_bit_and_copies():
    one, two = model(0), model(5)
    one.buffer("mean", np.array([1.0, np.nan]))
    two.buffer("mean", np.zeros(2))
    state = one.state_dict()
    held = two[0].weight.data
    assert two.load_state_dict(state) == ([], [])
    for path, array in two.state_dict().items():
        assert array.dtype == state[path].dtype
        assert array.tobytes() == state[path].tobytes()
    assert two[0].weight.data is held, "values are copied in place"
    state["0.weight"][...] = 7
    assert not (two[0].weight.data == 7).any() and not (one[0].weight.data == 7).any()


def test_loading_is_noticed_by_a_tape():
    net = model()
    with mg.Tape() as tape:
        loss = net(np.ones((1, 3), np.float32)).sum()
    net.load_state_dict(net.state_dict())
    with pytest.raises(mg.TapeError, match=r"the leaf 0\.weight was changed in place"):
        tape.backward(loss)


def test_all_that_is_wrong_is_named_and_nothing_is_changed():
    net = model()
    before = net.state_dict()
    versions = [tensor.version for tensor in net.parameters()]
    state = {path: array + 1 for path, array in before.items()}
    del state["2.bias"]
    state["head.bias"] = np.zeros(1)
    state["0.weight"] = np.zeros((2, 4), np.float32)
    state["0.bias"] = np.zeros(2, np.float64)
    with pytest.raises(ValueError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    for part in [
        "does not fit the Sequential",
        "strict=False",
        "missing from the state: 2.bias",
        "in the state, but not in the model: head.bias",
        "0.weight has shape (2, 4) and dtype float32 in the state, but shape (2, 3)",
        "0.bias has shape (2,) and dtype float64 in the state, but shape (2,) and dtype float32",
    ]:
        assert part in text
    for path, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[path])
    assert versions == [tensor.version for tensor in net.parameters()]


def test_without_strict_only_paths_may_differ():
    net = model()
    found = net.load_state_dict({"0.bias": np.ones(2, np.float32), "other": np.ones(1)}, strict=False)
    assert found.missing == ["0.weight", "2.weight", "2.bias"] and found.extra == ["other"]
    assert net[0].bias.data.tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"0\.bias has shape \(3,\)"):
        net.load_state_dict({"0.bias": np.ones(3, np.float32), "2.bias": np.ones(1, np.float32)}, strict=False)
    assert net[2].bias.data.tolist() == [0]


def test_a_state_is_a_mapping():
    with pytest.raises(TypeError, match="takes a mapping from paths to arrays, got list"):
        model().load_state_dict([1, 2])


def test_buffers_are_loaded_in_place():
    module = nn.Module()
    module.buffer("mean", np.zeros(2))
    module.load_state_dict({"mean": np.ones(2)})
    assert module.mean.tolist() == [1, 1]
    module.mean = module.mean * 3
    assert module.state_dict()["mean"].tolist() == [3, 3]
