"""
15. Design your own estimator
=============================

An estimator is a class with one method. In this lesson we invent one that is in no library, and take it all the way:
write it in ten lines, prove it unbiased, derive its noise, let the library check both, make it save work, see whose
noise it is in a network, and compare it with what there is. Take it as a pattern for your own.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, testing, theory
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.plot.style import COLOURS
from minigrad.structure import Columns, Kept

# %%
# The idea: duels
# ---------------
# Independent coins have two weaknesses: the number of columns kept varies, and two similar columns may both be dropped.
# Let columns fight in pairs instead. In each pair exactly one survives; column :math:`a` beats column :math:`b` with
# probability :math:`p_a = \|G_a\| / (\|G_a\| + \|G_b\|)`. The survivor is divided by its probability. Half of the
# columns are kept, always.
#
# Which ones should fight? For now the largest against the smallest, the second largest against the second smallest, and
# so on. Ten lines:


class Duel(mg.Estimator):
    budget = 0.5

    def pairs(self, g):
        """Two rows of opponents, and the probability that the first wins."""
        norms = np.linalg.norm(g.reshape(-1, g.shape[-1]).astype(float), axis=0)
        order, half = np.argsort(-norms), len(norms) // 2
        first, second = order[:half], order[::-1][:half]
        total = norms[first] + norms[second]
        return first, second, np.divide(norms[first], total, out=np.full(half, 0.5), where=total > 0)

    def sample(self, g, node, rng):
        first, second, p = self.pairs(g)
        wins = rng.random(len(p)) < p
        weight = np.ones(g.shape[-1])  # with an odd number of columns, the one in the middle has no opponent
        weight[first], weight[second] = wins / p, ~wins / np.where(p < 1, 1 - p, 1)
        return (g * weight).astype(g.dtype)


# %%
# Prove it unbiased
# -----------------
# Column :math:`a` becomes :math:`G_a / p_a` with probability :math:`p_a`, and 0 otherwise. Its mean is :math:`G_a`, and
# so for :math:`b`. That the two are *not* independent does not matter: a mean never asks. One case needs care: if
# :math:`p_a = 0`, column :math:`a` is never seen, so it must be zero. It is, as then :math:`\|G_a\| = 0`.
#
# A proof may hold for the formula and not for the code. So:

testing.assert_unbiased(Duel())
print("Duel: unbiased")


class Careless(Duel):
    """The same, but the loser's chance is used for the winner."""

    def __repr__(self):
        return "Careless()"

    def pairs(self, g):
        first, second, p = super().pairs(g)
        return second, first, p


try:
    testing.assert_unbiased(Careless())
    raise SystemExit("Careless was not caught")
except AssertionError as error:
    print(error)

# %%
# A surprise, and worth a thought: favouring the *wrong* column is still unbiased, where both are seen at all, as long
# as it is divided by the probability that was really used. The check objects only because there is a zero column among
# its test cotangents, whose opponent is then never seen. Unbiased does not mean good. How good it is, the variance
# tells.
#
# Derive its variance
# -------------------
# Write :math:`s_a = \|G_a\|`. One pair adds
#
# .. math:: \Big(\frac{1}{p_a} - 1\Big) s_a^2 + \Big(\frac{1}{p_b} - 1\Big) s_b^2
#    = \frac{s_b}{s_a} s_a^2 + \frac{s_a}{s_b} s_b^2 = 2\, s_a s_b .
#
# The uniform mask with :math:`p = \tfrac12` adds :math:`s_a^2 + s_b^2 \ge 2 s_a s_b`. So a duel is never worse,
# whatever the pairs. And the pairs should be such that the sum of products is smallest, which is large against small
# (the rearrangement inequality): our choice was the best.
#
# For norms (4, 3, 2, 1) the duels are 4 against 1 and 3 against 2, with noise :math:`2\,(4 + 6) =` **20.0**. Pairs of
# neighbours would have :math:`2\,(12 + 2) = 28`, the uniform mask 30. The optimum of independent coins, water-filling,
# has :math:`10^2/2 - 30 = 20` as well.
#
# We write the closed form down as ``distortion``, and list the outcomes, so that everything can be verified exactly.


class CheckedDuel(Duel):
    def distortion(self, g, node=None):
        first, second, _ = self.pairs(g)
        norms = np.linalg.norm(g.reshape(-1, g.shape[-1]).astype(float), axis=0)
        return float(2 * norms[first] @ norms[second])

    def outcomes(self, g, node=None):
        first, second, p = self.pairs(g)
        for wins in itertools.product((True, False), repeat=len(p)):
            wins = np.array(wins)
            chance = np.prod(np.where(wins, p, 1 - p))
            if chance > 0:
                weight = np.ones(g.shape[-1])
                weight[first], weight[second] = wins / p, ~wins / np.where(p < 1, 1 - p, 1)
                yield float(chance), (g * weight).astype(g.dtype)


testing.assert_unbiased(CheckedDuel())
testing.assert_variance_close(CheckedDuel(), np.diag([4.0, 3.0, 2.0, 1.0]))
testing.assert_variance_close(CheckedDuel(), np.random.default_rng(0).normal(size=(5, 7)))
noise = CheckedDuel().distortion(np.diag([4.0, 3.0, 2.0, 1.0]))
optimum = DiagonalSketch(0.5).distortion(np.diag([4.0, 3.0, 2.0, 1.0]))
print(f"duel {noise}, uniform mask {Mask(0.5).distortion(np.diag([4.0, 3, 2, 1]))}, water-filling {optimum}")
assert noise == 20 and np.isclose(optimum, 20)

# %%
# Whose noise?
# ------------
# So far it was the noise of :math:`G`. For :math:`\partial X = G W`, let :math:`A = G_a W_a` and :math:`B = G_b W_b` be
# the contributions of the two. Exactly one of :math:`A/p_a` and :math:`B/p_b` arrives, so a pair adds
#
# .. math:: \frac{\|A\|^2}{p_a} + \frac{\|B\|^2}{p_b} - \|A + B\|^2 ,
#
# where independent coins with the same probabilities would give the same but for :math:`2\langle A, B\rangle`: there is
# **less** noise than theirs if :math:`A` and :math:`B` point the same way, and more if they cancel. That is the cost
# of a fixed number. Check it against the enumeration:

rng = np.random.default_rng(0)
W, G = rng.normal(size=(8, 6)), rng.normal(size=(4, 8)) * np.linspace(0.2, 2, 8)
x = mg.Tensor(rng.normal(size=(4, 6)), requires_grad=True, name="X")
with mg.Tape() as tape:
    y = ops.linear(x, W, vjp=CheckedDuel())
measured = inspect.exact_moments(tape, y, [x], cotangent=G).total_variance
derived = 0.0
for a, b, p in zip(*CheckedDuel().pairs(G), strict=True):
    A, B = np.outer(G[:, a], W[a]), np.outer(G[:, b], W[b])
    derived += np.sum(A**2) / p + np.sum(B**2) / (1 - p) - np.sum((A + B) ** 2)
print(f"noise of ∂X: derived {derived:.6f}, enumerated {measured:.6f}")
assert np.isclose(derived, measured)

# %%
# Make it save work
# -----------------
# So far ``sample`` returns a full array with zeros in it, and all products are computed with the zeros. Return *which
# columns* are kept, and a linear layer does half of the work by itself. ``kept`` tells the cost model; ``overhead`` is
# what the norms and the rescaling cost.


class FastDuel(CheckedDuel):
    def sample(self, g, node, rng):
        first, second, p = self.pairs(g)
        wins = rng.random(len(p)) < p
        weight = np.ones(g.shape[-1])
        weight[first], weight[second] = wins / p, ~wins / np.where(p < 1, 1 - p, 1)
        indices = np.flatnonzero(weight)
        values = g.reshape(-1, g.shape[-1])[:, indices] * weight[indices].astype(g.dtype)
        return Columns(values, indices, g.shape)

    def __repr__(self):
        return "FastDuel()"

    def kept(self, shape):
        return Kept(Columns, 0.5)

    def overhead(self, shape):
        return 2.5 * float(np.prod(shape))


dense, fast = (duel.sample(G, None, np.random.default_rng(7)) for duel in (CheckedDuel(), FastDuel()))
print(fast)
assert np.array_equal(fast.dense(), dense)  # the same draw, stored in another way
testing.assert_unbiased(FastDuel())
testing.assert_variance_close(FastDuel(), G)

data = datasets.digits().flat()
images, labels = data.x_train[:128], data.y_train[:128]
model = nn.mlp(64, 64, 64, 10, rng=0)
nn.set_vjp(model, FastDuel(), where=lambda path, module: path != "4")
with mg.Tape() as tape:
    loss = ops.cross_entropy(model(images), labels)
print(inspect.cost(tape))
cost = inspect.cost(tape)
assert cost.backward < 0.62 * cost.backward_exact

# %%
# Compare
# -------
# Measure before you praise. The same network, all methods with half of the columns in the two hidden layers, and the
# noise of the whole gradient by layer. ``inspect.variance`` says whose noise it is; multiplied by the cost of a step
# (lesson 9), it says what it is worth.

methods = {
    "uniform mask": Mask(0.5),
    "systematic mask": Mask(0.5, design="systematic"),
    "duel": FastDuel(),
    "water-filling": DiagonalSketch(0.5),
    "water-filling, systematic": DiagonalSketch(0.5, design="systematic"),
}
reports, spent = {}, {}
for name, estimator in methods.items():
    nn.set_vjp(model, estimator, where=lambda path, module: path != "4")
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(images), labels)
    reports[name] = inspect.variance(tape, loss, draws=400, rng=0)
    counted = inspect.cost(tape)
    spent[name] = (counted.forward + counted.backward) / (counted.forward + counted.backward_exact)
    print(f"{name:27s} noise / ‖g‖² {reports[name].relative:.3f}   cost of a step {spent[name]:.2f} of exact")

figure, ax = plt.subplots(figsize=(7.4, 3.4), layout="constrained")
left = np.zeros(len(methods))
indices = list(reports["duel"].by_node)
for k, index in enumerate(indices):
    share = np.array([report.by_node[index] / report.norm**2 for report in reports.values()])
    ax.barh(list(methods), share, left=left, color=COLOURS[k + 1], hatch=["", "//"][k], edgecolor="black", alpha=0.85)
    left += share
ax.legend([f"share of {reports['duel'].labels[index]}" for index in indices], fontsize=9)
ax.invert_yaxis()
ax.set(xlabel="noise of the gradient / ‖g‖²", title="Half of the columns, two hidden layers, digits")
assert reports["duel"].relative < reports["uniform mask"].relative
assert 0.9 < reports["duel"].relative / reports["water-filling"].relative < 1.2

# %%
# The verdict: at the same cost of a step the duel has half of the noise of the uniform mask, and comes within a few per
# cent of water-filling. It cannot do better for :math:`G` itself, as water-filling is the optimum: that may keep a
# large column for certain, and a duel never can, for there is always an opponent. That is no failure. You know now
# *why*, and what to try next.
#
# A checklist for your own
# ------------------------
# 1. ``sample``, in the plainest way that is right. Dense arrays are fine.
# 2. The proof of :math:`\mathbb{E}[\hat g \mid g] = g` on paper, with the case of a probability 0.
# 3. ``testing.assert_unbiased``, and a version with a planted mistake that it must catch.
# 4. ``distortion`` on paper, then ``testing.assert_variance_close``; ``outcomes`` if there are not too many.
# 5. A structured cotangent, equal to the dense one draw by draw; ``kept`` and ``overhead``.
# 6. Noise by layer, cost, and the honest rivals at an equal budget.

figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained", sharey=True)
with mg.Tape() as tape:
    hidden = model[0](images)
    loss = ops.cross_entropy(model[4](model[2](hidden.relu()).relu()), labels)
for node in tape.nodes:
    node.vjp = None  # exact, for this picture
(G,) = tape.gradients(loss, [hidden])
norms = np.linalg.norm(G.astype(float), axis=0)
assert DiagonalSketch(0.5).distortion(G) <= CheckedDuel().distortion(G) <= Mask(0.5).distortion(G)
first, second, p = Duel().pairs(G)
chance = np.ones(64)
chance[first], chance[second] = p, 1 - p
for ax, values, title in (
    (axes[0], chance, "duel"),
    (axes[1], theory.optimal_probabilities(norms**2, 32), "water-filling"),
):
    ax.plot(norms / norms.max(), values, "o", color=COLOURS[1], markersize=5)
    ax.axhline(0.5, color="black", linestyle="--", linewidth=1, label="uniform mask")
    ax.set(xlabel="norm of the column / largest", title=title)
axes[0].set_ylabel("probability of being kept")
axes[0].legend(fontsize=9)

print(f"checked: stated 20.0, found {noise:.6f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Mend the weakness: columns that water-filling would keep for certain do not fight. Design ``Knights(budget)``:
#    saturated columns are kept, the rest fight in groups such that the budget is met. *Hint*: in a group one of several
#    survives, with chances in proportion to the norms. What is the noise of a group?
# 2. Let rows fight in place of columns (samples, for a linear layer). Which norms should the chances be made of, if
#    :math:`\partial W = G^\top X` is wanted? *Hint*: one duel adds :math:`2 \|G_a\|\|X_a\|\|G_b\|\|X_b\| - 2\langle
#    \cdot, \cdot\rangle` with the best chances.
# 3. Choose the pairs such that :math:`\langle A, B\rangle` is large, with norms of equal size second. How much is there
#    to gain on this network, and what does the choice cost? *Hint*: :math:`\langle A, B\rangle = \langle G_a,
#    G_b\rangle \langle W_a, W_b\rangle`, two small Gram matrices.
