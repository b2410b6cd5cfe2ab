"""A checkpoint belongs to one run: whatever else would decide its numbers is refused by name, finished or not."""

from __future__ import annotations

import functools
import json
import types
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops, optim, training
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.training.augment import Augment, random_crop, random_flip
from minigrad.training.identity import identity
from minigrad.training.loop import Loop

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 6, 6, 2)).astype(np.float32), np.arange(24) % 3
TEST = X[:9], Y[:9]
FACTOR = 1.0


def loss_of(factor=1.0):
    return lambda logits, labels: factor * ops.cross_entropy(logits, labels)


def squared(logits, labels, scale=1.0):
    return scale * ops.mean((logits - np.eye(3, dtype=np.float32)[labels]) ** 2)


def with_a_global(logits, labels):
    return FACTOR * ops.cross_entropy(logits, labels)


class Loss:
    """A loss with a setting."""

    def __init__(self, smoothing):
        self.smoothing = smoothing

    def __call__(self, logits, labels):
        return self.smoothing * ops.cross_entropy(logits, labels)

    def other(self, logits, labels):
        return self(logits, labels)


class Scaled(nn.Module):
    """A layer of one's own, with settings that are no parameters."""

    def __init__(self, factor=1.0, constant=1.0, shift=0.0):
        self.factor, self.constant, self.shift = factor, mg.Tensor(np.float32(constant)), np.float32([shift])

    def forward(self, x):
        return x * self.constant * self.factor + self.shift


def layer_class(code):
    """A class of one name with other code."""
    forward = {"relu": lambda self, x: ops.relu(x), "twice": lambda self, x: ops.relu(2 * x)}[code]
    return type("Own", (nn.Module,), {"forward": forward})


class Watch:
    """A callback with a setting and a state."""

    not_fingerprinted = "seen"

    def __init__(self, factor):
        self.factor, self.seen = factor, []

    def __call__(self, loop):
        self.seen.append(loop.step)

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state, loop):
        self.seen = list(state["seen"])


class Half(mg.Estimator):
    budget = 0.5

    def __init__(self, probability=0.5):
        self.probability = probability

    def sample(self, g, node, rng):
        return g / self.probability if rng.random() < self.probability else 0 * g


def build(
    activation=nn.ReLU, rate=0.1, momentum=0.1, eps=1e-5, stride=1, dtype=np.float32, last=None, own=Scaled, vjp=None,
    save=None,
):  # fmt: skip
    return nn.Sequential(
        nn.Conv2d(2, 4, 1, stride, rng=0, dtype=dtype, vjp=vjp, save=save),
        nn.BatchNorm(4, momentum=momentum, eps=eps, dtype=dtype),
        activation(), nn.GlobalAvgPool(), nn.Dropout(rate), last or nn.Linear(4, 3, rng=1, dtype=dtype), own(),
    )  # fmt: skip


def swapped():
    model = build()
    model[2], model[4] = model[4], model[2]
    return model


def frozen():
    model = build()
    model[0].bias.requires_grad = False
    return model


def pair(shared):
    first = nn.Linear(6, 6, rng=0)
    second = first if shared else nn.Linear(6, 6, rng=0)
    return nn.Sequential(nn.Flatten(), nn.Linear(72, 6, rng=0), first, second, nn.Linear(6, 3, rng=1))


def fit(path, epochs=2, model=build, data=(X, Y, *TEST), optimizer=functools.partial(optim.SGD, lr=0.05), **options):
    subject = model()
    options = {"batch_size": 8, "rng": 3, "progress": False, **options}
    return training.fit(subject, data, optimizer=optimizer(subject), epochs=epochs, checkpoint=path, **options)


def model(**settings):
    return {"model": functools.partial(build, **settings)}


def sgd(**settings):
    return {"optimizer": functools.partial(optim.SGD, **{"lr": 0.05, **settings})}


def adam(**settings):
    return {"optimizer": functools.partial(optim.AdamW, **settings)}


def data(x=X, y=Y, x_test=TEST[0], y_test=TEST[1]):
    return {"data": (x, y, x_test, y_test)}


def replaced_pixel():
    x = X.copy()
    x[5, 2, 3, 1] += 1e-3
    return x


ORDER = np.random.default_rng(1).permutation(24)
CHANGES = {
    # what is changed: (before, after, what the message must say)
    "x scaled": ({}, data(2 * X), "x_train: other content"),
    "x permuted": ({}, data(X[ORDER]), "x_train: other content"),
    "x and y permuted alike": ({}, data(X[ORDER], Y[ORDER]), "x_train: other content"),
    "one pixel": ({}, data(replaced_pixel()), "x_train: other content"),
    "-0 for 0": (data(0 * X), data(-0.0 * X), "x_train: other content"),
    "the dtype of x": ({}, data(X.astype(np.float64)), "x_train.dtype: the checkpoint has '<f4', this run '<f8'"),
    "the shape of x": ({}, data(X.transpose(0, 2, 1, 3).reshape(24, 4, 9, 2)), "x_train.shape"),
    "fewer samples": ({}, data(X[:20], Y[:20]), "x_train.shape: the checkpoint has [24, 6, 6, 2], this run [20, 6"),
    "y": ({}, data(y=Y[::-1]), "y_train: other content"),
    "x of the test data": ({}, data(x_test=X[9:18]), "x_test: other content"),
    "y of the test data": ({}, data(y_test=Y[9:18][::-1]), "y_test: other content"),
    "no test data": ({}, {"data": (X, Y)}, "x_test: the checkpoint has an array of dtype <f4"),
    "the loss": ({}, {"loss": squared}, "loss: the checkpoint has minigrad.ops.losses.cross_entropy, this run squared"),
    "code of the loss": ({"loss": lambda z, y: ops.cross_entropy(z, y)},
                         {"loss": lambda z, y: 2 * ops.cross_entropy(z, y)}, "loss: other code"),
    "a constant of the loss": ({"loss": lambda z, y: 2 * ops.cross_entropy(z, y)},
                               {"loss": lambda z, y: 3 * ops.cross_entropy(z, y)}, "loss: other code"),
    "what the loss encloses": ({"loss": loss_of(1.0)}, {"loss": loss_of(2.0)},
                               "loss.closure.factor: the checkpoint has 1.0, this run 2.0"),
    "an argument of the loss": ({"loss": functools.partial(squared, scale=1.0)},
                                {"loss": functools.partial(squared, scale=2.0)}, "loss.keywords.scale: the checkpoint"),
    "a setting of the loss": ({"loss": Loss(1.0)}, {"loss": Loss(0.9)}, "loss.smoothing: the checkpoint has 1.0"),
    "a method of one object": ({"loss": Loss(1.0).other}, {"loss": Loss(0.9).other}, "loss.of.smoothing: the"),
    "one method for another": ({"loss": Loss(1.0)}, {"loss": Loss(1.0).other}, "loss: the checkpoint has Loss("),
    "augmentation": ({}, {"augment": Augment(random_flip())}, "augment: the checkpoint has None, this run Augment("),
    "no augmentation": ({"augment": random_flip()}, {}, "augment: the checkpoint has random_flip(probability=0.5), th"),
    "how much augmentation": ({"augment": Augment(random_crop(1), random_flip())},
                              {"augment": Augment(random_crop(2), random_flip())},
                              "augment.steps[0].padding: the checkpoint has 1, this run 2"),
    "a schedule": ({}, {"schedule": optim.Constant(0.05)}, "schedule: the checkpoint has None, this run Constant(lr="),
    "the schedule's rate": ({"schedule": optim.Cosine(0.1, 6)}, {"schedule": optim.Cosine(0.2, 6)},
                            "schedule.lr: the checkpoint has 0.1, this run 0.2"),
    "a schedule that hangs on the epochs": ({"schedule": optim.Cosine(0.1, 6)}, {"schedule": optim.Cosine(0.1, 9)},
                                            "schedule.steps: the checkpoint has 6, this run 9"),
    "a schedule inside another": ({"schedule": optim.Warmup(optim.Cosine(0.1, 6), 2)},
                                  {"schedule": optim.Warmup(optim.StepDecay(0.1, 6), 2)},
                                  "schedule.schedule: the checkpoint has Cosine(final=0.0, lr=0.1, steps=6), this run"),
    "a schedule of one's own": ({"schedule": lambda step: 0.1}, {"schedule": lambda step: 0.2}, "schedule: other code"),
    "the learning rate": (sgd(lr=0.1), sgd(lr=0.2), "optimizer.lr: the checkpoint has 0.1, this run 0.2"),
    "momentum": (sgd(momentum=0.9), sgd(momentum=0.8), "optimizer.momentum: the checkpoint has 0.9, this run 0.8"),
    "Nesterov": (sgd(momentum=0.9), sgd(momentum=0.9, nesterov=True), "optimizer.nesterov: the checkpoint has False"),
    "a small weight decay": (sgd(weight_decay=1e-4), sgd(weight_decay=1.0000001e-4), "optimizer.weight_decay: the"),
    "the second β": (adam(), adam(betas=(0.9, 0.9990001)), "optimizer.betas: the checkpoint has [0.9, 0.999], this"),
    "the optimiser": (adam(), {"optimizer": optim.Adam}, "optimizer: the checkpoint has AdamW("),
    "parameters of the optimiser": ({}, {"optimizer": lambda m: optim.SGD(list(m.named_parameters())[1:], lr=0.05)},
                                    "optimizer.parameters: the checkpoint has ['0.weight', '0.bias'"),
    "the activation": ({}, model(activation=nn.Tanh), "model.2: the checkpoint has ReLU(), this run Tanh("),
    "the dropout rate": ({}, model(rate=0.2), "model.4.rate: the checkpoint has 0.1, this run 0.2"),
    "the stride": ({}, model(stride=2), "model.0.stride: the checkpoint has [1, 1], this run [2, 2]"),
    "ε of BatchNorm": ({}, model(eps=1e-4), "model.1.eps: the checkpoint has 1e-05, this run 0.0001"),
    "momentum of BatchNorm": ({}, model(momentum=0.2), "model.1.momentum: the checkpoint has 0.1, this run 0.2"),
    "the order of layers": ({}, {"model": swapped}, "model.2: the checkpoint has ReLU(), this run Dropout("),
    "the dtype of parameters": ({}, model(dtype=np.float64), "model.0.bias.dtype: the checkpoint has '<f4'"),
    "a frozen parameter": ({}, {"model": frozen}, "model.0.bias.requires_grad: the checkpoint has True, this"),
    "a shared layer": ({"model": lambda: pair(False)}, {"model": lambda: pair(True)}, "model.3: the checkpoint has"),
    "bias": ({}, model(last=nn.Linear(4, 3, False, rng=1)), "model.5.bias: the checkpoint has"),
    "a setting of a layer of one's own": ({}, model(own=lambda: Scaled(2.0)), "model.6.factor: the checkpoint has 1.0"),
    "a Tensor that is not trained": ({}, model(own=lambda: Scaled(constant=2.0)), "model.6.constant: other content"),
    "an array that is no buffer": ({}, model(own=lambda: Scaled(shift=1.0)), "model.6.shift: other content"),
    "code of a layer of one's own": (model(own=layer_class("relu")), model(own=layer_class("twice")),
                                     "model.6: other code"),
    "an estimator": (model(vjp=Mask(0.5)), model(vjp=DiagonalSketch(0.5)),
                     "model.0.vjp: the checkpoint has Mask(axis='column', budget=0.5"),
    "the budget": (model(vjp=Mask(0.5)), model(vjp=Mask(0.25)), "model.0.vjp.budget: the checkpoint has 0.5, this run"),
    "the axis": (model(vjp=Mask(0.5)), model(vjp=Mask(0.5, axis="row")), "model.0.vjp.axis: the checkpoint has 'colum"),
    "one edge": (model(vjp={"x": Mask(0.5)}), model(vjp={"w": Mask(0.5)}), "model.0.vjp"),
    "an estimator of one's own": (model(vjp=Half(0.5)), model(vjp=Half(0.25)), "model.0.vjp.probability: the"),
    "what is saved": (model(save=Mask(0.5, axis="row")), model(save=Mask(0.25, axis="row")), "model.0.save.budget"),
    "a callback": ({}, {"callbacks": [Watch(1)]}, "callbacks: the checkpoint has []"),
    "a setting of a callback": ({"callbacks": [Watch(1)]}, {"callbacks": [Watch(2)]}, "callbacks[0].factor: the check"),
    "max_norm": ({}, {"max_norm": 1.0}, "max_norm: the checkpoint has None, this run 1.0"),
    "batch_size": ({}, {"batch_size": 6, "steps_per_epoch": 3}, "batch_size: the checkpoint has 8, this run 6"),
    "steps_per_epoch": ({}, {"steps_per_epoch": 2}, "steps_per_epoch: the checkpoint has 3, this run 2"),
    "the seed": ({}, {"rng": 4}, "seed: the checkpoint has 3, this run 4"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():  # of data in another precision
        warnings.simplefilter("ignore", UserWarning)
        yield


@pytest.mark.parametrize("change", CHANGES)
def test_another_run_is_refused_by_the_name_of_what_changed(change, tmp_path):
    before, after, words = CHANGES[change]
    path = tmp_path / "a.npz"
    fit(path, **before)
    content = path.read_bytes()
    for epochs in (2, 3):  # finished, and not
        with pytest.raises(training.OtherRunError) as caught:
            fit(path, epochs, **after)
        text = str(caught.value)
        assert text.startswith(f"{path} belongs to another run:\n") and text.endswith(
            "or give this run a checkpoint of its own"
        )
        assert words in text, text
    assert path.read_bytes() == content
    assert len(fit(path, 3, **before)) == 3  # as it was, it goes on


def test_the_table_changes_something():
    """Each line of the table is another experiment: its description, or the history that it gives, differs."""
    assert len(CHANGES) > 55 and len({words for *_, words in CHANGES.values()}) > 45


def test_a_global_variable_that_the_loss_uses(tmp_path, monkeypatch):
    fit(tmp_path / "a.npz", loss=with_a_global)
    monkeypatch.setattr("test_training_identity.FACTOR", 2.0)
    monkeypatch.setitem(with_a_global.__globals__, "FACTOR", 2.0)
    with pytest.raises(training.OtherRunError, match=r"loss.globals.FACTOR: the checkpoint has 1.0, this run 2.0"):
        fit(tmp_path / "a.npz", 3, loss=with_a_global)


SAME = {
    "another copy": data(X.copy(), Y.copy(), TEST[0].copy(), TEST[1].copy()),
    "another layout": data(np.asfortranarray(X), Y.copy()),
    "another thing of the same name and code": {"loss": loss_of(1.0)},
    "an object with the same settings": {"loss": Loss(0.5)},
    "a longer run": {"epochs": 5},
    "more often written": {"checkpoint_seconds": 1.0},
    "a callback with another state": {"callbacks": [Watch(1)]},
    "the rate, where a schedule sets it": {"schedule": optim.Constant(0.1), **sgd(lr=0.3)},
    "other initial values": {"model": lambda: build(last=nn.Linear(4, 3, rng=5))},
}
FIRST = {
    "another thing of the same name and code": {"loss": loss_of(1.0)},
    "an object with the same settings": {"loss": Loss(0.5)},
    "a callback with another state": {"callbacks": [Watch(1)]},
    "the rate, where a schedule sets it": {"schedule": optim.Constant(0.1)},
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_run_goes_on(case, tmp_path):
    """Also where the initial values differ: the checkpoint's are taken."""
    first = FIRST.get(case, {})
    whole = fit(None, 5, **{k: v for k, v in {**first, **SAME[case]}.items() if k not in ("model", "epochs")})
    fit(tmp_path / "a.npz", **first)
    again = fit(tmp_path / "a.npz", **{"epochs": 5, **SAME[case]})
    assert again["loss"] == whole["loss"] and again["test_loss"] == whole["test_loss"]


def test_the_same_objects_go_on(tmp_path):
    subject, loss, watch = build(), Loss(0.5), Watch(1)
    optimizer = optim.Adam(subject)
    for epochs in (1, 2, 4):
        history = training.fit(subject, (X, Y), optimizer=optimizer, epochs=epochs, batch_size=8, rng=3, loss=loss,
                               callbacks=[watch], checkpoint=tmp_path / "a.npz")  # fmt: skip
    assert len(history) == 4 and watch.seen == list(range(12))


class Tempered:
    """A loss with a parameter that is trained beside the model, and with a penalty on the model."""

    def __init__(self, model, start):
        self.model, self.heat = model, mg.Tensor(np.float32(start), requires_grad=True, name="heat")

    def __call__(self, logits, labels):
        return ops.cross_entropy(logits * self.heat, labels) + 0.01 * ops.sum(self.model[0].weight ** 2)


def tempered(path, epochs, start=1.0):
    subject = build()
    loss = Tempered(subject, start)
    optimizer = optim.SGD([*subject.named_parameters(), ("heat", loss.heat)], lr=0.1)
    history = training.fit(
        subject, (X, Y), optimizer=optimizer, epochs=epochs, batch_size=8, rng=3, loss=loss, checkpoint=path
    )
    return history["loss"], float(loss.heat.data)


def test_what_is_trained_beside_the_model_is_restored(tmp_path):
    whole = tempered(None, 4)
    tempered(tmp_path / "a.npz", 2)
    assert tempered(tmp_path / "a.npz", 4, start=5.0) == whole != tempered(None, 2)


REFUSED = {
    "a counter": ("loss", lambda: (lambda count: lambda z, y: ops.cross_entropy(z, y) * next(count))(iter([1.0] * 99)),
                  "loss.closure.count is of the type list_iterator"),
    "a lock": ("schedule", lambda: (lambda lock: lambda step: 0.1 if lock else 0.2)(__import__("threading").Lock()),
               "schedule.closure.lock is of the type _thread.lock"),
    "a fingerprint that is no text": ("schedule", lambda: types.SimpleNamespace(fingerprint=3, __call__=None),
                                      "schedule.fingerprint must be a text"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_told_from_another_is_refused_with_the_remedy(case, tmp_path):
    option, make, words = REFUSED[case]
    with pytest.raises(TypeError, match=words) as caught:
        fit(tmp_path / "a.npz", **{option: make()})
    assert "fingerprint" in str(caught.value) and not (tmp_path / "a.npz").exists()


def test_a_fingerprint_of_ones_own_takes_the_place_of_everything(tmp_path):
    def make(text, factor):
        loss = loss_of(factor)
        loss.fingerprint = text
        return loss

    fit(tmp_path / "a.npz", loss=make("v1", 1.0))
    assert len(fit(tmp_path / "a.npz", 3, loss=make("v1", 2.0))) == 3  # it was said to be the same
    with pytest.raises(training.OtherRunError, match=r"loss.fingerprint: the checkpoint has 'v1', this run 'v2'"):
        fit(tmp_path / "a.npz", 3, loss=make("v2", 1.0))


def test_without_a_checkpoint_nothing_is_described():
    count = iter(range(1, 99))
    fit(None, 1, loss=lambda z, y: ops.cross_entropy(z, y) * (next(count) > 0))


def test_another_version_of_minigrad_is_refused_and_one_of_numpy_is_told(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    fit(path)
    arrays, meta = training.load_checkpoint(path)
    assert meta["made with"]["NumPy"] == np.__version__
    training.save_checkpoint(path, arrays, {**meta, "made with": {**meta["made with"], "NumPy": "1.26"}})
    with pytest.warns(UserWarning, match=f"was made with NumPy 1.26, and this is {np.__version__}: the run goes on"):
        warnings.simplefilter("always")
        assert len(fit(path, 3)) == 3
    monkeypatch.setattr("minigrad.training.identity.source", lambda: "0.0.9, sha256 0")
    with pytest.raises(training.OtherRunError, match=r"minigrad: the checkpoint has '0.*', this run '0.0.9, sha256 0'"):
        fit(path, 4)


def test_an_identity_is_plain_data():
    subject = build(vjp={"x": Mask(0.5)})
    optimizer = optim.AdamW(subject)
    loop = Loop(subject, (X, Y), optimizer, 8, Loss(1.0), optim.Constant(0.1), None, None, 0, [Watch(1)], random_flip())
    found = identity(loop)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
