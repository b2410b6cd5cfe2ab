"""What forward functions, rules and estimators hand back, and what rules must leave alone."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from gradient_table import TABLE
from hypothesis import HealthCheck, given, settings

import minigrad as mg
from minigrad import ops
from minigrad.engine.context import inside_layer
from minigrad.engine.primitive import Primitive
from minigrad.engine.record import record
from minigrad.engine.results import read_only
from minigrad.structure import Columns, Dense, Rows, Structured
from minigrad.testing import assert_gradients_close


def leaf(*values):
    return mg.Tensor(np.array(values, dtype=float), requires_grad=True)


def doubled_in_place(g, saved):
    g *= 2
    return g


@pytest.mark.parametrize(
    "rule",
    [
        doubled_in_place,
        lambda g, saved: np.multiply(g, 2, out=g),
        lambda g, saved: g.__setitem__(0, 7.0),
        lambda g, saved: g.fill(2.0),
        lambda g, saved: g.reshape(-1).sort(),
        lambda g, saved: np.copyto(g, 2.0),
        lambda g, saved: g.T.put([0], 3.0),
        lambda g, saved: saved["x"].__imul__(2),
        lambda g, saved: saved["parts"][0].__imul__(2),
        lambda g, saved: saved["by name"]["x"].__imul__(2),
        lambda g, saved: saved["kept"].values.__imul__(2),
    ],
)
def test_a_rule_changes_neither_the_cotangent_nor_what_was_saved(rule):
    """In y = double(x) + x the derivative is 3; when `double` changed g in place, `add` had handed on 4."""

    @mg.primitive(x=rule)
    def double(x):
        kept = Rows(x.reshape(-1, 1), np.arange(x.size), (x.size, 1))
        return 2 * x, {"x": x, "parts": [x], "by name": {"x": x}, "kept": kept}

    x, g = leaf(1.0, 2.0), np.array([1.0, 1.0])
    with mg.Tape() as tape, inside_layer("body"):
        y = double(x) + x
    with pytest.raises(ValueError, match=r"body/double: its VJP rule for 'x' tried to change .* in place.*g\.copy\(\)"):
        tape.gradients(y, [x], cotangent=g)
    assert g.tolist() == [1.0, 1.0] and x.data.tolist() == [1.0, 2.0]
    with pytest.raises(AssertionError, match="in place"):
        assert_gradients_close(double, [1.0, 2.0])


def test_a_rule_may_work_on_a_copy():
    @mg.primitive(x=lambda g, saved: doubled_in_place(g.copy(), saved))
    def double(x):
        return 2 * x, {}

    x, g = leaf(1.0, 2.0), np.array([1.0, 1.0])
    with mg.Tape() as tape:
        y = double(x) + x
    assert tape.gradients(y, [x], cotangent=g)[0].tolist() == [3.0, 3.0] and g.tolist() == [1.0, 1.0]
    assert_gradients_close(lambda x: double(x) + x, [1.0, 2.0])


def test_rules_for_structures_and_of_many_inputs_get_views_too():
    class Keep(mg.Estimator):
        def sample(self, g, node, rng):
            return Columns(g[:, :1] * 2, np.array([0]), g.shape)

    def spoil(g, saved, *position):
        values = g.values if isinstance(g, Structured) else g
        values += 1
        return g

    @mg.primitive(x=lambda g, saved: g)
    def same(x):
        return x * 1, {}

    @mg.primitive(xs=spoil)
    def first(*xs):
        return xs[0] * 1, {}

    same.primitive.structured(Columns, x=spoil)
    x = mg.Tensor(np.ones((2, 2)), requires_grad=True)
    with mg.Tape() as tape:
        y, z = same(x, vjp=Keep()), first(x)
    for out in (y, z):
        with pytest.raises(ValueError, match="in place"):
            tape.gradients(out, [x], cotangent=np.ones((2, 2)))


def test_a_rule_of_ones_own_on_an_operation_of_the_library_gets_views(monkeypatch):
    class Wrapped(mg.Estimator):
        def sample(self, g, node, rng):
            return Dense(g.copy())

    monkeypatch.setattr(ops.negative, "primitive", Primitive(ops.negative.primitive.forward, RULES))
    assert ops.negative.primitive.trusted
    ops.negative.primitive.structured(Dense, x=lambda g, saved: Dense(g.values.__imul__(2)))
    assert not ops.negative.primitive.trusted
    x = leaf(1.0)
    with mg.Tape() as tape:
        y = record(ops.negative.primitive, (x,), vjp=Wrapped())
    with pytest.raises(ValueError, match="in place"):
        tape.gradients(y, [x], cotangent=[1.0])


RULES = dict(zip(ops.negative.primitive.inputs, ops.negative.primitive.rules[np.ndarray], strict=True))


def test_gradients_share_no_memory():
    """A rule may keep what it returned, or return what it got, or one array for two inputs."""
    kept = []

    def keeping(g, saved):
        kept.append(g * 1.0)
        return kept[-1]

    @mg.primitive(x=keeping, y=lambda g, saved: kept[-1], z=lambda g, saved: g, m=lambda g, saved: saved["m"])
    def odd(x, y, z, m):
        return x + y + z, {"m": m}

    leaves = [leaf(1.0, 2.0) for _ in range(4)]
    g = np.ones(2)
    with mg.Tape() as tape:
        y = odd(*leaves)
    gradients = tape.gradients(y, leaves, cotangent=g)
    tape.backward(y, g)
    every = [*gradients, *[x.grad for x in leaves], g, *kept, *[x.data for x in leaves]]
    assert not any(np.shares_memory(every[j], every[k]) for j in range(len(every)) for k in range(j))
    assert all(gradient.flags.writeable for gradient in [*gradients, *[x.grad for x in leaves]])


FEW = settings(max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_rules_of_the_library_keep_to_the_contract_that_is_not_checked_at_each_call(name):
    """They write neither to g nor to what was saved, and the gradients share memory with nothing."""

    @FEW
    @given(case=TABLE[name])
    def check(case):
        fn, arrays = case
        leaves = [mg.Tensor(a, requires_grad=True) for a in arrays]
        with mg.Tape() as tape:
            y = fn(*leaves)
        for node in tape.nodes:
            node.saved = {key: read_only(value) for key, value in node.saved.items()}
            assert node.dtype.kind == "f"
        g = read_only(np.random.default_rng(0).standard_normal(y.shape))
        gradients = tape.gradients(y, leaves, cotangent=g)
        saved = [array for node in tape.nodes for array in node.saved_arrays().values()]
        for k, gradient in enumerate(gradients):
            assert type(gradient) is np.ndarray and gradient.flags.writeable
            others = [*gradients[:k], *arrays, *saved, g]
            assert not any(np.shares_memory(gradient, other) for other in others)
        for node in tape.nodes:  # one by one, each with a cotangent that cannot be written to
            rules = node.primitive.rules[np.ndarray]
            for edge in range(len(node.parents)):
                if node.parents[edge] is not None:
                    position = (edge,) if node.primitive.variadic else ()
                    cotangent = read_only(np.ones(node.shape, node.dtype))
                    rules[0 if node.primitive.variadic else edge](cotangent, node.saved, *position)

    check()


def test_the_checker_finds_it_where_nothing_else_would(monkeypatch):
    rules = ops.tanh.primitive.rules
    honest = rules[np.ndarray][0]

    def spoils_g(g, saved):
        out = honest(g, saved)
        g *= 2
        return out

    def spoils_saved(g, saved):
        out = honest(g, saved)
        saved["out"] *= 0.5
        return out

    for rule, message in ((spoils_g, "changed the cotangent"), (spoils_saved, "twice gives two gradients of input 0")):
        monkeypatch.setitem(rules, np.ndarray, (rule,))
        assert ops.tanh.primitive.trusted
        with pytest.raises(AssertionError, match=message):
            assert_gradients_close(ops.tanh, [0.5, 1.0])


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: x * 2,
        lambda x: (x * 2,),
        lambda x: [x * 2, {}],
        lambda x: (x * 2, None),
        lambda x: (x * 2, [x]),
        lambda x: (x * 2, {}, {}),
        lambda x: {"out": x},
        lambda x: None,
    ],
)
def test_a_forward_function_returns_its_output_and_a_dict(answer):
    """An output of length 2 alone was once unpacked along its first axis, into an output and a "saved"."""

    @mg.primitive(x=lambda g, saved: 2 * g)
    def double(x):
        return answer(x)

    for x in (np.ones((2, 3)), np.ones(2), np.ones(())):
        with pytest.raises(TypeError, match=r"double: its forward function must return \(output, saved\).*, \{\}"):
            double(x)

    @mg.primitive(x=lambda g, saved: 2 * g)
    def right(x):
        return x * 2, {}

    assert right(np.ones((2, 3))).shape == (2, 3) and right(np.ones(2)).data.tolist() == [2, 2]


BAD = {
    "complex": (lambda x: x * 1j, "complex128.*real"),
    "masked": (lambda x: np.ma.masked_less(x, 1.5), "masked array.*filled"),
    "text": (lambda x: x.astype(str), "real numbers"),
    "objects": (lambda x: x.astype(object), "real numbers"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("recorded", [True, False])
def test_an_output_holds_real_numbers(kind, recorded):
    make, message = BAD[kind]

    @mg.primitive(x=lambda g, saved: g)
    def wrong(x):
        return make(x), {}

    x = leaf(1.0, 2.0) if recorded else [1.0, 2.0]
    with mg.Tape(), pytest.raises(TypeError, match=f"wrong: its forward function returned.*{message}"):
        wrong(x)


@pytest.mark.parametrize("change", [lambda x: x.__imul__(2), lambda x: np.exp(x, out=x), lambda x: x.sort()])
@pytest.mark.parametrize("recorded", [True, False])
def test_a_forward_function_leaves_its_inputs_alone(change, recorded):
    """It changed the leaf, and what `multiply` had saved of it: gradients [10, 40], where [6, 24] is right."""

    @mg.primitive(x=lambda g, saved: 2 * g)
    def double(x):
        change(x)
        return 2 * x, {}

    x = leaf(1.0, 2.0) if recorded else np.array([1.0, 2.0])
    message = r"double: its forward function tried to change an input in place.*x\.copy\(\)"
    with mg.Tape(), pytest.raises(ValueError, match=message):
        double(x)
    assert (x.data if recorded else x).tolist() == [1.0, 2.0]


def test_a_forward_function_has_one_output():
    @mg.primitive(x=lambda g, saved: g)
    def halves(x):
        return [x, x], {}

    with pytest.raises(TypeError, match="halves: its forward function returned a list as its output"):
        halves([1.0])


def buffered(compute):
    """A function whose results all stand in one array, as those of code that saves allocations do."""
    held = np.empty(2)

    def call(*args):
        np.copyto(held, compute(*args))
        return held

    return call


class Buffered(mg.Estimator):
    def __init__(self, wrap=lambda array: array):
        self.wrap, self.fill = wrap, buffered(lambda g: g)

    def sample(self, g, node, rng):
        return self.wrap(self.fill(g))


def buffered_squares():
    """x² with the output, what is saved, or the rule's result in an array that the next call writes to again."""
    square, slope, pull = buffered(lambda x: x * x), buffered(lambda x: 2 * x), buffered(lambda g, s: g * s)

    def root(x):
        out = square(x)
        return out, {"root": out}

    return {
        "output": (lambda x: (square(x), {"x": x}), lambda g, saved: g * 2 * saved["x"]),
        "output that is saved": (root, lambda g, saved: g * 2 * np.sqrt(saved["root"])),
        "saved": (lambda x: (x * x, {"s": slope(x)}), lambda g, saved: g * saved["s"]),
        "saved in a list": (lambda x: (x * x, {"s": [slope(x)]}), lambda g, saved: g * saved["s"][0]),
        "saved as a structure": (lambda x: (x * x, {"s": Dense(slope(x))}), lambda g, saved: g * saved["s"].values),
        "rule": (lambda x: (x * x, {"s": 2 * x}), lambda g, saved: pull(g, saved["s"])),
        "rule, structured": (lambda x: (x * x, {"s": 2 * x}), lambda g, saved: Dense(pull(g, saved["s"]))),
    }


@pytest.mark.parametrize("kind", buffered_squares())
def test_a_primitive_may_write_to_its_arrays_again(kind):
    """A second call overwrote what the first had left on the tape, or a cotangent on its way."""
    forward, rule = buffered_squares()[kind]

    @mg.primitive(x=rule)
    def square(x):
        return forward(x)

    a, b = leaf(1.0, 2.0), leaf(5.0, 5.0)
    with mg.Tape() as tape:
        x, y = a * 1.0, b * 1.0
        z = square(x) * square(y)
    ga, gb = tape.gradients(z, [a, b], cotangent=[1.0, 1.0])
    assert ga.tolist() == [50.0, 100.0] and gb.tolist() == [10.0, 40.0]


@pytest.mark.parametrize("wrap", [lambda array: array, Dense, lambda array: array[:]])
def test_an_estimator_may_write_to_its_array_again(wrap):
    """A later draw overwrote a cotangent that was still under way: d/da was 3."""
    vjp, a, b = Buffered(wrap), leaf(1.0, 2.0), leaf(1.0, 2.0)
    with mg.Tape() as tape:
        x, y = ops.multiply(a, 1.0, vjp=vjp), ops.multiply(b, 1.0, vjp=vjp)
        z = ops.add(x, y * 3.0, vjp=vjp)
    assert [g.tolist() for g in tape.gradients(z, [a, b], cotangent=[1.0, 1.0])] == [[1.0, 1.0], [3.0, 3.0]]


@pytest.mark.parametrize("who", ["rule", "estimator"])
def test_a_mask_within_a_structure_is_refused(who):
    def masked(g, *args):
        return Rows(np.ma.masked_less(g[:1], 9.0), np.array([0]), g.shape)

    class Masked(mg.Estimator):
        sample = staticmethod(masked)

    @mg.primitive(x=masked if who == "rule" else lambda g, saved: g)
    def same(x):
        return x * 1, {}

    x = mg.Tensor(np.ones((3, 2)), requires_grad=True)
    with mg.Tape() as tape:
        y = same(x, vjp=Masked() if who == "estimator" else None)
    with pytest.raises(TypeError, match="returned a masked array"):
        tape.gradients(y, [x], cotangent=np.ones((3, 2)))


def test_an_output_that_is_differentiated_is_of_floats():
    """A cotangent of integers would be cut off without a word: 0.5 became 0."""

    @mg.primitive(x=lambda g, saved: g)
    def sign(x):
        return np.sign(x).astype(int), {}

    assert sign([-2.0]).data.tolist() == [-1]
    with (
        mg.Tape(),
        pytest.raises(TypeError, match="sign: its forward function returned dtype int64.*no derivative"),
    ):
        sign(leaf(2.0))


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("below", ["leaf", "node"])
def test_a_rule_returns_real_numbers(kind, below):
    make, message = BAD[kind]

    @mg.primitive(x=lambda g, saved: make(g * saved["x"]))
    def wrong(x):
        return x * 1, {"x": x}

    x = leaf(1.0, 2.0)
    with mg.Tape() as tape:
        y = wrong(x if below == "leaf" else x * 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match=f"wrong: its VJP rule for 'x' returned.*{message}"):
            tape.gradients(y, [x], cotangent=[1.0, 2.0])


def test_a_rule_may_return_another_real_dtype_and_a_subclass_becomes_plain():
    class Named(np.ndarray):
        pass

    for make in (lambda g: g.astype(np.float32), lambda g: np.sign(g).astype(int), lambda g: g.view(Named)):

        @mg.primitive(x=lambda g, saved, make=make: make(g))
        def same(x):
            return x.view(Named), {}

        x = leaf(1.0, 2.0)
        with mg.Tape() as tape:
            y = same(x)
        (gradient,) = tape.gradients(y, [x], cotangent=[1.0, 1.0])
        assert type(y.data) is type(gradient) is np.ndarray and gradient.dtype == np.float64
        assert gradient.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", BAD)
def test_an_estimator_and_the_caller_hand_over_real_numbers(kind):
    make, message = BAD[kind]

    class Wrong(mg.Estimator):
        def sample(self, g, node, rng):
            return make(g)

    x = leaf(1.0, 2.0)
    with mg.Tape() as tape:
        y, z = ops.negative(x, vjp=Wrong()), x * 1
    with pytest.raises(TypeError, match=f"negative: Wrong.* returned.*{message}"):
        tape.gradients(y, [x], cotangent=[1.0, 2.0])
    with pytest.raises(TypeError, match=f"backward: the cotangent (is|has).*{message}"):
        tape.gradients(z, [x], cotangent=make(np.array([1.0, 2.0])))


@pytest.mark.parametrize("dtype", [int, np.uint8, bool])
def test_a_tensor_without_a_derivative_that_begins_to_require_a_gradient_is_refused(dtype):
    """Its gradient was cut off to whole numbers."""
    x = mg.Tensor(np.ones(2, dtype))
    x.requires_grad = True
    with mg.Tape(), pytest.raises(TypeError, match=r"multiply: input 'x' is a tensor of .*has no derivative"):
        x * 0.5
    assert (x * 0.5).data.tolist() == [0.5, 0.5]  # outside of a tape it is but a number
