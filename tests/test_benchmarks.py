"""Every benchmark program runs at a tiny size, and the peers of a case find the same loss and gradients. Nothing is
timed."""

import importlib.util

import numpy as np
import pytest
from benchmarks.catalogue import CASES
from benchmarks.measure import KEPT, Measured, check_agreement, chosen, verdicts
from benchmarks.program import Case, Held, Target
from benchmarks.run import held_rows
from benchmarks.worker import peak_bytes

WITHOUT = () if importlib.util.find_spec("torch") else ("torch",)


@pytest.mark.parametrize("name", CASES)
def test_programs_run_and_agree(name):
    case = CASES[name]
    results = {}
    for own, make in case.programs.items():
        if own.startswith("torch") and WITHOUT:
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
        assert {target.program, target.against} <= set(CASES[name].programs)
    assert {program.removesuffix(KEPT) for program in chosen(CASES[name], [])} <= set(CASES[name].programs)


def test_a_wrong_gradient_is_noticed():
    case = CASES["mlp"]
    results = {own: case.programs[own](True).result() for own in ("numpy", "minigrad")}
    results["minigrad"][2] = results["minigrad"][2] * 1.01
    with pytest.raises(AssertionError, match="result 2 of minigrad"):
        check_agreement(results)


def test_verdicts():
    found = {"a": Measured(1.0, 3.0), "b": Measured(1.0, 1.0)}
    targets = [Target("a", "b", 3.1), Target("a", "b", 1.1), Target("b", "a", 0.2), Target("c", "a", 1.0)]
    assert [v.mark for v in verdicts(Case("", {}, "b", targets), found)] == ["✓", "~", "✗"]


def test_peak_memory_of_a_step():
    size = 64 * 2**20
    assert 0.9 * size < peak_bytes(lambda: np.ones(size, np.uint8)) < 1.5 * size


def test_what_a_tape_holds():
    """At a size that is known: four samples, 7-6-5-3, so that the inputs of the two layers behind a ReLU are 4·(6 + 5)
    floats, and its signs a byte each; labels and probabilities of the loss come on top, the batch and the parameters
    do not."""
    exact, saved = (CASES["train-save"].programs[name](True).held() for name in ("exact", "save=Mask(0.1, row)"))
    inputs, signs, loss = 4 * 4 * (6 + 5), 4 * (6 + 5), 4 * 3 * 4 + 4 * 8
    assert inputs + signs <= exact.activations <= inputs + signs + 2 * loss
    assert exact.relu == saved.relu == 1.0
    heads, *rows = held_rows(CASES["train-save"], {"exact": exact, "save=Mask(0.1, row)": saved})
    assert [row[-1] for row in rows] == ["", "≤ 0.2 × exact ✗"] and len(heads) == len(rows[0])
    small = Held(round(0.2 * exact.activations), 0.125)
    assert held_rows(CASES["train-save"], {"exact": exact, "save=Mask(0.1, row)": small})[2][-1].endswith("✓")
