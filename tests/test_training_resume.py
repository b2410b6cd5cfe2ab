"""An interrupted run that goes on from its checkpoint ends bit for bit as one that was not interrupted."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim, training
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection, TopK
from minigrad.structure import Columns

X = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
Y = np.arange(30) % 4
DATA = (X, Y, X[:10], Y[:10])


class Half(mg.Estimator):
    """An estimator of one's own, without a repr."""

    budget = 0.5

    def sample(self, g, node, rng):
        kept = np.flatnonzero(rng.random(g.shape[-1]) < 0.5)
        return Columns(2 * g[..., kept], kept, g.shape)


def build(vjp, rate=0.3):
    model = nn.Sequential(
        nn.Linear(6, 8, rng=0), nn.ReLU(), nn.Dropout(rate), nn.Linear(8, 8, rng=1), nn.Tanh(), nn.Linear(8, 4, rng=2)
    )
    nn.set_vjp(model, vjp)
    return model


OPTIMIZERS = {
    "sgd": lambda model: optim.SGD(model, lr=0.1),
    "nesterov": lambda model: optim.SGD(model, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lambda model: optim.Adam(model, lr=0.01),
    "adamw": lambda model: optim.AdamW(model, lr=0.01),
}
SCHEDULES = {
    "none": None,
    "cosine": optim.Cosine(0.05, 40),
    "warm-up": optim.Warmup(optim.Constant(0.05), 7),
}
VJPS = [
    None, Mask(0.5), Mask(0.5, axis="element"), Mask(0.5, axis="sample", design="systematic"), DiagonalSketch(0.5),
    DiagonalSketch(0.5, axis="row", target="both"), LowRankSketch(0.5), RandomProjection(0.5),
    RandomProjection(0.5, kind="countsketch"), RandomProjection(0.5, kind="orthogonal"), TopK(0.5),
    {"x": Mask(0.5), "w": LowRankSketch(0.5)}, Half(),
]  # fmt: skip
CASES = [(vjp, "adam", "cosine", 1.0) for vjp in VJPS] + [
    (Mask(0.5), optimizer, schedule, norm)
    for optimizer, schedule, norm in itertools.product(OPTIMIZERS, SCHEDULES, (None, 0.1))
]


def run(vjp, optimizer, schedule, norm, epochs, checkpoint=None, **options):
    model = build(vjp)
    opt = OPTIMIZERS[optimizer](model)
    options = {"batch_size": 7, "rng": 5, **options}
    history = training.fit(
        model, DATA, optimizer=opt, epochs=epochs, schedule=SCHEDULES[schedule], max_norm=norm, checkpoint=checkpoint,
        **options,
    )  # fmt: skip
    return state(model, opt, history)


def state(model, optimizer, history):
    """Everything but the wall times, as bytes and numbers."""
    arrays = {**model.state_dict(), **optimizer.state_dict()}
    epochs = [{k: v for k, v in e.items() if "seconds" not in k} for e in history.to_dict()["epochs"]]
    return {name: np.asarray(value).tobytes() for name, value in arrays.items()}, epochs


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)) if isinstance(case, tuple) else None)
def test_resumed_after_any_epoch(case, tmp_path):
    whole = run(*case, epochs=4)
    for k in (1, 3):
        path = tmp_path / f"{k}.npz"
        run(*case, epochs=k, checkpoint=path)
        assert run(*case, epochs=4, checkpoint=path) == whole


def test_resumed_after_every_epoch(tmp_path):
    case = (LowRankSketch(0.5), "nesterov", "warm-up", 0.1)
    for k in range(1, 5):
        last = run(*case, epochs=k, checkpoint=tmp_path / "a.npz")
    assert last == run(*case, epochs=4)


def test_interrupted_in_the_middle_of_an_epoch(tmp_path):
    case = (Mask(0.5), "adam", "cosine", None)
    path = tmp_path / "new folder" / "a.npz"
    calls = itertools.count()

    def loss(logits, labels):
        if next(calls) == 19:
            raise KeyboardInterrupt
        return mg.ops.cross_entropy(logits, labels)

    loss.fingerprint = "cross_entropy"
    with pytest.raises(KeyboardInterrupt):
        run(*case, epochs=5, checkpoint=path, loss=loss)
    assert run(*case, epochs=5, checkpoint=path, loss=loss) == run(*case, epochs=5)


def test_a_finished_run_is_given_back(tmp_path):
    case = (Mask(0.5), "sgd", "none", None)
    first = run(*case, epochs=3, checkpoint=tmp_path / "a.npz")
    assert run(*case, epochs=3, checkpoint=tmp_path / "a.npz") == first
    with pytest.raises(training.OtherRunError, match=r"has 3 epochs of this run, and epochs=2 is less.* at least 3"):
        run(*case, epochs=2, checkpoint=tmp_path / "a.npz")


def test_without_a_seed_that_of_the_checkpoint_is_taken(tmp_path):
    case = (Mask(0.5), "sgd", "none", None)
    run(*case, epochs=2, checkpoint=tmp_path / "a.npz", rng=5)
    assert run(*case, epochs=4, checkpoint=tmp_path / "a.npz", rng=None) == run(*case, epochs=4, rng=5)


def test_the_test_can_fail(tmp_path):
    case = (Mask(0.5), "sgd", "none", None)
    run(*case, epochs=2, checkpoint=tmp_path / "a.npz")
    assert run(*case, epochs=4, rng=6) != run(*case, epochs=4, checkpoint=tmp_path / "a.npz")


def test_a_checkpoint_may_be_written_less_often(tmp_path):
    case = (None, "sgd", "none", None)
    path = tmp_path / "a.npz"
    calls = itertools.count()

    def loss(logits, labels):
        assert not path.exists()  # before the end, an hour has not passed
        next(calls)
        return mg.ops.cross_entropy(logits, labels)

    loss.fingerprint = "cross_entropy"
    assert run(*case, epochs=3, checkpoint=path, checkpoint_seconds=3600.0, loss=loss) == run(*case, epochs=3)
    assert path.exists() and next(calls) > 15


BASE = {"vjp": Mask(0.5), "optimizer": "nesterov", "schedule": "none", "norm": 1.0, "epochs": 2}


@pytest.mark.parametrize(
    "change, named",
    [
        ({"rng": 6}, "seed: the checkpoint has 5, this run 6"),
        ({"batch_size": 6}, "batch_size: the checkpoint has 7, this run 6"),
        ({"steps_per_epoch": 3}, "steps_per_epoch: the checkpoint has 5, this run 3"),
        ({"optimizer": "adam"}, r"optimizer: the checkpoint has SGD\(.*, this run Adam\("),
        ({"optimizer": "sgd"}, "optimizer.momentum: the checkpoint has 0.9, this run 0.0"),
        ({"norm": None}, "max_norm: the checkpoint has 1.0, this run None"),
        ({"vjp": Mask(0.25)}, r"model.3.vjp.budget: the checkpoint has 0.5, this run 0.25"),
        ({"vjp": None}, r"model.0.vjp: the checkpoint has Mask\(.*budget=0.5.*, this run None"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(tmp_path, change, named):
    path = tmp_path / "a.npz"
    run(**BASE, checkpoint=path)
    with pytest.raises(training.CheckpointError, match=rf"(?s)a\.npz belongs to another run.*{named}.*Delete it"):
        run(**{**BASE, **change, "epochs": 3}, checkpoint=path)


def fit_small(model, data, path):
    return training.fit(model, data, optimizer=optim.Adam(model), epochs=2, batch_size=7, rng=5, checkpoint=path)


def test_the_checkpoint_of_another_model_or_other_data_changes_nothing(tmp_path):
    path = tmp_path / "a.npz"
    fit_small(nn.mlp((6, 8, 4), rng=0), DATA, path)
    other = nn.mlp((6, 9, 4), rng=0)
    before = other.state_dict()
    with pytest.raises(training.CheckpointError, match="model.0.out_features: the checkpoint has 8, this run 9"):
        fit_small(other, DATA, path)
    assert all(np.array_equal(before[name], value) for name, value in other.state_dict().items())
    with pytest.raises(training.CheckpointError, match="y_train: other content"):
        fit_small(nn.mlp((6, 8, 4), rng=0), (X, Y[::-1]), path)
    with pytest.raises(
        training.CheckpointError, match=r"x_train.shape: the checkpoint has \[30, 6\], this run \[20, 6\]"
    ):
        fit_small(nn.mlp((6, 8, 4), rng=0), (X[:20], Y[:20]), path)


def test_a_checkpoint_that_fit_did_not_write(tmp_path):
    for number, meta in enumerate([{}, {"run": 3}, {"run": {}, "step": "x"}]):
        path = tmp_path / f"{number}.npz"
        training.save_checkpoint(path, {"w": np.ones(2)}, meta)
        with pytest.raises(training.CheckpointError, match=rf"{number}\.npz is a checkpoint, but not one of training"):
            fit_small(nn.mlp((6, 8, 4), rng=0), DATA, path)


CHILD = """
import sys
sys.path.insert(0, {tests!r})
from test_training_resume import run
from minigrad.estimators import Mask
from minigrad.training import checkpoint
if {during_writing}:
    # die in the middle of the third write: half of the content is there, and the name is not yet given
    import os, signal
    calls = []
    sync = os.fsync
    def fsync(handle):
        calls.append(1)
        if len(calls) == 3:
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        sync(handle)
    os.fsync = fsync
run(Mask(0.5), "adam", "cosine", None, epochs={epochs}, checkpoint=sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.parametrize("during_writing", [True, False])
def test_killed(tmp_path, during_writing):
    path = tmp_path / "a.npz"
    epochs = 4 if during_writing else 100_000
    code = CHILD.format(tests=os.path.dirname(__file__), during_writing=during_writing, epochs=epochs)
    child = subprocess.Popen([sys.executable, "-c", code, str(path)])
    if not during_writing:
        give_up = time.monotonic() + 600
        while not path.exists() and time.monotonic() < give_up:
            time.sleep(0.02)
        time.sleep(0.05)
        child.kill()
    assert child.wait(600) == -signal.SIGKILL
    done = len(training.load_checkpoint(path)[1]["history"]["epochs"])  # readable, whatever happened
    assert done == 2 if during_writing else done >= 1
    case = (Mask(0.5), "adam", "cosine", None)
    assert run(*case, epochs=done + 2, checkpoint=path) == run(*case, epochs=done + 2)
    assert os.listdir(tmp_path) == ["a.npz"]  # half a file of the killed process is gone
