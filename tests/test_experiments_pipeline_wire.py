"""The wire of a pipeline: bytes are those of the cost model, noise that of closed forms; and where models are cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pipeline_cases import SMALL, in_threads, planned

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.estimators import parse
from minigrad.experiments.pipeline import header_bytes
from minigrad.experiments.pipeline.cutting import balanced_cuts, boundaries, cut
from minigrad.experiments.pipeline.measure_wires import WIRES
from minigrad.experiments.pipeline.wire_noise import OnWire, trained, wire_variance
from minigrad.structure import dense

# Bytes


def of_cost(estimator, shape):
    """The bytes that `inspect.cost` has for a node of this shape with this estimator."""
    w = mg.Tensor(np.ones((shape[1], 5), np.float32), requires_grad=True)
    with mg.Tape() as tape:
        ops.linear(np.ones((shape[0], 5), np.float32), w, vjp=estimator)
    return inspect.cost(tape).nodes[0].wire_bytes


@pytest.mark.parametrize("wire", ["exact", *[wire for wire in WIRES if "mask" not in wire and "lowrank" not in wire],
                                  "rounding(1, axis=column)", "rounding(5, axis=block)", "rounding(16)",
                                  "rounding(3, axis=tensor, dither=subtractive)"])  # fmt: skip
def test_bytes_are_those_of_the_cost_model_and_the_header(wire, tmp_path):
    """What is sent in each step of a pipeline, where it does not hang on a draw."""
    stages = in_threads(planned(tmp_path, wire, steps=3))
    counts = stages[1].counts
    (shape, _), *_ = stages[1].boundaries
    if "optimal" not in wire:
        assert counts.backward_bytes - counts.backward_headers == 3 * of_cost(parse(wire), shape)
    else:  # the number of groups is the data's
        assert counts.backward_bytes - counts.backward_headers == pytest.approx(
            3 * of_cost(parse(wire), shape), rel=0.1
        )
    dense_frame = header_bytes(np.ones(shape, np.float32)) + 4 * np.prod(shape)
    assert stages[0].counts.forward_bytes == 3 * dense_frame
    assert stages[0].counts.backward_bytes == stages[1].counts.forward_bytes == 0


@pytest.mark.parametrize(
    "wire",
    [
        "mask(0.25)",
        "mask(0.5, axis=row)",
        "mask(0.1, axis=element)",
        "lowrank(0.25)",
        "then(mask(0.25, axis=row), rounding(4))",
        "then(lowrank(0.25), rounding(8))",
    ],
)
def test_mean_bytes_are_those_of_the_cost_model(wire):
    """Of 400 draws; a kept unit has the same bytes, so the error is that of their number: 5 standard errors."""
    g = np.random.default_rng(0).standard_normal((32, 128)).astype(np.float32)
    estimator = OnWire(parse(wire))
    rng = np.random.default_rng(1)
    sizes = []
    for _ in range(400):
        drawn = estimator.sample(g, None, rng)
        sizes.append(drawn.nbytes)
        assert estimator.sent[-1] == drawn.nbytes + header_bytes(drawn)
    error = np.std(sizes) / np.sqrt(len(sizes))
    assert np.mean(sizes) == pytest.approx(of_cost(parse(wire), g.shape), abs=5 * error + 1e-9, rel=0.01)


# Noise


def test_the_variance_of_a_wire_is_its_closed_form():
    """Linear above and below: ĝ = xᵀ Q(G), so the variance of ∂W is Σ_i ‖x_i‖² E‖Q(G)_i − G_i‖², by enumeration."""
    model = nn.Sequential(nn.Linear(3, 2, bias=False, rng=0), nn.Linear(2, 3, rng=1)).astype(float)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 3)), np.array([0, 1, 2, 1])
    with mg.Tape() as tape:
        h = model[0](x)
        loss = ops.cross_entropy(model[1](h), y)
    weight = model[0].weight
    (exact,), (g,) = tape.gradients(loss, [weight]), tape.gradients(loss, [h])
    estimator = parse("mask(0.5, axis=row)")
    variance = sum(
        p * np.square(dense(out).T @ x - exact).sum() for p, out in estimator.outcomes(g, None)
    ) / np.square(exact).sum()  # fmt: skip
    found, error = wire_variance(model, [1], x, y, estimator, 4000, 3)
    assert abs(found - variance) < 5 * error < 0.5 * variance


def test_exact_wires_have_no_noise_and_each_cut_adds_some():
    """Of the parameters before the first cut: those of the stage between are as noisy as if it were the only cut."""
    model, x, y = trained(SMALL, 0, 6)
    assert wire_variance(model, [3, 5], x, y, parse("exact"), 2, 0) == (0.0, 0.0)
    few, most = (wire_variance(model, [3, 5], x, y, parse(f"rounding({bits})"), 100, 0) for bits in (4, 2))
    assert 0 < few[0] < most[0] / 5 and most[1] < most[0] / 10


# Cutting


def test_balanced_cuts_are_those_of_exhaustive_search():
    rng = np.random.default_rng(0)
    for _ in range(20):
        model = nn.mlp(*rng.integers(1, 60, size=7).tolist(), rng=0)
        for stages in (2, 3, 4):

            def largest(cuts, model=model):
                return max(sum(p.size for p in stage.parameters()) for stage in cut(model, cuts))

            ways = [ways for ways in itertools.combinations(range(0, len(model), 2), stages - 1) if ways[0]]
            assert largest(balanced_cuts(model, stages)) == min(map(largest, ways))


@pytest.mark.parametrize(
    "cuts, words",
    [
        ([0], "and increase"),
        ([5], "must lie in 1 … 4, and increase"),
        ([3, 3], "and increase"),
        ([4, 2], "and increase"),
        ([-1], "and increase"),
        ([3, 4], r"stage 1, modules 3 … 3, has no parameters; .*\[2, 4\] would"),
    ],
)
def test_cuts_that_cannot_be(cuts, words):
    with pytest.raises(ValueError, match=words):
        cut(nn.mlp(5, 4, 3, 2, rng=0), cuts)


def test_a_model_that_says_no_order_cannot_be_cut():
    with pytest.raises(TypeError, match="Residual cannot be cut"):
        cut(nn.Residual(nn.Linear(2, 2, rng=0)), [1])


@pytest.mark.parametrize("name", ["mlp", "vit", "bagnet"])
def test_every_model_can_be_cut(name):
    data = SMALL.load()
    model = nn.models.build(name, data.input_shape, 10, rng=0)
    stages = cut(model, balanced_cuts(model, 2))
    ((shape, dtype),) = boundaries(stages, data.x_train, 7)
    x = data.x_train[:7].astype(np.float32)
    between = stages[0].eval()(x)
    assert between.shape == shape and between.data.dtype == dtype
    np.testing.assert_array_equal(stages[1].eval()(between).data, model.eval()(x).data)
