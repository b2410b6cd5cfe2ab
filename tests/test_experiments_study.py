"""The paper's question: learning rates chosen fairly, every run accounted for, results that any reader can take up."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
import math
import sys

import pytest

from minigrad import datasets, inspect, nn, ops
from minigrad.engine.tape import Tape
from minigrad.estimators import Exact, Mask
from minigrad.experiments import PRESETS, Configuration, Method, Run, Study, StudyResult, reproduce
from minigrad.experiments.study import FAMILIES
from minigrad.experiments.study_result import StudyLine
from minigrad.experiments.study_runs import methods_of
from minigrad.training import History

JOBS = sys.modules["minigrad.experiments.jobs"]
STUDY = sys.modules["minigrad.experiments.study_runs"]
LOADED = sys.modules["minigrad.experiments.configuration"]._load
BASE = Configuration(train=200, test=60, epochs=1, batch_size=32)
FEW = Study(BASE, (0.01, 0.1), (0.5, 0.1), ("diagonal", "last: mask(axis=sample)"), seeds=2, tune_epochs=1)


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    monkeypatch.setattr(nn.models, "build", functools.partial(nn.models.build, hidden=32))


@pytest.fixture
def trained(monkeypatch):
    """The jobs that were done: configuration, method and seed."""
    seen, train = [], JOBS.train

    def run(configuration, method, seed, *rest):
        seen.append((configuration, method, seed))
        return train(configuration, method, seed, *rest)

    monkeypatch.setattr(JOBS, "train", run)
    return seen


def strict(path):
    def refuse(token):
        raise AssertionError(f"{path} holds {token}, which is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def csv_rows(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# A whole study


def test_a_study(tmp_path, trained):
    told = []
    result = reproduce(FEW, tmp_path, log=told.append)
    assert told == [
        "7 methods: 14 runs to choose learning rates (epochs: 1), then 14 (epochs: 1). Finished runs are kept in "
        f"{tmp_path}"
    ]
    families = ["diagonal", "last: mask(axis=sample)", "exact, smaller batch"]
    wanted = [("exact", 1.0)] + [(family, budget) for budget in (0.5, 0.1) for family in families]
    assert [(line.family, line.budget) for line in result.lines] == wanted
    assert len(trained) == 7 * 2 + 7 * 2
    tuning, final = trained[:14], trained[14:]
    assert all(c.validation and seed == 1000 and c.epochs == FEW.tune_epochs for c, _, seed in tuning)
    assert all(not c.validation and seed in (0, 1) for c, _, seed in final)
    assert {(m.label, c.lr) for c, m, _ in tuning} == {
        (line.method.label, lr) for line in result.lines for lr in FEW.lrs
    }
    assert {(m.label, c.lr) for c, m, _ in final} == {(line.method.label, line.lr) for line in result.lines}

    exact, others = result.lines[0], result.lines[1:]
    assert (exact.backward, exact.total, exact.diverged) == (1, 1, 0)
    assert all(line.seeds == (0, 1) and len(line.accuracy) == len(line.loss) == 2 for line in result.lines)
    assert all(0 < line.backward <= line.total < 1 for line in others)
    for family in families:  # the lower budget costs less
        high, low = (line for line in others if line.family == family)
        assert low.total < high.total
    for budget in (0.5, 0.1):  # equal in cost, up to the rounding of the batch to whole samples
        sketch, smaller = (next(x for x in others if x.family == f and x.budget == budget) for f in families[::2])
        assert smaller.total == pytest.approx(sketch.total, abs=0.6 / BASE.batch_size)
        assert smaller.method.equal_cost_to == sketch.method.label

    data = strict(tmp_path / "study.json")
    assert data == json.loads(json.dumps(result.to_dict())) and data["study"]["lrs"] == [0.01, 0.1]
    assert data["lines"][1]["method"]["vjp"] == "DiagonalSketch(0.5)" and "numpy" in data["versions"]
    rows = csv_rows(tmp_path / "study.csv")
    assert len(rows) == 14 and all(None not in row and None not in row.values() for row in rows)
    assert [(r["method"], float(r["budget"]), int(r["seed"])) for r in rows] == [
        (*w, s) for w in wanted for s in (0, 1)
    ]
    assert [float(r["accuracy"]) for r in rows] == [a for line in result.lines for a in line.accuracy]
    assert {r["diverged"] for r in rows} == {"0"}
    assert (tmp_path / "study.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert {path.name for path in tmp_path.iterdir()} == {"study.csv", "study.json", "study.png", "runs"}

    again = reproduce(FEW, tmp_path)
    assert len(trained) == 28 and again == result  # nothing is done twice
    more = reproduce(dataclasses.replace(FEW, seeds=3), tmp_path)
    assert len(trained) == 35 and more.lines[0].accuracy[:2] == exact.accuracy  # a study may grow


def test_it_goes_on_after_an_interruption(tmp_path, monkeypatch):
    train, seen = JOBS.train, []

    def run(*arguments):
        seen.append(arguments)
        if len(seen) == 6:
            raise KeyboardInterrupt
        return train(*arguments)

    monkeypatch.setattr(JOBS, "train", run)
    study = dataclasses.replace(FEW, budgets=(0.5,), families=("mask",), seeds=1)
    with pytest.raises(KeyboardInterrupt):
        reproduce(study, tmp_path / "a")
    assert not (tmp_path / "a" / "study.json").exists()
    result = reproduce(study, tmp_path / "a")
    assert len(seen) == 9 + 1
    assert result == reproduce(study, tmp_path / "b")


# Learning rates


def shifted():
    """Test labels are those of the next class: whoever has learnt the classes does badly on the test data."""
    data = datasets.digits().subset(train=300, test=100)
    return dataclasses.replace(data, x_test=data.x_train[:100], y_test=(data.y_train[:100] + 1) % 10)


def test_learning_rates_are_chosen_on_held_out_training_data(tmp_path, monkeypatch):
    """Test data that reward not learning: were they the judge, the rate that moves nothing would be chosen."""
    monkeypatch.setattr(datasets, "load", lambda name: shifted())
    LOADED.cache_clear()
    try:
        configuration = dataclasses.replace(BASE, train=None, test=None, epochs=3)
        study = Study(configuration, (1e-6, 0.1), (0.5,), ("mask",), seeds=1, tune_epochs=3)
        result = reproduce(study, tmp_path)
        assert {line.lr for line in result.lines} == {0.1}
        method = Method("exact")
        slow, fast = (JOBS.train(dataclasses.replace(configuration, lr=lr), method, 0).history.last for lr in study.lrs)
        assert fast.test_loss > slow.test_loss and fast.loss < slow.loss  # the trap is set
    finally:
        LOADED.cache_clear()


def test_each_method_has_the_rate_of_the_lowest_loss(tmp_path, monkeypatch):
    """Diverged runs and losses that are not finite are never chosen, wherever they stand in the grid."""
    loss = {0.01: float("inf"), 0.02: 3.0, 0.03: 2.0, 0.04: float("nan"), 0.05: 1.0}
    train = JOBS.train

    def run(configuration, method, seed, *rest):
        done = train(configuration, method, seed, *rest)
        if not configuration.validation:
            return done
        last = dataclasses.replace(done.history.last, test_loss=loss[configuration.lr])
        diverged = "the loss is nan" if configuration.lr == 0.05 else None
        return dataclasses.replace(done, history=History([last]), diverged=diverged)

    monkeypatch.setattr(JOBS, "train", run)
    study = Study(BASE, tuple(loss), (0.5,), ("mask",), seeds=1, tune_epochs=1)
    assert {line.lr for line in reproduce(study, tmp_path).lines} == {0.03}


# Runs that diverge


def diverging(monkeypatch, which):
    """Runs of the final part for which ``which(method, seed)`` end before their first epoch does."""
    train = JOBS.train

    def run(configuration, method, seed, *rest):
        if not configuration.validation and which(method, seed):
            return Run(configuration.key(method, seed), method.label, seed, History(), "the loss is nan at step 3")
        return train(configuration, method, seed, *rest)

    monkeypatch.setattr(JOBS, "train", run)


def test_diverged_runs_are_reported(tmp_path, monkeypatch):
    diverging(monkeypatch, lambda method, seed: seed == 0 or method.vjp == "Mask(0.1)")
    study = dataclasses.replace(FEW, budgets=(0.5, 0.1), families=("mask",))
    result = reproduce(study, tmp_path)
    by_name = {(line.family, line.budget): line for line in result.lines}
    half, tenth = by_name["mask", 0.5], by_name["mask", 0.1]
    assert (half.seeds, half.diverged, len(half.accuracy)) == ((1,), 1, 1)
    assert (tenth.seeds, tenth.diverged, tenth.accuracy, tenth.loss) == ((), 2, (), ())
    assert by_name["exact", 1.0].backward == 1
    table = str(result)
    assert "diverged" in table and "div." in table
    rows = csv_rows(tmp_path / "study.csv")
    assert len(rows) == 2 * len(result.lines)  # those that diverged, too, under their own seeds
    for row in rows:
        lost = row["seed"] == "0" or (row["method"], row["budget"]) == ("mask", "0.1")
        assert (row["diverged"] == "1") == lost == (row["accuracy"] == "") == (row["loss"] == "")
    strict(tmp_path / "study.json")
    assert (tmp_path / "study.png").exists()


def test_costs_do_not_depend_on_when_an_exact_run_ended(tmp_path, monkeypatch):
    """Exact seed 0 ends after the first of two epochs; costs are those of a step all the same."""
    study = dataclasses.replace(FEW, configuration=dataclasses.replace(BASE, epochs=2), budgets=(0.5,))
    whole = reproduce(study, tmp_path / "whole")
    train = JOBS.train

    def run(configuration, method, seed, *rest):
        done = train(configuration, method, seed, *rest)
        if configuration.validation or method.label != "exact" or seed:
            return done
        return dataclasses.replace(done, history=History(done.history.epochs[:1]), diverged="the loss is nan")

    monkeypatch.setattr(JOBS, "train", run)
    partly = reproduce(study, tmp_path / "partly")
    assert partly.lines[0].diverged == 1
    for a, b in zip(whole.lines, partly.lines, strict=True):
        assert (a.backward, a.total) == pytest.approx((b.backward, b.total))


def test_all_exact_runs_diverged(tmp_path, monkeypatch):
    diverging(monkeypatch, lambda method, seed: method.label == "exact")
    with pytest.raises(ValueError, match="every exact run diverged"):
        reproduce(dataclasses.replace(FEW, budgets=(0.5,)), tmp_path)


# Methods


def test_the_smaller_batch_costs_what_column_sketches_do():
    """By the cost model, on the models themselves: the batch is the nearest whole number, at least 1."""
    methods = methods_of(FEW)
    data = BASE.load()

    def count(method, size):
        model = BASE.build(data, method, 0)
        with Tape(rng=0) as tape:
            ops.cross_entropy(model(data.x_train[:size]), data.y_train[:size])
        return inspect.cost(tape)

    for budget in FEW.budgets:
        smaller, sketch = methods["exact, smaller batch", budget], count(methods["diagonal", budget], 32)
        wanted = 32 * (sketch.forward + sketch.backward) / (sketch.forward + sketch.backward_exact)
        assert smaller.exact and abs(smaller.batch_size - wanted) <= 0.5 and smaller.batch_size < 32
        got = count(smaller, smaller.batch_size)
        assert got.forward + got.backward == pytest.approx(sketch.forward + sketch.backward, rel=0.6 / wanted)


def test_last_sketches_the_last_layer_alone():
    data = BASE.load()
    methods = methods_of(Study(BASE, (0.1,), (0.5,), ("mask", "last: mask")))

    def sketched(method):
        model = BASE.build(data, method, 0)
        return [module.vjp for _, module in model.named_modules() if hasattr(module, "vjp")]

    *hidden, last = sketched(methods["mask", 0.5])
    assert set(map(repr, hidden)) == {"Mask(0.5)"} and last in (None, Exact())
    *hidden, last = sketched(methods["last: mask", 0.5])
    assert all(vjp in (None, Exact()) for vjp in hidden) and last == Mask(0.5)
    assert methods["mask", 0.5].label != methods["last: mask", 0.5].label


def test_what_finds_by_itself_how_much_it_keeps_is_there_once(tmp_path):
    """One price and a distortion beside budgets: no budget in the table, in the file and in the picture."""
    families = ("mask", "last: diagonal(distortion=0.3, axis=sample)", "price(0.01)", "importance")
    study = Study(BASE, (0.1,), (0.5, 0.1), families, seeds=1, tune_epochs=1)
    methods = methods_of(study)
    assert [key for key in methods if key[1] is None] == [(family, None) for family in families[1:]]
    assert methods[families[1], None].where == "last" and methods["price(0.01)", None].price == 0.01
    result = reproduce(study, tmp_path)
    assert len(result.lines) == 1 + 2 * 2 + 3
    assert [line.budget for line in result.lines[-3:]] == [None] * 3
    assert all(0 < line.total < 1 for line in result.lines[-3:-2]) and result.lines[-1].total == pytest.approx(1)
    assert [row["budget"] for row in csv_rows(tmp_path / "study.csv")[-3:]] == [""] * 3
    strict(tmp_path / "study.json")
    with pytest.raises(ValueError, match="are the same method"):
        dataclasses.replace(study, families=("price", "price(auto)"))
    with pytest.raises(ValueError, match="price='dear' must be"):
        dataclasses.replace(study, families=("price(dear)",))


def test_presets():
    """Those of the command line: the paper's budgets and kinds of estimator, on the data of the paper's kind."""
    assert set(PRESETS) == {"mlp", "bagnet", "vit"}
    for name, study in PRESETS.items():
        assert study.configuration.model == name and study.seeds >= 3 and len(study.lrs) >= 3
        assert study.budgets == (0.5, 0.2, 0.1, 0.05, 0.02) and study.families == FAMILIES
    assert PRESETS["vit"].configuration.optimizer == "adam"


# The table and the figure


def result_of(families, budgets=(0.5, 0.02), diverged=0):
    study = Study(PRESETS["bagnet"].configuration, (0.01,), budgets, families)
    lines = [StudyLine("exact", 1.0, Method("exact"), 0.01, (0, 1, 2), (0.5, 0.6, 0.7), (0.1, 0.2, 0.3), 0, 1.0, 1.0)]
    for k, family in enumerate((*families, "exact, smaller batch")):
        for budget in budgets:
            accuracy = (0.3, 0.41, 0.51) if k else ()
            lines.append(StudyLine(family, budget, Method(family), 0.003, tuple(range(len(accuracy))), accuracy,
                              (12.345, 1e-4, 0.02)[: len(accuracy)], 3 - len(accuracy), budget, 0.7))  # fmt: skip
    return StudyResult(study, tuple(lines))


def test_the_table_is_narrow():
    result = result_of(FAMILIES)
    lines = str(result).splitlines()
    assert max(map(len, lines)) <= 80 and "bagnet on cifar10[5000]: 5 epochs, batch 64, 3 seeds" in lines[0]
    whole = "".join(str(result).split())
    assert all("".join(family.split()) in whole or family.split()[0] in whole for family in FAMILIES)
    assert "60.0 ± 10.0" in str(result) and "<table>" in result._repr_html_()


def test_learning_rates_at_an_end_of_the_grid_are_marked():
    found = result_of(("mask",))
    wide = dataclasses.replace(found, study=dataclasses.replace(found.study, lrs=(0.003, 0.01, 0.03)))
    ends = [line.split()[2] for line in str(wide).splitlines() if line.startswith("mask")]
    assert ends == ["0.003*", "0.003*"] and "an end of the grid" in str(wide) and "0.01*" not in str(wide)
    assert "*" not in str(found)  # of one there is no choice


def test_where_all_rates_diverge_the_smallest_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(STUDY, "_held_out", lambda run: math.inf)
    found = reproduce(dataclasses.replace(FEW, lrs=(0.1, 0.01), budgets=(0.5,), seeds=1), tmp_path)
    assert {line.lr for line in found.lines} == {0.01}


def test_the_figure_has_every_method_once():
    from matplotlib.figure import Figure

    figure = result_of(FAMILIES).plot(Figure(figsize=(11, 4.8)))
    left, right = figure.axes
    (legend,) = figure.legends
    shown = [text.get_text() for text in legend.get_texts()]
    assert sorted(shown) == sorted({"exact", *FAMILIES, "exact, smaller batch"})
    assert "budget" in left.get_xlabel() and "forward and backward" in right.get_xlabel()
    containers = {c.get_label(): c for c in left.containers}
    x, y = containers["mask"].lines[0].get_data()
    assert list(x) == [0.5, 0.02] and y == pytest.approx([40.666667] * 2)
    looks = {(c.lines[0].get_color(), c.lines[0].get_linestyle(), c.lines[0].get_marker()) for c in left.containers}
    assert len(looks) == len(FAMILIES) + 1  # no two look alike


# Mistakes


@pytest.mark.parametrize(
    "change, what",
    [({"lrs": ()}, "at least one of its lrs"), ({"budgets": ()}, "budgets"), ({"families": ()}, "families"),
     ({"lrs": (0.1, -1.0)}, "lr=-1"), ({"budgets": (0.5, 1.0)}, "budget=1.0"), ({"budgets": (0.0,)}, "budget=0.0"),
     ({"budgets": (float("nan"),)}, "budget=nan"), ({"seeds": 0}, "seeds=0"), ({"tune_epochs": 0}, "tune_epochs=0")],
)  # fmt: skip
def test_a_study_that_makes_no_sense(change, what):
    with pytest.raises(ValueError, match=what):
        dataclasses.replace(FEW, **change)


@pytest.mark.parametrize(
    "study, what",
    [(dataclasses.replace(FEW, configuration=dataclasses.replace(BASE, batch_size=190)), "180 training samples")],
)  # fmt: skip
def test_mistakes_are_found_before_anything_is_trained_or_made(study, what, tmp_path, trained):
    with pytest.raises(ValueError, match=what):
        reproduce(study, tmp_path / "out")
    assert trained == [] and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("families", "message"),
    [
        (("mask(0.3)",), "has a budget of its own"),
        (("exact",), "exact VJPs are always part"),
        (("last: mask(0.3)",), "has a budget of its own"),
        (("diagonal", "diagonal(axis=column)"), "are the same method"),
        (("mosk",), "did you mean 'mask'"),
    ],
)
def test_estimators_that_a_study_cannot_vary_are_refused(families, message):
    with pytest.raises(ValueError, match=message):
        Study(BASE, (0.1,), (0.5,), families)
    Study(BASE, (0.1,), (0.5,), ("mask", "last: mask"))  # in two places it is two methods


def test_runs_belong_to_the_data_and_not_to_their_name(monkeypatch):
    """Data in a folder of one's own can change under their name; what was trained on others is not kept."""
    from minigrad.experiments import configuration

    before = BASE.key(Method("exact"), 0)
    assert before == BASE.key(Method("exact"), 0)
    load = configuration._load

    def changed(*args):
        data = load(*args)
        x = data.x_train.copy()
        x.flat[0] += 1
        return dataclasses.replace(data, x_train=x)

    monkeypatch.setattr(configuration, "_load", changed)
    assert BASE.key(Method("exact"), 0) != before
