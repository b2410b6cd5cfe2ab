"""How far low-rank sketches by a range finder are from the optimum: ``python tests/benchmarks/distortion.py``.

Nothing is timed. Cotangents are those of a hidden layer of a small perceptron in the course of training, and made ones,
whose singular values are known. For each, E‖ĝ − g‖² of a sketch over that of `LowRankSketch` with the same budget; for
the range finder a mean over ranges, each by its closed form.
"""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterator

import numpy as np

import minigrad as mg
from minigrad import datasets, nn, ops, optim, training
from minigrad.estimators import DiagonalSketch, LowRankSketch, RangeFinderSketch
from minigrad.report import Table

__all__ = ["made_cotangents", "ratios", "trained_cotangents"]

SPECTRA = {
    "all singular values equal": lambda k, n: np.ones(n),
    "σ_k ∝ k^-1/2": lambda k, n: k**-0.5,
    "σ_k ∝ 1/k": lambda k, n: 1 / k,
    "σ_k ∝ 1/k²": lambda k, n: k**-2.0,
    "σ_k ∝ exp(-20 k/n)": lambda k, n: np.exp(-20 * k / n),
}


class Watch(mg.Estimator):
    """Exact; remembers what arrived."""

    def sample(self, g, node, rng):
        self.seen = g.copy()
        return g


def trained_cotangents(width: int = 512, batch: int = 512, epochs: tuple[int, ...] = (0, 5, 30)) -> Iterator:
    """(name, G): the cotangent at the second hidden layer of a perceptron on the digits, after some epochs."""
    data = datasets.digits().flat()
    for number in epochs:
        model = nn.mlp(64, width, width, 10, rng=0)
        if number:
            training.fit(
                model, data, optimizer=optim.SGD(model, lr=0.05, momentum=0.9), epochs=number, batch_size=64, rng=0
            )
        model[2].vjp = watch = Watch()
        with mg.Tape() as tape:
            loss = ops.cross_entropy(model(data.x_train[:batch]), data.y_train[:batch])
        tape.backward(loss, rng=0)
        yield f"perceptron, {len(watch.seen)}×{width}, {number} epochs", watch.seen


def made_cotangents(rows: int = 256, columns: int = 2048) -> Iterator:
    """(name, G): float32, with random singular vectors and given singular values."""
    rng, n = np.random.default_rng(0), min(rows, columns)
    yield f"normal numbers, {rows}×{columns}", rng.standard_normal((rows, columns), np.float32)
    for name, values in SPECTRA.items():
        left, right = (np.linalg.qr(rng.standard_normal((size, n)))[0] for size in (rows, columns))
        yield name, ((left * values(np.arange(1.0, n + 1), n)) @ right.T).astype(np.float32)


def ratios(cotangents: Iterator, budget: float, ranges: int = 8) -> Table:
    """A row for each cotangent."""
    rows = []
    for name, g in cotangents:
        optimum = LowRankSketch(budget).distortion(g)
        axis = "row" if g.shape[0] < g.shape[1] else "column"
        cells = [optimum / float(np.square(g, dtype=np.float64).sum())]
        cells.append(DiagonalSketch(budget, axis).distortion(g) / optimum)
        width = RangeFinderSketch(budget, 0).width(g.shape)
        for options in ({}, {"oversampling": width + 8}, {"power": 2}):
            sketch = RangeFinderSketch(budget, **options)
            mean = np.mean([sketch.distortion_given(g, seed) for seed in range(ranges)])
            cells.append(float(mean / optimum))
        rows.append([name, *(float(f"{cell:.3g}") for cell in cells)])
    heads = ["cotangent", "optimum", "diagonal", "default", "wide", "power 2"]
    return Table(heads, rows, f"budget {budget}: optimum over ‖G‖², and the others over the optimum")


if __name__ == "__main__":
    for budget in (0.1, 0.02):
        print(ratios(trained_cotangents(), budget), ratios(made_cotangents(), budget), sep="\n", end="\n\n")
    print(f"minigrad {mg.__version__}, numpy {np.__version__}, Python {platform.python_version()}", end=", ")
    print(f"{datetime.date.today()}; wide: twice the directions; 8 ranges each, seeds 0 to 7")
