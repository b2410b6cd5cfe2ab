"""
18. Gradients without backpropagation
=====================================

Lesson 0 said that forward mode needs one pass for each parameter, and that is why everybody walks backwards. But one
pass forward in a *random* direction is unbiased, too. No tape, nothing saved, no way back. **Why not train like that?**
There is an exact answer, and it is one number.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops
from minigrad.estimators import ForwardGradient, Mask
from minigrad.plot.style import COLOURS, MARKERS, STYLES

# %%
# A random direction
# ------------------
# A pass forward in the direction :math:`v` gives one number, the slope :math:`\langle g, v\rangle`, and not the
# gradient :math:`g`. Multiply the direction by it:
#
# .. math:: \hat g = \langle g, v\rangle\, v = v v^\top g .
#
# This is the **forward gradient** (Baydin et al. 2022). If :math:`\mathbb{E}[v v^\top]` is the identity, as for entries
# that are +1 or -1 by independent coins, then :math:`\mathbb{E}[\hat g] = g`. With 8 parameters there are 256
# directions; the mean over all of them can be computed.


def f(x):
    return ops.sin(x[0] * x[1]) + (x[2:] ** 2).sum()


point = np.arange(8) / 4
g = mg.grad(f)(point)
directions = [np.array(v) for v in itertools.product((-1.0, 1.0), repeat=8)]
estimates = np.array([mg.jvp(f, (point,), (v,))[1] * v for v in directions])
print("largest difference of the mean from the gradient:", f"{np.abs(estimates.mean(axis=0) - g).max():.1e}")
assert np.allclose(estimates.mean(axis=0), g)

# %%
# How noisy?
# ----------
# The length of every direction is the same, :math:`\|v\|^2 = d` for :math:`d` parameters. So
#
# .. math:: \mathbb{E}\|\hat g\|^2 = d\;\mathbb{E}\langle g, v\rangle^2 = d\,\|g\|^2,
#    \qquad\text{and}\qquad \mathbb{E}\|\hat g - g\|^2 = (d - 1)\,\|g\|^2 .
#
# For 8 parameters the noise is **7.0** times the squared gradient. It does not matter what the function is.

noise = np.mean(np.sum((estimates - g) ** 2, axis=1)) / np.sum(g**2)
print(f"noise / ‖g‖² over all 256 directions: {noise:.4f}")
assert np.isclose(noise, 7) and np.isclose(ForwardGradient("rademacher").variance(g), 7 * np.sum(g**2))

# %%
# For a network this is a catastrophe: the smallest below has 760 parameters. Random VJPs are noisy in quite another
# way. A mask on the hidden layer knows the exact cotangent above it and the exact inputs, and leaves out columns. Its
# noise hardly depends on how many there are.

data = datasets.digits().flat()
x, y = data.x_train[:64], data.y_train[:64]
sizes, forward, masked = [], [], []
for width in (10, 20, 40, 80):
    model = nn.mlp(64, width, 10, rng=0)

    def record(rng, model=model):
        with mg.Tape(rng=rng) as tape:
            value = ops.cross_entropy(model(x), y)
        return tape, value

    sizes.append(sum(parameter.size for parameter in model.parameters()))
    report = inspect.variance(record=record, estimator=ForwardGradient("rademacher"), draws=200, rng=0)
    forward.append((report.relative, report.standard_error / report.norm**2))
    nn.set_vjp(model, Mask(0.25), where=lambda path, module: path == "0")
    report = inspect.variance(record=record, draws=200, rng=0)
    masked.append((report.relative, report.standard_error / report.norm**2))
    print(f"{sizes[-1]:5} parameters: forward gradient {forward[-1][0]:5.0f}, columns masked {masked[-1][0]:.2f}")
sizes = np.array(sizes)
for d, (found, error) in zip(sizes, forward, strict=True):
    assert abs(found - (d - 1)) < 5 * error
assert max(found for found, _ in masked) < 5

# %%
# What it means for training
# --------------------------
# With more noise the step must be smaller. On the plainest loss, :math:`\tfrac12\|w\|^2`, a step of size :math:`a`
# takes the mean of :math:`\|w\|^2` times
#
# .. math:: 1 - 2a + a^2 d ,
#
# which is least for :math:`a = 1/d`: then :math:`1 - 1/d` is left. An exact step of size 1 would have been done at
# once. A forward gradient needs about :math:`d \ln 100` steps to get to a hundredth. That is the cost of walking along
# *every* parameter once, several times over. **One random number a pass is worth one parameter a pass**, no more.

needed = []
dimensions = np.array([16, 64, 256])
for d in dimensions:
    runs = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        w, steps = np.ones(d), 0
        while w @ w > d / 100:
            v = rng.choice((-1.0, 1.0), size=d)
            w, steps = w - (w @ v) * v / d, steps + 1  # the gradient of the loss is w itself
        runs.append(steps)
    needed.append(np.mean(runs))
    print(f"{d:4} parameters: {needed[-1]:6.0f} steps, d ln 100 = {d * np.log(100):.0f}")
assert all(0.85 < steps / (d * np.log(100)) < 1.15 for d, steps in zip(dimensions, needed, strict=True))

figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.9), layout="constrained")
for k, (name, found) in enumerate({"forward gradient": forward, "Mask(0.25), hidden layer": masked}.items()):
    value, error = np.transpose(found)
    left.errorbar(sizes, value, error, fmt=MARKERS[k], color=COLOURS[1 + 4 * k], label=name, capsize=3)
left.plot(sizes, sizes - 1, color=COLOURS[1], linestyle=STYLES[1], label="d − 1")
left.set(xscale="log", yscale="log", xlabel="parameters d of a perceptron", ylabel="noise / ‖g‖²", title="One gradient")
left.set_xticks(sizes, [f"{d}" for d in sizes])
left.set_xticks([], minor=True)
left.legend()
right.loglog(dimensions, needed, MARKERS[0], color=COLOURS[1], label="forward gradient, mean of 10 runs")
right.loglog(dimensions, dimensions * np.log(100), color=COLOURS[1], linestyle=STYLES[1], label="d ln 100")
right.axhline(1, color="black", linewidth=0.8, label="exact gradient")
right.set_xticks(dimensions, [f"{d}" for d in dimensions])
right.set_xticks([], minor=True)
right.set(xlabel="parameters d", ylabel="steps to 1/100 of a squared length", title="Training on ½‖w‖²")
right.legend()

# %%
# So reverse mode stays. Forward gradients, and their older relatives that take differences of losses, are for where one
# *cannot* walk back: a loss that is not differentiable, a simulator, memory for nothing but the weights, few
# parameters. Averaging over :math:`k` directions divides the noise by :math:`k` and multiplies the cost by it.
# :doc:`/guide/forward-gradients` has them all, with their biases.

print(f"checked: stated 7.0, found {noise:.4f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. With entries from the normal distribution the noise is :math:`(d + 1)\|g\|^2`. Derive it. *Hint*:
#    :math:`\mathbb{E}[v_i^2 v_j^2]` is 1 for :math:`i \ne j` and 3 for :math:`i = j`.
# 2. Take :math:`k` directions that are orthogonal to each other. What is left of the noise at :math:`k = d`? *Hint*:
#    ``ForwardGradient("sphere", directions=8, orthogonal=True)``.
# 3. A cotangent can be perturbed at a node, in place of the weights: a random direction for the 64 outputs of a layer
#    rather than for its thousands of weights. What would the noise be, and what must be known exactly? *Hint*: which
#    number plays the part of :math:`d`?
