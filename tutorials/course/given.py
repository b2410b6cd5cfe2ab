"""How the functions of a submission are called: each function here runs beside the submission, in its process.

The first argument is the submission as a module, the others are plain data. What has to be made of minigrad is made
here. There are no right answers among these.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad import estimators, inspect, nn, ops, testing, theory, training  # noqa: F401 (then an import finds them)
from minigrad.estimators import Mask

generator = np.random.default_rng


def call(module, name, *arguments):
    """A function of plain data."""
    return getattr(module, name)(*arguments)


def draw(module, name, settings, g, seed):
    """A draw of a class with ``sample``; what it states of itself is not asked."""
    drawn = getattr(module, name)(*settings).sample(g, None, generator(seed))
    return drawn.dense() if hasattr(drawn, "dense") else drawn


def pull_back(module, g, weights, p, seed):
    return module.pull_back(g, weights, p, generator(seed))


def scaled(factors):
    """The VJP that multiplies by a number for each input; by None, it hands on the array that it got."""
    return lambda g: tuple(g if factor is None else factor * g for factor in factors)


def never(g):
    raise AssertionError("the VJP was called of an operation that `out` does not depend on")


def sweep(module, steps, out, g):
    """``steps`` have factors in place of VJPs, or "never"; the cotangent is returned as it was left."""
    tape = [(o, inputs, never if factors == "never" else scaled(factors)) for o, inputs, factors in steps]
    return module.sweep(tape, out, g), g


def added_variance(module, net, exact, draws, seed):
    return module.added_variance(*randomised(net), exact, draws, generator(seed))


def randomised(seed):
    """A tape with a mask at two nodes."""
    rng = generator(seed)
    leaves = [mg.Tensor(rng.normal(size=shape), requires_grad=True) for shape in ((3, 4), (2, 3))]
    with mg.Tape() as tape:
        hidden = ops.linear(rng.normal(size=(5, 4)), leaves[0], vjp=Mask(0.5)).tanh()
        loss = (ops.linear(hidden, leaves[1], vjp=Mask(0.5)) ** 2).sum()
    return tape, loss, leaves


def built(module, name, settings, arrays):
    """A node of the submission's engine, of variables that hold arrays."""
    variables = [module.Variable(array) for array in arrays]
    first, others = variables[0], variables[1:]
    operators = {"add": "__add__", "multiply": "__mul__", "matmul": "__matmul__"}
    return getattr(first, operators.get(name, name))(*others, **settings), variables


def value(module, name, settings, arrays):
    """What an operation of the engine gives."""
    return built(module, name, settings, arrays)[0].value


def inputs(module, name, settings, arrays):
    """Which of its inputs an operation wrote down."""
    node, variables = built(module, name, settings, arrays)
    return [[own is other for other in variables].index(True) for own in node.inputs]


def own_gradients(module, name, settings, arrays, g):
    """The cotangents of the inputs of an operation, by the sweep of the submission."""
    node, variables = built(module, name, settings, arrays)
    return list(module.gradients(node, variables, g))


def own_vjp(module, name, settings, arrays, g):
    """The same by what the node says alone: no sweep is needed for one node."""
    return list(built(module, name, settings, arrays)[0].vjp(g))


def engine_sweep(module, graph, wrt, g):
    """``graph`` has for each node the numbers of its inputs, and its factors; the last is swept from."""
    nodes = []
    for inputs, factors in graph:
        vjp = scaled(factors) if inputs else None
        nodes.append(module.Variable(np.zeros_like(g), tuple(nodes[k] for k in inputs), vjp))
    return list(module.gradients(nodes[-1], [nodes[k] for k in wrt], g)), g


def masked(module, x, p, g, seed):
    """The value of a node with the estimator, and a draw of its VJP."""
    variable = module.Variable(x)
    node = module.column_mask(variable, p, generator(seed))
    return node.value, node.vjp(g)[0]
