"""
0. One neuron by hand
=====================

A network learns by asking one question again and again: if this number were a little larger, what would happen to the
**loss**, the number that says how wrong the network is? The answer is a derivative. Here we find all derivatives of one
neuron by hand, with whole numbers, then see two ways to do the same for a million neurons, and count which is cheaper.

You need to know what a derivative is. Nothing else is taken for granted.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import ops, plot
from minigrad.plot.style import COLOURS, MARKERS, STYLES

# %%
# A neuron
# --------
# Our neuron has two inputs :math:`x_1, x_2`. It multiplies each by a *weight*, adds a *bias*, and cuts off what is
# negative. This last step, :math:`\max(z, 0)`, is called **ReLU** (rectified linear unit):
#
# .. math:: z = w_1 x_1 + w_2 x_2 + b, \qquad y = \max(z, 0), \qquad \mathrm{loss} = (y - t)^2 .
#
# The loss compares the output with a target :math:`t`. Our numbers are :math:`x = (3, 4)`, :math:`w = (2, -1)`,
# :math:`b = 1` and :math:`t = 1`.
#
# In the code a ``mg.Tensor`` is a number, or an array of numbers, that knows how minigrad computed it; ``.item()``
# takes the number out, and ``ops.relu`` is the ReLU.


def steps_of_the_neuron(w1, w2, b):
    """Everything that is computed on the way to the loss, which comes last."""
    first, second = w1 * 3.0, w2 * 4.0
    both = first + second
    z = both + b
    y = ops.relu(z)
    error = y - 1.0
    return first, second, both, z, y, error, error * error


def neuron(w1, w2, b):
    """The loss."""
    return steps_of_the_neuron(w1, w2, b)[-1]


names = ("w₁x₁", "w₂x₂", "w₁x₁ + w₂x₂", "z", "y", "y − t", "loss")
for name, value in zip(names, steps_of_the_neuron(*(mg.Tensor(w) for w in (2.0, -1.0, 1.0))), strict=True):
    print(f"{name:11s} = {value.item():g}")

# %%
# Wiggle it
# ---------
# What does :math:`w_1` do to the loss? Move it by a little :math:`h`, and divide the change of the loss by :math:`h`.
# The smaller :math:`h`, the closer the quotient comes to a number: the **derivative**,
# :math:`\partial\,\mathrm{loss}/\partial w_1`.

for h in (0.1, 0.01, 0.001):
    change = neuron(mg.Tensor(2.0 + h), mg.Tensor(-1.0), mg.Tensor(1.0)).item() - 4.0
    print(f"h = {h:5}: the loss changes by {change:.6f}, that is {change / h:.3f} h")
by_difference = change / h

# %%
# The chain rule
# --------------
# On its way to the loss a change of :math:`w_1` passes through six steps. Each stretches it by a factor that is easy
# to see. The product with :math:`x_1 = 3` stretches it 3 times. A sum hands it on as it is, factor 1. So does the ReLU,
# as :math:`z = 3` is positive, and the subtraction of :math:`t`. The square has the slope
# :math:`2\,(y - t) = 2 \cdot 2 = 4`. The **chain rule** says: factors along a path are *multiplied*.
#
# .. math:: \frac{\partial\,\mathrm{loss}}{\partial w_1} = 4 \cdot 1 \cdot 1 \cdot 1 \cdot 1 \cdot 3 .
#
# The answer is **12**, which the differences above come close to. (Where several paths lead from a number to the loss,
# the products of the paths are *added*. In ``error * error`` there are two, with a factor 2 each.)

factors = {"× 3": 3, "+ w₂x₂": 1, "+ b": 1, "ReLU": 1, "− t": 1, "square": 2 + 2}
by_hand = np.prod(list(factors.values()))
print(factors, "->", by_hand)
assert by_hand == 12 and abs(by_difference - 12) < 0.01

# %%
# Backwards over a graph
# ----------------------
# There are three derivatives to find, and their paths have most steps in common. To multiply them anew each time would
# be a waste. So draw the computation as a graph, and walk it **backwards**, once. At each node stands its value (after
# ``=``), and what we find on the way back: the derivative of the loss with respect to the value of this node (after
# ``∂``). It is called the **cotangent** of the node. The loss itself has cotangent 1. From there on, every node hands
# down *its own cotangent times its own factor* to what it was computed from.
#
# A step is the turn of one node. The framed node is the one whose turn it is: all that read it have handed down, so its
# cotangent is whole. The node above it shows its own when its turn comes, and a weight shows it at once. The path from
# :math:`w_1` had six steps; there are seven nodes, as :math:`w_2 x_2` is one, too. The ``()`` is the shape of a single
# number, and :math:`x` and :math:`t`, which stay as they are, are not drawn.

w1, w2, b = (mg.Tensor(value, requires_grad=True, name=name) for value, name in ((2.0, "w1"), (-1.0, "w2"), (1.0, "b")))
with mg.Tape() as tape:
    computed = steps_of_the_neuron(w1, w2, b)
loss = computed[-1]

figure, axes = plt.subplots(1, 3, figsize=(9.6, 9.2), layout="constrained")
nodes = len(tape.nodes)
assert nodes == len(factors) + 1
for ax, steps in zip(axes, (1, 3, nodes), strict=True):
    plot.tape_graph(tape, ax, values=True, y=loss, steps=steps)
    ax.set_title(f"after {steps} step{'s' * (steps > 1)} back" if steps < nodes else f"after all {steps} steps")

# %%
# In the last picture all three answers stand at once: 12 for :math:`w_1`, 16 for :math:`w_2`, 4 for :math:`b`. The
# list of them is the **gradient**. What was written down on the way forward and read on the way back, values and order,
# is the **tape**; lesson 1 builds one.

gradient = tape.gradients(loss, [w1, w2, b])
print("gradient:", [g.item() for g in gradient])
assert [g.item() for g in gradient] == [12, 16, 4]

# %%
# What is it good for? Move every weight a little *against* its derivative, and the loss goes down. By how much, the
# gradient knows beforehand: a step of 0.001 times the gradient should lower it by about
# :math:`0.001 \cdot (12^2 + 16^2 + 4^2)`, that is 0.416.

after = neuron(*(mg.Tensor(w.data - 0.001 * g) for w, g in zip((w1, w2, b), gradient, strict=True))).item()
print(f"loss before 4, after one small step {after:.3f}: lower by {4 - after:.3f}")
assert 0.35 < 4 - after < 0.416

# %%
# Forwards instead
# ----------------
# Why backwards? The factors can be multiplied in the other order just as well. Begin at the inputs: give :math:`w_1`
# the speed 1 and the others the speed 0, and ask of every node how fast *it* moves. Such a speed is called a
# **tangent**. It travels with the values, and nothing needs to be remembered. The product moves at speed 3, so do the
# sums and the ReLU, and the loss at :math:`4 \cdot 3 = 12`.
#
# This is **forward mode**. In general it multiplies the table of all derivatives (the **Jacobian**) by a vector from
# the right: a Jacobian-vector product, **JVP**. Walking back is **reverse mode**, a multiplication from the left: a
# vector-Jacobian product, **VJP**. The function that does it, given a cotangent, is called the **pullback**.

point = (2.0, -1.0, 1.0)
value, pullback = mg.vjp(neuron, *point)
print("reverse, one pass:  ", [g.item() for g in pullback(1.0)])
for direction in np.eye(3):
    value, speed = mg.jvp(neuron, point, tuple(direction))
    print("forward, direction", direction, "->", speed.item())
assert mg.jvp(neuron, point, (1.0, 0.0, 0.0))[1] == pullback(1.0)[0] == 12

# %%
# There is the difference. One pass *back* from the loss finds the derivatives with respect to **all** inputs. One pass
# *forward* from an input finds the derivatives of **all** outputs with respect to *it*, and with three weights three
# passes are needed.
#
# Count the operations
# --------------------
# Now a chain of three layers without any ReLU, to have something that is easy to count:
# :math:`\mathrm{loss} = v \cdot A_3 A_2 A_1 x` with matrices of :math:`n \times n`. A matrix times a vector takes
# :math:`2 n^2` operations, a multiplication and an addition for each entry. The gradient with respect to :math:`x` is
# the product of all factors, and only the order differs:
#
# .. math:: \text{reverse: } \big((v^\top A_3) A_2\big) A_1, \qquad \text{forward: } v^\top \big(A_3 (A_2 A_1)\big) .
#
# From the left each product is a vector times a matrix. From the right it is a matrix times a matrix, which is
# :math:`n` vectors, one for each input.


def count(n, mode):
    """Multiply the factors in the order of a mode; the gradient, and the operations that it took."""
    rng = np.random.default_rng(n)
    v, matrices = rng.normal(size=(1, n)), rng.normal(size=(3, n, n)) / np.sqrt(n)
    chain = [v, *matrices[::-1]] if mode == "reverse" else [*matrices, v]
    product, operations = chain[0], 0
    for factor in chain[1:]:
        left, right = (product, factor) if mode == "reverse" else (factor, product)
        operations += 2 * left.shape[0] * left.shape[1] * right.shape[1]
        product = left @ right
    return product, operations


sizes = np.array([1, 3, 10, 30, 100, 300])
operations = {mode: np.array([count(n, mode)[1] for n in sizes]) for mode in ("reverse", "forward")}
forward_pass = 3 * 2 * sizes**2 + 2 * sizes  # the loss itself
assert all(np.allclose(count(n, "reverse")[0], count(n, "forward")[0]) for n in sizes)
ratio = operations["forward"][-1] / operations["reverse"][-1]
print(f"operations for 300 inputs: reverse {operations['reverse'][-1]:,}, forward {operations['forward'][-1]:,}")

figure, ax = plt.subplots(figsize=(6.6, 3.8), layout="constrained")
for k, (mode, found) in enumerate(operations.items()):
    style = {"color": COLOURS[1 + 4 * k], "linestyle": STYLES[k], "marker": MARKERS[k]}
    ax.loglog(sizes, found / forward_pass, label=f"{mode} mode", **style)
ax.set(xlabel="number of inputs n", ylabel="operations for the gradient / for the loss")
ax.set_title("Why reverse: many inputs, one loss")
ax.grid(alpha=0.25)
ax.legend()
assert np.all(operations["reverse"] <= forward_pass) and ratio > 100

# %%
# In reverse mode the gradient costs about as much as the loss, however many inputs there are. (With respect to weights
# and inputs together it is about twice as much.) In forward mode the cost grows with their number, and a network has
# millions of weights. **That is why.** With one input and many outputs it is the other way round: then forward mode
# takes one pass, and reverse mode as many as there are outputs.
#
# Reverse mode asks for something in return. To walk back one must remember what was met on the way forward: memory, the
# subject of lesson 8.

print(f"checked: stated 12, found {pullback(1.0)[0]:g}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Set :math:`b = -3`, so that :math:`z = -1`. What are the three derivatives now, and what does it mean for learning?
#    Take out the asserts, which check the old ones. *Hint*: which factor does the ReLU contribute? Draw the graph
#    again.
# 2. Let the loss be :math:`(y - t)^2 + w_1^2`. Two paths lead from :math:`w_1` to the loss. Find the derivative by
#    hand, then by the tape. *Hint*: 12, and what the new path adds.
# 3. A function has 3 inputs and 1000 outputs. How many passes does the table of all 3000 derivatives take in each mode?
#    *Hint*: ``mg.jacobian`` chooses by itself; what would you choose?
