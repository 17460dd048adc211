"""Activations as layers and functions, against PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import nn

# layer, the same in PyTorch, its repr
TABLE = [
    (nn.ReLU(), lambda t: t.ReLU(), "ReLU()"),
    (nn.LeakyReLU(), lambda t: t.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"),
    (nn.LeakyReLU(0.3), lambda t: t.LeakyReLU(0.3), "LeakyReLU(negative_slope=0.3)"),
    (nn.ELU(), lambda t: t.ELU(), "ELU(alpha=1.0)"),
    (nn.ELU(0.5), lambda t: t.ELU(0.5), "ELU(alpha=0.5)"),
    (nn.SELU(), lambda t: t.SELU(), "SELU()"),
    (nn.GELU(), lambda t: t.GELU(), "GELU(approximate='none')"),
    (nn.GELU("tanh"), lambda t: t.GELU("tanh"), "GELU(approximate='tanh')"),
    (nn.SiLU(), lambda t: t.SiLU(), "SiLU()"),
    (nn.Mish(), lambda t: t.Mish(), "Mish()"),
    (nn.Sigmoid(), lambda t: t.Sigmoid(), "Sigmoid()"),
    # PyTorch's own hard sigmoid has a slope of 1/6 in float32 also in float64.
    (nn.HardSigmoid(), lambda t: lambda x: t.functional.relu6(x + 3.0) / 6.0, "HardSigmoid()"),
    (nn.Tanh(), lambda t: t.Tanh(), "Tanh()"),
    (nn.Softplus(), lambda t: t.Softplus(), "Softplus(beta=1.0)"),
    (nn.Softplus(2.5), lambda t: t.Softplus(2.5), "Softplus(beta=2.5)"),
    (nn.Softsign(), lambda t: t.Softsign(), "Softsign()"),
    (nn.Softmax(), lambda t: t.Softmax(-1), "Softmax(axis=-1)"),
    (nn.Softmax(0), lambda t: t.Softmax(0), "Softmax(axis=0)"),
    (nn.LogSoftmax(), lambda t: t.LogSoftmax(-1), "LogSoftmax(axis=-1)"),
    (nn.LogSoftmax(0), lambda t: t.LogSoftmax(0), "LogSoftmax(axis=0)"),
]
LAYERS = [layer for layer, _, _ in TABLE]
EVERY = pytest.mark.parametrize(("layer", "same"), [row[:2] for row in TABLE], ids=map(repr, LAYERS))
FUNCTIONS = [name for name in nn.ACTIVATIONS if "softmax" not in name]

# PyTorch's softplus is x from beta * x = 20 on, which is 2e-9 from the function; ours is the function.
TOLERANCE = {"Softplus": 3e-9}


def compare(layer, same, x, cotangent):
    """Compare values and gradients with PyTorch's, in float64."""
    torch = pytest.importorskip("torch")
    ours, theirs = la.variable(x), torch.tensor(x, requires_grad=True)
    y, expected = layer(ours), same(torch.nn)(theirs)
    expected.backward(torch.tensor(cotangent))
    gradient = y.backward(la.asarray(cotangent))[ours]
    atol = TOLERANCE.get(type(layer).__name__, 1e-13)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-12, atol=atol)
    np.testing.assert_allclose(gradient.numpy(), theirs.grad.numpy(), rtol=1e-11, atol=atol)


@EVERY
@given(st.lists(st.floats(-30.0, 30.0), min_size=6, max_size=6), st.integers(0, 2**31))
@settings(deadline=None, max_examples=25)
def test_values_and_gradients_are_pytorchs(layer, same, values, seed):
    x = np.reshape(values, (2, 3))
    # PyTorch counts the corners of the hard sigmoid as flat; both are subgradients there.
    x = np.where(np.abs(x) == 3.0, 2.5, x) if isinstance(layer, nn.HardSigmoid) else x
    compare(layer, same, x, np.random.default_rng(seed).normal(size=(2, 3)))


@EVERY
def test_values_and_gradients_are_pytorchs_at_zero_and_for_large_inputs(layer, same):
    x = np.array([[0.0, -0.0, 1e-300, -1e-300], [1e4, -1e4, 1e2, -1e2]])
    compare(layer, same, x, np.ones((2, 4)))


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_nothing_is_nan_for_large_inputs_of_either_sign(layer, dtype):
    x = la.variable(np.array([[1e4, -1e4, 700.0, -700.0], [50.0, -50.0, 88.0, -104.0]]), dtype=dtype)
    y = layer(x)
    assert y.dtype.name == dtype
    assert not la.isnan(y).any()
    assert not la.isnan(y.backward()[x]).any()


# What has a value at infinity there: PyTorch gives NaN for the others too, which are products of infinity and zero.
AT_INFINITY = {
    "relu": (np.inf, 0.0), "leaky_relu": (np.inf, -np.inf), "elu": (np.inf, -1.0), "softplus": (np.inf, 0.0),
    "sigmoid": (1.0, 0.0), "hard_sigmoid": (1.0, 0.0), "tanh": (1.0, -1.0),
}  # fmt: skip


@pytest.mark.parametrize(("name", "limits"), AT_INFINITY.items(), ids=AT_INFINITY)
def test_infinity_gives_the_limit_and_a_finite_gradient(name, limits):
    x = la.variable([np.inf, -np.inf])
    y = getattr(nn, name)(x)
    np.testing.assert_array_equal(y.numpy(), limits)
    assert la.isfinite(y.backward()[x]).all()


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_what_is_nan_stays_nan(layer):
    assert la.isnan(layer(la.asarray([np.nan, np.nan]))).all()


@pytest.mark.parametrize(("layer", "text"), [(row[0], row[2]) for row in TABLE], ids=map(repr, LAYERS))
def test_repr_shows_the_settings(layer, text):
    assert repr(layer) == text


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_layer_function_and_method_are_the_same(name):
    x = la.asarray([[-2.0, 0.5, 3.0]])
    expected = nn.ACTIVATIONS[name]()(x).numpy()
    np.testing.assert_array_equal(getattr(nn, name)(x).numpy(), expected)
    np.testing.assert_array_equal(getattr(la, name)(x).numpy(), expected)
    method = x.tanh if name == "tanh" else getattr(x, name)
    np.testing.assert_array_equal(method().numpy(), expected)


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_layers_without_settings_given_are_equal_to_pytorchs_defaults_on_integers(name):
    assert nn.ACTIVATIONS[name]()(la.asarray([[1, 2, 3]])).dtype.name == ("int64" if name == "relu" else "float32")


def test_an_unknown_form_of_gelu_is_refused():
    with pytest.raises(ValueError, match='approximate must be "none" or "tanh"'):
        nn.GELU("erf")(la.ones(1))


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=6))
@settings(deadline=None, max_examples=25)
def test_softmax_is_a_distribution_and_log_softmax_its_logarithm(values):
    x = la.asarray(np.array(values))
    p = nn.Softmax()(x).numpy()
    assert p.sum() == pytest.approx(1.0, rel=1e-12)
    np.testing.assert_allclose(np.exp(nn.LogSoftmax()(x).numpy()), p, rtol=1e-9, atol=1e-300)


def test_derivatives_of_derivatives_are_right():
    torch = pytest.importorskip("torch")
    x = np.array([-1.5, 0.7])
    for layer, same, _ in TABLE:
        weights = np.array([0.3, -1.2])

        def ours(v, layer=layer, weights=weights):
            return (layer(v) * la.asarray(weights)).sum()

        def theirs(v, same=same, weights=weights):
            return (same(torch.nn)(v) * torch.tensor(weights)).sum()

        expected = torch.autograd.functional.hessian(theirs, torch.tensor(x)).numpy()
        actual = la.hessian(ours)(la.asarray(x)).numpy()
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-10, err_msg=repr(layer))
