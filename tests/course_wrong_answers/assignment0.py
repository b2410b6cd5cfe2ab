"""Wrong answers to assignment 0: an engine."""

# ruff: noqa: F811, F821
from __future__ import annotations

import numpy as np

from course_wrong_answers import wrong

Variable, gradients = object, None  # stand for those of the solution, after which an answer is put


@wrong("0a", "axes of length 1 are not summed", "should have shape (4, 1)")
def unbroadcast(g, shape):
    return np.sum(g, axis=tuple(range(np.ndim(g) - len(shape))))


@wrong("0a", "a mean over the axes of length 1", "is the SUM over the axes of length 1")
def unbroadcast(g, shape):
    g = np.sum(g, axis=tuple(range(np.ndim(g) - len(shape))))
    return np.mean(g, axis=tuple(axis for axis, length in enumerate(shape) if length == 1), keepdims=True)


@wrong("0a", "the last axes are summed in place of the first", "put in front")
def unbroadcast(g, shape):
    extra = np.ndim(g) - len(shape)
    if extra:
        return np.sum(g, axis=tuple(range(-extra, 0))).ravel()[0] * np.ones(shape)
    return np.sum(g, axis=tuple(axis for axis, length in enumerate(shape) if length == 1), keepdims=True)


@wrong("0b", "keepdims is forgotten", "should have shape")
class Variable(Variable):
    def sum(self, axis=None, keepdims=False):
        node = super().sum(axis, keepdims)
        return Variable(self.value.sum(axis=axis), node.inputs, node.vjp)


@wrong("0b", "the slope is applied to what is positive", "another value")
class Variable(Variable):
    def leaky(self):
        slope = np.where(self.value > 0, 1.0, SLOPE)
        value = np.where(self.value > 0, SLOPE, 1.0) * self.value
        return Variable(value, (self,), lambda g: (g * slope,))


@wrong("0b", "only the first input is written down", "node.inputs should be the 2 variables")
class Variable(Variable):
    def __matmul__(self, other):
        node = super().__matmul__(other)
        vjp = node.vjp
        return Variable(node.value, (self,), lambda g: vjp(g))


@wrong("0c", "the last use overwrites the others", "gets the SUM of what comes back")
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
        if node.vjp is not None:
            cotangents.update(zip(node.inputs, node.vjp(cotangents[node]), strict=True))
    return [cotangents.get(variable, np.zeros_like(variable.value)) for variable in variables]


@wrong("0c", "a node is visited when it is first reached", "is there an order?")
def gradients(loss, variables, g):
    cotangents, queue, seen = {loss: g}, [loss], {loss}
    while queue:
        node = queue.pop(0)
        if node.vjp is None:
            continue
        for other, piece in zip(node.inputs, node.vjp(cotangents[node]), strict=True):
            cotangents[other] = cotangents[other] + piece if other in cotangents else piece
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return [cotangents.get(variable, np.zeros_like(variable.value)) for variable in variables]


@wrong("0c", "None for what is not reached", "is there a `return`")
def gradients(loss, variables, g, whole=gradients):
    return [found if found.any() else None for found in whole(loss, variables, g)]


@wrong("0c", "a function that calls itself", "RecursionError")
def gradients(loss, variables, g, whole=gradients):
    def visit(node):
        for other in node.inputs:
            visit(other)

    visit(loss)
    return whole(loss, variables, g)


@wrong("0d", "not divided by p", "is each unit divided by the probability")
def column_mask(variable, p, rng):
    return Variable(variable.value, (variable,), lambda g: (g * (rng.random(g.shape[-1]) < p),))


@wrong("0d", "the value is masked as well", "leaves the value as it is")
def column_mask(variable, p, rng):
    def vjp(g):
        return (g * (rng.random(g.shape[-1]) < p) / p,)

    return Variable(variable.value * (np.arange(variable.value.shape[-1]) % 2), (variable,), vjp)


@wrong("0d", "a coin for each entry", "not for each entry")
def column_mask(variable, p, rng):
    return Variable(variable.value, (variable,), lambda g: (g * (rng.random(g.shape) < p) / p,))


@wrong("0d", "randomness of its own", "make no generator inside")
def column_mask(variable, p, rng):
    def vjp(g):
        return (g * (np.random.default_rng(0).random(g.shape[-1]) < p) / p,)

    return Variable(variable.value, (variable,), vjp)


@wrong("0e", "the factors of a product are swapped", "the VJP is wrong")
class Variable(Variable):
    def __mul__(self, other):
        def vjp(g):
            return unbroadcast(g * self.value, self.value.shape), unbroadcast(g * other.value, other.value.shape)

        return Variable(self.value * other.value, (self, other), vjp)


@wrong("0e", "what was broadcast is not summed", "should have shape")
class Variable(Variable):
    def __add__(self, other):
        return Variable(self.value + other.value, (self, other), lambda g: (g, g))


@wrong("0e", "the slope of the leaky unit is forgotten", "the VJP is wrong")
class Variable(Variable):
    def leaky(self):
        return Variable(super().leaky().value, (self,), lambda g: (g * (self.value > 0),))
