"""
1b. The VJPs that everything rests on
=====================================

Four rules do nearly all the work in the backward pass of a network: those of a matrix product, of a repeated array, of
the ReLU, and of a loss for classes. Each can be derived from a single entry, with nothing but the chain rule. We derive
them, check them against loops that know no matrices, and then train a network on handwritten digits with these rules
alone.

A word: the rule that takes the :term:`cotangent` of an output to the cotangent of an input is the :term:`VJP` of the
operation. Throughout, :math:`G` is the cotangent of the output :math:`Y`, so
:math:`G_{ij} = \\partial\\,\\mathrm{loss}/\\partial Y_{ij}`.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, ops
from minigrad.plot.style import COLOURS, STYLES

# %%
# A matrix product
# ----------------
# A **linear layer** has a matrix of weights :math:`W` with a row for each output. It takes rows of inputs, one for each
# sample, and gives rows of outputs, :math:`Y = X W^\top + b`. One entry of it:
#
# .. math:: Y_{ij} = \sum_k X_{ik} W_{jk} + b_j .
#
# *Who reads* :math:`X_{ik}`? All entries of row :math:`i` of :math:`Y`. The entry :math:`Y_{ij}` stretches a change of
# it by :math:`W_{jk}`. Chain rule, and a sum over all paths:
#
# .. math:: \frac{\partial\,\mathrm{loss}}{\partial X_{ik}} = \sum_j G_{ij} W_{jk},
#    \qquad\text{that is}\qquad \partial X = G\,W .
#
# *Who reads* :math:`W_{jk}`? The :math:`j`-th :term:`column` of :math:`Y`, in every sample :math:`i`, with the factor
# :math:`X_{ik}`. And :math:`b_j` is read by the same entries, with the factor 1:
#
# .. math:: \frac{\partial\,\mathrm{loss}}{\partial W_{jk}} = \sum_i G_{ij} X_{ik},
#    \quad\text{that is}\quad \partial W = G^\top X,
#    \qquad \frac{\partial\,\mathrm{loss}}{\partial b_j} = \sum_i G_{ij} .
#
# The shapes leave hardly a choice: a cotangent has the shape of what it belongs to.

rng = np.random.default_rng(0)
X, W, b = rng.integers(-3, 4, (4, 3)), rng.integers(-3, 4, (2, 3)), rng.integers(-3, 4, 2)
G = rng.integers(-3, 4, (4, 2))
dX, dW, db = np.zeros((4, 3)), np.zeros((2, 3)), np.zeros(2)
for i, j in np.ndindex(4, 2):  # each output entry, and all that it reads
    for k in range(3):
        dX[i, k] += G[i, j] * W[j, k]
        dW[j, k] += G[i, j] * X[i, k]
    db[j] += G[i, j]
assert np.array_equal(dX, G @ W) and np.array_equal(dW, G.T @ X) and np.array_equal(db, G.sum(axis=0))

_, pullback = mg.vjp(ops.linear, *(array.astype(float) for array in (X, W, b)))
assert all(np.array_equal(mine, its) for mine, its in zip((dX, dW, db), pullback(G.astype(float)), strict=True))
print("loops, matrix products and minigrad agree")

# %%
# The picture shows one entry of each. Row :math:`i` of :math:`G` meets column :math:`k` of :math:`W`: every *output
# feature* of this sample. Column :math:`j` of :math:`G` meets column :math:`k` of :math:`X`: every *sample*. All later
# lessons are about leaving out columns or rows of :math:`G`; here one sees what each of them is good for.

figure, axes = plt.subplots(2, 3, figsize=(8.4, 6.0), layout="constrained")
panels = [("G", G, (2, None)), ("W", W, (None, 1)), ("∂X = G W", dX, (2, 1))]
panels += [("G", G, (None, 0)), ("X", X, (None, 1)), ("∂W = Gᵀ X", dW, (0, 1))]
for ax, (name, values, (row, column)) in zip(axes.flat, panels, strict=True):
    marked = np.zeros(values.shape)
    marked[row if row is not None else slice(None), column if column is not None else slice(None)] = 1
    ax.imshow(marked, cmap="Blues", vmin=0, vmax=2.5)
    for (i, k), value in np.ndenumerate(values):
        ax.text(k, i, f"{value:g}", ha="center", va="center", fontsize=12)
    ax.set(title=name, xticks=[], yticks=[])
figure.suptitle("One entry of ∂X (above) and of ∂W (below), and what it is made of")

# %%
# What was repeated adds up
# -------------------------
# In :math:`X W^\top + b` the vector :math:`b` has 2 entries and is added to an array of 4 rows. NumPy repeats it, every
# row gets the same :math:`b`; this is called **broadcasting**. An entry that is read four times gets four cotangents,
# and they are added; so the rule for ``b`` was a sum over rows. This is **unbroadcasting**: *sum over every axis along
# which an array was repeated*. No entry is lost, and the shape is again that of the input.

row, column = np.array([10.0, 20.0, 30.0]), np.array([[1.0], [2.0]])
total, pullback = mg.vjp(lambda a, b: a + b, row, column)
g = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
to_row, to_column = pullback(g)
print("shapes", row.shape, "+", column.shape, "->", total.shape)
print("cotangents", to_row.tolist(), to_column.tolist())
assert np.array_equal(to_row, g.sum(axis=0)) and np.array_equal(to_column, g.sum(axis=1, keepdims=True))

# %%
# ReLU: a gate
# ------------
# :math:`y = \max(z, 0)` has slope 1 where :math:`z > 0` and 0 elsewhere, entry by entry. So its VJP lets a cotangent
# pass where the input was positive, and stops it elsewhere: ``g * (z > 0)``.
#
# Probabilities from numbers
# --------------------------
# A network for :math:`C` classes gives :math:`C` numbers, the **logits** :math:`y`. The **softmax** makes probabilities
# of them, positive and with sum 1:
#
# .. math:: p_c = \frac{e^{y_c}}{\sum_{d} e^{y_d}} .
#
# The true class is :math:`t`. How bad is it to have given it the probability :math:`p_t`? The **cross-entropy** is
# :math:`-\log p_t`: 0 if the network was certain and right, and without bound as :math:`p_t` goes to 0. For
# probabilities (1/4, 1/2, 1/4) and the second class it is :math:`\log 2`, that is **0.693**.
#
# Its gradient is the reason why everybody uses the two together. Write the loss with the definition of the softmax:
#
# .. math:: -\log p_t = \log \sum_d e^{y_d} - y_t .
#
# The derivative of the first term with respect to :math:`y_c` is :math:`e^{y_c} / \sum_d e^{y_d}`, which is
# :math:`p_c` once more. The second term gives :math:`-1` at the true class. So
#
# .. math:: \frac{\partial\,\mathrm{loss}}{\partial y_c} = p_c - [c = t] ,
#
# **what was said minus what is true**: :math:`[c = t]` is 1 for the true class and 0 for the others. For the mean over
# a batch of :math:`B` samples it is divided by :math:`B`.

y, t = np.log([[1.0, 2.0, 1.0]]), np.array([1])
p = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
loss, pullback = mg.vjp(lambda y: ops.cross_entropy(y, t), y)
(cotangent,) = pullback(1.0)
print("p =", p[0], " loss =", f"{loss:.4f}", " gradient =", cotangent[0])
assert np.allclose(cotangent, p - np.eye(3)[t]) and abs(cotangent.sum()) < 1e-12

# %%
# What would a squared error :math:`\tfrac12\sum_c (p_c - [c = t])^2` have done instead? Its cotangent passes through
# the softmax, whose slope goes to zero where it is certain, *also where it is certain and wrong*. Look at two classes,
# with the logit of the right one on the axis. On the left the network is badly wrong. There the cross-entropy pulls
# with nearly its full force of 1, and the squared error with less than 0.01: from there it would learn very slowly.

logit = np.linspace(-8, 8, 200)
logits = np.stack([logit, np.zeros_like(logit)], axis=1)
right = np.zeros(len(logit), dtype=int)
wanted = np.eye(2)[right]
forces = {
    "cross-entropy: p − 1": mg.grad(lambda y: ops.cross_entropy(y, right, reduction="sum"))(logits)[:, 0],
    "squared error": mg.grad(lambda y: ((ops.softmax(y) - wanted) ** 2).sum() / 2)(logits)[:, 0],
}
figure, ax = plt.subplots(figsize=(6.6, 3.6), layout="constrained")
for k, (name, force) in enumerate(forces.items()):
    ax.plot(logit, force, color=COLOURS[1 + 4 * k], linestyle=STYLES[k], label=name)
ax.axhline(0, color="black", linewidth=0.8)
ax.set(xlabel="logit of the right class (the other one is 0)", ylabel="∂loss / ∂logit")
ax.set_title("Who is wrong must be told so")
ax.legend()
assert forces["cross-entropy: p − 1"][0] < -0.99 and abs(forces["squared error"][0]) < 0.01

# %%
# A network, from these rules alone
# ---------------------------------
# Two linear layers with a ReLU between them, on handwritten digits. The backward pass is five lines, each a rule from
# above, and it agrees with minigrad's.
#
# ``datasets.digits`` has pictures of 8 × 8 numbers between 0 and 1, which ``flat`` makes rows of 64. Most are for
# *training*; the others are the *test* data, on which we count how often the network is right: it has never seen them.
# The first layer makes 32 features of the 64 numbers, a choice. The weights begin at random. A sum of 64 terms of
# random sign is about :math:`\sqrt{64}` times as large as one of them. The weights of the first layer are divided by 8,
# and those of the second by 6, about :math:`\sqrt{32}`, so that numbers neither grow nor shrink much on their way.
#
# We train by **stochastic gradient descent (SGD)**: take a few samples at random, a **minibatch**, and go a small step
# against *their* gradient. It is not the gradient on all data, but right on average, and much cheaper. This thought,
# with other things left out than samples, is what the library is about.


def forward_and_backward(X, t, W1, b1, W2, b2):
    Z = X @ W1.T + b1
    H = np.maximum(Z, 0)
    Y = H @ W2.T + b2
    p = np.exp(Y - Y.max(axis=1, keepdims=True))  # the same p, and nothing overflows
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(t)), t]).mean()

    G = (p - np.eye(10)[t]) / len(t)  # softmax and cross-entropy
    dW2, db2 = G.T @ H, G.sum(axis=0)  # second layer
    G = G @ W2
    G = G * (Z > 0)  # ReLU
    dW1, db1 = G.T @ X, G.sum(axis=0)  # first layer; nobody asks for ∂X
    return loss, (dW1, db1, dW2, db2)


def its_loss(X, t, W1, b1, W2, b2):
    return ops.cross_entropy(ops.linear(ops.linear(X, W1, b1).relu(), W2, b2), t)


data = datasets.digits().flat()
rng = np.random.default_rng(0)
parameters = [rng.normal(size=(32, 64)) / 8, np.zeros(32), rng.normal(size=(10, 32)) / 6, np.zeros(10)]
batch = data.x_train[:50].astype(float), data.y_train[:50]
_, mine = forward_and_backward(*batch, *parameters)
_, pullback = mg.vjp(lambda *parameters: its_loss(*batch, *parameters), *parameters)
assert all(np.allclose(one, other) for one, other in zip(mine, pullback(1.0), strict=True))

losses = []
for _ in range(1000):
    chosen = rng.integers(len(data.x_train), size=50)
    found, gradients = forward_and_backward(data.x_train[chosen], data.y_train[chosen], *parameters)
    parameters = [w - 0.2 * g for w, g in zip(parameters, gradients, strict=True)]
    losses.append(found)
said = (np.maximum(data.x_test @ parameters[0].T + parameters[1], 0) @ parameters[2].T + parameters[3]).argmax(axis=1)
accuracy = np.mean(said == data.y_test)
print(f"loss {losses[0]:.2f} at first, {np.mean(losses[-50:]):.2f} in the end; test accuracy {100 * accuracy:.1f} %")
assert accuracy > 0.9

print(f"checked: stated 0.693, found {loss:.4f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Derive the VJPs of :math:`Y = A B` from a single entry :math:`Y_{ij} = \sum_k A_{ik} B_{kj}`. *Hint*: who reads
#    :math:`A_{ik}`? The answers are :math:`G B^\top` and :math:`A^\top G`, as in lesson 1.
# 2. Add the same number to all logits. What happens to the probabilities, and why does it follow that the entries of
#    :math:`p - [c = t]` sum to 0? *Hint*: the loss does not change in this direction.
# 3. The softmax alone has the VJP :math:`p \circ (g - \langle p, g\rangle)`. Derive it, and put the cotangent
#    :math:`-1/p_t` of the logarithm through it. Here :math:`\circ` multiplies entry by entry, and
#    :math:`\langle p, g\rangle` is :math:`\sum_c p_c\, g_c`. *Hint*:
#    :math:`\partial p_c / \partial y_d = p_c ([c = d] - p_d)`.
