"""Derivatives of linear algebra against central differences and PyTorch, for batches and to second order."""

import numpy as np
import pytest

import lamina as la
from lamina.testing import check_gradients

linalg = la.linalg


def matrix(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def symmetric(x):
    return (x + x.mT) * 0.5


def positive(x):
    return x @ x.mT + la.eye(x.shape[-1], dtype=x.dtype)


def projection(vectors):
    return vectors @ vectors.mT


# Functions of a matrix that do not depend on the signs or the basis that a library chooses for vectors.
OF_SQUARE = {
    "inv": linalg.inv,
    "matrix_exp": linalg.matrix_exp,
    "det": linalg.det,
    "slogdet": lambda x: linalg.slogdet(x).logabsdet,
    "solve for the matrix": lambda x: linalg.solve(x, la.ones((3, 2), dtype=x.dtype)),
    "solve for a vector": lambda x: linalg.solve(x, x[..., 0, :].sum(axis=tuple(range(x.ndim - 2)))),
    "cholesky": lambda x: linalg.cholesky(positive(x)),
    "cholesky of the upper half": lambda x: linalg.cholesky(positive(x), upper=True),
    "eigvalsh": lambda x: linalg.eigvalsh(symmetric(x)),
    "eigenvectors": lambda x: projection(linalg.eigh(symmetric(x)).eigenvectors[..., :2]),
    "matrix square root": lambda x: (lambda w, v: (v * la.sqrt(w)[..., None, :]) @ v.mT)(*linalg.eigh(positive(x))),
    "matrix_power": lambda x: linalg.matrix_power(x, 3),
    "matrix_power of the inverse": lambda x: linalg.matrix_power(x, -2),
    "trace": linalg.trace,
}
OF_RECTANGULAR = {
    "svdvals": linalg.svdvals,
    "left vectors": lambda x: projection(linalg.svd(x, full_matrices=False).U[..., :1]),
    "right vectors": lambda x: projection(linalg.svd(x, full_matrices=False).Vh.mT[..., :1]),
    "svd as a whole": lambda x: (lambda u, s, vh: (u * (s * s)[..., None, :]) @ vh)(
        *linalg.svd(x, full_matrices=False)
    ),
    "left null space": lambda x: projection(linalg.svd(x).U[..., min(x.shape[-2:]) :]),
    "right null space": lambda x: projection(linalg.svd(x).Vh.mT[..., min(x.shape[-2:]) :]),
    "orthonormal factor": lambda x: projection(linalg.qr(x).Q[..., :1]) + (linalg.qr(x).Q ** 2)[..., :1],
    "triangular factor": lambda x: linalg.qr(x).R ** 2,
    "complete qr": lambda x: projection(linalg.qr(x, mode="complete").Q[..., min(x.shape[-2:]) :]),
    "pinv": linalg.pinv,
    "diagonal": lambda x: linalg.diagonal(x, offset=1),
    **{f"matrix_norm {each}": (lambda x, each=each: linalg.matrix_norm(x, ord=each))
       for each in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)},
    **{f"vector_norm {each}": (lambda x, each=each: linalg.vector_norm(x, axis=-1, ord=each))
       for each in (2, 1, 3, 0.5, -1, np.inf, -np.inf)},
}  # fmt: skip


def has_rest(name, shape):
    """A null space needs a matrix that is longer one way."""
    if name in ("left null space", "complete qr"):
        return shape[-2] > shape[-1]
    return name != "right null space" or shape[-1] > shape[-2]


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3)])
@pytest.mark.parametrize("name", OF_SQUARE)
def test_derivative_of_square_matrices_is_right_to_second_order(name, shape):
    check_gradients(OF_SQUARE[name], matrix(*shape, seed=3), order=2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2), (2, 2, 3)])
@pytest.mark.parametrize("name", OF_RECTANGULAR)
def test_derivative_of_matrices_is_right_to_second_order(name, shape):
    if has_rest(name, shape):
        check_gradients(OF_RECTANGULAR[name], matrix(*shape, seed=5), order=2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("unitriangular", [False, True])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("upper", [False, True])
def test_derivative_of_solve_triangular_is_right_to_second_order(upper, left, unitriangular):
    def solved(x, b):
        return linalg.solve_triangular(x, b, upper=upper, left=left, unitriangular=unitriangular)

    x = matrix(3, 3, seed=1) + 3.0 * np.eye(3)
    check_gradients(solved, x, matrix(*((2, 3, 2) if left else (2, 2, 3)), seed=2), order=2)


def test_derivative_of_solve_by_both_operands_sums_over_broadcast_batches():
    check_gradients(linalg.solve, matrix(3, 3, seed=1), matrix(2, 3, 2, seed=2), order=2)
    check_gradients(linalg.solve, matrix(2, 1, 3, 3, seed=1), matrix(2, 3, 2, seed=2))


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_derivative_of_pinv_at_lower_rank_is_that_at_constant_rank(shape):
    left, right = matrix(shape[0], 1, seed=1), matrix(1, shape[1], seed=2)
    check_gradients(lambda a, b: linalg.pinv(a @ b, rtol=1e-3), left, right, order=2, rtol=1e-4)


@pytest.mark.parametrize(
    "product",
    [linalg.cross, linalg.outer, la.vecdot, lambda a, b: la.tensordot(a, b, axes=0)],
    ids=["cross", "outer", "vecdot", "tensordot"],
)
def test_derivative_of_products(product):
    check_gradients(product, matrix(3, seed=1), matrix(3, seed=2), order=2)


# --- PyTorch, where a sign or a symmetric convention must agree ---

WITH_PYTORCH = {
    "inv": (linalg.inv, lambda t, x: t.linalg.inv(x)),
    "matrix_exp": (linalg.matrix_exp, lambda t, x: t.linalg.matrix_exp(x)),
    "det": (linalg.det, lambda t, x: t.linalg.det(x)),
    "slogdet": (lambda x: linalg.slogdet(x)[1], lambda t, x: t.linalg.slogdet(x)[1]),
    "solve_triangular": (
        lambda x: linalg.solve_triangular(x, x.mT, upper=True, left=False),
        lambda t, x: t.linalg.solve_triangular(x, x.mT, upper=True, left=False),
    ),
    "solve_triangular with ones": (
        lambda x: linalg.solve_triangular(x, x.mT, upper=False, unitriangular=True),
        lambda t, x: t.linalg.solve_triangular(x, x.mT, upper=False, unitriangular=True),
    ),
    "cholesky": (lambda x: linalg.cholesky(positive(x)), lambda t, x: t.linalg.cholesky(x @ x.mT + t.eye(4))),
    "eigvalsh": (lambda x: linalg.eigvalsh(symmetric(x)), lambda t, x: t.linalg.eigvalsh((x + x.mT) / 2)),
    "eigenvectors": (
        lambda x: linalg.eigh(symmetric(x))[1] ** 2,
        lambda t, x: t.linalg.eigh((x + x.mT) / 2)[1] ** 2,
    ),
    "svdvals": (linalg.svdvals, lambda t, x: t.linalg.svdvals(x)),
    "left vectors": (lambda x: linalg.svd(x)[0] ** 2, lambda t, x: t.linalg.svd(x)[0] ** 2),
    "Q": (lambda x: linalg.qr(x)[0], lambda t, x: t.linalg.qr(x)[0]),
    "R": (lambda x: linalg.qr(x)[1], lambda t, x: t.linalg.qr(x)[1]),
    "pinv": (linalg.pinv, lambda t, x: t.linalg.pinv(x)),
}


@pytest.mark.parametrize("name", WITH_PYTORCH)
def test_gradient_is_pytorchs(name):
    torch = pytest.importorskip("torch")
    ours, theirs = WITH_PYTORCH[name]
    x = matrix(2, 4, 4, seed=7)
    t = torch.tensor(x, requires_grad=True)
    with torch.autograd.set_grad_enabled(True):
        y = theirs(torch, t)
    weights = matrix(*y.shape, seed=8)
    (y * torch.tensor(weights)).sum().backward()
    value, pullback = la.vjp(ours, la.asarray(x))
    np.testing.assert_allclose(value.numpy(), y.detach().numpy(), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(pullback(la.asarray(weights))[0].numpy(), t.grad.numpy(), rtol=1e-7, atol=1e-9)


# --- singular points ---


@pytest.mark.parametrize("ord", [2, 1, 3, 1.5, 0.5, 0, -1, np.inf, -np.inf])
def test_gradient_of_a_vector_norm_at_zero_is_zero(ord):
    assert la.grad(lambda x: linalg.vector_norm(x, ord=ord))(la.zeros(3)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_gradient_of_a_matrix_norm_at_zero_is_zero(ord):
    assert la.grad(lambda x: linalg.matrix_norm(x, ord=ord))(la.zeros((2, 3))).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("ord", [3, 1.5])
def test_gradient_of_a_norm_has_no_nan_where_an_element_is_zero(ord):
    check_gradients(lambda x: linalg.vector_norm(x + la.asarray([0.0, 1.0, -2.0]), ord=ord), np.zeros(3))


COFACTOR_CASES = {
    "rank 2": [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]],
    "rank 2 by rounding": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]],
    "rank 1": [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]],
    "zero": [[0.0] * 3] * 3,
    "identity": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
}


@pytest.mark.parametrize("name", COFACTOR_CASES)
def test_gradient_of_det_is_the_cofactors_of_singular_matrices_too(name):
    check_gradients(linalg.det, COFACTOR_CASES[name], atol=1e-8)


def test_gradient_of_det_in_a_batch_with_singular_matrices():
    check_gradients(linalg.det, np.stack([np.asarray(case) for case in COFACTOR_CASES.values()]), atol=1e-8)


def test_second_derivative_of_det_at_the_identity():
    check_gradients(linalg.det, COFACTOR_CASES["identity"], order=2)


def test_singular_matrix_masked_out_of_slogdet_has_no_gradient():
    x = la.asarray([[[2.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    g = la.grad(lambda x: la.where(la.asarray([True, False]), linalg.slogdet(x).logabsdet, 0.0).sum())(x)
    assert g.tolist() == [[[0.5, 0.0], [0.0, 0.25]], [[0.0, 0.0], [0.0, 0.0]]]


def test_eigenvalues_that_coincide_have_a_gradient_and_their_vectors_do_not():
    identity = la.eye(3, dtype="float64")
    assert la.grad(lambda x: linalg.eigvalsh(x).sum())(identity).tolist() == identity.tolist()
    g = la.grad(lambda x: linalg.eigh(x).eigenvectors[0, 1])(identity)
    assert not la.any(la.isfinite(g))


def test_vectors_of_a_distinct_eigenvalue_have_a_gradient_beside_ones_that_coincide():
    x = np.diag([1.0, 2.0, 2.0])
    check_gradients(lambda x: projection(linalg.eigh(symmetric(x)).eigenvectors[:, :1]), x)


def test_gradient_of_pinv_at_an_orthogonal_matrix_is_finite():
    check_gradients(linalg.pinv, np.eye(3))
    check_gradients(linalg.pinv, np.eye(3)[:, :2])


def test_gradients_of_empty_matrices_are_empty():
    x = la.zeros((0, 2, 2), dtype="float64")
    for f in (linalg.inv, linalg.det, linalg.svdvals, linalg.pinv, linalg.matrix_norm):
        assert la.grad(lambda x, f=f: f(x).sum())(x).shape == (0, 2, 2)


def test_gradient_by_an_unused_result_is_zero():
    x = la.asarray(matrix(3, 3), dtype="float64")
    assert la.grad(lambda x: linalg.slogdet(x).sign)(x).tolist() == [[0.0] * 3] * 3
