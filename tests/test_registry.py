"""Names of estimators, models and data sets: one set of rules, and plugins."""

from __future__ import annotations

import dataclasses
import sys
import warnings

import pytest
from plugin_cases import COMPARE, PLUGIN, install, run

import minigrad as mg
from minigrad import datasets, estimators, nn
from minigrad.cli import main
from minigrad.registry import Registry

pytestmark = pytest.mark.usefixtures("names_are_forgotten")


def new_estimator():
    @dataclasses.dataclass(frozen=True)
    class Fresh(mg.Estimator):
        budget: float

    return Fresh


def new_function():
    def fresh(*args, **options):
        return None

    return fresh


KINDS = {
    "estimator": (estimators.register, estimators.names, estimators.parse, new_estimator, "mask", "Mask"),
    "model": (nn.models.register, nn.models.names, nn.models.builder, new_function, "mlp", "build_mlp"),
    "data set": (datasets.register, datasets.names, datasets.loader, new_function, "digits", "digits"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_double_is_refused_and_the_error_names_who_has_it(kind):
    register, names, _, make, builtin, definition = KINDS[kind]
    before = names()
    for name in (builtin, builtin.upper(), f"{builtin}_"):
        with pytest.raises(ValueError, match=rf"{kind} called {builtin!r} is registered already, .*\.{definition};"):
            register(name, "another")(make())
    thing = make()
    register("fresh_one", "mine")(thing)
    with pytest.raises(ValueError, match="registered already"):
        register("fresh_one", "again")(thing)
    with pytest.raises(ValueError, match=r"'fresh_one' is registered already, .*[Ff]resh;"):

        @register("fresh_one", "another definition")
        @dataclasses.dataclass(frozen=True)
        class Other(mg.Estimator):
            budget: float

    assert names() == tuple(sorted([*before, "fresh_one"]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_definition_that_is_run_anew_takes_the_place_of_the_old_one(kind):
    register, names, _, make, *_ = KINDS[kind]
    for line in ("first", "second"):
        register("fresh_one", line)(make())
    lines = {**estimators.describe(), **nn.models.describe(), **datasets.describe()}
    assert lines["fresh_one"].endswith("second") and names().count("fresh_one") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_sorted_and_unknown_ones_get_the_nearest(kind):
    _, names, find, _, builtin, _ = KINDS[kind]
    assert list(names()) == sorted(names())
    with pytest.raises(ValueError, match=rf"unknown {kind} '{builtin}x'; did you mean {builtin!r}\? Known: "):
        find(f"{builtin}x")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("fresh",), TypeError, "got no line, so nothing was registered"),
        (("fresh", len), TypeError, "got a builtin_function_or_method, so nothing"),
        ((len,), TypeError, "got a builtin_function_or_method, so nothing"),
        ((3, "line"), TypeError, "got a int"),
        (("not a name", "line"), ValueError, "'not a name' is no name"),
        (("", "line"), ValueError, "'' is no name"),
    ],
)
def test_register_says_how_it_is_used(kind, arguments, error, words):
    register, names, _, make, *_ = KINDS[kind]
    before = names()
    with pytest.raises(error, match=words):
        register(*arguments)(make())
    assert names() == before


def test_two_estimators_whose_text_is_the_same_are_refused():
    with pytest.raises(ValueError, match=r"an estimator called 'mask' is registered already, minigrad\..*\.Mask"):

        @estimators.register("my_mask", "its repr would be read as the other's")
        @dataclasses.dataclass(frozen=True)
        class Mask(mg.Estimator):
            budget: float


def test_a_plain_estimator_is_refused_when_it_is_registered_and_the_list_lives(capsys):
    class Plain(mg.Estimator):
        def __init__(self, budget):
            self.budget = budget

    with pytest.raises(TypeError, match=r"Plain.* is not a dataclass .*write @dataclass\(frozen=True\) between"):
        estimators.register("plain", "no fields")(Plain)

    @estimators.register("inherits", "fields of another class")
    class Inherits(estimators.Mask):
        pass

    assert main(["list"]) == 0
    assert "inherits(budget or distortion=…, axis=column, design=poisson): fields of another" in " ".join(
        capsys.readouterr().out.split()
    )
    assert estimators.parse(repr(Inherits(0.5))) == Inherits(0.5)


# Plugins


def test_an_installed_package_is_known_to_the_command_line(tmp_path):
    install(tmp_path)
    status, out, err = run("-m", "minigrad", "list", at=tmp_path)
    assert (status, err) == (0, "")
    for words in ("coin_toss(budget): all of it, enlarged", "one_layer a linear model", "few_digits a part of digits"):
        assert words in out
    # Worker processes find it by themselves: it is installed.
    status, out, err = run("-m", "minigrad", *COMPARE, "--jobs", "1", "--out", str(tmp_path / "out"), at=tmp_path)
    assert status == 0, err
    assert "CoinToss(budget=0.1)" in out


def test_plugins_are_loaded_when_a_name_is_looked_up_and_not_before(tmp_path):
    install(tmp_path, code="print('loaded')\n" + PLUGIN)
    program = "from minigrad import estimators, datasets, nn; print('imported'); estimators.names(); nn.models.names()"
    assert run("-c", program, at=tmp_path)[1] == "imported loaded"


BROKEN = {
    "an exception": ("1 / 0", "ZeroDivisionError: division by zero"),
    "no such module": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "the name of another": (PLUGIN.replace('"coin_toss"', '"mask"'), "an estimator called 'mask' is registered"),
    "another name": (PLUGIN.replace("CoinToss", "C").replace("coin_toss", "c"), "it registers no estimator of this n"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_one_warning_that_names_it(tmp_path, case):
    code, words = BROKEN[case]
    install(tmp_path, code, "[minigrad.estimators]\ncoin_toss = plugged_in\n")
    program = "from minigrad import cli, estimators; cli.main(['list']); estimators.parse('mask(0.5)')"
    status, out, err = run("-c", program, at=tmp_path)
    assert status == 0 and "mask(budget" in out
    assert err.count("warning") == 1 and "the estimator 'coin_toss' of the installed package 'plugged_in'" in err
    assert words in err and "Traceback" not in err


def test_what_is_registered_in_a_temporary_block_is_forgotten():
    spices = Registry("spice", "minigrad.no_such_group", "spices.register")
    with spices.temporary():
        spices.register("salt", "white")(new_function())
        assert spices.names() == ("salt",)
    assert spices.names() == ()


def test_a_plugin_that_looks_names_up_while_it_is_loaded(tmp_path, monkeypatch):
    code = "import sys\nsys.modules['spices_of_a_test'].names()\n1 / 0"
    install(tmp_path, code, "[minigrad.spices]\nsalt = plugged_in\n")
    spices = Registry("spice", "minigrad.spices", "spices.register")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "spices_of_a_test", spices)
    with pytest.warns(UserWarning, match="the spice 'salt' .* ZeroDivisionError"):
        assert spices.names() == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spices.names() == ()  # it is said once
