"""Rectifiers with slopes that are learned, or drawn: against PyTorch, and by what is drawn."""

import numpy as np
import pytest

import lamina as la
from lamina import nn


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("slopes", "shape"), [(1, (5,)), (1, ()), (1, (2, 3)), (3, (2, 3)), (3, (2, 3, 4)), (3, (2, 3, 4, 2)), (1, (0, 3))]
)
def test_prelu_is_pytorchs_in_values_gradients_and_names(slopes, shape, compiled):
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.PReLU(slopes).double(), nn.PReLU(slopes, dtype="float64")
    ours.load_state_dict({name: each.detach().numpy() for name, each in theirs.state_dict().items()})
    x = np.array(np.random.default_rng(0).integers(-2, 3, size=shape), dtype=np.float64)

    def both(x):
        x = la.variable(x)
        y = ours(x)
        gradients = (y * y + 3.0 * y).sum().backward()
        return y, gradients[x], gradients[ours.weight]

    leaf = torch.tensor(x, requires_grad=True)
    expected = theirs(leaf)
    (expected * expected + 3.0 * expected).sum().backward()
    wanted = (expected.detach(), leaf.grad, theirs.weight.grad)
    for found, each in zip((la.compile(both) if compiled else both)(la.asarray(x)), wanted, strict=True):
        np.testing.assert_allclose(found.numpy(), each.numpy(), rtol=1e-12)


def test_prelu_starts_as_pytorchs_and_learns():
    layer = nn.PReLU(4)
    assert repr(layer) == "PReLU(num_parameters=4)"
    assert layer.weight.tolist() == [0.25] * 4
    assert layer.weight.trainable
    assert nn.PReLU(init=0.5).weight.tolist() == [0.5]


def test_rrelu_in_evaluation_is_pytorchs(assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(3, 4))
    assert_same_as_pytorch(nn.RReLU().eval(), torch.nn.RReLU().eval(), x)
    assert_same_as_pytorch(nn.RReLU(0.5, 0.75).eval(), torch.nn.RReLU(0.5, 0.75).eval(), x)
    assert_same_as_pytorch(nn.rrelu, torch.nn.functional.rrelu, x)


@pytest.mark.parametrize("compiled", [False, True])
def test_rrelu_in_training_draws_slopes_for_what_is_negative(compiled):
    layer, x = nn.RReLU(0.25, 0.75), np.random.default_rng(0).normal(size=(200, 200)).astype("float32")

    def both(x):
        x = la.variable(x)
        y = layer(x)
        return y, y.sum().backward()[x]

    la.random.seed(3)
    y, gradient = (each.numpy() for each in (la.compile(both) if compiled else both)(la.asarray(x)))
    np.testing.assert_array_equal(y[x > 0], x[x > 0])
    np.testing.assert_array_equal(gradient[x > 0], 1.0)
    slopes = y[x < 0] / x[x < 0]
    np.testing.assert_allclose(gradient[x < 0], slopes, rtol=1e-6)
    assert slopes.min() >= 0.2499
    assert slopes.max() <= 0.7501
    assert slopes.mean() == pytest.approx(0.5, abs=0.01)
    assert slopes.std() == pytest.approx(0.5 / 12**0.5, abs=0.01)


def test_rrelu_repeats_under_a_seed_and_not_otherwise():
    layer, x = nn.RReLU(), -la.ones(64)
    la.random.seed(5)
    first, second = layer(x).numpy(), layer(x).numpy()
    la.random.seed(5)
    np.testing.assert_array_equal(layer(x).numpy(), first)
    assert (first != second).any()
    assert repr(nn.RReLU(0.25, 0.5)) == "RReLU(lower=0.25, upper=0.5)"
