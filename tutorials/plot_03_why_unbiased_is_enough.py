"""
3. Why an unbiased VJP is enough
================================

Exact VJPs cost about twice the forward pass. Training does not need them exact: the gradient of a minibatch, a
few samples of the data, is random anyway. What it needs is a gradient that is right *on average*. In this lesson
we replace the cotangent of a node by a random one with the same mean, see why the whole gradient keeps its mean,
prove it, check it without any sampling error, and then break it in the three ways in which people really do break
it.

An **estimator** takes a cotangent :math:`g` and returns a random :math:`\\hat g` of the same shape. It is **unbiased**
if :math:`\\mathbb{E}[\\hat g \\mid g] = g`, whatever :math:`g` is; :math:`\\mathbb{E}` stands for the mean over all
draws. Our example is a **mask**: keep every :term:`column` with probability :math:`p`, set the others to zero, and
divide what is kept by :math:`p`. A column survives with :math:`G_j / p` in a fraction :math:`p` of all cases, so its
mean is :math:`G_j`.

Four draws of a mask follow. ``sample`` takes the cotangent, the node at which it arrives (``None`` here, as there is no
tape) and a generator of random numbers. A draw is stored as its kept columns; ``dense()`` fills in the zeros.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import inspect, ops
from minigrad.estimators import Mask, TopK
from minigrad.plot.style import COLOURS
from minigrad.structure import Columns

g = np.array([[3.0, -1.0, 2.0]])
rng = np.random.default_rng(0)
for _ in range(4):
    print(Mask(0.5).sample(g, None, rng).dense())

# %%
# The proof, in words
# -------------------
# Walk through the tape backwards. *Claim*: at every node the random cotangent :math:`\hat g` that arrives has the
# exact :math:`g` as its mean.
#
# *Beginning.* At the loss the cotangent is 1. Nothing is random yet.
#
# *Step.* Say the claim holds at a node, for the :math:`\hat g` that arrives there. The estimator replaces it by
# :math:`S(\hat g)`. Its randomness is drawn afresh, so given :math:`\hat g` the mean of :math:`S(\hat g)` is
# :math:`\hat g`. Then the node's VJP is applied, and a VJP is linear in the cotangent (lesson 2). For a linear map
# the mean of the result is the result for the mean:
#
# .. math:: \mathbb{E}\big[J^\top S(\hat g)\big] = J^\top\, \mathbb{E}\big[\mathbb{E}[S(\hat g) \mid \hat g]\big]
#    = J^\top\, \mathbb{E}[\hat g] = J^\top g .
#
# A node that is used several times adds up what comes back, and the mean of a sum is the sum of the means. So the
# claim holds one node further down, and by induction at every leaf.
#
# Two things were used: the VJP is **linear in g**, and the draw at a node is **fresh** given the cotangent that
# arrives. Take either away and the proof falls. We shall see that the theorem falls with it.

# %%
# Checked exactly
# ---------------
# A mask of 3 columns has :math:`2^3 = 8` outcomes with known probabilities. For two masked layers there are at most
# 64, and the mean over them can be *computed*: no draws, no sampling error, no "looks about right". This is what
# ``inspect.exact_moments`` does. The ``variance`` that it prints is the sum of the variances of all entries.

rng = np.random.default_rng(1)
x = rng.normal(size=(4, 3))
W1, W2, W3 = (rng.normal(size=(3, 3)) for _ in range(3))
w1 = mg.Tensor(W1, requires_grad=True, name="W1")

with mg.Tape() as tape:
    h = ops.linear(x, w1, vjp=Mask(0.5)).tanh()
    loss = (ops.linear(ops.linear(h, W2, vjp=Mask(0.5)), W3) ** 2).sum()
moments = inspect.exact_moments(tape, loss)
print(moments)
assert moments.bias < 1e-12 * moments.norm

# %%
# The mean is the exact gradient, to rounding. The tanh in between does no harm: its VJP multiplies by
# :math:`1 - \tanh^2`, which was computed in the forward pass and is not random. What a function does to *values*
# may be as crooked as it likes; what its VJP does to *cotangents* is always linear.
#
# One mask for two layers
# -----------------------
# It is tempting to draw one mask and use it in two layers: it saves an index array, and a kept column of the first
# layer would meet a kept column of the second. Let us try it on the simplest case: three layers, no activation, and
# identity matrices as the upper weights. With :math:`D = \mathrm{diag}(\text{mask}/p)` the gradient passes through
#
# .. math:: G\,D_2\,W_2\,D_1 \quad\text{with } W_2 = I:\qquad
#    \mathbb{E}[D_2 D_1] = I \;\text{ if drawn separately},\qquad
#    \mathbb{E}[D\,D] = \tfrac{1}{p} I \;\text{ if shared},
#
# because a mask of zeros and ones squared is itself, so that :math:`\mathbb{E}[D_{jj}^2] = p \cdot 1/p^2 = 1/p`. At
# :math:`p = 1/2` every gradient is **2.0** times too large. The estimator below has a fixed mask, so that we can
# put the same one on two nodes; then we average over its 8 outcomes by hand.


class FixedMask(mg.Estimator):
    """Keeps given columns and divides them by p: harmless once, harmful when two nodes hold the same one."""

    def __init__(self, kept, p):
        self.kept, self.budget = np.asarray(kept), p

    def sample(self, g, node, rng):
        indices = np.flatnonzero(self.kept)
        return Columns(g[:, indices] / self.budget, indices, g.shape)


def mean_gradient(upper, shared, p=0.5):
    """E of the gradient of W1 over all masks of two nodes, shared by both or drawn separately."""
    w1 = mg.Tensor(W1, requires_grad=True)
    with mg.Tape() as tape:
        loss = (ops.linear(ops.linear(ops.linear(x, w1), upper), W3) ** 2).sum()
    (exact,) = tape.gradients(loss, [w1])
    masks = list(itertools.product((0, 1), repeat=3))
    pairs = [(m, m) for m in masks] if shared else list(itertools.product(masks, masks))
    mean = np.zeros_like(exact)
    for first, second in pairs:  # p = 1/2: all masks are equally likely
        tape.nodes[0].vjp, tape.nodes[1].vjp = FixedMask(first, p), FixedMask(second, p)
        mean += tape.gradients(loss, [w1], rng=0)[0] / len(pairs)
    return exact, mean


exact, fresh = mean_gradient(np.eye(3), shared=False)
exact, shared = mean_gradient(np.eye(3), shared=True)
ratio = np.sum(shared * exact) / np.sum(exact**2)
print(f"mean over exact: fresh masks {np.sum(fresh * exact) / np.sum(exact**2):.3f}, one mask for both {ratio:.3f}")
assert np.allclose(fresh, exact)
assert abs(ratio - 2.0) < 1e-9

# %%
# With a general matrix in between, only the diagonal of :math:`W_2` is inflated: before the last product the bias is
# :math:`(1/p - 1)\, G\, \mathrm{diag}(W_2)`, and that is not a multiple of the gradient. No change of the step size
# mends it.

exact, fresh = mean_gradient(W2, shared=False)
exact, shared = mean_gradient(W2, shared=True)
assert np.allclose(fresh, exact) and not np.allclose(shared, exact, rtol=0.1)

figure, ax = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
places = np.arange(exact.size)
ax.bar(places, exact.ravel(), width=0.7, color="white", edgecolor=COLOURS[0], label="exact gradient")
ax.plot(places, fresh.ravel(), "o", color=COLOURS[1], markersize=9, label="mean, a fresh mask for each layer")
ax.plot(places, shared.ravel(), "X", color=COLOURS[5], markersize=9, label="mean, one mask for both layers")
ax.axhline(0, color="black", linewidth=0.8)
ax.set_xticks(places, [f"({i},{j})" for i, j in np.ndindex(exact.shape)])
ax.set(xlabel="entry of the gradient of $W_1$", ylabel="∂loss/∂$W_1$ (loss per unit of weight)")
ax.set_title("Means over all masks: exact, no sampling error")
ax.legend()

# %%
# That is why minigrad keys its draws by seed *and* node: two nodes never share one.
#
# Not linear in the cotangent
# ---------------------------
# The other assumption. Anything non-linear that is done to a *random* cotangent (or gradient) loses the mean:
# squaring it, clipping its norm, dividing by its own norm "to restore the scale". For one entry kept with
# probability :math:`p` the mean of the square is :math:`p\,(g/p)^2 = g^2/p`, not :math:`g^2`. Here by enumeration,
# for a cotangent of norm 5 that is clipped to norm 5. Clipping the exact one changes nothing.

g = np.array([[3.0, 4.0]])
mean, mean_clipped = np.zeros_like(g), np.zeros_like(g)
for probability, outcome in Mask(0.5).outcomes(g):
    drawn = outcome.dense()
    mean += probability * drawn
    mean_clipped += probability * drawn * min(1.0, 5.0 / max(np.linalg.norm(drawn), 1e-9))
print("exact", g[0], " mean", mean[0], " mean after clipping", mean_clipped[0].round(3))
assert np.allclose(mean, g) and mean_clipped[0, 0] < 2.5

# %%
# Optimisers do such things *after* the backward pass: Adam divides by the root of a mean of squares, which a
# noisier gradient makes larger. That is no error of differentiation, but it means that with Adam an unbiased
# gradient does not give an unbiased step.
#
# Biased on purpose
# -----------------
# Keeping the largest columns, unscaled, is called top-k. It has a smaller squared error than any unbiased estimator
# of its kind and it is always wrong in the same direction. ``inspect.unbiasedness`` tells the two apart. In general it
# is a statistical test on draws, with a stated rate of false alarms (``alpha``, one in a million unless you say
# otherwise). Where all outcomes can be listed, as here, the mean is computed as well.

for estimator in (Mask(2 / 3), TopK(2 / 3)):
    tape.nodes[0].vjp = estimator
    print(estimator, "->", inspect.unbiasedness(tape, loss, [w1], rng=0).verdict)

print(f"checked: stated 2.0, found {ratio:.6f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. A node has two inputs, such as a product ``a @ b``, and one draw serves both. Why is this no violation of
#    "fresh draws"? *Hint*: the proof speaks of the mean of each cotangent. Where would the two meet in a *product*?
# 2. Share one mask between two layers that are *not* on one path: two branches whose outputs are added. Is the
#    gradient biased? *Hint*: the contributions are added, and the mean of a sum does not ask about independence.
#    What does change is the variance.
# 3. Published code has returned the exact cotangent whenever a mask came out empty, "so as not to waste the step".
#    Compute its mean for :math:`m` columns. *Hint*: :math:`\mathbb{E} = (1 + (1-p)^m)\, g`; confirm it with 3 columns
#    and your own ``def outcomes(self, g, node=None)``, which yields each result with its probability, as pairs
#    (probability, result). :doc:`/guide/estimator` has an example.
