"""A name that there is not is answered with the nearest, with where it is, or with what PyTorch's name is here."""

from __future__ import annotations

import importlib
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import datasets, nn, ops, optim, training
from minigrad.elsewhere import EQUIVALENTS, equivalent

PLACES = ["minigrad", "minigrad.ops", *(f"minigrad.{name}" for name in mg.PACKAGES)]


def owner_of(name):
    return mg.Tensor([1.0]) if name == "Tensor" else importlib.import_module(name)


def said(owner, name):
    with pytest.raises(AttributeError) as stop:
        getattr(owner_of(owner), name)
    assert stop.value.name == name
    return str(stop.value)


def world():
    """What the code in the tables speaks of."""
    rng = np.random.default_rng(0)
    x = mg.Tensor(rng.uniform(0.1, 0.9, (2, 3)), requires_grad=True)
    w = mg.Tensor(rng.uniform(0.1, 0.9, (3, 2)), requires_grad=True)
    y = rng.uniform(0.1, 0.9, (2, 3))
    with mg.Tape() as tape:
        loss = (x @ w).sum()
    return {
        "mg": mg, "np": np, "nn": nn, "ops": ops, "optim": optim, "training": training, "datasets": datasets,
        "x": x, "y": mg.Tensor(y), "w": w, "tape": tape, "loss": loss, "low": 0.2, "high": 0.5, "shape": (4, 2, 3),
        "indices": np.zeros((2, 1), int), "labels": np.array([0, 2]), "logits": x, "mask": y > 0.5, "table": w,
        "array": y, "square": np.eye(2), "images": np.ones((1, 4, 4, 3)), "weight": np.ones((5, 3)),
        "bias": np.ones(2), "model": nn.Linear(3, 2, rng=0), "f": np.exp,
    }  # fmt: skip


def pieces(text):
    return re.findall(r"`([^`]+)`", text)


ENTRIES = [(owner, name) for owner, table in EQUIVALENTS.items() for name in table]


@pytest.mark.parametrize("owner, name", ENTRIES)
def test_what_is_written_for_a_name_of_pytorch_works(owner, name):
    text, names = EQUIVALENTS[owner][name], world()
    for code in pieces(text):
        if code == "rng=":
            continue
        exec(code, names)  # all of them are one expression, or an assignment
    assert not hasattr(owner_of(owner), name), "there is such a name: the table is not asked"
    assert text in said(owner, name)


def test_code_that_does_not_work_is_found():
    with pytest.raises(AttributeError):
        exec(pieces("Write `ops.concat([x, y])`")[0], world())


@pytest.mark.parametrize(
    "owner, name, wanted",
    [
        ("minigrad", "no_grad", "Nothing is recorded outside of `mg.Tape()`"),
        ("minigrad", "cat", "Write `ops.concatenate([x, y], axis=0)`"),
        ("minigrad", "Linear", "It is `nn.Linear`"),
        ("minigrad", "SGD", "It is `optim.SGD`"),
        ("minigrad", "softmax", "It is `ops.softmax`"),
        ("minigrad", "Tensr", "did you mean 'Tensor'?"),
        ("minigrad", "estimator", "did you mean 'Estimator'?"),
        ("minigrad.ops", "sqrtt", "did you mean 'sqrt'?"),
        ("minigrad.ops", "binary_cross_entropy", "`ops.binary_cross_entropy_with_logits(x, y)`"),
        ("minigrad.nn", "CrossEntropyLoss", "`ops.cross_entropy(logits, labels)`"),
        ("minigrad.nn", "Parameter", "`mg.Tensor(array, requires_grad=True)`"),
        ("minigrad.nn", "ModuleList", "`nn.Sequential("),
        ("minigrad.nn", "Liner", "did you mean 'Linear'?"),
        ("minigrad.nn", "conv2d", "It is `ops.conv2d`"),
        ("minigrad.nn", "relu", "It is `ops.relu`"),
        ("minigrad.optim", "Sgd", "did you mean 'SGD'?"),
        ("minigrad.estimators", "Maks", "did you mean 'Mask'?"),
        ("Tensor", "view", "Write `ops.reshape(x, (-1, 3))`"),
        ("Tensor", "unsqueeze", "Write `ops.expand_dims(x, axis=0)`"),
        ("Tensor", "to", "Write `x.astype(np.float32)`"),
        ("Tensor", "tan", "Write `ops.tan(x)`"),
        ("Tensor", "nbytes", "The values have it: `x.data.nbytes`"),
        ("Tensor", "rehsape", "did you mean 'reshape'?"),
    ],
)
def test_answers(owner, name, wanted):
    assert wanted in said(owner, name)


@pytest.mark.parametrize("package", PLACES)
def test_every_package_answers_a_misspelt_name_with_the_nearest(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        if not hasattr(module, wrong := f"{name[:-1]}_{name[-1]}") and len(name) > 3:
            assert "did you mean" in said(package, wrong) or "It is" in said(package, wrong)


@pytest.mark.parametrize("owner", [*PLACES, "Tensor"])
def test_what_python_and_notebooks_look_for_is_not_there_and_a_far_name_has_no_answer(owner):
    for name in ("__wrapped__", "_ipython_display_", "_repr_mimebundle_"):
        assert not hasattr(owner_of(owner), name)
    assert said(owner, "q" * 30).endswith(f"has no attribute {'q' * 30!r}")


def test_the_answer_has_no_second_guess_of_python_behind_it():
    """At the prompt Python adds a guess where an AttributeError names its object."""
    with pytest.raises(AttributeError) as stop:
        ops.sqrtt  # noqa: B018
    assert stop.value.obj is None


def test_equivalents_ask_for_no_import():
    assert equivalent("minigrad.ops", "no such name") == ""
