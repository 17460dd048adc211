"""Activations against PyTorch, and at both ends of the numbers."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import lamina as la
from lamina.testing import check_gradients

few = settings(deadline=None, max_examples=25)
inputs = hnp.arrays("float64", hnp.array_shapes(max_dims=2, max_side=4), elements=st.floats(-50, 50))

# ours, PyTorch's
TABLE = {
    "relu": (la.relu, lambda f: f.relu),
    "leaky_relu": (la.leaky_relu, lambda f: f.leaky_relu),
    "leaky_relu 0.2": (lambda x: la.leaky_relu(x, 0.2), lambda f: lambda x: f.leaky_relu(x, 0.2)),
    "elu": (la.elu, lambda f: f.elu),
    "elu 2": (lambda x: la.elu(x, 2.0), lambda f: lambda x: f.elu(x, 2.0)),
    "selu": (la.selu, lambda f: f.selu),
    "gelu": (la.gelu, lambda f: f.gelu),
    "gelu by tanh": (lambda x: la.gelu(x, "tanh"), lambda f: lambda x: f.gelu(x, approximate="tanh")),
    "sigmoid": (la.sigmoid, lambda f: f.sigmoid),
    "hardsigmoid": (la.hardsigmoid, lambda f: f.hardsigmoid),
    "hardswish": (la.nn.hardswish, lambda f: f.hardswish),
    "hardtanh": (la.nn.hardtanh, lambda f: f.hardtanh),
    "relu6": (la.nn.relu6, lambda f: f.relu6),
    "hardshrink": (la.nn.hardshrink, lambda f: f.hardshrink),
    "softshrink": (la.nn.softshrink, lambda f: f.softshrink),
    "tanhshrink": (la.nn.tanhshrink, lambda f: f.tanhshrink),
    "threshold of 1": (lambda x: la.nn.threshold(x, 1.0, -2.0), lambda f: lambda x: f.threshold(x, 1.0, -2.0)),
    "celu": (la.nn.celu, lambda f: f.celu),
    "celu 2": (lambda x: la.nn.celu(x, 2.0), lambda f: lambda x: f.celu(x, 2.0)),
    "logsigmoid": (la.nn.logsigmoid, lambda f: f.logsigmoid),
    "softmin": (la.nn.softmin, lambda f: lambda x: f.softmin(x, dim=-1)),
    "silu": (la.silu, lambda f: f.silu),
    "mish": (la.mish, lambda f: f.mish),
    "softplus": (la.softplus, lambda f: lambda x: f.softplus(x, threshold=1000)),
    "softplus 3": (lambda x: la.softplus(x, 3.0), lambda f: lambda x: f.softplus(x, 3.0, threshold=1000)),
    "softsign": (la.softsign, lambda f: f.softsign),
    "softmax": (la.softmax, lambda f: lambda x: f.softmax(x, dim=-1)),
    "softmax over the first axis": (lambda x: la.softmax(x, axis=0), lambda f: lambda x: f.softmax(x, dim=0)),
    "log_softmax": (la.log_softmax, lambda f: lambda x: f.log_softmax(x, dim=-1)),
}


@pytest.mark.parametrize("name", TABLE)
@given(x=inputs)
@few
def test_value_and_gradient_are_pytorchs(name, x):
    torch = pytest.importorskip("torch")
    ours, theirs = TABLE[name]
    t = torch.tensor(x, requires_grad=True)
    y = theirs(torch.nn.functional)(t)
    weights = np.cos(np.arange(x.size)).reshape(x.shape)
    (y * torch.tensor(weights)).sum().backward()
    value, pullback = la.vjp(ours, la.asarray(x))
    np.testing.assert_allclose(value.numpy(), y.detach().numpy(), rtol=1e-12, atol=1e-13)
    smooth = np.abs(x) > 1e-12
    found = pullback(la.asarray(weights))[0].numpy()
    np.testing.assert_allclose(found[smooth], t.grad.numpy()[smooth], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", TABLE)
def test_derivative_is_right_to_second_order(name):
    check_gradients(TABLE[name][0], [[0.3, -1.2, 2.0], [-0.4, 0.9, 1.1]], order=2)


@pytest.mark.parametrize("device", ["cpu", "strict"])
@pytest.mark.parametrize("name", TABLE)
def test_activation_is_finite_at_both_ends_on_every_backend(name, device):
    found = TABLE[name][0](la.asarray([-3e38, -100.0, 0.0, 100.0, 3e38], device=device))
    if name != "log_softmax":
        assert la.all(la.isfinite(found))
    assert not la.any(la.isnan(found))


@pytest.mark.parametrize("name", TABLE)
def test_integers_become_float32(name):
    expected = "int64" if name == "relu" else "float32"
    assert TABLE[name][0](la.asarray([1, -2])).dtype.name == expected


@pytest.mark.parametrize("name", [name for name in TABLE if hasattr(la, name)])
def test_method_of_a_tensor_is_the_function(name):
    x = la.asarray([0.5, -1.5])
    assert getattr(x, name)().tolist() == getattr(la, name)(x).tolist()


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_an_empty_axis_is_empty(name):
    assert getattr(la, name)(la.zeros((2, 0))).shape == (2, 0)


def test_softmax_adds_up_to_one():
    assert la.softmax(la.asarray([[1e4, 0.0], [-1e4, -1e4]])).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_activation_errors():
    with pytest.raises(ValueError, match="approximate must be"):
        la.gelu(la.ones(2), approximate="fast")
    with pytest.raises(la.ShapeError, match="softmax: axis 1 is out of range"):
        la.softmax(la.ones(2), axis=1)
