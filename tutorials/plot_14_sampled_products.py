"""
14. Sampled products: with replacement, winner-take-all, water-filling
======================================================================

A matrix product is a sum of *column-row products*: :math:`G W = \\sum_j G_j W_j`, where :math:`G_j` is a column of
:math:`G` and :math:`W_j` a row of :math:`W`. To estimate it from few of its terms is an old problem, and three answers
to it are in use. They differ only in how the terms are drawn. In this lesson we write all three in a few lines, derive
their noise, and compare them at the **same number of terms**.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, testing, theory
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.plot.style import COLOURS, MARKERS, STYLES

# %%
# Three ways to draw
# ------------------
# Let :math:`s_j = \|G_j\| \|W_j\|` be the size of term :math:`j`, and :math:`r` the number of terms that we can afford.
#
# **With replacement** (Drineas, Kannan and Mahoney 2006): draw an index :math:`r` times, each time with probability
# :math:`q_j \propto s_j`, and average :math:`G_j W_j / q_j`. The average of :math:`r` independent draws has the
# variance of one, divided by :math:`r`:
#
# .. math:: \frac1r \Big( \sum_j \frac{s_j^2}{q_j} - \|GW\|^2 \Big)
#    = \frac1r \Big( \big(\textstyle\sum_j s_j\big)^2 - \|GW\|^2 \Big) .
#
# A large term is drawn again and again, and each time but the first is a waste.
#
# **Winner-take-all** (Liu et al. 2023): always keep the :math:`t` largest terms, as they are, and draw the other
# :math:`r - t` with replacement from the rest, the *tail*. The noise is that of the tail alone:
#
# .. math:: \frac{1}{r - t} \Big( \big(\textstyle\sum_{tail} s_j\big)^2 - \big\|\sum_{tail} G_j W_j\big\|^2 \Big) .
#
# :math:`t` is chosen such that :math:`\sum_{tail} s_j / \sqrt{r - t}` is smallest.
#
# **Water-filling** (lesson 5): toss a coin for each term, :math:`p_j = \min(1, s_j/\tau)` with :math:`\sum p_j = r`. No
# term can be drawn twice. With :math:`t` saturated terms,
#
# .. math:: \sum_j \Big(\frac{1}{p_j} - 1\Big) s_j^2
#    = \frac{1}{r - t} \big(\textstyle\sum_{tail} s_j\big)^2 - \sum_{tail} s_j^2 .
#
# The last two begin with the same expression. What is subtracted from it differs: the squares of the terms, or the
# square of their sum over :math:`r - t`.


def winners(s, r):
    """How many of the largest terms are kept for certain: the t for which the bound on the tail is smallest."""
    tails = np.cumsum(np.sort(s))[::-1]  # the sum of all but the 0, 1, 2, … largest
    t = np.arange(min(r, len(s)))
    return int(np.argmin(tails[t] ** 2 / (r - t)))


class ColumnRow(mg.Estimator):
    """r columns of G: the largest ``t`` for certain (a number, or "best"), the rest with replacement."""

    def __init__(self, r, t=0):
        self.r, self.t = r, t

    def plan(self, g, node):
        """Which columns are certain, which are the tail, and the chances of these in a draw."""
        s = np.linalg.norm(g.reshape(-1, g.shape[-1]).astype(float), axis=0)
        if node is not None and "w" in node.saved:
            s = s * np.linalg.norm(node.saved["w"], axis=1)
        t = winners(s, self.r) if self.t == "best" else self.t
        order = np.argsort(-s)
        certain, tail = order[:t], order[t:]
        total = s[tail].sum()
        q = s[tail] / total if total > 0 else np.full(len(tail), 1 / len(tail))
        return certain, tail, q

    def weighted(self, g, certain, tail, q, drawn):
        weight = np.zeros(g.shape[-1])
        weight[certain] = 1
        np.add.at(weight, tail[drawn], 1 / (len(drawn) * q[drawn]))
        return (g * weight).astype(g.dtype)

    def sample(self, g, node, rng):
        certain, tail, q = self.plan(g, node)
        return self.weighted(g, certain, tail, q, rng.choice(len(tail), self.r - len(certain), p=q))

    def outcomes(self, g, node=None):
        certain, tail, q = self.plan(g, node)
        for drawn in itertools.product(np.flatnonzero(q), repeat=self.r - len(certain)):
            drawn = list(drawn)
            yield np.prod(q[drawn]), self.weighted(g, certain, tail, q, drawn)


# %%
# Are they unbiased? The library's check lists all sequences of draws, where there are not too many, and averages.

testing.assert_unbiased(ColumnRow(3))
testing.assert_unbiased(ColumnRow(3, t="best"))
testing.assert_unbiased(ColumnRow(3, t=1))
print("unbiased: with replacement, winner-take-all with the best t, and with t = 1")

# %%
# Five terms
# ----------
# Take :math:`s = (4, 1, 1, 1, 1)`, terms at right angles to each other, and :math:`r = 3`.
#
# * with replacement: :math:`(8^2 - 20)/3 = 14.67`. More than a uniform mask, :math:`(5/3 - 1) \cdot 20 = 13.33`, though
#   that knows nothing!
# * winner-take-all, :math:`t = 1`: :math:`(4^2 - 4)/2 = 6`,
# * water-filling, :math:`p = (1, \tfrac12, \tfrac12, \tfrac12, \tfrac12)`: :math:`4^2/2 - 4 =` **4.0**.
#
# The formulas, and the enumeration of all outcomes on a tape:

G, W, r = np.diag([4.0, 1, 1, 1, 1]), np.eye(5), 3


def replacement_noise(G, W, r):
    s = np.linalg.norm(G, axis=0) * np.linalg.norm(W, axis=1)
    return (s.sum() ** 2 - np.sum((G @ W) ** 2)) / r


def winner_noise(G, W, r):
    s = np.linalg.norm(G, axis=0) * np.linalg.norm(W, axis=1)
    tail = np.argsort(-s)[winners(s, r) :]
    return replacement_noise(G[:, tail], W[tail], r - (len(s) - len(tail)))


def water_noise(G, W, r):
    s = np.linalg.norm(G, axis=0) * np.linalg.norm(W, axis=1)
    return theory.minimal_distortion(s**2, r)


def uniform_noise(G, W, r):
    return theory.input_distortion(G, W, "column", p=r / G.shape[1])


x = mg.Tensor(np.zeros((5, 5)), requires_grad=True, name="X")
with mg.Tape() as tape:
    y = ops.linear(x, mg.Tensor(W))  # its VJP by x is G W
methods = {
    "uniform mask": (Mask(r / 5), uniform_noise),
    "with replacement": (ColumnRow(r), replacement_noise),
    "winner-take-all": (ColumnRow(r, t="best"), winner_noise),
    "water-filling": (DiagonalSketch(r / 5, target="input"), water_noise),
}
noise = {}
for name, (estimator, formula) in methods.items():
    tape.nodes[0].vjp = estimator
    moments = inspect.exact_moments(tape, y, [x], cotangent=G)
    noise[name] = moments.total_variance
    print(f"{name:17s} formula {formula(G, W, r):6.3f}, all {moments.outcomes:3d} outcomes {noise[name]:6.3f}")
    assert moments.bias < 1e-9 and np.isclose(noise[name], formula(G, W, r))

# %%
# The picture shows why. With replacement, the first term is drawn :math:`r q_1 = 1.5` times on average, where once is
# enough, and still it is missed by one draw of three in eight. The others keep the winner exactly once. After that, the
# two remaining draws of winner-take-all can hit the same term; coins cannot.

s = np.array([4.0, 1, 1, 1, 1])
used = {
    "with replacement": r * s / s.sum(),
    "winner-take-all": np.array([1, 0.5, 0.5, 0.5, 0.5]),
    "water-filling": theory.optimal_probabilities(s**2, r),
}
lost = {
    "with replacement": used["with replacement"] - (1 - (1 - s / s.sum()) ** r),
    "winner-take-all": used["winner-take-all"] - np.array([1, *[1 - 0.75**2] * 4]),
    "water-filling": np.zeros(5),
}
figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for k, name in enumerate(used):
    at = np.arange(5) + 0.27 * (k - 1)
    ax.bar(at, used[name] - lost[name], 0.25, color=COLOURS[k + 1], label=f"{name}: noise {noise[name]:.3g}")
    ax.bar(at, lost[name], 0.25, bottom=used[name] - lost[name], color="white", edgecolor=COLOURS[k + 1], hatch="////")
ax.bar([0], [0], color="white", edgecolor="0.4", hatch="////", label="repeated draws, wasted")
ax.axhline(1, color="black", linewidth=0.8)
ax.set_xticks(range(5), [f"{j + 1}\n(size {s[j]:g})" for j in range(5)])
ax.set(xlabel="term", ylabel="expected number of draws", title="Three draws among five terms")
ax.legend(fontsize=9)

# %%
# On a real cotangent
# -------------------
# A network on handwritten digits after a little training. At its hidden layer we estimate :math:`\partial X = G W`,
# keeping columns of :math:`G`, and :math:`\partial W = G^\top X`, keeping rows (samples). The second is a sampled
# product too: its terms are the outer products of a row of :math:`G` and a row of :math:`X`, so all formulas hold with
# :math:`G^\top` and :math:`X` in place of :math:`G` and :math:`W`.

data = datasets.digits().flat()
images, labels = data.x_train[:128].astype(float), data.y_train[:128]
model = nn.mlp(64, 64, 64, 10, rng=0, dtype=np.float64)
optimiser = optim.SGD(model.parameters(), lr=0.2)
for _ in range(100):
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(images), labels)
    tape.backward(loss)
    optimiser.step()
    optimiser.zero_grad()
with mg.Tape() as tape:
    x = mg.Tensor(model[1](model[0](images)).data, requires_grad=True, name="x")
    hidden = model[2](x)
    loss = ops.cross_entropy(model[4](hidden.relu()), labels)
(G,) = tape.gradients(loss, [hidden])
X, W = x.data, model[2].weight.data.astype(float)

formulas = {name: formula for name, (_, formula) in methods.items()}
figure, axes = plt.subplots(1, 2, figsize=(9.2, 4.0), layout="constrained")
problems = {"∂X = GW, columns of 64": (G, W), "∂W = GᵀX, samples of 128": (G.T, X)}
for ax, (title, (left, right)) in zip(axes, problems.items(), strict=True):
    terms = left.shape[1]
    counts = np.unique(np.geomspace(2, 0.8 * terms, 24).astype(int))
    for k, (name, formula) in enumerate(formulas.items()):
        curve = [formula(left, right, int(count)) / np.sum((left @ right) ** 2) for count in counts]
        ax.loglog(counts, curve, color=COLOURS[k], linestyle=STYLES[k], marker=MARKERS[k], markersize=3.5, label=name)
    ax.axhline(1, color="0.6", linewidth=0.8)
    ax.set(xlabel="number of terms kept, r", title=title)
    ax.set_xticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
    ax.set_xticks([], minor=True)
axes[0].set_ylabel("noise / ‖exact product‖²")
axes[0].legend(fontsize=9)
for title, (left, right) in problems.items():
    count = left.shape[1] // 4
    values = {name: formula(left, right, count) for name, formula in formulas.items()}
    base = values["water-filling"]
    print(f"{title}, r = {count}: " + ", ".join(f"{name} {value / base:.2f}" for name, value in values.items()))
    assert values["winner-take-all"] < values["with replacement"]
    assert base < values["winner-take-all"]

# %%
# The numbers are relative to water-filling. Where few terms carry the sum, drawing with replacement wastes most, and
# levels out far too late: keeping *all* terms would be exact, but drawing as many with replacement is not.
#
# Is water-filling always best?
# -----------------------------
# No, and the formulas say when. Coins subtract the sum of squares of the tail, draws with replacement the square of the
# sum over :math:`r - t`. If the terms do *not* stand at right angles but all point the same way, the second is larger.
# An extreme: all terms equal. Then any three of five, times 5/3, are exact, and only the *number* of heads is noise.
# The cure is not replacement but a design of fixed size: ``design="systematic"`` keeps the same probabilities and
# always :math:`r` terms.

G, W = np.ones((2, 5)), np.ones((5, 2))
aligned = {}
for name, estimator in {
    "water-filling, coins": DiagonalSketch(0.6, target="input"),
    "with replacement": ColumnRow(3),
    "water-filling, systematic": DiagonalSketch(0.6, target="input", design="systematic"),
}.items():
    left = mg.Tensor(np.zeros((2, 2)), requires_grad=True, name="X")
    with mg.Tape() as tape:
        y = ops.linear(left, mg.Tensor(W.copy()))
    tape.nodes[0].vjp = estimator
    aligned[name] = inspect.exact_moments(tape, y, [left], cotangent=G).total_variance
    print(f"{name:26s} noise {aligned[name]:.3f}")
assert aligned["water-filling, coins"] > 1 and aligned["with replacement"] < 1e-9
assert aligned["water-filling, systematic"] < 1e-9

print(f"checked: stated 4.0, found {noise['water-filling']:.6f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Prove that no method has less noise than water-filling, if the terms stand at right angles and :math:`r` different
#    terms are used on average. *Hint*: write it as :math:`\sum_j a_j G_j W_j` with random :math:`a_j` of mean 1; by
#    Cauchy-Schwarz :math:`\mathbb{E}[a_j^2] \ge 1/P(a_j \ne 0)`.
# 2. How many *different* columns does drawing with replacement keep, on average? Compare the methods at an equal number
#    of different columns on the cotangent of this lesson. *Hint*: column :math:`j` is missed with probability
#    :math:`(1-q_j)^r`.
# 3. Give ``ColumnRow`` a method ``distortion``, and check it with ``testing.assert_variance_close``. *Hint*: called
#    without a node it should be the formula with :math:`W = I`.
