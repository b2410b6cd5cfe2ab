"""Seconds to a stated test accuracy: ``python tests/benchmarks/accuracy.py [--seeds N] [--epochs N] [--out FOLDER]``.

An MLP 784-1024-1024-10 on all of Fashion-MNIST, batch 256, momentum 0.9, the learning rate along half a cosine. Samples
are kept at the logits in proportion to their cotangent's norm; every layer below works on these alone. Beside budget
0.3 stands the budget that `minigrad.inspect.tradeoff` names after one exact epoch, and exact VJPs on the smaller batch
that costs what a step with budget 0.3 does. All methods see the same learning rates and take the same number of steps.

Methods take turns, an epoch each, in one process with one BLAS thread, so that a busy machine slows all of them alike.
Seconds are those of the training steps; evaluations are not counted. Only their ratios mean something.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, training
from minigrad.estimators import DiagonalSketch
from minigrad.inspect import cost
from minigrad.threads import one_thread

WIDTHS, BATCH, RATE, MOMENTUM = (1024, 1024), 256, 0.05, 0.9
LEVELS = (0.86, 0.87, 0.88, 0.885, 0.89)


@dataclass
class Run:
    """One method with one seed, an epoch at a time."""

    method: str
    seed: int
    model: nn.Module
    optimizer: optim.SGD
    batch: int
    rng: np.random.Generator
    step: int = 0
    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)

    def epoch(self, x: np.ndarray, y: np.ndarray, steps: int, total: int) -> None:
        """Train for some steps, on batches drawn without replacement from one random order after another."""
        parameters = list(self.model.parameters())
        order = np.concatenate([self.rng.permutation(len(x)) for _ in range(-(-steps * self.batch // len(x)))])
        spent, losses = 0.0, []
        for k in range(steps):
            chosen = order[k * self.batch : (k + 1) * self.batch]
            images, labels = x[chosen], y[chosen]
            start = time.perf_counter()
            with mg.Tape() as tape:
                loss = ops.cross_entropy(self.model(images), labels)
            gradients = tape.gradients(loss, parameters, rng=self.step, structured=True)
            self.optimizer.lr = RATE * 0.5 * (1 + np.cos(np.pi * self.step / total))
            self.optimizer.step(gradients)
            spent += time.perf_counter() - start
            losses.append(loss.item())
            self.step += 1
        self.seconds.append(spent)
        self.loss.append(float(np.mean(losses)))


def made(method: str, budget: float | None, batch: int, seed: int, inputs: int) -> Run:
    model = nn.mlp((inputs, *WIDTHS, 10), rng=seed)
    if budget is not None:
        model[-1].vjp = DiagonalSketch(budget, axis="sample")
    return Run(
        method, seed, model, optim.SGD(model, lr=RATE, momentum=MOMENTUM), batch, np.random.default_rng(1000 + seed)
    )


def advised(x: np.ndarray, y: np.ndarray, steps: int) -> inspect.BudgetTradeoff:
    """What `inspect.tradeoff` says of samples at the logits, after one exact epoch from seed 0."""
    run = made("exact", None, BATCH, 0, x.shape[1])
    run.epoch(x, y, steps, 10 * steps)
    run.model[-1].vjp = DiagonalSketch(0.5, axis="sample")
    return inspect.tradeoff(run.model, (x, y), batch_size=BATCH, budgets=(0.7, 0.5, 0.3, 0.2, 0.1), rng=0)


def equal_batch(x: np.ndarray, y: np.ndarray, budget: float) -> int:
    """The batch whose exact step costs what a step with the budget does, forward and backward."""
    run = made("", budget, BATCH, 0, x.shape[1])
    with mg.Tape() as tape:
        ops.cross_entropy(run.model(x[:BATCH]), y[:BATCH])
    count = cost(tape)
    return max(1, round(BATCH * (count.forward + count.backward) / (count.forward + count.backward_exact)))


def reached(run: Run, level: float) -> float:
    """Seconds until the test accuracy was first reached; NaN where it was not."""
    for seconds, accuracy in zip(np.cumsum(run.seconds), run.accuracy, strict=True):
        if accuracy >= level:
            return float(seconds)
    return float("nan")


def summary(runs: list[Run]) -> str:
    """Seconds to each level over those of exact VJPs, seed by seed, as mean and range."""
    exact = {run.seed: run for run in runs if run.method == "exact"}
    lines = [f"{'method':32} {'last/%':>12} {'epoch':>6} " + " ".join(f"{100 * level:>15.1f}" for level in LEVELS)]
    for method in dict.fromkeys(run.method for run in runs):
        own = [run for run in runs if run.method == method]
        last = 100 * np.array([run.accuracy[-1] for run in own])
        spread = f"{last.mean():.2f} ± {last.std(ddof=1):.2f}" if len(own) > 1 else f"{last.mean():.2f}"
        per_epoch = np.mean([sum(run.seconds) / sum(exact[run.seed].seconds) for run in own])
        cells = []
        for level in LEVELS:
            ratios = np.array([reached(run, level) / reached(exact[run.seed], level) for run in own])
            got = ratios[np.isfinite(ratios)]
            text = f"{got.mean():.2f} ({got.min():.2f}–{got.max():.2f})" if len(got) == len(own) else ""
            cells.append(text or f"{sum(np.isfinite(reached(run, level)) for run in own)} of {len(own)}")
        lines.append(f"{method:32} {spread:>12} {per_epoch:>6.2f} " + " ".join(f"{cell:>15}" for cell in cells))
    return "\n".join(lines)


def write(runs: list[Run], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "accuracy.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["method", "seed", "epoch", "seconds", "loss", "accuracy"])
        for run in runs:
            for k, numbers in enumerate(zip(np.cumsum(run.seconds), run.loss, run.accuracy, strict=True)):
                writer.writerow([run.method, run.seed, k + 1, *[f"{number:.5g}" for number in numbers]])
    plot(runs, folder / "accuracy.png")


def plot(runs: list[Run], path: Path) -> None:
    from matplotlib.figure import Figure

    from minigrad.plot.style import COLOURS, MARKERS, STYLES

    figure = Figure(figsize=(8, 4.6), layout="constrained")
    ax = figure.subplots()
    unit = np.mean([sum(run.seconds) / len(run.seconds) for run in runs if run.method == "exact"])
    for k, method in enumerate(dict.fromkeys(run.method for run in runs)):
        own = [run for run in runs if run.method == method]
        seconds = np.mean([np.cumsum(run.seconds) for run in own], axis=0) / unit
        accuracy = 100 * np.array([run.accuracy for run in own])
        ax.plot(
            seconds,
            accuracy.mean(axis=0),
            color=COLOURS[k % len(COLOURS)],
            linestyle=STYLES[k % len(STYLES)],
            marker=MARKERS[k % len(MARKERS)],
            markersize=4,
            label=method,
        )
        ax.fill_between(
            seconds, accuracy.min(axis=0), accuracy.max(axis=0), color=COLOURS[k % len(COLOURS)], alpha=0.15
        )
    ax.set_xlabel("seconds of training, in exact epochs")
    ax.set_ylabel("test accuracy / %  (mean and range over seeds)")
    ax.legend(frameon=False)
    ax.grid(alpha=0.3)
    figure.savefig(path, dpi=130)


def race(x, y, x_test, y_test, seeds: int, epochs: int, budgets: dict[str, float]) -> list[Run]:
    """All methods and seeds; those of one seed take turns, epoch by epoch."""
    steps = max(1, len(x) // BATCH)
    small = equal_batch(x, y, budgets["samples at the logits, 0.3"])
    runs = []
    for seed in range(seeds):
        own = [made("exact", None, BATCH, seed, x.shape[1])]
        own += [made(name, budget, BATCH, seed, x.shape[1]) for name, budget in budgets.items()]
        own.append(made(f"exact, batch {small} (equal cost)", None, small, seed, x.shape[1]))
        for number in range(epochs):
            for run in own[number % len(own) :] + own[: number % len(own)]:
                run.epoch(x, y, steps, epochs * steps)
                run.accuracy.append(training.evaluate(run.model, x_test, y_test)[1])
        runs += own
        print(f"seed {seed}: {time.strftime('%H:%M:%S')}", file=sys.stderr, flush=True)
    return runs


@one_thread()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fashion_mnist")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, help="folder to write accuracy.csv and accuracy.png into")
    args = parser.parse_args()
    mg.keep_memory()
    data = datasets.load(args.data).standardised().flat()
    advice = advised(data.x_train, data.y_train, len(data.x_train) // BATCH)
    print(advice)
    budgets = {"samples at the logits, 0.3": 0.3}
    if advice.worth_it and abs(advice.budget - 0.3) > 0.02:
        budgets[f"samples at the logits, {advice.budget:.2f} (advised)"] = advice.budget
    runs = race(data.x_train, data.y_train, data.x_test, data.y_test, args.seeds, args.epochs, budgets)
    if args.out:
        write(runs, args.out)
    print("\nseconds to a test accuracy (%) over those of exact VJPs, mean (range over seeds); 'epoch': of all epochs")
    print(summary(runs))
    print(
        f"\n{datetime.date.today().isoformat()}, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"{os.cpu_count()} cores, one BLAS thread, {args.seeds} seeds, {args.epochs} epochs"
    )


if __name__ == "__main__":
    main()
