"""vjp, grad and value_and_grad of functions of containers, with several outputs, and with auxiliary ones."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops
from minigrad.estimators import Mask

Layer = namedtuple("Layer", ["w", "b"])


def generator():
    return np.random.default_rng(5)


def arrays(rng, *shapes):
    return [rng.standard_normal(shape) for shape in shapes]


W1, B1, W2, B2, X = arrays(generator(), (3, 4), (4,), (4, 2), (2,), (5, 3))


def network(w1, b1, w2, b2, x):
    return (((x @ w1 + b1).tanh() @ w2 + b2) ** 2).mean()


FLAT = mg.grad(network, argnums=(0, 1, 2, 3))(W1, B1, W2, B2, X)

CONTAINERS = {
    "dict": ({"w1": W1, "b1": B1, "w2": W2, "b2": B2}, lambda p: (p["w1"], p["b1"], p["w2"], p["b2"])),
    "dict in another order": ({"w2": W2, "b2": B2, "b1": B1, "w1": W1}, lambda p: (p["w1"], p["b1"], p["w2"], p["b2"])),
    "list": ([W1, B1, W2, B2], tuple),
    "tuple": ((W1, B1, W2, B2), tuple),
    "list of pairs": ([(W1, B1), (W2, B2)], lambda p: (*p[0], *p[1])),
    "namedtuples": ((Layer(W1, B1), Layer(W2, B2)), lambda p: (p[0].w, p[0].b, p[1].w, p[1].b)),
    "dict of dicts": (
        OrderedDict(one={"w": W1, "b": B1}, rest=[None, {"w": W2, "b": [B2]}]),
        lambda p: (p["one"]["w"], p["one"]["b"], p["rest"][1]["w"], p["rest"][1]["b"][0]),
    ),
    "lists of numbers within": (
        {"w1": W1, "b1": B1.tolist(), "w2": W2.tolist(), "b2": tuple(B2)},
        lambda p: (p["w1"], p["b1"], p["w2"], p["b2"]),
    ),
    "tensors": ([(mg.Tensor(W1), mg.Tensor(B1)), (mg.Tensor(W2), B2)], lambda p: (*p[0], *p[1])),
}


@pytest.mark.parametrize(("container", "parts"), CONTAINERS.values(), ids=CONTAINERS)
def test_gradients_come_in_the_structure_of_the_argument(container, parts):
    def fn(p, x):
        return network(*parts(p), x)

    value, gradient = mg.value_and_grad(fn)(container, X)
    _, pullback = mg.vjp(fn, container, X)
    by_container, by_x = pullback(2.0)
    assert value == network(mg.Tensor(W1), B1, W2, B2, X).data
    np.testing.assert_allclose(by_x, 2 * mg.grad(network, argnums=4)(W1, B1, W2, B2, X), rtol=1e-13)
    for g, scale in ((gradient, 1), (mg.grad(fn)(container, X), 1), (by_container, 2)):
        assert type(g) is type(container)
        if isinstance(g, dict):
            assert list(g) == list(container)
        for got, expected in zip(parts(g), FLAT, strict=True):
            assert type(got) is np.ndarray
            np.testing.assert_array_equal(got, scale * expected)


def test_inner_types_and_none_are_kept():
    container = {"rest": [None, Layer(W1, (B1,))], "a": OrderedDict(b=B2)}
    gradient = mg.grad(lambda p: p["rest"][1].w.sum() + p["a"]["b"].sum())(container)
    assert gradient["rest"][0] is None and type(gradient["rest"]) is list and type(gradient["a"]) is OrderedDict
    assert type(gradient["rest"][1]) is Layer and type(gradient["rest"][1].b) is tuple
    assert gradient["rest"][1].b[0].tolist() == [0] * 4 and gradient["a"]["b"].tolist() == [1, 1]


def test_several_arguments_of_which_some_are_containers():
    fn = lambda p, s, q: (p["a"] * s * q[0]).sum() + q[1]  # noqa: E731
    a, s, q = np.array([1.0, 2.0]), 3.0, (np.array([5.0, 7.0]), 1.0)
    gp, gq = mg.grad(fn, argnums=(0, -1))({"a": a}, s, q)
    assert gp["a"].tolist() == [15, 21] and gq[0].tolist() == [3, 6] and gq[1] == 1
    (gs,) = mg.grad(fn, argnums=[1])({"a": a}, s, q)  # a container that is not differentiated is given as it is
    assert gs == 19
    assert mg.grad(lambda n, p: p["f"](n) + p["c"][0])(2.0, {"f": ops.square, "c": [1.0]}) == 4


def test_what_stands_in_two_places_has_two_gradients():
    a = np.array([1.0, 2.0])
    gradient = mg.grad(lambda p: (p["one"] ** 2 * p["two"]).sum())({"one": a, "two": a})
    assert gradient["one"].tolist() == [2, 8] and gradient["two"].tolist() == [1, 4]
    assert not np.shares_memory(gradient["one"], gradient["two"])
    p = {"a": a}
    one, two = mg.grad(lambda p, q: (p["a"] ** 2 * q["a"]).sum(), argnums=(0, 1))(p, p)
    assert one["a"].tolist() == [2, 8] and two["a"].tolist() == [1, 4]
    one, two = mg.grad(lambda ps: (ps[0]["a"] ** 2 * ps[1]["a"]).sum())([p, p])
    assert one["a"].tolist() == [2, 8] and two["a"].tolist() == [1, 4]
    assert p == {"a": a} and p["a"] is a
    tensor = mg.Tensor(a)
    assert [g.tolist() for g in mg.grad(lambda p: (p[0] ** 2 * p[1]).sum())([tensor, tensor])] == [[2, 8], [1, 4]]


def test_empty_containers():
    for empty in ({}, [], (), None, {"layers": []}):
        assert mg.grad(lambda p, x: x.sum(), argnums=0)(empty, mg.Tensor([1.0])) == empty
        gradients = mg.vjp(lambda p, x: x.sum(), empty, np.ones(2))[1](3.0)
        assert gradients[0] == empty and gradients[1].tolist() == [3, 3]


def test_dtypes_within_containers():
    p = {"half": np.ones(2, np.float16), "single": np.ones(2, np.float32), "int": np.ones(2, int), "bool": np.True_}
    gradient = mg.grad(lambda p: (p["half"] * p["single"] * p["int"] * p["bool"]).sum())(p)
    assert [g.dtype for g in gradient.values()] == [np.float16, np.float32, np.float64, np.float64]
    assert gradient["int"].tolist() == [1, 1] and gradient["bool"] == 2


@pytest.mark.parametrize(
    ("leaf", "kind"),
    [
        ("relu", "a str"),
        (np.ones(2, complex), "an array of dtype complex128"),
        (2j, "a complex"),
        ([1j, 2.0], "an array of dtype complex128"),
        (np.tanh, "a ufunc"),
        (nn.Linear(2, 2), "a Linear"),
        (np.array([1.0, "a"], dtype=object), "an array of dtype object"),
    ],
)
def test_leaves_without_derivatives_are_refused_with_their_place(leaf, kind):
    with pytest.raises(
        TypeError, match=rf"grad: argument 1\['w'\]\[1\] is {kind}, and derivatives are .* real numbers"
    ):
        mg.grad(lambda x, p: x.sum(), argnums=1)(X, {"w": [W1, leaf]})


def test_other_mistakes_within_containers_have_their_place_too():
    with pytest.raises(TypeError, match=r"vjp: argument 0\[1\] is a masked array"):
        mg.vjp(lambda p: p[0], [W1, np.ma.array([1.0], mask=[True])])
    with pytest.raises(ValueError, match=r"vjp: argument 0\['w'\] is a list of numbers.*differ in length"):
        mg.vjp(lambda p: p["w"], {"w": [[1.0], [2.0, 3.0]]})
    with mg.Tape():
        w = mg.Tensor([2.0], requires_grad=True) * 2
        by_layer = mg.grad(lambda p: p.w.sum())(Layer(W1, w))  # a part of it is recorded: all of it are tensors
        assert isinstance(by_layer.w, mg.Tensor) and isinstance(by_layer.b, mg.Tensor)


def test_the_parameters_of_a_module_as_a_dict():
    model = nn.Linear(3, 2, rng=0)
    by_backward = {}
    with mg.Tape() as tape:
        loss = (model(X.astype(np.float32)) ** 2).sum()
    for (path, _), g in zip(model.named_parameters(), tape.gradients(loss, list(model.parameters())), strict=True):
        by_backward[path] = g
    for parameters in (dict(model.named_parameters()), model.state_dict()):
        gradient = mg.grad(lambda p: (ops.linear(X.astype(np.float32), p["weight"], p["bias"]) ** 2).sum())(parameters)
        assert list(gradient) == list(by_backward)
        for path, g in gradient.items():
            np.testing.assert_allclose(g, by_backward[path], rtol=1e-6)


# Several outputs


def outputs(p, x):
    hidden = (x @ p["w"] + p["b"]).tanh()
    return {"hidden": hidden, "rest": [hidden.sum(), (p["b"], 2.5)], "x": x, "data": [1, 2]}


def test_a_container_of_outputs_is_pulled_back_at_once():
    p, x = {"w": W1, "b": B1}, X
    value, pullback = mg.vjp(outputs, p, x)
    assert list(value) == ["hidden", "rest", "x", "data"] and type(value["rest"][1]) is tuple
    hidden = np.tanh(X @ W1 + B1)
    np.testing.assert_allclose(value["hidden"], hidden, rtol=1e-15)
    np.testing.assert_allclose(value["rest"][0], hidden.sum())
    assert value["rest"][1][0].tolist() == B1.tolist() and value["rest"][1][1] == 2.5
    assert value["data"].tolist() == [1, 2]
    gh, gs, gb, gx = arrays(generator(), (5, 4), (), (4,), (5, 3))
    cotangent = {"x": gx, "hidden": gh.tolist(), "rest": (gs, [gb, 0.0]), "data": [0, 0]}  # keys in any order
    for _ in range(2):
        gp, by_x = pullback(cotangent)
        pre = (gh + gs) * (1 - hidden**2)
        np.testing.assert_allclose(gp["w"], X.T @ pre, rtol=1e-12)
        np.testing.assert_allclose(gp["b"], pre.sum(0) + gb, rtol=1e-12)
        np.testing.assert_allclose(by_x, pre @ W1.T + gx, rtol=1e-12)


@pytest.mark.parametrize("fn", [lambda x: {"y": x}, lambda x: {"y": x * 1}, lambda x: (x, x), lambda x: [x * 2, x * 0]])
def test_outputs_that_do_little(fn):
    value, pullback = mg.vjp(fn, np.array([1.0, 2.0]))
    g = {"y": [3.0, 4.0]} if isinstance(value, dict) else [[1.0, 1.0], [1.0, 2.0]]
    expected = [3, 4] if isinstance(value, dict) else [2, 3] if value[1].any() else [2, 2]
    assert pullback(g)[0].tolist() == expected


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_a_single_output_in_a_container(shape):
    for fn in (lambda x: {"y": x}, lambda x: {"y": x * 1}, lambda x: {"c": 2.0, "y": x * 1}):
        value, pullback = mg.vjp(fn, np.full(shape, 2.0))
        g = {**{name: np.zeros_like(v) for name, v in value.items()}, "y": np.full(shape, 3.0)}
        np.testing.assert_array_equal(pullback(g)[0], np.full(shape, 3.0))


def test_a_function_that_changes_its_container():
    def fn(p):
        p["w"] = p.pop("w") * 2
        p["new"] = p["b"]
        return p["w"].sum() + p["new"]

    p = {"w": np.ones(2), "b": 1.0}
    gradient = mg.grad(fn)(p)
    assert list(p) == ["w", "b"] and p["w"].tolist() == [1, 1]
    assert list(gradient) == ["w", "b"] and gradient["w"].tolist() == [2, 2] and gradient["b"] == 1


def test_outputs_that_do_not_depend_on_the_arguments():
    value, pullback = mg.vjp(lambda x: (mg.Tensor([1.0, 2.0]), 3.0), np.ones(2))
    assert [v.tolist() for v in value] == [[1, 2], 3]
    assert pullback(([1.0, 1.0], 1.0))[0].tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"value of the function\[0\]: the cotangent has shape \(3,\)"):
        pullback((np.ones(3), 1.0))


def test_outputs_of_several_dtypes():
    x = np.array([0.1, 0.2])
    value, pullback = mg.vjp(lambda p: (p[0] * 2, p[1] * p[1], p[2] * 3), [x, x.astype(np.float32), x.astype("f2")])
    assert [v.dtype for v in value] == [np.float64, np.float32, np.float16]
    (gradient,) = pullback([np.ones(2), np.ones(2), [1.0, 1.0]])
    assert [g.dtype for g in gradient] == [np.float64, np.float32, np.float16]
    np.testing.assert_array_equal(gradient[1], 2 * x.astype(np.float32))


def test_one_draw_serves_all_outputs():
    def fn(x):
        y = ops.multiply(x, 1.0, vjp=Mask(0.5))
        return {"a": y, "b": 10 * y}

    _, pullback = mg.vjp(fn, np.ones((4, 8)))
    (g,) = pullback({"a": np.ones((4, 8)), "b": np.ones((4, 8))}, rng=3)
    assert set(np.unique(g)) <= {0.0, 22.0} and len(np.unique(g)) == 2  # each column of a + 10 b is kept or not


@pytest.mark.parametrize(
    ("cotangent", "error", "message"),
    [
        ({"hidden": 0}, ValueError, r"vjp: the cotangent\['rest'\] is missing"),
        ({"hidden": 0, "rest": [1.0], "x": X, "data": [0, 0]}, ValueError, r"the cotangent\['rest'\]\[1\] is missing"),
        (1.0, TypeError, "the cotangent is a float, and a dict belongs there"),
        (
            {"hidden": 0.0, "rest": [1.0, (B1, 0.0)], "x": X, "data": [0, 0]},
            ValueError,
            r"value of the function\['hidden'\]: the cotangent has shape \(\), but the tensor has shape \(5, 4\)",
        ),
        (
            {"hidden": np.ones((5, 4)), "rest": [1.0, (B1, None)], "x": X, "data": [0, 0]},
            TypeError,
            r"the cotangent\['rest'\]\[1\]\[1\] is None, and an array belongs there",
        ),
    ],
)
def test_a_cotangent_of_another_structure_is_refused_with_the_place(cotangent, error, message):
    _, pullback = mg.vjp(outputs, {"w": W1, "b": B1}, X)
    with pytest.raises(error, match=message):
        pullback(cotangent)


def test_values_that_are_none_are_refused():
    with pytest.raises(TypeError, match=r"the value of the function\['name'\] is a str.*has_aux=True"):
        mg.vjp(lambda x: {"y": x * 2, "name": "y"}, 1.0)
    for nothing, kind in (({}, "dict"), ([1.0, None], "list"), ((), "tuple"), ({"a": np.ones(2)}, "dict")):
        with pytest.raises(TypeError, match=f"must return a Tensor, but returned a {kind} without any"):
            mg.vjp(lambda x, value=nothing: value, 1.0)
    for nothing in ([1.0, 2.0], 1.0, np.ones(2), "text"):
        with pytest.raises(TypeError, match="must return a Tensor, but returned a"):
            mg.vjp(lambda x, value=nothing: value, 1.0)
    for values in (lambda x: (x, 1.0), lambda x: {"loss": x}, lambda x: [x]):
        with pytest.raises(TypeError, match="returned a container, and only a scalar.*has_aux=True.*minigrad.vjp"):
            mg.grad(values)(1.0)
    with mg.Tape():
        y = mg.Tensor([1.0], requires_grad=True) * 2
        value, _ = mg.vjp(lambda x: {"a": x, "b": y}, 1.0)
        assert value["b"] is y and isinstance(value["a"], np.ndarray)
    with pytest.raises(mg.TapeError, match=r"the value of the function\['b'\] was recorded on another tape"):
        mg.vjp(lambda x: {"a": x, "b": y}, 1.0)


# Auxiliary outputs


def with_aux(p, x):
    y = x @ p["w"]
    return (y**2).sum(), {"y": y, "w": p["w"], "n": len(x), "names": ["a", (y.sum(), None)], "numbers": [1.0, 2.0]}


def check_aux(aux):
    np.testing.assert_array_equal(aux["y"], X @ W1)
    assert type(aux["y"]) is np.ndarray and type(aux["w"]) is np.ndarray and aux["n"] == 5
    assert aux["names"][0] == "a" and type(aux["names"][1][0]) is np.ndarray and aux["names"][1][1] is None
    assert aux["numbers"] == [1.0, 2.0]  # no arrays are made of what is no tensor


def test_auxiliary_outputs_follow_the_value():
    expected = 2 * X.T @ (X @ W1)
    (value, aux), gradient = mg.value_and_grad(with_aux, has_aux=True)({"w": W1}, X)
    check_aux(aux)
    np.testing.assert_allclose(value, ((X @ W1) ** 2).sum())
    np.testing.assert_allclose(gradient["w"], expected)
    gradient, aux = mg.grad(with_aux, has_aux=True)({"w": W1}, X)
    check_aux(aux)
    np.testing.assert_allclose(gradient["w"], expected)
    (gradient, by_x), aux = mg.grad(with_aux, argnums=(0, 1), has_aux=True)({"w": W1}, X)
    check_aux(aux)
    assert by_x.shape == X.shape
    np.testing.assert_allclose(gradient["w"], expected)
    value, pullback, aux = mg.vjp(with_aux, {"w": W1}, X, has_aux=True)
    check_aux(aux)
    np.testing.assert_allclose(pullback(1.0)[0]["w"], expected)


def test_aux_without_tensors_is_the_object_itself():
    aux = {"history": [1.0, 2.0], "model": nn.Linear(2, 2)}
    assert mg.grad(lambda x: (x**2, aux), has_aux=True)(2.0)[1] is aux
    assert mg.grad(lambda x: (x**2, None), has_aux=True)(2.0)[1] is None
    assert mg.grad(lambda x: (x**2, x * 3), has_aux=True)(2.0)[1] == 6


def test_several_outputs_and_aux():
    value, pullback, aux = mg.vjp(lambda x: ((x, x**2), [x**3]), 2.0, has_aux=True)
    assert value == (2, 4) and aux == [8] and pullback((1.0, 1.0))[0] == 5


def test_aux_of_an_outer_tape_stays_a_tensor():
    with mg.Tape() as tape:
        w = mg.Tensor([2.0], requires_grad=True)
        y = w * 3
        gradient, (kept, inner) = mg.grad(lambda x: (x**2, (y, x * 2)), has_aux=True)(5.0)
        loss = (kept * gradient).sum()
        assert type(mg.grad(lambda x: (x**2, {"x": x}), has_aux=True)(5.0)[1]["x"]) is np.ndarray  # its own argument
    assert kept is y and type(inner) is np.ndarray and gradient == 10
    assert tape.gradients(loss, [w])[0].tolist() == [30]


@pytest.mark.parametrize("returned", [lambda x: x, lambda x: [x, 1], lambda x: (x, 1, 2), lambda x: {"a": x}])
def test_has_aux_needs_a_pair(returned):
    for call in (lambda: mg.grad(returned, has_aux=True)(1.0), lambda: mg.vjp(returned, 1.0, has_aux=True)):
        with pytest.raises(
            TypeError, match=r"has_aux=True the function must return a pair \(value, aux\), but returned"
        ):
            call()
