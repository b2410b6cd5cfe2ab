"""Pipelines: the bits of one process, whatever the number of stages; stages that are killed go on; bytes are counted.

Most run their stages in threads of this process, with the same links; that they are processes is tested as such.
"""

from __future__ import annotations

import csv
import functools
import itertools
import json
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.cli import main
from minigrad.estimators import parse
from minigrad.experiments import Configuration
from minigrad.experiments.pipeline import PipelineResult, decode, encode, header_bytes, measure_pipeline
from minigrad.experiments.pipeline.cutting import balanced_cuts, boundaries, cut
from minigrad.experiments.pipeline.frame import FrameError
from minigrad.experiments.pipeline.link import Link, LinkError, loopback_pair
from minigrad.experiments.pipeline.measure_wires import WIRES
from minigrad.experiments.pipeline.pipeline_run import PipelineJob, check_estimator
from minigrad.experiments.pipeline.run_stages import Diverged, StageError, run_stages
from minigrad.experiments.pipeline.stage import Counts, Plan, Stage, checkpoint_path, newest_checkpoint, pulled_back
from minigrad.experiments.pipeline.wire_noise import OnWire, trained, wire_variance
from minigrad.streams import Domain, child, generator
from minigrad.structure import dense
from minigrad.training import load_checkpoint

SMALL = Configuration("mlp", "digits", batch_size=32, lr=0.05, train=300, test=100)
CUTS = {2: (3,), 3: (3, 5)}


def planned(folder, wire="exact", steps=6, cuts=(3,), every=50, configuration=SMALL, key="a"):
    return Plan(key, configuration, 0, cuts, steps, wire, every, str(folder))


def in_threads(plan, step=0):
    """The stages of a plan after their last step."""
    folder = Path(plan.folder)
    folder.mkdir(exist_ok=True)
    pairs = [tuple(map(Link, loopback_pair())) for _ in plan.cuts]
    ends = [(None, pairs[0][0]), *[(a[1], b[0]) for a, b in itertools.pairwise(pairs)], (pairs[-1][1], None)]
    stages = [Stage(plan, k, *both, step) for k, both in enumerate(ends)]
    with ThreadPoolExecutor(len(stages)) as pool:
        for done in [pool.submit(stage.run) for stage in stages]:
            done.result(60)
    for pair in pairs:
        for link in pair:
            link.close()
    return stages


def parameters(stages):
    return [parameter.data for stage in stages for parameter in stage.model.parameters()]


def in_files(plan):
    """The parameters that the last checkpoints of a plan have."""
    found = []
    for k in range(len(plan.cuts) + 1):
        arrays, _ = load_checkpoint(checkpoint_path(Path(plan.folder), k, plan.steps))
        found += [array for name, array in arrays.items() if name.startswith("model/")]
    return found


def same_bits(a, b):
    return len(a) == len(b) > 0 and all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


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


# Killed, and started again


def kill_at(folder, stage, step, killed):
    """Kill a stage with signal 9 as soon as it has a checkpoint of that step."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if checkpoint_path(folder, stage, step).exists():
            for process in multiprocessing.active_children():
                if process.name == f"stage {stage}":
                    os.kill(process.pid, signal.SIGKILL)
                    killed.append(process.pid)
                    return
        time.sleep(0.002)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_killed_stage_goes_on_bit_for_bit(stage, tmp_path):
    plan = planned(tmp_path / "a", "rounding(2)", steps=60, every=5, cuts=CUTS[3])
    killed: list[int] = []
    watcher = threading.Thread(target=kill_at, args=(tmp_path / "a", stage, 10, killed))
    watcher.start()
    restarts = run_stages(plan, 3)
    watcher.join()
    assert len(killed) == 1 and restarts == 1
    untouched = in_threads(replace(plan, folder=str(tmp_path / "b")))
    assert same_bits(in_files(plan), parameters(untouched))
    losses = load_checkpoint(checkpoint_path(tmp_path / "a", 2, 60))[1]["counts"]["losses"]
    assert losses == untouched[-1].counts.losses and len(losses) == 60  # no step is missing, none is there twice
    for k, each in enumerate(untouched):
        counts = load_checkpoint(checkpoint_path(tmp_path / "a", k, 60))[1]["counts"]
        assert counts["forward_bytes"] == each.counts.forward_bytes
        assert counts["backward_bytes"] == each.counts.backward_bytes


def test_another_process_goes_on_from_the_last_common_checkpoint(tmp_path):
    plan = planned(tmp_path, "mask(0.5, axis=row)", steps=13, every=4)
    in_threads(plan)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"stage-{k}-step-{step}.npz" for k in (0, 1) for step in (12, 13)
    ]
    whole = in_files(plan)
    for k in (0, 1):
        checkpoint_path(tmp_path, k, 13).unlink()
    assert newest_checkpoint(tmp_path, 2, "a") == 12
    assert same_bits(parameters(in_threads(plan, 12)), whole)


def test_damaged_checkpoints_and_those_of_other_runs_are_passed_over(tmp_path):
    plan = planned(tmp_path, steps=8, every=4)
    in_threads(plan)
    assert newest_checkpoint(tmp_path, 2, "a") == 8 and newest_checkpoint(tmp_path, 2, "b") == 0
    checkpoint_path(tmp_path, 1, 8).write_bytes(b"damaged")
    assert newest_checkpoint(tmp_path, 2, "a") == 4
    checkpoint_path(tmp_path, 0, 4).unlink()
    assert newest_checkpoint(tmp_path, 2, "a") == 0


def test_a_stage_that_cannot_go_on_says_why(tmp_path):
    plan = planned(tmp_path, "mask(0.5, axis=head)")  # a matrix has no heads
    with pytest.raises(StageError, match=r"stage 1 of a pipeline failed: \w+: .*head.*line"):
        run_stages(plan, 2)


def test_a_loss_that_is_not_finite_is_no_error(tmp_path):
    wild = replace(SMALL, lr=1e30)
    with pytest.raises(Diverged, match="the loss is .* at step"):
        run_stages(planned(tmp_path, configuration=wild), 2)


# Links


def test_a_neighbour_that_has_gone():
    a, b = map(Link, loopback_pair())
    a.close()
    with pytest.raises(LinkError, match=r"gone; 40 of 40 bytes had not come"):
        b.receive(0, "activation", (2, 2), np.float32)
    with pytest.raises(LinkError, match="gone"):
        for _ in range(100):
            b.send(np.ones((1000, 100)), 0, "cotangent")
    b.close()


def test_a_neighbour_that_goes_amid_a_frame():
    a, b = loopback_pair()
    a.sendall(encode(np.ones((2, 2)), 0, "activation")[:100])
    a.close()
    link = Link(b)
    with pytest.raises(LinkError, match="16 of 76 bytes had not come"):
        link.receive(0, "activation", (2, 2), np.float64)
    link.close()


@pytest.mark.parametrize(
    "sent, words",
    [
        ((np.ones((2, 2)), 1, "activation"), "step 1, where 0 is expected"),
        ((np.ones((2, 2)), 0, "cotangent"), "where 'activation' is expected"),
        ((np.ones((2, 3)), 0, "activation"), r"shape \(2, 3\), where \(2, 2\)"),
        ((np.ones((2, 2), np.float32), 0, "activation"), "dtype float32, where float64"),
    ],
)
def test_a_frame_that_is_not_due(sent, words):
    a, b = map(Link, loopback_pair())
    assert a.send(*sent)[0] == len(encode(*sent))
    with pytest.raises(FrameError, match=words):
        b.receive(0, "activation", (2, 2), np.float64)
    a.close()
    b.close()


# Bytes


def of_cost(estimator, shape):
    """The bytes that `inspect.cost` has for a node of this shape with this estimator."""
    w = mg.Tensor(np.ones((shape[1], 5), np.float32), requires_grad=True)
    with mg.Tape() as tape:
        ops.linear(np.ones((shape[0], 5), np.float32), w, vjp=estimator)
    return inspect.cost(tape).nodes[0].wire_bytes


@pytest.mark.parametrize("wire", ["exact", *[wire for wire in WIRES if "mask" not in wire and "lowrank" not in wire],
                                  "rounding(1, axis=column)", "rounding(5, axis=block)", "rounding(16)",
                                  "rounding(3, axis=tensor, dither=subtractive)"])  # fmt: skip
def test_bytes_are_those_of_the_cost_model_and_the_header(wire, tmp_path):
    """What is sent in each step of a pipeline, where it does not hang on a draw."""
    stages = in_threads(planned(tmp_path, wire, steps=3))
    counts = stages[1].counts
    (shape, _), *_ = stages[1].boundaries
    if "optimal" not in wire:
        assert counts.backward_bytes - counts.backward_headers == 3 * of_cost(parse(wire), shape)
    else:  # the number of groups is the data's
        assert counts.backward_bytes - counts.backward_headers == pytest.approx(
            3 * of_cost(parse(wire), shape), rel=0.1
        )
    dense_frame = header_bytes(np.ones(shape, np.float32)) + 4 * np.prod(shape)
    assert stages[0].counts.forward_bytes == 3 * dense_frame
    assert stages[0].counts.backward_bytes == stages[1].counts.forward_bytes == 0


@pytest.mark.parametrize(
    "wire",
    [
        "mask(0.25)",
        "mask(0.5, axis=row)",
        "mask(0.1, axis=element)",
        "lowrank(0.25)",
        "then(mask(0.25, axis=row), rounding(4))",
        "then(lowrank(0.25), rounding(8))",
    ],
)
def test_mean_bytes_are_those_of_the_cost_model(wire):
    """Of 400 draws; a kept unit has the same bytes, so the error is that of their number: 5 standard errors."""
    g = np.random.default_rng(0).standard_normal((32, 128)).astype(np.float32)
    estimator = OnWire(parse(wire))
    rng = np.random.default_rng(1)
    sizes = []
    for _ in range(400):
        drawn = estimator.sample(g, None, rng)
        sizes.append(drawn.nbytes)
        assert estimator.sent[-1] == drawn.nbytes + header_bytes(drawn)
    error = np.std(sizes) / np.sqrt(len(sizes))
    assert np.mean(sizes) == pytest.approx(of_cost(parse(wire), g.shape), abs=5 * error + 1e-9, rel=0.01)


# Noise


def test_the_variance_of_a_wire_is_its_closed_form():
    """Linear above and below: ĝ = xᵀ Q(G), so the variance of ∂W is Σ_i ‖x_i‖² E‖Q(G)_i − G_i‖², by enumeration."""
    model = nn.Sequential(nn.Linear(3, 2, bias=False, rng=0), nn.Linear(2, 3, rng=1)).astype(float)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 3)), np.array([0, 1, 2, 1])
    with mg.Tape() as tape:
        h = model[0](x)
        loss = ops.cross_entropy(model[1](h), y)
    weight = model[0].weight
    (exact,), (g,) = tape.gradients(loss, [weight]), tape.gradients(loss, [h])
    estimator = parse("mask(0.5, axis=row)")
    variance = sum(
        p * np.square(dense(out).T @ x - exact).sum() for p, out in estimator.outcomes(g, None)
    ) / np.square(exact).sum()  # fmt: skip
    found, error = wire_variance(model, [1], x, y, estimator, 4000, 3)
    assert abs(found - variance) < 5 * error < 0.5 * variance


def test_exact_wires_have_no_noise_and_each_cut_adds_some():
    """Of the parameters before the first cut: those of the stage between are as noisy as if it were the only cut."""
    model, x, y = trained(SMALL, 0, 6)
    assert wire_variance(model, [3, 5], x, y, parse("exact"), 2, 0) == (0.0, 0.0)
    few, most = (wire_variance(model, [3, 5], x, y, parse(f"rounding({bits})"), 100, 0) for bits in (4, 2))
    assert 0 < few[0] < most[0] / 5 and most[1] < most[0] / 10


# Cutting


def test_balanced_cuts_are_those_of_exhaustive_search():
    rng = np.random.default_rng(0)
    for _ in range(20):
        model = nn.mlp(*rng.integers(1, 60, size=7).tolist(), rng=0)
        for stages in (2, 3, 4):

            def largest(cuts, model=model):
                return max(sum(p.size for p in stage.parameters()) for stage in cut(model, cuts))

            ways = [ways for ways in itertools.combinations(range(0, len(model), 2), stages - 1) if ways[0]]
            assert largest(balanced_cuts(model, stages)) == min(map(largest, ways))


@pytest.mark.parametrize(
    "cuts, words",
    [
        ([0], "and increase"),
        ([5], "must lie in 1 … 4, and increase"),
        ([3, 3], "and increase"),
        ([4, 2], "and increase"),
        ([-1], "and increase"),
        ([3, 4], r"stage 1, modules 3 … 3, has no parameters; .*\[2, 4\] would"),
    ],
)
def test_cuts_that_cannot_be(cuts, words):
    with pytest.raises(ValueError, match=words):
        cut(nn.mlp(5, 4, 3, 2, rng=0), cuts)


def test_a_model_that_says_no_order_cannot_be_cut():
    with pytest.raises(TypeError, match="Residual cannot be cut"):
        cut(nn.Residual(nn.Linear(2, 2, rng=0)), [1])


@pytest.mark.parametrize("name", ["mlp", "vit", "bagnet"])
def test_every_model_can_be_cut(name):
    data = SMALL.load()
    model = nn.models.build(name, data.input_shape, 10, rng=0)
    stages = cut(model, balanced_cuts(model, 2))
    ((shape, dtype),) = boundaries(stages, data.x_train, 7)
    x = data.x_train[:7].astype(np.float32)
    between = stages[0].eval()(x)
    assert between.shape == shape and between.data.dtype == dtype
    np.testing.assert_array_equal(stages[1].eval()(between).data, model.eval()(x).data)


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


def test_an_estimator_that_asks_what_a_node_saved_is_refused():
    class Asks(mg.Estimator):
        def sample(self, g, node, rng):
            return g * node.saved[0]

    with pytest.raises(ValueError, match="mine on a wire, for .* it needs more than the cotangent.*another machine"):
        check_estimator("mine", Asks(), np.ones((2, 3)))


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
