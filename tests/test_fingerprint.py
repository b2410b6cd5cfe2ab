"""Descriptions are equal, in any process, for what computes the same, and differ for what does not."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import itertools
import json
import logging
import math
import operator
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops, optim
from minigrad.fingerprint import FingerprintError, describe, describe_array, differences, source
from minigrad.fingerprint.libraries import in_library


class Plain:
    def __init__(self, **attributes):
        vars(self).update(attributes)


class Slots:
    __slots__ = ("__hidden", "shown")

    def __init__(self, shown, hidden):
        self.shown, self.__hidden = shown, hidden


class Entries(dict):
    pass


class Ring:
    def __init__(self, value):
        self.value, self.self = value, self


class Colour(enum.Enum):
    RED, BLUE = 1, 2


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


def made(body, **names):
    """A class of one name with a body of one's own."""
    space = {"__module__": __name__, **names}
    return type("Made", body if isinstance(body, tuple) else (), space)


def function(code, **names):
    """A function `f` from source, with global variables of its own."""
    space = {"__name__": "a_module_of_the_user", "np": np, "math": math, **names}
    exec(code, space)
    return space["f"]


def closing(value):
    def f():
        return value

    return f


def defaults(value):
    def f(x=value):
        return x

    return f


def keyword(value):
    def f(*, x=value):
        return x

    return f


def tagged(value):
    def f():
        return 0

    f.tag = value
    return f


def decorated(value):
    @functools.wraps(len)
    def f():
        return value

    return f


def advanced(steps):
    rng = np.random.default_rng(0)
    rng.random(steps)
    return rng


READONLY = np.arange(4.0)
PAIRS = {
    # two things that are told apart
    "int and bool": (1, True),
    "int and float": (1, 1.0),
    "text": ("a", "b"),
    "0 and -0": (0.0, -0.0),
    "the last bit": (0.1, np.nextafter(0.1, 1).item()),
    "nan and inf": (math.nan, math.inf),
    "nan and its name": ([math.nan], ["inf"]),
    "complex": (1j, 2j),
    "bytes": (b"a", b"b"),
    "list": ([1, 2], [2, 1]),
    "set": ({1, 2}, {1, 3}),
    "the order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "keys that are no texts": ({1: 2}, {2: 2}),
    "slice": (slice(2), slice(3)),
    "range": (range(2), range(3)),
    "array": (np.zeros(3), np.ones(3)),
    "shape": (np.zeros(4), np.zeros((2, 2))),
    "dtype": (np.zeros(2, np.int64), np.zeros(2)),
    "byte order": (np.zeros(2, "<f4"), np.zeros(2, ">f4")),
    "a scalar's dtype": (np.float32(1), np.float16(1)),
    "objects in an array": (np.array([1, "a"], object), np.array([1, "b"], object)),
    "order and layout": (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(3, 2))),
    "Tensor": (mg.Tensor([1.0]), mg.Tensor([2.0])),
    "a Tensor that is trained": (mg.Tensor([1.0]), mg.Tensor([1.0], requires_grad=True)),
    "dtype object": (np.dtype("f4"), np.dtype("f8")),
    "a long list": (list(range(9999)), [*range(9998), 0]),
    "deep inside": ([[[{"a": [1]}]]], [[[{"a": [2]}]]]),
    "attribute": (Plain(a=1), Plain(a=2)),
    "one attribute more": (Plain(a=1), Plain(a=1, b=None)),
    "private attribute": (Plain(_a=1), Plain(_a=2)),
    "slot": (Slots(1, 1), Slots(2, 1)),
    "private slot": (Slots(1, 1), Slots(1, 2)),
    "entries of a subclass": (Entries(a=1), Entries(a=2)),
    "deque": (collections.deque([1]), collections.deque([2])),
    "a ring": (Ring(1), Ring(2)),
    "enum": (Colour.RED, Colour.BLUE),
    "dataclass": (Point(1.0), Point(1.0, 1.0)),
    "path": (pathlib.PurePosixPath("a"), pathlib.PurePosixPath("b")),
    "pattern": (re.compile("a"), re.compile("a", re.IGNORECASE)),
    "logger": (logging.getLogger("a"), logging.getLogger("b")),
    "generator": (np.random.default_rng(0), np.random.default_rng(1)),
    "a generator that was used": (advanced(0), advanced(1)),
    "old generator": (np.random.RandomState(0), np.random.RandomState(1)),
    "ufunc": (np.sin, np.cos),
    "function in C": (math.sin, math.cos),
    "method in C": (advanced(0).random, advanced(0).normal),
    "method of another object": (advanced(0).random, advanced(1).random),
    "method": (Plain(a=1).__init__, Plain(a=2).__init__),
    "function of minigrad": (ops.relu, ops.tanh),
    "partial": (functools.partial(max, 1), functools.partial(max, 2)),
    "class": (optim.SGD, optim.Adam),
    "schedule": (optim.Constant(0.1), optim.Constant(0.2)),
    "a network": (nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)),
    "its setting": (nn.Sequential(nn.Dropout(0.1)), nn.Sequential(nn.Dropout(0.2))),
    "its mode": (nn.Sequential(nn.Dropout(0.1)).train(), nn.Sequential(nn.Dropout(0.1)).eval()),
    "operator": (function("f = lambda x: x + 1"), function("f = lambda x: x - 1")),
    "constant": (function("f = lambda x: x + 1"), function("f = lambda x: x + 2")),
    "constant of another type": (function("f = lambda x: x + 1"), function("f = lambda x: x + 1.0")),
    "constant in a set": (function("f = lambda x: x in {1, 2}"), function("f = lambda x: x in {1, 3}")),
    "attribute that is used": (function("f = lambda x: x.a"), function("f = lambda x: x.b")),
    "name of an argument": (function("f = lambda x: x"), function("f = lambda y: y")),
    "function inside": (function("def f():\n return lambda: 1"), function("def f():\n return lambda: 2")),
    "enclosed": (closing(1), closing(2)),
    "enclosed array": (closing(np.zeros(2)), closing(np.ones(2))),
    "enclosed function": (closing(closing(1)), closing(closing(2))),
    "default": (defaults(1), defaults(2)),
    "keyword default": (keyword(1), keyword(2)),
    "attribute of a function": (tagged(1), tagged(2)),
    "inside a wrapper": (decorated(1), decorated(2)),
    "a wrapper and what it wraps": (len, decorated(1)),
    "a wrapper of minigrad's": (ops.relu, functools.wraps(ops.relu)(lambda x: ops.relu(x))),
    "method of a class in C": (str.upper, str.lower),
    "a class that bears another's name": (nn.ReLU(), type("ReLU", (nn.Module,), {"__module__": nn.ReLU.__module__})()),
    "inside a cache": (functools.lru_cache(closing(1)), functools.lru_cache(closing(2))),
    "global": (function("f = lambda: G", G=1), function("f = lambda: G", G=2)),
    "global of a function inside": (function("def f():\n return lambda: G", G=1),
                                    function("def f():\n return lambda: G", G=2)),
    "global function": (function("f = lambda: g()", g=closing(1)), function("f = lambda: g()", g=closing(2))),
    "global class": (function("f = lambda: C()", C=made((), a=1)), function("f = lambda: C()", C=made((), a=2))),
    "method of a class": (made((), f=closing(1)), made((), f=closing(2))),
    "static method": (made((), f=staticmethod(closing(1))), made((), f=staticmethod(closing(2)))),
    "class method": (made((), f=classmethod(closing(1))), made((), f=classmethod(closing(2)))),
    "property": (made((), f=property(closing(1))), made((), f=property(closing(2)))),
    "cached property": (made((), f=functools.cached_property(closing(1))),
                        made((), f=functools.cached_property(closing(2)))),
    "method with two underscores": (made((), __call__=closing(1)), made((), __call__=closing(2))),
    "base class": (made((made((), a=1),)), made((made((), a=2),))),
    "class of an object": (made((), a=1)(), made((), a=2)()),
    "fingerprint": (Plain(fingerprint="a"), Plain(fingerprint="b")),
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
def test_what_differs_is_told_apart_and_named(pair):
    one, other = (describe(value, "it") for value in PAIRS[pair])
    assert json.dumps(one, allow_nan=False) != json.dumps(other, allow_nan=False)
    lines = differences({"it": one}, {"it": other})
    assert lines and all(line.startswith("it") for line in lines)
    assert differences({"it": one}, {"it": json.loads(json.dumps(one))}) == []


EQUAL = {
    "array and its copy": (READONLY, READONLY.copy()),
    "a view and a copy in order": (READONLY[::2], READONLY[::2].copy()),
    "layout": (np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(6).reshape(2, 3)),
    "set": ({"a", "b", "c"}, {"c", "b", "a"}),
    "order of attributes": (Plain(a=1, b=2), Plain(b=2, a=1)),
    "comments, lines and documentation": (
        function("def f(x):\n  'what it does'\n  return x"), function("# new\n\ndef f(x):\n  'why'\n  return x")),
    "name of a local variable": (function("def f():\n a = 1\n return a"), function("def f():\n b = 1\n return b")),
    "a global that is not used": (function("f = lambda: 1", G=1), function("f = lambda: 1", G=2)),
    "an attribute with the name of a global": (
        function("f = lambda x: x.count", count=1), function("f = lambda x: x.count", count=2)),
    "fingerprint": (Plain(fingerprint="a", a=1), Plain(fingerprint="a", a=2)),
    "state": (made((), not_fingerprinted=("a",))(), made((), not_fingerprinted=("a",))()),
}  # fmt: skip
EQUAL["state"][0].a = 1


@pytest.mark.parametrize("pair", EQUAL)
def test_what_computes_the_same_is_described_alike(pair):
    one, other = (describe(value, "it") for value in EQUAL[pair])
    assert one == other


NOBODY = {
    "counter": itertools.count(),
    "iterator": iter([1]),
    "generator": (k for k in ()),
    "map": map(abs, []),
    "lock": threading.Lock(),
    "file": sys.__stderr__,
    "getter": operator.itemgetter(1),
    "subclass of a class in C": type("Count", (itertools.count,), {})(),
    "memory": memoryview(b"a"),
}


@pytest.mark.parametrize("kind", NOBODY)
@pytest.mark.parametrize("inside", [lambda v: v, lambda v: [v], closing, defaults, lambda v: Plain(held=v)])
def test_what_shows_nothing_is_refused(kind, inside):
    with pytest.raises(FingerprintError, match=r"(?s)it\b.* shows nothing .*attribute `fingerprint`"):
        describe(inside(NOBODY[kind]), "it")


def test_what_is_nested_too_deeply_is_refused():
    deep = []
    for _ in range(10**5):
        deep = [deep]
    with pytest.raises(FingerprintError, match="nested too deeply"):
        describe(deep, "it")
    while deep:
        deep = deep[0]


def test_a_wide_graph_of_shared_objects_stays_small():
    value = [1.0]
    for _ in range(60):
        value = Plain(left=value, right=value)
    assert len(json.dumps(describe(value, "it"))) < 10_000


def test_large_arrays_are_read_in_parts():
    array = np.arange(3 * 2**20, dtype=np.float64).reshape(3, -1)[:, ::2]
    assert describe_array(array) == describe_array(array.copy())
    assert describe_array(np.zeros((0, 3))) != describe_array(np.zeros((3, 0)))
    assert describe_array(np.array(1.0))["shape"] == []


PROGRAM = """
import json, sys
sys.path[:0] = [{tests!r}]
from helper_of_fingerprints import subject
from minigrad.fingerprint import describe
print(json.dumps(describe(subject, "it")))
"""
HELPER = """
import abc, functools, math
import numpy as np
import minigrad as mg
from minigrad import nn, ops
NAMES = frozenset(["one", "two", "three", "four"])
class Base(abc.ABC):
    @abc.abstractmethod
    def __call__(self): ...
class Loss(Base):
    names = {"a", "b", "c", "d"}
    def __init__(self, factor): self.factor, self.model = factor, nn.Linear(2, 2, rng=0)
    def __call__(self, z, y): return helper(ops.cross_entropy(z, y)) if y in {"u", "v", "w"} else super().x
    @property
    def p(self): return math.pi
def helper(x, weights=np.arange(3)): return x if x in NAMES else helper(x)
subject = [Loss(0.5), helper, functools.partial(helper, 1), lambda x: Loss(x)]
"""


def test_other_processes_describe_the_same(tmp_path):
    (tmp_path / "helper_of_fingerprints.py").write_text(HELPER)
    found = []
    for seed in ("0", "1", "2"):
        command = [sys.executable, "-c", PROGRAM.format(tests=str(tmp_path))]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        found.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(set(found)) == 1 and '"factor": 0.5' in found[0]


def test_a_module_of_the_user_is_described_by_its_file(tmp_path, monkeypatch):
    module = types.ModuleType("of_the_user")
    module.__file__ = str(tmp_path / "of_the_user.py")
    monkeypatch.setitem(sys.modules, "of_the_user", module)
    found = []
    for text in ("a = 1", "a = 2"):
        (tmp_path / "of_the_user.py").write_text(text)
        found.append(describe(function("f = lambda: m.a", m=module), "it"))
    assert differences(*found) == ["globals.m: other code"]


READS = {
    "an attribute": "f = lambda: m.a",
    "an attribute in a function inside": "def f():\n    return [m.a for _ in range(2)]",
    "an attribute that is called": "f = lambda: m.call()",
    "a module in a module": "f = lambda: outer.inner.a",
    "imported within": "def f():\n    import of_mine\n    return of_mine.a",
    "imported within, by another name": "def f():\n    import of_mine as it\n    return it.a",
    "imported from within": "def f():\n    from of_mine import a\n    return a",
}


@pytest.mark.parametrize("reads", READS)
def test_what_code_reads_of_a_module_of_the_user_counts_as_it_stands(reads, monkeypatch):
    """``config.rate = 0.2`` after the import was another experiment under one name."""
    module, outer = types.ModuleType("of_mine"), types.ModuleType("outer_of_mine")
    monkeypatch.setitem(sys.modules, "of_mine", module)
    module.held, module.call, outer.inner = [1], function("f = lambda: held", held=[1]), module
    f, found = function(READS[reads], m=module, outer=outer), []
    for value in (1, 2, 1):
        module.a, module.call = value, function("f = lambda: held", held=[value])
        found.append(describe(f, "it"))
    assert found[0] == found[2] and len(differences(*found[:2])) == 1
    module.held = [2]  # which `f` does not read
    assert describe(f, "it") == found[2]


def test_a_module_that_is_imported_later_is_told_at_once(tmp_path, monkeypatch):
    """Else a function that had imported it would be another one afterwards."""
    (tmp_path / "of_mine_alone.py").write_text("a = 1")
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    f = function("def f():\n    import of_mine_alone, nowhere.at_all, wave\n    return of_mine_alone.a")
    try:
        found = describe(f, "it")
        assert "wave" not in set(sys.modules) - before  # a library is not loaded for it
        sys.modules["of_mine_alone"].a = 2
        assert differences(found, describe(f, "it")) == ["globals.of_mine_alone.a: the checkpoint has 1, this run 2"]
    finally:
        sys.modules.pop("of_mine_alone", None)


def test_a_script_that_bears_the_name_of_a_standard_module_is_the_user_s(tmp_path, monkeypatch):
    module = types.ModuleType("statistics")
    module.__file__ = str(tmp_path / "statistics.py")
    assert in_library("statistics") is (describe(statistics, "it") == {"name": "statistics"}) is True
    monkeypatch.setitem(sys.modules, "statistics", module)
    in_library.cache_clear()
    assert not in_library("statistics") and not in_library("__main__") and not in_library("not imported")
    in_library.cache_clear()


def test_the_source_of_minigrad_counts_but_for_what_only_shows(tmp_path, monkeypatch):
    package = tmp_path / "minigrad"
    for name in ("__init__.py", "ops/a.py", "plot/b.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("")
    monkeypatch.setattr(mg, "__file__", str(package / "__init__.py"))
    found = []
    for name in ("__init__.py", "plot/b.py", "ops/a.py"):
        (package / name).write_text("x = 1")
        source.cache_clear()
        found.append(source())
    monkeypatch.undo()
    source.cache_clear()
    assert found[0] == found[1] != found[2]


def test_at_most_a_few_differences_are_named():
    old, new = ({f"k{k}": value for k in range(20)} for value in (1, 2))
    lines = differences(old, new)
    assert lines[0] == "k0: the checkpoint has 1, this run 2" and lines[-1] == "and 14 more" and len(lines) == 7


def test_another_python_is_named():
    old = {"loss": {"function": "f", "code": "sha256 1 (Python 3.10)"}}
    new = {"loss": {"function": "f", "code": "sha256 2 (Python 3.11)"}}
    assert differences(old, new) == ["loss: code that Python 3.10 compiled, and Python 3.11 now"]


def test_a_python_without_a_home_of_its_user():
    """As in WebAssembly: `site` knows no folder of theirs there."""
    code = "import site; site.getusersitepackages = lambda: None; import minigrad.fingerprint"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
