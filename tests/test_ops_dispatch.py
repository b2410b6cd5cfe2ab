"""NumPy's functions on tensors: the operations that stand for them, with NumPy's signatures; the others, refused."""

from __future__ import annotations

import inspect
import math
import operator
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gradient_points import values
from numpy_calls import CALLS
from scipy import special

import minigrad as mg
from minigrad import ops
from minigrad.ops import counterparts, scipy_special  # noqa: F401  the rarer of SciPy's functions, described
from minigrad.ops.counterparts import FUNCTIONS, Counterpart, stands_for, title
from minigrad.ops.numpy_lists import ON_TENSORS, PLAIN, SHAPE_ALONE
from minigrad.testing.numerical_derivatives import ridders

OLD_NUMPY = np.lib.NumpyVersion(np.__version__) < "2.0.0"
counterparts.settle()  # SciPy's functions, which were imported above

EACH = [
    pytest.param(fn, shapes, id=f"{title(f)} {k}") for f, calls in CALLS.items() for k, (fn, shapes) in enumerate(calls)
]


def several(result: Any) -> list[Any]:
    """The parts of a result."""
    return list(result) if isinstance(result, (list, tuple)) else [result]


def points(shapes: Any, dtype: Any = np.float64) -> list[np.ndarray]:
    """Positive values, away from ties, from whole numbers and their halves, and from 0.7, 1.5 and the like."""
    return [
        (values(k, shape, 0.31, 0.69) + np.arange(np.prod(shape)).reshape(shape) % 3).astype(dtype)
        for k, shape in enumerate(shapes)
    ]


def same(got: Any, expected: Any) -> None:
    got, expected = several(got), several(expected)
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert type(one) is mg.Tensor
        assert one.shape == np.shape(other)
        # Before NumPy 2 a Python number promoted scalars.
        assert one.dtype == other.dtype or (one.dtype == np.float32 and OLD_NUMPY)
        np.testing.assert_allclose(one.data, other, rtol=1e-6 if one.dtype == np.float32 else 1e-14)


def test_every_function_is_called():
    assert set(CALLS) == set(FUNCTIONS) | ON_TENSORS, "add the function to tests/numpy_calls.py"
    assert not (set(FUNCTIONS) & (ON_TENSORS | PLAIN | SHAPE_ALONE)) and not ON_TENSORS & (PLAIN | SHAPE_ALONE)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("fn, shapes", EACH)
def test_the_value_is_that_on_arrays(fn, shapes, dtype):
    arrays = points(shapes, dtype)
    expected = fn(*arrays)
    same(fn(*[mg.Tensor(a) for a in arrays]), expected)  # constants, no tape
    leaves = [mg.Tensor(a, requires_grad=True) for a in arrays]
    same(fn(*leaves), expected)
    with mg.Tape() as tape:
        same(fn(*[mg.Tensor(a) for a in arrays]), expected)
        assert not tape.nodes
        for k, leaf in enumerate(leaves):  # a tensor among arrays, on the left and on the right
            got = fn(*[leaf if j == k else a for j, a in enumerate(arrays)])
            same(got, expected)
            assert any(part.tape is tape or part is leaf for part in several(got))


@pytest.mark.parametrize("fn, shapes", EACH)
def test_the_gradient_is_that_of_central_differences(fn, shapes):
    arrays = points(shapes)
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(np.shape(part)) for part in several(fn(*arrays))]

    def weighted(*xs: Any) -> Any:
        return sum((w * part).sum() for w, part in zip(weights, several(fn(*xs)), strict=True))

    gradients = mg.grad(weighted, argnums=tuple(range(len(arrays))))(*arrays)
    for k, gradient in enumerate(gradients):
        direction = rng.standard_normal(arrays[k].shape)
        for d in (direction, np.roll(direction, 1)):
            along = ridders(
                lambda t, d=d, k=k: np.array(weighted(*[a + t * d if j == k else a for j, a in enumerate(arrays)])),
                np.array(1.0), 1e-3,
            )  # fmt: skip
            # float32 results (np.astype) leave a step of 1e-3 with 4 digits
            single = any(np.asarray(part).dtype == np.float32 for part in several(fn(*arrays)))
            np.testing.assert_allclose((gradient * d).sum(), along.value, rtol=1e-7, atol=1e-3 if single else 1e-9)


@np.errstate(invalid="ignore")  # NaN, where a function knows no such values
@pytest.mark.parametrize("ufunc", list(counterparts.CALLS), ids=title)
def test_a_plain_call_is_that_of_the_operation_bit_by_bit(ufunc):
    """The short cut for ufuncs leaves the operation's own function out; it must add nothing to its primitive."""
    operation = getattr(ops, FUNCTIONS[ufunc].name)
    leaves = [mg.Tensor(a, requires_grad=True) for a in points([(3, 3)] * ufunc.nin)]
    results = []
    for call in (ufunc, operation):
        with mg.Tape() as tape:
            out = call(*leaves)
        assert [node.primitive for node in tape.nodes] == [operation.primitive]
        results.append(
            [out.data, *tape.gradients(out, leaves, cotangent=np.ones(out.shape)), sorted(tape.nodes[0].saved)]
        )
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.matmul,
             operator.mod, operator.floordiv]  # fmt: skip


@pytest.mark.parametrize("left", [np.array([1.5, 2.0]), np.float64(1.5), [1.5, 2.0], 2, np.array(1.5)], ids=repr)
@pytest.mark.parametrize("op", OPERATORS)
def test_anything_on_the_left_of_an_operator(op, left):
    if op is operator.matmul and np.ndim(left) == 0:
        return
    w = mg.Tensor([1.25, 0.8], requires_grad=True)
    with mg.Tape() as tape:
        got = op(left, w)
    np.testing.assert_allclose(got.data, op(np.asarray(left), w.data))
    slope = ridders(lambda t: op(np.asarray(left), w.data + t * np.array([1.0, 2.0])), np.ones(got.shape), 1e-2).value
    (gradient,) = tape.gradients(got, [w], cotangent=np.ones(got.shape))
    np.testing.assert_allclose(gradient @ [1.0, 2.0], slope, rtol=1e-8)


# What has no derivative

VALUE_FREE = {
    "zeros_like": lambda x: np.zeros_like(x),
    "ones_like": lambda x: np.ones_like(x, dtype=int),
    "shape": np.shape,
    "full_like": lambda x: np.full_like(x, 2.5),
    "ndim": np.ndim,
    "size": lambda x: np.size(x, 1),
    "result_type": lambda x: np.result_type(x, np.float32),
    "common_type": np.common_type,
    "iscomplexobj": np.iscomplexobj,
    "isrealobj": np.isrealobj,
    "min_scalar_type": np.min_scalar_type,
    "shares_memory": lambda x: np.shares_memory(x, np.ones(3)),
    "may_share_memory": lambda x: np.may_share_memory(x, np.ones(3)),
    "empty_like": lambda x: np.empty_like(x).shape,
    "full_like by keyword": lambda x: np.full_like(a=x, fill_value=[1.0, 2.0, 3.0]),
}
WITHOUT_DERIVATIVE = {
    **{
        f.__name__: f
        for f in (
            np.all,
            np.any,
            np.argmax,
            np.argmin,
            np.argsort,
            np.argwhere,
            np.array_repr,
            np.array_str,
            np.count_nonzero,
            np.flatnonzero,
            np.iscomplex,
            np.isneginf,
            np.isposinf,
            np.isreal,
            np.nanargmax,
            np.nanargmin,
            np.nonzero,
            np.isfinite,
            np.isinf,
            np.isnan,
            np.logical_not,
            np.signbit,
        )
    },
    **{
        f.__name__: lambda x, f=f: f(x, [[1.0, 0.5, 2.0]])
        for f in (
            np.equal,
            np.not_equal,
            np.less,
            np.less_equal,
            np.greater,
            np.greater_equal,
            np.logical_and,
            np.logical_or,
            np.logical_xor,
            np.allclose,
            np.isclose,
            np.array_equal,
            np.array_equiv,
            np.isin,
        )
    },
    "allclose of itself": lambda x: np.allclose(1.0 * x, x),
    "argmax by keyword": lambda x: np.argmax(a=x, axis=1, keepdims=True),
    "argpartition": lambda x: np.argpartition(x, 1, axis=0),
    "can_cast": lambda x: np.can_cast(np.result_type(x), np.float32),
    "digitize": lambda x: np.digitize(x, [0.5, 1.5]),
    "matrix_rank": lambda x: np.linalg.matrix_rank(x),
    "searchsorted": lambda x: np.searchsorted([0.0, 1.0, 2.0], x),
    "lexsort": lambda x: np.lexsort((x[0], x[1])),
    "einsum_path": lambda x: np.einsum_path("ij,ij", x, x)[0],
    "tril_indices_from": np.tril_indices_from,
    "triu_indices_from": np.triu_indices_from,
    "diag_indices_from": lambda x: np.diag_indices_from(x[:, :2]),
    "array2string": lambda x: np.array2string(x, precision=2),
    "where of one": lambda x: np.where(x > 1),
    "greater among settings": lambda x: np.greater(x, 1.0, where=True),
    "greater into an array": lambda x: np.greater(x, 1.0, out=np.zeros((2, 3), bool)),
    "out of truth values": lambda x: np.sign(x.data) == 1,
}


@pytest.mark.parametrize("name", [*VALUE_FREE, *WITHOUT_DERIVATIVE])
def test_what_has_no_derivative_is_numpy_s_own_result(name):
    fn = {**VALUE_FREE, **WITHOUT_DERIVATIVE}[name]
    (array,) = points([(2, 3)])
    w = mg.Tensor(array, requires_grad=True)
    with mg.Tape():
        for x in (w, 1.0 * w, mg.Tensor(array)):
            got, expected = fn(x), fn(array)
            assert type(got) is type(expected)
            for one, other in zip(several(got), several(expected), strict=True):
                assert not isinstance(one, mg.Tensor) and np.asarray(one).dtype == np.asarray(other).dtype
                np.testing.assert_array_equal(one, other)


def test_every_function_without_derivative_is_tried():
    tried = {name.partition(" ")[0] for name in (*VALUE_FREE, *WITHOUT_DERIVATIVE)}
    assert {f.__name__ for f in PLAIN | SHAPE_ALONE} <= tried


# Refusals

A = np.ones(2)
Z = mg.Tensor([0.0, 0.0])
OUT, WHERE = "`a = a \\+ t`", "no `where=` on tensors; choose with"
IN_PLACE = "build a new one of the pieces with np.where"
REFUSED = {
    "a += t": (lambda t: operator.iadd(A, t), OUT),
    "a @= t": (lambda t: operator.imatmul(np.ones((2, 2)), t), "operation|`a = a"),
    "out=array": (lambda t: np.add(t, 1.0, out=A), OUT),
    "out=tensor": (lambda t: np.add(t, t, out=Z), OUT),
    "out=tensor of arrays": (lambda t: np.add(A, A, out=t), OUT),
    "out=tuple": (lambda t: np.exp(t, out=(A,)), OUT),
    "out=tensor of truth values": (lambda t: np.greater(t, 1.0, out=mg.Tensor(A > 2)), OUT),
    "append's copy": (lambda t: np.nan_to_num(t, copy=False), "no `copy=` on tensors; leave it out"),
    "out= by position": (lambda t: np.exp(t, A), OUT),
    "sum out=": (lambda t: np.sum(t, out=A[0]), OUT),
    "sum out= by position": (lambda t: np.sum(t, 0, None, A[0]), OUT),
    "clip out=": (lambda t: np.clip(t, 0, 1, A), OUT),
    "concatenate out=": (lambda t: np.concatenate([t, t], out=np.ones(4)), OUT),
    "reduce out=": (lambda t: np.add.reduce(t, out=A[0]), OUT),
    "exp where=": (lambda t: np.exp(t, where=[True, False]), WHERE),
    "exp where=tensor": (lambda t: np.exp(A, where=t), WHERE),
    "sum where=": (lambda t: np.sum(t, where=[True, False]), WHERE),
    "mean where=": (lambda t: np.mean(t, where=A > 0), WHERE),
    "max initial=": (lambda t: np.max(t, initial=0.0), "no `initial=`"),
    "sum initial= of an array": (lambda t: np.sum(A[:1], initial=t), "minigrad.ops"),
    "exp to int": (lambda t: np.exp(t, dtype=int), "has no derivative"),
    "sum to int": (lambda t: np.sum(t, dtype=np.int64), "has no derivative"),
    "reshape order=A": (lambda t: np.reshape(t, (2, 1), order="A"), "how the values lie in memory"),
    "exp order=F": (lambda t: np.exp(t, order="F"), "C order"),
    "exp signature": (lambda t: np.exp(t, signature="d->d"), "no `signature=`"),
    "exp casting": (lambda t: np.exp(t, casting="unsafe"), "no `casting=`"),
    "matmul axes": (lambda t: np.matmul(t, t, axes=[(0,), (0,), ()]), "no `axes=`.*minigrad.ops.matmul"),
    "var mean=": (lambda t: np.var(t, mean=1.0), "no `mean=`|unexpected keyword"),
    "pad mean": (lambda t: np.pad(t, 1, mode="mean"), "mode='mean'"),
    "pad by a function": (lambda t: np.pad(t, 1, lambda *a: None), "mode="),
    "pad's other settings": (lambda t: np.pad(t, 1, end_values=0), "no `end_values=`|unsupported keyword"),
    "take mode": (lambda t: np.take(t, [5], mode="around"), "mode='around' is none of"),
    "trace out=": (lambda t: np.trace(np.eye(2) * t, out=A[0]), OUT),
    "ravel order=K": (lambda t: np.ravel(t, "K"), "how the values lie in memory"),
    "dot out=": (lambda t: np.dot(t, t, out=A[0]), OUT),
    "put_along_axis": (lambda t: np.put_along_axis(A, np.array([0]), t, 0), IN_PLACE),
    "a limit with a gradient": (lambda t: np.clip(A, t, 2.0), "not differentiable"),
    "clip by two names": (lambda t: np.clip(t, 0, 1, min=0), "given twice|not allowed|unexpected"),
    "add.at": (lambda t: np.add.at(A, [0, 1], t), IN_PLACE),
    "maximum.accumulate": (lambda t: np.maximum.accumulate(t), "maximum.accumulate"),
    "add.reduceat": (lambda t: np.add.reduceat(t, [0]), "no add.reduceat"),
    "an unknown ufunc": (lambda t: np.spacing(t), "minigrad.ops has no spacing; .*minigrad.primitive"),
    "on the right": (lambda t: np.nextafter(A, t), "minigrad.ops has no nextafter"),
    "two results": (lambda t: np.modf(t), "no modf"),
    "in place": (lambda t: np.copyto(A, t), IN_PLACE),
    "weights that are counted": (lambda t: np.bincount([0, 1], weights=t), "no bincount"),
    "putmask": (lambda t: np.putmask(A, [True, False], t), IN_PLACE),
    "a file": (lambda t: np.save("never written.npy", t), "no save"),
    "values of another array": (lambda t: np.full_like(A, t), IN_PLACE),
    "full_like of itself": (lambda t: np.full_like(t, t), IN_PLACE),
    "a list to an array": (lambda t: np.array([t, t]), "minigrad.ops.stack"),
    "mean of a list": (lambda t: np.mean([t, t]), "minigrad.ops.stack"),
    "exp of a list": (lambda t: np.exp([t, t]), "minigrad.ops.stack"),
    "linalg": (lambda t: np.linalg.eig(t), "no linalg.eig"),
    "fft": (lambda t: np.fft.fft(t), "no fft.fft"),
    "scipy": (lambda t: special.zeta(t, 1), "no .*zeta"),
    "a ufunc of scipy": (lambda t: special.spence(t), "scipy.special.spence computes on arrays.*has no spence"),
    "out= of scipy": (lambda t: special.j0(t, out=A), "^scipy.special.j0 would write a tensor into an array"),
    "where= of scipy": (lambda t: special.gammaln(t, where=[True, False]), "^scipy.special.gammaln takes no `where=`"),
    "a ufunc of someone else": (lambda t: np.frompyfunc(math.sqrt, 1, 1)(t), r"^sqrt \(vectorized\) computes"),
    "gammaln of a list": (lambda t: special.gammaln([t, t]), "minigrad.ops.stack"),
    "polygamma of scipy": (
        lambda t: special.polygamma(1, t),
        "SciPy.s polygamma would .* of minigrad.ops of the same name",
    ),
    "a body that converts": (lambda t: np.unwrap(t), "no unwrap"),
    "random": (lambda t: np.random.default_rng(0).normal(t), "minigrad.ops.stack"),
    "np.random": (lambda t: np.random.default_rng(0).permutation(t), "minigrad.ops.stack"),
    "apply": (lambda t: np.apply_along_axis(np.sum, 0, t), "no apply_along_axis"),
    "vectorize": (lambda t: np.vectorize(lambda v: v)(t), "minigrad.ops.stack"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("what", ["recorded", "recorded, afterwards", "a leaf within a block"])
def test_what_would_lose_a_gradient_is_refused(name, what):
    fn, message = REFUSED[name]
    leaf = mg.Tensor([1.5, 2.5], requires_grad=True)
    with mg.Tape():
        t = leaf if what == "a leaf within a block" else leaf * 2.0
        if what != "recorded, afterwards":
            refuse(fn, t, message)
    if what == "recorded, afterwards":
        refuse(fn, t, message)
    assert A.tolist() == [1.0, 1.0] and Z.data.tolist() == [0.0, 0.0]


def refuse(fn: Any, t: mg.Tensor, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=r"(?s).+") as caught:
        fn(t)
    texts = [str(caught.value), str(caught.value.__cause__), str(caught.value.__context__)]
    assert any(re.search(message, text) for text in texts), texts


def everything() -> dict[str, Any]:
    """All functions of NumPy and SciPy that ask a tensor before they compute."""
    found = {}
    for module in (np, np.linalg, np.fft, special):
        for name in dir(module):
            thing = getattr(module, name)
            if isinstance(thing, np.ufunc) or hasattr(thing, "_implementation"):
                found[f"{module.__name__}.{name}"] = thing
    return found


EVERYTHING = everything()
UNASKED = {"numpy.real_if_close", "numpy.asfarray"}  # their second arguments are a tolerance and a dtype

FLAGS = {
    "assume_unique", "axisc", "bias", "copy", "deg", "density", "discont", "dtype", "endpoint", "equal_nan",
    "hermitian", "include_initial", "increasing", "invert", "keepdims", "overwrite_input", "retstep",
    "return_counts", "return_index", "return_indices", "return_inverse", "returned", "rowvar", "rtol", "sorted",
    "sparse", "stable", "subok", "tol",
}  # fmt: skip
"""Settings that NumPy asks for their truth, their dtype or as a threshold: they carry no value into the result."""
UNUSED = {"numpy.nan_to_num", "numpy.piecewise", "numpy.corrcoef"}  # they do not look at some settings here


def forms(function: Any, t: mg.Tensor, values: np.ndarray) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Calls with a tensor by position, alone and among arrays, and as each of the named arguments."""
    a = values.copy()
    for args in [(t,), (t, t), (t, a), (a, t), ([t, t],), (t, 1), (t, (1, 0)), (t, [0], t), (t, 0, 1), (a, t, t)]:
        yield args, {}
    if isinstance(function, np.ufunc):  # its settings are no values
        return
    try:
        named = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return
    needed = [p for p in named if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for p in named:
        if p not in needed and p.name not in FLAGS:
            yield (values.copy(),) * len(needed), {p.name: t}
            yield ([0, 1], values.copy())[: len(needed)], {p.name: t[0, 0]}


def has_tensor(value: Any) -> bool:
    return isinstance(value, mg.Tensor) or (isinstance(value, (list, tuple)) and any(map(has_tensor, value)))


def has_numbers(value: Any) -> bool:
    """True if some value is a float other than 0 and 1, as truth values are in an array of floats."""
    if isinstance(value, (list, tuple)):
        return any(map(has_numbers, value))
    array = np.asarray(value)
    return array.dtype.kind == "f" and not np.isin(array, (0, 1)).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", EVERYTHING)
def test_no_function_gives_a_constant_without_a_word(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = EVERYTHING[name]
    leaf = mg.Tensor([[1.5, 0.5], [0.25, 2.5]], requires_grad=True)
    with mg.Tape():
        for t in (leaf, leaf * 2.0):
            for args, settings in forms(function, t, t.data):
                try:
                    result = function(*args, **settings)
                except Exception:
                    continue
                if not has_tensor(result) and function not in SHAPE_ALONE and name not in UNASKED | UNUSED:
                    assert function in PLAIN, (args, settings)
                    assert not has_numbers(result), (args, settings)
    assert not list(tmp_path.iterdir())


def test_many_functions_are_known():
    assert len(EVERYTHING) > 400


def test_where_no_gradient_is_lost_numpy_computes():
    w = mg.Tensor([2.0, 1.0], requires_grad=True)
    assert np.unwrap(w).tolist() == [2.0, 1.0] and type(np.unwrap(w)) is np.ndarray  # no tape
    with mg.Tape():
        assert np.unwrap(w.detach()).tolist() == [2.0, 1.0] and type(np.exp(w.detach())) is mg.Tensor


def test_dtype_converts_before_the_operation():
    w = mg.Tensor(np.array([1e8, 1.0, -1e8], np.float32), requires_grad=True)
    with mg.Tape() as tape:
        total = np.sum(w, dtype=np.float64)
        joined = np.concatenate([w, np.ones(1, np.float32)], dtype=np.float64)
    assert total.dtype == np.float64 and total.item() == np.sum(w.data, dtype=np.float64) == 1.0
    assert joined.dtype == np.float64
    (gradient,) = tape.gradients(total, [w])
    assert gradient.dtype == np.float32 and gradient.tolist() == [1.0, 1.0, 1.0]


def test_functions_are_matched_as_objects_and_not_by_name():
    def norm(x):  # as np.linalg.norm, by its name
        return x

    x = mg.Tensor([3.0, 4.0])
    with pytest.raises(TypeError, match="np.norm computes on arrays"):
        x.__array_ufunc__(norm, "__call__", x)
    w = mg.Tensor([3.0, 4.0], requires_grad=True)
    with mg.Tape(), pytest.raises(TypeError, match=r"np.*norm computes on arrays"):
        w.__array_function__(norm, (mg.Tensor,), (w,), {})


# Declarations


def test_a_function_has_one_operation():
    with pytest.raises(ValueError, match=r"minigrad.ops.exp stands for np.exp> already"):
        stands_for(np.exp)(ops.sin)


def test_a_declaration_that_leaves_an_argument_open_is_found():
    wrong = Counterpart(np.fix, lambda x, index: 0, "f", {})
    with pytest.raises(TypeError, match="nothing of NumPy's goes to index"):
        wrong((mg.Tensor(1.0),), {})


@pytest.mark.parametrize("function", FUNCTIONS, ids=title)
def test_every_declaration_binds(function):
    Counterpart(function, FUNCTIONS[function].call, "f", FUNCTIONS[function].renamed).bind()


# The checkers themselves


@pytest.mark.parametrize(
    "function, wrong",
    [
        (np.max, lambda a, axis=None, keepdims=False: ops.max(a, axis)),  # the fourth argument is lost
        (np.take, lambda a, indices, axis=0: ops.take(a, indices, axis)),  # not NumPy's default
        (np.append, lambda arr, values, axis=None: np.concatenate([arr, mg.Tensor(np.array(values))], axis=axis)),
        (np.square, lambda x: mg.Tensor(np.square(x.data))),  # a constant
    ],
    ids=title,
)
def test_a_wrong_counterpart_is_found(function, wrong, monkeypatch):
    monkeypatch.setitem(FUNCTIONS, function, Counterpart(function, wrong, "wrong", {}))
    monkeypatch.delitem(counterparts.CALLS, function, raising=False)
    found = []
    for fn, shapes in CALLS[function]:
        for check in (
            lambda: test_the_value_is_that_on_arrays(fn, shapes, np.float64),  # noqa: B023
            lambda: test_the_gradient_is_that_of_central_differences(fn, shapes),  # noqa: B023
        ):
            try:
                check()
            except Exception as error:
                found.append(error)
    assert found


def test_a_rule_that_is_off_is_found(monkeypatch):
    monkeypatch.setitem(ops.tanh.primitive.rules, np.ndarray, (lambda g, saved: 2.001 * g * (1 - saved["out"] ** 2),))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        test_the_gradient_is_that_of_central_differences(*CALLS[np.tanh][0])


def test_a_function_that_loses_the_gradient_is_found(monkeypatch, tmp_path):
    monkeypatch.setitem(FUNCTIONS, np.unwrap, lambda args, settings: np.unwrap(args[0].data))
    with pytest.raises(AssertionError):
        test_no_function_gives_a_constant_without_a_word("numpy.unwrap", tmp_path, monkeypatch)
