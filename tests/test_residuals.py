"""Residual sketches: unbiased by enumeration, independent draws, bytes, refusals, layers, inspection and training."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from estimator_cases import normal
from test_residuals_products import SKETCHES, record

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.estimators import DiagonalSketch, Exact, LowRankSketch, Mask, RandomProjection, TopK
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.moments import outcomes
from minigrad.structure import Columns, Rows

FINITE = [s for s in SKETCHES if not isinstance(s, RandomProjection)] + [
    DiagonalSketch(0.5, axis="column"), DiagonalSketch(0.5, axis="sample"), RandomProjection(0.5, kind="rademacher"),
]  # fmt: skip
WITH = [Mask(0.5, axis="row"), DiagonalSketch(0.5, target="both"), DiagonalSketch(0.5, axis="row", target="weight")]


class Listed(mg.Estimator):
    """Gives one chosen outcome of another estimator, so that all can be visited."""

    budget = 0.5

    def __init__(self, inner):
        self.inner, self.choice, self.chance = inner, 0, 0.0

    def sample(self, g, node, rng):
        self.chance, out = self.outcomes_of(g)[self.choice]
        return out

    def outcomes_of(self, g):
        return list(self.inner.outcomes(g, None))


def mean_over_sketches(build, inner, names, vjp_moments=False):
    """Average the gradient over every joint outcome of the sketches of the named residuals."""
    listed = {name: Listed(inner) for name in names}
    tape = build({name: Exact() for name in names})[0]
    counts = [len(listed[name].outcomes_of(tape.nodes[0].saved[name])) for name in names]
    mean, total = None, 0.0
    for choice in itertools.product(*map(range, counts)):
        for name, k in zip(names, choice, strict=True):
            listed[name].choice = k
        tape, y, leaves, g = build(listed)
        random = joint_mean(tape, y, leaves, g) if vjp_moments else tape.gradients(y, leaves, g)
        chance = np.prod([listed[name].chance for name in names])
        mean = [chance * r if mean is None else m + chance * r for m, r in zip(mean or random, random, strict=True)]
        total += chance
    assert abs(total - 1) < 1e-12
    return mean


def joint_mean(tape, y, leaves, g):
    """The mean over all outcomes of the VJPs of a tape whose residuals are fixed."""
    target = InspectionTarget(tape, y, leaves, g, fixed=True)  # as it is: inspect itself would refuse
    return target.split(sum(chance * gradient for chance, gradient in outcomes(target, 10**5)))


def tiny(name, vjp=None):
    """How to record a node with at most a dozen entries to keep."""
    shapes, options = {
        "linear": (((3, 2), (2, 2), (2,)), {}),
        "matmul": (((2, 2), (2, 2)), {}),
        "matmul, batched": (((2, 1, 2), (2, 2, 1)), {}),
        "conv2d": (((2, 2, 2, 1), (2, 1, 1, 2)), {"padding": (1, 0)}),
        "conv2d, one pixel": (((2, 1, 2, 2), (1, 1, 2, 2)), {}),
    }[name]
    operation = getattr(ops, name.split(",")[0])
    leaves = [mg.Tensor(normal(k, *shape), requires_grad=True) for k, shape in enumerate(shapes)]

    def build(save):
        with mg.Tape(rng=0) as tape:
            y = operation(*leaves, vjp=vjp, save=save, **options)
        return tape, y, leaves, normal(9, *y.shape)

    return build


TINY = ["linear", "matmul", "matmul, batched", "conv2d", "conv2d, one pixel"]


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("inner", FINITE, ids=repr)
def test_unbiased_by_enumeration(name, inner):
    names = ("a", "b") if name.startswith("matmul") else ("x",)
    if len(names) == 2 and (inner.axis if hasattr(inner, "axis") else "") == "element":
        names = ("a",)  # 256 outcomes each are many
    build = tiny(name)
    tape, y, leaves, g = build(None)
    for got, exact in zip(mean_over_sketches(build, inner, names), tape.gradients(y, leaves, g), strict=True):
        np.testing.assert_allclose(got, exact, rtol=0, atol=1e-12 * max(1, np.abs(exact).max()))


@pytest.mark.parametrize("name", ["linear", "matmul", "conv2d, one pixel"])
@pytest.mark.parametrize("inner", [Mask(0.5, axis="row"), Mask(0.5), LowRankSketch(0.5)], ids=repr)
@pytest.mark.parametrize("vjp", WITH, ids=repr)
def test_unbiased_together_with_a_sketched_cotangent(name, inner, vjp):
    # Scores of vjp= are made from X̂, row 0 of which may be absent: its floor must keep ∂x unbiased.
    names = ("a", "b") if name == "matmul" else ("x",)
    build = tiny(name, vjp)
    tape, y, leaves, g = tiny(name)(None)
    means = mean_over_sketches(build, inner, names, vjp_moments=True)
    for got, exact in zip(means, tape.gradients(y, leaves, g), strict=True):
        np.testing.assert_allclose(got, exact, rtol=0, atol=1e-11)


def test_the_enumeration_sees_a_bias():
    build = tiny("linear")
    tape, y, leaves, g = build(None)
    mean = mean_over_sketches(build, TopK(0.5, axis="row"), ("x",))
    assert np.abs(mean[1] - tape.gradients(y, leaves, g)[1]).max() > 0.1


def test_outputs_and_the_other_gradients_stay_exact():
    tape, y, leaves, g = record("linear", Mask(0.4, axis="row"), seed=3)
    np.testing.assert_array_equal(y.data, ops.linear(*leaves).data)
    dx, dw, db = tape.gradients(y, leaves, g)
    np.testing.assert_allclose(dx, g @ leaves[1].data)
    np.testing.assert_allclose(db, g.sum(0))
    assert np.abs(dw - g.T @ leaves[0].data).max() > 0.1
    assert isinstance(tape.nodes[0].saved["x"], Rows) and tape.nodes[0].save == {"x": Mask(0.4, axis="row")}
    assert tape.nodes[0].name == "linear" and ops.linear.primitive.sketched is tape.nodes[0].primitive


def test_kept_columns_leave_a_column_sparse_weight_gradient():
    tape, y, leaves, g = record("linear, x with three axes", Mask(0.5), seed=2)
    (dw,) = tape.gradients(y, leaves[1:2], g, structured=True)
    assert isinstance(dw, Columns) and np.array_equal(dw.indices, tape.nodes[0].saved["x"].indices)


def kept(node, name="x"):
    return tuple(node.saved[name].indices.tolist())


def shared(seed, rows=4):
    """Two nodes that save one array, the first of them on the path of nothing."""
    x = mg.Tensor(np.ones((rows, 1)), requires_grad=True)
    w = mg.Tensor(np.ones((1, 1)), requires_grad=True)
    with mg.Tape(rng=seed) as tape:
        loss = ops.multiply(ops.linear(x, w, save=ROW), ops.linear(x, w, save=ROW)).sum()
    return tape, loss, w


ROW = Mask(0.5, axis="row")


def test_nodes_of_computed_weights_draw_independently():
    # 1000 pairs of draws of 4 rows: 16·16 pairs, each with chance 1/256. How often both nodes agree is Binomial(1000,
    # 1/16), mean 62.5, deviation 7.7; a shared draw gives 1000. The bound is 6 deviations: false alarm below 1e-7,
    # and the seeds are fixed. (Leaf weights share one draw: tests/test_residuals_slopes.py.)
    agree = 0
    for seed in range(1000):
        x, w = np.ones((4, 1)), mg.Tensor(np.ones((1, 1)), requires_grad=True)
        with mg.Tape(rng=seed) as tape:
            v = w * 1.0
            ops.multiply(ops.linear(x, v, save=ROW), ops.linear(x, v, save=ROW)).sum()
        agree += kept(tape.nodes[1]) == kept(tape.nodes[2])
    assert abs(agree - 62.5) < 46
    both = sum(kept(t.nodes[1], "a") == kept(t.nodes[1], "b") for t in map(square_matmul, range(200)))
    assert both < 12.5 + 6 * 3.5  # Binomial(200, 1/16)


def square_matmul(seed):
    a = mg.Tensor(np.ones((4, 4)), requires_grad=True)
    with mg.Tape(rng=seed) as tape:
        b = a * 1.0
        ops.matmul(b, b, save=ROW)
    return tape


def test_a_tape_and_a_backward_pass_with_one_seed_do_not_draw_the_same():
    # As above: rows of X̂ and rows of Ĝ at the same node; Binomial(300, 1/16), mean 18.75, deviation 4.2.
    agree = 0
    for seed in range(300):
        w = mg.Tensor(np.ones((1, 1)), requires_grad=True)
        with mg.Tape(rng=seed) as tape:
            y = ops.linear(np.ones((4, 1)), w, vjp=ROW, save=ROW)
        seen = []
        tape.nodes[0].vjp = Watching(seen)
        tape.gradients(y, [w], np.ones((4, 1)), rng=seed)
        agree += kept(tape.nodes[0]) == seen[0]
    assert agree < 18.75 + 6 * 4.2


class Watching(mg.Estimator):
    """A row mask that tells which rows it kept."""

    def __init__(self, seen):
        self.seen = seen

    def sample(self, g, node, rng):
        out = ROW.sample(g, node, rng)
        self.seen.append(tuple(out.indices.tolist()))
        return out


def test_the_seed_of_the_tape_decides():
    def draws(seed):
        return [kept(node) for node in shared(seed, rows=40)[0].nodes[:2]]

    assert draws(7) == draws(7) != draws(8)
    assert draws(np.random.default_rng(7)) == draws(np.random.default_rng(7))
    generator = np.random.default_rng(7)
    assert draws(generator) != draws(generator)  # it has moved on
    assert draws(None) != draws(None)


def test_a_sketch_at_one_node_shifts_no_other_draw():
    def second(first):
        w = mg.Tensor(np.ones((1, 1)), requires_grad=True)
        with mg.Tape(rng=5) as tape:
            h = ops.linear(np.ones((40, 1)), w, save=first)
            h = ops.dropout(h)
            ops.linear(h, w, save=ROW)
        return kept(tape.nodes[2]), tape.nodes[1].saved["scale"].tolist()

    assert second(None) == second(ROW) == second(LowRankSketch(0.5))


def test_nothing_is_saved_or_drawn_outside_a_tape_or_without_need():
    class Never(mg.Estimator):
        def sample(self, g, node, rng):
            raise AssertionError("drawn")

    x, w = np.ones((4, 3)), mg.Tensor(np.ones((2, 3)), requires_grad=True)
    assert ops.linear(x, w, save=Never()).tape is None
    with mg.Tape() as tape:
        ops.linear(x, w.data, save=Never())  # nothing requires a gradient
        ops.linear(mg.Tensor(x, requires_grad=True), w.data, save=Never())  # only ∂x, which does not read x
        with mg.saving(False):
            ops.linear(x, w, save=Never())
    assert len(tape.nodes) == 2 and tape.nodes[1].saved["x"] is x


def test_saving_is_restored_and_belongs_to_one_thread():
    w = mg.Tensor(np.ones((1, 1)), requires_grad=True)
    seen = []

    def elsewhere():
        with mg.Tape(rng=0) as tape:
            ops.linear(np.ones((4, 1)), w, save=ROW)
        seen.append(tape.nodes[0].save)

    with pytest.raises(ZeroDivisionError), mg.saving(False):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        with mg.saving(True):
            elsewhere()
        1 / 0  # noqa: B018
    elsewhere()
    assert seen == [{"x": ROW}] * 3


@pytest.mark.parametrize("save", [Exact(), Mask(1.0, axis="row"), LowRankSketch(1.0), {"x": None}, {}], ids=repr)
def test_budget_1_saves_the_array_itself(save):
    x, w = np.ones((4, 3)), mg.Tensor(np.ones((2, 3)), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.linear(x, w, save=save).sum()
    node = tape.nodes[0]
    assert node.saved["x"].base is x or node.saved["x"] is x
    assert node.save == {} and node.primitive is ops.linear.primitive
    inspect.variance(tape, loss, draws=2, rng=0)  # nothing to refuse


def test_integers_are_sketched_as_floats():
    w = mg.Tensor(np.ones((1, 3), np.float32), requires_grad=True)
    with mg.Tape(rng=0) as tape:
        y = ops.linear(mg.Tensor(np.full((60, 3), 3)), w, save=Mask(0.4, axis="row"))
    stored = tape.nodes[0].saved["x"]
    assert stored.values[0, 0] == pytest.approx(7.5) and stored.dtype == tape.nodes[0].dtype == y.dtype


@pytest.mark.parametrize("name", ["log_softmax", "exp", "relu", "add", "cross_entropy"])
def test_other_operations_have_no_save(name):
    x = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    arguments = {"add": (x, x), "cross_entropy": (x, np.array([0, 1]))}
    with pytest.raises(TypeError, match=f"{name}.*save"):
        getattr(ops, name)(*arguments.get(name, (x,)), save=ROW)


def test_a_primitive_without_residuals_says_why():
    @mg.primitive(x=lambda g, saved: g * saved["slope"])
    def cube(x):
        return x**3, {"slope": 3 * x**2}

    with pytest.raises(TypeError, match="cube.*linear in it, as ∂W = GᵀX.*conv2d.*vjp="):
        cube(mg.Tensor(np.ones(3), requires_grad=True), save=ROW)


def test_wrong_values_teach():
    w = mg.Tensor(np.ones((1, 1)), requires_grad=True)
    for tape in (mg.Tape(), mg.saving(True)):
        with tape:
            with pytest.raises(TypeError, match=r"linear: save= takes an estimator.*got 0.1"):
                ops.linear(np.ones((2, 1)), w, save=0.1)
            with pytest.raises(TypeError, match=r"write save=minigrad.estimators.parse\('mask\(0.1\)'\)"):
                ops.linear(np.ones((2, 1)), w, save="mask(0.1)")
            with pytest.raises(TypeError, match=r"as in save=Mask\(0.1\)"):
                ops.conv2d(np.ones((1, 2, 2, 1)), np.ones((1, 1, 1, 1)), save=Mask)
            with pytest.raises(ValueError, match=r"matmul: save= names 'x', but what may be sketched here is a, b"):
                ops.matmul(w, w, save={"x": ROW})
            with pytest.raises(ValueError, match=r"what may be sketched here is x"):
                ops.linear(np.ones((2, 1)), w, save={"w": ROW})


def test_an_estimator_of_the_wrong_shape_names_the_node():
    class Wrong(mg.Estimator):
        def sample(self, g, node, rng):
            return g[:1]

    model = nn.Sequential(nn.Linear(2, 2, save=Wrong(), rng=0))
    with pytest.raises(ValueError, match=r"0/linear: .*shape \(1, 2\)"), mg.Tape():
        model(np.ones((3, 2), np.float32))


def test_a_primitive_of_ones_own_needs_no_rules():
    @mg.primitive(residuals=["x"], w=lambda g, saved: g * saved["x"])
    def scale(w, x):
        return w * x, {"x": x}

    x, w = normal(0, 3, 2), mg.Tensor(normal(1, 3, 2), requires_grad=True)
    for inner in FINITE:
        listed, mean = Listed(inner), np.zeros((3, 2))
        for choice in range(len(listed.outcomes_of(x))):
            listed.choice = choice
            with mg.Tape() as tape:
                loss = scale(w, x=x, save=listed).sum()
            mean += listed.chance * tape.gradients(loss, [w])[0]
        np.testing.assert_allclose(mean, x, atol=1e-12)

    with pytest.raises(TypeError, match="have none"):

        @mg.primitive(residuals=["arrays"], arrays=lambda g, saved, k: g)
        def total(*arrays):
            return sum(arrays), {}


def test_scores_are_those_of_the_saved_array():
    # X is no cotangent of the node: to weigh it with the node's operands would make no sense, and not fit in shape.
    class Spy(mg.Estimator):
        def sample(self, g, node, rng):
            assert node is None and not g.flags.writeable
            return DiagonalSketch(0.5, axis="row", target="both").sample(g, node, rng)

    spied, plain = (record("linear", s)[0].nodes[0].saved["x"] for s in (Spy(), DiagonalSketch(0.5, axis="row")))
    np.testing.assert_array_equal(spied.dense(), plain.dense())


def test_the_share_of_a_sketch_that_follows_the_array_is_measured():
    """Its budget is the most that it keeps: here it is 1/1.5, while a sixth of the rows carries nearly all."""
    from minigrad.estimators import DiagonalSketch
    from minigrad.inspect.recorded import Recorded

    x = np.ones((12, 3))
    x[2:] *= 1e-4
    w = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    for save, least in ((DiagonalSketch(distortion=0.5, axis="row"), 0.4), (Mask(0.25, axis="row"), 0.25)):

        def record(rng, save=save):
            with mg.Tape(rng=rng) as tape:
                loss = ops.linear(x, w, save=save).square().sum()
            return tape, loss

        target = Recorded(record)
        assert target.least == 1.0
        for key in range(5):
            target.fresh(key)
        assert target.least <= least and (save.adapts or target.least == least)
