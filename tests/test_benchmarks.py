"""Every benchmark program runs at a tiny size, and the peers of a case find the same loss and gradients. Nothing is
timed."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from benchmarks import accuracy, earlier, reference
from benchmarks.catalogue import CASES, module_of
from benchmarks.measure import Measured, check_agreement, chosen, verdicts
from benchmarks.peers import missing
from benchmarks.program import KEPT, Case, Held, Target
from benchmarks.run import before_rows, held_rows
from benchmarks.worker import peak_bytes

from minigrad import datasets, nn


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_programs_run_and_agree(name):
    case = CASES[name]
    results = {}
    for own, make in case.programs.items():
        if missing(own):
            continue
        program = make(True)
        if program.result is not None:
            results[own] = program.result()
        program.step()
    assert case.base in case.programs
    if results:
        assert len(results) > 1 or name.startswith("train")
        check_agreement(results, rtol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_targets_name_programs(name):
    for target in (*CASES[name].targets, *CASES[name].held):
        assert {target.program.removesuffix(KEPT), target.against} <= set(CASES[name].programs)
    assert {program.removesuffix(KEPT) for program in chosen(name, CASES[name], [])} <= set(CASES[name].programs)


CATALOGUE = "from types import SimpleNamespace\nCASES = {'mlp': SimpleNamespace(programs={'minigrad': 1, 'fast': 2})}\n"


def test_an_earlier_version_runs_beside_this_one(tmp_path):
    """What it has a benchmark of, from that; else what stands here, with its library."""
    folder = tmp_path / "tests" / "benchmarks"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "catalogue.py").write_text(CATALOGUE)
    assert chosen("mlp", CASES["mlp"], [], tmp_path)[-1:] == ["minigrad, before"]
    assert earlier.programs(tmp_path, "mlp", ["minigrad", "slow"]) == ["minigrad"]
    assert earlier.command(tmp_path, "mlp", "perceptron", ["minigrad"])[1] == str(folder / "worker.py")
    assert chosen("small-square", CASES["small-square"], [], tmp_path)[-1] == "minigrad, before"
    here = earlier.command(tmp_path, "small-square", module_of("small-square"), ["minigrad"])
    assert here[1:] == [str(Path(earlier.__file__).with_name("worker.py")), "small:small-square", "minigrad"]
    assert earlier.environment(tmp_path, {})["PYTHONPATH"] == str(tmp_path)


def test_before_and_after_in_one_table():
    measured = {"numpy": Measured(1.0, 1.0), "minigrad": Measured(1.0, 3.0), "minigrad, before": Measured(2.0, 4.0)}
    rows = before_rows([("mlp", measured), ("vit", {"numpy": Measured(1.0, 1.0)})])
    assert rows[1:] == [["mlp", "minigrad", "2000.00 ms", "1000.00 ms", "0.50", "0.75"]]


def test_no_earlier_version(tmp_path):
    with pytest.raises(SystemExit, match=r"--before .*: no checkout of minigrad"):
        chosen("mlp", CASES["mlp"], [], tmp_path)
    (tmp_path / "tests" / "benchmarks").mkdir(parents=True)
    (tmp_path / "tests" / "benchmarks" / "catalogue.py").write_text("import no_such_module")
    with pytest.raises(SystemExit, match=r"cannot be read:[\s\S]*no_such_module"):
        chosen("mlp", CASES["mlp"], [], tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_the_module_of_a_case(name):
    assert import_module(f"benchmarks.{module_of(name)}").CASES[name] is CASES[name]


def test_a_wrong_gradient_is_noticed():
    case = CASES["mlp"]
    results = {own: case.programs[own](True).result() for own in ("numpy", "minigrad")}
    results["minigrad"][2] = results["minigrad"][2] * 1.01
    with pytest.raises(AssertionError, match="result 2 of minigrad"):
        check_agreement(results)


def test_race_to_an_accuracy(tmp_path, monkeypatch):
    """A few steps of it: methods share parameters and batches, and a level counts from where it was first reached."""
    monkeypatch.setattr(accuracy, "WIDTHS", (8,))
    monkeypatch.setattr(accuracy, "BATCH", 32)
    data = datasets.digits().flat()
    x, y = data.x_train[:200], data.y_train[:200]
    advice = accuracy.advised(x, y, 3)
    assert advice.sketched == 1
    runs = accuracy.race(x, y, x[:50], y[:50], 2, 2, {"samples at the logits, 0.3": 0.3})
    assert len(runs) == 6 and all(len(run.seconds) == len(run.accuracy) == 2 for run in runs)
    small = runs[2].batch
    assert 8 < small < 32  # forward is exact, and of the backward pass three tenths are left
    accuracy.write(runs, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"accuracy.csv", "accuracy.png"}
    run = runs[0]
    run.seconds, run.accuracy = [1.0, 2.0, 4.0], [0.5, 0.87, 0.86]
    assert accuracy.reached(run, 0.86) == 3.0 and np.isnan(accuracy.reached(run, 0.88))
    assert f"exact, batch {small} (equal cost)" in accuracy.summary(runs)


def test_verdicts():
    found = {"a": Measured(1.0, 3.0), "b": Measured(1.0, 1.0)}
    targets = [Target("a", "b", 3.1), Target("a", "b", 1.1), Target("b", "a", 0.2), Target("c", "a", 1.0)]
    assert [v.mark for v in verdicts(Case("", {}, "b", targets), found)] == ["✓", "~", "✗"]


def test_peak_memory_of_a_step():
    size = 64 * 2**20
    assert 0.9 * size < peak_bytes(lambda: np.ones(size, np.uint8)) < 1.5 * size


def test_reference_models_have_the_size_of_ours():
    pytest.importorskip("torch", reason="the reference is written in PyTorch")
    for name, build in (("bagnet", reference.torch_bagnet), ("vit", reference.torch_vit)):
        theirs = build(1, 10) if name == "bagnet" else build(1, 10, 28)
        ours = nn.models.build(name, (28, 28, 1), 10, rng=0)
        assert sum(p.numel() for p in theirs.parameters()) == sum(p.size for p in ours.parameters())
    data = datasets.digits().subset(70, 30)
    assert 0 <= reference.train_minigrad("vit", data, 32, 1, seed=0)[0] <= 1


def test_what_a_tape_holds():
    """At a size that is known: four samples, 7-6-5-3, so that the inputs of the two layers behind a ReLU are 4·(6 + 5)
    floats, which a small ReLU saves, too; labels and probabilities of the loss come on top, the batch and the
    parameters do not."""
    exact, saved = (CASES["train-save"].programs[name](True).held() for name in ("exact", "save=Mask(0.1, row)"))
    inputs, loss = 4 * 4 * (6 + 5), 4 * 3 * 4 + 4 * 8
    assert inputs <= exact.activations <= inputs + 2 * loss
    assert exact.relu == saved.relu == 4.0
    heads, *rows = held_rows(CASES["train-save"], {"exact": exact, "save=Mask(0.1, row)": saved})
    assert [row[-1] for row in rows] == ["", "≤ 0.2 × exact ✗"] and len(heads) == len(rows[0])
    small = Held(round(0.2 * exact.activations), 0.125)
    assert held_rows(CASES["train-save"], {"exact": exact, "save=Mask(0.1, row)": small})[2][-1].endswith("✓")
