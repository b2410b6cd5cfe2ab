"""Mistakes that a type checker must find: each on a line that ends in ``# error``, and no other."""

import numpy as np

import minigrad as mg
from minigrad import ops
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection, TopK, WithReplacement, presets
from minigrad.theory import cotangent_distortion
from minigrad.typing import Array

x = np.ones((4, 3))
w = mg.Tensor(np.ones((2, 3)), requires_grad=True)
with mg.Tape() as tape:
    y = ops.linear(x, w)
    loss = y.sum()

# A misspelt name
w.summ()  # error
w.gradient  # error
ops.lineer(x, w)  # error
mg.Tensr(1.0)  # error
tape.gradient(loss, [w])  # error

# A misspelt or missing argument, or one too many
w.sum(axes=0)  # error
w.mean(keepdim=True)  # error
w.exp(0)  # error
w.swapaxes(0)  # error
ops.softmax(w, dim=1)  # error
ops.linear(x, weight=w)  # error
ops.linear(x)  # error
ops.exp(w, Mask(0.5))  # error
mg.Tensor([1.0], grad=True)  # error
mg.grad(lambda a: a, argnum=1)  # error
mg.grad(ops.sum, 0, True)  # error
mg.vjp(ops.exp, x, aux=True)  # error
mg.grad(ops.sum, has_aux=True)  # error
mg.grad(ops.sum, has_aux="yes")  # error

# A misspelt choice
Mask(0.1, axis="colum")  # error
Mask(0.1, design="poison")  # error
TopK(0.1, axis="columns")  # error
DiagonalSketch(0.1, target="weights")  # error
WithReplacement(0.1, target="input_")  # error
LowRankSketch(0.1, design="systematc")  # error
RandomProjection(0.1, kind="gauss")  # error
presets.rad(0.1, kind="feature")  # error
presets.winner_take_all(0.1, where="vpj")  # error
ops.mse(w, w, reduction="average")  # error
ops.cross_entropy(w, [0, 1], reduction="avg")  # error
cotangent_distortion(x, "columns", p=0.5)  # error

# A wrong type
ops.exp(w, vjp="mask")  # error
ops.exp(w, vjp=Mask)  # error
w.exp(vjp=0.5)  # error
w.sum(axis="0")  # error
w.reshape("2")  # error
Mask("0.5")  # error
tape.gradients(loss, w)  # error
tape.backward(x)  # error
loss.backward(rng="0")  # error
w + None  # error
w.transpose(0.5)  # error
mg.grad(lambda a: 1.0)  # error

# A result that is taken for something else
array: Array = w.exp()  # error
tensor: mg.Tensor = w > 0  # error
gradient: Array = tape.gradients(loss, [w])  # error
kept: Array = tape.gradients(loss, [w], structured=True)[0]  # error
pair: tuple[Array, ...] = mg.grad(lambda a: a.sum())(x)  # error
alone: Array = mg.grad(lambda a, b: a.sum(), argnums=(0, 1))(x, x)  # error
np.linalg.norm(tape.gradients(loss, [w], structured=True)[0])  # error

# Nothing is Any, which would pass for everything: None of these is a text
texts: list[str] = []
texts.append(x @ w)  # error
texts.append(1.0 - w)  # error
texts.append(2**w)  # error
texts.append(-w[0].T)  # error
texts.append(w.split(2)[0])  # error
texts.append(w.reshape(-1).transpose())  # error
texts.append(w.shape)  # error
texts.append(w.data)  # error
texts.append(w.dtype)  # error
texts.append(w == x)  # error
texts.append(w.softmax().numpy())  # error
texts.append(ops.concatenate([w, x]))  # error
texts.append(tape.gradients(loss, [w])[0])  # error
texts.append(tape.nodes[0].vjp)  # error
texts.append(mg.vjp(ops.exp, x)[0])  # error
texts.append(mg.vjp(ops.exp, x)[1](x)[0])  # error
texts.append(mg.grad(lambda a: a.sum())(x))  # error
texts.append(mg.value_and_grad(lambda a: a.sum(), (0,))(x)[1][0])  # error
texts.append(mg.value_and_grad(lambda a: (a.sum(), 1), has_aux=True)(x)[0][0])  # error
texts.append(mg.grad(lambda a: (a.sum(), 1), has_aux=True)(x)[0])  # error
texts.append(mg.grad(lambda p: p["a"].sum(), (0,))({"a": x}))  # error
texts.append(Mask(0.5).sample(x))  # error
texts.append(Mask(0.5).axis)  # a Literal is a text


class Wrong(mg.Estimator):
    def sample(self, g: Array, rng: np.random.Generator) -> Array:  # error
        return g


@mg.primitive(x=lambda g, saved: g)
def same(x: Array) -> tuple[Array, dict[str, Array]]:
    return x, {}


same(w, vjp="exact")  # error
texts.append(same(w))  # error
texts.append(same.primitive)  # error
same.primitve  # error
