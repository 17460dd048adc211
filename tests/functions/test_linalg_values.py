"""Linear algebra against NumPy, on batches of matrices."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import lamina as la

few = settings(deadline=None, max_examples=25)
DEVICES = ["cpu", "strict"]
batches = hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3) | st.just(())


def matrix(shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


@st.composite
def square(draw):
    size = draw(st.integers(1, 4))
    return matrix((*draw(batches), size, size), draw(st.integers(0, 99)))


@st.composite
def rectangular(draw):
    return matrix((*draw(batches), draw(st.integers(1, 4)), draw(st.integers(1, 4))), draw(st.integers(0, 99)))


def positive(x):
    return x @ np.swapaxes(x, -1, -2) + np.eye(x.shape[-1])


def assert_close(found, expected, dtype=None):
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-9)


OF_SQUARE = {
    "inv": lambda xp, x: xp.linalg.inv(x),
    "det": lambda xp, x: xp.linalg.det(x),
    "trace": lambda xp, x: xp.linalg.trace(x),
    "trace beside the diagonal": lambda xp, x: xp.linalg.trace(x, offset=-1),
    "matrix_power": lambda xp, x: xp.linalg.matrix_power(x, 5),
    "matrix_power of zero": lambda xp, x: xp.linalg.matrix_power(x, 0),
    "matrix_power of the inverse": lambda xp, x: xp.linalg.matrix_power(x, -2),
}
OF_RECTANGULAR = {
    "svdvals": lambda xp, x: xp.linalg.svdvals(x),
    "diagonal": lambda xp, x: xp.linalg.diagonal(x),
    "diagonal above": lambda xp, x: xp.linalg.diagonal(x, offset=1),
    "diagonal below": lambda xp, x: xp.linalg.diagonal(x, offset=-2),
    "diagonal beyond": lambda xp, x: xp.linalg.diagonal(x, offset=9),
    "matrix_transpose": lambda xp, x: xp.linalg.matrix_transpose(x),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", OF_SQUARE)
@given(x=square())
@few
def test_function_of_square_matrices_is_numpys(name, device, x):
    assert_close(OF_SQUARE[name](la, la.asarray(x, device=device)), OF_SQUARE[name](np, x))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", OF_RECTANGULAR)
@given(x=rectangular())
@few
def test_function_of_matrices_is_numpys(name, device, x):
    assert_close(OF_RECTANGULAR[name](la, la.asarray(x, device=device)), OF_RECTANGULAR[name](np, x))


@pytest.mark.parametrize("device", DEVICES)
@given(x=rectangular())
@few
def test_pinv_and_rank_are_numpys(device, x):
    t = la.asarray(x, device=device)
    assert_close(la.linalg.pinv(t), np.linalg.pinv(x) if x.size else np.zeros(np.swapaxes(x, -1, -2).shape))
    np.testing.assert_array_equal(la.linalg.matrix_rank(t).numpy(), np.linalg.matrix_rank(x))


@pytest.mark.parametrize("device", DEVICES)
@given(x=square(), columns=st.integers(0, 3))
@few
def test_solve_is_numpys_and_batches_broadcast(device, x, columns):
    b = matrix((*x.shape[:-1], columns), 1)
    t = la.asarray(x, device=device)
    assert_close(la.linalg.solve(t, la.asarray(b, device=device)), np.linalg.solve(x, b))
    one = matrix((x.shape[-1], 2), 2)
    assert_close(la.linalg.solve(t, la.asarray(one, device=device)), np.linalg.solve(x, one))
    vector = matrix((x.shape[-1],), 3)
    assert_close(la.linalg.solve(t, la.asarray(vector, device=device)), np.linalg.solve(x, vector))


TRIANGLES = [(upper, left, unit) for upper in (False, True) for left in (False, True) for unit in (False, True)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("upper", "left", "unitriangular"), TRIANGLES)
@pytest.mark.parametrize(
    ("batch", "size", "others"), [((), 3, 2), ((2, 1), 4, 1), ((0,), 2, 2), ((), 150, 3), ((3,), 0, 2)]
)
def test_solve_triangular_is_pytorchs(device, upper, left, unitriangular, batch, size, others):
    torch = pytest.importorskip("torch")
    # Divided, so that the inverse of a large triangle with a diagonal of ones does not explode.
    x = matrix((*batch, size, size), 1) / max(size, 1) + 2.0 * np.eye(size)
    b = matrix((3, size, others) if left else (3, others, size), 2)[: 0 if 0 in batch else 3]
    options = {"upper": upper, "left": left, "unitriangular": unitriangular}
    found = la.linalg.solve_triangular(la.asarray(x, device=device), la.asarray(b, device=device), **options)
    assert_close(found, torch.linalg.solve_triangular(torch.tensor(x), torch.tensor(b), **options).numpy())


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_solve_triangular_of_a_vector_reads_one_triangle(upper, left):
    x = np.tril(matrix((4, 4), 3)) + 2.0 * np.eye(4)
    x = x.T if upper else x
    other = np.triu(np.full((4, 4), np.nan), 1)
    given, b = x + np.where(np.isnan(other.T if upper else other), np.nan, 0.0), matrix((4,), 4)
    found = la.linalg.solve_triangular(la.asarray(given), la.asarray(b), upper=upper, left=left)
    assert_close(found, np.linalg.solve(x if left else x.T, b))


@pytest.mark.parametrize("device", DEVICES)
@given(x=square())
@few
def test_cholesky_eigh_and_slogdet_are_numpys(device, x):
    x = positive(x)
    t = la.asarray(x, device=device)
    assert_close(la.linalg.cholesky(t), np.linalg.cholesky(x))
    assert_close(la.linalg.cholesky(t, upper=True), np.swapaxes(np.linalg.cholesky(x), -1, -2))
    assert_close(la.linalg.eigvalsh(t), np.linalg.eigvalsh(x))
    values, vectors = la.linalg.eigh(t)
    assert_close((vectors * values[..., None, :]) @ vectors.mT, x)
    sign, logarithm = la.linalg.slogdet(t)
    assert_close(sign, np.linalg.slogdet(x).sign)
    assert_close(logarithm, np.linalg.slogdet(x).logabsdet)


@pytest.mark.parametrize("mode", ["reduced", "complete"])
@given(x=rectangular())
@few
def test_qr_factors_multiply_to_the_matrix(mode, x):
    found = la.linalg.qr(la.asarray(x), mode=mode)
    for ours, numpys in zip(found, np.linalg.qr(x, mode=mode), strict=True):
        assert_close(ours, numpys)
    assert found._fields == ("Q", "R")


@pytest.mark.parametrize("full_matrices", [True, False])
@given(x=rectangular())
@few
def test_svd_factors_are_numpys(full_matrices, x):
    found = la.linalg.svd(la.asarray(x), full_matrices=full_matrices)
    for ours, numpys in zip(found, np.linalg.svd(x, full_matrices=full_matrices), strict=True):
        assert_close(ours, numpys)
    assert found._fields == ("U", "S", "Vh")


# --- norms ---

ORDERS = [2, 1, 0, 3, 0.5, 2.5, -1, -2, np.inf, -np.inf]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ord", ORDERS)
@given(data=st.data())
@few
def test_vector_norm_is_numpys(ord, device, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3))
    x = data.draw(hnp.arrays("float64", shape, elements=st.sampled_from([-2.0, 0.0, 0.5, 3.0])))
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | st.just(tuple(range(x.ndim))))
    keepdims = data.draw(st.booleans())
    with np.errstate(divide="ignore"):
        expected = np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)
    assert_close(la.linalg.vector_norm(la.asarray(x, device=device), axis=axis, keepdims=keepdims, ord=ord), expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
@given(x=rectangular(), keepdims=st.booleans())
@few
def test_matrix_norm_is_numpys(ord, device, x, keepdims):
    expected = np.linalg.matrix_norm(x, keepdims=keepdims, ord=ord)
    assert_close(la.linalg.matrix_norm(la.asarray(x, device=device), keepdims=keepdims, ord=ord), expected)


# --- products ---


@pytest.mark.parametrize(("first", "second"), [((2, 2), (3,)), ((3,), (4,)), ((3,), (5, 2, 2)), ((2, 3, 4), (5, 4, 2))])
def test_matmul_names_the_shapes_it_was_given(first, second):
    with pytest.raises(la.ShapeError, match=re.escape(str(list(first))) + " and " + re.escape(str(list(second)))):
        la.ones(first) @ la.ones(second)


@pytest.mark.parametrize("device", DEVICES)
@given(data=st.data())
@few
def test_matmul_broadcasts_batches_and_takes_vectors(device, data):
    shapes = data.draw(hnp.mutually_broadcastable_shapes(signature="(m?,n),(n,p?)->(m?,p?)", max_dims=2, max_side=3))
    a, b = (matrix(shape, seed) for seed, shape in enumerate(shapes.input_shapes))
    assert_close(la.asarray(a, device=device) @ la.asarray(b, device=device), a @ b)


@given(data=st.data())
@few
def test_vecdot_and_outer_are_numpys(data):
    shapes = data.draw(hnp.mutually_broadcastable_shapes(signature="(n),(n)->()", max_dims=2, max_side=3))
    a, b = (matrix(shape, seed) for seed, shape in enumerate(shapes.input_shapes))
    assert_close(la.vecdot(la.asarray(a), la.asarray(b)), np.vecdot(a, b))
    flat, other = a.ravel(), b.ravel()
    assert_close(la.linalg.outer(la.asarray(flat), la.asarray(other)), np.outer(flat, other))


@pytest.mark.parametrize("axes", [0, 1, 2, ((0, 2), (2, 0)), ((-1,), (0,))])
def test_tensordot_is_numpys(axes):
    a, b = matrix((2, 3, 4), 0), matrix((4, 3, 2) if axes != 2 else (3, 4, 2), 1)
    assert_close(la.tensordot(la.asarray(a), la.asarray(b), axes=axes), np.tensordot(a, b, axes=axes))


@pytest.mark.parametrize(("first", "second", "axis"), [((3,), (3,), -1), ((2, 3), (3,), -1), ((3, 4), (3, 4), 0)])
def test_cross_is_numpys(first, second, axis):
    a, b = matrix(first, 0), matrix(second, 1)
    assert_close(la.linalg.cross(la.asarray(a), la.asarray(b), axis=axis), np.linalg.cross(a, b, axis=axis))


# --- the exponential ---


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-5), ("float64", 1e-12)])
def test_matrix_exp_of_a_batch_of_small_and_large_matrices_is_pytorchs(device, dtype, rtol):
    torch = pytest.importorskip("torch")
    skew = np.tril(matrix((5, 4, 4), 3), -1)
    x = ((skew - np.swapaxes(skew, -1, -2)) * np.asarray([0, 1e-3, 1.0, 9.0, 70.0])[:, None, None]).astype(dtype)
    x[0, 0, 1] = 5.0
    found, expected = la.linalg.matrix_exp(la.asarray(x, device=device)).numpy(), torch.linalg.matrix_exp
    np.testing.assert_allclose(found, expected(torch.tensor(x, dtype=torch.float64)).numpy(), rtol=rtol, atol=20 * rtol)


@pytest.mark.parametrize("device", DEVICES)
def test_matrix_exp_at_the_edges(device):
    number, empty = la.asarray([[[3.0]], [[-20.0]]], device=device), la.zeros((0, 2, 2), device=device)
    np.testing.assert_allclose(la.linalg.matrix_exp(number).numpy().ravel(), np.exp([3.0, -20.0]), rtol=1e-5)
    assert la.linalg.matrix_exp(empty).shape == (0, 2, 2)
    assert la.linalg.matrix_exp(la.zeros((2, 0, 0), device=device)).shape == (2, 0, 0)
    strange = la.asarray([[[np.nan, 1.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]], device=device)
    found = la.linalg.matrix_exp(strange).numpy()
    assert np.isnan(found[0]).any()
    assert (found[1] == np.eye(2)).all()


# --- types and errors ---


@pytest.mark.parametrize(
    "name", ["inv", "det", "matrix_exp", "cholesky", "eigvalsh", "svdvals", "pinv", "vector_norm", "matrix_norm"]
)
@pytest.mark.parametrize(
    ("dtype", "expected"), [("int32", "float32"), ("float16", "float16"), ("bfloat16", "bfloat16")]
)
def test_integers_become_float32_and_narrow_floats_stay(name, dtype, expected):
    found = getattr(la.linalg, name)(la.asarray([[2, 0], [0, 4]], dtype=dtype))
    assert found.dtype.name == expected
    assert la.all(la.isfinite(found))


@pytest.mark.parametrize(("ord", "expected"), [(2, 500.0), (3, 449.75), (1, 700.0), (math.inf, 400.0)])
def test_norm_of_narrow_floats_is_finite_where_their_powers_are_not(ord, expected):
    x = la.asarray([300.0, 400.0], dtype="float16")
    assert la.linalg.vector_norm(x, ord=ord).item() == expected
    assert la.all(la.grad(lambda x: la.linalg.vector_norm(x, ord=ord))(x)[1:] > 0)


@pytest.mark.parametrize("ord", [1, 2, math.inf])
def test_norm_of_nothing_is_zero(ord):
    assert la.linalg.vector_norm(la.ones((3, 0)), axis=1, ord=ord).tolist() == [0.0] * 3
    assert la.linalg.matrix_norm(la.ones((2, 0, 3)), ord=ord).tolist() == [0.0] * 2


def test_solve_promotes_its_operands():
    a, b = la.eye(2, dtype="float16"), la.ones((2, 1), dtype="float64")
    assert la.linalg.solve(a, b).dtype is la.float64
    assert la.linalg.solve_triangular(a, b, upper=True).dtype is la.float64
    assert la.linalg.solve_triangular(a, a, upper=True).dtype is la.float16


@pytest.mark.parametrize("device", DEVICES)
def test_a_zero_on_the_diagonal_of_a_triangle_is_named(device):
    x = la.asarray([[1.0, 2.0], [0.0, 0.0]], device=device)
    with pytest.raises(la.DataError, match=r"solve_triangular: a matrix has a zero on its diagonal"):
        la.linalg.solve_triangular(x, x, upper=True)
    assert la.linalg.solve_triangular(x, x, upper=True, unitriangular=True).shape == (2, 2)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["inv", "solve", "matrix_power"])
def test_singular_matrix_is_named_with_the_remedy(name, device):
    x = la.zeros((2, 2), device=device)
    call = {
        "inv": lambda: la.linalg.inv(x),
        "solve": lambda: la.linalg.solve(x, x),
        "matrix_power": lambda: la.linalg.matrix_power(x, -1),
    }[name]
    with pytest.raises(la.DataError, match=r"a matrix is singular.*linalg\.pinv.*float32\[2, 2\]"):
        call()


def test_other_failures_of_the_values_are_named():
    with pytest.raises(la.DataError, match="cholesky: a matrix is not positive definite"):
        la.linalg.cholesky(la.asarray([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(la.DataError, match=r"svd: .*NaN or infinity"):
        la.linalg.svdvals(la.full((2, 2), float("nan")))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: la.linalg.inv(la.ones((2, 3))), la.ShapeError, r"inv: expected square matrices, got shape \[2, 3\]"),
        (lambda: la.linalg.svd(la.ones(3)), la.ShapeError, "svd: expected matrices"),
        (lambda: la.linalg.solve(la.eye(2), la.ones(3)), la.ShapeError, "solve: .*does not fit"),
        (
            lambda: la.linalg.solve_triangular(la.eye(2), la.ones((2, 3)), upper=True, left=False),
            la.ShapeError,
            "solve_triangular: .*does not fit",
        ),
        (lambda: la.linalg.qr(la.eye(2), mode="raw"), ValueError, "mode must be"),
        (lambda: la.linalg.matrix_norm(la.eye(2), ord=3), ValueError, "ord must be"),
        (lambda: la.linalg.cross(la.ones(2), la.ones(2)), la.ShapeError, "3 elements along axis -1"),
        (lambda: la.linalg.diagonal(la.ones(2)), la.ShapeError, "diagonal: expected at least two axes"),
        (lambda: la.linalg.outer(la.ones((2, 2)), la.ones(2)), la.ShapeError, "expected two vectors"),
        (lambda: la.vecdot(la.ones(2), la.ones(3)), la.ShapeError, "differ in length"),
        (lambda: la.tensordot(la.ones((2, 3)), la.ones((4, 2)), axes=1), la.ShapeError, "differ in length"),
        (lambda: la.ones((2, 3)) @ la.ones((2, 3)), la.ShapeError, r"transpose one with \.mT"),
        (lambda: la.ones(()) @ la.ones(2), la.ShapeError, r"multiply with \*"),
    ],
)
def test_linalg_error_names_the_shapes(call, error, words):
    with pytest.raises(error, match=words):
        call()
