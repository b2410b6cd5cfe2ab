"""The house: imports run one way, files are short, and a name that several files use is one that its file gives out.

An import counts wherever it stands: at the top of a file, within a function, and under ``TYPE_CHECKING``.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = [
    "typing naming elsewhere counts registry extensions report arrays pytrees streams files terminal threads allocator",
    "structure",
    "plot",
    "engine",
    "ops",
    "transforms",
    "minigrad",  # the package itself: the names that ``import minigrad`` gives
    "fingerprint",
    "theory",
    "estimators",
    "nn",
    "inspect",
    "optim",
    "datasets",
    "training",
    "testing",
    "experiments",
    "commands",
    "explore extras",
    "cli",
    "__main__",
]
"""The order of the layers, from the bottom to the top: packages and modules of minigrad. A file may import what stands
on a line before its own, and what stands on its own line as long as no circle comes of it."""

LONGEST = 300
"""Lines of a file."""


class Import(NamedTuple):
    """One name, or a whole module where ``name`` is empty, that a module takes from another."""

    by: str
    source: str
    name: str


class House:
    """The modules of a package, what they import from each other, and what each lists in ``__all__``."""

    def __init__(self, root: Path, package: str = "minigrad"):
        self.package = package
        self.files: dict[str, Path] = {}
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            self.files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in self.files.items()}
        self.public = {name: _listed(tree) for name, tree in trees.items()}
        self.imports = [found for name, tree in trees.items() for found in self._imports(name, tree)]
        for each in self.imports:  # a list that is computed has what a star stands for
            if each.name == "*" and "*" in (self.public[each.by] or ()):
                self.public[each.by].update(self.public[each.source] or ())

    def _imports(self, by: str, tree: ast.Module) -> Iterator[Import]:
        for statement in ast.walk(tree):
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    if alias.name in self.files:
                        yield Import(by, alias.name, "")
            elif isinstance(statement, ast.ImportFrom):
                source = self._absolute(by, statement)
                for alias in statement.names:
                    if f"{source}.{alias.name}" in self.files:
                        yield Import(by, f"{source}.{alias.name}", "")
                    elif source in self.files:
                        yield Import(by, source, alias.name)

    def _absolute(self, by: str, statement: ast.ImportFrom) -> str:
        """The module that is meant by ``from ..module import name``."""
        if not statement.level:
            return statement.module or ""
        parts = by.split(".") if self.files[by].name == "__init__.py" else by.split(".")[:-1]
        parts = parts[: len(parts) - statement.level + 1]
        return ".".join([*parts, *([statement.module] if statement.module else [])])

    def edges(self) -> dict[str, set[str]]:
        """For each module those that it imports."""
        found: dict[str, set[str]] = {name: set() for name in self.files}
        for each in self.imports:
            if each.by != each.source:
                found[each.by].add(each.source)
        return found

    def layer(self, module: str) -> str:
        """The first part of a module's name within the package; that of the package itself is its own name."""
        return module.split(".")[1] if "." in module else module


def _listed(tree: ast.Module) -> set[str] | None:
    """The names of ``__all__``, or all that a file imports where it computes that list; None if there is no list."""
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == ["__all__"]:
            if isinstance(statement.value, (ast.List, ast.Tuple)):
                return set(ast.literal_eval(statement.value))
            aliases = [alias for line in tree.body if isinstance(line, ast.ImportFrom) for alias in line.names]
            return {alias.asname or alias.name for alias in aliases}
    return None


def circles(house: House) -> list[list[str]]:
    """The sets of modules that import each other, by any way round."""
    edges = house.edges()

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        todo = list(edges[start])
        while todo:
            module = todo.pop()
            if module not in found:
                found.add(module)
                todo.extend(edges[module])
        return found

    reach = {module: reached(module) for module in edges}
    found = {tuple(sorted(b for b in reach[a] if a in reach[b])) for a in edges if a in reach[a]}
    return [list(circle) for circle in sorted(found)]


def arrows_up(house: House, layers: list[str] = LAYERS) -> list[str]:
    """Imports of a layer that stands above, and layers that have no place in the order."""
    place = {name: k for k, line in enumerate(layers) for name in line.split()}
    missing = sorted({house.layer(module) for module in house.files} - set(place))
    found = [f"{name} has no place in LAYERS" for name in missing]
    for by, sources in sorted(house.edges().items()):
        for source in sorted(sources):
            lower, upper = (place.get(house.layer(module), -1) for module in (by, source))
            if -1 < lower < upper:
                found.append(f"{by} imports {source}")
    return found


def too_long(house: House) -> list[str]:
    """Files of more lines than `LONGEST`."""
    counts = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in house.files.items()}
    return [f"{name}: {count} lines" for name, count in counts.items() if count > LONGEST]


def not_given_out(house: House) -> list[str]:
    """Names that a module takes from another which does not list them in ``__all__``.

    A name with a leading underscore may be imported within the sub-package it stands in, and nowhere else.
    """
    users = defaultdict(set)
    for each in house.imports:
        private = any(part.startswith("_") and not part.endswith("__") for part in (*each.source.split("."), each.name))
        if private:
            home = each.source.rpartition(".")[0]
            if each.by == home or (each.by.startswith(home + ".") and home != house.package):
                continue
        elif each.name in ("", "__version__", *(house.public[each.source] or ())) or (
            each.name == "*" and house.public[each.source] is not None
        ):
            continue
        users[f"{each.source}.{each.name}".rstrip(".")].add(each.by)
    return [f"{name}, used by {', '.join(sorted(by))}" for name, by in sorted(users.items())]


def same_file_names(house: House) -> list[str]:
    """Names of files that occur more than once; that of a package's ``__init__`` does not count."""
    found = defaultdict(list)
    for module, path in house.files.items():
        if path.name != "__init__.py":
            found[path.name].append(module)
    return [f"{name}: {', '.join(modules)}" for name, modules in sorted(found.items()) if len(modules) > 1]


RULES = [circles, arrows_up, too_long, not_given_out, same_file_names]


@pytest.fixture(scope="module")
def house() -> House:
    return House(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_is_in_order(rule, house):
    assert len(house.files) > 100  # it has been looked at
    assert rule(house) == []


# The checkers themselves, each on a small house with one thing wrong

SOUND = {
    "__init__.py": "from minigrad.engine.tape import Tape\n__all__ = ['Tape']\n",
    "arrays.py": "__all__ = ['wide']\ndef wide(): ...\n",
    "engine/__init__.py": "",
    "engine/tape.py": "from minigrad.arrays import wide\nfrom minigrad.engine import node\n"
    "from minigrad.engine._inside import _own\n__all__ = ['Tape']\nclass Tape: ...\n",
    "engine/node.py": "import numpy as np\n",
    "engine/_inside.py": "_own = 1\n",
    "ops/__init__.py": "from minigrad.ops.functions import *\nfrom minigrad.arrays import wide as wide\n"
    "if True:\n    __all__ = sorted(globals())\n",
    "ops/functions.py": "__all__ = ['tanh']\n",
    "testing.py": "from minigrad.ops import tanh, wide\n",
    "nn/__init__.py": "from minigrad import Tape, __version__\nfrom minigrad.engine.tape import *\n",
}


def built(folder: Path, files: dict[str, str]) -> House:
    for name, text in {**SOUND, **files}.items():
        path = folder / "minigrad" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return House(folder)


def test_a_sound_house_has_nothing_to_report(tmp_path):
    house = built(tmp_path, {})
    assert len(house.imports) == 11
    assert [rule(house) for rule in RULES] == [[]] * len(RULES)


def within(statement: str) -> dict[str, str]:
    """The ways to write an import."""
    return {
        "at the top": f"{statement}\n",
        "in a function": f"def f():\n    {statement}\n",
        "for a type": f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {statement}\n",
    }


@pytest.mark.parametrize("way", list(within("")))
@pytest.mark.parametrize(
    "statement", ["from minigrad.engine.tape import Tape", "import minigrad.engine.tape as t", "from .tape import Tape"]
)
def test_a_circle_is_found(statement, way, tmp_path):
    found = circles(built(tmp_path, {"engine/node.py": within(statement)[way]}))
    assert found == [["minigrad.engine.node", "minigrad.engine.tape"]]


def test_a_circle_of_three_and_another_are_found(tmp_path):
    ring = {f"ops/{a}.py": f"from minigrad.ops import {b}\n" for a, b in ("ab", "bc", "ca", "de", "ed")}
    assert circles(
        built(tmp_path, {"ops/__init__.py": "", "testing.py": "", **ring, "ops/f.py": "import minigrad.ops.a"})
    ) == [
        ["minigrad.ops.a", "minigrad.ops.b", "minigrad.ops.c"],
        ["minigrad.ops.d", "minigrad.ops.e"],
    ]


@pytest.mark.parametrize("way", list(within("")))
@pytest.mark.parametrize(
    "statement", ["from minigrad.nn import Linear", "from minigrad import nn", "from ..nn import a"]
)
def test_an_arrow_up_is_found(statement, way, tmp_path):
    house = built(tmp_path, {"engine/upward.py": within(statement)[way]})
    assert arrows_up(house) == ["minigrad.engine.upward imports minigrad.nn"] and circles(house) == []


def test_an_arrow_up_to_the_package_itself_is_found(tmp_path):
    house = built(tmp_path, {"ops/upward.py": "import minigrad as mg\n"})
    assert arrows_up(house) == ["minigrad.ops.upward imports minigrad"]


def test_a_layer_without_a_place_is_found(tmp_path):
    assert arrows_up(built(tmp_path, {"attic/__init__.py": ""})) == ["attic has no place in LAYERS"]


def test_a_long_file_is_found(tmp_path):
    files = {"arrays.py": "__all__ = ['wide']\n" + "#\n" * 299, "counts.py": "#\n" * 301}
    assert too_long(built(tmp_path, files)) == ["minigrad.counts: 301 lines"]


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("nn/linear.py", "from minigrad.arrays import narrow", "minigrad.arrays.narrow"),
        ("nn/linear.py", "from minigrad.engine.node import Node", "minigrad.engine.node.Node"),  # has no __all__
        ("nn/linear.py", "from minigrad.engine._inside import _own", "minigrad.engine._inside._own"),
        ("nn/linear.py", "from minigrad.engine import _inside", "minigrad.engine._inside"),
        ("nn/linear.py", "from minigrad.arrays import _wide", "minigrad.arrays._wide"),
        ("streams.py", "from minigrad.arrays import _wide", "minigrad.arrays._wide"),
        ("nn/linear.py", "from minigrad.engine.node import *", "minigrad.engine.node.*"),  # has no __all__
        ("nn/linear.py", "from minigrad.ops import exp", "minigrad.ops.exp"),  # its computed list has wide and tanh
    ],
)
def test_a_name_that_is_not_given_out_is_found(source, text, found, tmp_path):
    by = "minigrad." + source.removesuffix(".py").replace("/", ".")
    assert not_given_out(built(tmp_path, {source: text})) == [f"{found}, used by {by}"]


def test_a_file_name_that_occurs_twice_is_found(tmp_path):
    assert same_file_names(built(tmp_path, {"nn/tape.py": ""})) == ["tape.py: minigrad.engine.tape, minigrad.nn.tape"]


def test_the_page_on_the_architecture_has_the_same_order():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    first = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    assert [" ".join(row.replace("|", "").replace("`", "").split()) for row in first] == LAYERS
