"""Draw which part of minigrad imports which, read from the imports in its files."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt

import minigrad

ROOT = Path(minigrad.__file__).parent
ABOVE = ("cli", "__main__")
"""Modules, not packages, that stand above the packages; all others stand below, and are drawn as one."""


def part_of(module: str) -> str:
    """The box of a module, by its dotted name: a package, or one for what has a file of its own."""
    name = module.split(".")[1] if "." in module else "minigrad"
    return name if name in ABOVE or name == "minigrad" or (ROOT / name).is_dir() else "basics"


def imported(path: Path, module: str) -> set[str]:
    """The modules of minigrad that a file imports, wherever in it; a name of a package counts as the package."""
    found = set()
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            found.update(alias.name for alias in statement.names if alias.name.split(".")[0] == "minigrad")
        elif isinstance(statement, ast.ImportFrom) and (statement.module or "").split(".")[0] == "minigrad":
            for alias in statement.names:
                below = f"{statement.module}.{alias.name}".split(".")[1]
                is_part = statement.module == "minigrad" and (
                    (ROOT / below).is_dir() or (ROOT / f"{below}.py").is_file()
                )
                found.add(f"minigrad.{below}" if is_part else str(statement.module))
    return found - {module}


def read() -> tuple[dict[str, int], dict[str, set[str]]]:
    """How many files a part has, and which parts it imports."""
    files: dict[str, int] = defaultdict(int)
    below: dict[str, set[str]] = defaultdict(set)
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        part = part_of(module)
        files[part] += 1
        below[part] |= {part_of(name) for name in imported(path, module)} - {part}
    return files, below


def heights(below: dict[str, set[str]]) -> dict[str, int]:
    """The length of the longest way down from each part; a circle would be without end, and the tests forbid it."""

    @cache
    def height(part: str) -> int:
        return 1 + max(map(height, below[part]), default=-1)

    return {part: height(part) for part in list(below)}


def needed(below: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that do not follow from others: of a → b → c and a → c, the last is not drawn."""

    @cache
    def all_below(part: str) -> frozenset[str]:
        return frozenset(below[part]).union(*map(all_below, below[part]))

    return [
        (part, low)
        for part in sorted(below)
        for low in sorted(below[part])
        if not any(low in all_below(other) for other in below[part] if other != low)
    ]


def draw() -> plt.Figure:
    """The parts, each above all that it imports."""
    files, below = read()
    height = heights(below)
    rows: dict[int, list[str]] = defaultdict(list)
    for part in sorted(height):
        rows[height[part]].append(part)
    place = {
        part: (2.2 * (k - (len(row) - 1) / 2), float(level))
        for level, row in rows.items()
        for k, part in enumerate(row)
    }
    figure, axes = plt.subplots(figsize=(7.5, 0.62 * (1 + max(rows))), layout="constrained")
    for part, low in needed(below):
        bend = 0.0 if abs(place[part][0] - place[low][0]) > 0.1 or height[part] - height[low] == 1 else 0.35
        style = f"arc3,rad={bend}"
        arrow = {"arrowstyle": "->", "color": "#7a869a", "shrinkA": 9, "shrinkB": 13, "connectionstyle": style}
        axes.annotate("", xy=place[low], xytext=place[part], arrowprops=arrow)
    for part, (x, y) in place.items():
        count = f" · {files[part]}" if files[part] > 1 else ""
        box = {"boxstyle": "round,pad=0.35", "facecolor": "#eef3fb", "edgecolor": "#3b6fb6"}
        axes.text(x, y, part + count, ha="center", va="center", fontsize=9, bbox=box)
    axes.set(xlim=(-5, 5), ylim=(-0.6, max(rows) + 0.6))
    axes.axis("off")
    return figure


if __name__ == "__main__":
    draw().savefig(sys.argv[1], dpi=150, metadata={"Software": None})
