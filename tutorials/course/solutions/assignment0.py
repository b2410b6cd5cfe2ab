"""Assignment 0, reference solution: an engine."""

from __future__ import annotations

import numpy as np

SLOPE = 0.1  # of your class


def unbroadcast(g, shape):
    g = np.sum(g, axis=tuple(range(np.ndim(g) - len(shape))))
    repeated = tuple(axis for axis, length in enumerate(shape) if length == 1)
    return np.sum(g, axis=repeated, keepdims=True)


class Variable:
    def __init__(self, value, inputs=(), vjp=None):
        self.value = np.asarray(value, dtype=np.float64)
        self.inputs = inputs
        self.vjp = vjp

    def __add__(self, other):
        def vjp(g):
            return unbroadcast(g, self.value.shape), unbroadcast(g, other.value.shape)

        return Variable(self.value + other.value, (self, other), vjp)

    def __mul__(self, other):
        def vjp(g):
            return (
                unbroadcast(g * other.value, self.value.shape),
                unbroadcast(g * self.value, other.value.shape),
            )

        return Variable(self.value * other.value, (self, other), vjp)

    def __matmul__(self, other):
        def vjp(g):
            return g @ other.value.T, self.value.T @ g

        return Variable(self.value @ other.value, (self, other), vjp)

    def leaky(self):
        slope = np.where(self.value > 0, 1.0, SLOPE)
        return Variable(slope * self.value, (self,), lambda g: (g * slope,))

    def sum(self, axis=None, keepdims=False):
        kept = np.sum(self.value, axis=axis, keepdims=True)

        def vjp(g):
            return (np.broadcast_to(np.reshape(g, kept.shape), self.value.shape),)

        return Variable(np.sum(self.value, axis=axis, keepdims=keepdims), (self,), vjp)


def gradients(loss, variables, g):
    order, seen, stack = [], set(), [(loss, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack += [(node, True), *[(other, False) for other in node.inputs]]
    cotangents = {loss: g}
    for node in reversed(order):
        if node.vjp is None or node not in cotangents:
            continue
        for other, piece in zip(node.inputs, node.vjp(cotangents[node]), strict=True):
            cotangents[other] = cotangents[other] + piece if other in cotangents else piece
    return [cotangents.get(variable, np.zeros_like(variable.value)) for variable in variables]


def column_mask(variable, p, rng):
    def vjp(g):
        kept = rng.random(g.shape[-1]) < p
        return (g * kept / p,)

    return Variable(variable.value, (variable,), vjp)
