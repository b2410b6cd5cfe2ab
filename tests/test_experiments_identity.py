"""A folder of runs gives a run back only to the same computation: the same data, model, estimator and code."""

from __future__ import annotations

import dataclasses
import functools
import os

import numpy as np
import pytest

import minigrad as mg
from minigrad import datasets, estimators, nn, ops, training
from minigrad.experiments import Configuration, Method, compare, configuration, train
from minigrad.experiments.store import Store
from minigrad.training.checkpoint import save_checkpoint

SMALL = Configuration("mlp", "digits", epochs=1, batch_size=20, train=100, test=40)


pytestmark = pytest.mark.usefixtures("names_are_forgotten")


class Power(nn.Module):
    """A layer of the user's without parameters."""

    def __init__(self, exponent=1):
        self.exponent = exponent

    def forward(self, x):
        return x**self.exponent


def layer(forward):
    return type("Mine", (nn.Module,), {"forward": forward, "__module__": __name__})


def model(activation=nn.ReLU, scale=1.0):
    def mine(input_shape, classes, *, rng=None):
        rng = np.random.default_rng(rng)
        first = nn.Linear(int(np.prod(input_shape)), 8, rng=rng)
        first.weight.data *= np.float32(scale)
        return nn.Sequential(nn.Flatten(), first, activation(), nn.Linear(8, classes, rng=rng))

    return mine


def data(change=lambda x: x, labels=lambda y: y):
    def mine():
        digits = datasets.digits().subset(train=100, test=40)
        x_train, x_test = change(digits.x_train), change(digits.x_test)
        return dataclasses.replace(digits, x_train=x_train, x_test=x_test, y_train=labels(digits.y_train))

    return mine


def estimator(factor):
    @dataclasses.dataclass(frozen=True)
    class Mine(mg.Estimator):
        budget: float

        def sample(self, g, node, rng):
            return factor * g / self.budget if rng.random() < self.budget else 0 * g

    return Mine


def key(build=None, loader=None, kind=None, method=None, seed=0):
    """The key of a run of this model, these data and this estimator, all under the name "mine"."""
    nn.models.register("mine", "a model")(build or model())
    datasets.register("mine", "data")(loader or data())
    estimators.register("mine", "an estimator")(kind or estimator(1.0))
    return Configuration("mine", "mine", epochs=1, batch_size=20).key(method or Method("a", "mine(0.5)"), seed)


def test_the_key_is_that_of_the_computation():
    assert key() == key() == key(model(), data(), estimator(1.0))
    assert key(layer_model(lambda self, x: ops.relu(x))) == key(layer_model(lambda self, x: ops.relu(x)))


def layer_model(forward):
    return model(layer(forward))


OTHERS = {
    # a change under the same names
    "x scaled": {"loader": data(lambda x: 2 * x)},
    "x permuted": {"loader": data(lambda x: x[::-1].copy())},
    "x of another shape, with the same bytes": {"loader": data(lambda x: x.reshape(-1, 4, 16, 1))},
    "y permuted": {"loader": data(labels=lambda y: y[::-1].copy())},
    "an activation": {"build": model(nn.Tanh)},
    "a dropout rate": {"build": model(lambda: nn.Dropout(0.1))},
    "another dropout rate": {"build": model(lambda: nn.Dropout(0.2))},
    "a setting of a layer": {"build": model(functools.partial(Power, 2))},
    "another setting of a layer": {"build": model(functools.partial(Power, 3))},
    "code of a layer": {"build": layer_model(lambda self, x: ops.tanh(x))},
    "other code of a layer": {"build": layer_model(lambda self, x: ops.tanh(2 * x))},
    "initial values": {"build": model(scale=0.5)},
    "code of an estimator": {"kind": estimator(1.1)},
    "seed": {"seed": 1},
    "method": {"method": Method("a", "mine(0.25)")},
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_changed_under_the_same_name_has_other_runs(case):
    assert key(**OTHERS[case]) != key()


def test_all_of_them_differ():
    assert len({key(), *(key(**other) for other in OTHERS.values())}) == len(OTHERS) + 1


def test_the_versions_of_numpy_and_minigrad_are_part_of_the_key(monkeypatch):
    before = key()
    monkeypatch.setattr(np, "__version__", "99.0")
    other = key()
    monkeypatch.undo()
    monkeypatch.setattr(configuration, "source", lambda: "99.0")
    assert len({before, other, key()}) == 3


def test_a_comparison_in_the_same_folder_trains_what_was_changed_anew(tmp_path):
    def told(loader, build):
        key(build, loader)
        lines = []
        mine = Configuration("mine", "mine", epochs=1, batch_size=20)
        found = compare(mine, ["mask(0.5)"], seeds=1, out=tmp_path, told=lines.append, progress=False)
        return lines, found.runs[0].history.last.loss

    first = told(data(), model())
    assert first[0] == [] and told(data(), model()) == (["3 of 3 runs were finished before and are kept"], first[1])
    assert told(data(lambda x: 2 * x), model())[0] == [] and told(data(), model(nn.Tanh))[0] == []


def test_the_key_of_a_run_is_that_of_the_data_that_it_was_given():
    given = dataclasses.replace(SMALL.load(), x_train=2 * SMALL.load().x_train)
    method = Method("exact")
    assert train(SMALL, method, 0).key == SMALL.key(method, 0) == SMALL.key(method, 0, SMALL.load())
    run = train(SMALL, method, 0, given)
    assert run.key == SMALL.key(method, 0, given) != SMALL.key(method, 0)
    given.x_train[0] += 1  # nobody holds these read-only: they are read each time
    assert SMALL.key(method, 0, given) != run.key


def test_loaded_data_cannot_be_changed_under_the_runs_of_a_process():
    loaded = SMALL.load()
    for array in (loaded.x_train, loaded.y_train, loaded.x_test, loaded.y_test):
        with pytest.raises(ValueError, match="read-only"):
            array += 1


def test_a_checkpoint_of_another_run_is_refused_and_not_removed(tmp_path):
    path = tmp_path / "a.npz"
    longer = dataclasses.replace(SMALL, lr=0.5)
    train(SMALL, Method("exact"), 0, None, path)
    with pytest.raises(training.OtherRunError, match=r"schedule.lr: the checkpoint has 0\.\d+, this run 0.5"):
        train(longer, Method("exact"), 0, None, path)
    assert path.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_in_the_place_of_a_run_or_a_checkpoint_is_named_and_left_alone(tmp_path):
    store = Store(tmp_path)
    os.mkfifo(store.path("0f"))
    os.mkfifo(store.checkpoint("0f"))
    with pytest.raises(OSError, match=r"0f\.json cannot be read \(it is a named pipe, not a regular file\)"):
        store.get("0f")
    with pytest.raises(training.CheckpointError, match=r"0f\.npz .* a named pipe"):
        train(SMALL, Method("exact"), 0, None, store.checkpoint("0f"))
    assert store.checkpoint("0f").exists()


def test_a_store_removes_what_killed_processes_left(tmp_path):
    runs = Store(tmp_path).folder / "runs"
    for place in (tmp_path, runs):
        (place / ".0f.npz.12345678.part").write_bytes(b"half")
    save_checkpoint(runs / "0f.npz", {}, {})
    Store(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0f.npz", "runs"]


class Headfirst(nn.Module):
    """A model that registers its last layer first."""

    def __init__(self, inputs, classes, rng):
        self.head = nn.Linear(8, classes, rng=rng)
        self.first = nn.Linear(inputs, 8, rng=rng)
        self.unused = nn.Linear(8, 8, rng=rng)

    def forward(self, x):
        return self.head(ops.relu(self.first(ops.reshape(x, (len(x), -1)))))


@pytest.mark.parametrize("where, sketched", [("last", ["head"]), ("hidden", ["first", "unused"])])
def test_the_last_layer_is_the_one_that_is_computed_last(where, sketched):
    nn.models.register("headfirst", "")(
        lambda shape, classes, *, rng=None: Headfirst(int(np.prod(shape)), classes, np.random.default_rng(rng))
    )
    subject = dataclasses.replace(SMALL, model="headfirst")
    built = subject.build(subject.load(), Method("a", "Mask(0.5)", where=where), 0)
    assert sorted(n for n, m in built.named_modules() if getattr(m, "vjp", None) is not None) == sketched
    assert built.training


@pytest.mark.parametrize("name", ["mlp", "bagnet", "vit"])
def test_the_last_layer_of_each_model_of_the_library_is_the_last_that_it_lists(name):
    subject = dataclasses.replace(SMALL, model=name)
    built = subject.build(subject.load(), Method("a", "Mask(0.5)", where="last"), 0)
    able = {path: module.vjp for path, module in built.named_modules() if hasattr(module, "vjp")}
    assert [path for path, vjp in able.items() if vjp is not None] == list(able)[-1:]
