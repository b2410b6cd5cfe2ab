"""
1. A tape in fifty lines
========================

How does a program differentiate another program? It keeps a diary. While the function runs, every operation is
written down in order: the **tape**. Then the tape is read backwards, from the result to the inputs, and every entry
says how to pass a derivative on. That is all of reverse-mode automatic differentiation, also called
backpropagation, and in this lesson we build it from nothing.

You need NumPy and the chain rule. At the end the same function runs on minigrad, and the numbers agree.

A word that every later lesson uses: the **cotangent** of a variable :math:`v` is the derivative of the final
number, the *loss*, with respect to it, :math:`g_v = \\partial\\,\\mathrm{loss} / \\partial v`. It has the shape
of :math:`v`.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad.plot.style import COLOURS

# %%
# Fifty lines
# -----------
# A ``Variable`` is a place on a tape. Every operation computes its value *and* records, for each input, a rule that
# turns the cotangent ``g`` of the output into the cotangent of that input. ``gradient`` starts with cotangent 1 at
# the loss and reads the tape in reverse. A variable may have been used several times; then its cotangents **add
# up**, because a change of the variable changes the loss along every one of these paths.
#
# The two rules of the matrix product ``@`` are derived in lesson 1b. To stay short, ``+`` and ``*`` expect two arrays
# of one shape. NumPy would also add a vector of shape (3,) to each row of an array of shape (2, 3); then our rule gives
# the vector a cotangent of shape (2, 3), which is wrong. Lesson 1b mends that, too.


class Tape:
    """A list of steps, in the order in which they were computed."""

    def __init__(self):
        self.values = []  # the value of each variable
        self.steps = []  # for each operation: its output, and (input, rule) for each input

    def variable(self, value):
        self.values.append(np.asarray(value, dtype=float))
        return Variable(self, len(self.values) - 1)

    def record(self, value, *inputs):
        output = self.variable(value)
        self.steps.append((output, inputs))
        return output

    def gradient(self, loss, wrt):
        cotangents = [np.zeros_like(value) for value in self.values]
        cotangents[loss.place] = np.ones(())
        for output, inputs in reversed(self.steps):
            for source, rule in inputs:
                contribution = rule(cotangents[output.place])
                cotangents[source.place] = cotangents[source.place] + contribution
        return [cotangents[variable.place] for variable in wrt]


class Variable:
    def __init__(self, tape, place):
        self.tape, self.place = tape, place

    @property
    def value(self):
        return self.tape.values[self.place]

    def __add__(a, b):
        return a.tape.record(a.value + b.value, (a, lambda g: g), (b, lambda g: g))

    def __mul__(a, b):
        return a.tape.record(a.value * b.value, (a, lambda g: g * b.value), (b, lambda g: g * a.value))

    def __matmul__(a, b):
        return a.tape.record(a.value @ b.value, (a, lambda g: g @ b.value.T), (b, lambda g: a.value.T @ g))

    def tanh(a):
        y = np.tanh(a.value)
        return a.tape.record(y, (a, lambda g: g * (1 - y**2)))

    def sum(a):
        return a.tape.record(a.value.sum(), (a, lambda g: np.broadcast_to(g, a.value.shape)))


# %%
# A first gradient, by hand
# -------------------------
# Take :math:`f(a, b) = a b + a` at :math:`a = 2`, :math:`b = 3`. Calculus says :math:`\partial f/\partial a = b + 1`.
# Watch how the tape finds it: :math:`a` receives the cotangent 3 through the product and 1 through the sum, together
# **4**.

tape = Tape()
a, b = tape.variable(2.0), tape.variable(3.0)
f = a * b + a
slope_a, slope_b = tape.gradient(f, [a, b])
print(f"f = {f.value}, df/da = {slope_a}, df/db = {slope_b}")
assert slope_a == 4 and slope_b == 2

vector, array = tape.variable(np.ones(3)), tape.variable(np.ones((2, 3)))
assert tape.gradient((vector + array).sum(), [vector])[0].shape == (2, 3)  # it should be (3,)

# %%
# The same in a picture: values travel to the right while the tape is written (above the arrows), cotangents travel to
# the left while it is read (below).

figure, ax = plt.subplots(figsize=(7.2, 3.0), layout="constrained")
places = {"a": (0, 1.0), "b": (0, -1.0), "×": (2, -1.0), "+": (4, 0.0), "f": (5.6, 0.0)}
arrows = [("a", "×", "2", "3"), ("b", "×", "3", "2"), ("×", "+", "6", "1"), ("a", "+", "2", "1"), ("+", "f", "8", "1")]
for start, end, value, cotangent in arrows:
    (x0, y0), (x1, y1) = places[start], places[end]
    ax.annotate("", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "-|>", "shrinkA": 16, "shrinkB": 16, "lw": 1.4})
    x, y = 0.55 * x0 + 0.45 * x1, 0.55 * y0 + 0.45 * y1
    ax.text(x, y + 0.10, value, color=COLOURS[1], ha="center", va="bottom", fontsize=12)
    ax.text(x, y - 0.12, cotangent, color=COLOURS[5], ha="center", va="top", fontsize=12, fontweight="bold")
for name, (x, y) in places.items():
    round_box = {"boxstyle": "circle,pad=0.35", "facecolor": "white", "edgecolor": "black"}
    ax.text(x, y, name, ha="center", va="center", fontsize=13, bbox=round_box)
ax.text(0, 1.62, "blue, above an arrow: value, forwards", color=COLOURS[1], ha="left", va="center")
ax.text(3.1, 1.62, "bold, below: cotangent, backwards", color=COLOURS[5], ha="left", va="center", fontweight="bold")
ax.text(0, 0.42, "3 + 1 = 4", color=COLOURS[5], ha="center", va="center", fontweight="bold")
ax.set(xlim=(-0.7, 6.1), ylim=(-1.5, 1.85), title="The tape of f = a·b + a at a = 2, b = 3")
_ = ax.axis("off")

# %%
# Without a list of steps
# -----------------------
# Our tape is in order: when a step is read on the way back, all that use its output have been read before. Suppose that
# there is no such list, and that each variable only knows its inputs. Then find the order from the loss: visit the
# inputs of a variable before the variable itself (*depth first*), each once. The reverse of that order is the order of
# the way back. Use a list as the stack of what is still to be visited. A function that calls itself for each input
# would not do, as Python stops it at a depth near 1000.
#
# Enough to learn with
# --------------------
# Fifty lines are enough for a neural network with one hidden layer, :math:`\hat y = \tanh(x\,W_1)\,W_2`, fitted to a
# sine wave by gradient descent: take a small step against the gradient, over and over. The ones beside :math:`x`
# play the part of a bias.

x = np.linspace(-3, 3, 40)[:, None]
inputs, target = np.hstack([x, np.ones_like(x)]), np.sin(x)
rng = np.random.default_rng(0)
W1, W2 = rng.normal(size=(2, 16)), rng.normal(size=(16, 1)) / 4


def loss_and_gradient(W1, W2):
    tape = Tape()
    w1, w2 = tape.variable(W1), tape.variable(W2)
    prediction = (tape.variable(inputs) @ w1).tanh() @ w2
    error = prediction + tape.variable(-target)
    loss = (error * error).sum()
    return loss.value / len(x), tape.gradient(loss, [w1, w2]), prediction.value


losses = []
first = loss_and_gradient(W1, W2)[2]
for _ in range(1000):
    loss, (g1, g2), prediction = loss_and_gradient(W1, W2)
    W1, W2 = W1 - 0.002 * g1, W2 - 0.002 * g2  # 0.002 of the sum over 40 points: 0.08 of the mean, which is printed
    losses.append(loss)
print(f"mean squared error: {losses[0]:.3f} at first, {losses[-1]:.4f} in the end")
assert losses[-1] < 0.01

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
left.plot(x, target, "o", color=COLOURS[0], markersize=4, label="data")
left.plot(x, first, ":", color=COLOURS[5], linewidth=2, label="before")
left.plot(x, prediction, "-", color=COLOURS[1], linewidth=2, label="after 1000 steps")
left.set(xlabel="x", ylabel="y", title="Our own tape fits a sine wave")
left.legend()
right.semilogy(losses, color=COLOURS[1])
right.set(xlabel="step", ylabel="mean squared error", title="1000 steps of gradient descent")
right.grid(alpha=0.25)

# %%
# The same in minigrad
# --------------------
# Inside ``with mg.Tape()`` every operation on a ``Tensor`` is recorded. A tensor that we want a derivative for is
# made with ``requires_grad=True``; such an input is called a **leaf**.

w1, w2 = mg.Tensor(W1, requires_grad=True, name="W1"), mg.Tensor(W2, requires_grad=True, name="W2")
with mg.Tape() as tape:
    error = (mg.Tensor(inputs) @ w1).tanh() @ w2 - target
    loss = (error * error).sum()
print(tape.summary())

ours = loss_and_gradient(W1, W2)[1]
theirs = tape.gradients(loss, [w1, w2])
difference = max(np.abs(mine - other).max() for mine, other in zip(ours, theirs, strict=True))
print(f"largest difference from our fifty lines: {difference:.1e}")
assert difference < 1e-12
assert tape.nodes[1].saved["out"] is tape.nodes[2].saved["a"]

# %%
# Under *inputs* ``#0`` is the output of node 0, and ``·`` a constant, for which nobody wants a derivative. Under
# *layer* stands nothing: a node has a name there if a layer of a larger model computed it. *saved* is what a node keeps
# for its rules. Nodes 1 and 2 both keep the output of the tanh; it is one array, and the total in the first line counts
# it once.
#
# What does a library add? One thing matters for all that follows. In our fifty lines a rule is a closure: nobody
# can look inside. On a minigrad tape it is *data*. Each node says which operation it was, what it read and what it
# saved, and carries an entry ``vjp``: how to treat the cotangent that arrives. "exact" is only the default. One
# forward pass can be pulled back a thousand times, and each time we may choose otherwise. From lesson 3 on, we
# shall.

again = tape.gradients(loss, [w1, w2])
assert all(np.array_equal(one, two) for one, two in zip(theirs, again, strict=True))  # as often as one likes
print(tape.nodes[1], "saved", {name: array.shape for name, array in tape.nodes[1].saved.items()})
print(f"checked: stated 4, found {slope_a:g}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Teach ``Variable`` to subtract and to take an exponential, and check :math:`\partial e^{ab}/\partial a` at
#    :math:`a = 1, b = 2`. *Hint*: the rule for the exponential may reuse the output, as ``tanh`` does; the answer
#    is :math:`2 e^2 \approx 14.78`.
# 2. Remove the asserts first. Replace ``cotangents[source.place] + contribution`` by ``contribution`` alone. Which
#    gradients are still right, and why does the sine wave still learn, only more slowly? *Hint*: which variables are
#    used twice? In ``error * error`` both uses are of the same variable, so a factor of two goes missing everywhere.
#    What else halves every step?
# 3. How much memory does our tape need for a chain of 1000 tanh, and how much time does ``gradient`` take compared
#    with the forward pass? *Hint*: count arrays and multiplications, then measure.
