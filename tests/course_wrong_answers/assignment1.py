"""Wrong answers to assignment 1: VJPs and a tape."""

# ruff: noqa: F811, F821
from __future__ import annotations

import numpy as np

from course_wrong_answers import wrong


@wrong("1a", "the cotangents of a and b are not summed over the rows", "should have shape (3,), got (4, 3)")
def scale_shift_vjp(g, x, a, b):
    return g * a, g * (x + SHIFT), g


@wrong("1a", "a mean over the rows in place of a sum", "0.25 times what it should be")
def scale_shift_vjp(g, x, a, b):
    return g * a, np.mean(g * (x + SHIFT), axis=0), np.mean(g, axis=0)


@wrong("1a", "the cotangent of x forgets the factor a", "the VJP is wrong for input 0")
def scale_shift_vjp(g, x, a, b):
    return g, np.sum(g * (x + SHIFT), axis=0), np.sum(g, axis=0)


@wrong("1a", "the cotangent of a forgets the shift", "the VJP is wrong for input 0")
def scale_shift_vjp(g, x, a, b):
    return g * a, np.sum(g * x, axis=0), np.sum(g, axis=0)


@wrong("1b", "right only for cotangents that sum to 1, as that of a label does", "not linear in the cotangent")
def log_softmax_vjp(g, y):
    return (g - np.exp(y)) / TEMPERATURE


@wrong("1b", "the VJP of softmax, not of its logarithm", "the VJP is wrong for input 0")
def log_softmax_vjp(g, y):
    s = np.exp(y)
    return s * (g - np.sum(g * s, axis=-1, keepdims=True)) / TEMPERATURE


@wrong("1b", "the temperature is forgotten", "times what they should be")
def log_softmax_vjp(g, y):
    return g - np.exp(y) * np.sum(g, axis=-1, keepdims=True)


@wrong("1b", "summed over the first axis in place of the last", "each vector along the LAST axis")
def log_softmax_vjp(g, y):
    return (g - np.exp(y) * np.sum(g, axis=0, keepdims=True)) / TEMPERATURE


@wrong("1a", "by differences, entry by entry", "a rule that is derived takes milliseconds")
def scale_shift_vjp(g, x, a, b):
    def pulled(forward, v):
        out = np.empty(v.shape)
        for place in np.ndindex(*v.shape):
            moved = v.astype(complex)
            moved[place] += 1e-30j
            out[place] = np.sum(g * forward(moved).imag) / 1e-30
        return out

    return (
        pulled(lambda x: (x + SHIFT) * a + b, x),
        pulled(lambda a: (x + SHIFT) * a + b, a),
        pulled(lambda b: (x + SHIFT) * a + b, b),
    )


@wrong("1b", "by differences, one entry after the other", "a rule that is derived takes milliseconds")
def log_softmax_vjp(g, y):
    x = y * TEMPERATURE
    out = np.empty(x.shape)
    for place in np.ndindex(*x.shape):
        moved = x.astype(complex)
        moved[place] += 1e-30j
        z = moved / TEMPERATURE
        out[place] = np.sum(g * (z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))).imag) / 1e-30
    return out


@wrong("1c", "the last use overwrites the others", "gets the SUM of what comes back from each use")
def sweep(tape, out, g):
    cotangents = {out: g}
    for output, inputs, vjp in reversed(tape):
        if output in cotangents:
            for number, piece in zip(inputs, vjp(cotangents[output]), strict=True):
                cotangents[number] = piece
    return cotangents


@wrong("1c", "read in the order of the forward pass", "is the tape read backwards?")
def sweep(tape, out, g):
    cotangents = {out: g}
    for output, inputs, vjp in tape:
        if output in cotangents:
            for number, piece in zip(inputs, vjp(cotangents[output]), strict=True):
                cotangents[number] = cotangents[number] + piece if number in cotangents else piece
    return cotangents


@wrong("1c", "added up in place", "in place")
def sweep(tape, out, g):
    cotangents = {out: g}
    for output, inputs, vjp in reversed(tape):
        if output in cotangents:
            for number, piece in zip(inputs, vjp(cotangents[output]), strict=True):
                if number in cotangents:
                    cotangents[number] += piece
                else:
                    cotangents[number] = piece
    return cotangents
