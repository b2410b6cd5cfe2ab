"""What people bring: scikit-learn, pandas, weights of PyTorch, a tracker. What is not installed is skipped."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from minigrad import datasets, nn, optim, training
from minigrad.experiments import Configuration, compare

ROOT = Path(__file__).parents[1]


def load(name):
    """A file of docs/interfaces as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "interfaces" / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # pickles look for it there
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
def test_the_wrapper_passes_all_checks_of_scikit_learn():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    classifier = load("scikit_learn").VJPClassifier
    done = checks.check_estimator(classifier(), on_fail=None)
    assert [each["check_name"] for each in done if each["status"] == "failed"] == []
    assert sum(each["status"] == "passed" for each in done) > 40


@pytest.mark.filterwarnings("ignore")
def test_a_grid_search_over_vjps():
    selection = pytest.importorskip("sklearn.model_selection")
    data = datasets.digits().flat()
    grid = {"vjp": ["exact", "Mask(0.5)", "DiagonalSketch(0.25)"]}
    search = selection.GridSearchCV(load("scikit_learn").VJPClassifier(epochs=3, random_state=0), grid, cv=2)
    search.fit(data.x_train[:400], data.y_train[:400])
    assert len(search.cv_results_["mean_test_score"]) == 3 and search.best_score_ > 0.6
    assert search.score(data.x_test[:200], data.y_test[:200]) > 0.6


def fitted(**options):
    data = datasets.digits().flat()
    model = nn.mlp(64, 16, 10, rng=0)
    options = {"epochs": 3, "batch_size": 64, "steps_per_epoch": 2, "rng": 0, "progress": False, **options}
    return training.fit(model, data, optimizer=optim.SGD(model, lr=0.1), **options)


def test_pandas_reads_results_and_histories(tmp_path):
    pandas = pytest.importorskip("pandas")
    small = Configuration(train=64, test=20, epochs=2, batch_size=32)
    compare(small, ["mask"], seeds=2, out=tmp_path, progress=False)
    table = pandas.read_csv(tmp_path / "results.csv")
    assert set(table["seed"]) == {0, 1} and table["test_accuracy"].between(0, 1).all()
    assert table.groupby("method")["loss"].mean().notna().all()
    frame = pandas.DataFrame(fitted().to_dict()["epochs"])
    assert len(frame) == 3 and (frame["loss"] > 0).all()


def test_weights_of_pytorch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    ours = nn.mlp(64, 32, 10, rng=0)
    ours.load_state_dict({name: values.numpy() for name, values in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    with torch.no_grad():
        wanted = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours(x).data, wanted, rtol=1e-5, atol=1e-6)


def test_a_convolution_of_pytorch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Conv2d(3, 8, 3, padding=1)
    ours = nn.Conv2d(3, 8, 3, padding=1, rng=0)
    state = {name: values.detach().numpy() for name, values in theirs.state_dict().items()}
    ours.load_state_dict({"weight": state["weight"].transpose(2, 3, 1, 0), "bias": state["bias"]})
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 3)).astype(np.float32)
    with torch.no_grad():
        wanted = theirs(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(ours(x).data, wanted, rtol=1e-4, atol=1e-5)


def test_a_tracker_is_told_each_epoch_once():
    told = []
    tracker = load("tracker").Tracker(lambda values, step: told.append((step, values["loss"])))
    history = fitted(callbacks=[tracker])
    assert len(told) == 2  # the last epoch ends after the last step
    tracker.tell(history)
    assert told == [(epoch.step, epoch.loss) for epoch in history.epochs]
    assert json.loads(json.dumps(tracker.state_dict())) == {"told": 3}
