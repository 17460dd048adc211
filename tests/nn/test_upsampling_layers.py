"""Other sizes, padding, windows as columns and channels as pixels, beside PyTorch's."""

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.testing import check_gradients

SIZES = {1: (7,), 2: (7, 6), 3: (5, 4, 6)}


def numbers(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


MODES = [
    *((axes, mode) for axes in (1, 2, 3) for mode in ("nearest", "nearest-exact", "area")),
    (1, "linear"), (2, "bilinear"), (2, "bicubic"), (3, "trilinear"),
]  # fmt: skip
WANTED = [{"size": 9}, {"size": 3}, {"size": 1}, {"scale_factor": 2}, {"scale_factor": 1.7}, {"scale_factor": 0.6}]


@pytest.mark.parametrize(("axes", "mode"), MODES)
@pytest.mark.parametrize("align_corners", [None, False, True])
def test_other_sizes_agree_with_pytorch(axes, mode, align_corners, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        return
    for wanted in (*WANTED, {"scale_factor": 1.7, "recompute_scale_factor": True}, {"size": (4, 8, 6)[:axes]}):
        settings = {**wanted, "mode": mode, "align_corners": align_corners}
        assert_same_as_pytorch(
            lambda x, s=settings: nn.interpolate(x, **s),
            lambda x, s=settings: functional.interpolate(x, **s),
            numbers(2, 3, *SIZES[axes]),
        )


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("align_corners", [None, False, True])
def test_sizes_without_aliases_agree_with_pytorch(mode, align_corners, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    for wanted in (
        {"size": (4, 5)},
        {"size": (20, 2)},
        {"size": (13, 9)},
        {"scale_factor": 0.3},
        {"scale_factor": 1.7},
    ):
        settings = {**wanted, "mode": mode, "align_corners": align_corners, "antialias": True}
        assert_same_as_pytorch(
            lambda x, s=settings: nn.interpolate(x, **s),
            lambda x, s=settings: functional.interpolate(x, **s),
            numbers(2, 3, 13, 17),
        )


def test_images_made_smaller_without_aliases_are_pillows():
    from PIL import Image

    image = np.random.default_rng(0).normal(size=(40, 31)).astype(np.float32)
    for mode, filter in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
        for height, width in ((7, 9), (60, 1), (1, 50)):
            expected = np.asarray(Image.fromarray(image).resize((width, height), filter))
            found = nn.interpolate(la.asarray(image[None, None]), size=(height, width), mode=mode, antialias=True)
            np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "area", "linear", "trilinear"])
def test_modes_that_cannot_avoid_aliases_are_refused(mode):
    x = la.zeros((1, 1, *(4,) * {"linear": 1, "trilinear": 3}.get(mode, 2)))
    with pytest.raises(la.errors.DataError, match="antialias is for bilinear and bicubic"):
        nn.interpolate(x, size=2, mode=mode, antialias=True)


@pytest.mark.parametrize(("mode", "size"), [("nearest", (2, 3)), ("bilinear", (2, 3)), ("trilinear", (2, 3, 2))])
@pytest.mark.parametrize("factor", [1.3, 2.1, (1.3, 2.2, 1.4)])
def test_a_factor_that_is_rounded_away_moves_what_it_moves_in_pytorch(mode, size, factor, assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    given = factor[: len(size)] if isinstance(factor, tuple) else factor
    assert_same_as_pytorch(
        lambda x: nn.interpolate(x, scale_factor=given, mode=mode),
        lambda x: functional.interpolate(x, scale_factor=given, mode=mode),
        numbers(2, 3, *size),
    )


@pytest.mark.parametrize("size", [12, 7, 5, 23, 50])
def test_nearest_elements_are_those_of_pytorch_at_every_size(size):
    functional = pytest.importorskip("torch.nn.functional")
    torch = pytest.importorskip("torch")
    x = np.arange(size, dtype="float32").reshape(1, 1, size)
    for wanted in range(1, 80):
        for mode, offset in (("nearest", 0.0), ("nearest-exact", 0.5)):
            expected = functional.interpolate(torch.tensor(x), wanted, mode=mode).numpy()
            found = nn.interpolate(la.asarray(x), wanted, mode=mode).numpy()
            # Half way between two elements PyTorch takes either, by type and layout.
            place = (np.arange(wanted) + offset) * size / wanted
            sure = (np.abs(place - np.round(place)) > 1e-4) | (mode == "nearest")
            assert np.array_equal(found[..., sure], expected[..., sure]), (wanted, mode)


@pytest.mark.parametrize("settings", [{"scale_factor": 2}, {"scale_factor": (2, 1.5), "mode": "bilinear"}, {"size": 3}])
def test_the_layer_is_written_and_computes_as_in_pytorch(settings, assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    ours, theirs = nn.Upsample(**settings), torch.nn.Upsample(**settings)
    assert repr(ours) == repr(theirs)
    assert_same_as_pytorch(ours, theirs, numbers(2, 3, 5, 4))


def test_a_value_that_is_not_finite_stays_where_it_is():
    x = la.asarray([[[1.0, 2.0, 3.0, 4.0, np.inf, 6.0]]])
    finite = np.isfinite(nn.interpolate(x, scale_factor=2, mode="linear").numpy())[0, 0]
    assert finite.tolist() == [True] * 7 + [False] * 4 + [True]


PADS = {
    "ZeroPad": [2, (1, 2), (-1, 3)],
    "ReflectionPad": [2, (1, 2), (0, 3)],
    "ReplicationPad": [2, (1, 5), (0, 3)],
    "CircularPad": [2, (1, 4), (0, 3)],
}


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", PADS)
@pytest.mark.parametrize("batch", [(2,), ()])
def test_padding_layers_agree_with_pytorch(axes, kind, batch, assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    for given in PADS[kind]:
        padding = given if isinstance(given, int) else given * axes
        ours, theirs = getattr(nn, f"{kind}{axes}d")(padding), getattr(torch.nn, f"{kind}{axes}d")(padding)
        assert repr(ours) == repr(theirs)
        if kind == "CircularPad" and not batch:  # PyTorch wants a batch here.
            theirs = _of_one(theirs)
        assert_same_as_pytorch(ours, theirs, numbers(*batch, 3, *(size + 1 for size in SIZES[axes])))


def _of_one(layer):
    return lambda x: layer(x[None])[0]


def test_one_value_is_put_around(assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    for axes in (1, 2, 3):
        ours, theirs = (getattr(module, f"ConstantPad{axes}d")(1, 2.5) for module in (nn, torch.nn))
        assert repr(ours) == repr(theirs)
        assert_same_as_pytorch(ours, theirs, numbers(2, 3, *SIZES[axes]))


def test_pairs_of_the_last_axes_come_first(assert_same_as_pytorch):
    functional = pytest.importorskip("torch.nn.functional")
    assert_same_as_pytorch(
        lambda x: nn.pad(x, (1, 2, 0, 3)), lambda x: functional.pad(x, (1, 2, 0, 3)), numbers(2, 3, 4)
    )


WINDOWS = [{}, {"stride": 2}, {"dilation": (2, 1), "padding": (1, 2)}, {"stride": (3, 2), "padding": 1}]


@pytest.mark.parametrize("settings", WINDOWS, ids=str)
@pytest.mark.parametrize("batch", [(2,), (0,), ()])
def test_windows_as_columns_and_back_agree_with_pytorch(settings, batch, assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    if batch == (0,):
        columns = nn.Unfold((3, 2), **settings)(la.zeros((0, 3, 7, 6)))
        assert nn.Fold((7, 6), (3, 2), **settings)(columns).shape == (0, 3, 7, 6)
        return
    ours, theirs = nn.Unfold((3, 2), **settings), torch.nn.Unfold((3, 2), **settings)
    assert repr(ours) == repr(theirs)
    x = numbers(*batch, 3, 7, 6)
    assert_same_as_pytorch(ours, theirs, x)
    columns = numbers(*ours(la.asarray(x)).shape)
    assert_same_as_pytorch(nn.Fold((7, 6), (3, 2), **settings), torch.nn.Fold((7, 6), (3, 2), **settings), columns)


def test_channels_become_pixels_and_channels_again(assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    x = numbers(2, 12, 3, 5)
    assert_same_as_pytorch(nn.PixelShuffle(2), torch.nn.PixelShuffle(2), x)
    assert_same_as_pytorch(nn.PixelUnshuffle(2), torch.nn.PixelUnshuffle(2), numbers(2, 3, 6, 4))
    assert np.array_equal(nn.PixelUnshuffle(2)(nn.PixelShuffle(2)(la.asarray(x))).numpy(), x)


@pytest.mark.parametrize(("groups", "shape"), [(2, (2, 6, 3, 5)), (3, (1, 6, 4)), (1, (0, 2, 3)), (6, (2, 6, 2, 1, 3))])
def test_channels_are_dealt_out_as_pytorchs(groups, shape, assert_same_as_pytorch):
    torch = pytest.importorskip("torch")
    assert repr(nn.ChannelShuffle(groups)) == repr(torch.nn.ChannelShuffle(groups))
    assert_same_as_pytorch(nn.ChannelShuffle(groups), torch.nn.ChannelShuffle(groups), numbers(*shape))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: nn.interpolate(x, scale_factor=1.5, mode="bicubic"),
        lambda x: nn.interpolate(x, 5),
        lambda x: nn.pad(x, (1, 2, 2, 1), "reflect"),
        lambda x: nn.pad(x, (1, 2, 2, 1), "circular"),
        lambda x: nn.fold(nn.unfold(x, 2), (3, 4), 2),
    ],
)
def test_second_derivatives_agree_with_differences(function):
    check_gradients(lambda x: function(x) ** 2, numbers(1, 2, 3, 4), order=2)


ERRORS = {
    r"interpolate: give size or scale_factor, one of them; got None and None": lambda: nn.interpolate(
        la.ones((1, 1, 2))
    ),
    r"interpolate: bilinear wants \[batch, channels\] and 2 axes more, got shape \[1, 1, 2\]": (
        lambda: nn.interpolate(la.ones((1, 1, 2)), 4, mode="bilinear")
    ),
    r"interpolate: scale_factor must be a positive number or one for each of 1 axes, got -1": (
        lambda: nn.interpolate(la.ones((1, 1, 2)), scale_factor=-1)
    ),
    r"interpolate: scale_factor 0.1 leaves nothing of sizes \[2\]": (
        lambda: nn.interpolate(la.ones((1, 1, 2)), scale_factor=0.1)
    ),
    r"interpolate: nothing to go by along an axis without elements: sizes \[0\]": (
        lambda: nn.interpolate(la.ones((1, 1, 0)), 3)
    ),
    r"pad: expected \(before, after\) of the last axis, .* for at most 1 axes of shape \[2\]; got \(1, 2, 3\)": (
        lambda: nn.pad(la.ones(2), (1, 2, 3))
    ),
    r"pad: cannot mirror 2 elements at an end of axis 0 of shape \[2\]: at most 1": (
        lambda: nn.pad(la.ones(2), (0, 2), "reflect")
    ),
    r"pad: cannot take 3 elements from the other end of axis 0 of shape \[2\]: at most 2": (
        lambda: nn.pad(la.ones(2), (3, 0), "circular")
    ),
    r"pad: axis 0 of shape \[0\] has no end to repeat": lambda: nn.pad(la.ones(0), (3, 0), "replicate"),
    r"pad: no element is left of shape \[2\]": lambda: nn.pad(la.ones(2), (-2, -1)),
    r"ZeroPad2d: padding must be an integer, or \(before, after\) .* 4 integers for height, width; got \(1, 2\)": (
        lambda: nn.ZeroPad2d((1, 2))
    ),
    r"fold: an image of sizes \[3, 3\] has \[2, 2\] windows of \[2, 2\]: expected .*, got shape \[1, 4, 5\]": (
        lambda: nn.fold(la.ones((1, 4, 5)), 3, 2)
    ),
    r"channel_shuffle: expected .* with a multiple of 2 channels and a place, got shape \[1, 3, 2\]": (
        lambda: nn.ChannelShuffle(2)(la.ones((1, 3, 2)))
    ),
    r"pixel_shuffle: expected .* with a multiple of 4 channels, got shape \[3, 2, 2\]": (
        lambda: nn.pixel_shuffle(la.ones((3, 2, 2)), 2)
    ),
    r"pixel_unshuffle: expected .* with multiples of 2 rows and columns, got shape \[1, 3, 2\]": (
        lambda: nn.pixel_unshuffle(la.ones((1, 3, 2)), 2)
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_what_does_not_fit_is_said_with_the_remedy(message):
    with pytest.raises(la.ShapeError, match=message):
        ERRORS[message]()


def test_unknown_modes_are_refused():
    with pytest.raises(la.DataError, match="interpolate: mode 'cubic' is not known; use one of nearest"):
        nn.interpolate(la.ones((1, 1, 2)), 4, mode="cubic")
    with pytest.raises(la.DataError, match=r"interpolate: align_corners is for linear, .*, not for 'nearest'"):
        nn.interpolate(la.ones((1, 1, 2)), 4, align_corners=True)
    with pytest.raises(la.DataError, match="pad: mode 'mirror' is not known; use one of constant, reflect"):
        nn.pad(la.ones(2), (1, 1), "mirror")
