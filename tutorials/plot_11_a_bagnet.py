"""
11. A BagNet: channels, images or pixels?
=========================================

Most of the work of vision is done by convolutions. A convolution is a linear layer in disguise, so all that we know of
sketches applies to it, and there is one more thing to drop: single pixels. **Which of the three should one drop?** We
ask a network of eighteen convolutions, a *BagNet*, which sees small patches of a picture only and lets them vote.
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, training
from minigrad.estimators import DiagonalSketch
from minigrad.plot.style import COLOURS, MARKERS, STYLES

data = datasets.digits()
x_train, x_test = (x.repeat(3, axis=1).repeat(3, axis=2) for x in (data.x_train, data.x_test))  # 24×24 pixels
model = nn.bagnet((24, 24, 1), 10, receptive_field=9, width=8, expansion=2, branch_scale=0.1, rng=0)
training.fit(
    model, (x_train, data.y_train), optimizer=optim.SGD(model, lr=0.1, momentum=0.9), epochs=3, batch_size=32, rng=0,
    progress=False,
)  # fmt: skip
accuracy = training.evaluate(model, x_test, data.y_test)[1]
print(f"after three exact epochs: test accuracy {100 * accuracy:.1f} %")

# %%
# A convolution is a linear layer
# -------------------------------
# A kernel of 3×3 pixels slides over an image. Each place gives one row: the nine pixels under the kernel. All rows make
# a matrix :math:`P` (this is called *im2col*). With the kernel as a matrix :math:`K`, 9 × channels, the convolution is
# :math:`Y = P K`: a linear layer with one **row for each pixel** of the output and one **column for each channel**. A
# *sample* is an image, that is many rows. Its VJPs are those of lesson 1b: :math:`\partial K = P^\top G` and
# :math:`\partial P = G K^\top`. A pixel of the image stands in up to nine rows of :math:`P`, and gets the sum of what
# they get.

rng = np.random.default_rng(0)
image, kernel = rng.normal(size=(5, 5)), rng.normal(size=(3, 3, 1, 2))
P = np.lib.stride_tricks.sliding_window_view(image, (3, 3)).reshape(9, 9)
K, G = kernel.reshape(9, 2), rng.normal(size=(9, 2))
y, pullback = mg.vjp(ops.conv2d, image[None, :, :, None], kernel)
to_image, to_kernel = pullback(G.reshape(1, 3, 3, 2))
by_hand = np.zeros((5, 5))
for (row, column), pixels in zip(np.ndindex(3, 3), G @ K.T, strict=True):
    by_hand[row : row + 3, column : column + 3] += pixels.reshape(3, 3)
assert np.allclose(y.reshape(9, 2), P @ K) and np.allclose(to_kernel.reshape(9, 2), P.T @ G)
assert np.allclose(to_image[0, :, :, 0], by_hand)

# %%
# A quarter of each
# -----------------
# Each convolution may keep a quarter of its channels (``axis="column"``), of the images (``"sample"``) or of the pixels
# (``"row"``), with the best probabilities. All three leave the same third of the backward work. How noisy is the
# gradient, and where does the noise come from?

AXES = {"channels": "column", "images": "sample", "pixels": "row"}


def record(estimator, where=nn.Conv2d):
    """The tape of 16 images, with a sketch in the chosen layers."""
    nn.set_vjp(model, None)
    nn.set_vjp(model, estimator, where=where)
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(x_train[:16]), data.y_train[:16])
    return tape, loss


figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.8), layout="constrained", sharey=True)
relative = {}
for k, (name, axis) in enumerate(AXES.items()):
    tape, loss = record(DiagonalSketch(0.25, axis=axis))
    report = inspect.variance(tape, loss, draws=8, rng=0)
    relative[name] = report.relative
    cost = inspect.cost(tape)
    style = {"color": COLOURS[k + 1], "linestyle": STYLES[k], "marker": MARKERS[k], "markersize": 5}
    layers = [tape.nodes[index].layer for index in report.by_node]
    left.plot(np.array(list(report.by_node.values())) / report.norm**2, layers, label=name, **style)
    right.plot([noise or np.nan for noise in report.relative_noise.values()], layers, **style)
    work = cost.backward / cost.backward_exact
    print(f"{name:8s} backward work {work:.2f} of exact   noise / ‖g‖² = {report.relative:8.3g}")
    assert 0.25 < work < 0.4
left.invert_yaxis()
left.set(xscale="log", xlabel="variance that the layer adds / ‖g‖²", ylabel="input   ←   convolution   ←   loss")
right.set(xscale="log", xlabel="noise of the cotangent that arrives / ‖G‖²")
for ax in (left, right):
    ax.axvline(1, color="black", linewidth=0.8)
    ax.grid(alpha=0.25)
left.legend(fontsize=9)
figure.suptitle("A quarter kept in each convolution, with the best probabilities")
assert relative["pixels"] < relative["images"] and relative["pixels"] < relative["channels"] / 20

# %%
# **Pixels, by far.** They add little after the first layers, and the noise of channels and images grows on its way down
# (lesson 7). Why? Let an estimator look at the exact cotangents, and note which part of :math:`\|G\|^2` the quarter of
# the pixels of each image holds that has most of it. If all pixels were alike, it would be a quarter.


class Watch(mg.Estimator):
    """Hands the cotangent on as it is, and notes how much a quarter of the pixels of each image holds."""

    def __init__(self):
        self.held = {}

    def sample(self, g, node, rng):
        by_pixel = np.sort(np.sum(g**2, axis=-1).reshape(len(g), -1), axis=1)
        self.held[node.layer] = by_pixel[:, -(by_pixel.shape[1] // 4) :].sum() / by_pixel.sum()
        return g


watch = Watch()
tape, loss = record(watch)
tape.gradients(loss, model.parameters())
for path, held in watch.held.items():
    print(f"{path:16s} a quarter of each image holds {100 * held:3.0f} % of ‖G‖²")
below = {path: path == "6.body.0" or int(path.split(".")[0]) < 6 for path in watch.held}
assert min(held for path, held in watch.held.items() if below[path]) > 0.8
assert max(held for path, held in watch.held.items() if not below[path]) < 0.6

# %%
# There is a step: from less than half down to layer "6.body.3" (the fourth layer within the branch of layer 6) to
# nearly everything below it. The reason is plain. This convolution has a kernel of 1×1 pixel that *moves by two*, and
# so has the shortcut beside it. They read one pixel of four and skip three. The skipped ones get a cotangent only by
# way of the batch normalisation. So a sketch with a budget of a quarter leaves out what was nearly zero anyway.
# **Before you sketch, look what the network itself does not use.**
#
# What one output sees
# --------------------
# The other choice that one might hope for is to draw *images* once, at the logits, as in lesson 10: all layers below
# would work on these alone. But look what one place of the last feature map depends on. Give a cotangent to it, and see
# which pixels receive anything. In use (``eval()``) these are 9 × 9 = **81** pixels of one image, the *receptive field*
# of this network. In training each ``BatchNorm`` subtracts a mean over all pixels of all images, and through these
# means everything depends on everything.


def seen(training):
    """For each pixel of 16 images, whether what stands at one place of the last map of image 0 depends on it."""
    features = nn.Sequential(*list(model)[:-2]).train(training)
    _, pullback = mg.vjp(features, np.random.default_rng(0).random((16, 24, 24, 1)).astype(np.float32))
    shape = features(x_train[:16]).shape
    G = np.zeros(shape, np.float32)
    G[0, 1, 1] = np.random.default_rng(1).normal(size=shape[-1])
    return pullback(G)[0][..., 0] != 0


nn.set_vjp(model, None)
pixels, others = int(seen(False).sum()), seen(True)[1:].mean()
print(f"in use: {pixels} pixels; in training: {100 * others:.0f} % of the pixels of the other images as well")
assert pixels == nn.receptive_field(model) ** 2 == 81 and others > 0.9

# %%
# So the cotangent stays short through the last linear layer, the mean, the ReLU and the sum, down to the first
# ``BatchNorm``, and is full from there. Images at the logits save next to nothing here. (The layer normalisation of
# lesson 12 works within a row, and has no such effect.)

tape, loss = record(DiagonalSketch(0.3, axis="sample"), lambda path, module: path == "9")
cost = inspect.cost(tape)
print("operation             backward work, expected / exact")
for node in cost.nodes[-2:-9:-1]:
    print(f"{node.name:22s} {node.backward / node.backward_exact:.2f}")
print(f"all                    {cost.backward / cost.backward_exact:.3f}")
assert cost.backward > 0.95 * cost.backward_exact

print(f"checked: stated 81, found {pixels}")
mg.plot.show()

# %%
# Whether any of this pays in *training* is another question, and a few steps on digits cannot answer it. Lesson 17 asks
# what it depends on; :doc:`/experiments/bagnet-fashion-mnist`, :doc:`/experiments/bagnet-cifar10` and
# :doc:`/experiments/budgeted` have runs of this network, with batch and rate tuned for both sides.
#
# Exercises
# ---------
# 1. The last ``BatchNorm`` of each branch has a gain, which begins at ``branch_scale``. Compare the noise of fresh
#    networks with scales of 0.1 and 1, channels sketched. *Hint*: what passes through a branch, signal and noise,
#    counts little next to the shortcut if its gain is small; lesson 7, exercise 2.
# 2. Put a sketch of pixels on the convolutions of layers 4 and 5 only, where the picture promises little noise. Is it
#    worth more than one on all? *Hint*: ``where=lambda path, module: path[0] in "45"``; both the variance and the cost
#    change.
# 3. Make the model with ``norm="group"``, which normalises within an image, and keep images at the logits once more.
#    What does ``inspect.cost`` say now? *Hint*: which means are left that mix images?
