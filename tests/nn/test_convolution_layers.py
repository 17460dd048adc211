"""Convolutions and their transposes, beside PyTorch's."""

import itertools

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.testing import check_gradients

SIZES = {1: (7,), 2: (7, 6), 3: (5, 4, 6)}
LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}

# window, stride, padding, dilation, groups
GRID = [
    (window, stride, padding, dilation, groups)
    for window, stride, padding, dilation, groups in itertools.product((1, 2, 3), (1, 2, 3), (0, 1, 2), (1, 2), (1, 2))
    if dilation * (window - 1) < 4 + 2 * padding
]


def numbers(*shape, dtype="float64"):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_agree_with_pytorch_over_strides_paddings_and_dilations(axes, groups, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    ours, theirs = getattr(nn, f"conv{axes}d"), getattr(functional, f"conv{axes}d")
    x, bias = numbers(2, 4, *SIZES[axes]), numbers(6)
    for window, *settings in GRID:
        if settings[-1] != groups:
            continue
        weight = numbers(6, 4 // groups, *(window,) * axes)
        assert_same_as_pytorch(
            lambda x, w, b, s=settings: ours(x, w, b, *s),
            lambda x, w, b, s=settings: theirs(x, w, b, *s),
            x,
            weight,
            bias,
        )


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions_agree_with_pytorch_over_their_settings(axes, groups, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    ours, theirs = getattr(nn, f"conv_transpose{axes}d"), getattr(functional, f"conv_transpose{axes}d")
    x, bias = numbers(2, 4, *(size - 2 for size in SIZES[axes])), numbers(6)
    for (window, stride, padding, dilation, each), more in itertools.product(GRID, (0, 1)):
        empty = any((size - 3) * stride - 2 * padding + dilation * (window - 1) + more < 0 for size in SIZES[axes])
        if each != groups or more >= max(stride, dilation) or empty:
            continue
        weight, settings = numbers(4, 6 // groups, *(window,) * axes), (stride, padding, more, groups, dilation)
        assert_same_as_pytorch(
            lambda x, w, b, s=settings: ours(x, w, b, *s),
            lambda x, w, b, s=settings: theirs(x, w, b, *s),
            x,
            weight,
            bias,
        )


MIXED = {
    "of another number for each axis": (
        nn.conv2d, "conv2d", (4, 2, 3, 2), {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 3), "groups": 2}
    ),
    "same": (nn.conv2d, "conv2d", (4, 4, 3, 2), {"padding": "same", "dilation": (2, 1)}),
    "valid": (nn.conv2d, "conv2d", (4, 4, 3, 2), {"padding": "valid"}),
    "depthwise": (nn.conv2d, "conv2d", (4, 1, 3, 3), {"padding": 1, "groups": 4}),
    "depthwise with more outputs": (nn.conv2d, "conv2d", (8, 1, 3, 3), {"stride": 2, "groups": 4}),
    "pointwise": (nn.conv2d, "conv2d", (5, 4, 1, 1), {}),
    "of the whole input": (nn.conv2d, "conv2d", (5, 4, 7, 6), {}),
    "transposed depthwise": (nn.conv_transpose2d, "conv_transpose2d", (4, 1, 3, 3), {"stride": 2, "groups": 4}),
    "transposed, more taken off than put on": (nn.conv_transpose2d, "conv_transpose2d", (4, 2, 1, 1), {"padding": 2}),
}  # fmt: skip


# PyTorch warns that it copies for "same" with windows of even length.
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("kind", MIXED)
@pytest.mark.parametrize("batch", [(2,), (0,), ()])
def test_special_convolutions_agree_with_pytorch(kind, batch, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    ours, name, shape, settings = MIXED[kind]
    x, weight = numbers(*batch, 4, 7, 6), numbers(*shape)
    assert_same_as_pytorch(
        lambda x, w: ours(x, w, None, **settings),
        lambda x, w: getattr(functional, name)(x, w, None, **settings),
        x,
        weight,
    )


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, (1, 2), "same"])
def test_padding_modes_agree_with_pytorch(mode, padding, assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    ours = nn.Conv2d(3, 4, (3, 2), padding=padding, padding_mode=mode, dtype="float64")
    theirs = torch.nn.Conv2d(3, 4, (3, 2), padding=padding, padding_mode=mode).double()
    theirs.load_state_dict({name: torch.tensor(each.numpy()) for name, each in ours.state_dict().items()})
    assert_same_as_pytorch(ours, theirs, numbers(2, 3, 6, 5))


def test_single_precision_is_as_good_as_pytorch(assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    x, weight = numbers(3, 8, 9, 9, dtype="float32"), numbers(5, 8, 3, 3, dtype="float32")
    assert_same_as_pytorch(
        lambda x, w: nn.conv2d(x, w, None, 2, 1), lambda x, w: functional.conv2d(x, w, None, 2, 1), x, weight, rtol=2e-5
    )


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED.values()])
@pytest.mark.parametrize(
    "settings", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 2, "bias": False}], ids=str
)
def test_weights_go_to_pytorch_and_back(kind, settings):
    torch = pytest.importorskip("torch")
    ours, other = kind(4, 6, 3, **settings), kind(4, 6, 3, **settings)
    theirs = getattr(torch.nn, kind.__name__)(4, 6, 3, **settings)
    theirs.load_state_dict({name: torch.tensor(each.numpy()) for name, each in ours.state_dict().items()})
    other.load_state_dict({name: la.asarray(each.numpy()) for name, each in theirs.state_dict().items()})
    x = numbers(2, 4, *(7,) * ours._axes, dtype="float32")
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(la.asarray(x)).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert np.array_equal(other(la.asarray(x)).numpy(), ours(la.asarray(x)).numpy())


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Conv1d", {}),
        ("Conv2d", {"stride": 2, "padding": 1, "bias": False}),
        ("Conv2d", {"padding": "same", "padding_mode": "circular", "dilation": (1, 2)}),
        ("Conv3d", {"groups": 2}),
        ("ConvTranspose2d", {"stride": 2, "output_padding": 1, "groups": 2, "dilation": 2}),
    ],
)
def test_layers_are_written_as_pytorch_writes_them(kind, settings):
    torch = pytest.importorskip("torch")
    assert repr(getattr(nn, kind)(4, 6, 3, **settings)) == repr(getattr(torch.nn, kind)(4, 6, 3, **settings))


@pytest.mark.parametrize("kind", ["Conv2d", "ConvTranspose2d"])
def test_first_weights_have_the_bounds_of_pytorch(kind):
    torch = pytest.importorskip("torch")
    ours, theirs = (getattr(module, kind)(32, 2048, 5, groups=4) for module in (nn, torch.nn))
    for name in ("weight", "bias"):
        largest, other = (abs(each).max().item() for each in (getattr(ours, name).value, getattr(theirs, name)))
        assert largest == pytest.approx(other, rel=0.05)


def test_an_output_size_chooses_among_those_that_a_stride_makes_one():
    torch = pytest.importorskip("torch")
    ours = nn.ConvTranspose2d(2, 3, 3, stride=3, padding=1)
    theirs = torch.nn.ConvTranspose2d(2, 3, 3, stride=3, padding=1)
    for size in ([7, 9], [2, 2, 8, 7]):
        wanted = theirs(torch.zeros(2, 2, 3, 3), output_size=size).shape
        assert ours(la.zeros((2, 2, 3, 3)), size).shape == tuple(wanted)
    with pytest.raises(la.ShapeError, match=r"output_size \[10, 9\] must be between \[7, 7\] and \[9, 9\]"):
        ours(la.zeros((2, 2, 3, 3)), (10, 9))


@pytest.mark.parametrize("settings", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 2}], ids=str)
def test_second_derivatives_agree_with_differences(settings):
    x, weight = numbers(2, 2, 4, 3), numbers(2, 2 // settings.get("groups", 1), 2, 2)
    check_gradients(lambda x, w: nn.conv2d(x, w, None, **settings), x, weight, order=2)
    check_gradients(lambda x, w: nn.conv_transpose2d(x, w, None, **settings), x[:, :, :2, :2], weight, order=2)


def test_integers_become_floats_and_types_meet():
    assert nn.Conv1d(1, 1, 2)(la.asarray([[1, 2, 3]])).dtype is la.float32
    assert nn.conv1d(la.ones((1, 3)), la.ones((1, 1, 2), dtype="float64")).dtype is la.float64
    assert nn.Conv1d(1, 1, 2, dtype="bfloat16")(la.ones((1, 3), dtype="bfloat16")).dtype is la.bfloat16


def test_a_summary_lists_sizes_and_parameters():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(676, 10))
    lines = str(model.summary((1, 1, 28, 28))).splitlines()
    assert [line.split() for line in lines[3:7]] == [
        ["0", "Conv2d", "[1,", "4,", "26,", "26]", "40"],
        ["1", "ReLU", "[1,", "4,", "26,", "26]"],
        ["2", "MaxPool2d", "[1,", "4,", "13,", "13]"],
        ["3", "Flatten", "[1,", "676]"],
    ]


ERRORS = {
    r"Conv2d: expected in_channels=3 along axis 1, got shape \[1, 4, 8, 8\]": lambda: nn.Conv2d(3, 2, 3)(
        la.zeros((1, 4, 8, 8))
    ),
    r"Conv2d: expected an input \[batch, channels, height, width\] or .*, got shape \[8, 8\]": lambda: nn.Conv2d(
        1, 2, 3
    )(la.zeros((8, 8))),
    r"convolution: a window of 3 elements 2 apart reaches over 5, and axis 3 of shape \[1, 1, 8, 4\] has 4; pad it": (
        lambda: nn.Conv2d(1, 2, 3, dilation=2)(la.zeros((1, 1, 8, 4)))
    ),
    r"Conv2d: groups=2 must divide in_channels=3 and out_channels=4": lambda: nn.Conv2d(3, 4, 3, groups=2),
    r"Conv2d: kernel_size must be an integer of at least 1 or 2 of them, got \(3, 3, 3\)": lambda: nn.Conv2d(
        3, 4, (3, 3, 3)
    ),
    r"Conv1d: stride must be an integer of at least 1, got 0": lambda: nn.Conv1d(1, 1, 1, stride=0),
    r'Conv1d: padding="same" keeps lengths at stride 1, got stride \[2\]': lambda: nn.Conv1d(
        1, 1, 3, stride=2, padding="same"
    ),
    r'conv1d: padding must be a number, one for each axis, "same" or "valid", got \'full\'': lambda: nn.conv1d(
        la.ones((1, 3)), la.ones((1, 1, 2)), padding="full"
    ),
    r"conv1d: expected a bias of shape \[2\], got \[3\]": lambda: nn.conv1d(
        la.ones((1, 3)), la.ones((2, 1, 2)), la.ones(3)
    ),
    r"conv1d: expected weights of 3 axes, the last of them length, got shape \[2, 2\]": lambda: nn.conv1d(
        la.ones((1, 3)), la.ones((2, 2))
    ),
    r"convolution: an input of shape \[1, 4, 3\] has 4 channels, 2 in each of 2 groups, and weights of .* take 1": (
        lambda: nn.conv1d(la.ones((4, 3)), la.ones((2, 1, 2)), groups=2)
    ),
    r"conv_transpose1d: output_padding \[2\] must be less than the stride \[2\] or the dilation \[1\]": (
        lambda: nn.conv_transpose1d(la.ones((1, 3)), la.ones((1, 1, 2)), stride=2, output_padding=2)
    ),
    r"conv_transpose1d: weights of shape \[2, 1, 2\] take 2 channels in 1 groups, and an input .* has 1": (
        lambda: nn.conv_transpose1d(la.ones((1, 3)), la.ones((2, 1, 2)))
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_what_does_not_fit_is_said_with_the_remedy(message):
    with pytest.raises(la.ShapeError, match=message):
        ERRORS[message]()


def test_an_unknown_padding_mode_and_integer_parameters_are_refused():
    with pytest.raises(
        la.DataError, match="padding_mode must be one of zeros, reflect, replicate, circular, got 'same'"
    ):
        nn.Conv1d(1, 1, 1, padding_mode="same")
    with pytest.raises(la.DTypeError, match="Conv1d: parameters are floating-point numbers, got dtype int64"):
        nn.Conv1d(1, 1, 1, dtype="int64")
