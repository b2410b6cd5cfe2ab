"""
13. Catching biases that published code really had
==================================================

A biased gradient gives no error message. The loss goes down, only not as far, or not as fast, and somebody blames the
learning rate. The six mistakes of this lesson were all found in published code, by running it. Each takes a few lines
to make and looks reasonable. We build them one by one, let the checks of the library find them, measure how large each
bias is, and mend it.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, ops, testing
from minigrad.estimators import Mask
from minigrad.plot.style import COLOURS

# %%
# Two tools
# ---------
# ``testing.assert_unbiased(estimator)`` takes any estimator, and ``testing.assert_unbiased(tape, loss)`` any recorded
# tape, and raises an ``AssertionError`` that says where the mean is off. It lists all outcomes where it can, and
# otherwise draws, with a false-alarm rate that is stated: one in a million.
#
# To measure *how large* a bias is, without any sampling error, we list the outcomes ourselves and average. Everything
# here is small enough for that.


def caught(*subject):
    """The first lines of what the check says; it must say something."""
    try:
        testing.assert_unbiased(*subject)
    except AssertionError as error:
        print("\n".join(str(error).splitlines()[:3]), "\n")
        return True
    return False


def subsets(count, p):
    """All ways to keep some of ``count`` things, each with its probability."""
    for kept in itertools.product((False, True), repeat=count):
        kept = np.array(kept)
        yield np.prod(np.where(kept, p, 1 - p)), kept


def mean_of(outcomes):
    return sum(probability * np.asarray(value) for probability, value in outcomes)


def relative(mean, exact):
    return float(np.linalg.norm(mean - exact) / np.linalg.norm(exact))


rng = np.random.default_rng(0)
found = {}  # name -> (exact gradient, its mean under the mistake)

# %%
# 1. "If nothing was kept, use the exact gradient"
# ------------------------------------------------
# An empty mask gives a gradient of zero. That looks like a wasted step, so the code falls back on the exact gradient.
# But the zeros are needed: they make up for the draws that are too large. With the fallback the mean is :math:`(1 +
# P(\text{empty}))\, g`.
#
# If one row of 12 is kept on average, a mask is empty with probability :math:`(11/12)^{12} = 0.35`, and the gradient is
# **1.35** times too large. For one of 20 it is 1.36.


class NeverEmpty(mg.Estimator):
    def __init__(self, p):
        self.p = p

    def sample(self, g, node, rng):
        kept = rng.random(len(g)) < self.p
        if not kept.any():
            return g  # the mistake
        return g * kept[:, None] / self.p


assert caught(NeverEmpty(0.25))

g = rng.normal(size=(12, 3))
p = 1 / 12
mean = mean_of((chance, g * kept[:, None] / p if kept.any() else g) for chance, kept in subsets(12, p))
factor = np.sum(mean * g) / np.sum(g * g)
found["1. exact when empty"] = g, mean
print(f"mean over all {2**12} masks: {factor:.6f} times the exact gradient")
assert np.isclose(factor, 1 + (11 / 12) ** 12)

# %%
# *Mend it*: return the zeros. If empty masks hurt, use ``Mask(p, axis="row", design="systematic")``: of :math:`n` rows
# it keeps :math:`np`, or one of the two neighbours where that is not whole. It is never empty if :math:`np \ge 1`.

testing.assert_unbiased(Mask(1 / 3, axis="row", design="systematic"))

# %%
# 2. A slope from a sampled input
# -------------------------------
# To save memory, a ReLU keeps only some entries of its input, and computes its slope from those on the way back. What
# was not kept is taken for 0, and gets slope 0. The mean is :math:`p\,g`: a layer that learns at a fraction of its
# rate. (Lesson 8 has the whole story.) Only what enters a VJP *linearly* may be replaced by a sketch.

p = 0.25
x, g = rng.normal(size=10), rng.normal(size=10)
exact = g * (x > 0)
mean = mean_of((chance, g * (np.where(kept, x / p, 0) > 0)) for chance, kept in subsets(10, p))
found["2. ReLU of a sample"] = exact, mean
print(f"mean / exact where it is not 0: {np.unique((mean[exact != 0] / exact[exact != 0]).round(12))}")
assert np.allclose(mean, p * exact)

# %%
# The same mistake on a tape. Here the draw is made by a primitive, in its backward rule, so that the check can repeat
# it. The message tells the factor.


class SampledSlope(mg.Estimator):
    """What the sampled slope does to the cotangent of a ReLU."""

    def sample(self, g, node, rng):
        return g * (rng.random(g.shape) < p)


leaf = mg.Tensor(x.reshape(2, 5), requires_grad=True, name="x")
with mg.Tape() as tape:
    loss = (ops.relu(leaf, vjp=SampledSlope()) * g.reshape(2, 5)).sum()
assert caught(tape, loss)

# %%
# *Mend it*: save the signs, one bit each. That is exact and takes less memory than a quarter of the entries.
#
# 3. Probing a convolution, round the corner
# ------------------------------------------
# The gradient by a kernel weight is a correlation: :math:`\partial K_s = \sum_i G_i\, X_{i+s}`, where :math:`X` is
# taken as zero outside of the image. It can be estimated by a random **probe** :math:`z` with entries :math:`\pm 1`:
# since :math:`\mathbb{E}[z z^\top] = I`,
#
# .. math:: \mathbb{E}\big[\langle z, G\rangle \langle z, S_s X\rangle\big] = \langle G, S_s X\rangle ,
#
# where :math:`S_s` shifts the image. Two numbers are saved in place of two images. A fast way to shift is ``np.roll``
# on the flattened image. But what leaves at the right edge comes in again at the left, one line lower. The expectation
# is a *circular* correlation: the right answer to another question.

SHIFTS = list(itertools.product((-1, 0, 1), repeat=2))


def rolled(image, shift):
    """The image shifted, with np.roll on the flattened array."""
    return np.roll(image.ravel(), -(shift[0] * image.shape[1] + shift[1])).reshape(image.shape)


def shifted(image, shift):
    """The image shifted, with zeros coming in."""
    padded = np.pad(image, 1)
    (height, width), (down, right) = image.shape, shift
    return padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]


def correlation(g, x, shift_by):
    return np.array([np.sum(g * shift_by(x, s)) for s in SHIFTS])


image, g = rng.random((3, 4)), rng.normal(size=(3, 4))
means = {}
for shift_by in (rolled, shifted):
    images = np.array([shift_by(image, s).ravel() for s in SHIFTS])
    signs = (np.array(z) for z in itertools.product((-1.0, 1.0), repeat=12))
    means[shift_by] = mean_of((2.0**-12, (z @ g.ravel()) * (images @ z)) for z in signs)
kernel = mg.Tensor(np.zeros((3, 3, 1, 1)), requires_grad=True)
with mg.Tape() as tape:
    y = ops.conv2d(image[None, :, :, None], kernel, padding=1)
exact = tape.gradients(y, [kernel], cotangent=g[None, :, :, None])[0].ravel()
print("mean over all 4096 probes minus exact, np.roll:", np.abs(means[rolled] - exact).max().round(3))
print("mean over all 4096 probes minus exact, zeros:  ", np.abs(means[shifted] - exact).max().round(12))
assert np.allclose(means[shifted], exact) and not np.allclose(means[rolled], exact)

digits = datasets.digits().x_train[:8, :, :, 0].astype(float)
g = rng.normal(size=digits.shape)
exact, mean = (sum(correlation(a, b, by) for a, b in zip(g, digits, strict=True)) for by in (shifted, rolled))
found["3. wrapped probes"] = exact, mean
print(f"eight digits of 8×8 pixels: {100 * relative(mean, exact):.0f} % off")

# %%
# Digits are dark at their edges, which hides part of it; images of noise would be worse. *Mend it*: shift with zeros.
#
# 4. Sampling by norm, with the wrong divisor
# -------------------------------------------
# Important columns should be kept more often, so :math:`r` of them are drawn *without replacement*, with chances in
# proportion to their norms. Then they are used as they are, or divided by :math:`r q_j`, which is right for draws
# *with* replacement. Without replacement the probability of being kept is neither 1 nor :math:`r q_j`, and not easy to
# write down.

norms = np.array([4.0, 2.0, 1.0, 1.0, 0.5, 0.5])
q, r = norms / norms.sum(), 2
g = rng.normal(size=(4, 6))
g *= norms / np.linalg.norm(g, axis=0)
pairs = [(q[i] * q[j] / (1 - q[i]), [i, j]) for i, j in itertools.permutations(range(6), 2)]
inclusion = np.zeros(6)
for chance, pair in pairs:
    inclusion[pair] += chance
print("probability of being kept:", inclusion.round(3))
print("r q_j:                    ", (r * q).round(3))
assert np.isclose(inclusion.sum(), r)
found["4a. by norm, bare"] = g, g * inclusion
found["4b. by norm, / (r q)"] = g, g * inclusion / (r * q)


class ByNorm(mg.Estimator):
    def sample(self, g, node, rng):
        size = np.linalg.norm(g, axis=0) + 1e-12
        kept = rng.choice(g.shape[1], 2, replace=False, p=size / size.sum())
        out = np.zeros_like(g)
        out[:, kept] = g[:, kept] / (2 * size[kept] / size.sum())  # the mistake
        return out


try:
    testing.assert_unbiased(ByNorm(), g)
    raise SystemExit("not caught")
except AssertionError as error:
    print("\n" + "\n".join(str(error).splitlines()[:3]))

# %%
# *Mend it*: choose the inclusion probabilities first, then a design that has exactly these: Poisson or systematic. That
# is what ``DiagonalSketch`` does.
#
# 5. "Keep the norm"
# ------------------
# Random masks make the norm of the gradient jump. So the sketch is scaled to the exact norm. The average of vectors of
# one length that point in various directions is *shorter*. And there is no factor that mends it, as the directions are
# changed as well: when the largest column is kept, everything is scaled down, so that large columns lose more than
# small ones.

p = 0.4
g = rng.normal(size=(3, 10)) * np.linspace(0.3, 2, 10)


def to_the_norm(sketch, g):
    norm = np.linalg.norm(sketch)
    return sketch * np.linalg.norm(g) / norm if norm else sketch


mean = mean_of((chance, to_the_norm(g * kept / p, g)) for chance, kept in subsets(10, p))
found["5. exact norm"] = g, mean
share = np.sum(mean * g, axis=0) / np.sum(g * g, axis=0)
print("mean / exact, from the smallest column to the largest:", share[[0, 3, 6, 9]].round(3))


class ExactNorm(mg.Estimator):
    def sample(self, g, node, rng):
        return to_the_norm(g * (rng.random(g.shape[-1]) < p) / p, g)


assert caught(ExactNorm())

# %%
# *Mend it*: leave the norm alone. If single large steps do harm, clip the gradient of the whole step; this is a bias
# too, but it acts rarely, and one knows it.
#
# 6. One mask for two layers
# --------------------------
# It saves a call of the random generator, and memory: the mask of the layer above is used again. But the proof that
# unbiased VJPs compose rests on fresh draws (lesson 3). On a path through both layers a shared column has weight
# :math:`1/p^2` with probability :math:`p`, in the mean :math:`1/p` and not 1.


class SharedMask(mg.Estimator):
    """The first layer that the sweep meets draws a mask; the second one uses it again."""

    def __init__(self, p):
        self.p, self.mask = p, None

    def __repr__(self):
        return f"SharedMask({self.p})"

    def sample(self, g, node, rng):
        if self.mask is None:
            self.mask = mask = rng.random(g.shape[-1]) < self.p
        else:
            mask, self.mask = self.mask, None  # the mistake
        return g * mask / self.p


p, m = 0.5, 6
x, weights = rng.normal(size=(4, m)), [rng.normal(size=(m, m)) / np.sqrt(m) + np.eye(m) for _ in range(2)]
leaf = mg.Tensor(x, requires_grad=True, name="x")
shared = SharedMask(p)
with mg.Tape() as tape:
    y = leaf
    for w in weights:
        y = ops.linear(y, w, vjp=shared)
    loss = (y**2).sum()
report = inspect.unbiasedness(tape, loss, rng=0)
print(report)
assert report.verdict == "failed" and caught(tape, loss)

# %%
# Each of the two masks is perfectly fine by itself: ``assert_unbiased(estimator)`` could not object. It takes the whole
# tape to see it. The size of the bias, by enumeration of the one mask:

g = 2 * x @ weights[0].T @ weights[1].T
exact = g @ weights[1] @ weights[0]
mean = mean_of((chance, ((g * k / p) @ weights[1] * k / p) @ weights[0]) for chance, k in subsets(m, p))
found["6. shared mask"] = exact, mean
for node in tape.nodes[:2]:
    node.vjp = Mask(p)
assert inspect.exact_moments(tape, loss).bias < 1e-9  # *Mend it*: a fresh mask for each

# %%
# Six biases, side by side
# ------------------------
# Each point is an entry of a gradient. On the line, the mean is what it should be.

figure, panels = plt.subplots(2, 4, figsize=(10, 5.2), layout="constrained")
for ax, (name, (exact, mean)) in zip(panels.flat, found.items(), strict=False):
    top = max(np.abs(exact).max(), np.abs(mean).max()) * 1.1
    ax.plot([-top, top], [-top, top], color="black", linewidth=1)
    ax.plot(exact.ravel(), np.asarray(mean).ravel(), "o", color=COLOURS[5], markersize=4, alpha=0.7)
    ax.set_title(f"{name}\n{100 * relative(mean, exact):.0f} % off", fontsize=10)
    ax.set(xlabel="exact", ylabel="mean", aspect="equal")
panels[1, 3].axis("off")
panels[1, 3].text(0, 0.5, "line: unbiased\n\n% off: norm of the bias\nover norm of the gradient", va="center")
sizes = {name: relative(mean, exact) for name, (exact, mean) in found.items()}
for name, size in sizes.items():
    print(f"{name:22s} {100 * size:5.1f} % off")
assert min(sizes.values()) > 0.05

# %%
# How small a bias can still be seen?
# -----------------------------------
# By enumeration, any. By draws, it depends on their noise and number, and an honest check says so: a relative bias of
# the size called *detectable* in the report is found nine times in ten, in whatever row it is. A check that passes and
# detects nothing below 50 % has not said much. With 16 times the draws it detects about a quarter of that, or less.
# ``detect=0.1`` asks the other way round: as many draws as it takes to see 10 %.

leaf = mg.Tensor(rng.normal(size=(8, 40)), requires_grad=True, name="x")
with mg.Tape() as tape:
    loss = (ops.linear(leaf, rng.normal(size=(40, 40)), vjp=Mask(0.25)) ** 2).sum()
few, many = (inspect.unbiasedness(tape, loss, draws=draws, rng=0) for draws in (500, 8000))
print(f"detectable: {100 * few.detectable:.0f} % with 500 draws, {100 * many.detectable:.0f} % with 8000")
assert few.passed and many.passed and many.detectable < few.detectable / 2

print(f"checked: stated 1.35, found {factor:.4f}")
mg.plot.show()

# %%
# Exercises
# ---------
# 1. A seventh mistake: the same seed is used in every step, so that always the same columns are kept. Is the gradient
#    of a step biased? Would ``assert_unbiased`` notice? *Hint*: over which randomness is the mean taken, and who holds
#    the generator?
# 2. For the fallback of mistake 1 there is a divisor that makes it unbiased again. Find it. *Hint*: which multiple
#    :math:`\alpha` of the kept rows gives :math:`P(\text{empty}) + \alpha\, P(\text{kept}) = 1`?
# 3. Why is the wrapped convolution invisible to a test with an image that is zero on a border of one pixel? What does
#    that tell about choosing test data? *Hint*: what comes in at the other edge?
