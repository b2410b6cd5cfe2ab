"""
2. VJPs, and how to check them
==============================

Every entry of a tape carries a rule that sends the cotangent of an output to the cotangent of an input. In this lesson
the rule, a **vector-Jacobian product**, gets its exact meaning, and we learn not to trust it: a wrong rule seldom
crashes, it merely makes a network learn a little worse. Two independent checks find wrong rules within a second.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import ops, testing
from minigrad.plot.style import COLOURS

# %%
# What a VJP is
# -------------
# Let :math:`y = f(x)` with :math:`n` numbers in and :math:`m` numbers out. The **Jacobian** :math:`J` is the
# :math:`m \times n` table of all partial derivatives, :math:`J_{ij} = \partial y_i / \partial x_j`. If :math:`g` is
# the cotangent of :math:`y`, the chain rule says that the cotangent of :math:`x` is
#
# .. math:: \frac{\partial\,\mathrm{loss}}{\partial x_j} = \sum_i g_i \, \frac{\partial y_i}{\partial x_j},
#    \qquad\text{that is}\qquad J^\top g .
#
# This map :math:`g \mapsto J^\top g` is the vector-Jacobian product, VJP for short. Nobody ever builds :math:`J`:
# for one ``tanh`` of a million numbers it would have :math:`10^{12}` entries, nearly all zero, and the VJP is one
# multiplication for each number. Only to see it once, here is the Jacobian of a small function, row by row: pulling
# back the :math:`i`-th unit vector gives row :math:`i`.


def f(x):
    return ops.stack([x[0] * x[1], x[1].sin(), x[0] + x[2] ** 2])


point = np.array([1.0, 2.0, 3.0])
y, pullback = mg.vjp(f, point)
J = np.array([pullback(unit)[0] for unit in np.eye(3)])
print(J.round(3))
assert np.allclose(J, [[2, 1, 0], [0, np.cos(2), 0], [1, 0, 6]])

# %%
# A VJP is **linear in the cotangent**: twice the cotangent gives twice the result, and the sum of two gives the sum.
# That looks too plain to mention; lesson 3 rests on it.

g, h = np.array([1.0, -1.0, 2.0]), np.array([0.5, 3.0, 0.0])
assert np.allclose(pullback(2 * g + h)[0], 2 * pullback(g)[0] + pullback(h)[0])

# %%
# Check one: differences
# ----------------------
# The derivative of :math:`\varphi(t)` is approximated by differences,
#
# .. math:: \frac{\varphi(t+h) - \varphi(t)}{h} \;\text{(forward)}, \qquad
#    \frac{\varphi(t+h) - \varphi(t-h)}{2h} \;\text{(central)} .
#
# How small should :math:`h` be? By Taylor's theorem the forward difference is wrong by a multiple of :math:`h`. In
# the central one the terms of second order cancel, and the error is a multiple of :math:`h^2`: on doubly
# logarithmic paper a line of slope **2.00**. But the smaller :math:`h`, the more digits cancel in the subtraction:
# rounding contributes about :math:`10^{-16}/h`. Too large is wrong, too small is wrong.


def phi(t):
    return np.exp(np.sin(t))


t = 1.0
true = np.cos(t) * np.exp(np.sin(t))
steps = 10.0 ** np.linspace(-15, 0, 121)
forward = np.abs((phi(t + steps) - phi(t)) / steps - true)
central = np.abs((phi(t + steps) - phi(t - steps)) / (2 * steps) - true)

straight = (steps > 1e-4) & (steps < 1e-1)
slope = np.polyfit(np.log10(steps[straight]), np.log10(central[straight]), 1)[0]
print(f"slope of the central error between 1e-4 and 1e-1: {slope:.3f}")
assert abs(slope - 2) < 0.02

# %%
# The best forward difference gets about 8 digits, the best central one about 11.

figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
ax.loglog(steps, np.maximum(forward, 1e-16), "--", color=COLOURS[5], label="forward difference")
ax.loglog(steps, np.maximum(central, 1e-16), "-", color=COLOURS[1], label="central difference")
ax.loglog(steps, 1e-16 / steps, ":", color=COLOURS[0], label="rounding, about $10^{-16}/h$")
ax.annotate("slope 1", (3e-3, 1.5e-3), (2e-4, 3e-2), arrowprops={"arrowstyle": "->"})
ax.annotate("slope 2", (1.2e-2, 4e-5), (6e-2, 1e-7), arrowprops={"arrowstyle": "->"})
ax.set(xlabel="step h (logarithmic)", ylabel="error of the derivative", ylim=(1e-13, 10))
ax.set_title("Small steps cure the curve and spoil the digits")
ax.legend()
ax.grid(alpha=0.25)

# %%
# ``testing.assert_gradients_close`` does this for every input and every entry, and extrapolates several central
# differences to step 0. It says nothing when all is well. A function with many outputs has no single gradient, so it
# pulls back a random cotangent :math:`g`: what its messages call *expected* is an entry of :math:`J^\top g`, not of
# :math:`J`.

rng = np.random.default_rng(0)
testing.assert_gradients_close(lambda a, b: (a @ b).tanh(), rng.normal(size=(3, 4)), rng.normal(size=(4, 2)))

# %%
# Check two: the two ways round
# -----------------------------
# For any direction :math:`v` and cotangent :math:`g` the number :math:`g^\top J v` can be computed from either
# side: from the right with a difference along :math:`v` (one forward evaluation each way), from the left with the
# VJP. One random pair checks a function of any size, however many inputs it has.

a, v, g = (rng.normal(size=50) for _ in range(3))
y, pullback = mg.vjp(lambda x: ops.softmax(x), a)
h = 1e-5
from_the_right = g @ (ops.softmax(a + h * v).data - ops.softmax(a - h * v).data) / (2 * h)
from_the_left = pullback(g)[0] @ v
print(f"{from_the_right:.10f}  {from_the_left:.10f}")
assert abs(from_the_right - from_the_left) < 1e-9

# %%
# Planted mistakes
# ----------------
# A checker that never complains is worthless. So we plant mistakes, of the kind that people make, and see whether it
# catches them, and what it says. A minigrad **primitive** is one function with a VJP rule for each input. The function
# returns two things: its output, and a dict of what its rules will read. A rule gets the cotangent ``g`` and that dict,
# as ``saved`` (:doc:`/guide/primitive`). First: a factor forgotten.


def complaint(function, *arrays):
    """What the checker has to say; an error if it has nothing to say."""
    try:
        testing.assert_gradients_close(function, *arrays)
    except AssertionError as error:
        return str(error)
    raise RuntimeError("the planted mistake was not found")


@mg.primitive(x=lambda g, saved: g * saved["x"])
def square(x):
    return x**2, {"x": x}


print(complaint(square, rng.normal(size=3)))

# %%
# Second: a transpose in the wrong place. With square matrices every shape fits, and nothing crashes.


@mg.primitive(a=lambda g, saved: g @ saved["b"], b=lambda g, saved: saved["a"].T @ g)
def product(a, b):
    return a @ b, {"a": a, "b": b}


print(complaint(product, rng.normal(size=(3, 3)), rng.normal(size=(3, 3))))

# %%
# Third: an input is used twice, but only one of its two contributions is passed on.


@mg.primitive(x=lambda g, saved: g * np.ones_like(saved["x"]) * (saved["x"] ** 2).sum())
def times_its_norm(x):
    return x * (x**2).sum(), {"x": x}


print(complaint(times_its_norm, rng.normal(size=3)))

# %%
# Fourth, the most treacherous: a rule that is right for the cotangents that were tried (``g`` = 1), and not linear in
# ``g``. This one ignores the sign of ``g``. With the loss ``y.sum()`` every cotangent is 1 and it looks perfect; the
# checker uses a random cotangent, and notices.


@mg.primitive(x=lambda g, saved: np.abs(g) * saved["slope"])
def sine(x):
    return np.sin(x), {"slope": np.cos(x)}


slopes = mg.grad(lambda x: sine(x).sum())(point)
assert np.allclose(slopes, np.cos(point))  # it looks perfect
print(complaint(sine, rng.normal(size=3)))
print(f"checked: stated 2.00, found {slope:.4f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Write a primitive ``swish(x)`` for :math:`x / (1 + e^{-x})` with its VJP, and let the checker judge it. *Hint*:
#    with :math:`s = 1/(1+e^{-x})` the derivative is :math:`s + x s (1 - s)`.
# 2. Check ``ops.relu`` at an array that contains an exact 0. What does the checker say, and who is right? *Hint*: a
#    central difference across a kink gives the mean of the two slopes, times the cotangent. Any slope between the two
#    is a **subgradient**; a rule may choose one.
# 3. Predict the best step of the forward difference. *Hint*: minimise :math:`c h + 10^{-16}/h`, and compare with
#    the picture.
