"""
8. Memory: sketches of what is saved
====================================

So far the cotangent was sketched, on the way back. That saves arithmetic. Memory is another matter: a tape must
*save* things on the way forward, and in a large network what it saves fills the machine long before anything else
does. In this lesson we sketch what is saved, with a primitive of our own, and learn the one rule that must be
kept, which published code has broken.

What a node saves for its VJP is called its **residuals**.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import ops, testing
from minigrad.estimators import Mask
from minigrad.plot.style import COLOURS

# %%
# What is saved, and why
# ----------------------
# A linear layer :math:`Y = X W^\top` needs :math:`X` for one purpose only: :math:`\partial W = G^\top X`. And this
# is **linear in X**. So by the argument of lesson 3, with the roles of :math:`G` and :math:`X` exchanged, a random
# :math:`\hat X` with mean :math:`X` gives an unbiased gradient,
#
# .. math:: \mathbb{E}[G^\top \hat X] = G^\top\,\mathbb{E}[\hat X] = G^\top X,
#
# as long as :math:`\hat X` is drawn independently of everything that shapes :math:`G`. The forward pass itself
# stays exact: the loss is the true loss, and :math:`\partial X = G W` needs no :math:`X`.
#
# For :math:`\hat X` we keep some rows of :math:`X`, divided by the probability :math:`p` of keeping them. Dropped
# rows are not stored at all. The draw happens in the *forward* pass, for what is not saved cannot be kept later.


@mg.primitive(x=lambda g, saved: g @ saved["w"], w=lambda g, saved: g[saved["rows"]].T @ saved["x_rows"])
def frugal_linear(x, w, rows, p):
    """x @ w.T, which saves only the given rows of x, divided by the probability p with which they were chosen."""
    return x @ w.T, {"x_rows": x[rows] / p, "rows": rows, "w": w}


def choose(count, p, rng):
    return np.flatnonzero(rng.random(count) < p)


# %%
# Is it unbiased? With 6 rows there are 64 choices, and we can average over them all, each with its probability. The
# loss is curved, so :math:`G` depends on :math:`X` as well, but through the exact forward values, not through the
# draw.

rng = np.random.default_rng(0)
p = 0.25
X, W = rng.normal(size=(6, 4)), rng.normal(size=(3, 4))


def gradient(rows, p):
    w = mg.Tensor(W, requires_grad=True)
    with mg.Tape() as tape:
        loss = (frugal_linear(X, w, rows=rows, p=p).tanh() ** 2).sum()
    return tape.gradients(loss, [w])[0]


exact = gradient(np.arange(6), 1.0)
mean_linear = np.zeros_like(exact)
for kept in itertools.product((False, True), repeat=6):
    probability = np.prod(np.where(kept, p, 1 - p))
    mean_linear += probability * gradient(np.flatnonzero(kept), p)
print("largest difference of the mean from the exact gradient:", f"{np.abs(mean_linear - exact).max():.1e}")
assert np.allclose(mean_linear, exact)
testing.assert_gradients_close(lambda x, w: frugal_linear(x, w, rows=np.arange(6), p=1.0), X, W)  # the rules, at p = 1

# %%
# What it saves
# -------------
# A node knows the bytes of its residuals. A layer of 256 features on 2048 rows, in float32:

x = mg.Tensor(rng.normal(size=(2048, 256)).astype(np.float32), requires_grad=True)
w = mg.Tensor(rng.normal(size=(256, 256)).astype(np.float32), requires_grad=True)
bytes_saved = {}
with mg.Tape() as tape:
    ops.linear(x, w)
    for budget in (0.5, 0.25, 0.1):
        frugal_linear(x, w, rows=choose(2048, budget, rng), p=np.float32(budget))
for node, label in zip(tape.nodes, ("exact", "0.5", "0.25", "0.1"), strict=True):
    extra = node.nbytes - node.saved["w"].nbytes  # w itself is no extra memory: the model holds it
    bytes_saved[label] = extra / 2**20
    print(f"{label:6s} {bytes_saved[label]:.2f} MiB for x")
assert bytes_saved["0.25"] < 0.3 * bytes_saved["exact"]

# %%
# The rule: only what enters linearly
# -----------------------------------
# Encouraged by this, somebody saves the input of a ReLU in the same way. The ReLU, :math:`\max(x, 0)`, has slope 1
# where :math:`x > 0` and 0 elsewhere. So from the sampled entries of :math:`x` the slope is recomputed: 1 where the
# saved entry is positive.
#
# But an entry that was not sampled is 0 in :math:`\hat x`, and gets slope 0. And nothing is divided by :math:`p`:
# the *step function* forgets the scale. The mean slope is :math:`p` where it should be 1. The gradient is **0.25**
# times what it should be, on average, when a quarter of the entries is kept. No error, no warning; the network
# trains, slowly, in the lower layers.


@mg.primitive(x=lambda g, saved: g * (saved["x_hat"] > 0))
def careless_relu(x, kept, p):
    """max(x, 0) that saves only the sampled entries of x. Biased."""
    return np.maximum(x, 0), {"x_hat": np.where(kept, x / p, 0)}


@mg.primitive(x=lambda g, saved: g * np.unpackbits(saved["positive"], count=g.size).reshape(g.shape))
def frugal_relu(x):
    """max(x, 0) that saves one bit for each entry. Exact."""
    return np.maximum(x, 0), {"positive": np.packbits(x > 0)}


x = rng.normal(size=(2, 5))
g = np.linspace(-2, 2, 10).reshape(2, 5)
right = mg.vjp(frugal_relu, x)[1](g)[0]
mean_relu = np.zeros_like(x)
for kept in itertools.product((False, True), repeat=10):
    probability = np.prod(np.where(kept, p, 1 - p))
    _, pullback = mg.vjp(lambda t, kept=kept: careless_relu(t, kept=np.reshape(kept, (2, 5)), p=p), x)
    mean_relu += probability * pullback(g)[0]
ratio = np.sum(mean_relu * right) / np.sum(right**2)
print(f"mean over all {2**10} samples: {ratio:.6f} times the right gradient")
assert np.allclose(mean_relu, 0.25 * right)

# %%
# The mended version does not sample. Its rule needs only the *sign* of :math:`x`, which is one bit: 32 times less
# than float32, and exact. Before you sketch a residual, ask what of it the rule really needs.

figure, (left, right_ax) = plt.subplots(1, 2, figsize=(8.8, 3.6), layout="constrained")
limits = np.array([-2.2, 2.2])
left.plot(limits, limits, color="black", linewidth=1, label="unbiased")
left.plot(limits, p * limits, ":", color="black", label=f"slope {p:g}")
left.plot(right.ravel(), mean_relu.ravel(), "X", color=COLOURS[5], markersize=9, label="careless ReLU")
unit = np.abs(exact).max() / 2
left.plot(
    exact.ravel() / unit,
    mean_linear.ravel() / unit,
    "o",
    color=COLOURS[1],
    markersize=6,
    label="frugal linear (scaled)",
)
left.set(
    xlabel="exact gradient, entry by entry", ylabel="mean over all samples", title=f"Means at p = {p:g}, by enumeration"
)
left.legend(fontsize=8)
bits = 2048 * 256 / 8 / 2**20
right_ax.bar(list(bytes_saved), list(bytes_saved.values()), color=COLOURS[6], edgecolor=COLOURS[1])
right_ax.bar(["ReLU:\nx", "ReLU:\nsigns"], [2.0, bits], color="white", edgecolor=COLOURS[5], hatch="//")
right_ax.set(xlabel="linear: fraction of rows of X;  ReLU: x, or its signs", ylabel="saved for the way back (MiB)")
right_ax.set_title("2048 × 256 inputs in float32")

# %%
# The input of a GELU must not be sketched either, and for the same reason. Its *slope* may: the VJP, cotangent times
# slope, is linear in that. A softmax or a normalisation multiplies what it saved by itself, so one sketch of it is not
# allowed.
#
# The other rule: a fresh sketch for each
# ---------------------------------------
# "Independent of everything that shapes :math:`G`". When could it fail? Take a product :math:`y = x \odot w`
# followed by another with the same :math:`x`, :math:`z = x \odot y`. Both save :math:`x`; it is tempting to save
# *one* sketch for both. On the way back the cotangent is multiplied by :math:`\hat x` twice, and
# :math:`\mathbb{E}[\hat x^2] = x^2/p`, not :math:`x^2`. It is lesson 3 once more: two draws on one path must be
# separate.


@mg.primitive(y=lambda g, saved: g * saved["x_hat"])
def scale(y, x, x_hat):
    """x * y, which saves a sketch of x."""
    return x * y, {"x_hat": x_hat}


def mean_of_two_products(shared):
    """The gradient of Σ x·(x·w) with respect to w, averaged over all sketches of 3 entries; exact: x²."""
    x, total = np.array([1.0, 2.0, 3.0]), 0.0
    sketches = list(itertools.product((0, 1 / p), repeat=3))
    for first, second in ((a, a) for a in sketches) if shared else itertools.product(sketches, sketches):
        chance = np.prod([p if keep else 1 - p for keep in (first if shared else first + second)])
        w = mg.Tensor(np.ones(3), requires_grad=True)
        with mg.Tape() as tape:
            loss = scale(scale(w, x=x, x_hat=x * first), x=x, x_hat=x * second).sum()
        total = total + chance * tape.gradients(loss, [w])[0]
    return total


print("exact [1, 4, 9];  separate sketches:", mean_of_two_products(False), "  one sketch:", mean_of_two_products(True))
assert np.allclose(mean_of_two_products(False), [1, 4, 9]) and np.allclose(mean_of_two_products(True), [4, 16, 36])

# %%
# In the library
# --------------
# Products have this built in. ``save=`` takes any estimator for what ``linear``, ``matmul`` and ``conv2d`` save, and
# ``nn.set_save`` sets it for a whole model. The draws of the forward pass come from the generator of the tape, a fresh
# one for each node. A softmax keeps two sketches, one for each factor, and what must not be sketched is refused.

x = rng.normal(size=(2048, 256)).astype(np.float32)
with mg.Tape(rng=0) as tape:
    hidden = ops.linear(x, w, save=Mask(0.25, axis="row"))
    hidden.relu()
print(tape.summary())
assert tape.nodes[0].nbytes < 0.3 * x.nbytes and tape.nodes[1].nbytes <= x.size / 8
try:
    ops.log_softmax(hidden, save=Mask(0.25))
except TypeError as error:
    print(str(error).split(".")[0])

print(f"checked: stated 0.25, found {ratio:.6f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Keep row :math:`i` with a probability in proportion to :math:`\|X_{i\cdot}\|`. Change ``frugal_linear`` and
#    verify by enumeration that it is unbiased. *Hint*: the probabilities come from
#    ``theory.optimal_probabilities(squared_norms, total)``; divide each row by its own.
# 2. The frugal layer has a variance even if every cotangent is exact. Derive it. *Hint*: with
#    :math:`\kappa = 1/p - 1` it is :math:`\kappa \sum_i \|G_{i\cdot}\|^2 \|X_{i\cdot}\|^2`, which you know from
#    lesson 4; check it against the 64 choices.
# 3. For which of these may the saved value be sketched: ``exp`` (saves its output), ``a * b`` (saves both),
#    ``sqrt`` (saves its output), a convolution (saves its input)? *Hint*: write down the VJP, and ask whether it is
#    linear in the saved value.
