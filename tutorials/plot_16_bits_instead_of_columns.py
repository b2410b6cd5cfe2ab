"""
16. Bits instead of columns
===========================

All sketches so far *leave things out*. That saves arithmetic. Where bytes are short, on a tape or on a wire between two
machines, there is another way: keep every entry, in a few bits. To round 0.3 to 0 is an error, and always the same one.
To round it to 1 with a chance of 0.3, and to 0 otherwise, is right on average. This is **stochastic rounding**, and for
the same bytes it has far less variance than any choice of columns. In this lesson we find out how much less.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, nn, ops, optim, testing, training
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, StochasticRounding, Then
from minigrad.plot.style import COLOURS

# %%
# Up or down, at random
# ---------------------
# A *grid* has the points low, low + step, low + 2·step, …, and :math:`2^b` of them have room in :math:`b` bits. Between
# two points stands x, at a fraction :math:`f` of the step. It goes up with probability :math:`f`. So the mean is x, and
# the variance :math:`\text{step}^2 f(1-f)`, at most a quarter of a squared step, and 0 for a point of the grid.


def rounded(x, low, step, rng):
    """x, rounded at random to the points low + k·step."""
    place = (x - low) / step
    return low + step * np.floor(place + rng.random(np.shape(x)))


x, step = 0.3, 1.0
outcomes = {0.0: 0.7, 1.0: 0.3}
assert np.isclose(sum(p * q for q, p in outcomes.items()), x)
assert np.isclose(sum(p * (q - x) ** 2 for q, p in outcomes.items()), step**2 * 0.3 * 0.7)
draws = rounded(np.full(100_000, x), 0.0, step, np.random.default_rng(0))
print(f"mean of 100,000 draws: {draws.mean():.4f} ± {draws.std() / 100_000**0.5:.4f}")
assert abs(draws.mean() - x) < 5 * draws.std() / 100_000**0.5  # a false alarm once in two million seeds

# %%
# The library's estimator gives each row a grid of its own, from its least entry to its largest. All outcomes of a small
# array can be listed, as those of a mask:

small = np.array([[0.0, 0.2, 1.0], [-1.0, 0.5, 1.0]])
two_bits = StochasticRounding(2)
for chance, outcome in two_bits.outcomes(small):
    print(f"{chance:.2f}", outcome.round(3).tolist())
assert np.allclose(sum(chance * outcome for chance, outcome in two_bits.outcomes(small)), small)
testing.assert_unbiased(two_bits)

# %%
# Without the coin the nearest point is taken, and the same test fails: the error of an entry is the same in every step,
# and adds up.


class Nearest(mg.Estimator):
    """Round to the nearest of four points. Biased."""

    def sample(self, g, node, rng):
        low, span = g.min(axis=-1, keepdims=True), np.ptp(g, axis=-1, keepdims=True)
        step = np.where(span == 0, 1, span) / 3
        return low + step * np.rint((g - low) / step)


try:
    testing.assert_unbiased(Nearest())
except AssertionError as error:
    print(str(error).splitlines()[0])
else:
    raise RuntimeError("a bias was missed")

# %%
# A cotangent, and its bytes
# --------------------------
# How much do bits save, against columns? We train a perceptron on the bundled digits for a while, and take the
# cotangent of its second hidden layer: 256 rows, one for each image, and 128 columns, in float32.

data = datasets.digits().flat()
model = nn.mlp((64, 128, 128, 10), rng=0)
optimizer = optim.SGD(model, lr=0.1)
training.fit(model, data, optimizer=optimizer, epochs=5, batch_size=32, rng=0, progress=False)
with mg.Tape() as tape:
    hidden = nn.Sequential(*model[:3])(data.x_train[:256])  # what the second linear map gives
    loss = ops.cross_entropy(nn.Sequential(*model[3:])(hidden), data.y_train[:256])
(g,) = tape.gradients(loss, [hidden])
print("a cotangent of", g.shape, g.dtype, f"and {g.nbytes} bytes")

# %%
# A sketch says itself how many bytes it takes, scales and indices included, and how far it is from :math:`G` on
# average, in closed form.


def point(estimator):
    """Bytes over those of G, and E‖Ĝ − G‖²/‖G‖²."""
    rng = np.random.default_rng(0)
    size = np.mean([estimator.sample(g, None, rng).nbytes for _ in range(20)])
    return size / g.nbytes, estimator.distortion(g) / np.square(g).sum()


budgets = (0.5, 0.25, 0.125, 0.0625)
families = {
    "columns, uniform mask": [Mask(p) for p in budgets],
    "columns, best sketch": [DiagonalSketch(p) for p in budgets],
    "rows, best sketch": [DiagonalSketch(p, axis="row") for p in budgets],
    "low rank": [LowRankSketch(p) for p in budgets],
    "bits, a grid a row": [StochasticRounding(b) for b in range(8, 0, -1)],
    "bits, one grid for all": [StochasticRounding(b, "tensor") for b in range(8, 0, -1)],
    "bits, shared out": [StochasticRounding(b, allocation="optimal") for b in range(7, 0, -1)],
}
curves = {name: np.array([point(estimator) for estimator in family]) for name, family in families.items()}

figure, axes = plt.subplots(figsize=(7.2, 4.6), layout="constrained")
for k, (name, curve) in enumerate(curves.items()):
    axes.loglog(*curve.T, marker="os^Dv<>"[k], color=COLOURS[k % len(COLOURS)], label=name)
axes.set(xlabel="bytes, over those of G in float32", ylabel="E‖Ĝ − G‖² / ‖G‖²", title="Left out, or rounded")
axes.set_xticks([1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2], ["1/32", "1/16", "1/8", "1/4", "1/2"])
axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
axes.legend(fontsize=8)

# %%
# Two kinds of curve. What leaves things out falls as the *fraction* that is left out: with half of the columns there
# is much of the error still. With every bit more a grid is about twice as fine, and its error falls to a fourth or
# less: from 4 to 5 bits a step becomes 15/31 of what it was, and the error is divided by **4.9**. So bits fall along
# a steep line. At the bytes of 4 bits the best columns have more than a hundred times their error.


def error_at(name, part):
    """The error of a family at this part of the bytes, between its points."""
    curve = curves[name][np.argsort(curves[name][:, 0])]
    return np.exp(np.interp(np.log(part), np.log(curve[:, 0]), np.log(curve[:, 1])))


eighth = curves["bits, a grid a row"][4][0]
ratio = error_at("columns, best sketch", eighth) / error_at("bits, a grid a row", eighth)
whole = error_at("bits, one grid for all", eighth) / error_at("bits, a grid a row", eighth)
shared = error_at("bits, a grid a row", eighth) / error_at("bits, shared out", eighth)
print(f"at {eighth:.3f} of the bytes, over the error of 4 bits with a grid a row: columns {ratio:.0f},")
print(f"one grid for all {whole:.1f}, bits shared out among rows 1/{shared:.0f}")
assert ratio > 100 and whole > 4 and shared > 10
finer = curves["bits, a grid a row"][4][1] / curves["bits, a grid a row"][3][1]

# %%
# One grid for all is worse, since a few samples that the network gets wrong set the step for all others. This is also
# why sharing bits out among rows pays so well here: rows of wide range get more. The rule is that of water-filling
# once more: :math:`\sum_i R_i^2 4^{-b_i}` under a sum of bits is least where all rows have the same step. After a
# normalisation all rows are of one range, and nothing is gained.
#
# Both at once
# ------------
# A sketch and a rounding are two estimators, and the second may round what the first has kept. By the tower rule the
# mean of means is the mean. Where few rows matter, rows then bits take still fewer bytes:

both, rows = Then(DiagonalSketch(0.25, axis="row"), StochasticRounding(4)), DiagonalSketch(0.25, axis="row")
rng = np.random.default_rng(1)
drawn = [both.sample(g, None, rng) for _ in range(400)]
size = np.mean([part.nbytes for part in drawn]) / g.nbytes
error = np.mean([np.square(part.dense() - g).sum() for part in drawn]) / np.square(g).sum()
alone = rows.distortion(g) / np.square(g).sum()
print(f"a quarter of the rows, then 4 bits: {size:.3f} of the bytes; error {error:.4f}, of the rows alone {alone:.4f}")
assert size < 0.05 and error < 1.3 * alone

# %%
# What is saved
# -------------
# ``save=`` takes it, as any estimator, and so a whole tape shrinks. What has to be compared is the variance that comes
# with it, beside that of the minibatch, :math:`\sigma^2`. How much is it for 4 bits, and for a tenth of the rows?


def gradients(k, save, images=32):
    """The gradient of one of the batches, all parameters in a row, and the bytes of its tape."""
    nn.set_save(model, save)
    some = slice(k * images, (k + 1) * images)
    with mg.Tape(rng=k) as tape:
        loss = ops.cross_entropy(model(data.x_train[some]), data.y_train[some])
    flat = np.concatenate([part.ravel() for part in tape.gradients(loss, model.parameters())])
    return flat, sum(node.nbytes for node in tape.nodes)


exact = [gradients(k, None)[0] for k in range(40)]
minibatch = np.var(exact, axis=0, ddof=1).sum()
added = {}
for name, save in {"8 bits": 8, "4 bits": 4, "2 bits": 2, "Mask(0.1, row)": None}.items():
    estimator = Mask(0.1, axis="row") if save is None else StochasticRounding(save)
    found = [gradients(k, estimator) for k in range(40)]
    added[name] = np.mean([np.square(a - b).sum() for (a, _), b in zip(found, exact, strict=True)]) / minibatch
    print(f"{name:15s} V/σ² = {added[name]:.1e}")
nn.set_save(model, None)
assert added["4 bits"] < 0.01 and added["Mask(0.1, row)"] > 1
print(f"checked: stated 4.9, found {finer:.2f}")
mg.plot.show()

# %%
# With 4 bits the gradient is as good as exact: the noise is less than a hundredth of that which the choice of the batch
# brings anyway. A mask of the same bytes has more noise than the batch itself.
#
# Be fair, though. Who is short of memory may also cut the batch in parts and sum their exact gradients, with no noise
# at all. Bits are for what cannot be cut: one sample that does not fit, statistics of a batch, a long sequence; and
# for wires. And they save *no arithmetic*: packing takes time, and all products are as long as they were.
#
# Exercises
# ---------
# 1. Take ``dither="subtractive"``: the same random numbers are subtracted again when the codes are read. Show that the
#    variance is :math:`\text{step}^2/12` for every x. *Hint*: the error is uniform between minus half a step and half.
# 2. Rounding has zeros for points of the grid. For which arrays is 1 bit exact? *Hint*: dropout.
# 3. The VJP of a normalisation multiplies what it saved by itself. Why does ``save=`` keep two roundings there? *Hint*:
#    lesson 8; what is :math:`\mathbb{E}\,\hat x^2`?
