"""Stages that are killed, fail, or lose a neighbour: they go on bit for bit, or say why they cannot."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline_cases import CUTS, SMALL, in_files, in_threads, parameters, planned, same_bits

import minigrad as mg
from minigrad.experiments.pipeline import encode
from minigrad.experiments.pipeline.frame import FrameError
from minigrad.experiments.pipeline.link import Link, LinkError, loopback_pair
from minigrad.experiments.pipeline.run_stages import Diverged, StageError, run_stages
from minigrad.experiments.pipeline.stage import checkpoint_path, newest_checkpoint
from minigrad.training import load_checkpoint

pytestmark = pytest.mark.usefixtures("one_blas_thread")

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


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no process groups here")
@pytest.mark.parametrize("how, status", [("SIGINT", 130), ("SIGKILL", -9)])
def test_stages_end_with_the_process_that_started_them(how, status, tmp_path):
    command = [
        "pipeline",
        "--data",
        "digits",
        "--batch-size",
        "16",
        "--steps",
        "1000000",
        "--every",
        "2",
        "--cuts",
        "3",
    ]
    run = [sys.executable, "-c", "import sys; from minigrad.cli import console; sys.exit(console())", *command]
    log = tmp_path / "log"
    with open(log, "wb") as stream:
        # A stage of `trained` would take the same steps first: the network for the noise is of no account here.
        code = "import minigrad.experiments.pipeline.pipeline_run as p; p.trained = lambda c, s, n: (None,) * 3; "
        run[2] = code + "p.wire_variance = lambda *a: (0.0, 0.0); " + run[2]
        process = subprocess.Popen(
            [*run, "--out", str(tmp_path)], stdout=stream, stderr=stream, start_new_session=True, cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(mg.__file__).parents[1])},
        )  # fmt: skip
    try:
        wait_for(lambda: any(newest_checkpoint(path, 2, path.stem) for path in tmp_path.glob("runs/*.stages")))
        process.send_signal(getattr(signal, how))
        assert process.wait(60) == status
        wait_for(lambda: not alive(process.pid))
    finally:
        if alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
    assert "Traceback" not in log.read_text()
    (folder,) = tmp_path.glob("runs/*.stages")
    assert newest_checkpoint(folder, 2, folder.stem) > 0  # from where the same command goes on


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(group):
    """Whether a process of this group is left that has not ended."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


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
