"""Pooling, beside PyTorch's."""

import itertools

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.testing import check_gradients

SIZES = {1: (7,), 2: (7, 6), 3: (5, 4, 6)}
GRID = [
    (window, stride, padding, dilation, ceil_mode)
    for window, stride, padding, dilation, ceil_mode in itertools.product(
        (1, 2, 3), (1, 2, 3), (0, 1), (1, 2), (False, True)
    )
    if padding <= window // 2 and dilation * (window - 1) < 4 + 2 * padding
]


def with_ties(*shape):
    """Return few different numbers, so that windows have several largest elements."""
    return np.random.default_rng(sum(shape)).integers(0, 3, size=shape).astype("float64")


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_max_pooling_agrees_with_pytorch_and_ties_go_to_the_first(axes, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    ours, theirs = getattr(nn, f"max_pool{axes}d"), getattr(functional, f"max_pool{axes}d")
    x = with_ties(2, 3, *SIZES[axes])
    for settings in GRID:
        assert_same_as_pytorch(lambda x, s=settings: ours(x, *s), lambda x, s=settings: theirs(x, *s), x)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("compiled", [False, True])
def test_where_all_of_a_window_is_minus_infinity_the_first_inside_counts_and_never_the_padding(axes, compiled):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, f"max_pool{axes}d"), getattr(torch.nn.functional, f"max_pool{axes}d")
    x = np.where(with_ties(2, 3, *SIZES[axes]) < 2, -np.inf, 1.0)
    for settings in [(2, 1, 1), (3, 2, 1, 1, True), (3, 3, 1), *([] if compiled else [(2, 1, 1, 2), (3, 1, 1, 2)])]:

        def both(x, s=settings):
            x = la.variable(x)
            y = ours(x, *s)
            return y, y.backward(la.reshape(la.arange(1.0, y.size + 1.0, dtype="float64"), y.shape))[x]

        y, gradient = (la.compile(both) if compiled else both)(la.asarray(x))
        leaf = torch.tensor(x, requires_grad=True)
        expected = theirs(leaf, *settings)
        expected.backward(torch.arange(1.0, y.size + 1.0, dtype=torch.float64).reshape(expected.shape))
        np.testing.assert_array_equal(y.numpy(), expected.detach().numpy())
        np.testing.assert_array_equal(gradient.numpy(), leaf.grad.numpy())


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_average_pooling_agrees_with_pytorch(axes, count_include_pad, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    ours, theirs = getattr(nn, f"avg_pool{axes}d"), getattr(functional, f"avg_pool{axes}d")
    x = np.random.default_rng(0).normal(size=(2, 3, *SIZES[axes]))
    for window, stride, padding, dilation, ceil_mode in GRID:
        if dilation == 1:
            given = (window, stride, padding, ceil_mode, count_include_pad)
            assert_same_as_pytorch(lambda x, s=given: ours(x, *s), lambda x, s=given: theirs(x, *s), x)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_pooling_agrees_with_pytorch_for_sizes_that_divide_and_that_do_not(axes, kind, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    name = f"adaptive_{kind}_pool{axes}d"
    ours, theirs = getattr(nn, name), getattr(functional, name)
    x = with_ties(2, 3, *SIZES[axes])
    for size in (1, 2, 3, 5, 8, (None, 2, 4)[:axes] if axes > 1 else 4):
        assert_same_as_pytorch(lambda x, s=size: ours(x, s), lambda x, s=size: theirs(x, s), x)


MIXED = {
    "MaxPool2d": ({"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0), "dilation": (2, 1)},),
    "AvgPool2d": (
        {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "divisor_override": 5},
        {"kernel_size": (4, 3), "stride": 3, "padding": (2, 1), "ceil_mode": True, "count_include_pad": False},
    ),
    "AdaptiveAvgPool2d": ({"output_size": (4, None)}, {"output_size": 1}),
    "AdaptiveMaxPool2d": ({"output_size": (None, 5)}, {"output_size": 1}),
    "LPPool2d": (
        {"norm_type": 3, "kernel_size": (2, 3), "stride": 2},
        {"norm_type": 2, "kernel_size": 3, "ceil_mode": True},
    ),
}
LAYERS = [(kind, settings) for kind, several in MIXED.items() for settings in several]


@pytest.mark.parametrize(("kind", "settings"), LAYERS, ids=str)
@pytest.mark.parametrize("batch", [(2,), (0,), ()])
def test_pooling_layers_agree_with_pytorch(kind, settings, batch, assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    if kind.startswith("AdaptiveMax") and batch == (0,):  # PyTorch refuses an empty batch here.
        assert getattr(nn, kind)(3)(la.zeros((0, 3, 7, 9))).shape == (0, 3, 3, 3)
        return
    x = np.random.default_rng(3).uniform(0.5, 2.0, size=(*batch, 3, 7, 9))
    assert_same_as_pytorch(getattr(nn, kind)(**settings), getattr(torch.nn, kind)(**settings), x)


@pytest.mark.parametrize(("kind", "settings"), LAYERS, ids=str)
def test_layers_are_written_as_pytorch_writes_them(kind, settings):
    torch = pytest.importorskip("torch")
    assert repr(getattr(nn, kind)(**settings)) == repr(getattr(torch.nn, kind)(**settings))


@pytest.mark.parametrize("axes", [1, 3])
def test_p_norms_over_one_and_three_axes_agree_with_pytorch(axes, assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(3).uniform(0.5, 2.0, size=(2, 3, *SIZES[axes]))
    assert_same_as_pytorch(getattr(nn, f"LPPool{axes}d")(2, 2, 1), getattr(torch.nn, f"LPPool{axes}d")(2, 2, 1), x)


def test_the_largest_of_integers_infinities_and_nan():
    whole = la.asarray([[-5, -3, -9]], dtype="int32")
    assert nn.max_pool1d(whole, 3, 1, 1).tolist() == [[-3, -3, -3]]
    x = la.asarray([[-np.inf, -np.inf, np.nan, 1.0]])
    assert nn.max_pool1d(x, 2).tolist()[0][0] == -np.inf
    assert np.isnan(nn.max_pool1d(x, 2).numpy()[0, 1])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_pooling_keeps_the_type(dtype):
    x = la.ones((1, 2, 5, 5), dtype=dtype)
    for pool in (nn.MaxPool2d(2), nn.AvgPool2d(3, padding=1), nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d(3)):
        assert pool(x).dtype.name == dtype


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: nn.max_pool2d(x, 2, 1),
        lambda x: nn.avg_pool2d(x, 3, 2, 1, True, False),
        lambda x: nn.adaptive_max_pool2d(x, (2, 3)),
        lambda x: nn.adaptive_avg_pool2d(x, (3, 2)),
        lambda x: nn.lp_pool2d(x, 3, 2),
    ],
)
def test_second_derivatives_agree_with_differences(pool):
    x = np.random.default_rng(0).permutation(np.linspace(0.5, 2.0, 40)).reshape(2, 5, 4)
    check_gradients(lambda x: pool(x) ** 2, x, order=2)


ERRORS = {
    r"MaxPool2d: kernel_size must be an integer of at least 1 or 2 of them, got 0": lambda: nn.MaxPool2d(0),
    r"AvgPool1d: stride must be an integer of at least 1, got \(1, 2\)": lambda: nn.AvgPool1d(2, (1, 2)),
    r"max_pool1d: padding \[2\] must be at most half the window \[3\]": lambda: nn.max_pool1d(la.ones((1, 5)), 3, 1, 2),
    r"MaxPool2d: windows \[3, 3\] \[2, 2\] apart are longer than an input of sizes \[4, 9\] with padding \[0, 0\]": (
        lambda: nn.MaxPool2d(3, dilation=2)(la.ones((1, 4, 9)))
    ),
    r"MaxPool2d: expected an input \[batch, channels, height, width\] or .*, got shape \[9, 9\]": (
        lambda: nn.MaxPool2d(3)(la.ones((9, 9)))
    ),
    r"avg_pool2d: divisor_override must not be zero": lambda: nn.avg_pool2d(la.ones((1, 2, 2)), 2, divisor_override=0),
    r"AdaptiveAvgPool2d: output_size must be an integer of at least 1 or 2 of them, got \(1, 2, 3\)": (
        lambda: nn.AdaptiveAvgPool2d((1, 2, 3))(la.ones((1, 2, 2)))
    ),
    r"adaptive_max_pool1d: shape \[2, 0\] has no elements along an axis": (
        lambda: nn.adaptive_max_pool1d(la.ones((2, 0)), 1)
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_what_does_not_fit_is_said_with_the_remedy(message):
    with pytest.raises(la.ShapeError, match=message):
        ERRORS[message]()


def test_truth_values_have_no_largest():
    with pytest.raises(la.DTypeError, match="max_pool1d: expected numbers, got bool"):
        nn.max_pool1d(la.asarray([[True, False]]), 2)
