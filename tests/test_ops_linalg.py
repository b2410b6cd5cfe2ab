"""Linear algebra: values against NumPy and SciPy, tangents against the transpose of the rules, edges, errors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from estimator_cases import normal

import minigrad as mg
from minigrad import inspect, ops
from minigrad.structure import sum_to

BATCHES = [(), (2,), (2, 3), (0,)]


def matrices(seed, lead, m, n=None):
    return normal(seed, *lead, m, m if n is None else n)


def positive(seed, lead, n):
    x = matrices(seed, lead, n)
    return x @ np.swapaxes(x, -1, -2) + np.eye(n)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("lead", BATCHES)
def test_values_are_those_of_numpy(lead, n):
    a, spd = matrices(0, lead, n), positive(1, lead, n)
    close = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_array_equal(ops.det(a).data, np.linalg.det(a))
    for got, expected in zip(ops.slogdet(a), np.linalg.slogdet(a), strict=True):
        np.testing.assert_array_equal(got.data, expected)
    np.testing.assert_array_equal(ops.inv(a).data, np.linalg.inv(a))
    np.testing.assert_array_equal(ops.cholesky(spd).data, np.linalg.cholesky(spd))
    np.testing.assert_array_equal(ops.cholesky(spd, upper=True).data, np.swapaxes(np.linalg.cholesky(spd), -1, -2))
    for triangle in "LU":
        for got, expected in zip(ops.eigh(a, triangle), np.linalg.eigh(a, triangle), strict=True):
            np.testing.assert_array_equal(got.data, expected)
        np.testing.assert_allclose(ops.eigvalsh(a, triangle).data, np.linalg.eigvalsh(a, triangle), **close)
    for k in (-3, -1, 0, 1, 2, 3, 6):
        b = spd / (1 + np.abs(spd).max(initial=0)) + np.eye(n)
        np.testing.assert_allclose(ops.matrix_power(b, k).data, np.linalg.matrix_power(b, k), **close)
    if a.size:
        np.testing.assert_array_equal(ops.expm(a).data, scipy.linalg.expm(a))


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 3), (4, 2), (2, 4), (1, 3)])
@pytest.mark.parametrize("lead", BATCHES)
def test_values_of_rectangles_are_those_of_numpy(lead, m, n):
    a = matrices(0, lead, m, n)
    for got, expected in zip(ops.svd(a, full_matrices=False), np.linalg.svd(a, full_matrices=False), strict=True):
        np.testing.assert_array_equal(got.data, expected)
    np.testing.assert_allclose(ops.svd(a, compute_uv=False).data, np.linalg.svd(a, compute_uv=False), rtol=1e-13)
    q, r = ops.qr(a)
    for got, expected in zip((q, r), np.linalg.qr(a), strict=True):
        np.testing.assert_allclose(got.data, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(ops.qr(a, "r").data, r.data)
    if m <= n:
        np.testing.assert_array_equal(ops.qr(a, "complete")[0].data, q.data)
    np.testing.assert_array_equal(ops.pinv(a).data, np.linalg.pinv(a))


@pytest.mark.parametrize("a", [normal(0, 5, 3), normal(0, 3, 5), normal(0, 3, 3), normal(5, 4, 2) @ normal(6, 2, 3)])
@pytest.mark.parametrize("columns", [(), (1,), (2,)])
def test_least_squares_are_those_of_numpy(a, columns):
    b = normal(1, len(a), *columns)
    for got, expected in zip(ops.lstsq(a, b), np.linalg.lstsq(a, b, rcond=None), strict=True):
        np.testing.assert_allclose(np.asarray(getattr(got, "data", got)), expected, rtol=1e-10, atol=1e-12)
        assert np.shape(getattr(got, "data", got)) == np.shape(expected)


def test_results_have_numpys_names():
    a = positive(0, (), 2)
    assert ops.slogdet(a)._fields == ("sign", "logabsdet")
    assert ops.eigh(a)._fields == ("eigenvalues", "eigenvectors")
    assert ops.qr(a)._fields == ("Q", "R")
    assert ops.svd(a)._fields == ("U", "S", "Vh")


SYSTEMS = [
    ((3, 3), (3,), (3,)), ((3, 3), (3, 2), (3, 2)), ((2, 3, 3), (2, 3, 1), (2, 3, 1)),
    # One axis is a vector for every matrix, more are matrices: NumPy before 2 differs on these.
    ((2, 3, 3), (3,), (2, 3)), ((2, 3, 3), (3, 2), (2, 3, 2)), ((3, 3, 3), (3, 3), (3, 3, 3)),
    ((3, 3), (2, 3, 4), (2, 3, 4)), ((4, 1, 2, 2), (3, 2, 1), (4, 3, 2, 1)), ((0, 2, 2), (2,), (0, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "out"), SYSTEMS)
@pytest.mark.parametrize("op", [ops.solve, ops.solve_triangular])
def test_systems_of_every_shape(op, a, b, out):
    a, b = normal(0, *a) + 4 * np.eye(a[-1]), normal(1, *b)
    x = op(a, b)
    assert x.shape == out
    column = (b[:, None], x.data[..., None]) if b.ndim == 1 else (b, x.data)
    whole = a if op is ops.solve else np.triu(a)
    np.testing.assert_allclose(whole @ column[1], np.broadcast_to(column[0], column[1].shape), atol=1e-12)
    value, pullback = mg.vjp(op, a, b)
    assert [g.shape for g in pullback(np.ones(value.shape))] == [a.shape, b.shape]


@pytest.mark.parametrize("lead", [(), (2,)])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("trans", [0, 1, "N", "T"])
@pytest.mark.parametrize("unit", [False, True])
def test_triangular_systems_are_those_of_scipy(lead, lower, trans, unit):
    a, b = normal(0, *lead, 3, 3) + 3 * np.eye(3), normal(1, *lead, 3, 2)
    got = ops.solve_triangular(a, b, trans, lower, unit).data
    for at in np.ndindex(*lead):
        expected = scipy.linalg.solve_triangular(a[at], b[at], trans, lower, unit)
        np.testing.assert_allclose(got[at], expected, rtol=1e-12, atol=1e-12)
    (gradient, _) = mg.vjp(lambda *x: ops.solve_triangular(*x, trans, lower, unit), a, b)[1](np.ones(b.shape))
    unread = np.triu(np.ones((3, 3)), 0 if unit else 1)
    assert not (gradient * (unread if lower else unread.T)).any()


# Forward mode

RANKED = normal(5, 4, 2) @ normal(6, 2, 3)

TANGENTS = {
    "det": (ops.det, [matrices(0, (2,), 3)]),
    "det, singular": (ops.det, [np.diag([1.0, 2.0, 0.0])]),
    "slogdet": (lambda a: ops.slogdet(a), [matrices(0, (2,), 3)]),
    "inv": (ops.inv, [matrices(0, (2,), 3)]),
    "solve": (ops.solve, [matrices(0, (2,), 3), normal(1, 2, 3, 2)]),
    "solve, vector": (ops.solve, [matrices(0, (2,), 3), normal(1, 3)]),
    "solve, one matrix": (ops.solve, [matrices(0, (), 3), normal(1, 2, 3, 2)]),
    "solve_triangular": (ops.solve_triangular, [matrices(0, (), 3), normal(1, 3, 2)]),
    "solve_triangular, vector": (
        lambda a, b: ops.solve_triangular(a, b, 1, True, True), [matrices(0, (2,), 3), normal(1, 3)],
    ),
    "cholesky": (ops.cholesky, [positive(0, (2,), 3)]),
    "qr": (ops.qr, [matrices(0, (2,), 4, 3)]),
    "eigh": (ops.eigh, [positive(0, (2,), 3)]),
    "svd": (ops.svd, [matrices(0, (2,), 3)]),
    "svd, high": (lambda a: ops.svd(a, False), [matrices(0, (2,), 4, 3)]),
    "svd, wide": (lambda a: ops.svd(a, False), [matrices(0, (2,), 3, 5)]),
    "pinv, high": (ops.pinv, [matrices(0, (2,), 4, 3)]),
    "pinv, wide": (ops.pinv, [matrices(0, (2,), 3, 4)]),
    "expm": (ops.expm, [matrices(0, (2,), 3)]),
}  # fmt: skip


def node_of(fn, arrays):
    with mg.Tape() as tape:
        fn(*[mg.Tensor(array, requires_grad=True) for array in arrays])
    return tape.nodes[0]


@pytest.mark.parametrize("name", TANGENTS)
def test_tangents_are_slopes_and_the_transpose_of_the_rules(name):
    """⟨u, J t⟩ = ⟨Jᵀ u, t⟩, and J t is a central difference, along symmetric matrices where only these are meant."""
    fn, arrays = TANGENTS[name]
    node = node_of(fn, arrays)
    of = node.primitive
    u = normal(7, *node.shape)
    for k, key in enumerate(of.inputs):
        t = normal(8 + k, *arrays[k].shape)
        tangent = np.broadcast_to(of.tangents[key](t, node.saved), node.shape)
        pulled = sum_to(of.pull(u, node.saved, k), arrays[k].shape)
        assert np.vdot(u, tangent) == pytest.approx(np.vdot(pulled, t), rel=1e-10)
        along = (t + np.swapaxes(t, -1, -2)) / 2 if of.name in ("cholesky", "eigh") else t

        def at(step, k=k, along=along):
            moved = [array + step * along if j == k else array for j, array in enumerate(arrays)]
            return np.asarray(of.forward(*moved, **node.settings)[0])

        np.testing.assert_allclose((at(1e-6) - at(-1e-6)) / 2e-6, tangent, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["eigh", "svd, high", "cholesky", "qr", "expm"])
def test_the_check_of_tangents_can_fail(name, monkeypatch):
    of = node_of(*TANGENTS[name]).primitive
    right = of.tangents["a"]
    monkeypatch.setitem(of.tangents, "a", lambda t, saved: right(t, saved) * np.linspace(1, 1.01, t.shape[-1]))
    with pytest.raises(AssertionError):
        test_tangents_are_slopes_and_the_transpose_of_the_rules(name)


def test_the_pseudo_inverse_along_matrices_of_one_rank():
    node = node_of(ops.pinv, [RANKED])
    along = RANKED @ normal(1, 3, 3) + normal(2, 4, 4) @ RANKED  # stays of rank 2 to first order
    tangent = node.primitive.tangents["a"](along, node.saved)

    def at(step):
        return np.linalg.pinv(
            (np.eye(4) + step * normal(2, 4, 4)) @ RANKED @ (np.eye(3) + step * normal(1, 3, 3)), 1e-10
        )

    np.testing.assert_allclose((at(1e-6) - at(-1e-6)) / 2e-6, tangent, atol=1e-6)
    u = normal(3, 3, 4)
    assert np.vdot(u, tangent) == pytest.approx(np.vdot(node.primitive.pull(u, node.saved, 0), along), rel=1e-10)


# Edges


def cofactors(a):
    n = len(a)
    minors = [np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) * (-1) ** (i + j) for i in range(n) for j in range(n)]
    return np.reshape(minors, a.shape)


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_the_gradient_of_the_determinant_is_the_cofactors_at_every_rank(rank):
    a = normal(0, 4, rank) @ normal(1, rank, 4)
    np.testing.assert_allclose(mg.grad(ops.det)(a), cofactors(a), atol=1e-12)
    batch = np.stack([a, np.eye(4)])
    np.testing.assert_allclose(mg.grad(lambda x: ops.det(x).sum())(batch)[1], np.eye(4), atol=1e-12)


def test_the_determinant_of_nan_leaves_other_matrices_alone():
    batch = np.stack([np.full((2, 2), np.nan), np.eye(2)])
    with np.errstate(invalid="ignore"):
        gradient = mg.grad(lambda x: ops.det(x).sum())(batch)
    assert np.isnan(gradient[0]).all()
    np.testing.assert_allclose(gradient[1], np.eye(2))


def test_the_sign_of_slogdet_is_a_constant():
    a = mg.Tensor(np.diag([2.0, -3.0]), requires_grad=True)
    with mg.Tape() as tape:
        sign, log = ops.slogdet(a)
        loss = sign * log
    assert sign.item() == -1 and not sign.requires_grad
    np.testing.assert_allclose(tape.gradients(loss, [a])[0], -np.diag([1 / 2, -1 / 3]))
    assert ops.slogdet(np.zeros((2, 2))).logabsdet.item() == -np.inf


def test_gradients_along_symmetric_matrices_are_symmetric():
    a = positive(0, (), 3)
    u = normal(1, 3, 3)
    for fn in (lambda x: (ops.cholesky(x) * u).sum(), lambda x: (ops.eigh(x)[1] * u).sum()):
        gradient = mg.grad(fn)(a)
        np.testing.assert_allclose(gradient, gradient.T, rtol=1e-10)


def test_functions_of_equal_eigenvalues_that_do_not_tell_them_apart():
    np.testing.assert_allclose(mg.grad(lambda a: ops.eigvalsh(a).sum())(np.eye(3)), np.eye(3))
    np.testing.assert_allclose(mg.grad(lambda a: ops.svd(a, compute_uv=False).sum())(np.eye(3)), np.eye(3))
    # Of low rank, and not square: the vectors of the zeros are asked of nothing.
    gradient = mg.grad(lambda a: ops.square(ops.svd(a, compute_uv=False)).sum())(RANKED)
    np.testing.assert_allclose(gradient, 2 * RANKED, atol=1e-12)


def test_a_product_of_all_factors_has_the_identity_as_its_derivative():
    a, u = normal(0, 4, 3), normal(1, 4, 3)

    def whole(x):
        u, s, vh = ops.svd(x, full_matrices=False)
        return (u * s) @ vh

    for fn in (whole, lambda x: ops.matmul(*ops.qr(x))):
        np.testing.assert_allclose(mg.vjp(fn, a)[1](u)[0], u, atol=1e-12)


def test_float32_and_integers():
    a = np.array([[2, 1], [1, 3]])
    for op in (ops.det, ops.inv, ops.cholesky, ops.eigvalsh, ops.pinv, ops.expm):
        assert op(a).dtype == np.float64
        assert op(a.astype(np.float32)).dtype == np.float32
        assert op(a.astype(np.float16)).dtype == np.float16
    assert ops.matrix_power(a, 0).dtype == np.float64


ONES = np.ones((2, 2))
EQUAL = "two (eigen|singular )values are equal"


@pytest.mark.parametrize(
    ("compute", "text"),
    [
        (lambda: ops.inv(ONES), r"inv: a matrix is singular: it has no inverse; .*np.eye.*\[shapes: a \(2, 2\)\]"),
        (lambda: ops.inv(np.stack([np.eye(2), ONES])), r"inv: a matrix is singular \(the first is at \(1,\) of"),
        (lambda: ops.solve(ONES, [1.0, 2.0]), "solve: a matrix is singular: .*pinv"),
        (lambda: ops.solve_triangular(np.diag([1.0, 0.0]), [1.0, 1.0]), "solve_triangular: .*0 stands on its diagonal"),
        (lambda: ops.solve_triangular(np.zeros((2, 2, 2)), ONES), "solve_triangular: .*0 stands on its diagonal"),
        (lambda: mg.grad(lambda a: ops.slogdet(a)[1])(ONES), "singular: .*log|det a| is −∞"),
        (lambda: ops.cholesky(-ONES), "cholesky: a matrix is not positive definite; .*multiple of the identity"),
        (lambda: ops.matrix_power(ONES, -2), "inv: a matrix is singular"),
        (lambda: mg.grad(lambda a: ops.qr(a)[1].sum())(ONES * 0), "singular: .*columns depend on each other"),
        (lambda: mg.grad(lambda a: ops.eigh(a)[1][0, 1])(np.eye(2)), EQUAL),
        (lambda: mg.grad(lambda a: ops.svd(a)[0][0, 1])(np.eye(2)), EQUAL),
        (lambda: mg.grad(lambda a: ops.svd(a, False)[0].sum())(np.eye(3, 2) * [1, 0]), "a singular value is 0"),
    ],
)  # fmt: skip
def test_where_there_is_no_value_or_derivative_an_error_teaches(compute, text):
    with pytest.raises(np.linalg.LinAlgError, match=text):
        compute()


@pytest.mark.parametrize(
    ("compute", "text"),
    [
        (lambda: ops.det(np.ones((2, 3))), r"det: a must have shape \(..., n, n\)"),
        (lambda: ops.matrix_power(np.ones(3), 2), r"a must have shape \(..., n, n\)"),
        (lambda: ops.svd(np.ones(3), compute_uv=False), r"svd: a must have shape \(..., m, n\)"),
        (lambda: ops.qr(np.ones(3)), r"qr: a must have shape \(..., m, n\)"),
        (lambda: ops.solve(np.eye(3), np.ones(2)), r"solve: b must have shape \(3,\) or \(..., 3, k\).*\[shapes: a "),
        (lambda: ops.solve(np.eye(3), 1.0), r"solve: b must have shape \(3,\)"),
        (lambda: ops.solve_triangular(np.eye(3), np.ones((2, 3))), r"solve_triangular: b must have shape \(3,\)"),
        (lambda: ops.solve_triangular(np.eye(3), np.ones(3), "C"), "trans='C' must be 0 or 'N'"),
        (lambda: ops.qr(np.ones((3, 2)), "complete"), "last 1 columns of a complete Q are an arbitrary basis"),
        (lambda: ops.qr(np.ones((3, 2)), "raw"), "mode='raw' is none of"),
        (lambda: ops.lstsq(np.ones((2, 3, 3)), np.ones(3)), r"lstsq: a must have shape \(m, n\), one matrix"),
        (lambda: ops.lstsq(np.ones((2, 3)), np.ones(3)), r"lstsq: b must have shape \(2,\) or \(2, k\)"),
        (lambda: ops.svd(np.ones((2, 3))), "2×3 matrices, 1 columns .* pass full_matrices=False"),
    ],
)
def test_wrong_arguments(compute, text):
    with pytest.raises(ValueError, match=text):
        compute()
    with pytest.raises(TypeError, match=r"matrix_power: n=0\.5 must be a whole number"):
        ops.matrix_power(np.eye(2), 0.5)


def test_flops_by_hand():
    """Of order n = 3, in a batch of 2: 2·27 units of n³; a solution with k = 4 columns is a third of that and more."""
    node = node_of(ops.inv, [matrices(0, (2,), 3)])
    assert node.primitive.forward_flops(node) == 2 * 2 * 27
    node = node_of(ops.solve, [matrices(0, (2,), 3), normal(1, 3, 4)])
    forward = 2 * (2 / 3 * 27 + 2 * 9 * 4)
    assert node.primitive.forward_flops(node) == pytest.approx(forward)
    assert node.primitive.backward_flops(node, 1, None) == pytest.approx(forward)
    assert node.primitive.backward_flops(node, 0, None) == pytest.approx(forward + 2 * 2 * 3 * 4 * 3)
    with mg.Tape() as tape:
        ops.cholesky(mg.Tensor(positive(0, (), 3), requires_grad=True))
    assert inspect.cost(tape).forward == 9
