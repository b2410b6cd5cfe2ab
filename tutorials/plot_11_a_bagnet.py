"""
11. A BagNet: small patches vote
================================

Most of the work of vision is done by convolutions. A convolution is a linear layer in disguise, whose rows are pixels,
so all that we know of sketches applies to it, and there is one more thing to drop: single pixels. The network of this
lesson, a **BagNet**, sees small patches only and lets them vote. It is easy to look into. We compare sketches of
channels, of pixels and of whole images in its eighteen convolutions, see how their noise grows, what branches that
begin small do about it, and what a normalisation over the batch does to a sketch of images.

The data set is looked for on this computer (``$MINIGRAD_DATA``, see ``minigrad.datasets``). Where Fashion-MNIST is not
found, the lesson takes the bundled handwritten digits, enlarged three times, and says so; every point of it stands.
"""

import os
import time
import timeit
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, training
from minigrad.datasets.images import FASHION_MNIST
from minigrad.datasets.places import find
from minigrad.estimators import DiagonalSketch
from minigrad.plot.style import COLOURS, MARKERS, STYLES

FAST = bool(os.environ.get("MINIGRAD_FAST"))  # smaller sizes, for a quick look

if all(find(file) for file in FASHION_MNIST.values()):
    data = datasets.fashion_mnist().subset(20_000, 2_000)
    x_train, x_test = data.x_train, data.x_test
else:
    print("Fashion-MNIST is not on this computer: taking the bundled digits instead. To fetch it first (31 MB), type")
    print('    python -c "from minigrad import datasets; datasets.fashion_mnist()"')
    data = datasets.digits()
    x_train, x_test = (x.repeat(3, axis=1).repeat(3, axis=2) for x in (data.x_train, data.x_test))
y_train, y_test = data.y_train, data.y_test
side = x_train.shape[1]
batch = 32
warm_up, steps, seeds = (80, 24, 1) if FAST else (200, 48, 2)
print(f"{data.name}: images of {side}×{side} pixels")

# %%
# A convolution is a linear layer
# -------------------------------
# A kernel of 3×3 pixels slides over an image. Each place gives one row: the nine pixels under the kernel. All rows make
# a matrix :math:`P` (this is called *im2col*). With the kernel as a matrix :math:`K`, 9 × channels, the convolution is
# :math:`Y = P K`: a linear layer with one **row for each pixel** of the output and one **column for each channel**. A
# *sample* is an image, that is many rows.
#
# So its VJPs are those of lesson 4: :math:`\partial K = P^\top G` and :math:`\partial P = G K^\top`. A pixel of the
# image stands in up to nine rows of :math:`P`, and gets the sum of what they get.

rng = np.random.default_rng(0)
image, kernel = rng.integers(0, 10, (5, 5)).astype(float), rng.integers(-1, 2, (3, 3, 1, 2)).astype(float)
windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))  # (row, column, row in the kernel, column in it)
P, K = windows.reshape(9, 9), kernel.reshape(9, 2)

x, w = (mg.Tensor(array, requires_grad=True) for array in (image[None, :, :, None], kernel))
with mg.Tape() as tape:
    y = ops.conv2d(x, w)
assert np.array_equal(y.data.reshape(9, 2), P @ K)

G = rng.normal(size=(9, 2))
by_tape = tape.gradients(y, [x, w], cotangent=G.reshape(1, 3, 3, 2))
image_cotangent = np.zeros((5, 5))
for (row, column), pixels in zip(np.ndindex(3, 3), G @ K.T, strict=True):
    image_cotangent[row : row + 3, column : column + 3] += pixels.reshape(3, 3)
assert np.allclose(by_tape[0][0, :, :, 0], image_cotangent) and np.allclose(by_tape[1].reshape(9, 2), P.T @ G)

figure, axes = plt.subplots(
    1, 4, figsize=(9.4, 3.3), layout="constrained", gridspec_kw={"width_ratios": [5, 9, 2.6, 2.6]}
)
numbers = (image, P, K, P @ K)
names = ("image 5×5", "$P$: 9 pixels of the output × 9", "$K$", "$Y = PK$")
ticks = (("pixel", "pixel"), ("pixel under the kernel", "row: pixel of the output"), ("channel", ""), ("channel", ""))
for ax, values, name, (across, down) in zip(axes, numbers, names, ticks, strict=True):
    ax.imshow(values, cmap="Greys", vmin=values.min(), vmax=values.max() + np.ptp(values), interpolation="nearest")
    for (i, j), value in np.ndenumerate(values):
        ax.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=8)
    ax.set(title=name, xlabel=across, ylabel=down, xticks=[], yticks=[])
marks = ((0.5, 1.5, 3, 3), (-0.5, 6.5, 9, 1), None, (-0.5, 6.5, 2, 1))
for ax, mark in zip(axes, marks, strict=True):
    if mark is not None:
        ax.add_patch(plt.Rectangle(mark[:2], *mark[2:], fill=False, edgecolor=COLOURS[5], linewidth=2.5))
figure.suptitle("One window of the image is one row")

# %%
# What one output sees
# --------------------
# A BagNet is a residual network in which most kernels are 1×1: they mix channels and look no further. Three kernels of
# ours are 3×3. The square of the image that one output depends on, its **receptive field**, grows by :math:`k - 1` with
# each kernel of :math:`k` pixels, times the strides before it, since a step in a smaller picture is a larger step in
# the image:

LAYERS = [(1, 1), (3, 1), (3, 2), (3, 2), (1, 2), (1, 1)]  # kernel and stride: two layers, four blocks
field, jump = 1, 1
for size, stride in LAYERS:
    field, jump = field + (size - 1) * jump, jump * stride


def bagnet(field=9, scale=0.1, rng=0):
    shape = (side, side, 1)
    return nn.bagnet(shape, 10, receptive_field=field, width=8, expansion=2, branch_scale=scale, rng=rng)


model = bagnet()
print(
    f"field: {field} pixels, nn.receptive_field says {nn.receptive_field(model)}; the next output stands {jump} further"
)
assert field == nn.receptive_field(model) == 9

# %%
# Let us not take the formula's word for it. Give a cotangent to *one* place of the last feature map, and see which
# pixels of the image receive anything: exactly 9 × 9 = **81** pixels. The network must be in the mode for use,
# ``eval()``. In training, each ``BatchNorm`` subtracts a mean over all pixels of all images, and through these means
# everything depends on everything, if only a little.


def seen_by(model, place, training=False):
    """For each pixel, the largest size of the gradient of what stands at one place of the last map of image 0."""
    features = nn.Sequential(*list(model)[:-2]).train(training)
    x = mg.Tensor(np.random.default_rng(0).random((16, side, side, 1)), dtype=np.float32, requires_grad=True)
    with mg.Tape() as tape:
        y = features(x)
    G = np.zeros(y.shape)
    G[(0, *place)] = np.random.default_rng(1).normal(size=y.shape[-1])
    (g,) = tape.gradients(y, [x], cotangent=G)
    return np.abs(g[..., 0])


place = (1, 2)
sights = {
    "field 9": seen_by(bagnet(9), place),
    "field 17": seen_by(bagnet(17), place),
    "field 9, while training": seen_by(bagnet(9), place, training=True),
}
figure, axes = plt.subplots(1, 3, figsize=(9.4, 3.3), layout="constrained")
for ax, (name, sight) in zip(axes, sights.items(), strict=True):
    logarithm = np.log10(sight[0] / sight.max(), where=sight[0] > 0, out=np.full(sight[0].shape, np.nan))
    shown = ax.imshow(logarithm, cmap="cividis", vmin=-5, vmax=0)
    ax.plot(8 * place[1], 8 * place[0], "x", color="black", markersize=8, markeredgewidth=2)
    ax.set(title=f"{name}: {np.sum(sight[0] > 0)} pixels", xlabel="pixel", ylabel="pixel")
figure.colorbar(shown, ax=axes, label="|gradient| / largest, power of ten")
figure.suptitle("What one output sees of the image (white: nothing at all)")

pixels = int(np.sum(sights["field 9"] > 0))
others = np.mean(sights["field 9, while training"][1:] > 0)
print(
    f"in use: {pixels} pixels of one image; in training: {100 * others:.0f} % of the pixels of the other images as well"
)
assert pixels == 81 and others > 0.9

# %%
# The bag
# -------
# Now train it a little, exactly: first at a constant learning rate, which leaves a network in the middle of its
# training (``start``; the race at the end begins there), then with a rate that falls to zero, for a network to look at.


def train(model, rate, steps, batch, seed, falling=True):
    """SGD with momentum, at a learning rate that falls linearly to zero or stays. Training loss in the end."""
    training.fit(
        model,
        (x_train, y_train),
        optimizer=optim.SGD(model, lr=rate, momentum=0.9),
        epochs=1,
        steps_per_epoch=steps,
        batch_size=batch,
        schedule=lambda step: rate * (1 - falling * step / steps),
        rng=seed,
        progress=False,
    )
    return training.evaluate(model, x_train[:1000], y_train[:1000])[0]


loss = train(model, 0.1, warm_up, batch, seed=0, falling=False)
start = model.state_dict()
print(f"after {warm_up} steps at a constant rate: training loss {loss:.3f}")
loss = train(model, 0.1, warm_up // 2, batch, seed=1)
accuracy = training.evaluate(model, x_test[:1000], y_test[:1000])[1]
print(f"after {warm_up // 2} more at a falling one: training loss {loss:.3f}, test accuracy {100 * accuracy:.1f} %")

# %%
# The last two layers average the features over all places, and apply one linear layer to the mean. Both are linear, so
# they may change places: apply the linear layer to the features of *each patch*, and average the results. Each patch
# casts a vote for each class, and the network counts the votes. It does not ask where a patch stood: it is a bag. (Only
# at the rim the zeros of the padding give a hint.)

model.eval()
body, head = nn.Sequential(*list(model)[:-2]), model[-1]


def votes(images):
    """Votes of each patch for each class."""
    return (body(images) @ head.weight.data.T + head.bias.data).data


coarse = votes(x_test[:100])
assert np.allclose(coarse.mean(axis=(1, 2)), model(x_test[:100]).data, atol=1e-4)
print("votes:", coarse.shape, "= images, places, places, classes; their mean is the output of the network")

# %%
# There are few places only, eight pixels apart. To fill in what lies between, we shift the image by 0 … 7 pixels in
# both directions, with a broad rim of zeros around it. A pixel of the lower pictures shows what the 9 × 9 patch around
# it says for the right class, against the mean of all classes.


def heat_map(image, label):
    padded = np.pad(image, ((8, 16), (8, 16), (0, 0)))
    v = votes(np.array([padded[i : i + side + 16, j : j + side + 16] for i in range(8) for j in range(8)]))
    n = v.shape[1]
    v = (v[..., label] - v.mean(axis=-1)).reshape(8, 8, n, n).transpose(2, 0, 3, 1).reshape(8 * n, 8 * n)
    return v[8 : 8 + side, 8 : 8 + side]


right = model(x_test[:300]).data.argmax(axis=1) == y_test[:300]
chosen = [int(np.flatnonzero(right & (y_test[:300] == label))[0]) for label in (1, 3, 5, 7, 8, 9)]
maps = [heat_map(x_test[i], y_test[i]) for i in chosen]
top = np.quantile(np.abs(maps), 0.98)
figure, axes = plt.subplots(2, 6, figsize=(9.4, 3.4), layout="constrained")
for (above, below), i, heat in zip(axes.T, chosen, maps, strict=True):
    above.imshow(x_test[i, :, :, 0], cmap="gray_r")
    above.set_title(data.classes[y_test[i]], fontsize=10)
    shown = below.imshow(heat, cmap="cividis", vmin=-top, vmax=top)
    below.contour(x_test[i, :, :, 0], levels=[0.2 * x_test[i].max()], colors="white", linewidths=0.7)
    for ax in (above, below):
        ax.set(xticks=[], yticks=[])
figure.colorbar(shown, ax=axes, label="vote (logit units)", extend="both")
model.train()

# %%
# Channels, images, pixels
# ------------------------
# Each of the 18 convolutions may drop output channels (``axis="column"``), whole images (``"sample"``) or pixels
# (``"row"``), with the best probabilities, and a budget of a quarter. What does a sketch add, taken by itself? The
# distortion of a cotangent has a closed form (lesson 5). We let an estimator look at the *exact* cotangents, and note
# it.

AXES = {"channels": "column", "images": "sample", "pixels": "row"}


class Watch(mg.Estimator):
    """Hands the cotangent on as it is, and notes what sketches would do to it, and how few pixels hold how much."""

    def __init__(self):
        self.distortion, self.held = {}, {}

    def sample(self, g, node, rng):
        self.distortion[node.layer] = [
            DiagonalSketch(0.25, axis=axis).distortion(g, node) / np.sum(g**2) for axis in AXES.values()
        ]
        by_pixel = np.sort(np.sum(g**2, axis=-1).ravel())
        self.held[node.layer] = by_pixel[-len(by_pixel) // 4 :].sum() / by_pixel.sum()
        return g


def sketched(estimator, where=nn.Conv2d, state=None):
    """A copy of the trained model, or of another state of it, with the chosen sketch."""
    copy = bagnet()
    copy.load_state_dict(model.state_dict() if state is None else state)
    if estimator is not None:
        nn.set_vjp(copy, estimator, where=where)
    return copy


def record(model, size=batch):
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(x_train[:size]), y_train[:size])
    return tape, loss


watch = Watch()
watched = sketched(watch)
tape, loss = record(watched)
tape.gradients(loss, watched.parameters())
cost = inspect.cost(tape)
exact_cost = cost.forward + cost.backward
print("distortion / ‖G‖² of a quarter kept, from the loss to the input; and what the quarter")
print("of the pixels with the largest cotangents holds of ‖G‖²")
print("convolution      channels  images  pixels   held")
for path, (channels, whole, single) in watch.distortion.items():
    print(f"{path:16s} {channels:8.2f}{whole:8.2f}{single:8.2f} {100 * watch.held[path]:6.0f} %")
every = np.array(list(watch.distortion.values()))
assert np.all(every[:, 2] <= every[:, 1]) and np.median(every[:, 2]) < 0.5 and np.median(every[:, 0]) > 1.5
assert min(watch.held[path] for path in list(watch.held)[8:]) > 0.8

# %%
# "6.body.3" is the fourth layer within the branch of layer 6. Channels are mostly busy; to choose among them is not
# much better than a uniform mask, whose distortion would be 3. Images are unequal, as the network knows some of them
# already. Of pixels a few hold nearly everything, in "6.body.0" and in all that lies below layer 6. The reason is a
# kernel of 1×1 that moves by two pixels: layer 6 reads one pixel of four, and the other three get next to nothing.
# With a budget of a quarter a sketch can keep nearly all that matters.
#
# Now sketch all 18 at once, and measure the variance of the gradient: what each layer adds, and the noise that it
# meets.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.8), layout="constrained", sharey=True)
relative, spared = {}, {}
for k, (name, axis) in enumerate(AXES.items()):
    tape, loss = record(sketched(DiagonalSketch(0.25, axis=axis)), 16)
    report = inspect.variance(tape, loss, draws=5 if FAST else 8, rng=0)
    relative[name] = report.relative
    cost = inspect.cost(tape)
    spared[name] = cost.backward / cost.backward_exact
    style = {"color": COLOURS[k + 1], "linestyle": STYLES[k], "marker": MARKERS[k], "markersize": 5}
    layers = [tape.nodes[index].layer for index in report.by_node]
    left.plot(np.array(list(report.by_node.values())) / report.norm**2, layers, label=name, **style)
    right.plot([noise or np.nan for noise in report.relative_noise.values()], layers, **style)
    print(f"{name:8s} backward work {spared[name]:.2f} of exact   noise / ‖g‖² = {report.relative:8.3g}")
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
# All three do the same third of the backward work. Pixels add little after the first layers; the noise of channels and
# images grows on its way down. Layer 7 is met without noise by two convolutions, for it has two ways back: through its
# branch ("body") of three convolutions, and beside it over a shortcut of one.
#
# Branches that begin small
# -------------------------
# That growth would be far worse if our network had not started with small branches. Noise compounds with the number of
# sketched layers that it passes (lesson 7). On the longest way through our network these are 14, on the way over the
# shortcuts only 6. The last ``BatchNorm`` of each branch has a gain, which is 1 in the beginning unless
# ``branch_scale`` says otherwise. We said 0.1: what passes through the branch, signal and noise, counts little next to
# the shortcut. Training then lets each branch grow as far as it is of use. Compare fresh networks with scales of 0.1
# and 1, channels sketched:

figure, ax = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
fresh = {}
for k, scale in enumerate((1.0, 0.1)):
    newborn = bagnet(scale=scale)
    nn.set_vjp(newborn, DiagonalSketch(0.25), where=nn.Conv2d)
    tape, loss = record(newborn, 16)
    report = inspect.variance(tape, loss, draws=3 if FAST else 5, rng=0)
    fresh[scale] = report.relative
    layers = [tape.nodes[index].layer for index in report.by_node]
    style = {"color": COLOURS[5 - 4 * k], "linestyle": STYLES[k], "marker": MARKERS[k]}
    ax.plot(
        [noise or np.nan for noise in report.relative_noise.values()], layers, label=f"branch_scale={scale:g}", **style
    )
    print(f"branch_scale {scale:3g}: noise of the gradient / ‖g‖² = {report.relative:.3g}")
ax.invert_yaxis()
ax.axvline(1, color="black", linewidth=0.8)
ax.set(xscale="log", xlabel="noise of the cotangent that arrives / ‖G‖²", ylabel="input   ←   convolution   ←   loss")
ax.set_title("A quarter of the channels kept, before any training")
ax.grid(alpha=0.25)
ax.legend(fontsize=9)
assert fresh[0.1] < fresh[1.0] / 10

gains = {path: np.abs(block.body[-1].gain.data).mean() for path, block in enumerate(model) if hasattr(block, "body")}
print("mean gain of the branches after training:", {path: round(float(gain), 2) for path, gain in gains.items()})

# %%
# Less noise in a fresh network does not have to mean a better one after training. On 4,000 images of Fashion-MNIST with
# a tenth of the channels kept, small branches and full ones learned about equally well, and with exact VJPs the full
# ones learned faster. A hint why: behind a ``BatchNorm`` nothing depends on the length of the weights before it, so
# noise that lengthens them makes the steps that follow smaller, all by itself.
#
# Images once, at the logits?
# ---------------------------
# In lesson 10 images were drawn once, at the logits, and all layers below worked on these alone. Here this saves next
# to nothing. We have seen why: in training ``BatchNorm`` lets every pixel of every image depend on all the others. The
# cotangent stays short through the last linear layer, the mean, the ReLU and the sum, down to the first ``BatchNorm``,
# and is full from there. (The layer normalisation of lesson 12 works within a row, and has no such effect.)


def last(path, module):
    return path == "9"


tape, loss = record(sketched(DiagonalSketch(0.3, axis="sample"), last))
cost = inspect.cost(tape)
print("operation             backward work, expected / exact")
for node in cost.nodes[-2:-9:-1]:
    print(f"{node.name:22s} {node.backward / node.backward_exact:.2f}")
print(f"all                    {cost.backward / cost.backward_exact:.3f}")
assert cost.backward > 0.95 * cost.backward_exact

# %%
# A race
# ------
# Each method goes on from ``start``, for the same number of steps, at the same learning rate, which falls to zero. A
# budget of 1/2 for channels and pixels makes a step cost seven tenths. Their rivals are exact VJPs on smaller
# batches: the black line, with a batch of the same cost in the middle. Compare heights for an equal number of steps;
# for an equal cost compare with the line. A sketch is worth its cost if it comes out below.

runs = {
    f"exact, batch {batch}": (None, None, batch),
    f"exact, batch {batch * 45 // 64}": (None, None, batch * 45 // 64),
    f"exact, batch {batch // 2}": (None, None, batch // 2),
    "channels, 1/2": (DiagonalSketch(0.5), nn.Conv2d, batch),
    "pixels, 1/2": (DiagonalSketch(0.5, axis="row"), nn.Conv2d, batch),
    "images at the logits, 0.3": (DiagonalSketch(0.3, axis="sample"), last, batch),
}
results = {}
for name, (estimator, where, size) in runs.items():
    learner = sketched(estimator, where)
    tape, loss = record(learner, size)
    cost = inspect.cost(tape)
    cost = (cost.forward + cost.backward) / exact_cost
    # One draw, again and again: the shortest time of many draws would be that of a lucky one.
    backward_pass = partial(tape.gradients, loss, learner.parameters(), rng=0)
    milliseconds = 1000 / 3 * min(timeit.repeat(backward_pass, timer=time.process_time, number=3, repeat=4))
    runs_of_it = [train(sketched(estimator, where, start), 0.03, steps, size, seed) for seed in range(seeds)]
    losses = np.array(runs_of_it)
    results[name] = cost, losses
    print(
        f"{name:25s} operations of a step {cost:.2f}   training loss {losses.mean():.3f}   "
        f"backward pass {milliseconds:4.1f} ms"
    )


def frontier(cost):
    """The loss of exact VJPs on a batch that costs this much, interpolated."""
    exact = sorted((cost, losses.mean()) for name, (cost, losses) in results.items() if name[:5] == "exact")
    return np.interp(cost, *np.transpose(exact))


figure, ax = plt.subplots(figsize=(7.6, 4.0), layout="constrained")
grid = np.linspace(min(cost for cost, _ in results.values()), 1, 50)
ax.plot(grid, frontier(grid), color="black", linewidth=1)
for k, (name, (cost, losses)) in enumerate(results.items()):
    fill = "none" if name[:5] == "exact" else "full"
    style = {"color": COLOURS[k], "marker": MARKERS[k], "markersize": 8, "fillstyle": fill}
    ax.plot(np.full(seeds, cost), losses, linestyle="none", label=name, **style)
ax.set(xlabel="operations of a step / exact", ylabel=f"training loss after {steps} steps (nats)")
ax.set_title("Each mark is a run with its own seed; line: exact VJPs, mean")
ax.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
channels, single = (results[name] for name in ("channels, 1/2", "pixels, 1/2"))
assert single[1].mean() < 1.05 * frontier(single[0])
assert FAST or channels[1].mean() > frontier(channels[0])  # 24 steps are too few to tell

# %%
# **Which paid?** None, in earnest. Pixels come out about level with the smaller batch of that price: with seven tenths
# of the operations they stay close to the exact run, but so does the batch. Channels are worse than the batch of their
# price, and images at the logits save nothing that could pay.
#
# In milliseconds of the processor it was worse where we ran it; your last column is your computer's, and is checked by
# nobody. The products of a network this small are quick, and to choose among thousands of pixels in each of 18 layers
# takes longer than they do. Operations are what a sketch *can* save. Whether it does depends on how wide the layers
# are, and has to be measured.

print(f"checked: stated 81, found {pixels}")
plt.show()

# %%
# Exercises
# ---------
# 1. Cut each test image into 7 × 7 tiles, shuffle the tiles, and compare the accuracy of the BagNet with that of an
#    ``nn.mlp`` that was trained as long. Who misses the order of things more, and why does even the BagNet suffer?
#    *Hint*: patches of 9 pixels do not fit into tiles of 7.
# 2. Put a sketch of pixels on the convolutions of layers 4 and 5 only, where the table above promises little noise. Is
#    it worth more than one on all? *Hint*: ``where=lambda path, module: path[0] in "45"``; both the variance and the
#    cost change.
# 3. Replace every ``BatchNorm`` by a ``LayerNorm`` over the channels, and keep images at the logits once more. What
#    does ``inspect.cost`` say now? *Hint*: a plain ``nn.Sequential`` of ``nn.Conv2d``, ``nn.LayerNorm`` and ``nn.ReLU``
#    will do; layer normalisation looks at one pixel at a time.
