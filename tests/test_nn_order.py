"""The order in which modules run is that of their names, whatever was done to them before."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

X = np.arange(3.0)


class Plus(nn.Module):
    """Writes a digit behind those that others wrote: the digits are the order in which modules ran."""

    def __init__(self, digit):
        self.digit = digit

    def forward(self, x):
        return x * 10.0 + self.digit


def digits(*numbers):
    return nn.Sequential(*map(Plus, numbers))


def order(model):
    return [int(digit) for digit in str(int(model(mg.Tensor(0.0)).item()))]


def by_setattr(model):
    setattr(model, "1", Plus(9))


def by_index(model):
    model[1] = Plus(9)


def from_the_end(model):
    model[-3] = Plus(9)


def twice(model):
    for digit in (7, 9):
        setattr(model, "1", Plus(digit))


def the_next(model):
    setattr(model, "4", Plus(9))


def in_front(model):
    assert model.insert(0, Plus(9)) is model


def before_the_last(model):
    model.insert(-1, Plus(9))


def past_the_end(model):
    model.insert(99, Plus(9))


def deleted(model):
    del model[1]


def a_slice_deleted(model):
    del model[1:3]


def deleted_and_appended(model):
    del model[1]
    model.append(Plus(9))


def a_module_moved(model):
    moved = model[0]
    del model[0]
    model.append(moved)


CHANGES = {
    by_setattr: [1, 9, 3, 4],
    by_index: [1, 9, 3, 4],
    from_the_end: [1, 9, 3, 4],
    twice: [1, 9, 3, 4],
    the_next: [1, 2, 3, 4, 9],
    in_front: [9, 1, 2, 3, 4],
    before_the_last: [1, 2, 3, 9, 4],
    past_the_end: [1, 2, 3, 4, 9],
    deleted: [1, 3, 4],
    a_slice_deleted: [1, 4],
    deleted_and_appended: [1, 3, 4, 9],
    a_module_moved: [2, 3, 4, 1],
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("called", [False, True], ids=["fresh", "called before"])
def test_what_runs_after_a_change(change, called):
    model = digits(1, 2, 3, 4)
    if called:
        model(mg.Tensor(0.0))
    change(model)
    wanted = CHANGES[change]
    for each in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert order(each) == wanted and len(each) == len(wanted)
        assert [module.digit for module in each] == wanted
        assert [path for path, _ in each.named_modules()] == ["", *map(str, range(len(wanted)))]
        assert [getattr(each, str(k)).digit for k in range(len(wanted))] == wanted
        assert [int(line.split(":")[0]) for line in repr(each).splitlines()[1:]] == list(range(len(wanted)))
    with mg.Tape() as tape:
        model(mg.Tensor(0.0, requires_grad=True))
    assert [node.label for node in tape.nodes][::2] == [f"{k}/multiply" for k in range(len(wanted))]


REFUSED = {
    "a name": (lambda m: setattr(m, "head", Plus(9)), AttributeError, "'head' says no place in the order .* 4 modules"),
    "a gap": (lambda m: setattr(m, "6", Plus(9)), AttributeError, "'6' says no place"),
    "another spelling": (lambda m: setattr(m, "01", Plus(9)), AttributeError, "'01' says no place"),
    "a number that is no module": (lambda m: setattr(m, "9", 3), AttributeError, "'9' says no place"),
    "None in place of a module": (lambda m: setattr(m, "1", None), TypeError, "number 1 is None, not a module"),
    "a parameter in place of a module": (
        lambda m: setattr(m, "1", mg.Tensor(1.0, requires_grad=True)), TypeError, "number 1 is .*not a module"),
    "a function": (lambda m: m.__setitem__(1, np.tanh), TypeError, "number 1 is .* nn.Tanh"),
    "a function put in between": (lambda m: m.insert(1, np.tanh), TypeError, "number 1 is .* nn.Tanh"),
    "delattr": (lambda m: delattr(m, "1"), AttributeError, r"Write `del model\[1\]`"),
    "an index past the end": (lambda m: m.__setitem__(4, Plus(9)), IndexError, "no module 4 .* among 4"),
    "an index before the beginning": (lambda m: m.__setitem__(-5, Plus(9)), IndexError, "no module -5"),
    "deletion past the end": (lambda m: m.__delitem__(4), IndexError, "list"),
    "a fraction": (lambda m: m.__setitem__(1.0, Plus(9)), TypeError, "float"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_place_is_refused_and_changes_nothing(case):
    change, error, words = REFUSED[case]
    model = digits(1, 2, 3, 4)
    with pytest.raises(error, match=words):
        change(model)
    assert order(model) == [1, 2, 3, 4] and len(list(model.named_modules())) == 5


def test_a_subclass_may_have_attributes_that_are_no_modules():
    model = digits(1, 2)
    model.note, model.scale = "two digits", mg.Tensor(1.0, requires_grad=True)
    assert order(model) == [1, 2] and [name for name, _ in model.named_parameters()] == ["scale"]


class Model(nn.Module):
    def __init__(self):
        self.gain = mg.Tensor(np.ones(3), requires_grad=True)
        self.first = nn.Linear(3, 3, rng=0)
        self.second = nn.Linear(3, 3, rng=1)
        self.offset = mg.Tensor(np.ones(3), requires_grad=True)

    def forward(self, x):
        return self.second(self.first(x * self.gain)) + self.offset


@pytest.mark.parametrize("name, new", [
    ("gain", lambda: mg.Tensor(np.zeros(3), requires_grad=True)), ("first", lambda: nn.Linear(3, 3, rng=2)),
    ("second", lambda: nn.Linear(3, 3, rng=2)), ("offset", lambda: mg.Tensor(np.zeros(3), requires_grad=True)),
])  # fmt: skip
def test_an_attribute_that_is_replaced_keeps_its_place(name, new):
    model = Model()
    before = [[path for path, _ in pairs] for pairs in (model.named_modules(), model.named_parameters())]
    setattr(model, name, new())
    assert [[path for path, _ in pairs] for pairs in (model.named_modules(), model.named_parameters())] == before
    assert list(model.state_dict()) == before[1]


def test_a_shared_module_keeps_its_first_path_when_it_is_replaced_by_itself():
    model = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh(), nn.Linear(2, 2, rng=1))
    model[2] = model[0]
    model[0] = model[0]
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]


def test_parameters_bear_the_names_of_the_places_to_which_they_moved():
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 2, rng=1))
    named = model[2].bias
    named.name = "a name of one's own"
    assert [t.name for _, t in model.named_parameters()][:3] == ["0.weight", "0.bias", "2.weight"]
    del model[1]
    assert [(path, t.name) for path, t in model.named_parameters()][2:] == [
        ("1.weight", "1.weight"), ("1.bias", "a name of one's own")]  # fmt: skip


def test_the_paths_of_a_layer_that_became_a_parameter_are_forgotten():
    model = Model()
    model(X)
    kept = model.first
    model.first = mg.Tensor(np.ones(3), requires_grad=True)
    assert [path for path, _ in model.named_modules()] == ["", "second"]
    with mg.Tape() as tape:
        kept(mg.Tensor(X))
    assert tape.nodes[0].label == "linear"
