"""
5. The best diagonal sketch
===========================

A uniform mask treats a column that carries half of the gradient like one that carries nothing. Surely important
columns should be kept more often. But how much more often? There is one best answer, and it can be computed with
one sort.

Column :math:`j` is kept with its own probability :math:`p_j` and divided by :math:`p_j`. That is the cotangent
times a random diagonal matrix, hence **diagonal sketch**. It is unbiased for any positive :math:`p_j`. So we are
free to choose them such that the noise is least.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, nn, ops, theory
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.plot.style import COLOURS

# %%
# The problem
# -----------
# By the computation of lesson 4, column :math:`j` adds :math:`(1/p_j - 1)\,w_j` to the distortion, where
# :math:`w_j = \|G_j\|^2` is its **weight**. We may keep :math:`r` columns on average. So:
#
# .. math:: \text{minimise } \sum_j \frac{w_j}{p_j} \quad\text{subject to}\quad \sum_j p_j \le r, \quad 0 < p_j \le 1 .
#
# Here it is for two columns of weights 4 and 1 and :math:`r = 1`. Along every grey curve the objective is constant,
# and it falls towards the upper right. The straight line is the constraint: we must stay on it or below. The best
# point is where a curve touches the line, and :math:`p` is in proportion to :math:`\sqrt{w} = (2, 1)`.
#
# With weights 25 and 1 and :math:`r = 1.4` the touching point would lie beyond :math:`p_1 = 1`. There is no such
# probability; the best point is in the corner where the line meets the edge. Column 1 is **saturated**: always
# kept.

figure, axes = plt.subplots(1, 2, figsize=(8.0, 4.9), layout="compressed")
p1, p2 = np.meshgrid(np.linspace(0.02, 1.3, 300), np.linspace(0.02, 1.3, 300))
for ax, (weights, r) in zip(axes, [((4.0, 1.0), 1.0), ((25.0, 1.0), 1.4)], strict=True):
    best = theory.optimal_probabilities(weights, total=r)
    objective = weights[0] / p1 + weights[1] / p2
    least = sum(weights / best)
    ax.contour(p1, p2, objective, levels=least * np.array([0.8, 0.9, 1.0, 1.15, 1.4]), colors="0.6", linewidths=1)
    ax.plot([r, 0], [0, r], color=COLOURS[1], linewidth=2, label=f"$p_1 + p_2 = {r:g}$")
    ax.plot([0, 1, 1], [1, 1, 0], color="black", linewidth=1.2, linestyle="--", label="$p \\leq 1$")
    edge = min(r, 1)  # where the line leaves the square of probabilities
    ax.fill([0, 0, r - edge, edge, edge], [0, edge, edge, r - edge, 0], color=COLOURS[6], alpha=0.25)
    ax.plot(*best, "*", color=COLOURS[5], markersize=16, label=f"best: ({best[0]:.2f}, {best[1]:.2f})")
    ax.plot(r / 2, r / 2, "o", color="black", markersize=7, label=f"uniform: ({r / 2:.2f}, {r / 2:.2f})")
    ax.set(xlim=(0, 1.25), ylim=(0, 1.25), aspect="equal", title=f"weights {weights[0]:g} and {weights[1]:g}")
    ax.set(xlabel="probability $p_1$ of keeping column 1", ylabel="probability $p_2$ of keeping column 2")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=2, fontsize=9)

# %%
# The solution
# ------------
# At the best point no exchange may pay: moving a little probability from one column to another must not change the
# objective. The derivative of :math:`w_j / p_j` is :math:`-w_j / p_j^2`, so this must be the same number
# :math:`-\tau^2` for all columns that are not saturated; a saturated one would like even more than it can have.
# Hence
#
# .. math:: p_j = \min\Big(1, \frac{\sqrt{w_j}}{\tau}\Big)
#    \quad\text{with the level } \tau \text{ that makes } \sum_j p_j = r .
#
# This is called **water-filling**: lower the level :math:`\tau` until the budget is spent. Take columns of norms
# :math:`\sqrt{w} = (10, 2, 1, 1)` and keep :math:`r = 2`. The first one is saturated. The other three share the
# remaining 1 in proportion 2 : 1 : 1, so :math:`p = (1, \tfrac12, \tfrac14, \tfrac14)` and :math:`\tau = 4`.
#
# What was it worth? The uniform mask with :math:`p = 1/2` has distortion :math:`1 \cdot (100 + 4 + 1 + 1) = 106`.
# The best one has :math:`1 \cdot 4 + 3 \cdot 1 + 3 \cdot 1 = 10`. The same number of columns, with **10.6** times
# less noise.

G = np.diag([10.0, 2.0, 1.0, 1.0])
sketch, mask = DiagonalSketch(0.5), Mask(0.5)
p = sketch.probabilities(G)
ratio = mask.distortion(G) / sketch.distortion(G)
print("p =", p, " distortions:", mask.distortion(G), sketch.distortion(G), " ratio:", ratio)
assert np.allclose(p, [1, 0.5, 0.25, 0.25]) and abs(ratio - 10.6) < 1e-9

# %%
# On a real cotangent
# -------------------
# A network of two layers on 128 handwritten digits, freshly initialised. We look at the cotangent that arrives at
# the first linear layer: 128 rows, 64 columns. One column of tiny norm lies above the line in the picture on the
# right: a rule that the last section explains has lifted it.

data = datasets.digits().flat()
images, labels = data.x_train[:128], data.y_train[:128]
model = nn.mlp(64, 64, 10, rng=0)
with mg.Tape() as tape:
    hidden = model[0](mg.Tensor(images))
    loss = ops.cross_entropy(model[2](hidden.relu()), labels)
(G,) = tape.gradients(loss, [hidden])
root = np.sqrt(np.sum(G.astype(float) ** 2, axis=0))
budget = 0.5
p = DiagonalSketch(budget).probabilities(G)
between = (p > 0.1 * budget) & (p < 1)  # neither saturated, nor on the floor of which more below, nor dead
tau = np.max(root[between] / p[between])
dead = np.sum(root == 0)
print(f"level τ = {tau:.2e}; of {p.size} columns {np.sum(p == 1)} are always kept, {dead} are zero")
print(f"expected number kept: {p.sum():.3f}")
assert abs(p.sum() - budget * p.size) < 1e-6

figure, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.6), layout="constrained")
order = np.argsort(-root)
left.bar(
    np.arange(64),
    np.minimum(root, tau)[order],
    color=COLOURS[6],
    width=1.0,
    edgecolor="white",
    label="counts towards $p$",
)
left.bar(
    np.arange(64),
    np.maximum(root - tau, 0)[order],
    bottom=tau,
    color="white",
    edgecolor="0.5",
    width=1.0,
    label="above the level",
)
left.axhline(tau, color=COLOURS[5], label="level τ")
left.set(
    xlabel="column, by decreasing norm",
    ylabel="√weight = ‖$G_j$‖ (gradient units)",
    title="Everything above the level is cut off",
)
left.legend()
line = np.linspace(0, root.max(), 200)
right.plot(line, np.minimum(1, line / tau), color=COLOURS[5], label="min(1, √w / τ)")
right.plot(root, p, "o", color=COLOURS[1], markersize=5, label="64 columns")
right.axhline(budget, color="black", linestyle="--", label="uniform mask")
right.set(
    xlabel="√weight = ‖$G_j$‖ (gradient units)",
    ylabel="probability of being kept",
    title=f"Same budget: {budget:g} of the columns",
)
right.legend()

# %%
# The gain is largest where few columns carry most of the gradient. The ratio is never below 1: the uniform mask is
# one of the points that the best one was compared with.

for budget in (0.1, 0.25, 0.5, 0.75):
    gain = Mask(budget).distortion(G) / DiagonalSketch(budget).distortion(G)
    print(f"budget {budget:4}: noise of the uniform mask / noise of the best sketch = {gain:.2f}")
    assert gain >= 1

# %%
# Whose noise? And a trap
# -----------------------
# We have minimised the noise of :math:`G`. If only :math:`\partial X = G W` is wanted, the weights should be
# :math:`\|G_j\|^2\|W_j\|^2`; ``DiagonalSketch(budget, target="input")`` uses these.
#
# Now the trap. Where a row of :math:`W` is zero, or tiny, so is this weight, and so would be :math:`p_j`. For
# :math:`\partial X` that is perfect: nothing is lost. But the same draw also serves :math:`\partial W = G^\top X`,
# and there row :math:`j` is not zero at all! With :math:`p_j = 0` it would never be seen: a bias. With
# :math:`p_j = 10^{-6}` it is unbiased on paper, and once in a million steps it arrives, multiplied by a million.
#
# Hence the **floor rule**: wherever :math:`G_j \ne 0`, :math:`p_j \ge 0.1 \cdot \text{budget}`. The rest of the
# same total is water-filled as before. Watch the columns 3 and 4, whose weights :math:`W_j` are 0.

rng = np.random.default_rng(0)
X, G = rng.normal(size=(8, 6)), np.ones((8, 4))
W = rng.normal(size=(4, 6)) * np.array([1.0, 2.0, 0.0, 0.0])[:, None]
w = mg.Tensor(W, requires_grad=True, name="W")
with mg.Tape() as tape:
    y = ops.linear(mg.Tensor(X, requires_grad=True), w)
node = tape.nodes[0]
p = DiagonalSketch(0.25, target="input").probabilities(G, node)
bare = theory.optimal_probabilities(np.sum(G**2, axis=0) * np.sum(W**2, axis=1), total=1)
print("without the floor:", bare.round(3), "  with it:", p.round(3), "  sum", p.sum())
assert bare[2] == 0 and np.allclose(p[2:], 0.025) and abs(p.sum() - 1) < 1e-9

price = theory.input_distortion(G, W, "column", p=p) / theory.minimal_distortion(
    np.sum(G**2, axis=0) * np.sum(W**2, axis=1), 1
)
print(f"what the floor costs: the noise of ∂X grows by a factor {price:.3f}")
assert 1 < price < 1.3

figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.bar(
    np.arange(4) - 0.2,
    bare,
    width=0.4,
    color="white",
    edgecolor=COLOURS[5],
    hatch="//",
    label="water-filling alone: 0 is a bias of ∂W",
)
ax.bar(np.arange(4) + 0.2, p, width=0.4, color=COLOURS[1], label="with the floor rule")
ax.axhline(0.025, color="black", linestyle="--", linewidth=1, label="floor: 0.1 × budget")
ax.set_xticks(range(4), ["1", "2", "3\n($W_j = 0$)", "4\n($W_j = 0$)"])
ax.set(xlabel="column", ylabel="probability of being kept", title='target="input", budget 0.25', ylim=(0, 1.05))
ax.legend()

print(f"checked: stated 10.6, found {ratio:.4f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Suppose that keeping column :math:`j` costs :math:`c_j` and the constraint is :math:`\sum c_j p_j \le C`. Show
#    that :math:`p_j = \min(1, \sqrt{w_j / c_j}/\tau)`. *Hint*: an exchange now moves probability at the rate of the
#    costs. Check with ``theory.optimal_probabilities(weights, total, costs)``.
# 2. Many libraries use :math:`p_j \propto w_j` instead of :math:`\sqrt{w_j}`. How much is lost for norms (10, 2, 1,
#    1) and :math:`r = 2`? *Hint*: cap at 1 and share the rest; compute :math:`\sum (1/p_j - 1) w_j`.
# 3. Find a cotangent for which the best sketch gains nothing. *Hint*: when does Cauchy-Schwarz,
#    :math:`(\sum \sqrt{w_j})^2 \le m \sum w_j`, hold with equality?
