"""Initialisers: the distributions they draw from."""

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import nn
from lamina.nn import init
from lamina.nn.inverse_erf import inverse_erf

SHAPE = (300, 200)  # fan-in 200, fan-out 300


def drawn(initializer, shape=SHAPE, dtype="float64"):
    la.random.seed(0)
    return initializer(shape, dtype=dtype).numpy()


# initialiser, variance, largest magnitude (None: normal)
DISTRIBUTIONS = {
    "uniform": (init.uniform(-2.0, 2.0), 16.0 / 12.0, 2.0),
    "normal": (init.normal(0.0, 3.0), 9.0, None),
    "xavier_uniform": (init.xavier_uniform(), 2.0 / 500.0, math.sqrt(6.0 / 500.0)),
    "xavier_normal with gain": (init.xavier_normal(2.0), 4.0 * 2.0 / 500.0, None),
    "kaiming_uniform": (init.kaiming_uniform(), 2.0 / 200.0, math.sqrt(6.0 / 200.0)),
    "kaiming_uniform of linear": (init.kaiming_uniform(math.sqrt(5.0)), 1.0 / 600.0, 1.0 / math.sqrt(200.0)),
    "kaiming_uniform fan_out": (init.kaiming_uniform(mode="fan_out"), 2.0 / 300.0, math.sqrt(6.0 / 300.0)),
    "kaiming_normal": (init.kaiming_normal(), 2.0 / 200.0, None),
    "kaiming_normal fan_out tanh": (
        init.kaiming_normal(mode="fan_out", nonlinearity="tanh"), 25.0 / 9.0 / 300.0, None,
    ),
    "lecun_uniform": (init.lecun_uniform(), 1.0 / 200.0, math.sqrt(3.0 / 200.0)),
    "lecun_normal": (init.lecun_normal(), 1.0 / 200.0, None),
}  # fmt: skip


@pytest.mark.parametrize(("initializer", "variance", "bound"), DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_mean_variance_and_distribution_are_as_stated(initializer, variance, bound):
    stats = pytest.importorskip("scipy.stats")
    values = drawn(initializer).ravel()
    error = math.sqrt(variance / values.size)
    assert abs(values.mean()) < 4.0 * error
    assert values.var() == pytest.approx(variance, rel=0.03)
    if bound is None:
        assert stats.kstest(values, stats.norm(0.0, math.sqrt(variance)).cdf).pvalue > 1e-3
    else:
        assert np.abs(values).max() <= bound
        assert stats.kstest(values, stats.uniform(-bound, 2.0 * bound).cdf).pvalue > 1e-3


def test_variances_are_pytorchs():
    torch = pytest.importorskip("torch")
    for name in ("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"):
        theirs = torch.empty(SHAPE, dtype=torch.float64)
        getattr(torch.nn.init, f"{name}_")(theirs)
        assert drawn(getattr(init, name)()).std() == pytest.approx(theirs.std().item(), rel=0.02)


@pytest.mark.parametrize(
    ("mean", "std", "low", "high"),
    [(0.0, 1.0, -2.0, 2.0), (1.0, 0.5, 0.0, 4.0), (0.0, 1.0, 3.0, 4.5), (2.0, 3.0, -50.0, 50.0)],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_truncated_normal_has_that_distribution(mean, std, low, high, dtype):
    stats = pytest.importorskip("scipy.stats")
    values = drawn(init.truncated_normal(mean, std, low, high), (40_000,), dtype).astype(np.float64)
    assert low <= values.min() <= values.max() <= high
    exact = stats.truncnorm((low - mean) / std, (high - mean) / std, mean, std)
    assert stats.kstest(values, exact.cdf).pvalue > 1e-3
    assert values.var() == pytest.approx(exact.var(), rel=0.05)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_truncated_normal_in_narrow_types_keeps_its_bounds(dtype):
    values = init.truncated_normal()((1000,), dtype=dtype)
    assert values.dtype.name == dtype
    assert np.abs(values.numpy().astype(np.float32)).max() <= 2.0


@given(st.floats(-1.0 + 1e-7, 1.0 - 1e-7))
@settings(deadline=None, max_examples=100)
def test_inverse_erf_is_scipys(x):
    special = pytest.importorskip("scipy.special")
    assert inverse_erf(la.asarray(np.array(x))).item() == pytest.approx(special.erfinv(x), rel=1e-9, abs=1e-15)
    narrow = np.float32(x)
    if abs(narrow) < 1.0 - 1e-6:
        assert inverse_erf(la.asarray(narrow)).item() == pytest.approx(
            special.erfinv(float(narrow)), rel=2e-5, abs=1e-30
        )


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (4, 2, 3), (1, 6)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orthogonal_has_orthonormal_rows_or_columns(shape, dtype):
    matrix = drawn(init.orthogonal(2.0), shape, dtype).reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4.0 * np.eye(len(product)), atol=1e-5 if dtype == "float32" else 1e-12)


def test_orthogonal_matrices_are_uniform():
    la.random.seed(0)
    determinants = [np.linalg.det(init.orthogonal()((3, 3), dtype="float64").numpy()) for _ in range(200)]
    assert 70 <= sum(each > 0 for each in determinants) <= 130
    entries = np.array([init.orthogonal()((3, 3), dtype="float64").numpy()[0, 0] for _ in range(500)])
    assert abs(entries.mean()) < 0.1
    assert entries.var() == pytest.approx(1.0 / 3.0, rel=0.15)


@pytest.mark.parametrize(
    ("initializer", "value"), [(init.zeros(), 0.0), (init.ones(), 1.0), (init.constant(-2.5), -2.5)]
)
def test_constants(initializer, value):
    made = initializer((2, 3), dtype="float64")
    assert made.dtype is la.float64
    np.testing.assert_array_equal(made.numpy(), np.full((2, 3), value))


@pytest.mark.parametrize("name", init.INITIALIZERS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_initialiser_makes_the_shape_and_type_asked_for(name, dtype):
    shape = (4, 3, 3) if name == "dirac" else (4, 3)
    made = init.INITIALIZERS[name]()(shape, dtype=dtype)
    assert (made.shape, made.dtype.name) == (shape, dtype)
    assert init.INITIALIZERS[name]()(shape).dtype is la.float32


@pytest.mark.parametrize("name", init.INITIALIZERS)
def test_a_seed_fixes_what_is_drawn(name):
    make, shape = init.INITIALIZERS[name], (4, 3, 3) if name == "dirac" else (4, 3)
    np.testing.assert_array_equal(drawn(make(), shape), drawn(make(), shape))


def test_initialisers_are_values():
    assert init.kaiming_normal(mode="fan_out") == init.kaiming_normal(mode="fan_out")
    assert repr(init.uniform(0.0, 2.0)) == "Uniform(low=0.0, high=2.0)"
    with pytest.raises(FrozenInstanceError):
        init.normal().std = 2.0


def test_glorot_and_he_are_xavier_and_kaiming():
    assert init.glorot_normal(2.0) == init.xavier_normal(2.0)
    assert init.he_uniform() == init.kaiming_uniform()


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4))
@settings(deadline=None, max_examples=25)
def test_fans_are_pytorchs(shape):
    torch = pytest.importorskip("torch")
    assert init.fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu"])
def test_gains_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: init.uniform(1.0, 0.0), ValueError, "low must not exceed high, got 1.0 and 0.0"),
        (lambda: init.normal(std=0.0), ValueError, "std must be positive and finite, got 0.0"),
        (lambda: init.truncated_normal(low=2.0, high=1.0), ValueError, "lies between 2.0 and 1.0"),
        (lambda: init.truncated_normal(low=6.0, high=7.0), ValueError, "no part of the distribution"),
        (lambda: init.kaiming_normal(mode="fan_avg"), ValueError, "mode must be .* got 'fan_avg'"),
        (
            lambda: init.kaiming_uniform(nonlinearity="gelu"),
            ValueError,
            "'gelu' is not in the table; use one of",
        ),
        (lambda: init.xavier_normal()((3,)), la.ShapeError, r"need a shape \[out, in, \.\.\.\], got \[3\]"),
        (lambda: init.orthogonal()((3,)), la.ShapeError, r"at least two axes, got \[3\]"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_an_initialiser_serves_any_variable():
    layer = nn.Linear(3, 2)
    layer.weight.assign(init.orthogonal()(layer.weight.shape))
    np.testing.assert_allclose(layer.weight.numpy() @ layer.weight.numpy().T, np.eye(2), atol=1e-6)


PATTERNS = [
    ("eye", {}, (3, 5)), ("eye", {}, (4, 2)), ("dirac", {}, (3, 4, 3)), ("dirac", {}, (4, 2, 3, 2)),
    ("dirac", {"groups": 2}, (6, 2, 3, 3)), ("dirac", {"groups": 3}, (3, 1, 2, 3, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "shape"), PATTERNS)
def test_identities_are_pytorchs(name, settings, shape):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn.init, f"{name}_")(torch.empty(shape, dtype=torch.float64), **settings)
    np.testing.assert_array_equal(drawn(getattr(init, name)(**settings), shape), theirs.numpy())


@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.9, 1.0])
def test_columns_have_as_many_zeros_as_pytorchs_and_normal_numbers_else(sparsity):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.init.sparse_(torch.empty(SHAPE), sparsity, std=2.0).numpy()
    values = drawn(init.sparse(sparsity, std=2.0))
    np.testing.assert_array_equal((values == 0.0).sum(axis=0), (theirs == 0.0).sum(axis=0))
    if sparsity < 1.0:
        assert values[values != 0.0].std() == pytest.approx(2.0, rel=0.05)
        zeros = (values == 0.0).sum(axis=1)
        assert sparsity == 0.0 or zeros.std() > 0.0  # in other rows of each column


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: init.eye(), (3,), "two axes, got .3."),
        (lambda: init.sparse(), (3, 3, 3), "two axes"),
        (lambda: init.dirac(), (3, 3), "three to five axes"),
        (lambda: init.dirac(2), (3, 3, 3), "3 outputs cannot be divided into 2 groups"),
        (lambda: init.dirac(0), (3, 3, 3), "groups is 0"),
        (lambda: init.sparse(1.5), (3, 3), "sparsity is 1.5; it is a number from 0 to 1"),
        (lambda: init.sparse(std=-1.0), (3, 3), "std is -1.0; it is a number from 0"),
    ],
)
def test_patterns_that_do_not_fit_are_refused(make, shape, message):
    with pytest.raises(la.errors.LaminaError, match=message):
        make()(shape)
