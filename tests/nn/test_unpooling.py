"""Max pooling with indices, and unpooling, against PyTorch: values, places and gradients."""

import numpy as np
import pytest

import lamina as la
from lamina import nn

# The shape of the input, and the settings of the pooling; the last three have windows that overlap.
APART = [
    ((2, 3, 9), (2,), {}),
    ((3, 9), (3, 4), {}),
    ((2, 3, 8, 7), (2,), {}),
    ((3, 8, 7), ((2, 3),), {"ceil_mode": True}),
    ((2, 3, 9, 9), (3, 3, 1), {}),
    ((1, 2, 4, 6, 4), (2,), {}),
    ((0, 3, 8, 8), (2,), {}),
]
OVERLAPPING = [((2, 3, 9), (3, 1, 1), {}), ((2, 3, 9, 8), (3, 2, 1), {}), ((1, 2, 5, 6, 5), (2, 1, 0), {"dilation": 2})]


def pools(shape, settings, options):
    torch = pytest.importorskip("torch")
    axes = len(sizes_of(shape))
    return (getattr(space, f"MaxPool{axes}d")(*settings, **options, return_indices=True) for space in (nn, torch.nn))


def sizes_of(shape):
    """Return the axes in space: with a batch but for the two inputs that have none."""
    return shape[1:] if shape in ((3, 9), (3, 8, 7)) else shape[2:]


def numbers(shape):
    """Return few different numbers, so that there are ties; and the least there is, which padding has too."""
    x = np.random.default_rng(0).integers(0, 5, size=shape).astype(np.float64)
    return np.where(x == 0, -np.inf, x)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("shape", "settings", "options"), APART + OVERLAPPING)
def test_values_and_places_are_pytorchs(shape, settings, options, compiled):
    torch = pytest.importorskip("torch")
    ours, theirs = pools(shape, settings, options)
    x = numbers(shape)
    for found, expected in zip(
        (la.compile(ours) if compiled else ours)(la.asarray(x)), theirs(torch.tensor(x)), strict=True
    ):
        assert found.shape == tuple(expected.shape)
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
        assert found.dtype.name == str(expected.dtype).removeprefix("torch.")


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_integers_are_pooled_with_places(dtype):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).integers(0, 3, size=(2, 3, 8, 8)).astype(dtype)
    values, indices = nn.max_pool2d_with_indices(la.asarray(x), 3, 2, 1)
    expected, places = torch.nn.functional.max_pool2d(torch.tensor(x).double(), 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(values.numpy(), expected.numpy())
    np.testing.assert_array_equal(indices.numpy(), places.numpy())


def both_ways(pool, unpool, variable, output_size, weigh):
    y, indices = pool(variable)
    back = unpool(y, indices, output_size=output_size)
    return back, (back * back * weigh).sum()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("shape", "settings", "options"), [case for case in APART if "ceil_mode" not in case[2]])
def test_unpooling_is_pytorchs_in_values_and_gradients(shape, settings, options, whole, compiled):
    torch = pytest.importorskip("torch")
    pool, same = pools(shape, settings, options)
    axes = len(sizes_of(shape))
    unpool, other = (getattr(space, f"MaxUnpool{axes}d")(*settings) for space in (nn, torch.nn))
    rng = np.random.default_rng(0)
    # The usual sizes need not be those that were pooled. PyTorch takes no whole shape without a batch.
    x, output_size = rng.normal(size=shape), shape if whole else list(sizes_of(shape))
    weigh = rng.normal(size=shape)

    def run(x):
        variable = la.variable(x)
        back, loss = both_ways(pool, unpool, variable, output_size, la.asarray(weigh))
        return back, loss.backward()[variable]

    leaf = torch.tensor(x, requires_grad=True)
    expected, loss = both_ways(same, other, leaf, list(sizes_of(shape)), torch.tensor(weigh))
    loss.backward()
    back, gradient = (la.compile(run) if compiled else run)(la.asarray(x))
    np.testing.assert_array_equal(back.numpy(), expected.detach().numpy())
    np.testing.assert_allclose(gradient.numpy(), leaf.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize(("shape", "settings", "options"), OVERLAPPING[:2])
def test_windows_with_one_largest_element_put_it_back_once(shape, settings, options):
    torch = pytest.importorskip("torch")
    pool, _ = pools(shape, settings, options)
    axes = len(sizes_of(shape))
    x = np.random.default_rng(0).normal(size=shape)
    y, indices = pool(la.asarray(x))
    back = getattr(nn, f"max_unpool{axes}d")(y, indices, *settings, output_size=shape)
    unpool = getattr(torch.nn, f"MaxUnpool{axes}d")(*settings)
    expected = unpool(torch.tensor(y.numpy()), torch.tensor(indices.numpy()), output_size=shape)
    np.testing.assert_allclose(back.numpy(), expected.numpy(), rtol=1e-14)


def test_the_usual_sizes_are_pytorchs():
    torch = pytest.importorskip("torch")
    y = np.ones((2, 3, 4, 5))
    indices = np.zeros((2, 3, 4, 5), np.int64) + np.arange(20).reshape(4, 5)
    found = nn.MaxUnpool2d(3, 2, 1)(la.asarray(y), la.asarray(indices))
    expected = torch.nn.MaxUnpool2d(3, 2, 1)(torch.tensor(y), torch.tensor(indices))
    np.testing.assert_array_equal(found.numpy(), expected.numpy())
    assert repr(nn.MaxUnpool2d(3, 2, 1)) == "MaxUnpool2d(kernel_size=3, stride=2, padding=1)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, i: nn.max_unpool2d(x, i[:1], 2), "expected indices, integers, of the shape"),
        (lambda x, i: nn.max_unpool2d(x, x, 2), "expected indices, integers"),
        (lambda x, i: nn.max_unpool2d(x, i + 16, 2), r"places of \[4, 4\] are 0 to 15"),
        (lambda x, i: nn.max_unpool2d(x, i - 1, 2), "an index is out of range"),
        (lambda x, i: la.compile(nn.max_unpool2d)(x, i - 1, 2), "an index is out of range"),
        (lambda x, i: nn.max_unpool2d(x, i, 2, output_size=(4, 6)), "must differ from .* by less than the strides"),
        (lambda x, i: nn.max_unpool2d(x, i, 2, output_size=(4,)), "must differ from"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(la.LaminaError, match=message):
        make(la.ones((2, 3, 2, 2)), la.zeros((2, 3, 2, 2), dtype="int64"))
