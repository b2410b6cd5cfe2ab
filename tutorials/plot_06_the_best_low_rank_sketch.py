"""
6. The best low-rank sketch
===========================

A cotangent may have no column that is small and yet hold little: all its columns may be mixtures of a few. Then it is
not columns that should be kept, but *directions*. In this lesson we keep singular directions, at random and unbiased (a
**low-rank sketch**), meet a theorem that says that nobody can do better at that rank, and compare with the fashionable
alternative, **random projections**, which need no look at the cotangent at all.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, ops, theory
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection
from minigrad.plot.style import COLOURS, MARKERS, STYLES
from minigrad.structure import dense

# %%
# Singular directions
# -------------------
# Every matrix is a sum :math:`G = \sum_k \sigma_k\, u_k v_k^\top` with singular values
# :math:`\sigma_1 \ge \sigma_2 \ge \dots \ge 0` and orthonormal :math:`u_k` and :math:`v_k`: its singular value
# decomposition. Its **rank** is the number of terms that are not zero. A matrix of rank :math:`r` is stored as two
# thin factors, of :math:`r` columns and :math:`r` rows, and a product with it costs :math:`r` thin products.
#
# The terms are orthogonal to one another, just as columns are. So the problem of lesson 5 comes back word for word,
# with :math:`w_k = \sigma_k^2`: keep term :math:`k` with probability :math:`p_k`, divide it by :math:`p_k`, and
# water-fill,
#
# .. math:: p_k = \min(1, \sigma_k / \tau), \qquad
#    \mathbb{E}\|\hat G - G\|^2 = \sum_k \Big(\frac{1}{p_k} - 1\Big) \sigma_k^2 .
#
# Benzing et al. (2019) and Barnes, Cameron and Howard (2025) proved that **no unbiased estimator of G of rank at
# most r**, however it is made, has a smaller distortion, for any whole number :math:`r`. (Drawn independently, the
# number of terms is :math:`r` on average only; ``LowRankSketch(budget, design="systematic")`` keeps exactly
# :math:`r`, with the same probabilities and the same distortion.)
#
# Take singular values 3, 1, 1, 0 and :math:`r = 2`. The first direction is always kept, the next two half of the
# time, and the distortion is :math:`1 + 1 = 2`. A random projection with orthonormal columns has
# :math:`(m/r - 1)\|G\|^2 = 1 \cdot 11`: it is **5.5** times as noisy at the same rank.

G = np.diag([3.0, 1.0, 1.0, 0.0])
best, projection = LowRankSketch(0.5), RandomProjection(0.5, kind="orthogonal")
ratio = projection.distortion(G) / best.distortion(G)
print("distortions:", best.distortion(G), projection.distortion(G), " ratio:", round(ratio, 6))
assert abs(ratio - 5.5) < 1e-9

# %%
# Random projections
# ------------------
# A random projection is :math:`\hat G = G\,\Omega\,\Omega^\top` with a random :math:`\Omega` of :math:`m` rows and
# :math:`r` columns such that :math:`\mathbb{E}\,\Omega\Omega^\top = I`. Its mean is :math:`G I = G`, so it is
# unbiased. It needs no scores and no decomposition. Three ways to choose :math:`\Omega`, with what they cost in
# noise:
#
# * entries from a normal distribution of variance :math:`1/r`: distortion :math:`\frac{m+1}{r}\|G\|^2`,
# * entries :math:`\pm 1/\sqrt r`, fair coins: :math:`\frac{m-1}{r}\|G\|^2`,
# * :math:`\sqrt{m/r}` times :math:`r` random orthonormal columns: :math:`(\frac mr - 1)\|G\|^2`.
#
# The last is *exactly* the distortion of a uniform mask with :math:`p = r/m`, and the others are worse. A
# projection never beats a plain mask for :math:`G` itself, and it pays for the products with :math:`\Omega`
# besides. Because every column gets a bit of every other, none is missed completely; but in the mean square that
# buys nothing.

# %%
# A cotangent of a network
# ------------------------
# 128 handwritten digits, a hidden layer of 64 features. We train for a few steps with exact VJPs, so that the
# weights are no longer fresh, and take the cotangent at the hidden layer.

data = datasets.digits().flat()
images, labels = data.x_train[:128].astype(float), data.y_train[:128]
rng = np.random.default_rng(0)
leaves = [
    mg.Tensor(rng.normal(size=(m, n)) / np.sqrt(n), requires_grad=True, name=name)
    for name, m, n in (("W1", 64, 64), ("W2", 10, 64))
]


def forward(w1, w2):
    hidden = ops.linear(images, w1)
    return hidden, ops.cross_entropy(ops.linear(hidden.tanh(), w2), labels)


for _ in range(20):
    with mg.Tape() as tape:
        hidden, loss = forward(*leaves)
    gradients = tape.gradients(loss, leaves)
    leaves = [mg.Tensor(w.data - 0.5 * g, requires_grad=True) for w, g in zip(leaves, gradients, strict=True)]
with mg.Tape() as tape:
    hidden, loss = forward(*leaves)
(G,) = tape.gradients(loss, [hidden])
u, sigma, vt = np.linalg.svd(G, full_matrices=False)
r = 4
p = theory.optimal_probabilities(sigma**2, total=r)
print(f"loss {loss.item():.3f}; singular values over the largest:", (sigma / sigma[0])[[0, 1, 4, 8, 9, 20]].round(4))

# %%
# Ten classes, and one direction is lost because the gradients of a softmax sum to zero: behind the weights
# :math:`W_2` only nine directions could be there at all, before the tanh rescaled every entry by itself. So this
# cotangent of 64 columns has nine that matter.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.8), layout="constrained")
count = 16
left.bar(
    np.arange(1, count + 1), sigma[:count] / sigma[0], color=COLOURS[6], edgecolor=COLOURS[1], label="σ$_k$ / σ$_1$"
)
left.plot(np.arange(1, count + 1), p[:count], "o-", color=COLOURS[5], label=f"$p_k$ at rank {r}")
left.set(xlabel="singular direction k", ylabel="relative size; probability", title="What is kept how often")
left.legend()

m = G.shape[1]
square = np.sum(G**2)
ranks = np.array([1, 2, 4, 8, 16, 32])
estimators = {
    "Gaussian projection": lambda b: RandomProjection(b, kind="gaussian"),
    "±1 projection": lambda b: RandomProjection(b, kind="rademacher"),
    "orthogonal projection": lambda b: RandomProjection(b, kind="orthogonal"),
    "uniform column mask": lambda b: Mask(b),
    "best diagonal sketch": lambda b: DiagonalSketch(b),
    "best low-rank sketch": lambda b: LowRankSketch(b),
}
formula = {name: np.array([make(k / m).distortion(G) / square for k in ranks]) for name, make in estimators.items()}
draws = 150
for k, (name, make) in enumerate(estimators.items()):
    measured = [
        np.mean([np.sum((dense(make(rank / m).sample(G, None, rng)) - G) ** 2) for _ in range(draws)]) / square
        for rank in ranks
    ]
    assert np.allclose(measured, formula[name], rtol=0.5)  # few draws; lesson 4 looked more closely
    unit = formula["uniform column mask"]
    shifted = ranks * 1.05 ** (k - 2.5)  # side by side, so that all can be seen
    right.loglog(ranks, formula[name] / unit, color=COLOURS[k], linestyle=STYLES[k])
    right.loglog(shifted, measured / unit, color=COLOURS[k], marker=MARKERS[k], linestyle="", markersize=6, label=name)
right.set_ylim(3e-3, 4)
right.set_xticks(ranks, [str(rank) for rank in ranks])
right.set_xticks([], minor=True)
right.set(xlabel="rank, or number of columns kept", ylabel="distortion / that of a uniform mask")
right.set_title(f"Lines: formulas; markers: {draws} draws")
right.legend(fontsize=7, loc="lower left")
right.grid(alpha=0.25)

# %%
# Gaussian and ±1 projections are the noisiest. The orthogonal one sits exactly on the uniform mask. The best
# *diagonal* sketch gains only a little here, because all columns of this cotangent are of similar norm. Directions
# make the difference.

for rank, low, high in zip(ranks, formula["best low-rank sketch"], formula["orthogonal projection"], strict=True):
    print(f"rank {rank:2}: noise / signal: low-rank sketch {low:7.3f}, orthogonal projection {high:7.3f}")
assert formula["best low-rank sketch"][4] < 0.1 and formula["orthogonal projection"][4] > 2

# %%
# At rank 16 the low-rank sketch is nearly noiseless, while the projections carry more noise than signal. That is no
# fault of theirs: they do not look.
#
# Nobody does better
# ------------------
# A theorem is best believed after an attempt to break it. Any other probabilities with the same sum give more noise:

least = theory.minimal_distortion(sigma**2, total=r)
tail = np.flatnonzero(sigma > 1e-9 * sigma[0])
for _ in range(1000):
    other = p.copy()
    i, j = rng.choice(tail, 2, replace=False)
    step = rng.uniform(0, min(other[i] * 0.9, 1 - other[j]))
    other[i], other[j] = other[i] - step, other[j] + step
    assert np.sum((1 / other[tail] - 1) * sigma[tail] ** 2) >= least * (1 - 1e-9)
print(f"1000 exchanges of probability, none pays; the least relative distortion at rank {r}: {least / square:.4f}")

# %%
# What it costs
# -------------
# The best is not free. The decomposition costs several products of the size that we wanted to save.
# ``inspect.cost`` counts it, honestly, as part of the backward pass.

for estimator in (None, Mask(0.125), LowRankSketch(0.125), RandomProjection(0.125)):
    tape.nodes[0].vjp = estimator
    node = inspect.cost(tape).nodes[0]
    print(f"{node.vjp:45s} backward {node.backward / node.backward_exact:6.2f} of the exact operations")

# %%
# So on a small layer the low-rank sketch is a yardstick: it tells what any scheme of rank :math:`r` could reach at
# best. It earns its keep where a cotangent is sent over a wire, or where one of its sides is short beside a wide
# input.

print(f"checked: stated 5.5, found {ratio:.4f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Prove that a random projection is unbiased, and find the factor by which :math:`\Omega` must be scaled if its
#    entries are uniform on :math:`[-1, 1]`. *Hint*: :math:`\mathbb{E}\,\Omega\Omega^\top = I` asks for a variance
#    of :math:`1/r`; that of the uniform distribution is 1/3.
# 2. For which :math:`G` does the low-rank sketch gain nothing over an orthogonal projection? *Hint*: all singular
#    values alike.
# 3. The truncated decomposition keeps the first :math:`r` terms with no randomness at all. Compare its squared
#    error with ``least`` above. Which would you train with? *Hint*: one of them is wrong in the same direction at
#    every step.
