"""The faults of the mutation run: each is one change, of a kind that is listed, and a test that looks finds it."""

from __future__ import annotations

import ast
import textwrap

import pytest
from mutation import run
from mutation.mutants import mutants, sample
from mutation.run import PACKAGES, ROOT, own_tests, package_tests

SOURCE = textwrap.dedent('''
    """Nothing of a docstring: 1 + 1."""
    __all__ = ["f"]
    def f(x: int = 3, y: "1 + 1" = None) -> int | None:
        """Nor of this: 2."""
        if x < 2 and not y:
            raise ValueError(f"π: {x + 1}", 4)
        x += 1
        return g(x, key=True) * 5
    def __repr__(self):
        return 6 * "a"
''').lstrip()


def test_what_is_planted():
    found = [(each.line, each.kind, each.after) for each in mutants("a.py", SOURCE)]
    assert found == [
        (3, "constant changed", "(6)"),
        (5, "and/or exchanged", "(x < 2 or not y)"),
        (5, "condition False", "(False)"),
        (5, "condition True", "(True)"),
        (5, "not added", "(not (x < 2 and (not y)))"),
        (5, "comparison swapped", "(x >= 2)"),
        (5, "boundary moved", "(x <= 2)"),
        (5, "constant changed", "(4)"),
        (5, "sign or not removed", "(y)"),
        (7, "operation exchanged", "x -= 1"),
        (7, "constant changed", "(2)"),
        (8, "result dropped", "return None"),
        (8, "result negated", "return -(g(x, key=True) * 5)"),
        (8, "operation exchanged", "(g(x, key=True) / 5)"),
        (8, "argument left out", "(g(x))"),
        (8, "constant changed", "(False)"),
        (8, "constant changed", "(10)"),
    ]


def test_each_is_one_change_and_stands_where_it_says():
    for each in sample(ROOT, PACKAGES, 200, 3):
        source = (ROOT / each.file).read_text(encoding="utf-8")
        planted = each.planted(source)
        old, new = source.splitlines(), planted.splitlines()
        assert old[: each.line - 1] == new[: each.line - 1]
        assert old[each.end_line :] == new[len(new) - len(old) + each.end_line :]
        assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(source))


def test_a_sample_is_repeated_by_its_seed_and_begins_a_larger_one():
    few = sample(ROOT, ["theory"], 20, 5)
    assert few == sample(ROOT, ["theory"], 30, 5)[:20] != sample(ROOT, ["theory"], 20, 6)
    assert len({each.key for each in few}) == 20


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_tests(package):
    for path in (ROOT / "minigrad" / package).glob("*.py"):
        file = path.relative_to(ROOT).as_posix()
        own, others = own_tests(ROOT, file), package_tests(ROOT, file)
        assert own[0] == file and f"minigrad/{package}" in others
        assert sum(name.startswith("tests/") for name in own + others) >= 9


@pytest.mark.parametrize(
    "verdicts, outcome, by",
    [
        (["failed"], "killed", "tests/test_a.py::test_1"),
        (["passed", "failed"], "killed", "tests/test_a.py::test_2"),
        (["timed out"], "timed out", ""),
        (["passed", "timed out"], "timed out", ""),
        (["passed", "passed"], "survived", ""),
    ],
)
def test_a_fault_is_there_while_it_is_judged_and_gone_after(tmp_path, monkeypatch, verdicts, outcome, by):
    fault = next(each for each in sample(ROOT, ["theory"], 20, 5))
    source = (ROOT / fault.file).read_text(encoding="utf-8")
    path = tmp_path / fault.file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    before, left = path.stat(), list(verdicts)

    def tested(tree, selected, limit):
        assert path.read_text(encoding="utf-8") == fault.planted(source) != source
        return left.pop(0), f"tests/test_a.py::test_{len(verdicts) - len(left)}"

    monkeypatch.setattr(run, "tested", tested)
    found = run.judged(tmp_path, fault, 60)
    assert (found["outcome"], found["by"], left) == (outcome, by, [])
    assert path.read_text(encoding="utf-8") == source and path.stat().st_mtime_ns == before.st_mtime_ns


def test_the_table_counts_and_names_survivors():
    chosen = sample(ROOT, ["theory"], 4, 5)
    outcomes = ["killed", "timed out", "survived", "killed"]
    results = {each.key: {"outcome": outcome} for each, outcome in zip(chosen, outcomes, strict=True)}
    text = run.table(chosen, results)
    assert [line.split() for line in text.splitlines()[1:3]] == [[n, "2", "1", "1", "75.0%"] for n in ("theory", "all")]
    assert f"{chosen[2].file}:{chosen[2].line} {chosen[2].kind}" in text and chosen[0].before not in text
