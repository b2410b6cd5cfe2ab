"""Pipelines: the bits of one process, whatever the number of stages; results; and what is refused beforehand."""

from __future__ import annotations

import csv
import functools
import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from pipeline_cases import CUTS, SMALL, in_files, in_threads, parameters, planned, same_bits

import minigrad as mg
from minigrad import nn, ops
from minigrad.cli import main
from minigrad.estimators import parse
from minigrad.experiments.pipeline import PipelineResult, decode, encode, measure_pipeline
from minigrad.experiments.pipeline.cutting import cut
from minigrad.experiments.pipeline.pipeline_run import PipelineJob, check_estimator
from minigrad.experiments.pipeline.run_stages import run_stages
from minigrad.experiments.pipeline.stage import Counts, pulled_back
from minigrad.experiments.pipeline.wire_noise import OnWire, trained
from minigrad.streams import Domain, child, generator
from minigrad.structure import dense

pytestmark = pytest.mark.usefixtures("one_blas_thread")

# The bits of one process


@pytest.mark.parametrize("stages", [2, 3])
def test_exact_stages_compute_what_one_process_computes(stages, tmp_path):
    found = parameters(in_threads(planned(tmp_path, cuts=CUTS[stages])))
    model, _, _ = trained(SMALL, 0, 6)
    assert same_bits(found, [parameter.data for parameter in model.parameters()])
    other, _, _ = trained(SMALL, 0, 7)
    assert not same_bits(found, [parameter.data for parameter in other.parameters()])


def test_processes_compute_what_threads_compute(tmp_path):
    plan = planned(tmp_path / "a", "rounding(2)", cuts=CUTS[3])
    assert run_stages(plan, 3) == 0
    assert same_bits(in_files(plan), parameters(in_threads(replace(plan, folder=str(tmp_path / "b")))))


def test_one_step_is_the_draw_of_its_frame(tmp_path):
    """By hand: the cotangent of the first step, rounded with the key of stage 1, through a frame and back."""
    stages = in_threads(planned(tmp_path, "rounding(2)", steps=1))
    c, data = SMALL, SMALL.load()
    model = nn.models.build("mlp", data.input_shape, 10, rng=0)
    first, last = cut(model, (3,))
    chosen = stages[0].batches[0]
    with mg.Tape() as lower:
        h = first(data.x_train[chosen].astype(np.float32))
    x = mg.Tensor(h.data, requires_grad=True)
    with mg.Tape() as upper:
        loss = ops.cross_entropy(last(x), data.y_train[chosen])
    *upwards, g = upper.gradients(loss, [*last.parameters(), x])
    key = child(Domain.STAGE, child(Domain.STEP, 0, 0), 1)
    sent = decode(encode(parse("rounding(2)").sample(g, None, generator(Domain.SAMPLE, key))))
    downwards = pulled_back(lower, h, sent, list(first.parameters()))
    for part, gradients in ((first, downwards), (last, upwards)):
        c.make_optimizer(part).step(list(gradients))
    assert same_bits(parameters(stages), [parameter.data for parameter in model.parameters()])
    assert stages[1].counts.losses == [loss.item()]


@pytest.mark.parametrize(
    "wire",
    [
        "mask(0.5, axis=row)",
        "mask(0.5)",
        "lowrank(0.5)",
        "rounding(3)",
        "then(mask(0.5, axis=row), rounding(4))",
        "rounding(2, allocation=optimal)",
    ],
)
def test_a_structure_goes_on_as_it_is_and_means_the_same(wire):
    stages = cut(nn.mlp(12, 10, 8, 4, rng=0), [4])
    g = np.random.default_rng(0).standard_normal((16, 8)).astype(np.float32)
    sent = decode(encode(parse(wire).sample(g, None, np.random.default_rng(1))))
    for modules in (stages[0], nn.Sequential(stages[0][0], nn.Linear(10, 8, rng=1))):  # ending with ReLU, and without
        with mg.Tape() as tape:
            out = modules(np.random.default_rng(2).standard_normal((16, 12)).astype(np.float32))
        wanted = list(modules.parameters())
        found = pulled_back(tape, out, sent, wanted)
        expected = tape.gradients(out, wanted, cotangent=dense(sent))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(dense(a), b, rtol=1e-4, atol=1e-5)


def test_stages_draw_by_themselves(tmp_path, monkeypatch):
    """Both wires of three steps, and what dropout would draw in three stages, are streams of their own."""
    drawn: list[float] = []

    class Notes(mg.Estimator):
        def sample(self, g, node, rng):
            drawn.append(rng.random())
            return g

    class Noting(mg.Tape):
        def __init__(self, rng=None):
            super().__init__(rng)
            drawn.append(self.rng.random())

    monkeypatch.setattr("minigrad.experiments.pipeline.stage.parse", lambda text: Notes())
    monkeypatch.setattr("minigrad.experiments.pipeline.stage.Tape", Noting)
    in_threads(planned(tmp_path, steps=3, cuts=CUTS[3]))
    assert len(drawn) == len(set(drawn)) == 3 * (2 + 3)


# The experiment


def test_results_are_kept_and_written(tmp_path, monkeypatch):
    options = {"wires": ["rounding(4)", "exact"], "steps": 8, "draws": 5, "progress": False}
    result = measure_pipeline(SMALL, tmp_path, **options)
    assert [(run.label, run.cuts, run.steps, run.restarts) for run in result.runs] == [
        ("exact", (3,), 8, 0), ("rounding(4)", (3,), 8, 0)
    ]  # fmt: skip
    exact, four = result.runs
    assert exact.variance == 0 < four.variance < 0.1 and exact.digest != four.digest
    assert exact.backward_bytes == exact.forward_bytes == four.forward_bytes == 84 + 4 * 32 * 512
    assert four.backward_bytes - four.headers == 32 * 512 / 2 + 2 * 4 * 32
    model, _, _ = trained(SMALL, 0, 8)
    data = SMALL.load()
    right = (model.eval()(data.x_test.astype(np.float32)).data.argmax(axis=1) == data.y_test).mean()
    assert exact.accuracy == pytest.approx(right)
    with open(tmp_path / "pipeline.csv", encoding="utf-8", newline="") as stream:
        assert [line["label"] for line in csv.DictReader(stream)] == ["exact", "rounding(4)"]
    with open(tmp_path / "table.csv", encoding="utf-8", newline="") as stream:
        assert [line["wire"] for line in csv.DictReader(stream)] == ["exact", "rounding(4)"]
    assert json.loads((tmp_path / "pipeline.json").read_text(encoding="utf-8"))["runs"][1]["label"] == "rounding(4)"
    assert (tmp_path / "pipeline.png").read_bytes()[:4] == b"\x89PNG"
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.suffix != ".json"] == []
    monkeypatch.setattr(PipelineJob, "__call__", lambda *arguments: pytest.fail("done again"))
    assert measure_pipeline(SMALL, tmp_path, **options) == result


def test_runs_that_diverged_are_shown(tmp_path):
    job = PipelineJob(SMALL, "exact", 0, 3)
    run = job._run((3,), (0.1, 0.01), [Counts()], 0, None, None, None, "", "the loss is nan at step 0")
    result = PipelineResult((run, replace(run, label="mask(0.5)", backward_bytes=10.0)), SMALL.to_dict(), 5)
    assert "the loss was not finite" in str(result)
    json.dumps(result.to_dict(), allow_nan=False)
    plt.close(result.plot().figure)


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"wires": ["rounding(9)"]}, "bits=9"),
        ({"wires": ["mosk(0.1)"]}, "did you mean 'mask'"),
        ({"wires": ["mask(0.5, axis=head)"]}, "on a wire, for a cotangent of shape"),
        ({"steps": 0}, "steps=0 must be at least 1"),
        ({"draws": 1}, "draws=1 must be at least 2"),
        ({"stages": 1}, r"stages=1 must lie in 2 … 3"),
        ({"stages": 4}, r"stages=4 must lie in 2 … 3"),
        ({"cuts": [9]}, "must lie in 1 … 5, and increase"),
        ({"every": 0}, "every=0"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_starts(changed, words, tmp_path, monkeypatch):
    monkeypatch.setattr(PipelineJob, "__call__", lambda *arguments: pytest.fail("begun"))
    with pytest.raises(ValueError, match=words):
        measure_pipeline(SMALL, tmp_path, progress=False, **changed)


class Asks(mg.Estimator):
    def sample(self, g, node, rng):
        return g * node.saved[0]


class Shortens(mg.Estimator):
    def sample(self, g, node, rng):
        return g[:1]


class Doubles(mg.Estimator):
    """In another dtype than that of the cotangent."""

    def sample(self, g, node, rng):
        return 2 * g.astype(float)


@pytest.mark.parametrize(
    "estimator, words", [(Asks(), "no attribute 'saved'"), (Shortens(), r"shape \(1, 3\) for one")]
)
def test_an_estimator_that_cannot_do_with_the_cotangent_is_refused(estimator, words):
    with pytest.raises(ValueError, match=f"mine on a wire, for .* must do with the cotangent alone.*{words}"):
        check_estimator("mine", estimator, np.ones((2, 3)))


def test_what_an_estimator_of_ones_own_returns_is_sent_in_the_dtype_of_the_cotangent(tmp_path, monkeypatch):
    monkeypatch.setattr("minigrad.experiments.pipeline.stage.parse", lambda text: Doubles())
    stages = in_threads(planned(tmp_path, steps=2))
    assert stages[1].counts.backward_bytes == stages[0].counts.forward_bytes
    wire = OnWire(Doubles())
    assert wire.sample(np.ones((2, 3), np.float32), None, np.random.default_rng(0)).dtype == np.float32
    assert wire.sent == [84 + 24]


@pytest.mark.parametrize("changed", [{"augment": True}, {"max_norm": 1.0}])
def test_settings_that_stages_do_not_have(changed, tmp_path):
    with pytest.raises(ValueError, match="neither augment"):
        measure_pipeline(replace(SMALL, **changed), tmp_path, progress=False)


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(PipelineJob, "__call__", functools.partialmethod(_quick))
    arguments = ["pipeline", "--data", "digits", "--train", "200", "--steps", "4", "--batch-size", "32"]
    assert (
        main([*arguments, "--wire", "rounding(4)", "--wire", "rounding(2)", "--cuts", "3", "5", "--out", str(tmp_path)])
        == 0
    )
    printed = capsys.readouterr().out
    assert "stages that begin at modules 0, 3, 5; 4 steps" in printed and "rounding(2)" in printed
    assert "pipeline.png" in printed and "pipeline.csv" in printed


def _quick(self, checkpoint=None):
    counts = Counts(forward_bytes=400, backward_bytes=400, losses=[1.0] * self.steps)
    return self._run(self.places, (0.1, 0.01), [counts], 0, 1.0, 1.0, 0.5, "0f", None)
