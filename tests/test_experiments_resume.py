"""Comparisons that are interrupted go on, and finished runs on disk are whole, apart and noticed when damaged."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import subprocess
import sys
import time

import pytest
from test_experiments import SMALL, counted, quick, strict, timeless

from minigrad import training
from minigrad.experiments import Configuration, Method, Run, compare, train
from minigrad.experiments import compare as compare_function
from minigrad.experiments.store import Store

__all__ = ["quick"]  # the fixture, for every test below

# Interruption


def test_an_interrupted_comparison_goes_on(tmp_path, monkeypatch):
    whole = compare(SMALL, ["mask", "lowrank"], seeds=2, out=tmp_path / "whole")
    first = counted(monkeypatch, stop_at=6)
    with pytest.raises(KeyboardInterrupt):
        compare_function(SMALL, ["mask", "lowrank"], seeds=2, out=tmp_path / "parts")
    second = counted(monkeypatch)
    told = []
    parts = compare_function(SMALL, ["mask", "lowrank"], seeds=2, out=tmp_path / "parts", log=told.append)
    assert second == first[5:] + second[1:] and len(second) == 3  # the one under way, and the two after it
    assert told == ["5 of 8 runs were finished before and are kept"]
    assert timeless(parts) == timeless(whole)


def test_an_interrupted_run_goes_on_within(tmp_path, monkeypatch):
    data, method = SMALL.load(), Method("mask", "Mask(0.1)")
    configuration = dataclasses.replace(SMALL, epochs=4)
    monkeypatch.setattr(sys.modules["minigrad.experiments.run"], "CHECKPOINT_SECONDS", 0.0)
    whole = train(configuration, method, 0, data)
    save, saved = training.resume.Saved.save, []

    def interrupt(self):
        save(self)
        saved.append(len(self.loop.history))
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training.resume.Saved, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(configuration, method, 0, data, tmp_path / "a.npz")
    again = train(configuration, method, 0, data, tmp_path / "a.npz")
    assert saved == [1, 2, 3, 4]
    assert without_times(again) == without_times(whole)


def without_times(run):
    epochs = [{k: v for k, v in vars(e).items() if "seconds" not in k} for e in run.history.epochs]
    return run.key, run.diverged, epochs


def test_a_damaged_checkpoint_of_a_run_is_removed(tmp_path):
    data, method = SMALL.load(), Method("exact")
    (tmp_path / "a.npz").write_bytes(b"half a file")
    assert without_times(train(SMALL, method, 0, data, tmp_path / "a.npz")) == without_times(
        train(SMALL, method, 0, data)
    )


CHILD = """
import sys
sys.path.insert(0, {tests!r})
from test_experiments import SMALL, compare, make_quick
make_quick()
compare(SMALL, ["mask"], seeds=200, out=sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_killed(tmp_path, monkeypatch):
    child = subprocess.Popen([sys.executable, "-c", CHILD.format(tests=os.path.dirname(__file__)), str(tmp_path)])
    give_up = time.monotonic() + 600
    while len(list(tmp_path.glob("runs/*.json"))) < 2 and time.monotonic() < give_up and child.poll() is None:
        time.sleep(0.005)
    child.kill()
    assert child.wait(600) == -signal.SIGKILL
    before = {path: path.read_bytes() for path in tmp_path.glob("runs/*.json")}
    assert len(before) >= 2
    comparison = compare(SMALL, ["mask"], seeds=2, out=tmp_path)
    assert all(path.read_bytes() == content for path, content in before.items())  # not trained again
    for run in comparison.runs:
        method = next(method for method in comparison.methods if method.label == run.label)
        assert without_times(train(SMALL, method, run.seed)) == without_times(run)


# The store


def test_configurations_do_not_mix(tmp_path, monkeypatch):
    other = dataclasses.replace(SMALL, lr=0.02)
    alone = compare(SMALL, ["mask"], seeds=1, out=tmp_path / "alone")
    compare(other, ["mask"], seeds=1, out=tmp_path / "both")
    seen = counted(monkeypatch)
    both = compare_function(SMALL, ["mask"], seeds=1, out=tmp_path / "both")
    assert len(seen) == 3 and timeless(both) == timeless(alone)
    compare_function(other, ["mask"], seeds=1, out=tmp_path / "both")
    assert len(seen) == 3  # still there


def test_keys(monkeypatch):
    base = SMALL.key(Method("a", "Mask(0.1)"), 0)
    assert SMALL.key(Method("another label", "Mask(0.1)"), 0) == base
    others = [
        SMALL.key(Method("a", "Mask(0.1)"), 1),
        SMALL.key(Method("a", "Mask(0.2)"), 0),
        SMALL.key(Method("a", "Mask(0.1)", batch_size=8), 0),
        *(
            dataclasses.replace(SMALL, **change).key(Method("a", "Mask(0.1)"), 0)
            for change in ({"epochs": 3}, {"lr": 0.5}, {"momentum": 0.0}, {"max_norm": 1.0}, {"train": 50})
        ),
    ]
    monkeypatch.setattr(sys.modules["minigrad.experiments.configuration"], "source", lambda: "9.9")
    others.append(SMALL.key(Method("a", "Mask(0.1)"), 0))  # another version may compute something else
    assert len({base, *others}) == len(others) + 1
    assert Configuration(data="Fashion-MNIST") == Configuration(data="fashion_mnist")


RUN = Run("0f", "exact", 0, training.History([training.Epoch(1, 2, 0.1, 1.5, 0.5, math.inf, 0.5, 1.0, 0.5, 1e6, 2e6)]))


def test_a_run_is_read_as_it_was_written(tmp_path):
    store = Store(tmp_path)
    store.checkpoint("0f").write_bytes(b"under way")
    store.put(RUN)
    assert Store(tmp_path).get("0f") == RUN and not store.checkpoint("0f").exists()
    assert store.get("0e") is None
    strict(store.path("0f"))


def test_any_damage_to_a_run_is_noticed(tmp_path):
    store = Store(tmp_path)
    store.put(RUN)
    whole = store.path("0f").read_bytes()
    for length in range(len(whole)):
        store.path("0f").write_bytes(whole[:length])
        assert store.get("0f") is None
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        store.path("0f").write_bytes(bytes(damaged))
        assert store.get("0f") in (None, RUN)
    for text in ("", "null", "[]", "3", "{}", '{"sha256": 1, "run": 2}', '{"sha256": 1, "run": "{}"}', "\xff"):
        store.path("0f").write_text(text, encoding="latin-1")
        assert store.get("0f") is None
    store.path("0e").write_bytes(whole)  # under another name
    assert store.get("0e") is None


def test_a_damaged_run_is_trained_again(tmp_path, monkeypatch):
    first = compare(SMALL, ["mask"], seeds=1, out=tmp_path)
    Store(tmp_path).path(first.runs[1].key).write_text("{")
    seen = counted(monkeypatch)
    again = compare_function(SMALL, ["mask"], seeds=1, out=tmp_path)
    assert seen == [("Mask(0.1)", 0)] and timeless(again) == timeless(first)


def test_a_folder_in_the_place_of_a_run_is_named(tmp_path):
    (tmp_path / "runs" / "0f.json").mkdir(parents=True)
    with pytest.raises(OSError, match=r"0f.json cannot be read .*another folder with --out"):
        Store(tmp_path).get("0f")
