"""Pooling over windows at random, and places of adaptive pooling, beside PyTorch's."""

import numpy as np
import pytest

import lamina as la
from lamina import nn

SIZES = (9, 7, 8)
WINDOWS = [(2, 3), (3, 2), ((2, 3, 1), (4, 1, 3)), (1, 6), (4, 3)]


def numbers(axes, batch=(2,)):
    """Return inputs with ties, and where windows begin."""
    rng = np.random.default_rng(axes)
    x = rng.integers(0, 5, size=(*batch, 3, *SIZES[:axes])).astype(float)
    return x, rng.uniform(size=(*(batch or (1,)), 3, axes))


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("batch", [(2,), ()])
@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("compiled", [False, True])
def test_from_the_same_numbers_values_places_and_gradients_are_pytorchs(axes, batch, windows, compiled):
    torch = pytest.importorskip("torch")
    if compiled and windows in WINDOWS[1::2]:
        return
    name = f"fractional_max_pool{axes}d"
    size, count = (each[:axes] if isinstance(each, tuple) else each for each in windows)
    x, samples = numbers(axes, batch)
    leaf = torch.tensor(x, requires_grad=True)
    given = {"_random_samples": torch.tensor(samples), "return_indices": True}
    expected, places = getattr(torch.nn.functional, name)(leaf, size, count, **given)
    expected.sum().backward()

    def both(x, samples):
        x = la.variable(x)
        y, indices = getattr(nn, f"{name}_with_indices")(x, size, count, samples=samples)
        return y, indices, y.sum().backward()[x]

    found = (la.compile(both) if compiled else both)(la.asarray(x), la.asarray(samples))
    for ours, theirs in zip(found, (expected.detach(), places, leaf.grad), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_windows_lie_elsewhere_each_time_and_a_ratio_says_how_many():
    x = la.reshape(la.arange(400.0), (1, 1, 20, 20))
    layer = nn.FractionalMaxPool2d(2, output_ratio=(0.7, 0.55))
    assert layer(x).shape == nn.FractionalMaxPool2d(2, (14, 11))(x).shape == (1, 1, 14, 11)
    assert any(not la.all(layer(x) == layer(x)) for _ in range(3))
    values, indices = nn.FractionalMaxPool3d(2, 2, return_indices=True)(la.ones((0, 2, 4, 4, 4)))
    assert values.shape == indices.shape == (0, 2, 2, 2, 2)
    assert repr(layer) == "FractionalMaxPool2d(kernel_size=2, output_ratio=(0.7, 0.55))"


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_places_of_adaptive_pooling_are_pytorchs(axes, count):
    torch = pytest.importorskip("torch")
    x, _ = numbers(axes)
    expected, places = getattr(torch.nn, f"AdaptiveMaxPool{axes}d")(count, return_indices=True)(torch.tensor(x))
    y, indices = getattr(nn, f"AdaptiveMaxPool{axes}d")(count, return_indices=True)(la.asarray(x))
    np.testing.assert_array_equal(y.numpy(), expected.numpy())
    np.testing.assert_array_equal(indices.numpy(), places.numpy())
    function = getattr(nn, f"adaptive_max_pool{axes}d_with_indices")
    np.testing.assert_array_equal(function(la.asarray(x), count)[1].numpy(), places.numpy())


ERRORS = {
    "give output_size or output_ratio, one of them; got None and None": lambda x: nn.fractional_max_pool2d(x, 2),
    r"4, 5. windows .2, 2. do not fit into an input of sizes .5, 5.": (
        lambda x: nn.fractional_max_pool2d(x, 2, (4, 5))
    ),
    "output_ratio is between 0 and 1, one or 2 of them; got 1.5": (
        lambda x: nn.fractional_max_pool2d(x, 2, output_ratio=1.5)
    ),
    r"takes samples \[1, 2, 2\], got \[2, 2, 2\]": (
        lambda x: nn.fractional_max_pool2d(x, 2, 2, samples=la.zeros((2, 2, 2)))
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_what_does_not_fit_is_said(message):
    with pytest.raises(la.ShapeError, match=message):
        ERRORS[message](la.ones((1, 2, 5, 5)))
