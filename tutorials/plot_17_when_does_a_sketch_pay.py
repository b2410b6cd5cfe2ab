"""
17. When does a sketch pay?
===========================

Lessons 9 to 12 found sketches that pay and sketches that do not. Is there one thing to look at, before anything is
tried? For samples that are kept at the logits there is: **how many samples carry the gradient**. In this lesson we
derive what can be gained at most, and see it happen while a network is trained.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, theory, training
from minigrad.estimators import DiagonalSketch
from minigrad.plot.style import COLOURS, MARKERS

# %%
# The cost to a precision
# -----------------------
# A step costs :math:`F + B` operations, forward and backward. Its gradient has the variance :math:`\sigma^2` of the
# minibatch. A sketch adds a variance :math:`V` and leaves :math:`B' < B`. If noise limits training, the number of steps
# is in proportion to the variance (lesson 9). So compared with exact VJPs the cost to reach a precision is
#
# .. math:: J = \frac{(\sigma^2 + V)(F + B')}{\sigma^2\,(F + B)} .
#
# Below 1 a sketch pays. *A smaller batch* has :math:`J = 1`: half the cost, twice the variance. It is no rival that one
# could beat by choosing the batch well.
#
# Four samples
# ------------
# Let the gradients of four samples have the norms 10, 1, 1, 1, and the forward pass cost half of the backward pass. In
# units of one sample's backward pass :math:`F + B = 2 + 4`. Take :math:`\sigma^2` as the sum of the squared norms, 103
# (that is so when the gradients point every which way). Keep the first sample always and the others with probability
# :math:`p`, divided by it:
#
# .. math:: J(p) = \frac{(103 + 3\,(1/p - 1))\,(2 + 1 + 3p)}{103 \cdot 6} = \frac{(100 + 3/p)(3 + 3p)}{618} .
#
# It is least at :math:`p = \sqrt{3 / 100}`, and there it is **0.67**. Three samples of four are hardly ever looked at,
# and a third of the cost is spared. With four norms alike :math:`J` is 1 at best: nothing to gain.

p = np.sqrt(3 / 100)
four = (100 + 3 / p) * (3 + 3 * p) / 618
print(f"p = {p:.3f}, J = {four:.4f}; four alike: {theory.samples_ratio([1, 1, 1, 1], forward=0.5):.4f}")
assert np.isclose(four, theory.samples_ratio([10, 1, 1, 1], forward=0.5))
assert theory.samples_ratio([1, 1, 1, 1], forward=0.5) == 1

# %%
# One number says how unequal they are, the *share of effective samples*
#
# .. math:: \frac{(\mathrm{mean}\; s)^2}{\mathrm{mean}\; s^2} ,
#
# for norms :math:`s`: 1 where all count alike, :math:`1/n` where one does. And however small it is, the forward pass is
# paid: :math:`J` cannot fall below :math:`F / (F + B)`, about a third.
#
# While a network is trained
# --------------------------
# At the logits the norm of a sample's gradient is :math:`\|p - y\|` (lesson 1b): large where the network is wrong, tiny
# where it is sure and right. So at first all samples count, and later few do. We train a perceptron on the digits, and
# stop a few times. From the norms we *predict* :math:`J`. Then ``inspect.tradeoff`` *measures* it, at the best budget
# and on batches that had no part in choosing it.

data = datasets.digits().flat()
model = nn.mlp((64, 128, 128, 10), rng=0)
optimiser = optim.SGD(model, lr=0.1)
with mg.Tape() as tape:
    ops.cross_entropy(model(data.x_train[:64]), data.y_train[:64])
cost = inspect.cost(tape)
forward = cost.forward / cost.backward_exact


def norms(model):
    """Of each training sample's gradient at the logits."""
    probabilities = ops.softmax(model(data.x_train)).data
    return np.linalg.norm(probabilities - np.eye(10)[data.y_train], axis=1)


STAGES = (0, 2, 5, 15, 40)
shares, predicted, measured, sizes = [], [], [], {}
for before, epochs in zip((0, *STAGES), STAGES, strict=False):
    if epochs:
        training.fit(
            model, data, optimizer=optimiser, epochs=epochs - before, batch_size=64, rng=epochs, progress=False
        )
    sizes[epochs] = norms(model)
    shares.append(theory.effective_share(sizes[epochs]))
    predicted.append(theory.samples_ratio(sizes[epochs], forward))
    sketched = nn.mlp((64, 128, 128, 10), rng=0)
    sketched.load_state_dict(model.state_dict())
    sketched[4].vjp = DiagonalSketch(0.3, axis="sample")
    advice = inspect.tradeoff(sketched, data, budgets=(0.7, 0.5, 0.3, 0.2, 0.1), batch_size=64, batches=12, rng=0)
    measured.append((advice.ratio, advice.ratio_error))
    print(
        f"after {epochs:2} epochs: {100 * shares[-1]:3.0f} % of the samples are effective; J predicted "
        f"{predicted[-1]:.2f}, measured {advice.ratio:.2f} ± {advice.ratio_error:.2f} ({advice.sentence.split(':')[0]})"
    )

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.9), layout="constrained")
for k, epochs in enumerate((0, 5, 40)):
    s = np.sort(sizes[epochs])[::-1]
    left.plot(
        np.linspace(0, 100, len(s)),
        100 * np.cumsum(s**2) / np.sum(s**2),
        color=COLOURS[k + 1],
        label=f"{epochs} epochs",
    )
left.set(xlabel="part of the samples, largest first (%)", ylabel="part of the sum of ‖gradient‖² (%)")
left.set_title("Few samples come to carry the gradient")
left.legend()
grid = np.geomspace(0.01, 1, 60)
right.plot(grid, [theory.lognormal_samples_ratio(x, forward) for x in grid], color="0.5", label="log-normal norms")
right.plot(shares, predicted, "D", color=COLOURS[5], label="predicted from the norms")
right.errorbar(shares, *np.transpose(measured), fmt=MARKERS[0], color=COLOURS[1], capsize=3, label="measured ± error")
right.axhline(1, color="black", linewidth=0.8)
right.axhline(forward / (1 + forward), color="black", linestyle=":", label="forward pass alone")
right.set(xscale="log", ylim=(0, 1.2), xlabel="share of effective samples", ylabel="cost to a precision, J")
right.set_title("Below 1 a sketch pays")
right.legend(fontsize=8, loc="lower right")
for guess, (found, error) in zip(predicted, measured, strict=True):
    assert abs(guess - found) < 0.05 + 3 * error
assert shares == sorted(shares, reverse=True) and measured[0][0] == 1 and measured[-1][0] < 0.6

# %%
# Nothing is gained in the beginning, and nearly half in the end, and the norms at the logits knew it beforehand. **A
# sketch pays when few samples carry the gradient**, that is when the network has learned most of them. (The prediction
# assumes that all samples are enlarged alike on their way down. The measurement does not.)
#
# What it does not say
# --------------------
# :math:`J` is the cost where *noise* limits training. A batch so large that its noise does no harm should first be made
# smaller: that is free, and lesson 9 showed how far it goes. Nor are these seconds. :doc:`/experiments/field` has the
# same picture for a perceptron, a BagNet and a vision transformer, in operations and in seconds, and
# :doc:`/experiments/budgeted` whole runs.

print(f"checked: stated 0.67, found {four:.4f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Show that :math:`J` of four samples with the norms :math:`s, 1, 1, 1` falls to 1/2 for large :math:`s`. *Hint*:
#    what is left are the forward passes of four samples and one backward pass.
# 2. Turn a tenth of the labels into others at random, and train again. What happens to the share of effective samples,
#    and is what the sketch then keeps worth keeping? *Hint*: whose gradients are large?
# 3. Why does the share of effective samples say nothing about columns? *Hint*: which norms would have to be unequal,
#    and is a column that was left out gone from the layers below (lesson 10)?
