"""The programs of an earlier version of this library, from a checkout of it, beside those of this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["BEFORE", "command", "environment", "programs"]

BEFORE = ", before"
"""Programs with this behind their name are those of the earlier version."""

HERE = Path(__file__).resolve().parent

LISTED = """
import json, sys
sys.path.insert(0, sys.argv[1])
from benchmarks.catalogue import CASES
print(json.dumps({name: list(case.programs) for name, case in CASES.items()}))
"""


def environment(tree: Path, env: dict[str, str]) -> dict[str, str]:
    """One in which ``import minigrad`` finds the earlier version."""
    return {**env, "PYTHONPATH": os.pathsep.join(filter(None, (str(tree.resolve()), env.get("PYTHONPATH"))))}


def command(tree: Path, name: str, module: str, wanted: list[str]) -> list[str]:
    """Start programs of a case: as the earlier version's own benchmark has it, or where it has none, as this one."""
    own = tree / "tests" / "benchmarks" / "worker.py"
    if set(wanted) <= set(_own(tree).get(name, ())):
        return [sys.executable, str(own), name, *wanted]
    return [sys.executable, str(HERE / "worker.py"), f"{module}:{name}", *wanted]


def programs(tree: Path, name: str, ours: list[str]) -> list[str]:
    """Of a case's programs those that the earlier version has, too."""
    own = _own(tree)
    return [p for p in ours if p in own[name]] if name in own else [p for p in ours if p == "minigrad"]


_found: dict[Path, dict[str, list[str]]] = {}


def _own(tree: Path) -> dict[str, list[str]]:
    """The cases of the earlier version and their programs."""
    if tree not in _found:
        tests = tree / "tests"
        if not (tests / "benchmarks" / "catalogue.py").exists():
            raise SystemExit(f"--before {tree}: no checkout of minigrad, for it has no tests/benchmarks/catalogue.py")
        listed = subprocess.run(
            [sys.executable, "-c", LISTED, str(tests)],
            env=environment(tree, dict(os.environ)), cwd=tree, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if listed.returncode:
            raise SystemExit(f"--before {tree}: its benchmarks cannot be read:\n{listed.stderr}")
        _found[tree] = json.loads(listed.stdout)
    return _found[tree]
