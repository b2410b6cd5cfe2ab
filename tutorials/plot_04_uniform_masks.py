"""
4. Uniform masks
================

The simplest unbiased estimator keeps every *unit* of a cotangent with the same probability :math:`p` and divides what
it keeps by :math:`p`. A unit may be an entry, a **column** (one feature for the whole batch), a row with all its
features, or a whole sample. (A row is a sample, or, where a sample is a sequence, one of the vectors of which it
consists: a **token**. A patch of a picture may be one, or a word of a sentence.) All four have the same mean. They
differ in what they save, and in how noisy they make the gradients. Both can be said before anything is run.

Two words. The **budget** of an estimator is the expected fraction that it keeps; for a mask it is :math:`p`. The
**distortion** is the mean squared error :math:`\\mathbb{E}\\|\\hat G - G\\|^2`, where :math:`\\|\\cdot\\|` is the
square root of the sum of all squared entries (the Frobenius norm).
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import inspect, ops, theory
from minigrad.estimators import Mask
from minigrad.plot.style import COLOURS

# %%
# Four kinds of unit
# ------------------
# A cotangent of 4 samples, each of 3 tokens with 10 features, is an array of shape (4, 3, 10). As a matrix it has
# 12 rows and 10 columns. A mask of samples keeps or drops three rows together.
#
# Each unit has a coin of its own, so the number kept is random; this is called a **Poisson design**. In a **systematic
# design** (``design="systematic"``) one random number decides for all units. Lay their probabilities end to end, draw
# one :math:`u` between 0 and 1, and keep the units in whose interval one of :math:`u, u + 1, u + 2, \dots` falls. Of
# :math:`m` units :math:`mp` are kept if that is whole, and otherwise one of its two neighbours.

rng = np.random.default_rng(3)
G = rng.uniform(0.5, 1.5, size=(4, 3, 10))
figure, axes = plt.subplots(1, 4, figsize=(9, 3.6), layout="constrained", sharey=True)
for ax, kind in zip(axes, ("element", "column", "row", "sample"), strict=True):
    drawn = Mask(0.5, axis=kind).sample(G, None, rng)
    image = ax.pcolormesh(drawn.dense().reshape(12, 10), cmap="Blues", vmin=0, vmax=3, edgecolors="0.85", linewidth=0.3)
    ax.set(title=f'axis="{kind}"', xlabel="feature (column)", xticks=[0, 5, 10])
    for boundary in (3, 6, 9):
        ax.axhline(boundary, color="black", linewidth=1)
axes[0].set(ylabel="row (3 tokens a sample)", yticks=[0, 3, 6, 9, 12])
axes[0].invert_yaxis()
figure.colorbar(image, ax=axes, label="kept entry, divided by p (gradient units)", shrink=0.9)
figure.suptitle("One draw of each mask at budget 0.5; what is dropped is white")

for budget, numbers in ((0.4, {2}), (0.5, {2, 3})):  # of 5 columns
    outcomes = Mask(budget, design="systematic").outcomes(np.ones((1, 5)))
    assert {np.count_nonzero(kept.dense()) for _, kept in outcomes} == numbers

# %%
# Same distortion, whatever the unit
# ----------------------------------
# One entry :math:`G_{ij}` becomes :math:`G_{ij}/p` with probability :math:`p` and 0 otherwise. Its mean is right
# and its variance is
#
# .. math:: p \Big(\frac{G_{ij}}{p} - G_{ij}\Big)^2 + (1-p)\, G_{ij}^2 = \Big(\frac1p - 1\Big)\, G_{ij}^2 .
#
# Summed over all entries, :math:`\mathbb{E}\|\hat G - G\|^2 = \kappa \|G\|^2` with :math:`\kappa = 1/p - 1`. Which
# entries are kept together does not matter, as the sum of squares never asks. At a budget of 0.1 the factor
# :math:`\kappa` is **9.0**: the noise is nine times as large as the cotangent itself, in square. Let us look at
# draws.

p = 0.1
draws = 4000
G = rng.normal(size=(40, 30))
square = np.sum(G**2)
found = {}
for kind in ("element", "column", "row", "sample"):
    errors = [np.sum((Mask(p, axis=kind).sample(G, None, rng).dense() - G) ** 2) for _ in range(draws)]
    found[kind] = np.mean(errors) / square
    print(f"{kind:8s} {found[kind]:.3f} ± {np.std(errors) / square / np.sqrt(draws):.3f}")
ratio = found["element"]
assert all(abs(value - 9) < 0.5 for value in found.values())

# %%
# Same cotangent, different gradients
# -----------------------------------
# What we are after are the gradients. A linear layer computes :math:`Y = X W^\top`, with :math:`X` of :math:`N` rows
# and :math:`n` columns and :math:`W` of :math:`m` rows. Here :math:`N = B\,T`, for :math:`B` samples of :math:`T`
# tokens. With the cotangent :math:`G` of :math:`Y` its VJPs are
#
# .. math:: \partial X = G\,W, \qquad \partial W = G^\top X .
#
# If :math:`r` of :math:`m` columns of :math:`G` are kept, both products shrink to a fraction :math:`r/m`; likewise
# for :math:`r` of :math:`N` rows. Scattered entries save less in practice, because processors like dense blocks.
#
# For the noise it now matters what is dropped together. Two facts first. A column :math:`u` times a row :math:`v^\top`
# has :math:`\|u v^\top\|^2 = \sum_{ik} u_i^2 v_k^2 = \|u\|^2 \|v\|^2`. And the random number :math:`\text{keep}/p - 1`,
# with keep 1 or 0, has mean 0 and variance :math:`\kappa`: it is the one above for the entry 1.
#
# With a column mask the error of :math:`\partial X` is the sum over columns of this number × :math:`G_j W_j`, where
# :math:`G_j` is column :math:`j` of :math:`G` and :math:`W_j` row :math:`j` of :math:`W`. The random numbers are
# independent, so mixed terms have mean 0, and what remains is :math:`\kappa \sum_j \|G_j\|^2 \|W_j\|^2`. As for
# :math:`\partial W`, dropping column :math:`j` of :math:`G` removes exactly row :math:`j` of it: the errors lie in
# different rows, and their squares add up to :math:`\kappa\|\partial W\|^2`. In the same way:
#
# .. list-table::
#    :header-rows: 1
#
#    * - mask
#      - distortion of :math:`\partial X`
#      - distortion of :math:`\partial W`
#    * - element
#      - :math:`\kappa \sum_j \|G_j\|^2 \|W_j\|^2`
#      - :math:`\kappa \sum_i \|G_{i\cdot}\|^2 \|X_{i\cdot}\|^2`
#    * - column
#      - :math:`\kappa \sum_j \|G_j\|^2 \|W_j\|^2`
#      - :math:`\kappa \|\partial W\|^2`
#    * - row
#      - :math:`\kappa \|\partial X\|^2`
#      - :math:`\kappa \sum_i \|G_{i\cdot}\|^2 \|X_{i\cdot}\|^2`
#    * - sample
#      - :math:`\kappa \|\partial X\|^2`
#      - :math:`\kappa \sum_s \|G_s^\top X_s\|^2`
#
# (:math:`G_{i\cdot}` is row :math:`i`; :math:`G_s`, :math:`X_s` are the rows of sample :math:`s`.) The first three
# rows are ``theory.input_distortion`` and ``theory.weight_distortion``; the last one we write down here.

B, T, n, m, p = 3, 2, 4, 5, 0.4
X, W, G = rng.normal(size=(B, T, n)) + 0.7, rng.normal(size=(m, n)), rng.normal(size=(B, T, m)) + 0.3
kappa = 1 / p - 1
predicted = {
    kind: (theory.input_distortion(G, W, kind, p=p), theory.weight_distortion(G, X, kind, p=p))
    for kind in ("element", "column", "row")
}
by_sample = sum(np.sum((g.T @ x) ** 2) for g, x in zip(G, X, strict=True))
predicted["sample"] = (kappa * np.sum((G @ W) ** 2), kappa * by_sample)

# %%
# Are the formulas right? The gradients are small, so column, row and sample masks can be enumerated: 32, 64 and 8
# outcomes. The element mask of 30 entries has :math:`2^{30}`, too many; for it we take 4000 draws.

x, w = mg.Tensor(X, requires_grad=True, name="X"), mg.Tensor(W, requires_grad=True, name="W")
with mg.Tape() as tape:
    y = ops.linear(x, w)
    loss = (y * G).sum()  # its cotangent of y is exactly G
measured = {}
for kind in predicted:
    tape.nodes[0].vjp = Mask(p, axis=kind)
    if kind == "element":
        report = inspect.variance(tape, loss, draws=4000, rng=0)
    else:
        report = inspect.exact_moments(tape, loss)
    measured[kind] = (report.by_parameter["X"], report.by_parameter["W"])
    accuracy = 0.1 if kind == "element" else 1e-9
    assert np.allclose(measured[kind], predicted[kind], rtol=accuracy)
    (dx, dw), (ex, ew) = predicted[kind], measured[kind]
    print(f"{kind:8s} ∂X: formula {dx:8.3f}, found {ex:8.3f}    ∂W: formula {dw:8.3f}, found {ew:8.3f}")

# %%

figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
for k, (ax, what) in enumerate(zip(axes, ("X", "W"), strict=True)):
    ax.bar(
        list(predicted),
        [v[k] for v in predicted.values()],
        color="white",
        edgecolor=COLOURS[1],
        label="formula",
        width=0.6,
    )
    ax.plot(list(measured), [v[k] for v in measured.values()], "o", color=COLOURS[5], label="enumerated, or 4000 draws")
    ax.set(
        ylabel=f"mean ‖error of ∂{what}‖² (gradient units²)",
        xlabel="unit of the mask",
        title=f"Noise of ∂{what} at budget {p}",
    )
axes[1].legend()
_ = axes[1].set_ylim(top=1.3 * max(v[1] for v in predicted.values()))

# %%
# Which one, then? Compare :math:`\sum_j \|G_j\|^2\|W_j\|^2` with :math:`\|\partial X\|^2 = \|\sum_j G_j W_j\|^2`.
# If the terms :math:`G_j W_j` point every which way, the two are alike. If they agree with one another, the norm of
# the sum is far larger than the sum of squares, and masking columns is the quieter choice. If they nearly cancel,
# it is the reverse: dropping one of two terms that cancel leaves the other one standing. Then there is no bound on
# the relative noise.

g, w = np.array([[1.0, 1.0]]), np.array([[1.0], [-0.99]])
noise = theory.input_distortion(g, w, "column", p=0.5) / np.sum((g @ w) ** 2)
print(f"two columns that nearly cancel: relative noise of ∂X {noise:.0f}, although that of G is 1")
assert noise > 1e4

print(f"checked: stated 9.0, found {ratio:.4f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. Derive the distortion of :math:`\partial W` under a row mask. *Hint*:
#    :math:`\partial W = \sum_i G_{i\cdot}^\top X_{i\cdot}`; the mask multiplies each term by a random number.
# 2. Compare both designs by enumeration, at a budget for which :math:`mp` is whole, for :math:`G` and for
#    :math:`\partial X`. *Hint*: the first does not change. The second may go up or down: see the cross terms in
#    ``help(theory.input_distortion)``.
# 3. A loss that is a *mean* over the batch has a factor :math:`1/B` in :math:`G`. How do the distortions of
#    :math:`\partial W` change with the batch size, for row masks and for column masks, and how do they relative to
#    :math:`\|\partial W\|^2`? *Hint*: a row mask's is a sum of :math:`B` terms, each with a factor :math:`1/B^2`; a
#    column mask's is :math:`\kappa \|\partial W\|^2`.
