"""Sampling through grids against PyTorch: values and gradients by images and grids, eager and compiled."""

import itertools

import numpy as np
import pytest

import lamina as la
from lamina import nn

PLANES = list(itertools.product((2,), ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")))
VOLUMES = list(itertools.product((3,), ("bilinear", "nearest"), ("zeros", "border", "reflection")))


def images_and_grid(axes, batch=2):
    rng = np.random.default_rng(axes)
    grid = rng.uniform(-2.3, 2.3, size=(batch, *(4, 3, 2)[:axes], axes))
    if batch:
        grid[0].flat[:axes], grid[1].flat[:axes] = -1.0, 1.0
    return rng.normal(size=(batch, 3, *(5, 4, 6)[:axes])), grid


def compare(axes, mode, padding, align_corners, compiled, batch=2):
    torch = pytest.importorskip("torch")
    x, grid = images_and_grid(axes, batch)
    images, places = torch.tensor(x, requires_grad=True), torch.tensor(grid, requires_grad=True)
    expected = torch.nn.functional.grid_sample(images, places, mode, padding, align_corners)
    cotangent = np.random.default_rng(1).normal(size=tuple(expected.shape))
    expected.backward(torch.tensor(cotangent))

    def both(x, grid, c):
        x, grid = la.variable(x), la.variable(grid)
        y = nn.grid_sample(x, grid, mode, padding, align_corners)
        gradients = y.backward(c)
        return y, gradients[x], gradients.wrt(grid)

    found = (la.compile(both) if compiled else both)(*map(la.asarray, (x, grid, cotangent)))
    for ours, theirs in zip(found, (expected.detach(), images.grad, places.grad), strict=True):
        assert ours.shape == tuple(theirs.shape)
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(("axes", "mode", "padding"), PLANES + VOLUMES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_samples_are_pytorchs_in_values_and_gradients(axes, mode, padding, align_corners):
    compare(axes, mode, padding, align_corners, compiled=False)


@pytest.mark.parametrize(("axes", "mode", "padding"), PLANES[::2] + VOLUMES[2:3])
def test_compiled_samples_are_pytorchs(axes, mode, padding):
    compare(axes, mode, padding, align_corners=False, compiled=True)


@pytest.mark.parametrize("compiled", [False, True])
def test_an_empty_batch_gives_none(compiled):
    compare(2, "bilinear", "zeros", False, compiled, batch=0)


def test_places_that_are_no_numbers_count_as_the_first_end():
    x, _ = images_and_grid(2)
    grid = la.asarray(np.full((2, 1, 1, 2), np.nan))
    np.testing.assert_array_equal(
        nn.grid_sample(la.asarray(x), grid, align_corners=True).numpy()[..., 0, 0], x[..., 0, 0]
    )


@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 2, 3, 4, 6), (2, 1, 7, 2)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_grids_of_affine_maps_are_pytorchs(size, align_corners, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    theta = np.random.default_rng(0).normal(size=(2, len(size) - 2, len(size) - 1))
    assert_same_as_pytorch(
        lambda t: nn.affine_grid(t, size, align_corners),
        lambda t: functional.affine_grid(t, size, align_corners=align_corners),
        theta,
    )


def test_what_does_not_fit_is_said():
    image = la.ones((1, 2, 3, 3))
    with pytest.raises(
        la.ShapeError, match=r"grid_sample: expected images .* got shapes \[1, 2, 3, 3\] and \[2, 1, 1, 2\]"
    ):
        nn.grid_sample(image, la.zeros((2, 1, 1, 2)))
    with pytest.raises(la.DataError, match="grid_sample: mode is one of bilinear, nearest, bicubic"):
        nn.grid_sample(image, la.zeros((1, 1, 1, 2)), "cubic")
    with pytest.raises(la.ShapeError, match="have no elements along an axis"):
        nn.grid_sample(la.ones((1, 2, 0, 3)), la.zeros((1, 1, 1, 2)))
    with pytest.raises(la.ShapeError, match=r"affine_grid: maps \[n, 2, 3\] take"):
        nn.affine_grid(la.zeros((1, 2, 3)), (1, 1, 2, 2, 2))
