"""The cost of a tape: operations and bytes, against counts by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from estimator_cases import normal

import minigrad as mg
from minigrad import nn, ops
from minigrad.estimators import DiagonalSketch, Exact, LowRankSketch, Mask, RandomProjection, TopK
from minigrad.inspect import cost
from minigrad.structure import Factors, Kept, Quantised, Rows, Structured

B, N, M = 8, 20, 10  # rows, inputs, outputs


def linear(vjp=None, *, data=True, bias=False, dtype=np.float32):
    w = mg.Tensor(np.ones((M, N), dtype), requires_grad=True)
    b = mg.Tensor(np.ones(M, dtype), requires_grad=True) if bias else None
    x = mg.Tensor(np.ones((B, N), dtype), requires_grad=not data)
    with mg.Tape() as tape:
        ops.linear(x, w, b, vjp=vjp)
    return cost(tape)


def test_a_linear_node_by_hand():
    for data in (True, False):
        for bias in (True, False):
            report = linear(data=data, bias=bias)
            assert report.forward == 2 * B * M * N + bias * B * M
            assert report.backward_exact == report.backward == (1 if data else 2) * 2 * B * M * N + bias * B * M
            assert report.saved_bytes == 4 * (B * N + (0 if data else M * N))
            assert report.nodes[0].wire_bytes == 4 * B * M


@pytest.mark.parametrize("vjp", [Mask(0.25), Mask(0.25, axis="row"), Mask(0.25, axis="sample"), DiagonalSketch(0.25),
                                 TopK(0.2)])  # fmt: skip
def test_columns_and_rows_shrink_both_products(vjp):
    report = linear(vjp, data=False)
    assert report.backward_exact == 4 * B * M * N
    assert report.backward == pytest.approx(vjp.budget * 4 * B * M * N + vjp.overhead((B, M)))


@pytest.mark.parametrize(
    "vjp, indices", [(Mask(0.5), M), (Mask(0.5, axis="row"), B), (Mask(0.5, axis="element"), B * M)]
)
def test_bytes_on_a_wire(vjp, indices):
    assert linear(vjp).nodes[0].wire_bytes == 0.5 * (4 * B * M + 8 * indices)
    assert linear(vjp, dtype=np.float64).nodes[0].wire_bytes == 0.5 * (8 * B * M + 8 * indices)


def test_factors_on_a_wire_and_in_products():
    rank = 0.5 * min(B, M)
    report = linear(LowRankSketch(0.5), data=False)
    assert report.nodes[0].wire_bytes == rank * (B + M) * 4
    assert report.backward == 2 * 2 * rank * (B + M) * N + LowRankSketch(0.5).overhead((B, M))


@pytest.mark.parametrize("vjp", [Mask(1.0), LowRankSketch(1.0), RandomProjection(1.0), DiagonalSketch(1.0), Exact()])
def test_budget_one_costs_what_exact_does(vjp):
    exact, report = linear(data=False), linear(vjp, data=False)
    assert report.backward == exact.backward and report.nodes[0].wire_bytes == exact.nodes[0].wire_bytes


def test_a_node_without_rules_saves_nothing_and_pays_for_the_scores():
    w = mg.Tensor(np.ones((B, M)), requires_grad=True)
    with mg.Tape() as tape:
        ops.tanh(w)
    exact = cost(tape).backward
    tape.nodes[0].vjp = DiagonalSketch(0.25)
    assert cost(tape).backward == exact + DiagonalSketch(0.25).overhead((B, M))


def test_a_mapping_is_counted_edge_by_edge():
    vjp = {"w": Mask(0.25)}
    report = linear(vjp, data=False)
    assert report.backward == 2 * B * M * N * 1.25 + Mask(0.25).overhead((B, M))
    assert report.nodes[0].wire_bytes == 4 * B * M + 0.25 * (4 * B * M + 8 * M)  # both cotangents travel
    both = linear({"w": Mask(0.25), "x": Mask(0.5)}, data=False)
    assert both.backward == 2 * B * M * N * 0.75 + Mask(0.25).overhead((B, M)) + Mask(0.5).overhead((B, M))
    assert both.nodes[0].wire_bytes == 0.75 * (4 * B * M + 8 * M)


def test_a_model_and_its_first_layer():
    model = nn.mlp((N, 6, 4), rng=0)
    with mg.Tape() as tape:
        model(np.ones((B, N), np.float32))
    first, second = (node for node in cost(tape).nodes if node.name.endswith("linear"))
    assert first.backward_exact == 2 * B * N * 6 + B * 6  # no cotangent for the data
    assert second.backward_exact == 4 * B * 6 * 4 + B * 4
    assert first.name == "0/linear" and first.vjp == "exact"


def attention_costs(axis):
    """Of an attention whose last linear layer keeps a quarter of its rows or samples, by operation."""
    layer = nn.MultiHeadSelfAttention(8, heads=2, rng=0)
    layer.out.vjp = Mask(0.25, axis=axis)
    with mg.Tape() as tape:
        layer(mg.Tensor(np.ones((4, 6, 8), np.float32), requires_grad=True))
    return {node.name.rpartition("/")[2]: node.backward / node.backward_exact for node in cost(tape).nodes[::-1]}


def test_kept_samples_spare_work_in_attention_and_kept_tokens_do_not():
    samples, tokens = attention_costs("sample"), attention_costs("row")
    for operation in ("linear", "transpose", "matmul", "softmax"):
        assert samples[operation] == 0.25 and tokens[operation] == 1


@pytest.mark.parametrize("axis", ["sample", "row"])
def test_kept_rows_spare_work_in_a_normalisation_of_rows(axis):
    layer = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8, rng=0, vjp=Mask(0.25, axis=axis)))
    with mg.Tape() as tape:
        layer(mg.Tensor(np.ones((4, 6, 8), np.float32), requires_grad=True))
    norm, linear = cost(tape).nodes
    assert norm.backward == 0.25 * norm.backward_exact
    assert linear.backward == 0.25 * (linear.backward_exact + 4 * 6 * 8)  # what is kept is rescaled


@mg.primitive(x=lambda g, saved: np.cumsum(g[::-1], axis=0)[::-1].copy())
def running_sum(x):
    """What a user writes: it mixes the rows and keeps the shape, and no list of the library's knows of it."""
    return np.cumsum(x, axis=0), {}


ONES = np.ones((6, 6))
BELOW = {  # by operation on (4, 6, 6)
    "rms_norm": lambda x: ops.rms_norm(x, ONES[0]),
    "relu": ops.relu,
    "softmax": ops.softmax,
    "softmax over tokens": lambda x: ops.softmax(x, axis=1),
    "softmax over samples": lambda x: ops.softmax(x, axis=0),
    "linear": lambda x: ops.linear(x, ONES),
    "one matrix for all": lambda x: ops.matmul(x, ONES),
    "matrices, left": lambda x: ops.matmul(x, np.ones((4, 6, 6))),
    "matrices, right": lambda x: ops.matmul(np.ones((4, 6, 6)), x),
    "convolution": lambda x: ops.conv2d(ops.expand_dims(x, 1), np.ones((1, 1, 6, 6))),
    "swapaxes": lambda x: ops.swapaxes(x, 1, 2),
    "flip": lambda x: x[:, ::-1],
    "concatenate": lambda x: ops.concatenate([x, x], axis=-1),
    "einsum": lambda x: ops.einsum("bti,ij->btj", x, ONES),
    "logsumexp": lambda x: ops.logsumexp(x, axis=-1, keepdims=True),
    "sum over tokens": lambda x: ops.sum(x, axis=1),
    "a number for each sample": lambda x: ops.sum(x, axis=(1, 2)),
    "running sum": running_sum,
}


class Watched(dict):
    """The rules of an operation, and the structures of cotangents for which they were looked up."""

    def __init__(self, rules):
        super().__init__(rules)
        self.asked = []

    def get(self, structure, default=None):
        self.asked.append(structure)
        return super().get(structure, default)


@pytest.mark.parametrize("axis", ["row", "sample"])
@pytest.mark.parametrize("name", BELOW)
def test_what_was_kept_is_expected_below_where_the_sweep_brings_it(name, axis, monkeypatch):
    x = mg.Tensor(normal(0, 4, 6, 6), requires_grad=True)
    with mg.Tape() as tape:
        y = BELOW[name](ops.tanh(x))
    tape.nodes[-1].vjp = Mask(0.25, axis=axis)
    exp = tape.nodes[0].primitive
    monkeypatch.setattr(exp, "rules", Watched(exp.rules))
    tape.gradients(y, [x], cotangent=np.ones(y.shape), rng=1)
    arrived = list(exp.rules.asked)
    below = cost(tape).nodes[0]
    assert below.backward / below.backward_exact == (0.25 if arrived == [Rows] else 1), arrived


def test_shared_memory_is_counted_once_in_the_total():
    w = mg.Tensor(np.ones(100), requires_grad=True)
    with mg.Tape() as tape:
        ops.multiply(w, w)
        ops.multiply(w, w)
    report = cost(tape)
    assert report.saved_bytes == 800 and sum(node.saved_bytes for node in report.nodes) == 1600


def test_the_report():
    report = linear(DiagonalSketch(0.1, axis="row", target="both"), data=False, bias=True)
    text = str(report)
    assert max(map(len, text.splitlines())) <= 80 and "total" in text and "target='both')" in text
    assert "<table>" in report._repr_html_()
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["backward"] == report.backward and data["nodes"][0]["forward"] == report.forward


def test_an_empty_tape():
    report = cost(mg.Tape())
    assert (report.forward, report.backward, report.backward_exact, report.saved_bytes) == (0, 0, 0, 0)
    assert "total" in str(report)


def test_pixels_that_stay_pixels_are_a_smaller_share_of_a_larger_image():
    """A strided 1×1 convolution reads a quarter of the pixels: half of its outputs are an eighth of its inputs."""
    x = mg.Tensor(np.ones((2, 8, 8, 3)), requires_grad=True)
    with mg.Tape() as tape:
        h = ops.exp(x)
        y = ops.conv2d(h, np.ones((1, 1, 3, 5)), stride=2, vjp=Mask(0.5, axis="row"))
    nodes = cost(tape).nodes
    assert nodes[h.node].backward == pytest.approx(nodes[h.node].backward_exact / 8)
    g = tape.nodes[y.node].primitive.pull(
        Rows(np.ones((16, 5)), np.arange(0, 32, 2), y.shape), tape.nodes[y.node].saved, 0
    )
    assert len(g.indices) / (2 * 8 * 8) == 1 / 8


SAMPLE_BY_SAMPLE = {
    "avg_pool2d": lambda x: ops.avg_pool2d(x, 2),
    "max_pool2d": lambda x: ops.max_pool2d(x, 2),
    "mean": lambda x: x.mean(axis=(1, 2), keepdims=True),
    "var": lambda x: ops.var(x, axis=(1, 2), keepdims=True),
    "norm": lambda x: ops.norm(x, axis=(1, 2), keepdims=True),
    "prod": lambda x: ops.prod(x, axis=1, keepdims=True),
    "concatenate": lambda x: ops.concatenate([x, x], axis=1),
    "stack": lambda x: ops.stack([x, x], axis=1),
    "transpose": lambda x: x.transpose(0, 2, 1, 3),
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0))),
}


@pytest.mark.parametrize("name", SAMPLE_BY_SAMPLE)
@pytest.mark.parametrize("own", [True, False], ids=["at the operation", "above it"])
def test_kept_samples_spare_work_and_kept_pixels_do_not(name, own):
    """A rule that works sample by sample makes rows of pixels dense first: nothing is spared, whoever left them out."""
    x = mg.Tensor(np.random.default_rng(0).normal(size=(4, 4, 4, 2)) + 3.0, requires_grad=True)
    exact = {}
    for axis in ("sample", "row"):
        with mg.Tape() as tape:
            y = SAMPLE_BY_SAMPLE[name](ops.tanh(x))
            z = y if own else ops.tanh(y)
        node = y.node if own else z.node
        tape.nodes[node].vjp = Mask(0.5, axis=axis)
        report = cost(tape)
        at = report.nodes[y.node]
        work = Mask(0.5, axis=axis).overhead(y.shape) if own else 0.0
        exact[axis] = (at.backward - work) / at.backward_exact
    assert exact == {"sample": pytest.approx(0.5), "row": pytest.approx(1.0)}


class Halves(Structured):
    """A structure of a user's own."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    @property
    def parts(self):
        return (self.values,)

    def dense(self):
        return self.values


class Counted(Halves):
    """One that says what it takes."""

    @classmethod
    def expected_bytes(cls, kept, shape, itemsize):
        return 7.0


@pytest.mark.parametrize(
    "kept, expected",
    [
        (Kept(Halves, 0.5), B * M * 4 / 2),
        (Kept(Halves), B * M * 4),
        (Kept(Counted, 0.5), 7),
        (Kept(Quantised, bits=3, scales=2 * B), B * M * 3 / 8 + 2 * B * 4),
        (Kept(Rows, 0.25, bits=4), 0.25 * (B * M / 2 + 8 * B)),
        (Kept(Factors, 0.25, bits=4), 0.25 * min(B, M) * (B + M) / 2),
    ],
    ids=lambda value: repr(value) if isinstance(value, Kept) else "",
)
def test_a_structure_answers_for_its_bytes(kept, expected):
    class Own(mg.Estimator):
        budget = 0.5

        def kept(self, shape):
            return kept

    assert linear(Own()).nodes[0].wire_bytes == pytest.approx(expected)


def test_columns_of_the_last_layer_save_nothing_below():
    """What they leave of a product is dense: the layers below cost what they cost without."""
    x, labels = normal(0, 8, 6), np.arange(8) % 4
    reports = []
    for vjp in (None, Mask(0.5)):
        model = nn.mlp((6, 6, 4), rng=0)
        model[2].vjp = vjp
        with mg.Tape() as tape:
            loss = ops.cross_entropy(model(x.astype(np.float32)), labels)
        reports.append(cost(tape, loss))
    exact, sketched = ([node.backward for node in report.nodes] for report in reports)
    assert sketched[:2] == exact[:2] and sketched[2] < exact[2]


def test_work_for_each_entry_is_that_of_the_output():
    """Twelve entries are twelve operations; a number is one."""
    x, scalar = mg.Tensor(np.ones((3, 4)), requires_grad=True), mg.Tensor(2.0, requires_grad=True)
    with mg.Tape() as tape:
        ops.negative(x)
        ops.negative(scalar)
    assert [node.forward for node in cost(tape).nodes] == [12, 1]
