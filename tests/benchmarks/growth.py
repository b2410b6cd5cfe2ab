"""Measure how a training step grows: ``python tests/benchmarks/growth.py [--rounds N] [--out FOLDER]``.

Seconds against batch, width, depth and budget, fitted in logarithms and set beside the counted operations. Writes a
page, growth.rst, and a picture, growth.png. It takes about three minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.catalogue import GROWTH
from benchmarks.measure import Measured, measure
from benchmarks.run import about, heading, list_table, plain
from benchmarks.scaling import METHODS, Series, series
from benchmarks.slopes import Law, above_constant, power_law
from minigrad.plot.style import COLOURS, MARKERS, STYLES


@dataclass(frozen=True)
class Grown:
    """One method along one series: what was measured and counted, and the fitted laws."""

    series: Series
    method: str
    measured: Sequence[Measured]
    operations: Sequence[float]

    @property
    def least(self) -> list[float]:
        return [m.least for m in self.measured]

    @property
    def median(self) -> list[float]:
        return [m.median for m in self.measured]

    def law(self, y: Sequence[float]) -> Law:
        return (above_constant if self.series.name == "budget" else power_law)(self.series.values, y)


def grown(of: Series, found: dict[str, Measured]) -> list[Grown]:
    out = []
    for method in of.methods:
        names = [name for own, _, name in of.points() if own == method]
        operations = [of.setting(method, value).operations() for value in of.values]
        out.append(Grown(of, method, [found[name] for name in names], operations))
    return out


def rows(lines: Sequence[Grown]) -> list[list[str]]:
    """Exponents, one line for each method; where the budget is varied also the constant part of a step at budget 1."""
    budget = lines[0].series.name == "budget"
    table = [["method", "least", "± s.e.", "medians", "counted", "limit"]]
    table[0] += ["constant part", "counted"] if budget else []
    for line in lines:
        least, median, counted = line.law(line.least), line.law(line.median), line.law(line.operations)
        row = [f"{least.exponent:.2f}", f"{least.error:.2f}", f"{median.exponent:.2f}", f"{counted.exponent:.2f}"]
        table.append([line.method, *row, f"{line.series.limit:g}"])
        table[-1] += [f"{100 * least.share:.0f} %", f"{100 * counted.share:.0f} %"] if budget else []
    return table


def time_rows(lines: Sequence[Grown]) -> list[list[str]]:
    """Milliseconds of a step, least and median."""
    table = [[lines[0].series.unit, *(line.method for line in lines)]]
    for k, value in enumerate(lines[0].series.values):
        cells = [f"{1e3 * line.least[k]:.2f}, {1e3 * line.median[k]:.2f}" for line in lines]
        table.append([f"{value:g}", *cells])
    return table


def draw(every: Sequence[Sequence[Grown]], path: Path) -> None:
    """Four log-log panels: least seconds as markers, the fitted law as a line, counted operations dotted."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 8), layout="constrained")
    for ax, lines in zip(axes.flat, every, strict=True):
        of = lines[0].series
        for line in lines:
            k = METHODS.index(line.method)
            colour, x, law = COLOURS[k], np.geomspace(min(of.values), max(of.values), 100), line.law(line.least)
            text = f"{line.method}: {law.exponent:.2f}" + (" above a constant" if of.name == "budget" else "")
            ax.plot(x, 1e3 * law(x), color=colour, linestyle=STYLES[(0, 1, 2, 4)[k]], linewidth=1.3)
            ax.plot(of.values, 1e3 * np.array(line.least), MARKERS[k], color=colour, label=text)
            counted = 1e3 * np.array(line.operations) * law(of.values[-1]) / line.operations[-1]
            ax.plot(of.values, counted, ":", color=colour, linewidth=0.8)
        ax.set(xscale="log", yscale="log", xlabel=f"{of.name} ({of.unit})", ylabel="least time of a training step (ms)")
        ax.set_xticks(of.values, [f"{value:g}" for value in of.values])
        ax.set_xticks([], minor=True)
        ax.yaxis.set_major_formatter("{x:g}")
        decades = np.ptp(np.log10([y for line in lines for y in line.least]))
        ax.yaxis.set_minor_formatter("{x:g}" if decades < 1 else "")
        ax.set_ylim(top=ax.get_ylim()[1] * 10 ** (0.35 * decades))  # room for the legend
        ax.grid(True, which="both", alpha=0.2)
        others = ", ".join(f"{name} {size:g}" for name, size in of.base.items() if name != of.name)
        kept = "" if of.name == "budget" else "; budget 0.1"
        ax.set_title(f"{others}{kept}", fontsize=10)
        ax.legend(title="exponent", fontsize=8, title_fontsize=8, loc="upper left")
    figure.suptitle(
        "Growth of a training step. Lines: fitted; dotted: counted operations, scaled to meet them at the right"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


INTRO = """\
How the seconds of a full training step (forward, backward, plain SGD) of a multilayer perceptron grow. The input and
all hidden layers have one width; depth is the number of hidden layers. Columns are sketched in every layer but the
last; samples are kept at the logits, and the layers below work on the kept ones alone. Sketches keep a fixed number of
units (``design="systematic"``), at budget 0.1 where nothing else is said.

Exponents are slopes of straight lines in logarithms; for the budget they are :math:`\\gamma` in
:math:`a + b\\,p^\\gamma`, because the forward pass and the exact nodes do not shrink with :math:`p`. *Counted* is the
same fit to the operations that `minigrad.inspect.cost` expects of the same steps, forward and backward. *Limit* is the
exponent of the matrix products, which outweigh all else in large networks. Where a measured exponent is below the
counted one, costs that do not grow (a draw, a call, a node of the tape) are a part of the smallest steps; where it is
above, memory is (what fits into a cache at the small end does not at the large one), or other work on the machine,
which long steps cannot dodge. *Constant part* is
:math:`a/(a + b)`, from the least seconds and from the operations: what of a step no budget lowers.
"""


def page(every: Sequence[Sequence[Grown]], foot: str) -> str:
    parts = [heading("Growth with batch, width, depth and budget", "="), INTRO, foot]
    parts.append(
        ".. figure:: growth.png\n"
        "   :alt: Four log-log plots of milliseconds of a training step, against batch, width, depth and budget.\n"
        "   :width: 100%\n\n"
        "   Markers: the least time of a step; lines: the fitted laws; dotted: counted operations, scaled to meet\n"
        "   these at the right.\n"
    )
    for lines in every:
        parts += [heading(f"By {lines[0].series.name}", "-"), "Exponents:\n", list_table(rows(lines))]
        parts += ["Milliseconds of a step, least and median:\n", list_table(time_rows(lines))]
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="turns of every step (default 12)")
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads (default 1)")
    parser.add_argument("--out", type=Path, help="folder to write growth.rst and growth.png into")
    parser.add_argument("--tiny", action="store_true", help="sizes that only show that it runs")
    args = parser.parse_args(arguments)
    every = []
    for of in series(args.tiny):
        name = f"growth-{of.name}{'-tiny' if args.tiny else ''}"
        lines = grown(of, measure(name, GROWTH[name], [], args.rounds, args.threads))
        every.append(lines)
        print(heading(GROWTH[name].title, "-") + "\n" + plain(rows(lines)) + "\n\n" + plain(time_rows(lines)) + "\n")
    foot = about(args.threads, args.rounds, [])
    print(foot)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        draw(every, args.out / "growth.png")
        (args.out / "growth.rst").write_text(page(every, foot), encoding="utf-8")


if __name__ == "__main__":
    main()
