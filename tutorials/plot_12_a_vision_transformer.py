"""
12. A Vision Transformer: which rows to drop
============================================

A vision transformer cuts a picture into patches, makes a vector of each, a :term:`token`, and lets the tokens look at
one another. Nearly all its work is matrix products, and each can be sketched by features, by tokens or by whole images.
An image *is* its tokens. So does it matter whether one drops a quarter of the images or a quarter of the tokens? It
does, in two ways: **the one is quieter, and the other spares more work.**
"""

import matplotlib.pyplot as plt
import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, training
from minigrad.estimators import DiagonalSketch
from minigrad.plot.style import COLOURS

data = datasets.digits()
images, labels = data.x_train[:64], data.y_train[:64]
model = nn.vit(data.input_shape, data.num_classes, patch_size=2, width=32, depth=2, heads=4, rng=0)
training.fit(model, data, optimizer=optim.Adam(model, lr=0.003), epochs=8, batch_size=64, rng=0, progress=False)
accuracy = training.evaluate(model, data.x_test, data.y_test)[1]
print(f"after eight exact epochs: test accuracy {100 * accuracy:.1f} %")

# %%
# A picture becomes a list of tokens
# ----------------------------------
# Cut each picture of 8×8 pixels into 4 × 4 patches that do not overlap, write the pixels of a patch in one row, and
# apply one linear layer to all rows. The result is an array of (images, tokens, features). For a linear layer its
# **columns** are the features, its **rows** are all tokens of all images, and a **sample** is one image: 16 rows that
# belong together.

embed = model[0]
cut = images.reshape(64, 4, 2, 4, 2).swapaxes(2, 3).reshape(64, 16, 4)
tokens = cut @ embed.projection.weight.data.T + embed.projection.bias.data
print("images", images.shape, "-> patches", cut.shape, "-> tokens", tokens.shape)
assert np.allclose(tokens, embed(images).data, atol=1e-5)

# %%
# In **attention** each token makes three vectors by linear layers: a query :math:`q`, a key :math:`k` and a value
# :math:`v`. Its new value is a mean of all values of the same image, weighted by how well its query fits their keys:
#
# .. math:: A = \mathrm{softmax}\big(Q K^\top / \sqrt d\big), \qquad \text{output} = A V .
#
# It stands in a *block* of the network beside a shortcut, and behind it a perceptron of two linear layers beside
# another. Where is the work?


def record(estimator=None, where=nn.Linear):
    """The tape of 64 images, with a sketch in the chosen layers."""
    nn.set_vjp(model, None)
    if estimator is not None:
        nn.set_vjp(model, estimator, where=where)
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(images), labels)
    return tape, loss


tape, loss = record()
cost = inspect.cost(tape)
work = {}
for node, counted in zip(tape.nodes, cost.nodes, strict=True):
    work[node.name] = work.get(node.name, 0) + (counted.forward + counted.backward) / (cost.forward + cost.backward)
print({name: f"{100 * part:.1f} %" for name, part in sorted(work.items(), key=lambda item: -item[1])[:5]})
assert work["linear"] + work["matmul"] > 0.9

# %%
# Features, tokens, images: where is the noise?
# ---------------------------------------------
# Sketch all linear layers of the blocks, with a budget of a quarter and the best probabilities.


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
shares, relative = {}, {}
for name, axis in AXES.items():
    tape, loss = record(DiagonalSketch(0.25, axis=axis), in_blocks)
    report = inspect.variance(tape, loss, draws=30, rng=0)
    shares[name] = dict.fromkeys(KINDS, 0.0)
    for index, variance in report.by_node.items():
        shares[name][tape.nodes[index].layer.partition(".")[2]] += variance / report.norm**2
    relative[name] = report.relative
    print(f"{name:8s} noise / ‖g‖² = {report.relative:6.3f} ± {report.standard_error / report.norm**2:.3f}")

figure, ax = plt.subplots(figsize=(8.6, 3.9), layout="constrained")
for k, (name, share) in enumerate(shares.items()):
    ax.barh(
        np.arange(len(KINDS)) + 0.27 * (k - 1),
        list(share.values()),
        height=0.25,
        color=COLOURS[k + 1],
        edgecolor="black",
        hatch=["", "//", ".."][k],
        label=f"{name}: {relative[name]:.2g} in all",
    )
ax.set_yticks(np.arange(len(KINDS)), list(KINDS.values()))
ax.invert_yaxis()
ax.set(xscale="log", xlim=(1e-6, None), xlabel="variance of the gradient / ‖g‖², both blocks together")
ax.axvline(1, color="black", linewidth=0.8)
ax.set_title("A quarter kept in each linear layer, by kind of layer")
ax.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
assert relative["tokens"] < relative["images"] < relative["features"]

# %%
# Single tokens make the least noise, whole images more, and features by far the most, as their noise compounds from
# layer to layer (lesson 7).
#
# Many small coins
# ----------------
# Why are tokens better than images, when an image is nothing but 16 tokens? By the formulas of lesson 4 a mask of rows
# that is drawn token by token adds :math:`\kappa \sum_i \|G_i\|^2 \|X_i\|^2` to the weight gradient. If all tokens of
# an image share one coin, the errors add up *before* they are squared: :math:`\kappa \sum_s \|G_s^\top X_s\|^2`. Where
# the tokens of an image pull in similar directions this is larger. **Many small coins are quieter than few large
# ones.** An estimator that changes nothing and only looks measures both sums in the exact backward pass.


class Watch(mg.Estimator):
    """Hands the cotangent on as it is, and notes how much noisier a coin for each image would be."""

    def __init__(self):
        self.ratio = {}

    def sample(self, g, node, rng):
        x = node.saved["x"]
        by_token = np.sum(np.sum(g**2, axis=2) * np.sum(x**2, axis=2))
        self.ratio[node.layer] = np.sum(np.einsum("stm,stn->smn", g, x) ** 2) / by_token
        return g


watch = Watch()
tape, loss = record(watch, in_blocks)
tape.gradients(loss, model.parameters())
for path, ratio in watch.ratio.items():
    print(f"{path:18s} one coin for each image is {ratio:4.1f} times as noisy as one for each token")
assert np.median(list(watch.ratio.values())) > 1.5

# %%
# How short stays short?
# ----------------------
# There is another side to it. Keep three tenths of the *images*, once, at the logits. Everything in a transformer works
# within an image: attention, normalisation, the perceptron. What was dropped at the top is zero all the way down, and
# the library works on the kept images alone. The whole backward pass costs **0.30** of the exact one.
#
# Keep three tenths of the *tokens* instead, as high up as there are any, at the last normalisation. Down to the
# attention they stay short as well. But every token that was kept has looked at *all* tokens of its image, and gives
# each a share of its cotangent, and from there on the library works on full arrays again.

images_once = inspect.cost(record(DiagonalSketch(0.3, axis="sample"), lambda path, module: path == "6")[0])
tape, loss = record()
[node for node in tape.nodes if node.name == "layer_norm"][-1].vjp = DiagonalSketch(0.3, axis="row")
tokens_once = inspect.cost(tape)
print(f"{'backward work, of exact':32s}images at the logits   tokens at the last norm")
for one, other in zip(reversed(images_once.nodes), reversed(tokens_once.nodes), strict=True):
    if one.name.endswith(("linear", "matmul")):
        parts = [counted.backward / counted.backward_exact for counted in (one, other)]
        print(f"{one.name:32s}{parts[0]:20.2f}{parts[1]:26.2f}")
spared = images_once.backward / images_once.backward_exact, tokens_once.backward / tokens_once.backward_exact
print(f"{'all':32s}{spared[0]:20.2f}{spared[1]:26.2f}")
assert spared[1] > 0.6

# %%
# So a draw of tokens must be repeated in every layer, each time with a little more noise, and a draw of images must
# not: where every linear layer keeps images again, the lower ones have next to nothing left to drop.

tape, loss = record(DiagonalSketch(0.25, axis="sample"))
counts = inspect.sparsity(tape, loss, draws=20, rng=0).nodes
print(f"of 64 images: {counts[0].name} keeps {counts[0].mean:.1f}, {counts[-1].name} keeps {counts[-1].mean:.1f}")
assert counts[-1].mean > 0.8 * counts[0].mean

print(f"checked: stated 0.30, found {spared[0]:.4f}")
mg.plot.show()

# %%
# What this is worth in *training* takes many runs to tell: :doc:`/experiments/budgeted` has them for a vision
# transformer, with batch and rate tuned for both sides, and :doc:`/experiments/vit-fashion-mnist` at one batch size.
#
# Exercises
# ---------
# 1. Make the model with ``pool="class"``: a learned token is put in front of the others, and the head looks at it
#    alone. Which tokens of the last block have a cotangent that is not zero: at its output, at the queries, at the keys
#    and values, at its input? *Hint*: an estimator like ``Watch`` sees what arrives at each linear layer.
# 2. Sketch the two products of the attention as well: ``nn.set_vjp(model, DiagonalSketch(0.25),
#    where=nn.MultiHeadSelfAttention)``. What are columns, rows and samples of :math:`QK^\top` and of :math:`AV`, and is
#    the noise worth the 7 % of the work? *Hint*: ``inspect.variance``, and the table of operations above.
# 3. The VJP of the softmax, :math:`a \circ (g - \langle a, g\rangle)`, is linear in :math:`g` but quadratic in the
#    saved :math:`a`. Show that with one sketch of :math:`a` its mean is off by :math:`-(1/p - 1)\, a_j^2 g_j`, and with
#    two independent ones by nothing. *Hint*: ``Mask(p).outcomes(a)`` lists the sketches; lesson 8.
