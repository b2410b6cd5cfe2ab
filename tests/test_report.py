"""Reports and their tables as text, in a notebook, as data; numbers with prefixes."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import pkgutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad
from minigrad.report import Report, Table, json_ready, si
from minigrad.training import Epoch, History

LONG = "DiagonalSketch(0.1, axis='row', target='both', design='systematic')"


def test_alignment_title_and_notes():
    table = Table(["name", "value"], [["a", 1.5], ["long one", None]], title="title", notes=["a note"])
    assert str(table).splitlines() == ["title", "name      value", "a           1.5", "long one      –", "a note"]
    assert repr(table) == str(table)


def test_no_rows():
    assert str(Table(["a", "b"], [])) == "a  b"
    assert Table(["a", "b"], []).to_dict() == {"title": "", "rows": [], "notes": []}


def test_long_words_are_broken_into_lines_and_none_is_lost():
    table = Table(
        ["node", "VJP", "exact", "noise"], [[1, LONG, 2.0, 0.5], [2, "exact", 3.0, 0.25]] * 2, LONG * 2, [LONG * 3]
    )
    wide = Table(["operation", "VJP", "x" * 9, "y" * 9], [["body.transformer.layers.3/linear", LONG, 1e-5, 2.5]])
    for text in (str(wide), str(table).split("\n", 2)[2]):
        assert max(map(len, text.splitlines()[:-1])) <= 80
        for word in LONG.split():
            assert word in text
    first = next(line for line in str(wide).splitlines() if "body" in line)
    assert "2.5" in first and "DiagonalSketch(0.1," in first


def test_a_table_of_80_columns_is_left_alone():
    table = Table(["a", "b"], [["x" * 39 + " " + "y" * 30, "12345678"]])
    assert len(str(table).splitlines()) == 2 and len(str(table).splitlines()[1]) == 80


def test_many_numbers_are_not_broken():
    table = Table([f"column {k}" for k in range(12)], [[1.0] * 12])
    assert len(str(table).splitlines()) == 2


cells = st.one_of(st.none(), st.integers(), st.floats(), st.text("ab ,", max_size=60))


@given(st.lists(st.lists(cells, min_size=3, max_size=3), max_size=4), st.text("ab ", max_size=200))
def test_any_cells(rows, note):
    table = Table(["a", "b", "c"], rows, notes=[note])
    assert isinstance(str(table), str)
    json.dumps(table.to_dict(), allow_nan=False)
    assert table._repr_html_().count("<tr>") == len(rows) + 1


def test_html_is_escaped():
    shown = Table(["<a>"], [["x < y"]], title="<t>", notes=["&"])._repr_html_()
    assert "<th>&lt;a&gt;</th>" in shown and "x &lt; y" in shown and "<p>&amp;</p>" in shown


def test_a_row_of_another_length():
    with pytest.raises((ValueError, IndexError)):
        str(Table(["a", "b"], [["x"]]))


def test_floats_that_are_not_finite():
    table = Table(["a"], [[math.nan], [math.inf], [1 / 3]])
    assert str(table).split() == ["a", "nan", "inf", "0.3333"]
    assert [row["a"] for row in table.to_dict()["rows"]] == [None, None, 1 / 3]
    assert json_ready({"a": (1, [math.inf, "x", None, True])}) == {"a": [1, [None, "x", None, True]]}


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1 kB"), (1536, "1.54 kB"), (999_499, "999 kB"),
        (999_999, "1 MB"), (-2e6, "-2 MB"), (1e18, "1 EB"), (0.25, "0.25 B"), (math.inf, "inf B"), (math.nan, "nan B"),
    ],
)  # fmt: skip
def test_prefixes(value, text):
    assert si(value, "B") == text


def test_prefixes_without_a_unit():
    assert si(2500.0) == "2.5 k" and si(7) == "7"


def test_a_call_is_broken_behind_its_bracket_where_the_table_would_be_too_wide():
    text = "DiagonalSketch(0.123, axis='sample')"
    heads = ["node", "name", "VJP", "forward", "exact", "expected", "saved", "wire"]
    rows = [[k, "linear layers.0", text, "12.3 G", "12.3 G", "12.3 G", "1.23 MB", "1.23 MB"] for k in range(2)]
    shown = str(Table(heads, rows)).splitlines()
    assert max(map(len, shown)) <= 80
    assert "".join(line[16:34].strip() for line in shown[1:4]).startswith("DiagonalSketch(0.123,axis=")
    assert text in str(Table(["node", "VJP"], [[1, text]]))  # where there is room it stays whole


# --- reports


@dataclasses.dataclass(frozen=True, repr=False)
class Norms(Report):
    of: dict[str, float]
    shape: tuple[int, ...] = (2, 3)
    weights: np.ndarray = dataclasses.field(default_factory=lambda: np.array([1.0, np.inf]))

    def table(self):
        return Table(["tensor", "norm"], [list(pair) for pair in self.of.items()])


@dataclasses.dataclass(frozen=True, repr=False)
class Both(Report):
    first: Norms
    second: Norms

    def tables(self):
        return [self.first.table(), self.second.table()]


def test_a_report_is_its_table_at_the_prompt_too():
    norms = Norms({"<w>": 0.5, "b": math.nan})
    assert repr(norms) == str(norms) == str(norms.table())
    assert norms._repr_html_() == norms.table()._repr_html_()
    assert norms.to_dict() == {"of": {"<w>": 0.5, "b": None}, "shape": [2, 3], "weights": [1.0, None]}


def test_a_report_of_reports():
    one, two = Norms({"a": 1.0}), Norms({"b": 2.0})
    both = Both(one, two)
    assert repr(both) == f"{one}\n\n{two}" and both._repr_html_() == one._repr_html_() + two._repr_html_()
    assert both.to_dict() == {"first": one.to_dict(), "second": two.to_dict()}
    with pytest.raises(NotImplementedError, match=r"Both has no table of its own: tables\(\) gives all"):
        both.table()


def test_a_report_without_a_picture_says_so():
    with pytest.raises(NotImplementedError, match=r"Norms has no picture: .*to_dict\(\)"):
        Norms({}).plot()


def faults(report):
    """What a class of reports does by hand that the base class does for all."""
    own = [
        name for name in ("__str__", "__repr__", "_repr_html_") if getattr(report, name) is not getattr(Report, name)
    ]
    if report.table is Report.table and report.tables is Report.tables:
        own.append("table")
    return own


def test_every_report_of_the_library_shows_itself_by_the_base_class():
    for module in pkgutil.walk_packages(minigrad.__path__, "minigrad."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, waiting = [], [Report]
    while waiting:
        found += (more := [c for c in waiting.pop().__subclasses__() if c.__module__.startswith("minigrad.")])
        waiting += more
    assert {"Variance", "History", "Comparison", "Exploration", "BudgetAdvice", "Inspection"} <= {
        report.__name__ for report in found
    }
    assert {report.__name__: faults(report) for report in found if faults(report)} == {}
    # A history is read again, so infinity and NaN are written as words.
    assert [report.__name__ for report in found if report.to_dict is not Report.to_dict] == ["History"]


def test_a_report_that_forgets_repr_is_found():
    @dataclasses.dataclass
    class Forgetful(Report):
        value: float

    assert faults(Forgetful) == ["__repr__", "table"]


def test_a_history_keeps_what_json_has_no_number_for():
    history = History([Epoch(1, 10, 0.1, math.inf, 0.25, None, None, 0.5, 0.2, 1e6, 2e6)])
    assert repr(history).splitlines()[0].split()[:2] == ["epoch", "loss"]
    assert json_ready({"run": history}) == {"run": history.to_dict()}
    assert history.to_dict()["epochs"][0]["loss"] == "inf"


def test_json_ready_takes_arrays_numbers_of_numpy_and_dataclasses():
    epoch = Epoch(1, 10, 0.1, math.nan, 0.25, None, None, 0.5, 0.2, 1e6, 2e6)
    found = json_ready(
        {"a": np.float32(0.5), "b": np.arange(2), "c": np.array(np.nan), "d": epoch, "e": np.bool_(True)}
    )
    assert found == {"a": 0.5, "b": [0, 1], "c": None, "d": {**dataclasses.asdict(epoch), "loss": None}, "e": True}
    json.dumps(found, allow_nan=False)


def test_a_table_without_headings():
    table = Table(["", ""], [["cost", "1"], ["ratio", "0.5"]], notes=["a note"])
    assert str(table).splitlines() == ["cost   1", "ratio  0.5", "a note"]
    assert "<thead>" not in table._repr_html_() and table._repr_html_().count("<tr>") == 2
