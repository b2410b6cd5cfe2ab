"""What decides a run: which data, which optimiser; and keys that differ when anything does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from minigrad import nn, optim
from minigrad.datasets import Dataset
from minigrad.experiments import Configuration, Method, configuration, train

BASE = Configuration(train=200, test=60, epochs=1, batch_size=32)
OTHER = {
    "model": "bagnet", "data": "mnist", "epochs": 2, "batch_size": 16, "lr": 0.5, "momentum": 0.0, "max_norm": 1.0,
    "optimizer": "adam", "train": 100, "test": 30, "standardise": True, "augment": True, "validation": True,
}  # fmt: skip


def test_keys_differ_when_any_field_does(monkeypatch):
    """A field that is new must be named here, and be part of the key; data of another name need not be at hand."""
    monkeypatch.setattr(configuration, "_content", lambda data: "the same data")
    data = BASE.load()
    monkeypatch.setattr(configuration, "_load", lambda *settings: data)
    assert set(OTHER) == {field.name for field in dataclasses.fields(Configuration)}
    method = Method("a", "Mask(0.1)")
    others = {"vjp": "Mask(0.2)", "batch_size": 8, "where": "last", "adaptive": 0.5, "price": "auto"}
    others["importance"] = 0.2
    assert set(others) == {field.name for field in dataclasses.fields(Method)} - {"label", "equal_cost_to"}
    keys = [BASE.key(method, 0), BASE.key(method, 1)]
    keys += [dataclasses.replace(BASE, **{name: value}).key(method, 0) for name, value in OTHER.items()]
    keys += [BASE.key(dataclasses.replace(method, **{name: value}), 0) for name, value in others.items()]
    assert len(set(keys)) == len(keys)


def test_keys_differ_when_a_model_begins_with_other_parameters(monkeypatch):
    """As when its initialisation was changed: its finished runs are those of another model."""
    before, build = BASE.key(Method("exact"), 0), nn.models.build

    def smaller(*args, **options):
        model = build(*args, **options)
        next(iter(model.parameters())).data *= np.float32(0.5)
        return model

    monkeypatch.setattr(nn.models, "build", smaller)
    assert BASE.key(Method("exact"), 0) != before


def test_parts_of_the_data():
    everything = Configuration().load()
    data = Configuration(train=50, test=20).load()
    assert isinstance(data, Dataset) and len(data.x_train) == 50 and len(data.x_test) == 20
    assert len(Configuration(test=20).load().x_train) == len(everything.x_train)
    with pytest.raises(ValueError, match="train=99999"):
        Configuration(train=99999).load()


def test_standardised_by_the_training_part():
    data = Configuration(train=300, standardise=True).load()
    assert data.x_train.mean() == pytest.approx(0, abs=1e-4) and data.x_train.std() == pytest.approx(1, rel=1e-3)
    assert abs(data.x_test.mean()) > 1e-4  # by the numbers of the training data, not its own


def test_optimizers():
    model = BASE.build(BASE.load(), Method("exact"), 0)
    sgd, adam = BASE.make_optimizer(model), dataclasses.replace(BASE, optimizer="adam").make_optimizer(model)
    assert type(sgd) is optim.SGD and sgd.lr == BASE.lr and type(adam) is optim.Adam
    with pytest.raises(ValueError, match="did you mean 'adam'"):
        Configuration(optimizer="adan")


def test_augmentation_changes_the_training_and_nothing_else():
    plain, changed = (train(dataclasses.replace(BASE, augment=on), Method("exact"), 0) for on in (False, True))
    assert plain.history.last.loss != changed.history.last.loss
    assert plain.history.last.backward_flops == changed.history.last.backward_flops


def test_the_validation_split_is_the_last_tenth_of_the_training_data():
    plain, split = BASE.load(), dataclasses.replace(BASE, validation=True).load()
    assert len(split.x_train) == 180 and len(split.x_test) == 20
    assert (np.concatenate([split.x_train, split.x_test]) == plain.x_train).all()
    assert (np.concatenate([split.y_train, split.y_test]) == plain.y_train).all()
    # What is held out has no part in the mean and standard deviation of those that are trained on.
    scaled = dataclasses.replace(BASE, validation=True, standardise=True).load()
    assert scaled.x_train.mean() == pytest.approx(0, abs=1e-4) and scaled.x_train.std() == pytest.approx(1, rel=1e-3)
    with pytest.raises(ValueError, match="of 9 training samples no tenth can be held out"):
        dataclasses.replace(BASE, train=9, validation=True).load()


def test_capitals_in_a_name_do_not_matter():
    assert Configuration("MLP", "Digits", optimizer="SGD") == Configuration("mlp", "digits", optimizer="sgd")
