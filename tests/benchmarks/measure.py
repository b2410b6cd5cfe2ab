"""Turns: programs in processes of their own, run a little at a time one after the other, round after round."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import earlier
from .catalogue import module_of
from .earlier import BEFORE
from .peers import is_peer
from .program import KEPT, Case, Held, Target

__all__ = ["Measured", "check_agreement", "environment", "measure", "measure_held", "measure_memory"]

TURN = 0.06
"""Seconds that one turn of a program takes, about."""


@dataclass(frozen=True)
class Measured:
    """Seconds of one program, for one operation."""

    least: float
    median: float


@dataclass(frozen=True)
class Verdict:
    """A target, and what was measured."""

    target: Target
    least: float
    median: float

    @property
    def mark(self) -> str:
        """✓ where both the minimums and the medians reach the target, ~ where only one of them does, else ✗."""
        return "✗~✓"[(self.least <= self.target.limit) + (self.median <= self.target.limit)]


def verdicts(case: Case, found: dict[str, Measured]) -> list[Verdict]:
    return [
        Verdict(t, found[t.program].least / found[t.against].least, found[t.program].median / found[t.against].median)
        for t in case.targets
        if t.program in found and t.against in found
    ]


def environment(threads: int, kept: bool, asked: bool = True) -> dict[str, str]:
    """The same number of threads for every BLAS, and no hand-set kernels.

    What ``import minigrad`` asks of the allocator is left out where the process is to run something else.
    """
    env = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    env["MINIGRAD_KEEP_MEMORY"] = "1" if asked else "0"
    env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false" if threads == 1 else ""
    for name in ("OPENBLAS", "OMP", "MKL", "BLIS"):
        env[f"{name}_NUM_THREADS"] = str(threads)
    if kept:
        env.update(MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_=str(2**40), MALLOC_TOP_PAD_=str(2**26))
    return env


def ours(program: str) -> bool:
    """Whether a program is a step of this library."""
    return not is_peer(program) and not program.startswith(("numpy", "products"))


class Worker:
    """A process that holds some programs ready."""

    def __init__(self, name: str, programs: list[str], threads: int, kept: bool = False, before: Path | None = None):
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), name, *programs]
        env = environment(threads, kept, any(ours(program) for program in programs))
        if before is not None:
            command, env = earlier.command(before, name, module_of(name), programs), earlier.environment(before, env)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        self.answer()

    def answer(self):
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a benchmark process ended early; what it said stands above: {self.process.args}")
        return json.loads(line)

    def ask(self, *command):
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def workers(
    name: str, case: Case, programs: list[str], threads: int, before: Path | None = None
) -> Iterator[dict[str, tuple[Worker, str]]]:
    """For each program the process that holds it, and its name there."""
    with ExitStack() as stack:

        def start(names: list[str], kept: bool = False, before: Path | None = None) -> Worker:
            worker = Worker(name, names, threads, kept, before)
            stack.callback(worker.close)
            return worker

        def own(program: str) -> str:
            return program.removesuffix(KEPT).removesuffix(BEFORE)

        now = [p for p in programs if not p.endswith(BEFORE)]
        then = [p for p in programs if p.endswith(BEFORE)]
        if case.apart:
            found = {p: (start([own(p)], p.endswith(KEPT)), own(p)) for p in now}
            yield found | {p: (start([own(p)], before=before), own(p)) for p in then}
        else:
            found = dict.fromkeys(now, start(now)) | (
                dict.fromkeys(then, start([own(p) for p in then], before=before)) if then else {}
            )
            yield {p: (worker, own(p)) for p, worker in found.items()}


def chosen(name: str, case: Case, peers: list[str], before: Path | None = None) -> list[str]:
    """The programs that are run."""
    found = [p for p in case.programs if not is_peer(p) or p in peers]
    then = earlier.programs(before, name, [p for p in found if ours(p)]) if before is not None else []
    if case.memory and "minigrad" in case.programs and sys.platform == "linux":
        found += [p + KEPT for p in (case.base, "minigrad")]
    return found + [p + BEFORE for p in then]


def check_agreement(results: dict[str, list[np.ndarray]], rtol: float = 2e-3) -> None:
    """Raise unless all programs found the same loss and gradients, each relative to its own norm.

    Rounding in float32 differs by the order of sums: a relative 1e-5 or so, more behind a ReLU that rounding tips. What
    is small beside the other results is compared with a thousandth of the largest: the gradient of a key's bias is 0.
    """
    first, *others = results
    least = 1e-3 * max(float(np.linalg.norm(a)) for a in results[first])
    for other in others:
        if len(results[other]) != len(results[first]):
            raise AssertionError(f"{other} has {len(results[other])} results, {first} {len(results[first])}")
        for k, (a, b) in enumerate(zip(results[first], results[other], strict=True)):
            off = float(np.linalg.norm(np.float64(a) - b) / max(float(np.linalg.norm(a)), least))
            if a.shape != b.shape or not off < rtol:
                raise AssertionError(f"result {k} of {other}, {b.shape}, is off that of {first}, {a.shape}, by {off:g}")


def measure(
    name: str, case: Case, peers: list[str], rounds: int, threads: int, before: Path | None = None
) -> dict[str, Measured]:
    """Seconds of every program of a case, all measured in the same rounds."""
    programs = chosen(name, case, peers, before)
    seconds: dict[str, list[float]] = {p: [] for p in programs}
    with workers(name, case, programs, threads, before) as at, tempfile.TemporaryDirectory() as folder:
        results = {}
        for p, (worker, own) in at.items():
            path = Path(folder, f"{len(results)}.npz")
            if worker.ask("result", own, str(path)):
                with np.load(path) as arrays:
                    results[p] = [arrays[key] for key in arrays.files]
        if results:  # an earlier version may have other numbers to begin with; its own tests checked them
            check_agreement({p: found for p, found in results.items() if not p.endswith(BEFORE)})
        times = {}
        for p, (worker, own) in at.items():
            worker.ask("run", own, 1)
            times[p] = max(1, min(200, math.ceil(TURN / worker.ask("run", own, 1)[0])))
        for k in range(rounds):
            for p in programs[k % len(programs) :] + programs[: k % len(programs)]:
                worker, own = at[p]
                seconds[p] += worker.ask("run", own, times[p])
    return {
        p: Measured(min(all_of) / case.operations, statistics.median(all_of) / case.operations)
        for p, all_of in seconds.items()
    }


def measure_memory(name: str, case: Case, peers: list[str], threads: int) -> dict[str, int]:
    """Bytes by which resident memory rises, each program in a fresh process; the least of two."""
    found: dict[str, int] = {}
    for program in case.programs:
        if program == "products" or (is_peer(program) and program not in peers):
            continue
        tries = []
        for _ in range(2):
            worker = Worker(name, [program], threads)
            tries.append(worker.ask("memory", program))
            worker.close()
        found[program] = min(tries)
    return found


def measure_held(name: str, case: Case, threads: int) -> dict[str, Held]:
    """What the tapes hold, of the programs that a target is about."""
    programs = list(dict.fromkeys(p for t in case.held for p in (t.against, t.program)))
    found = {}
    with workers(name, case, programs, threads) as at:
        for program, (worker, own) in at.items():
            found[program] = Held(**worker.ask("held", own))
    return found
