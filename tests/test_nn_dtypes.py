"""Data of another dtype than the parameters: converted by fit and evaluate, and said once where they meet by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import inspect, nn, ops, optim, training
from minigrad.nn.dtypes import DtypeWarning

X = np.random.default_rng(0).standard_normal((8, 3))
Y = np.arange(8) % 2


@pytest.fixture(autouse=True)
def unsaid(monkeypatch):
    monkeypatch.setattr(DtypeWarning, "said", False)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (lambda: nn.Linear(3, 2, rng=0), X),
        (lambda: nn.Linear(3, 2, rng=0), mg.Tensor(X)),
        (lambda: nn.Conv2d(3, 2, 1, rng=0), X.reshape(2, 2, 2, 3)),
        (lambda: nn.LayerNorm(3), X),
        (lambda: nn.BatchNorm(3), X),
        (lambda: nn.Linear(3, 2, rng=0).astype(np.float16), X.astype(np.float32)),
    ],
)
def test_a_layer_that_meets_wider_data_says_so_once(layer, x):
    made = layer()
    with pytest.warns(
        DtypeWarning, match=r"data of dtype float.*parameters of dtype float.*astype\(np\.float"
    ) as found:
        made(x)
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(x)
        layer()(x)


def test_the_layer_is_named_and_the_model_called():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, rng=0))
    with pytest.warns(DtypeWarning, match="layer '1'"), mg.Tape():
        model(X)


@pytest.mark.parametrize(
    ("dtype", "x"),
    [
        (np.float32, X.astype(np.float32)),
        (np.float32, X.astype(np.float16)),
        (np.float32, np.arange(9).reshape(3, 3)),
        (np.float32, np.full((2, 3), 255, np.uint8)),
        (np.float32, X.astype(np.float32).tolist()),
        (np.float64, X),
        (np.float64, X.astype(np.float32)),
    ],
)
def test_nothing_is_said_where_the_parameters_decide(dtype, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nn.Linear(3, 2, rng=0, dtype=dtype)(x).dtype == dtype


def run(x, dtype, y=Y, loss=ops.cross_entropy):
    model = nn.mlp((3, 4, 2), rng=0)
    seen = set()

    def observed(out, labels):
        value = loss(out, labels)
        seen.update((out.dtype, value.dtype))
        return value

    model.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training.fit(
            model, (x, y, x, y), optimizer=optim.SGD(model, lr=0.1), epochs=2, batch_size=4, rng=0, loss=observed
        )
    assert seen == {np.dtype(dtype)}
    return [parameter.data for parameter in model.parameters()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("data", [np.float16, np.float32, np.float64])
def test_fit_and_evaluate_compute_in_the_dtype_of_the_model(dtype, data):
    x = X.astype(data)
    for got, expected in zip(run(x, dtype), run(x.astype(dtype), dtype), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_targets_of_float64_are_converted_too():
    run(X, np.float32, y=X[:, 0], loss=lambda out, targets: ops.mse(out[:, 0], targets))


def test_tokens_stay_integers():
    """What is an index must not become a float."""
    seen = []

    class Lookup(nn.Module):
        def __init__(self):
            self.table = mg.Tensor(np.zeros((5, 2), np.float32), requires_grad=True)

        def forward(self, x):
            seen.append(x.dtype)
            return ops.take(self.table, x, axis=0)

    model = Lookup()
    training.fit(model, (np.arange(4), Y[:4]), optimizer=optim.SGD(model, lr=0.1), epochs=1, batch_size=2, rng=0)
    assert set(seen) == {np.dtype(np.int64)}


def test_measurements_on_batches_compute_in_the_dtype_of_the_model():
    model = nn.mlp((3, 4, 2), rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        double = inspect.gradient_noise(model, (X, Y), batch_size=4, rng=0)
        single = inspect.gradient_noise(model, (X.astype(np.float32), Y), batch_size=4, rng=0)
    assert double.minibatch == single.minibatch
