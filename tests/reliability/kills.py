"""Kill training at random moments until it has ended: ``python tests/reliability/kills.py [--kills N] [--seed S]``.

Each run writes a checkpoint after every epoch. Signal 9 ends it after a time that is uniform between nothing and a
whole run's, and it is started again, until it is through; then the next run begins. Parameters, state of the optimiser
and history of each must have the bits of a run that nobody killed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process that forks has one thread
    sys.path[:0] = [str(Path(__file__).resolve().parents[k]) for k in (2, 1)]

from test_training_resume import CASES, run

EPOCHS = 12


class Killed(NamedTuple):
    """What was tried: kills, runs that came to their end, kills amid a write, and runs that ended with other bits."""

    kills: int
    runs: int
    amid_writing: int
    different: int


def kills(count: int, seed: int = 0) -> Killed:
    """Kill so many times; the last run may end without a kill."""
    rng, done, runs, amid, different = random.Random(seed), 0, 0, 0, 0
    while done < count:
        case = CASES[runs * 7 % len(CASES)]  # all estimators, optimisers and schedules in turn
        whole = run(*case, epochs=EPOCHS)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            begun = time.perf_counter()
            run(*case, epochs=EPOCHS, checkpoint=folder / "first.npz")
            seconds = time.perf_counter() - begun
            (folder / "first.npz").unlink()
            halves: set[str] = set()
            while killed_after(rng.uniform(0, seconds), case, folder / "a.npz"):
                done += 1
                left = {path.name for path in folder.iterdir()} - {"a.npz"}
                amid += bool(left - halves)
                halves |= left
            found = run(*case, epochs=EPOCHS, checkpoint=folder / "a.npz")
            different += found != whole or [path.name for path in folder.iterdir()] != ["a.npz"]
        runs += 1
    return Killed(done, runs, amid, different)


def killed_after(seconds: float, case: tuple, path: Path) -> bool:
    """Train in a process of its own and kill it then: whether it was still training."""
    child = os.fork()
    if not child:
        try:
            run(*case, epochs=EPOCHS, checkpoint=path)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args()
    found = kills(options.kills, options.seed)
    print(
        f"{found.kills} kills of {found.runs} runs, {found.amid_writing} of them while a checkpoint was written: "
        f"{found.runs - found.different} runs of {found.runs} have the bits of one that nobody killed"
    )
    sys.exit(bool(found.different))
