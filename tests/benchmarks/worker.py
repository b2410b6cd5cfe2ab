"""One process with one or more programs of a case; it does what it is told, line by line, on its standard input.

Commands are JSON lists, answers JSON values: ``["run", program, times]`` answers seconds for each time,
``["result", program, path]`` writes the loss and the gradients, ``["memory", program]`` answers bytes, and
``["held", program]`` what the tape holds.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["peak_bytes"]

STATUS = Path("/proc/self/status")


def timed(step: Callable[[], object], times: int) -> list[float]:
    seconds = []
    gc.collect()
    gc.disable()
    for _ in range(times):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    gc.enable()
    return seconds


def status(field: str) -> int:
    """Bytes that the kernel reports for this process."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def peak_bytes(step: Callable[[], object], times: int = 3) -> int:
    """How far resident memory rises above where it stood before the first step."""
    gc.collect()
    if STATUS.exists():
        # What setting up gave back may still be resident, and would be reused unseen.
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)(0)
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
        before = status("VmRSS")
        for _ in range(times):
            step()
        return status("VmHWM") - before
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(times):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first) * unit


def main(name: str, programs: list[str]) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import os

    if os.environ["OPENBLAS_NUM_THREADS"] == "1" and hasattr(os, "sched_setaffinity"):
        # Not every library can be told to use one thread; one core it cannot leave.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from importlib import import_module

    import numpy as np

    if "torch" in programs:
        import torch

        torch.set_num_threads(int(os.environ["OPENBLAS_NUM_THREADS"]))
    module, _, own = name.rpartition(":")
    if module:  # an earlier version of the library may have what only some of the cases need
        case = import_module(f"benchmarks.{module}").CASES[own]
    else:
        catalogue = import_module("benchmarks.catalogue")
        case = {**catalogue.CASES, **catalogue.GROWTH}[own]
    ready = {program: case.programs[program](False) for program in programs}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        what, program, *arguments = json.loads(line)
        if what == "run":
            answer: object = timed(ready[program].step, *arguments)
        elif what == "result":
            found = ready[program].result
            answer = found is not None
            if found is not None:
                np.savez(arguments[0], *found())
        elif what == "held":
            held = ready[program].held
            assert held is not None
            answer = vars(held())
        else:
            answer = peak_bytes(ready[program].step)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
