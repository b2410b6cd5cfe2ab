"""Plant faults, and see which the tests find: ``python tests/mutation/run.py [--sample N] [--seed S] [--packages …]``.

Each fault is judged by the tests that are named after its module and the module's examples; where these pass, by the
tests of its package, one in five cases of each; they end with the first failure. It stands in a copy of the tree, which
is never touched itself. At last, what found the faults is run without one, and has to pass.

What was judged is kept in a file (``--results``): a run that was ended goes on there. ``--again`` judges anew what had
survived, as after a new test; with ``--one-in 1`` by all cases. One process at a time; the status is 0 whatever
survives.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mutation.mutants import Mutant, sample

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "estimators", "theory", "inspect")
OF_PACKAGE = {
    "engine": "minigrad again residuals* nesting* node primitive results rowwise several_outputs second_random sweep "
    "tape* tensor* context transforms* methods interfaces pytrees references ops_tangents ops_dispatch ops_gradients "
    "streams estimators_rows estimators_trusted estimators_enumeration properties elsewhere",
    "estimators": "estimators_*",
    "theory": "theory_* estimators_distortion estimators_priced",
    "inspect": "inspect_*",
}
"""The tests of a package, by what follows ``test_`` in the names of their files."""

MEMORY = 8 * 2**30
"""Bytes that the tests of one fault may take: a fault can ask for any number."""


SHARED = ("numpy", "scipy.special", "scipy.linalg", "matplotlib", "hypothesis", "pytest")
"""What is imported once, before the processes of the tests part."""


def own_tests(root: Path, file: str) -> list[str]:
    """The tests that are named after a module, as its only one or with more words, and the module for its examples."""
    package, module = file.split("/")[1], Path(file).stem
    names = [f"{package}_{module}", f"{package}_{module}_*"]
    if package == "engine":
        names += [module, f"{module}_*"]
    return [file, *_files(root, names)]


def package_tests(root: Path, file: str) -> list[str]:
    """The package's examples and tests but for those of `own_tests`; first those that name what the module gives."""
    package, own = file.split("/")[1], own_tests(root, file)
    names = re.search(r"^__all__ = \[(.*?)\]", (root / file).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    given = re.compile(r"\b(" + "|".join(re.findall(r"\w+", names[1] if names else "") or ["nothing"]) + r")\b")
    others = [each for each in _files(root, OF_PACKAGE[package].split()) if each not in own]
    others.sort(key=lambda each: not given.search((root / each).read_text(encoding="utf-8")))
    return [f"minigrad/{package}", *others]


def _files(root: Path, names: list[str]) -> list[str]:
    found = [path for name in names for path in sorted((root / "tests").glob(f"test_{name}.py"))]
    return list(dict.fromkeys(path.relative_to(root).as_posix() for path in found))


def copied(folder: Path) -> Path:
    """A copy of what the tests need, without compiled files and built pages."""
    left = shutil.ignore_patterns("__pycache__", ".*", "_build", "_lessons", "gallery", "api", "_fonts")
    shutil.copytree(ROOT, folder / "tree", ignore=left)
    return folder / "tree"


class WithoutBrowser:
    """A part of pytest that leaves out tests in a browser, which wants more memory than a fault may take."""

    def pytest_collection_modifyitems(self, items: list) -> None:
        items[:] = [item for item in items if "browser" not in getattr(item, "fixturenames", ())]


def tested(tree: Path, selected: list[str], limit: float) -> tuple[str, str]:
    """Run tests in a process of their own: ``passed``, ``failed`` or ``timed out``, and what failed first."""
    report = tree / "report.txt"
    arguments = [*selected, "-x", "-q", "--tb=no", "--no-header", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    arguments += ["-m", "not slow", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    child = os.fork()
    if not child:
        status = 3
        try:
            os.setsid()  # what the tests start ends with them
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            os.chdir(tree)
            os.environ["PYTHONPATH"] = str(tree)
            sys.path.insert(0, str(tree))
            with report.open("w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            import pytest

            status = int(pytest.main(arguments, plugins=[WithoutBrowser()]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    end, ended = time.monotonic() + limit, 0
    while not ended and time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
        return "timed out", ""
    code = os.waitstatus_to_exitcode(status)
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", report.read_text(errors="replace"), re.MULTILINE)
    if code == 4:
        raise RuntimeError(f"pytest could not be used: {report.read_text()}")
    return "passed" if code in (0, 5) else "failed", found[1] if found else f"status {code}"


def judged(tree: Path, mutant: Mutant, limit: float, one_in: int = 1) -> dict[str, object]:
    """Plant one fault, ask its module's tests and then its package's, so many cases of these, and take it out again."""
    path = tree / mutant.file
    source, stamp, begun = path.read_text(encoding="utf-8"), path.stat(), time.monotonic()
    outcome, by = "survived", ""
    try:
        path.write_text(mutant.planted(source), encoding="utf-8")
        others = [*package_tests(tree, mutant.file), "--one-in", str(one_in)]
        for tests, seconds in ((own_tests(tree, mutant.file), limit), (others, 4 * limit)):
            verdict, by = tested(tree, tests, seconds)
            if verdict != "passed":
                outcome = "killed" if verdict == "failed" else verdict
                break
    finally:
        path.write_text(source, encoding="utf-8")
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # what was compiled of it is good again
    by = by if outcome == "killed" else ""
    return {"outcome": outcome, "by": by, "seconds": round(time.monotonic() - begun, 1)}


def sound(tree: Path, results: dict[str, dict]) -> str:
    """See that what found the faults passes where nothing is planted: a test that always fails finds everything."""
    killers = sorted({each["by"] for each in results.values() if each["by"].partition(":")[0].endswith(".py")})
    verdict, by = tested(tree, killers, 3600) if killers else ("passed", "")
    if verdict != "passed":
        raise SystemExit(f"error: without any fault, the tests that found them have {verdict}: {by}")
    return f"the {len(killers)} tests and examples that found a fault first pass without one"


def table(chosen: list[Mutant], results: dict[str, dict]) -> str:
    """Faults by package and outcome, and each that survived, with its place."""
    counts = Counter((each.file.split("/")[1], results[each.key]["outcome"]) for each in chosen if each.key in results)
    out = io.StringIO()
    columns = ("killed", "timed out", "survived")
    print(f"{'package':12}" + "".join(f"{name:>11}" for name in columns) + f"{'found':>9}", file=out)
    for package in [*sorted({package for package, _ in counts}), "all"]:
        row = [sum(n for (p, o), n in counts.items() if o == name and package in (p, "all")) for name in columns]
        share = f"{(row[0] + row[1]) / max(sum(row), 1):9.1%}"
        print(f"{package:12}" + "".join(f"{n:11}" for n in row) + share, file=out)
    for each in sorted(chosen):
        if results.get(each.key, {}).get("outcome") == "survived":
            print(f"\n{each.file}:{each.line} {each.kind}\n    {each.before}\n    {each.after}", file=out)
    return out.getvalue()


def main(argv: list[str] | None = None) -> None:
    """Judge a sample, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=200, metavar="N", help="faults (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which ones (default: %(default)s)")
    parser.add_argument("--packages", nargs="+", default=list(PACKAGES), choices=PACKAGES, help="default: all four")
    parser.add_argument("--results", type=Path, default=Path("mutation.json"), help="default: %(default)s")
    parser.add_argument(
        "--limit",
        type=float,
        default=90,
        help="seconds for a module's tests; its package's have four times as many (default: %(default)s)",
    )
    parser.add_argument("--one-in", type=int, default=5, help="of cases of the package's tests (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="judge anew what survived")
    options = parser.parse_args(argv)
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    chosen = sample(ROOT, options.packages, options.sample, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        for name in SHARED:
            importlib.import_module(name)
        sys.dont_write_bytecode = True  # no compiled fault outlives its test
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        for k, mutant in enumerate(chosen):
            known = results.get(mutant.key)
            if known and not (options.again and known["outcome"] == "survived"):
                continue
            results[mutant.key] = judged(tree, mutant, options.limit, options.one_in)
            options.results.write_text(json.dumps(results, indent=1))
            print(f"{k + 1}/{len(chosen)} {results[mutant.key]['outcome']} {mutant.key}"[:160], flush=True)
        print(table(chosen, results), sound(tree, results), sep="\n")


if __name__ == "__main__":
    main()
