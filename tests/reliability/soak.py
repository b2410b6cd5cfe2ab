"""Train without a pause, and see what memory is held: ``python tests/reliability/soak.py [--steps N] [--every K]``.

A network is trained with sketched gradients, one estimator after another, on one tape for each step; every K steps
what Python and NumPy hold is counted to the byte, and the pages of the process are read. Both are to stay as they were.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import minigrad as mg
from minigrad import nn, optim
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection, StochasticRounding

ESTIMATORS = (None, Mask(0.5), DiagonalSketch(0.5), LowRankSketch(0.5), RandomProjection(0.5), StochasticRounding(4))


def soak(steps: int, every: int, seed: int = 0) -> Iterator[tuple[int, int, int]]:
    """After each so many steps: their number, bytes that are held, and those of the process's pages (0: unknown)."""
    rng = np.random.default_rng(seed)
    model = nn.mlp((16, 32, 32, 4), rng=seed)
    optimizer = optim.Adam(model, lr=0.01)
    x, y = rng.normal(size=(64, 16)).astype(np.float32), rng.integers(4, size=64)
    tracemalloc.start()
    try:
        for step in range(1, steps + 1):
            nn.set_vjp(model, ESTIMATORS[step % len(ESTIMATORS)])
            with mg.Tape() as tape:
                loss = mg.ops.cross_entropy(model(x), y)
            tape.backward(loss, rng=rng)
            optimizer.step()
            optimizer.zero_grad()
            if step % every == 0:
                gc.collect()
                yield step, tracemalloc.get_traced_memory()[0], pages()
    finally:
        tracemalloc.stop()


def pages() -> int:
    """Bytes of the process that are in memory, where the system says so."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000, help="default: %(default)s")
    parser.add_argument("--every", type=int, default=2_000, help="default: %(default)s")
    options = parser.parse_args()
    for step, held, resident in soak(options.steps, options.every):
        print(f"{step:8,} steps: {held:10,} bytes held, {resident / 2**20:7.1f} MiB of pages", flush=True)
