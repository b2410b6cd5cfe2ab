"""Registration, paths, modes, and the tree."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops
from minigrad.engine.context import CONTEXT, current_layer, inside_layer


def param(*shape, value=1.0):
    return mg.Tensor(np.full(shape, value, np.float32), requires_grad=True)


class Scale(nn.Module):
    def __init__(self, n=2):
        self.gain = param(n)
        self.buffer("count", np.zeros((), np.int64))
        self.constant = mg.Tensor(np.ones(n, np.float32))

    def forward(self, x):
        return x * self.gain


class Model(nn.Module):
    def __init__(self):
        self.stem = nn.Linear(3, 2, rng=0)
        self.body = nn.Sequential(nn.Linear(2, 2, rng=1), nn.ReLU(), Scale())
        self.bias = param(2)

    def forward(self, x):
        return self.body(self.stem(x)) + self.bias


def names(model):
    return [name for name, _ in model.named_parameters()]


def labels(model, x):
    with mg.Tape() as tape:
        model(x)
    return [node.label for node in tape.nodes]


X = np.ones((4, 3), np.float32)


def test_paths_of_modules_and_parameters():
    model = Model()
    assert names(model) == ["bias", "stem.weight", "stem.bias", "body.0.weight", "body.0.bias", "body.2.gain"]
    assert [name for name, _ in model.named_modules()] == ["", "stem", "body", "body.0", "body.1", "body.2"]
    assert [name for name, _ in model.named_buffers()] == ["body.2.count"]
    assert all(tensor.name == name for name, tensor in model.named_parameters())


def test_nodes_bear_the_path_of_their_layer():
    assert labels(Model(), X) == ["stem/linear", "body.0/linear", "body.1/relu", "body.2/multiply", "add"]


def test_paths_are_relative_to_the_module_that_is_called():
    model = Model()
    assert labels(model.body, np.ones((1, 2), np.float32)) == ["0/linear", "1/relu", "2/multiply"]
    assert labels(model, X)[0] == "stem/linear"
    with inside_layer("outer"):
        assert labels(model, X)[-2:] == ["outer.body.2/multiply", "outer/add"]
    assert labels(model, X)[-2:] == ["body.2/multiply", "add"]


def test_a_grandchild_called_directly_has_its_full_path():
    class Skips(Model):
        def forward(self, x):
            return self.body[0](self.stem(x))

    assert labels(Skips(), X) == ["stem/linear", "body.0/linear"]


def test_a_layer_replaced_or_removed_after_a_call_is_seen():
    model = Model()
    labels(model, X)
    model.body = nn.Sequential(nn.Tanh())
    assert labels(model, X)[1] == "body.0/tanh"
    assert "body.0.weight" not in names(model)
    del model.bias
    assert names(model) == ["stem.weight", "stem.bias"]


def test_an_unregistered_module_called_inside_is_a_root_below_the_layer_that_calls_it():
    class Calls(nn.Module):
        def __init__(self):
            self.inner = Inner()

        def forward(self, x):
            return self.inner(x)

    class Inner(nn.Module):
        def forward(self, x):
            return stranger(x)

    stranger = nn.Sequential(nn.Linear(3, 1, rng=0))
    assert labels(Calls(), X) == ["inner.0/linear"]


def test_shared_modules_and_parameters_are_listed_once_under_their_first_path():
    layer = nn.Linear(2, 2, rng=0)
    model = nn.Sequential(layer, nn.Residual(layer))
    assert names(model) == ["0.weight", "0.bias"]
    assert set(model.state_dict()) == {"0.weight", "0.bias"}
    assert labels(model, np.ones((1, 2), np.float32)) == ["0/linear", "0/linear", "1/add"]
    other = nn.Residual(layer)
    assert labels(other, np.ones((1, 2), np.float32)) == ["body/linear", "add"]
    tied = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1))
    tied[1].weight = tied[0].weight
    assert names(tied) == ["0.weight", "0.bias", "1.bias"]
    # Gradients of both uses add up in the one parameter.
    with mg.Tape() as tape:
        out = tied(np.ones((1, 2), np.float32)).sum()
    (both,) = tape.gradients(out, [tied[0].weight])
    assert both.shape == (2, 2)


def test_a_copy_is_independent_and_callable():
    model = Model()
    expected = model(X).data
    twin = copy.deepcopy(model)
    model.stem.weight.data[...] = 0
    np.testing.assert_array_equal(twin(X).data, expected)
    assert labels(twin, X) == labels(model, X)


def test_a_call_names_the_leaves():
    with mg.Tape() as tape:
        nn.Sequential(nn.Linear(3, 2, rng=0))(X)
    assert [leaf.name for leaf in tape.leaves] == ["0.weight", "0.bias"]


def test_names_grow_but_are_never_cut():
    model = Model()
    model.parameters()
    assert model.body[0].weight.name == "body.0.weight"
    model.body.parameters()
    assert model.body[0].weight.name == "body.0.weight"
    named = nn.Sequential(nn.Linear(1, 1, rng=0))
    named[0].weight.name = "mine"
    assert names(named) == ["0.weight", "0.bias"]
    assert named[0].weight.name == "mine"


def test_no_super_init_is_needed_and_wrong_assignments_are_caught():
    module = nn.Module()
    with pytest.raises(TypeError, match=r"Module\.blocks: modules in a list.*nn\.Sequential"):
        module.blocks = [nn.ReLU()]
    with pytest.raises(TypeError, match=r"parameters in a dict"):
        module.weights = {"a": param(1)}
    module.numbers = [1, 2]
    with pytest.raises(AttributeError, match="parameters is a method of every module"):
        module.parameters = 3
    with pytest.raises(NotImplementedError, match=r"Module has no forward pass. Write"):
        module(1.0)
    assert CONTEXT.layers == [""]


def test_a_recorded_tensor_kept_on_a_module_is_no_parameter():
    class Keeps(nn.Module):
        def __init__(self):
            self.gain = param(2)

        def forward(self, x):
            self.last = x * self.gain
            return self.last

    model = Keeps()
    with mg.Tape():
        model(np.ones(2, np.float32))
    assert names(model) == ["gain"]


def test_a_frozen_parameter_stays_in_the_state():
    model = nn.Linear(2, 1, rng=0)
    model.bias.requires_grad = False
    assert set(model.state_dict()) == {"weight", "bias"}
    model.bias = mg.Tensor(np.ones(1, np.float32))
    assert set(model.state_dict()) == {"weight", "bias"}


def test_buffers():
    module = Scale()
    module.count = module.count + 1
    assert module.state_dict()["count"] == 1
    with pytest.raises(ValueError, match=r"Scale\.count: the buffer has shape \(\) and dtype int64"):
        module.count = np.zeros(3)
    with pytest.raises(ValueError, match="has an attribute 'gain' already"):
        module.buffer("gain", np.zeros(2))
    del module.count
    assert "count" not in module.state_dict()


def test_train_and_eval_reach_every_module():
    model = Model()
    assert model.training and model.eval() is model
    assert not any(module.training for _, module in model.named_modules())
    model.body.train()
    assert model.body[1].training and not model.stem.training


def test_zero_grad():
    model = Model()
    with mg.Tape() as tape:
        loss = model(X).sum()
    tape.backward(loss)
    assert all(t.grad is not None for t in model.parameters())
    model.zero_grad()
    assert all(t.grad is None for t in model.parameters())


def test_astype_changes_parameters_and_floating_buffers_and_is_noticed_by_tapes():
    model = Model()
    model.buffer("mean", np.zeros(2, np.float32))
    with mg.Tape() as tape:
        loss = model(X).sum()
    assert model.astype(np.float64) is model
    assert {array.dtype for path, array in model.state_dict().items() if path != "body.2.count"} == {np.dtype(float)}
    assert model.state_dict()["body.2.count"].dtype == np.int64
    with pytest.raises(mg.TapeError, match=r"the leaf (stem\.weight|bias|body\.\S+) was changed in place"):
        tape.backward(loss)
    with pytest.raises(TypeError, match="int32"):
        model.astype(np.int32)


def test_the_layer_stack_is_clean_after_an_error_and_the_error_names_the_layer():
    model = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(5, 2, rng=0)))
    with pytest.raises(ValueError, match=r"linear in layer '1\.0': .*x \(4, 3\), w \(2, 5\)"):
        model(X)
    assert current_layer() == ""
    assert model(np.ones((4, 5), np.float32)).shape == (4, 2)


def test_repr_is_a_tree_that_counts_shared_parameters_once():
    layer = nn.Linear(2, 2, rng=0)
    model = nn.Sequential(layer, nn.Residual(nn.Sequential(layer, nn.Dropout(0.1))), nn.Linear(2, 1, False, rng=0))
    assert repr(model).splitlines() == [
        "Sequential                             8 parameters",
        "  0: Linear(2, 2)                      6",
        "  1: Residual                          6",
        "    body: Sequential                   6",
        "      0: Linear(2, 2) (shared with 0)",
        "      1: Dropout(0.1)",
        "  2: Linear(2, 1, bias=False)          2",
    ]
    assert repr(nn.ReLU()) == "ReLU()"


def test_deep_models_need_no_recursion_to_be_walked():
    model = nn.Linear(1, 1, rng=0)
    for _ in range(3000):
        model = nn.Residual(model)
    assert len(model.parameters()) == 2
    assert model.parameters()[0].name.count("body") == 3000
    assert ops.linear is nn.Linear.operation
