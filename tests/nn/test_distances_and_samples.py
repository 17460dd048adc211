"""Lengths, distances, dropout as functions and samples of categories, against PyTorch where it has the same numbers."""

import math

import numpy as np
import pytest

import lamina as la
from lamina import nn

X = np.random.default_rng(0).normal(size=(5, 4))
WITH_ZEROS = np.where(np.arange(20).reshape(5, 4) < 4, 0.0, X)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5, math.inf])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_vectors_of_length_one_are_pytorchs(p, axis, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    assert_same_as_pytorch(lambda x: nn.normalize(x, p, axis), lambda x: functional.normalize(x, p, axis), X)


def test_a_vector_of_zeros_stays_zero_with_a_finite_gradient(assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    assert_same_as_pytorch(lambda x: nn.normalize(x, eps=0.5), lambda x: functional.normalize(x, eps=0.5), WITH_ZEROS)


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.5, math.inf])
@pytest.mark.parametrize("x", [X, X[:2], X[:1], X[:0]], ids=lambda x: str(len(x)))
def test_distances_of_all_pairs_are_pytorchs(p, x):
    torch = pytest.importorskip("torch")
    found, expected = nn.pdist(la.asarray(x), p), torch.nn.functional.pdist(torch.tensor(x), p)
    assert found.shape == tuple(expected.shape)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
def test_gradients_of_distances_of_all_pairs_are_pytorchs(p, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    assert_same_as_pytorch(lambda x: nn.pdist(x, p), lambda x: functional.pdist(x, p), X)


@pytest.mark.parametrize(
    "shapes",
    [((2, 3, 5), (4, 5), (4,)), ((2, 3, 5), (4, 5)), ((5,), (4, 5), (4,)), ((0, 5), (4, 5), (4,)), ((3, 5), (5,))],
)
def test_an_affine_map_is_pytorchs(shapes, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    arrays = [np.random.default_rng(at).normal(size=shape) for at, shape in enumerate(shapes)]
    assert_same_as_pytorch(nn.linear, functional.linear, *arrays)


# The function, the shape of an input, and that of the elements which are dropped together.
DROPOUT = [
    ("dropout", (60, 50), (60, 50)),
    ("dropout1d", (60, 50, 3), (60, 50, 1)),
    ("dropout2d", (60, 50, 3, 2), (60, 50, 1, 1)),
    ("dropout3d", (60, 50, 1, 3, 2), (60, 50, 1, 1, 1)),
    ("alpha_dropout", (60, 50), (60, 50)),
    ("feature_alpha_dropout", (60, 50, 3), (60, 50, 1)),
]


@pytest.mark.parametrize(("name", "shape", "drawn"), DROPOUT)
def test_dropped_parts_and_what_is_left_have_pytorchs_values(name, shape, drawn):
    torch = pytest.importorskip("torch")
    function, x = getattr(nn, name), la.ones(shape, dtype="float64")
    y = function(x, 0.3, training=True).numpy()
    first = y[tuple(slice(0, size) for size in drawn)]
    np.testing.assert_array_equal(y, np.broadcast_to(first, shape))
    theirs = getattr(torch.nn.functional, name)(torch.ones(shape, dtype=torch.float64), 0.3, training=True).numpy()
    np.testing.assert_allclose(np.unique(y), np.unique(theirs.round(12)), atol=1e-11)
    assert abs((first == first.min()).mean() - 0.3) < 0.05
    assert function(x, 0.3, training=False) is x
    np.testing.assert_array_equal(function(x, 1.0, training=True).numpy(), np.zeros(shape))


def test_layers_and_functions_of_dropout_draw_the_same_numbers():
    x = la.ones((4, 5, 6))
    for layer, function in [
        (nn.Dropout(0.4), nn.dropout), (nn.Dropout1d(0.4), nn.dropout1d), (nn.AlphaDropout(0.4), nn.alpha_dropout),
        (nn.FeatureAlphaDropout(0.4), nn.feature_alpha_dropout),
    ]:  # fmt: skip
        la.random.seed(3)
        one = layer(x)
        la.random.seed(3)
        np.testing.assert_array_equal(one.numpy(), function(x, 0.4, training=True).numpy())
        assert layer.eval()(x) is x


def test_channels_are_dropped_with_mean_and_variance_kept():
    x = la.random.Generator(0).normal((400, 50, 8), dtype="float64")
    y = nn.FeatureAlphaDropout(0.2)(x).numpy()
    np.testing.assert_allclose([y.mean(), y.var()], [0.0, 1.0], atol=0.05)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_largest_of_a_sample_is_each_category_as_often_as_its_probability(compiled):
    logits = np.log([[0.5, 0.2, 0.3]])
    draw = lambda x: nn.gumbel_softmax(x, tau=0.5, hard=True)  # noqa: E731
    found = (la.compile(draw) if compiled else draw)(la.asarray(np.repeat(logits, 20000, 0))).numpy()
    assert set(np.unique(found)) <= {0.0, 1.0}
    np.testing.assert_allclose(found.sum(1), 1.0)
    np.testing.assert_allclose(found.mean(0), [0.5, 0.2, 0.3], atol=0.012)


def test_hard_samples_have_the_gradient_of_soft_ones():
    x, c = la.variable(X), la.asarray(np.random.default_rng(1).normal(size=X.shape))
    gradients = []
    for hard in (False, True):
        la.random.seed(5)
        gradients.append((nn.gumbel_softmax(x, 0.7, hard, axis=0) * c).sum().backward()[x].numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-12)
    assert abs(gradients[0]).max() > 0.0


def test_the_temperature_is_one_when_not_given():
    draws = []
    for options in ({}, {"tau": 1.0}):
        la.random.seed(5)
        draws.append(nn.gumbel_softmax(la.asarray(X), **options).numpy())
    np.testing.assert_array_equal(*draws)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_samples_are_finite_in_every_type(dtype):
    y = nn.gumbel_softmax(la.zeros((2000, 8), dtype=dtype))
    assert y.dtype.name == dtype
    assert la.isfinite(y).all()


def test_what_does_not_fit_is_said():
    with pytest.raises(la.DataError, match="gumbel_softmax: the temperature tau is positive, got 0"):
        nn.gumbel_softmax(la.zeros(3), 0)
    with pytest.raises(la.ShapeError, match=r"pdist: expected rows \[n, d\], got shape \[3\]"):
        nn.pdist(la.zeros(3))
    with pytest.raises(la.DataError, match=r"pdist: p is zero, positive or math\.inf, got -1"):
        nn.pdist(la.zeros((3, 2)), -1)
    with pytest.raises(la.DataError, match="dropout: p is the probability"):
        nn.dropout(la.zeros(3), 1.5)
    with pytest.raises(la.ShapeError, match=r"feature_alpha_dropout: expected \[n, channels, ...\], got shape \[3\]"):
        nn.feature_alpha_dropout(la.zeros(3))
    with pytest.raises(la.ShapeError, match=r"linear: an input .* got shapes \[3\] and \[2, 4\]"):
        nn.linear(la.zeros(3), la.zeros((2, 4)))
