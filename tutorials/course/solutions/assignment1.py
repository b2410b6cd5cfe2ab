"""Assignment 1, reference solution: VJPs and a tape."""

from __future__ import annotations

import numpy as np

SHIFT = 1.0  # of your class
TEMPERATURE = 2.0  # of your class


def scale_shift_vjp(g, x, a, b):
    return g * a, np.sum(g * (x + SHIFT), axis=0), np.sum(g, axis=0)


def log_softmax_vjp(g, y):
    return (g - np.exp(y) * np.sum(g, axis=-1, keepdims=True)) / TEMPERATURE


def sweep(tape, out, g):
    cotangents = {out: g}
    for output, inputs, vjp in reversed(tape):
        if output not in cotangents:
            continue
        for number, piece in zip(inputs, vjp(cotangents[output]), strict=True):
            cotangents[number] = cotangents[number] + piece if number in cotangents else piece
    return cotangents
