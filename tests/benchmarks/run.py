"""Measure: ``python tests/benchmarks/run.py [--peers torch jax …] [--before CHECKOUT] [--only CASE …] [--out FOLDER]``.

Only ratios within one run mean something. Programs take turns, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.catalogue import CASES
from benchmarks.earlier import BEFORE
from benchmarks.measure import Measured, Verdict, measure, measure_held, measure_memory, verdicts
from benchmarks.peers import OTHERS
from benchmarks.program import Case, Held

MEMORY_LIMIT = 1.2


def time_text(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-4 else f"{seconds * 1e6:.2f} µs"


def time_rows(case: Case, found) -> list[list[str]]:
    base = found[case.base]
    goals: dict[str, list[str]] = {}
    for v in verdicts(case, found):
        of = f"≤ {v.target.limit:.3g} × {v.target.against}: {v.least:.2f}, {v.median:.2f}"
        goals.setdefault(v.target.program, []).append(f"{of} {v.mark}")
    rows = [["program", "least", "median", "ratio of least", "ratio of medians", "target (of least, of medians)"]]
    for name, m in found.items():
        ratios = [f"{m.least / base.least:.3f}", f"{m.median / base.median:.3f}"]
        rows.append([name, time_text(m.least), time_text(m.median), *ratios, "; ".join(goals.get(name, []))])
    return rows


def memory_rows(case: Case, found: dict[str, int]) -> list[list[str]]:
    rows = [["program", "peak memory", "ratio", "target"]]
    for name, size in found.items():
        ratio = size / found[case.base]
        mark = "✓" if ratio <= MEMORY_LIMIT else "✗"
        goal = f"≤ {MEMORY_LIMIT} × {case.base} {mark}" if name == "minigrad" else ""
        rows.append([name, f"{size / 2**20:.1f} MiB", f"{ratio:.2f}", goal])
    return rows


def held_rows(case: Case, found: dict[str, Held]) -> list[list[str]]:
    rows = [["program", "activations on the tape", "ratio", "a ReLU, per entry", "target"]]
    for name, held in found.items():
        ratios = {t: held.activations / found[t.against].activations for t in case.held if t.program == name}
        goal = "; ".join(f"≤ {t.limit} × {t.against} {'✓' if r <= t.limit else '✗'}" for t, r in ratios.items())
        ratio = f"{held.activations / found[case.base].activations:.3f}"
        rows.append([name, f"{held.activations / 2**20:.1f} MiB", ratio, f"{held.relu:g} B", goal])
    return rows


def goal_rows(found: list[tuple[str, Verdict]]) -> list[list[str]]:
    """All goals of a run in one table, the missed ones first."""
    rows = [["case", "program", "against", "goal", "of least", "of medians", "reached"]]
    for name, v in sorted(found, key=lambda pair: "✗~✓".index(pair[1].mark)):
        t = v.target
        rows.append([name, t.program, t.against, f"≤ {t.limit:.3g}", f"{v.least:.3f}", f"{v.median:.3f}", v.mark])
    return rows


def before_rows(found: list[tuple[str, dict[str, Measured]]]) -> list[list[str]]:
    """What the earlier version and this one take, where both ran."""
    rows = [["case", "program", "before", "now", "ratio of least", "ratio of medians"]]
    for name, measured in found:
        for program in measured:
            if program + BEFORE in measured:
                then, now = measured[program + BEFORE], measured[program]
                ratios = [f"{now.least / then.least:.2f}", f"{now.median / then.median:.2f}"]
                rows.append([name, program, time_text(then.least), time_text(now.least), *ratios])
    return rows


def plain(rows: list[list[str]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def list_table(rows: list[list[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'*' if k == 0 else ' '} -{' ' + cell if cell else ''}" for k, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def about(threads: int, rounds: int, peers: list[str]) -> str:
    """Machine, versions, date and command."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    packages = ["numpy", "scipy", *peers]
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    load = f"; load average {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    command = f"python tests/benchmarks/{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}"
    return (
        f"- command: ``{command.strip()}``\n"
        f"- date: {datetime.date.today().isoformat()}\n"
        f"- machine: {model}, {os.cpu_count()} cores, {platform.system()}{load}\n"
        f"- versions: Python {platform.python_version()}, {versions}\n"
        f"- BLAS threads: {threads} for every program; {rounds} rounds; float32\n"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", nargs="*", default=[], choices=OTHERS, help="other libraries to compare with")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="of an earlier version, to run beside this one")
    parser.add_argument("--only", nargs="*", choices=list(CASES), metavar="CASE", help=f"of: {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=20, help="turns of every program (default 20)")
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads, the same for all (default 1)")
    parser.add_argument("--out", type=Path, help="folder to write measured.rst into")
    return parser.parse_args()


def write(folder: Path, foot: str, parts: list[str]) -> None:
    """A page of the documentation with the tables."""
    intro = (
        "The program whose ratio is 1 is the base of its table. A target reads: at most so many times the seconds of\n"
        "another program, then the ratio of the minimums and that of the medians. ✓: both are within the limit;\n"
        "~: one of them is; ✗: neither.\n"
    )
    folder.mkdir(parents=True, exist_ok=True)
    page = "\n".join([heading("Measured ratios", "="), intro, foot, *parts])
    (folder / "measured.rst").write_text(page, encoding="utf-8")


def main() -> None:
    args = arguments()
    parts: list[str] = []
    goals: list[tuple[str, Verdict]] = []
    measured: list[tuple[str, dict[str, Measured]]] = []
    for name in args.only or CASES:
        case = CASES[name]
        found = measure(name, case, args.peers, args.rounds, args.threads, args.before)
        tables = [time_rows(case, found)]
        if case.memory:
            tables.append(memory_rows(case, measure_memory(name, case, args.peers, args.threads)))
        if case.held:
            tables.append(held_rows(case, measure_held(name, case, args.threads)))
        title = f"{name}: {case.title}"
        print(heading(title, "-") + "\n" + "\n\n".join(plain(rows) for rows in tables) + "\n", flush=True)
        parts.append(heading(title, "-") + "\n" + "\n".join(list_table(rows) for rows in tables))
        goals += [(name, verdict) for verdict in verdicts(case, found)]
        measured.append((name, found))
        summaries = {"Goals": goal_rows(goals), "Before and after": before_rows(measured)}
        summary = [heading(of, "-") + "\n" + list_table(rows) for of, rows in summaries.items() if rows[1:]]
        if args.out:  # after every case, so that an interrupted run leaves what it has
            write(args.out, about(args.threads, args.rounds, args.peers), [*summary, *parts])
    for of, rows in summaries.items():
        if rows[1:]:
            print(heading(of, "-") + "\n" + plain(rows) + "\n")
    print(about(args.threads, args.rounds, args.peers))


if __name__ == "__main__":
    main()
