"""The sentence with which a comparison ends is that of the advice on the same run."""

from __future__ import annotations

import dataclasses

import pytest

from minigrad import inspect, training
from minigrad.experiments import Configuration, Method, compare
from minigrad.experiments.verdict import BATCHES

SMALL = Configuration("mlp", "digits", epochs=1, batch_size=32, train=400, test=100)


def after_one_epoch():
    data = SMALL.load()
    model = SMALL.build(data, Method("exact"), 0)
    training.fit(
        model, data, optimizer=SMALL.make_optimizer(model), epochs=1, batch_size=32, max_norm=SMALL.max_norm, rng=0,
        progress=False,
    )  # fmt: skip
    return model, data


@pytest.mark.slow
def test_j_and_the_sentence_are_those_of_the_advice(tmp_path):
    """What is advised, and what is not, compared: J is the same to the last digit, on the same batches and draws."""
    model, data = after_one_epoch()
    advice = inspect.advise(model, data, batch_size=32, batches=BATCHES, rng=0)
    settings = {candidate.name: candidate for candidate in advice.candidates}
    columns, samples = settings["columns"], settings["samples at the logits"]
    found = compare(SMALL, [columns.setting, f"last: {samples.setting}"], seeds=1, out=tmp_path, progress=False)
    by = dict(zip(("exact", "columns", "samples"), found.advice.candidates, strict=True))
    for mine, theirs in ((by["columns"], columns), (by["samples"], samples)):
        assert (mine.ratio, mine.error, mine.noise) == pytest.approx((theirs.ratio, theirs.error, theirs.noise))
    pays = {c.name for c in (columns, samples) if c.surely_pays}
    assert (found.advice.advised != "nothing") == bool(pays)
    last = found.tables()[-1].notes[-1]
    assert last == found.advice.sentence and str(found).rstrip().endswith(last.split()[-1])
    assert found.to_dict()["advice"]["advised"] == found.advice.advised


def test_what_is_surely_too_noisy_is_not_advised(tmp_path):
    found = compare(SMALL, ["mask(0.02)"], seeds=1, out=tmp_path, progress=False)
    assert found.advice.candidates[1].ratio > 1
    assert found.tables()[-1].notes[-1].startswith("do not sketch")


def test_what_is_surely_cheaper_is_advised(tmp_path, monkeypatch):
    from minigrad.experiments import verdict

    class Cheap(verdict.ExactBatches):
        def candidate(self, name, setting, spent=(0.0, 0.0)):
            return dataclasses.replace(super().candidate(name, setting, spent), ratio=0.7, error=0.01, caution=None)

    monkeypatch.setattr(verdict, "ExactBatches", Cheap)
    found = compare(SMALL, ["diagonal(0.5)"], seeds=1, out=tmp_path, progress=False)
    assert (
        found.tables()[-1].notes[-1]
        == "use DiagonalSketch(0.5): 70 ± 1 % of the operations of exact VJPs to a precision"
    )


@pytest.mark.parametrize("vjps, batch_size", [(["topk"], 32), (["mask"], 400)])
def test_no_sentence_where_there_is_no_j(vjps, batch_size, tmp_path):
    """Of a biased method, and on batches that are all the data."""
    configuration = dataclasses.replace(SMALL, batch_size=batch_size)
    found = compare(configuration, vjps, seeds=1, out=tmp_path, progress=False)
    assert found.advice is None and found.to_dict()["advice"] is None
