"""
9. Epochs against cost per epoch
================================

A sketch makes a step cheaper and noisier. Noisier steps mean more of them. Does the bargain pay? So far we have
compared noise at an equal number of columns kept; but nobody is paid for columns. In this lesson we predict the total
cost of reaching a precision, choose the budget by that, and then hold the prediction against real training, at equal
cost. There is an opponent that is easily forgotten: **exact VJPs on a smaller batch**, which also make a step cheaper
and noisier.
"""

import os

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, theory, training
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.plot.style import COLOURS, MARKERS, STYLES

FAST = bool(os.environ.get("MINIGRAD_FAST"))  # smaller sizes, for a quick look

# %%
# The product that counts
# -----------------------
# A step costs :math:`c_0 + c_1 p`: the forward pass and whatever stays exact (:math:`c_0`), and the sketched part of
# the backward pass, in proportion to the budget :math:`p`. Its gradient has a variance :math:`V(p)`.
#
# Suppose that noise is what holds the training up. To keep the noise of the whole run as it is when each step has twice
# the variance, the learning rate must be halved, and twice as many steps be made. The number of steps is in proportion
# to the variance, and so
#
# .. math:: \text{total cost} \;\propto\; (c_0 + c_1 p)\; V(p) .
#
# For one node with a uniform mask the variance is :math:`V(p) = a + b/p`. One sets the derivative of the product to
# zero:
#
# .. math:: p^* = \sqrt{\frac{c_0\, b}{c_1\, a}} .
#
# A backward pass costs about twice as much as a forward pass, so take :math:`c_0 = 1`, :math:`c_1 = 2`, and a mask of
# little noise, :math:`a = 8`, :math:`b = 1`. Then :math:`p^* = \sqrt{1/16} = 1/4`, and the total cost falls to
# :math:`(1.5 \cdot 12) / (3 \cdot 9) = 2/3`. With :math:`a = 2` it would be :math:`p^* = 1/2`, and the cost would fall
# to no more than 8/9. With :math:`a = 0.5`, :math:`p^* = 1`: do not sketch.

figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
p = np.geomspace(0.03, 1, 200)
for k, a in enumerate((8.0, 2.0, 0.5)):
    advice = theory.optimal_budget(c0=1.0, c1=2.0, a=a, b=1.0)
    ax.plot(
        p,
        theory.total_cost(p, 1, 2, a, 1) / theory.total_cost(1, 1, 2, a, 1),
        color=COLOURS[k + 1],
        linestyle=STYLES[k],
        label=f"a = {a:g}: best budget {advice.budget:.2f}, cost {advice.cost_ratio:.2f}",
    )
    ax.plot(advice.budget, advice.cost_ratio, "*", color=COLOURS[k + 1], markersize=14)
ax.axhline(1, color="black", linewidth=0.8)
ax.set(xscale="log", ylim=(0.5, 2.5), xlabel="budget p", ylabel="total cost / cost with exact VJPs")
ax.set_title("$(1 + 2p)(a + 1/p)$, relative to $p = 1$")
ax.legend()
best = theory.optimal_budget(1, 2, 8, 1)
assert np.isclose(best.budget, 1 / 4) and np.isclose(best.cost_ratio, 2 / 3)

# %%
# And the smaller batch? With half the batch a step costs half, and has twice the variance: the product stays. **In this
# regime all batch sizes cost the same.** So the line at 1 is not only "exact VJPs", it is "exact VJPs on any batch". A
# sketch that stays above it is no use.

# %%
# Measure it
# ----------
# A network on handwritten digits that has been trained for 15 epochs: noise dominates only when the first easy gains
# are over. Then ask how noisy its gradient is on batches of 64.

WIDTHS, BATCH = (64, 128, 128, 10), 64
data = datasets.digits().flat()
start = nn.mlp(WIDTHS, rng=0)
_ = training.fit(start, data, optimizer=optim.SGD(start, lr=0.1), epochs=15, batch_size=BATCH, rng=0, progress=False)

# %%
# First a *uniform* mask of samples on the last layer: each of the 64 rows of the cotangent is kept with probability
# :math:`p`. A row that is dropped there is never seen by the layers below, so the whole backward pass becomes shorter.
# One masked node: the formula is exact. We measure the variance of the estimator at two budgets, and fit :math:`b`.

with mg.Tape() as tape:
    ops.cross_entropy(start(data.x_train[:BATCH]), data.y_train[:BATCH])
cost = inspect.cost(tape)
added = {}
for budget in (0.5, 0.25):
    nn.set_vjp(start, Mask(budget, axis="sample"), where=lambda path, module: path == "4")
    noise = inspect.gradient_noise(start, data, batch_size=BATCH, batches=20 if FAST else 60, draws=4, rng=0)
    added[budget] = noise.estimator
print(noise)
b = np.mean([s2 / (1 / budget - 1) for budget, s2 in added.items()])
uniform = theory.optimal_budget(c0=cost.forward, c1=cost.backward, a=noise.minibatch - b, b=b)
print(f"\nb from each budget: {[round(s2 / (1 / budget - 1), 3) for budget, s2 in added.items()]}")
print(uniform)
assert not uniform.worth_it

# %%
# Of course it is not: to drop samples at random is to use a smaller batch, only less tidily. The forward pass was paid
# for the samples that were dropped.
#
# Now with the best probabilities. Samples that the network already gets right have tiny cotangents; a
# ``DiagonalSketch(axis="sample")`` seldom keeps these. And the sketches of columns of the earlier lessons, in the
# hidden layers. Their variances are no longer of the form :math:`a + b/p`. ``inspect.tradeoff`` measures at a few
# budgets and interpolates.

BUDGETS = (0.7, 0.5, 0.3, 0.2, 0.1)
choices = {
    "samples by importance, last layer": (DiagonalSketch(0.3, axis="sample"), lambda path, module: path == "4"),
    "columns by importance, hidden layers": (DiagonalSketch(0.3), lambda path, module: path != "4"),
    "uniform column masks, hidden layers": (Mask(0.3), lambda path, module: path != "4"),
}
advices = {}
for name, (estimator, where) in choices.items():
    nn.set_vjp(start, None)
    nn.set_vjp(start, estimator, where=where)
    advices[name] = inspect.tradeoff(start, data, budgets=BUDGETS, batch_size=BATCH, batches=20 if FAST else 60, rng=0)
    print(f"{name:37s} {advices[name].sentence}")
nn.set_vjp(start, None)
advice = advices["samples by importance, last layer"]
print()
print(advice)

figure, ax = plt.subplots(figsize=(6.6, 3.8), layout="constrained")
for k, (name, found) in enumerate(advices.items()):
    ratio = np.array(found.step_cost) * found.variance / (found.step_cost[0] * found.minibatch)
    grid = np.geomspace(0.1, 0.7, 100)
    ax.plot(grid, found.predicted(grid), color=COLOURS[k + 1], linestyle=STYLES[k])
    ax.plot(found.budgets, ratio, MARKERS[k], color=COLOURS[k + 1], label=name)
ax.axhline(1, color="black", linewidth=0.8, label="exact VJPs, any batch")
ax.plot(advice.budget, advice.ratio, "*", color=COLOURS[5], markersize=15, label=f"advice: budget {advice.budget:.2f}")
ax.set(xscale="log", yscale="log", xlabel="budget p", ylabel="predicted cost / cost with exact VJPs")
ax.set_xticks(advice.budgets, [f"{p:g}" for p in advice.budgets])
ax.set_xticks([], minor=True)
ax.set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
ax.set_yticks([], minor=True)
ax.legend(fontsize=8)
ax.set_title("Digits, after 15 epochs of training")
assert advice.worth_it and 0.15 < advice.budget < 0.45 and advice.ratio < 0.75
assert not advices["uniform column masks, hidden layers"].worth_it

# %%
# The three choices differ completely. Uniform masks of columns cannot win here: their noise costs more than they save,
# at *every* budget. Those by importance gain a little near 0.7. Samples by importance are predicted to need **0.6** of
# the cost, at a budget near 0.3.
#
# Then check it
# -------------
# Each method goes on from the same weights, with the same total number of operations (forward and backward), at a
# learning rate in inverse proportion to its variance, as the argument above demands. A method with cheaper steps makes
# more of them. The honest baselines, exact VJPs on 32 and 16 samples, get the learning rates of *their* variances.

LR, TOTAL, EVALUATIONS, SEEDS = 0.1, (4e9 if FAST else 1e10), 10, (1 if FAST else 2)
variance = dict(zip(advice.budgets, advice.variance, strict=True))


def race(batch, estimator, lr, seed):
    """Training loss on all data after each tenth of the total cost."""
    model = nn.mlp(WIDTHS, rng=0)
    model.load_state_dict(start.state_dict())
    model[4].vjp = estimator
    with mg.Tape() as tape:
        ops.cross_entropy(model(data.x_train[:batch]), data.y_train[:batch])
    spent = inspect.cost(tape)
    steps = int(TOTAL / EVALUATIONS / (spent.forward + spent.backward))
    optimiser, losses = optim.SGD(model, lr=lr), []
    for part in range(EVALUATIONS):
        training.fit(
            model,
            (data.x_train, data.y_train),
            optimizer=optimiser,
            epochs=1,
            steps_per_epoch=steps,
            batch_size=batch,
            rng=100 * seed + part,
            progress=False,
        )
        losses.append(training.evaluate(model, data.x_train, data.y_train)[0])
    return np.array(losses)


runs = {"exact, batch 64": (BATCH, None, LR)}
for batch in (32, 16):
    runs[f"exact, batch {batch}"] = (batch, None, LR * batch / BATCH)
for budget in BUDGETS:
    sketch = DiagonalSketch(budget, axis="sample")
    runs[f"budget {budget:g}"] = (BATCH, sketch, LR * variance[1.0] / variance[budget])
curves = {name: np.mean([race(*run, seed) for seed in range(SEEDS)], axis=0) for name, run in runs.items()}

# %%
# How much cheaper was it? Take the loss that exact VJPs reach with the whole cost, and see which part of the cost each
# other run needed for it.

spent = np.linspace(0, 1, EVALUATIONS + 1)
first = training.evaluate(start, data.x_train, data.y_train)[0]
target = curves["exact, batch 64"][-1]
needed = {}
for name, losses in curves.items():
    levels = np.minimum.accumulate(np.log(np.concatenate([[first], losses])))
    reached = levels[-1] <= np.log(target)
    needed[name] = float(np.interp(-np.log(target), -levels, spent)) if reached else float(np.exp(levels[-1]) / target)
for name, part in needed.items():
    told = name.startswith("budget")
    predicted = advice.predicted(float(name.split()[1])) if told else 1.0
    print(f"{name:16s} predicted cost {predicted:.2f}   measured {part:.2f}   last loss {curves[name][-1]:.4f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.0), layout="constrained")
for k, name in enumerate(["exact, batch 64", "exact, batch 16", "budget 0.5", "budget 0.3", "budget 0.1"]):
    losses = np.concatenate([[first], curves[name]])
    left.semilogy(
        spent * TOTAL / 1e9, losses, color=COLOURS[k], linestyle=STYLES[k], marker=MARKERS[k], markersize=4, label=name
    )
left.axhline(target, color="0.6", linewidth=0.8)
left.set(xlabel="operations spent (Gflop, forward and backward)", ylabel="training loss", title="Equal cost")
left.legend(fontsize=8)
grid = np.geomspace(0.1, 0.7, 100)
right.plot(grid, advice.predicted(grid), color=COLOURS[1], label="predicted from noise and cost")
right.plot(BUDGETS, [needed[f"budget {p:g}"] for p in BUDGETS], "o", color=COLOURS[5], label="measured by training")
for marker, batch, fill in (("s", 32, "none"), ("^", 16, "full")):
    style = {"color": "black", "markersize": 9 if fill == "none" else 5, "fillstyle": fill, "clip_on": False}
    right.plot(1, needed[f"exact, batch {batch}"], marker, label=f"exact, batch {batch}", **style)
right.axhline(1, color="black", linewidth=0.8)
right.set(xscale="log", ylim=(0.3, 1.3), xlabel="budget p", ylabel="cost for the same loss / cost of exact VJPs")
right.set_xticks([0.1, 0.2, 0.3, 0.5, 0.7, 1], ["0.1", "0.2", "0.3", "0.5", "0.7", "1"])
right.set_xticks([], minor=True)
right.set_title("Predicted, then checked")
right.legend(fontsize=8)

measured = needed["budget 0.3"]
assert measured < 0.8 and measured < needed["budget 0.1"] and measured < needed["budget 0.7"]
assert all(abs(needed[f"exact, batch {batch}"] - 1) < 0.2 for batch in (32, 16))

# %%
# The smaller batches run along the curve of the large one, as promised. The sketch of samples leaves both behind, by
# what was predicted from a few backward passes.
#
# What was not shown
# ------------------
# Each method had the learning rate that makes its noise equal to that of the others. That is the right comparison where
# **noise limits the learning rate**. Does it, here? Give the batch of 16 the full rate of 0.1, which the argument
# forbids:

free = race(16, None, LR, 0)[-1]
print(f"last loss: budget 0.3 {curves['budget 0.3'][-1]:.4f}; exact, batch 16, at its full learning rate {free:.4f}")
assert free < min(losses[-1] for losses in curves.values())

# %%
# It beats everything. On these easy data more noise could be borne, and then the number of steps is what counts, of
# which the smallest batch makes the most. So the order of business is: first choose batch and learning rate, so that
# more noise would hurt; *then* ask whether a sketch pays. Lesson 10 goes on from here.
#
# Nor did we claim seconds. This counts operations; at this size Python takes longer than the arithmetic does. And the
# answer changes along a training: a fresh network gains nothing (lesson 17 says why, and exercise 1 asks when).

print(f"checked: stated 0.6, found {measured:.3f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Let ``inspect.tradeoff`` look at the network after 1, 5 and 30 epochs. When does the sketch of samples begin to
#    pay?
#    *Hint*: what do the cotangents of samples look like when all are wrong, and what when most are right?
# 2. Show that :math:`\text{cost}(p^*)/\text{cost}(1) = (\sqrt{c_0 a} + \sqrt{c_1 b})^2 / ((c_0 + c_1)(a + b))` and that
#    it is at most 1. *Hint*: Cauchy-Schwarz.
# 3. Race all methods at learning rates of 1, 2, 4 and 8 times those above, and compare the best of each at equal cost.
#    *Hint*: where does a larger rate begin to hurt, and is it noise or curvature that sets the limit? A rate beyond
#    :math:`2/L` diverges without any noise.
