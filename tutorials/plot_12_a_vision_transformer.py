"""
12. A Vision Transformer: which rows to drop
============================================

A vision transformer cuts a picture into patches, makes a vector of each, a **token**, and lets the tokens look at one
another. Nearly all its work is matrix products, and each of these can be sketched by features, by tokens or by whole
images. We look at which nodes may be sketched and which must not, how far down the tape a short cotangent stays short,
which layers make the noise, and which of the three ways pays.

The data set is looked for on this computer (``$MINIGRAD_DATA``, see ``minigrad.datasets``). Where Fashion-MNIST is not
found, the lesson takes the bundled handwritten digits, and says so; every point of it stands.
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
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.plot.style import COLOURS, MARKERS, STYLES
from minigrad.structure import Rows

FAST = bool(os.environ.get("MINIGRAD_FAST"))  # smaller sizes, for a quick look

if all(find(file) for file in FASHION_MNIST.values()):
    data, patch, batch = datasets.fashion_mnist().subset(20_000, 2_000), 7, 64
else:
    print("Fashion-MNIST is not on this computer: taking the bundled digits instead. To fetch it first (31 MB), type")
    print('    python -c "from minigrad import datasets; datasets.fashion_mnist()"')
    data, patch, batch = datasets.digits(), 2, 64
warm_up, steps, seeds = (200, 60, 1) if FAST else (300, 120, 2)
images, labels = data.x_train[:batch], data.y_train[:batch]
print(data)

# %%
# A picture becomes a list of tokens
# ----------------------------------
# Cut each picture into 4 × 4 patches that do not overlap, write the pixels of a patch in one row, and apply one linear
# layer to all rows. The result is an array of (images, tokens, features). For a linear layer its **columns** are the
# features, its **rows** are all tokens of all images, and a **sample** is one image: 16 rows that belong together.

model = nn.vit(data.input_shape, data.num_classes, patch_size=patch, width=32, depth=2, heads=4, rng=0)
embed, position, *blocks, last_norm, pool, head = model
across = data.input_shape[0] // patch
cut = images.reshape(batch, across, patch, across, patch).swapaxes(2, 3).reshape(batch, across**2, patch**2)
tokens = cut @ embed.projection.weight.data.T + embed.projection.bias.data
print("patches", cut.shape, "-> tokens", tokens.shape)
assert np.allclose(tokens, embed(images).data, atol=1e-5)

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.4, 3.3), layout="constrained")
left.imshow(images[0, :, :, 0], cmap="gray_r")
label_box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
for k in range(across**2):
    row, column = divmod(k, across)
    place = (column * patch - 0.5, row * patch - 0.5)
    left.annotate(str(k), place, (3, -3), textcoords="offset points", va="top", fontsize=8, bbox=label_box)
left.set_xticks(np.arange(across + 1) * patch - 0.5, np.arange(across + 1) * patch)
left.set_yticks(np.arange(across + 1) * patch - 0.5, np.arange(across + 1) * patch)
left.grid(color=COLOURS[5], linewidth=0.8)
left.set(title=f"an image ({data.classes[labels[0]]})", xlabel="pixel", ylabel="pixel")
middle.imshow(cut[0], cmap="gray_r", aspect="auto", interpolation="nearest")
middle.set(title=f"its patches: {cut.shape[1]} rows", xlabel="pixel of the patch", ylabel="patch")
shown = right.imshow(tokens[0], cmap="cividis", aspect="auto", interpolation="nearest")
right.set(title=f"its tokens: {tokens.shape[2]} columns", xlabel="feature", ylabel="token")
figure.colorbar(shown, ax=right, label="value (no unit)")

# %%
# Attention: two products and a softmax
# -------------------------------------
# So far no token knows of any other. In **attention** each token makes three vectors by linear layers: a query
# :math:`q`, a key :math:`k` and a value :math:`v`. Its new value is a mean of all values of the same image, weighted by
# how well its query fits their keys:
#
# .. math:: A = \mathrm{softmax}\big(Q K^\top / \sqrt d\big), \qquad \text{output} = A V .
#
# Both are *batched* products: one small product for each image and each *head*. Heads divide the features among them,
# so that a token may look for several things at once. Here it is by hand. We keep what we meet on the way, in
# ``seen``, to ask for its cotangent later.


def attention(layer, x, seen, name):
    n, t, width = x.shape
    d = width // layer.heads

    def by_head(tokens):  # (images, tokens, features) -> (images, heads, tokens, features of the head)
        return tokens.reshape((n, t, layer.heads, d)).transpose((0, 2, 1, 3))

    q, k, v = by_head(layer.query(x)), by_head(layer.key(x)), by_head(layer.value(x))
    scores = ops.matmul(q, k.swapaxes(-1, -2)) * (1 / np.sqrt(d))
    weights = ops.softmax(scores)
    mixed = ops.matmul(weights, v)
    joined = mixed.transpose((0, 2, 1, 3)).reshape((n, t, width))
    seen |= {f"{name} v": v, f"{name} k": k, f"{name} q": q}
    seen |= {f"{name} A": weights, f"{name} A V": mixed, f"{name} heads joined": joined}
    return layer.out(joined)


def transformer(images, seen):
    x = position(embed(images))
    seen["tokens"] = x
    for k, block in enumerate(blocks, 1):
        x = x + attention(block.attention, block.norm1(x), seen, f"block {k}:")
        hidden = block.mlp[0](block.norm2(x))
        x = x + block.mlp[2](ops.gelu(hidden))
        seen |= {f"block {k}: hidden layer": hidden, f"block {k}: output": x}
    seen["mean of the tokens"] = mean = pool(last_norm(x))
    seen["logits"] = logits = head(mean)
    return logits


seen = {}
assert np.allclose(transformer(images, seen).data, model(images).data, atol=1e-5)

# %%
# Now some training, exact, so that there is something to look at. All methods below go on from here.


def train(model, rate, steps, batch, seed, parts=1):
    """Adam, with a learning rate that falls linearly to zero. Training loss in each part, and after the last."""
    history = training.fit(
        model,
        (data.x_train, data.y_train),
        optimizer=optim.Adam(model, lr=rate),
        epochs=parts,
        steps_per_epoch=steps // parts,
        batch_size=batch,
        schedule=lambda step: rate * (1 - step / steps),
        rng=seed,
        progress=False,
    )
    return [*history["loss"], training.evaluate(model, data.x_train[:2000], data.y_train[:2000])[0]]


loss = train(model, 0.005, warm_up, batch, seed=0)[-1]
accuracy = training.evaluate(model, data.x_test, data.y_test)[1]
print(f"after {warm_up} exact steps: training loss {loss:.3f}, test accuracy {100 * accuracy:.1f} %")

# %%
# What one token looks at, in the last block: a row of :math:`A` for each head. The rows sum to 1.

logits = transformer(images, seen)
A = seen[f"block {len(blocks)}: A"].data
assert np.allclose(A.sum(axis=-1), 1, atol=1e-5)
query = across * (across // 2) + across // 2
figure, axes = plt.subplots(1, 5, figsize=(9.4, 2.3), layout="constrained")
axes[0].imshow(images[0, :, :, 0], cmap="gray_r")
down, right = divmod(query, across)
corner = (right * patch - 0.5, down * patch - 0.5)
axes[0].add_patch(plt.Rectangle(corner, patch, patch, fill=False, edgecolor=COLOURS[5], linewidth=2))
axes[0].set_title(f"token {query}", fontsize=10)
for k, ax in enumerate(axes[1:]):
    shown = ax.imshow(A[0, k, query].reshape(across, across), cmap="cividis", vmin=0, vmax=A[0, :, query].max())
    ax.set_title(f"head {k}", fontsize=10)
for ax in axes:
    ax.set(xticks=[], yticks=[])
figure.colorbar(shown, ax=axes, label="weight in A")

# %%
# What may be sketched?
# ---------------------
# Two questions for each node (lessons 3 and 8). Its *cotangent* may be replaced by an unbiased one at **every** node,
# as every VJP is linear in it; but it saves work only where the node is a product. What it *saved* may be replaced only
# if the VJP is linear in that as well; ``save=`` takes nothing else.


def record(model, size=batch):
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(data.x_train[:size]), data.y_train[:size])
    return tape, loss


tape, loss = record(model)
cost = inspect.cost(tape)
work = {}
for node, counted in zip(tape.nodes, cost.nodes, strict=True):
    work.setdefault(node.name, []).append(counted.forward + counted.backward_exact)
exact_cost = cost.forward + cost.backward_exact
print("operation      nodes  work/%  residuals that save= takes")
for name, parts in sorted(work.items(), key=lambda item: -sum(item[1])):
    may = ", ".join(getattr(ops, name).primitive.residuals) or "none"
    print(f"{name:13s} {len(parts):6d} {100 * sum(parts) / exact_cost:7.1f}  {may}")
assert sum(work["linear"]) + sum(work["matmul"]) > 0.9 * exact_cost

# %%
# More than nine tenths of the work is in products: ``linear`` and ``matmul``, which are linear in each of their inputs.
# The normalisation and the softmax are cheap, and quadratic in what they save; of the activation the slope may be
# sketched.
#
# The softmax: its cotangent, and its residual twice
# --------------------------------------------------
# The softmax is the interesting one, for it stands *between* two products that are sketched. With the weights
# :math:`a` of one query and the cotangent :math:`g` that arrives at them, its VJP is
#
# .. math:: a \circ \big(g - \langle a, g\rangle\big) .
#
# It is linear in :math:`g`. The product :math:`AV` above it may have been sketched; what comes down to the softmax has
# the right mean, and leaves it with the right mean. But it is *quadratic* in :math:`a`. If the saved :math:`a` is
# replaced by an unbiased sketch :math:`\hat a`, kept with probability :math:`p`, the squares come out wrong,
# :math:`\mathbb{E}\,\hat a_j^2 = a_j^2 / p`, and the mean is off by :math:`-(1/p - 1)\, a_j^2 g_j`.
#
# Take two keys with :math:`a = (1/2, 1/2)`, and :math:`g = (1, 0)`. The first entry of the VJP is 1/4. With half of
# :math:`a` kept, its mean is **0.00**.


def softmax_vjp(a, g):
    return a * (g - np.sum(a * g, axis=-1, keepdims=True))


def mean_over_sketches(a, g, p):
    """The mean of the VJP over all masks of the saved weights."""
    return sum(chance * softmax_vjp(sketch.dense(), g) for chance, sketch in Mask(p).outcomes(a))


a, g = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
found = mean_over_sketches(a, g, 0.5)
print("exact", softmax_vjp(a, g)[0], "  mean with a sketched residual", found[0])

rng = np.random.default_rng(0)
scores, g = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
a = ops.softmax(scores).data
off = mean_over_sketches(a, g, 0.25) - softmax_vjp(a, g)
assert np.allclose(off, -(1 / 0.25 - 1) * a**2 * g)

leaf = mg.Tensor(scores, requires_grad=True, name="scores")
with mg.Tape() as small:
    y = (ops.softmax(leaf, vjp=Mask(0.25)) * g).sum()
moments = inspect.exact_moments(small, y)
print(f"bias: residual sketched {np.linalg.norm(off):.2f}, cotangent sketched {moments.bias:.0e}")
assert moments.bias < 1e-12

# %%
# With **two** sketches, drawn independently, one for each factor, the squares come out right:
# :math:`\mathbb{E}\,\hat a_j \hat a'_j = a_j^2`. The library keeps two where it is asked to sketch a softmax.

with mg.Tape(rng=0) as small:
    ops.softmax(leaf, save=Mask(0.25))
print("kept by the softmax:", [name for name in small.nodes[0].saved if name != "axis"])
masks = [(chance, sketch.dense()) for chance, sketch in Mask(0.25).outcomes(a)]
mean_of_two = sum(
    p * q * (first * (g - np.sum(second * g, axis=-1, keepdims=True))) for p, first in masks for q, second in masks
)
print(f"bias with two sketches: {np.abs(mean_of_two - softmax_vjp(a, g)).max():.0e}")
assert np.allclose(mean_of_two, softmax_vjp(a, g))

# %%
# (The product :math:`AV` is linear in its own copy of :math:`A`, and may sketch that as well.)
#
# Features, tokens, images: where is the noise?
# ---------------------------------------------
# Sketch all linear layers of the blocks, with a budget of a quarter and the best probabilities. Which layers make the
# noise?


def in_blocks(path, module):
    return isinstance(module, nn.Linear) and path[0] in "23"  # layers 2 and 3 of the model are the blocks


KINDS = {
    "mlp.2": "out of the perceptron",
    "mlp.0": "into the perceptron",
    "attention.out": "projection",
    "attention.value": "values",
    "attention.key": "keys",
    "attention.query": "queries",
}
AXES = {"features": "column", "images": "sample", "tokens": "row"}


def sketched(estimator, where):
    """A copy of the trained model with the chosen sketch."""
    copy = nn.vit(data.input_shape, data.num_classes, patch_size=patch, width=32, depth=2, heads=4, rng=0)
    copy.load_state_dict(model.state_dict())
    if estimator is not None:
        nn.set_vjp(copy, estimator, where=where)
    return copy


shares, relative = {}, {}
for name, axis in AXES.items():
    tape, loss = record(sketched(DiagonalSketch(0.25, axis=axis), in_blocks))
    report = inspect.variance(tape, loss, draws=10 if FAST else 30, rng=0)
    shares[name] = dict.fromkeys(KINDS, 0.0)
    for index, variance in report.by_node.items():
        kind = tape.nodes[index].layer.partition(".")[2]
        shares[name][kind] += variance / report.norm**2
    relative[name] = report.relative
    print(f"{name:8s} noise / ‖g‖² = {report.relative:6.2f}")

figure, ax = plt.subplots(figsize=(7.6, 3.9), layout="constrained")
for k, (name, share) in enumerate(shares.items()):
    ax.barh(
        np.arange(len(KINDS)) + 0.27 * (k - 1),
        list(share.values()),
        height=0.25,
        color=COLOURS[k + 1],
        edgecolor="black",
        hatch=["", "//", ".."][k],
        label=f"{name}: {relative[name]:.3g} in all",
    )
ax.set_yticks(np.arange(len(KINDS)), list(KINDS.values()))
ax.invert_yaxis()
ax.set(xscale="log", xlim=(1e-4, None), xlabel="variance of the gradient / ‖g‖², both blocks together")
ax.axvline(1, color="black", linewidth=0.8)
ax.set_title("A quarter kept in each linear layer, by kind of layer")
ax.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
assert relative["tokens"] < relative["images"] < relative["features"]

# %%
# Single tokens make the least noise, whole images more, and features by far the most: their noise compounds from layer
# to layer (lesson 7), as each layer draws again from columns that the layer above has made full.
#
# With images and tokens most of it comes from two layers, the projection and the one out of the perceptron. These end
# the two branches of a block, and draw from the full cotangent of the skip path beside them. What the others of the
# branch receive is short already; when they draw, little is left to lose. (For tokens the keys and the values are an
# exception: what arrives there is full, as the table under "How short stays short?" shows.)

ends = ("attention.out", "mlp.2")
for name in ("images", "tokens"):
    part = sum(shares[name][kind] for kind in ends) / relative[name]
    print(f"{name}: {100 * part:.0f} % of the noise comes from the ends of the branches")
    assert part > 0.5

# %%
# Why are tokens so much better than images, when an image is nothing but 16 tokens? By the formulas of lesson 4 a mask
# of rows that is drawn token by token adds :math:`\kappa \sum_i \|G_i\|^2 \|X_i\|^2` to the weight gradient. If all
# tokens of an image share one coin, the errors add up *before* they are squared: :math:`\kappa \sum_s \|G_s^\top
# X_s\|^2`. Where the 16 tokens of an image pull in similar directions this is much larger. **Many small coins are
# quieter than few large ones.** We measure both sums in the exact backward pass, with an estimator that changes nothing
# and only looks.


class Watch(mg.Estimator):
    """Hands the cotangent on as it is, and notes how noisy masks of tokens and of images would be here."""

    def __init__(self):
        self.ratio = {}

    def sample(self, g, node, rng):
        x = node.saved["x"]
        tokens = np.sum(np.sum(g**2, axis=2) * np.sum(x**2, axis=2))
        images = np.sum(np.einsum("stm,stn->smn", g, x) ** 2)
        self.ratio[node.layer] = images / tokens
        return g


watch = Watch()
watched = sketched(watch, in_blocks)
tape, loss = record(watched)
tape.gradients(loss, watched.parameters())
for path, ratio in watch.ratio.items():
    print(f"{path:18s} one coin for each image is {ratio:5.1f} times as noisy as one for each token")
assert np.median(list(watch.ratio.values())) > 1.5

# %%
# How short stays short?
# ----------------------
# There is another side to it. Keep a quarter of the *images*, once, at the logits. Everything in a transformer works
# within an image: attention, normalisation, the perceptron. What was dropped at the top is zero all the way down, and
# the library keeps the cotangents as `Rows`, the kept images only, and works on these alone.
#
# Keep a quarter of the *tokens*, as high up as there are any, at the last normalisation. Down to the attention they
# stay short as well. In the attention two things happen, which one must tell apart: what is **zero**, and what is
# **stored** short. A token that was dropped has no cotangent at :math:`AV`, and none at its row of :math:`A` and at its
# query. But to share the features among the heads the array is reshaped and transposed, the rows of a token lie apart
# from there on, and the library stores them in full, zeros and all. And the keys and the values are truly full: every
# token that was kept has looked at all tokens of its image, and gives each a share of its cotangent. The three meet in
# the input of the attention, and below it everything is full.


def stored(g):
    if not isinstance(g, Rows):
        return "all"
    unit = "images" if len(g.trailing) == len(g.shape) - 1 else "tokens"
    count = np.prod(g.shape[: len(g.shape) - len(g.trailing)])
    return f"{len(g.indices)} of {count} {unit}"


def not_zero(g):
    """The share of the rows, over the last axis, that are not zero."""
    return np.mean(np.any((g.dense() if isinstance(g, Rows) else g) != 0, axis=-1))


kept, backward = {}, {}
for choice in ("images", "tokens"):
    seen = {}
    with mg.Tape() as tape:
        loss = ops.cross_entropy(transformer(images, seen), labels)
    if choice == "images":
        node, axis = tape.nodes[seen["logits"].node], "sample"
    else:
        node, axis = [node for node in tape.nodes if node.name == "layer_norm"][-1], "row"
    node.vjp = Mask(0.25, axis=axis, design="systematic")
    kept[choice] = dict(zip(seen, tape.gradients(loss, list(seen.values()), rng=0, structured=True), strict=True))
    node.vjp = DiagonalSketch(0.3, axis=axis)
    cost = inspect.cost(tape)
    backward[choice] = cost.backward / cost.backward_exact
print(f"{'':21s} images kept, logits      tokens kept, last norm")
print(f"{'cotangent of':21s} {'stored':16s} not zero  {'stored':19s} not zero")
for name in reversed(seen):
    whole, single = kept["images"][name], kept["tokens"][name]
    print(f"{name:21s} {stored(whole):16s} {not_zero(whole):8.2f}  {stored(single):19s} {not_zero(single):8.2f}")
print(f"backward work of DiagonalSketch(0.3): {backward['images']:.3f}, {backward['tokens']:.3f} of exact")
assert all(isinstance(kept["images"][name], Rows) for name in seen if name != "logits")
assert not any(isinstance(kept["tokens"][name], Rows) for name in seen if name.startswith("block 1"))
shares_left = {name.removeprefix("block 2: "): not_zero(g) for name, g in kept["tokens"].items()}
assert [shares_left[name] for name in ("A V", "A", "q", "k", "v", "block 1: output")] == [0.25] * 3 + [1.0] * 3

# %%
# (The cotangent of the logits is what the sketch starts from, so it is full. Of tokens the mean is taken above the last
# normalisation, so its cotangent is full, too.) In the last block, :math:`AV`, :math:`A` and the queries are still
# three quarters zero, but they are not stored short, and no work is spared there. One draw of images at the logits,
# with a budget of 0.3, leaves **0.30** of the whole backward pass. A draw of tokens must be repeated in every layer.
#
# ``inspect.sparsity`` counts what the nodes with an estimator keep. If every linear layer keeps images again, what is
# left for the lower ones to drop?

tape, loss = record(sketched(DiagonalSketch(0.25, axis="sample"), nn.Linear))
counts = inspect.sparsity(tape, loss, draws=20, rng=0).nodes
for node in counts:
    print(f"{node.name:26s} keeps {node.mean:5.1f} of {node.of}")
assert counts[-1].mean > 0.9 * counts[0].mean

# %%
# Next to nothing. Their budget is a quarter of all images, and no more than a quarter arrives. The first sketch has
# made the choice, and the others keep what is left. So images need to be drawn once only.
#
# A race
# ------
# Each method goes on from the trained weights, for the same number of steps, with Adam at the same learning rate.
# Features and tokens are drawn in each linear layer of the blocks, "images, once" at the logits. Their rivals are exact
# VJPs on smaller batches: the black line on the right. Below the line a sketch is worth its cost; above it one had
# better take fewer images.

RATE, PARTS = 0.003, 4
runs = {
    f"exact, batch {batch}": (None, None, batch),
    f"exact, batch {batch * 9 // 16}": (None, None, batch * 9 // 16),
    f"exact, batch {batch * 9 // 32}": (None, None, batch * 9 // 32),
    "features, 1/2": (DiagonalSketch(0.5), in_blocks, batch),
    "tokens, 1/4": (DiagonalSketch(0.25, axis="row"), in_blocks, batch),
    "images, once, 0.3": (DiagonalSketch(0.3, axis="sample"), lambda path, module: path == "6", batch),
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
    losses = np.array([train(sketched(estimator, where), RATE, steps, size, seed, PARTS) for seed in range(seeds)])
    results[name] = cost, losses
    print(
        f"{name:18s} operations of a step {cost:.2f}   training loss {losses[:, -1].mean():.3f}   "
        f"backward pass {milliseconds:4.1f} ms"
    )


def frontier(cost):
    """The loss of exact VJPs on a batch that costs this much, interpolated."""
    exact = sorted((cost, losses[:, -1].mean()) for name, (cost, losses) in results.items() if name[:5] == "exact")
    return np.interp(cost, *np.transpose(exact))


figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.0), layout="constrained")
middle_of = steps / PARTS * (np.arange(PARTS) + 0.5)
for k, (name, (cost, losses)) in enumerate(results.items()):
    style = {"color": COLOURS[k], "marker": MARKERS[k], "markersize": 6}
    left.plot(middle_of, losses[:, :-1].mean(axis=0), linestyle=STYLES[k], label=name, **style)
    right.plot(np.full(seeds, cost), losses[:, -1], linestyle="none", **style)
grid = np.linspace(min(cost for cost, _ in results.values()), 1, 50)
right.plot(grid, frontier(grid), color="black", linewidth=1, label="exact VJPs, smaller batches")
left.set(xlabel="step", ylabel="training loss (nats), mean over a quarter", title="Equal number of steps")
right.set(xlabel="operations of a step / exact", ylabel="training loss (nats) in the end", title="Equal cost")
left.legend(fontsize=8)
right.legend(fontsize=8)
above = {name: losses[:, -1].mean() - frontier(price) for name, (price, losses) in results.items()}
assert above["tokens, 1/4"] < 0 and above["tokens, 1/4"] < above["features, 1/2"]

# %%
# **Which paid?** Tokens did, in operations: at little more than half the work of a step they follow the exact run more
# closely than a smaller batch of that price. So did images drawn once, clearly on the digits and by little on
# Fashion-MNIST. Features did not: they come out on the line of the smaller batches or above it.
#
# In milliseconds of the processor it is another story; the last column is your computer's, and is checked by nobody.
# Where we ran it, in layers as small as these it took longer to choose tokens, or features, than it saved on the
# products; only the one draw of images made the backward pass shorter. With wider layers the products weigh more, and
# the picture changes. Measure before you believe.

print(f"checked: stated 0.00, found {found[0, 0]:.4f}")
print(f"checked: stated 0.30, found {backward['images']:.4f}")
plt.show()

# %%
# Exercises
# ---------
# 1. Make the model with ``pool="class"``: a learned token is put in front of the others, and the head looks at it
#    alone. Which tokens of the last block have a cotangent that is not zero: at its output, at the queries, at the keys
#    and values, at its input? *Hint*: ask ``tape.gradients`` for the tensors in ``seen``, and use ``not_zero``. Zeros
#    that are exact could save work without noise. Which of them does the library store short, and which not?
# 2. Sketch the two products of the attention as well: ``nn.set_vjp(model, DiagonalSketch(0.25),
#    where=nn.MultiHeadSelfAttention)``. What are columns, rows and samples of :math:`QK^\top` and of :math:`AV`, and is
#    the noise worth the 7 % of the work? *Hint*: ``inspect.variance``, and the table of operations above.
# 3. Find the best learning rate of each method among 0.001, 0.003 and 0.01, and draw the right picture again. Whose
#    place changes? *Hint*: noise is averaged out by small steps; lesson 9 says how the rate should follow the variance.
