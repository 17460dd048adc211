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
    (nn.CELU(), lambda t: t.CELU(), "CELU(alpha=1.0)"),
    (nn.CELU(0.5), lambda t: t.CELU(0.5), "CELU(alpha=0.5)"),
    (nn.SELU(), lambda t: t.SELU(), "SELU()"),
    (nn.GELU(), lambda t: t.GELU(), "GELU(approximate='none')"),
    (nn.GELU("tanh"), lambda t: t.GELU("tanh"), "GELU(approximate='tanh')"),
    (nn.SiLU(), lambda t: t.SiLU(), "SiLU()"),
    (nn.Mish(), lambda t: t.Mish(), "Mish()"),
    (nn.Sigmoid(), lambda t: t.Sigmoid(), "Sigmoid()"),
    (nn.LogSigmoid(), lambda t: t.LogSigmoid(), "LogSigmoid()"),
    # PyTorch's own hard sigmoid has a slope of 1/6 in float32 also in float64.
    (nn.Hardsigmoid(), lambda t: lambda x: t.functional.relu6(x + 3.0) / 6.0, "Hardsigmoid()"),
    (nn.Hardswish(), lambda t: t.Hardswish(), "Hardswish()"),
    (nn.Hardtanh(), lambda t: t.Hardtanh(), "Hardtanh(min_val=-1.0, max_val=1.0)"),
    (nn.Hardtanh(-2.0, 0.5), lambda t: t.Hardtanh(-2.0, 0.5), "Hardtanh(min_val=-2.0, max_val=0.5)"),
    (nn.ReLU6(), lambda t: t.ReLU6(), "ReLU6()"),
    (nn.Hardshrink(), lambda t: t.Hardshrink(), "Hardshrink(lambd=0.5)"),
    (nn.Hardshrink(0.0), lambda t: t.Hardshrink(0.0), "Hardshrink(lambd=0.0)"),
    (nn.Softshrink(), lambda t: t.Softshrink(), "Softshrink(lambd=0.5)"),
    (nn.Softshrink(2.0), lambda t: t.Softshrink(2.0), "Softshrink(lambd=2.0)"),
    (nn.Tanhshrink(), lambda t: t.Tanhshrink(), "Tanhshrink()"),
    (nn.Threshold(0.1, 20.0), lambda t: t.Threshold(0.1, 20.0), "Threshold(threshold=0.1, value=20.0)"),
    (nn.Tanh(), lambda t: t.Tanh(), "Tanh()"),
    (nn.Softplus(), lambda t: t.Softplus(), "Softplus(beta=1.0)"),
    (nn.Softplus(2.5), lambda t: t.Softplus(2.5), "Softplus(beta=2.5)"),
    (nn.Softsign(), lambda t: t.Softsign(), "Softsign()"),
    (nn.Softmax(), lambda t: t.Softmax(-1), "Softmax(axis=-1)"),
    (nn.Softmax(0), lambda t: t.Softmax(0), "Softmax(axis=0)"),
    (nn.Softmin(), lambda t: t.Softmin(-1), "Softmin(axis=-1)"),
    (nn.Softmin(0), lambda t: t.Softmin(0), "Softmin(axis=0)"),
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
    "sigmoid": (1.0, 0.0), "hardsigmoid": (1.0, 0.0), "tanh": (1.0, -1.0),
    "celu": (np.inf, -1.0), "logsigmoid": (0.0, -np.inf), "hardswish": (np.inf, 0.0), "hardtanh": (1.0, -1.0),
    "relu6": (6.0, 0.0), "hardshrink": (np.inf, -np.inf), "softshrink": (np.inf, -np.inf),
    "tanhshrink": (np.inf, -np.inf),
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
    if not hasattr(la, name):
        assert not hasattr(x, name)
        return
    assert getattr(la, name) is getattr(nn, name)
    method = x.tanh if name == "tanh" else getattr(x, name)
    np.testing.assert_array_equal(method().numpy(), expected)


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_layers_without_settings_given_are_equal_to_pytorchs_defaults_on_integers(name):
    assert nn.ACTIVATIONS[name]()(la.asarray([[1, 2, 3]])).dtype.name == ("int64" if name == "relu" else "float32")


@EVERY
def test_compiled_activations_are_the_same_in_values_and_gradients(layer, same):
    x = np.random.default_rng(0).normal(size=(3, 17)).astype("float32") * 4.0

    def both(x):
        x = la.variable(x)
        y = layer(x)
        return y, (y * y).sum().backward()[x]

    for found, expected in zip(la.compile(both)(la.asarray(x)), both(la.asarray(x)), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=2e-5, atol=2e-6)


CORNERS = {
    nn.Hardswish(): [-3.0, 3.0], nn.Hardtanh(): [-1.0, 1.0], nn.ReLU6(): [0.0, 6.0], nn.Hardshrink(): [-0.5, 0.5],
    nn.Softshrink(): [-0.5, 0.5], nn.Threshold(0.5, 2.0): [0.5, 0.25], nn.CELU(2.0): [0.0, -0.0],
}  # fmt: skip


@pytest.mark.parametrize(("layer", "corners"), CORNERS.items(), ids=map(repr, CORNERS))
def test_derivatives_at_corners_are_pytorchs(layer, corners):
    settings = {name: value for name, value in vars(layer).items() if name != "training"}
    compare(layer, lambda t: getattr(t, type(layer).__name__)(**settings), np.array(corners), np.ones(2))


@pytest.mark.parametrize("shape", [(4, 3, 5, 2), (3, 2, 2)])
def test_softmax2d_is_over_channels(shape):
    compare(nn.Softmax2d(), lambda t: t.Softmax2d(), *np.random.default_rng(0).normal(size=(2, *shape)))
    with pytest.raises(la.ShapeError, match=r"Softmax2d: expected 3 or 4 axes, got shape \[3\]"):
        nn.Softmax2d()(la.ones(3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: nn.hardtanh(x, 1.0, 1.0), "max_val must lie above min_val, got 1.0 and 1.0"),
        (lambda x: nn.hardshrink(x, -1.0), "lambd must not be negative, got -1.0"),
        (lambda x: nn.Softshrink(-0.5)(x), "lambd must not be negative, got -0.5"),
        (lambda x: nn.celu(x, 0.0), "celu: alpha is divided by"),
        (lambda x: nn.rrelu(x, 0.5, 0.25), "lower must not exceed upper, got 0.5 and 0.25"),
        (lambda x: nn.RReLU(0.5, 0.25), "lower must not exceed upper, got 0.5 and 0.25"),
        (lambda x: nn.PReLU(0), "num_parameters must be a positive integer, got 0"),
        (lambda x: nn.prelu(x, la.ones(2)), r"expected a weight of shape \[1\] or \[3\]"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(la.LaminaError, match=message):
        make(la.ones((2, 3)))


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
