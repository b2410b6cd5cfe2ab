"""Ctrl-C and kill -9 end the worker processes of a sweep, too: none goes on unseen."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="this system has no process groups")

PROGRAM = """
import signal, sys, time
from pathlib import Path
from tqdm import tqdm
from minigrad.experiments.jobs import process_executor

def work(folder):
    list(tqdm([1], disable=True))  # as training does
    (Path(folder) / "begun").touch()
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores for what it runs in the background
    with process_executor(1) as executor:
        list(executor.map(work, 3 * [sys.argv[1]]))
"""


@pytest.fixture
def sweep(tmp_path):
    """A sweep whose worker is busy; everything that it started holds the pipe of its output open."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:  # fmt: skip
        give_up = time.monotonic() + 600
        while not (tmp_path / "begun").exists() and time.monotonic() < give_up and process.poll() is None:
            time.sleep(0.01)
        assert (tmp_path / "begun").exists()
        yield process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_ctrl_c(sweep):
    os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    output, _ = sweep.communicate(timeout=120)  # until the last of them has gone
    assert sweep.returncode not in (0, None) and b"KeyboardInterrupt" in output
    assert b"InvalidStateError" not in output and b"leaked" not in output


def test_kill_9(sweep):
    sweep.kill()
    sweep.communicate(timeout=120)
    assert sweep.returncode == -signal.SIGKILL
