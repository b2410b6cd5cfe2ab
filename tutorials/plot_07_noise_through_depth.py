"""
7. Noise through depth, and whose fault it is
=============================================

One masked layer adds noise of a size that a formula tells. A network has many. How does the noise grow on its way
down, and which layer is to blame for what arrives at the end? "Blame" sounds vague, but it has an exact meaning:
the variance of the gradient splits into one number per node, and the numbers add up. That is what tells you where
a budget is well spent.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim
from minigrad.estimators import Exact, Mask
from minigrad.plot.style import COLOURS, MARKERS, STYLES

# %%
# One over p to the power of depth
# --------------------------------
# Take layers that neither stretch nor shrink: :math:`Y = X Q^\top` with orthogonal :math:`Q`. Each carries a column
# mask of budget :math:`p`. The *relative noise* of a random cotangent is
# :math:`\mathbb{E}\|\hat g - g\|^2 / \|g\|^2`; for an unbiased one it is
# :math:`\mathbb{E}\|\hat g\|^2 / \|g\|^2 - 1`.
#
# One mask multiplies the mean square of every entry by :math:`1/p` (kept with probability :math:`p`, then
# multiplied by :math:`1/p`, in square :math:`p / p^2`). The orthogonal matrix leaves the sum of squares as it is.
# The next mask is fresh, and multiplies by :math:`1/p` again. After :math:`L` layers
#
# .. math:: \frac{\mathbb{E}\|\hat g\|^2}{\|g\|^2} - 1 = \Big(\frac1p\Big)^L - 1 .
#
# Noise does not add up through depth, it **compounds**. At :math:`p = 1/2` one layer gives 1, and three layers give
# :math:`2^3 - 1`: a relative noise of **7.0**. Three layers of 4 columns have :math:`2^{12}` joint outcomes, so we
# can see it without sampling error.


def chain(depth, width, budget, rng):
    """A tape of orthogonal layers, each masked, and its loss; the leaf is at the bottom."""
    x = mg.Tensor(rng.normal(size=(1, width)), requires_grad=True, name="x")
    direction = rng.normal(size=(1, width))
    with mg.Tape() as tape:
        y = x
        for _ in range(depth):
            q = np.linalg.qr(rng.normal(size=(width, width)))[0]
            y = ops.linear(y, q, vjp=Mask(budget))
        loss = (y * direction).sum()
    return tape, loss


tape, loss = chain(3, 4, 0.5, np.random.default_rng(0))
moments = inspect.exact_moments(tape, loss)
noise = moments.total_variance / moments.norm**2
print(f"{moments.outcomes} outcomes; bias {moments.bias:.1e}; relative noise {noise:.6f}")
assert abs(noise - 7) < 1e-9

# %%
# For more layers we draw. ``inspect.variance`` reports, for each random node, the noise of the cotangent that
# *arrives* there (its ``relative_noise``).

depth, rng = 8, np.random.default_rng(1)
figure, ax = plt.subplots(figsize=(6.6, 3.9), layout="constrained")
for k, budget in enumerate((0.9, 0.75, 0.5)):
    tape, loss = chain(depth, 64, budget, rng)
    report = inspect.variance(tape, loss, draws=300, rng=0)
    passed = np.arange(1, depth)
    met = np.array(list(report.relative_noise.values()))[1:]  # the first one meets none
    ax.semilogy(
        passed,
        (1 / budget) ** passed - 1,
        color=COLOURS[k + 1],
        linestyle=STYLES[k],
        label=f"$(1/p)^L - 1$ for p = {budget}",
    )
    ax.semilogy(passed, met, MARKERS[k], color=COLOURS[k + 1], label=f"300 draws, p = {budget}")
    assert np.all(np.abs(met / ((1 / budget) ** passed - 1) - 1) < 0.35)
ax.axhline(1, color="black", linewidth=0.8)
ax.annotate("noise as large as the signal", (3.6, 1.08), fontsize=9)
ax.set(xlabel="masked layers passed, L", ylabel="relative noise E‖ĝ − g‖² / ‖g‖²", title="Noise compounds with depth")
ax.legend(fontsize=8, ncol=2, loc="upper left", bbox_to_anchor=(0, -0.18))
ax.grid(alpha=0.25)

# %%
# Whose fault?
# ------------
# Let :math:`H_k` be the gradient when only the first :math:`k` random nodes that the backward sweep meets are
# random, and all others exact. :math:`H_0` is the exact gradient, :math:`H_K` is what we use. The difference
# :math:`H_k - H_{k-1}` is what node :math:`k` adds: its own error, carried down exactly. Given everything before it,
# this has mean zero, since the estimator at node :math:`k` is unbiased. So any two of these differences have a mixed
# term of mean zero, and by Pythagoras
#
# .. math:: \mathbb{E}\|\hat g - g\|^2 = \sum_k \mathbb{E}\|H_k - H_{k-1}\|^2 .
#
# Each term is the *share* of a node. Here is a network on handwritten digits, with a mask on each linear layer. We
# train it for a moment first, as fresh weights are no good example.

data = datasets.digits().flat()
images, labels = data.x_train[:256], data.y_train[:256]
model = nn.mlp(64, 48, 48, 48, 10, rng=0)
optimiser = optim.SGD(model.parameters(), lr=0.1)
for _ in range(60):
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(mg.Tensor(images)), labels)
    tape.backward(loss)
    optimiser.step()
    optimiser.zero_grad()

nn.set_vjp(model, Mask(0.25), where=nn.Linear)
with mg.Tape() as tape:
    loss = ops.cross_entropy(model(mg.Tensor(images)), labels)
report = inspect.variance(tape, loss, draws=300, rng=0)
print(report)
assert np.isclose(sum(report.by_node.values()), report.total)

# %%

figure, ax = plt.subplots(figsize=(6.6, 4.2), layout="constrained")
report.plot(ax)
figure.suptitle("Mask(0.25) on each linear layer, digits")

# %%
# Read it from the top, as the sweep goes. The dashed line is the noise of the cotangent that arrives at a layer: 0
# at the top, and growing. The bars are the shares of blame. "6/linear" is the operation ``linear`` in layer 6 of
# the model, the one next to the loss.
#
# Making one node exact
# ---------------------
# If one node is made exact, its own share goes to zero, *and* the nodes below it meet a less noisy cotangent, so
# that theirs shrink too. The draws of the other nodes stay the same, as they are keyed by node. Guess first: the
# lowest layer has by far the largest share. Is it the one to be made exact?

rows = {"all masked": report}
for index in report.by_node:
    before = tape.nodes[index].vjp
    tape.nodes[index].vjp = Exact()
    rows[f"{report.labels[index]} exact"] = inspect.variance(tape, loss, draws=300, rng=0)
    tape.nodes[index].vjp = before
for name, row in rows.items():
    print(f"{name:18s} total variance relative to ‖g‖²: {row.relative:6.2f}")
assert all(row.total < report.total for name, row in rows.items() if name != "all masked")

figure, ax = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
left = np.zeros(len(rows))
patterns = ["", "//", "..", "xx"]
for k, index in enumerate(report.by_node):
    share = np.array([row.by_node.get(index, 0.0) / row.norm**2 for row in rows.values()])
    ax.barh(
        list(rows),
        share,
        left=left,
        color=COLOURS[k + 1],
        edgecolor="black",
        hatch=patterns[k],
        label=f"share of {report.labels[index]}",
        alpha=0.85,
    )
    left += share
ax.invert_yaxis()
ax.set(xlabel="variance of the gradient / ‖g‖²", title="What is gained by making one layer exact")
ax.legend(fontsize=8, loc="lower right")

# %%
# A surprise: the layer next to the loss has the smallest share, and making it exact helps the most. Its own noise
# is little, but every layer below multiplies it: their shares are so large *because* of what they meet. A sketch at
# the bottom spoils only its own gradient. So read both columns of the report: the share, and the noise met.

largest = min((name for name in rows if name != "all masked"), key=lambda name: rows[name].total)
assert largest == "6/linear exact" and min(report.by_node, key=report.by_node.get) == 6

# %%
# How a total cost is best shared among the layers is another matter, for the increment of a layer has in it what the
# layers above enlarge: ``inspect.allocate`` measures how noise compounds, and finds the budgets.

print(f"checked: stated 7.0, found {noise:.6f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Replace the masks of the chain by budgets :math:`p_1, \dots, p_L` with a fixed product. Does the order matter
#    for the noise at the leaf? And for the shares? *Hint*: :math:`\prod 1/p_l` is blind to the order; node
#    :math:`k` adds :math:`(1/p_k - 1)\prod_{l<k} 1/p_l`.
# 2. Put the masked layer in a branch beside a skip path, :math:`y = x + \varepsilon\,Q x`, with the mask on the branch
#    only. How does the noise grow now? *Hint*: the exact skip path carries the signal; each block multiplies the mean
#    square by roughly :math:`1 + \varepsilon^2 / p`, not by :math:`1/p`.
# 3. Train the network with masks and follow ``report.relative`` over the steps. Does the noise shrink with the
#    gradient? *Hint*: distortions are quadratic in :math:`G`, so the ratio is what may, or may not, stay put.
