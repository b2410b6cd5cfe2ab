"""All cases by name."""

from __future__ import annotations

from . import convolution, elementwise, perceptron, sketched, transformer

__all__ = ["CASES"]

CASES = {
    name: case
    for family in (
        {name: perceptron.CASES[name] for name in ("mlp", "mlp-wide")},
        {"conv": convolution.CASES["conv"], "vit": transformer.CASES["vit"]},
        elementwise.CASES,
        {"train-wide": perceptron.CASES["train-wide"]},
        {"train-conv": convolution.CASES["train-conv"], "train-vit": transformer.CASES["train-vit"]},
        sketched.CASES,
    )
    for name, case in family.items()
}
