"""All cases by name: those of ``run.py``, and those of ``growth.py``."""

from __future__ import annotations

from . import bits, convolution, elementwise, inspection, perceptron, priced, scaling, sketched, small, transformer

__all__ = ["CASES", "GROWTH", "module_of"]

CASES = {
    name: case
    for family in (
        {name: perceptron.CASES[name] for name in ("mlp", "mlp-wide")},
        {"conv": convolution.CASES["conv"], "vit": transformer.CASES["vit"]},
        small.CASES,
        elementwise.CASES,
        {name: perceptron.CASES[name] for name in ("train-wide", "train-save")},
        {"train-conv": convolution.CASES["train-conv"], "train-vit": transformer.CASES["train-vit"]},
        priced.CASES,
        bits.CASES,
        sketched.CASES,
        inspection.CASES,
    )
    for name, case in family.items()
}

GROWTH = scaling.CASES


def module_of(name: str) -> str:
    """The module here that a case stands in."""
    modules = (perceptron, convolution, transformer, small, elementwise, priced, bits, sketched, inspection, scaling)
    return next(module.__name__.rpartition(".")[2] for module in modules if name in module.CASES)
