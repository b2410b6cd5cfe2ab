"""
19. Budget, distortion, or one price
====================================

There are three ways to tell a sketch how much to keep. A *budget* says how much is kept, a *distortion* how noisy it
may be. On one cotangent these are two names for the same thing. Through a deep network they are not: with the one the
noise compounds, with the other it can be held. And the third way, one **price** for all layers, needs to be told
neither.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import inspect, ops, theory
from minigrad.estimators import DiagonalSketch
from minigrad.plot.style import COLOURS, MARKERS, STYLES

# %%
# Two sides of one optimum
# ------------------------
# Lesson 5 minimised the noise :math:`\sum_j w_j/p_j` for a given number of columns, and found :math:`p_j = \min(1,
# \sqrt{w_j}/\tau)`. Turn it round: keep as *few* columns as possible, while the noise is at most :math:`\omega
# \|G\|^2`. Both problems have the same Lagrange function, so the solution is the same family of probabilities, with the
# level :math:`\tau` found from the other constraint. Start from a budget, compute the distortion that it has, ask for
# that distortion, and the same probabilities come back.

weights = np.array([100.0, 4.0, 1.0, 1.0])
by_budget = theory.optimal_probabilities(weights, total=2)
omega = np.sum(weights * (1 / by_budget - 1)) / weights.sum()
by_distortion = theory.least_probabilities(weights, distortion=omega)
print("budget 1/2:", by_budget, f"  distortion {omega:.4f}:", by_distortion.round(6))
assert np.allclose(by_budget, by_distortion)

# %%
# Through depth
# -------------
# The two part ways when the cotangent is another one. A budget keeps *as many* columns, whatever they look like; a
# distortion keeps *as few as it can*. In a chain of layers that neither stretch nor shrink, a layer with the distortion
# :math:`\omega_l` multiplies the mean square by :math:`1 + \omega_l` (lesson 7). After all of them the noise is
#
# .. math:: \prod_l (1 + \omega_l) - 1 .
#
# A budget leaves the :math:`\omega_l` to chance. A distortion *chooses* them: for a total noise of :math:`\Omega` over
# :math:`L` layers, take :math:`\omega = (1 + \Omega)^{1/L} - 1` in each. We take :math:`\Omega = 1`, and count what is
# kept.


def chain(depth, **how):
    """Noise of the gradient at the bottom of orthogonal layers, and the mean share of the columns that was kept."""
    rng = np.random.default_rng(depth)
    x = mg.Tensor(rng.normal(size=(8, 64)), requires_grad=True)
    with mg.Tape() as tape:
        y = x
        for _ in range(depth):
            q = np.linalg.qr(rng.normal(size=(64, 64)))[0]
            y = ops.linear(y, q, vjp=DiagonalSketch(**how))
        loss = (y * (rng.normal(size=(8, 64)) * np.exp(rng.normal(size=64)))).sum()
    report = inspect.variance(tape, loss, draws=200, rng=0)
    kept = np.mean([node.mean / node.of for node in inspect.sparsity(tape, loss, draws=20, rng=0).nodes])
    return report.relative, report.standard_error / report.norm**2, kept


DEPTHS = np.array([1, 2, 4, 8])
budget = [chain(depth, budget=0.5) for depth in DEPTHS]
distortion = [chain(depth, distortion=2 ** (1 / depth) - 1) for depth in DEPTHS]
for depth, one, other in zip(DEPTHS, budget, distortion, strict=True):
    print(f"{depth} layers: budget: {one[0]:5.2f};  distortion: {other[0]:.2f} ± {other[1]:.2f}, kept {other[2]:.2f}")
assert all(abs(noise - 1) < 0.1 for noise, _, _ in distortion) and budget[-1][0] > 20
assert all(abs(kept - 0.5) < 0.1 for _, _, kept in budget)

# %%
# With a budget the noise of eight layers is far beyond the gradient. With a distortion it stays where it was wanted,
# and what pays for it is what is kept: the deeper, the more.
#
# What is it worth?
# -----------------
# But how much noise *is* wanted? And should all layers have the same? Recall what counts (lesson 17), the cost to a
# precision,
#
# .. math:: J = \frac{(\sigma^2 + V)\,(F + B')}{\sigma^2\,(F + B)},
#    \qquad V = \sum_i v_i \Big(\frac{1}{p_i} - 1\Big), \quad B' = \sum_i c_i\, p_i .
#
# Now :math:`i` runs over the rows of *all* layers: each has a cost :math:`c_i`, and adds a variance :math:`v_i` to the
# gradient. Set the derivative of :math:`J` with respect to :math:`p_i` to zero:
#
# .. math:: p_i = \min\Big(1, \frac1\tau \sqrt{\frac{v_i}{c_i}}\Big), \qquad \tau^2 = \frac{\sigma^2 + V}{F + B'} .
#
# One number :math:`\tau^2` for the whole network. It is a **price**: the variance that one operation must take away to
# be worth it. A row of an expensive layer is kept when it takes away much, a row of a cheap layer sooner.
#
# By hand: contributions 100, 1, 1, 1, costs 1, :math:`\sigma^2 = 100`, :math:`F = 1`. The first row is kept, and the
# others with :math:`p`, so :math:`J = (97 + 3/p)(2 + 3p)/500`. The best is :math:`p = \sqrt{2/97}`, with :math:`J` =
# **0.57**.

best = theory.optimal_price([100.0, 1.0, 1.0, 1.0], minibatch=100.0, fixed=1.0)
p = np.sqrt(2 / 97)
assert np.isclose(best.ratio, (97 + 3 / p) * (2 + 3 * p) / 500)
assert np.allclose(theory.priced_probabilities([100.0, 1.0, 1.0, 1.0], best.tau), [1, p, p, p])

# %%
# Three layers of 64 rows
# -----------------------
# Let a row of the first layer cost 10, of the others 1. In the first the rows are much alike, in the last a few are
# large; and what happens near the loss is carried through everything below, so that the last layer adds most of the
# noise. We compare the best *common* budget, the best *common* distortion, and the best price.

rng = np.random.default_rng(0)
contributions = [scale * np.exp(spread * rng.normal(size=64)) for scale, spread in ((0.3, 0.3), (1.0, 1.5), (3.0, 2.5))]
costs = [np.full(64, c) for c in (10.0, 1.0, 1.0)]
v, c = np.concatenate(contributions), np.concatenate(costs)
sigma2, fixed = v.sum(), c.sum() / 2


def ratio(p):
    """J of these probabilities."""
    return theory.cost_of_precision(np.sum(v * (1 / p - 1)), sigma2, fixed, c @ p, c.sum())


grid = np.geomspace(0.02, 0.98, 60)
budgets = [ratio(np.concatenate([theory.optimal_probabilities(w, total=64 * b) for w in contributions])) for b in grid]
omegas = np.geomspace(0.02, 20, 60)
distortions = [
    ratio(np.concatenate([theory.least_probabilities(w, distortion=o) for w in contributions])) for o in omegas
]
price = theory.optimal_price(v, minibatch=sigma2, fixed=fixed, costs=c)
p = theory.priced_probabilities(v, price.tau, c)
found = {"one budget": min(budgets), "one distortion": min(distortions), "one price": ratio(p)}
print({name: round(float(value), 3) for name, value in found.items()})
print("kept of the three layers at the price:", p.reshape(3, 64).mean(axis=1).round(2))
assert np.isclose(found["one price"], price.ratio)
assert found["one price"] < min(found["one budget"], found["one distortion"]) < 1

figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.9), layout="constrained")
for k, (name, runs) in enumerate({"budget 1/2": budget, "distortion $2^{1/L} - 1$": distortion}.items()):
    style = {"color": COLOURS[5 - 4 * k], "marker": MARKERS[k], "linestyle": STYLES[k]}
    left.plot(DEPTHS, [noise for noise, _, _ in runs], label=name, **style)
left.set(xscale="log", yscale="log", xlabel="layers L", ylabel="noise of the gradient / ‖g‖²", title="Through depth")
left.set_xticks(DEPTHS, [str(depth) for depth in DEPTHS])
left.set_xticks([], minor=True)
left.legend()
taus = price.tau * np.geomspace(0.05, 20, 80)
curves = {
    "one budget": budgets,
    "one distortion": distortions,
    "one price": [ratio(theory.priced_probabilities(v, tau, c)) for tau in taus],
}
kept = {
    "one budget": [
        c @ np.concatenate([theory.optimal_probabilities(w, total=64 * b) for w in contributions]) for b in grid
    ],
    "one distortion": [
        c @ np.concatenate([theory.least_probabilities(w, distortion=o) for w in contributions]) for o in omegas
    ],
    "one price": [c @ theory.priced_probabilities(v, tau, c) for tau in taus],
}
for k, (name, curve) in enumerate(curves.items()):
    right.plot(np.array(kept[name]) / c.sum(), curve, color=COLOURS[(5, 1, 3)[k]], linestyle=STYLES[k], label=name)
right.axhline(1, color="black", linewidth=0.8)
right.set(
    ylim=(0.5, 1.6), xlabel="backward operations that are left", ylabel="cost to a precision, J", title="Three layers"
)
right.legend()

# %%
# One price is the best of the three, and need not be told how much to keep: what it asks for, :math:`\sigma^2 + V` and
# :math:`F + B'`, can be measured in training. ``training.OnePrice`` does so (:doc:`/guide/price`); the rule and its
# proof are in :doc:`/theory/price`, and runs with it, where it wins and where it does not, in
# :doc:`/experiments/budgeted`.

print(f"checked: stated 0.57, found {best.ratio:.4f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Derive the price rule. *Hint*: :math:`\partial J/\partial p_i` is in proportion to
#    :math:`c_i (\sigma^2 + V) - (v_i/p_i^2)(F + B')`; what holds where :math:`p_i = 1`?
# 2. Why does the uniform mask with :math:`p = 1/(1 + \omega)` hold the distortion :math:`\omega` for every cotangent,
#    and why does the best sketch never keep more? *Hint*: lesson 4, and "one of the points that it was compared with".
# 3. Double all costs. What happens to :math:`\tau`, to the probabilities and to :math:`J`? *Hint*: a price has a unit.
