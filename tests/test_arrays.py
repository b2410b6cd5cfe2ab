"""Every input becomes a plain array in one place, or is refused there."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import minigrad as mg
from minigrad import datasets, estimators, inspect, nn, ops, optim, testing, training
from minigrad.arrays import plain, prepare

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")


class Odd(np.ndarray):
    """Arithmetic of its own: everything is off by one."""

    def __array_ufunc__(self, ufunc, method, *inputs, **settings):
        inputs = [np.asarray(x) for x in inputs]
        return getattr(ufunc, method)(*inputs, **settings) + 1


SUBCLASSES = {
    "a matrix": lambda a: np.asmatrix(a),
    "a subclass of one's own": lambda a: a.view(Odd),
    "a masked array without masked entries": lambda a: np.ma.array(a),
    "a masked array with a mask of False": lambda a: np.ma.array(a, mask=np.zeros(a.shape, bool)),
    "the other byte order": lambda a: a.astype(a.dtype.newbyteorder(">")),
}
A = np.array([[1.0, 2.0], [3.0, -4.0]])


@pytest.mark.parametrize("name", SUBCLASSES)
def test_subclasses_become_plain_arrays(name):
    odd = SUBCLASSES[name](A.copy())
    for array in (plain(odd, "x"), mg.Tensor(odd).data, ops.negative(odd).data, mg.vjp(ops.exp, odd)[0]):
        assert type(array) is np.ndarray and array.dtype is np.dtype(np.float64)
    assert np.shares_memory(plain(odd, "x"), odd) == (name != "the other byte order")


@pytest.mark.parametrize("name", SUBCLASSES)
def test_operations_on_subclasses_are_those_of_plain_arrays(name):
    """Value and gradients, as an input, as a leaf, as an argument without a gradient, and as a cotangent."""
    odd = SUBCLASSES[name]
    for fn in (lambda x: x * x, lambda x: ops.matmul(x, x), ops.softmax, lambda x: ops.sum(x, axis=1)):
        value, pullback = mg.vjp(fn, A)
        got, odd_pullback = mg.vjp(fn, odd(A.copy()))
        np.testing.assert_array_equal(got, value)
        g = np.asarray(np.cos(value))
        wanted = pullback(g)[0]
        np.testing.assert_array_equal(odd_pullback(g)[0], wanted)
        if g.ndim == 2:
            by_odd = odd_pullback(odd(g.copy()))[0]
            assert type(by_odd) is np.ndarray
            np.testing.assert_array_equal(by_odd, wanted)
    np.testing.assert_array_equal(mg.grad(lambda x: (x * odd(A.copy())).sum())(A), A)
    np.testing.assert_array_equal(ops.where(odd((A > 0) * 1.0), A, 0.0).data, np.maximum(A, 0))
    np.testing.assert_array_equal(ops.clip(A, odd(np.zeros((2, 2)))).data, np.maximum(A, 0))


def test_a_subclass_of_float64_is_no_weaker_than_an_array():
    """Numbers and lists take the dtype of what they meet; a matrix is an array, and keeps its own."""
    single = np.ones((2, 2), np.float32)
    assert (mg.Tensor(single) * np.asmatrix(A)).dtype == (mg.Tensor(single) * A).dtype == np.float64
    assert (mg.Tensor(single) * A.tolist()).dtype == (mg.Tensor(single) * np.float64(2)).dtype == np.float32


MASKED = np.ma.array(A, mask=[[True, False], [False, False]])
LABELS = np.ma.array([0, 1], mask=[False, True])
MODEL = nn.Linear(2, 2, rng=0)
ENTRIES = {
    "Tensor": lambda x: mg.Tensor(x),
    "Tensor with a dtype": lambda x: mg.Tensor(x, dtype=np.float32),
    "an operation": lambda x: ops.exp(x),
    "an operator": lambda x: mg.Tensor(A) + x,
    "*arrays": lambda x: ops.concatenate([A, x]),
    "a list of arrays": lambda x: ops.exp([x, A]),
    "a condition": lambda x: ops.where(x, A, A),
    "a limit": lambda x: ops.clip(A, x),
    "dropout": lambda x: ops.dropout(x, rng=0),
    "targets": lambda x: ops.cross_entropy(A, x),
    "vjp": lambda x: mg.vjp(ops.exp, x),
    "grad": lambda x: mg.grad(ops.sum)(x),
    "a cotangent": lambda x: mg.vjp(ops.exp, A)[1](x),
    "an estimator": lambda x: estimators.Mask(0.5).sample(x, None, np.random.default_rng(0)),
    "a layer": lambda x: MODEL(x),
    "a buffer": lambda x: nn.Module().buffer("mean", x),
    "a state": lambda x: MODEL.load_state_dict({"weight": x, "bias": np.zeros(2, np.float32)}),
    "fit": lambda x: training.fit(
        MODEL, (x, np.zeros(2, int)), optimizer=optim.SGD(MODEL, lr=0.1), epochs=1, batch_size=1
    ),
    "evaluate": lambda x: training.evaluate(MODEL, x, np.zeros(2, int)),
    "advise": lambda x: inspect.gradient_noise(MODEL, (x, np.zeros(2, int)), batch_size=1, rng=0),
    "a check of gradients": lambda x: testing.assert_gradients_close(ops.exp, x),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_masked_entries_are_refused_with_a_remedy(name):
    with pytest.raises(TypeError, match=r"masked array with 1 of 4 entries masked.*\.filled\("):
        ENTRIES[name](MASKED)


@pytest.mark.parametrize("name", [n for n in ENTRIES if n not in ("a condition", "a limit", "targets")])
@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_sparse_matrices_are_refused_with_a_remedy(name, make):
    with pytest.raises(TypeError, match=r"sparse matrix.*\.toarray\(\)"):
        ENTRIES[name](make(A))


def test_masked_indices_and_labels():
    for call in (
        lambda: mg.Tensor(A)[LABELS],
        lambda: ops.take(A, LABELS),
        lambda: ops.take_along_axis(A, np.ma.array([[0], [1]], mask=[[True], [False]])),
        lambda: ops.cross_entropy(A, LABELS),
    ):
        with pytest.raises(TypeError, match="masked array with 1 of 2 entries masked"):
            call()


def test_data_sets_hold_plain_arrays():
    x, y = np.asmatrix(A.astype(np.float32)), np.array([0, 1])
    data = datasets.Dataset("toy", x, y, x, y, ("a", "b"))
    assert type(data.x_train) is type(data.x_test) is np.ndarray
    masked = np.ma.array(A.astype(np.float32), mask=A < 0)
    with pytest.raises(TypeError, match=r"data set 'toy': x_train is a masked array.*\.filled\("):
        datasets.Dataset("toy", masked, y, x, y, ("a", "b"))


def test_gradients_for_an_optimiser():
    weight = mg.Tensor(A.copy(), requires_grad=True)
    optimizer = optim.SGD([weight], lr=1.0)
    optimizer.step([np.asmatrix(np.ones((2, 2)))])
    np.testing.assert_array_equal(weight.data, A - 1)
    with pytest.raises(TypeError, match="masked array"):
        optimizer.step([MASKED])


def test_what_an_estimator_returns():
    class Masking(mg.Estimator):
        def sample(self, g, node, rng):
            return np.ma.array(g, mask=g == g)

    w = mg.Tensor(A, requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.multiply(w, 2.0, vjp=Masking()).sum()
    with pytest.raises(TypeError, match="masked array"):
        tape.gradients(loss, [w])


@pytest.mark.parametrize(
    ("dtypes", "weak", "as_is", "expected", "narrow"),
    [
        (["u1", "f4"], None, False, ["f4", "f4"], False),
        (["u1", "f4"], None, True, ["f4", "f4"], False),
        (["i8", "f2"], None, False, ["f4", "f4"], True),
        (["i8", "f2"], None, True, ["f2", "f2"], False),
        (["u1", "i1"], None, False, ["f8", "f8"], False),
        (["u1", "i1"], None, True, ["i2", "i2"], False),
        (["u1", "f8"], [1], True, ["f8", "f8"], False),
        (["f4", "f8"], [1], False, ["f4", "f4"], False),
        (["f2", "f8"], [1], False, ["f4", "f4"], True),
        (["f2", "f4"], None, False, ["f4", "f4"], False),
        (["f4", "f8"], None, False, ["f4", "f8"], False),  # left to NumPy
        (["g", "u1"], None, False, ["g", "g"], False),
    ],
)
def test_the_rule(dtypes, weak, as_is, expected, narrow):
    arrays = [np.ones(2, dtype) for dtype in dtypes]
    assert prepare(arrays, weak, as_is) is narrow
    assert [array.dtype for array in arrays] == [np.dtype(dtype) for dtype in expected]


def test_dtypes_that_are_equal_but_not_the_same_object():
    """As they come out of a pickle: the check by identity must lead to the same results."""
    import pickle

    x = pickle.loads(pickle.dumps(np.ones(3, np.float32)))
    assert ops.exp(x).dtype == np.float32
    np.testing.assert_array_equal(ops.exp(x).data, ops.exp(np.ones(3, np.float32)).data)
