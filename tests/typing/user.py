"""A right program of a user's: no type checker may find a fault in it (tests/test_typing.py)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn, ops, optim
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection, presets
from minigrad.structure import Cotangent, Rows, dense
from minigrad.typing import Array

# Tensors, operators, methods
x = np.ones((4, 3))
w = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="w")
b = mg.Tensor([0.0, 0.0], requires_grad=True)
with mg.Tape(rng=0) as tape:
    left: mg.Tensor = x @ w.T + b  # an array comes first
    right: mg.Tensor = 1 - (2.0 / (w @ x.T).exp() ** 2)
    hidden: mg.Tensor = ops.linear(x, w, b, vjp=Mask(0.5, axis="column", design="systematic")).tanh()
    pieces: list[mg.Tensor] = hidden.split(2, axis=0)
    shaped: mg.Tensor = hidden.reshape(2, -1).transpose(1, 0).reshape((-1,)).T
    turned: mg.Tensor = hidden.transpose((1, 0)).swapaxes(0, 1)[0]
    loss: mg.Tensor = (
        (hidden * pieces[0].mean(axis=0, keepdims=True)).square().sum() + shaped.norm() + abs(-turned).max()
    )
    loss = loss + left.softmax(axis=-1).log().mean() + right.clip(0.0, high=1.0).std(ddof=1)
    loss = loss + ops.cross_entropy(left, np.array([0, 1, 0, 1]), reduction="sum", label_smoothing=0.1)
    loss = loss + ops.mse(hidden, np.zeros((4, 2)), "none").sum()
    loss = loss + ops.conv2d(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 2)), padding=(1, 1)).sum()
grown: mg.Tensor = np.exp(hidden)  # NumPy's hints know functions of one argument
mask: Array = hidden > 0
chosen: mg.Tensor = ops.where(mask, hidden, 0.0)
some: list[mg.Tensor] = [row for row in hidden if row.sum().item() > 0]
seen: dict[mg.Tensor, int] = {w: 1}

# Gradients
(gw, gb) = tape.gradients(loss, [w, b], rng=1)
norm: float = float(np.linalg.norm(gw)) + float(gb.sum())
kept: tuple[Cotangent, ...] = tape.gradients(loss, [w], structured=True)
array: Array = dense(kept[0])
if isinstance(kept[0], Rows):
    print(kept[0].indices)
tape.gradients(hidden, [w], cotangent=mg.Tensor(np.ones((4, 2))))
loss.backward(rng=0)


def energy(u: mg.Tensor, v: mg.Tensor) -> mg.Tensor:
    return (u * v).sum()


value, pullback = mg.vjp(energy, x, x)
first: Array = pullback(1.0, rng=3)[0]
one: Array = mg.grad(energy)(x, x)
both: tuple[Array, ...] = mg.grad(energy, argnums=(0, 1))(x, x)
height, slope = mg.value_and_grad(energy, argnums=1)(x, x)
total: float = float(height) + float(slope.sum())

# Containers, several outputs, auxiliary outputs
Layers = list[tuple[Array, Array]]
layers: Layers = [(x, np.zeros(4)), (x.T, np.zeros(3))]
parameters: dict[str, Array] = {"w": x, "b": np.zeros(3)}


def stacked(p: dict[str, mg.Tensor], scale: float = 1.0) -> mg.Tensor:
    return (scale * p["w"] + p["b"]).sum()


def layered(p: list[tuple[mg.Tensor, mg.Tensor]], u: Array) -> mg.Tensor:
    v = mg.Tensor(u)
    for weight, bias in p:
        v = v @ weight.T + bias
    return v.sum()


def branched(p: dict[str, mg.Tensor]) -> dict[str, mg.Tensor]:
    return {"sum": p["w"].sum(), "w": p["w"]}


def measured(u: mg.Tensor) -> tuple[mg.Tensor, dict[str, Any]]:
    return u.sum(), {"largest": u.max()}


moved: dict[str, Array] = mg.grad(stacked)(parameters, scale=2.0)
steps: Layers = mg.grad(layered, argnums=0)(layers, x)
layers = [(w - 0.1 * dw, b - 0.1 * db) for (w, b), (dw, db) in zip(layers, steps, strict=True)]
some_parameters: tuple[dict[str, Array], Array] = mg.grad(lambda p, s: stacked(p) * s, (0, 1))(parameters, 2.0)
level, by_name = mg.value_and_grad(stacked)(parameters)
print(float(level), {name: g.shape for name, g in by_name.items()})
(level, notes), by_array = mg.value_and_grad(measured, has_aux=True)(x)
print(float(level), notes["largest"], by_array.sum())
(by_array, by_other), notes = mg.grad(lambda u, v: (energy(u, v), None), (0, 1), has_aux=True)(x, 2.0)
print(by_array.sum() + by_other.sum())
many, pull = mg.vjp(branched, parameters)
(by_parameters,) = pull({"sum": 1.0, "w": many["w"]}, rng=0)
print({name: g.sum() for name, g in by_parameters.items()})
number, pull_number, extra = mg.vjp(measured, x, has_aux=True)
print(number.sum(), pull_number(1.0)[0].sum(), extra)
print(mg.grad(energy)([1.0, 2.0], 3).tolist(), mg.grad(energy)(np.float32(1), w).tolist())

# Each node's VJP
ops.linear(x, w, b, **presets.winner_take_all(0.3, where="vjp"))
ops.linear(x, w, b, **presets.rad(0.3, kind="entries"))
ops.matmul(x, w.T, vjp={"a": RandomProjection(0.5, kind="countsketch"), "b": DiagonalSketch(0.5, target="both")})
tape.nodes[0].vjp = LowRankSketch(0.5, design="poisson")


class Coin(mg.Estimator):
    """An estimator of one's own."""

    def sample(self, g: Array, node: mg.Node | None, rng: np.random.Generator) -> Cotangent:
        return 2 * g if rng.random() < 0.5 else 0 * g


@dataclass(frozen=True)
class Loaded(mg.Estimator):
    """One whose outcomes are known."""

    budget: float = 0.5

    def sample(self, g: Array, node: mg.Node, rng: np.random.Generator) -> Array:
        out: Array = g / self.budget if rng.random() < self.budget else 0 * g
        return out

    def outcomes(self, g: Array, node: mg.Node | None = None) -> Iterator[tuple[float, Cotangent]]:
        yield self.budget, g / self.budget
        yield 1 - self.budget, 0 * g


@mg.primitive(x=lambda g, saved: g * saved["slope"])
def cube(x: Array) -> tuple[Array, dict[str, Any]]:
    return x**3, {"slope": 3 * x**2}


cubed: mg.Tensor = cube(w, vjp=Coin()).sum()
print(cube.primitive.name, cube(w, vjp={"x": Loaded()}).shape)
model = nn.mlp((3, 8, 2), rng=0)
optimizer = optim.SGD(model, lr=0.1)
