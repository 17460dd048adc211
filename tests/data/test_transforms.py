"""Transforms of images against NumPy, PyTorch and colorsys; what they draw, and what they refuse."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from lamina.data import transforms as t
from lamina.errors import DataError


def points(height: int, width: int, channels: int = 1, seed: int = 0) -> np.ndarray[Any, Any]:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def changed(transform: Callable[..., Any], array: np.ndarray[Any, Any], seed: int = 0) -> np.ndarray[Any, Any]:
    return np.asarray(transform(Image.fromarray(array), np.random.default_rng(seed)))


SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3]))


@settings(deadline=None, max_examples=25)
@given(SIZES)
def test_flips_are_those_of_numpy(size: tuple[int, int, int]) -> None:
    array = points(*size)
    np.testing.assert_array_equal(changed(t.RandomHorizontalFlip(1.0), array), array[:, ::-1])
    np.testing.assert_array_equal(changed(t.RandomVerticalFlip(1.0), array), array[::-1])
    np.testing.assert_array_equal(changed(t.RandomHorizontalFlip(0.0), array), array)


@settings(deadline=None, max_examples=25)
@given(SIZES, st.integers(1, 15), st.integers(1, 15))
def test_centre_crop_is_the_middle_set_into_black(size: tuple[int, int, int], height: int, width: int) -> None:
    array = points(*size)
    missing = [max(0, wanted - there) for wanted, there in zip((height, width), array.shape, strict=False)]
    around = [(n // 2, n - n // 2) for n in missing] + [(0, 0)] * (array.ndim - 2)
    whole = np.pad(array, around)
    top, left = round((whole.shape[0] - height) / 2), round((whole.shape[1] - width) / 2)
    expected = whole[top : top + height, left : left + width]
    np.testing.assert_array_equal(changed(t.CenterCrop((height, width)), array), expected)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("channels", [1, 3])
def test_random_crop_is_a_part_of_the_padded_image(mode: str, channels: int) -> None:
    array = points(6, 7, channels)
    fill: dict[str, Any] = {"constant_values": 9} if mode == "constant" else {}
    kind: Any = mode
    whole = np.pad(array, [(2, 2), (1, 1)] + [(0, 0)] * (array.ndim - 2), mode=kind, **fill)
    crop = t.RandomCrop((5, 4), padding=(1, 2), fill=9, padding_mode=mode)
    parts = [whole[top : top + 5, left : left + 4] for top in range(6) for left in range(6)]
    for seed in range(5):
        found = changed(crop, array, seed)
        assert any(np.array_equal(found, part) for part in parts)


def test_random_crop_reaches_every_place_alike() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    draw = np.random.default_rng(0)
    corners = [np.asarray(t.RandomCrop(2)(Image.fromarray(image), draw))[0, 0] for _ in range(1800)]
    values, counts = np.unique(corners, return_counts=True)
    assert values.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert ((counts - 200) ** 2 / 200).sum() < 26.1  # chi squared of 8 degrees of freedom, p = 0.001


def test_a_smaller_image_is_padded_where_that_is_wanted() -> None:
    assert changed(t.RandomCrop(8, pad_if_needed=True), points(3, 8)).shape == (8, 8)
    with pytest.raises(DataError, match="3 by 8 is smaller than 8 by 8"):
        changed(t.RandomCrop(8), points(3, 8))


@pytest.mark.parametrize("size", [(7, 5), (30, 41), 9, 33])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resizing_is_pytorchs_with_antialiasing(size: Any, channels: int, interpolation: str) -> None:
    torch = pytest.importorskip("torch")
    array = points(23, 17, channels)
    height, width = size if isinstance(size, tuple) else (size * 23 // 17, size)
    planes = torch.tensor(array.reshape(23, 17, channels).transpose(2, 0, 1)[None])
    expected = torch.nn.functional.interpolate(planes, (height, width), mode=interpolation, antialias=True)
    found = changed(t.Resize(size, interpolation), array).reshape(height, width, channels)
    difference = np.abs(found.astype(int) - expected.numpy()[0].transpose(1, 2, 0).astype(int))
    assert difference.max() <= 1


def test_a_resized_crop_has_its_size_and_share_of_the_area() -> None:
    # Each point holds its own column, so that the result says what was cut out.
    image = np.broadcast_to(np.arange(200, dtype=np.uint8), (200, 200)).copy()
    widths = [np.ptp(changed(t.RandomResizedCrop(64, scale=(0.25, 0.25), ratio=(1, 1)), image, n)) for n in range(20)]
    assert all(abs(width - 99) <= 3 for width in widths)
    assert changed(t.RandomResizedCrop((3, 5)), points(40, 2)).shape == (3, 5)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_by_right_angles_is_that_of_numpy(turns: int) -> None:
    array = points(6, 6, 3)
    angle = 90.0 * turns
    np.testing.assert_array_equal(changed(t.RandomRotation((angle, angle)), array), np.rot90(array, turns))


def test_angles_lie_between_the_two() -> None:
    image = Image.fromarray(points(32, 32))
    found = np.asarray(t.RandomRotation(30.0, "bilinear", fill=7)(image, np.random.default_rng(3)))
    angle = np.random.default_rng(3).uniform(-30.0, 30.0)
    expected = image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=7)
    np.testing.assert_array_equal(found, np.asarray(expected))
    assert found[0, 0] == 7


def test_brightness_multiplies_and_contrast_draws_from_the_mean() -> None:
    array = points(8, 9)
    bright = changed(t.ColorJitter(brightness=(1.5, 1.5)), array)
    np.testing.assert_allclose(bright, np.minimum(array * 1.5, 255), atol=1)
    mean = round(float(array.mean()))
    flat = changed(t.ColorJitter(contrast=(0.25, 0.25)), array)
    np.testing.assert_allclose(flat, mean + 0.25 * (array.astype(float) - mean), atol=1)


def test_without_saturation_an_image_is_grey_and_hue_turns_colours() -> None:
    array = points(5, 5, 3)
    grey = changed(t.ColorJitter(saturation=(0.0, 0.0)), array)
    luma = array @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey, np.repeat(luma[..., None], 3, axis=2), atol=1)
    turned = changed(t.ColorJitter(hue=(0.5, 0.5)), np.full((1, 1, 3), (200, 40, 80), np.uint8))[0, 0]
    hue, saturation, value = colorsys.rgb_to_hsv(200 / 255, 40 / 255, 80 / 255)
    expected = np.array(colorsys.hsv_to_rgb((hue + 0.5) % 1.0, saturation, value)) * 255
    # The circle has 256 steps; one is lost where the hue becomes a byte and one in 127/256 for a half. Values of six
    # sextants from 40 to 200 change by 6 * 160 / 256 in a step.
    np.testing.assert_allclose(turned, expected, atol=2 * 6 * 160 / 256)


def test_grey_images_have_no_hue() -> None:
    array = points(4, 4)
    np.testing.assert_array_equal(changed(t.ColorJitter(hue=0.5), array), array)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_has_as_many_channels_as_asked(channels: int) -> None:
    array = points(4, 6, 3)
    found = changed(t.Grayscale(channels), array)
    luma = array @ np.array([0.299, 0.587, 0.114])
    assert found.shape == ((4, 6) if channels == 1 else (4, 6, 3))
    np.testing.assert_allclose(found, luma if channels == 1 else np.repeat(luma[..., None], 3, axis=2), atol=1)


def test_normalisation_is_by_channel_of_values_from_zero_to_one() -> None:
    array = points(4, 5, 3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = t.apply((t.Normalize(mean, std),), Image.fromarray(array), np.random.default_rng(0))
    expected = ((array / 255.0 - mean) / std).transpose(2, 0, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_transforms_are_values() -> None:
    assert t.RandomCrop(4, padding=1) == t.RandomCrop(4, padding=1)
    assert len({t.Resize(3), t.Resize(3), t.Resize((3, 3))}) == 2
    assert set(t.TRANSFORMS) == {name for name in t.__all__ if isinstance(getattr(t, name), type)}


def test_a_function_of_ones_own_is_a_transform() -> None:
    def inverted(image: Image.Image, draw: np.random.Generator) -> Image.Image:
        return image.point(lambda value: 255 - value)

    found = t.apply(t.checked((inverted,)), Image.new("L", (2, 2), 255), np.random.default_rng(0))
    assert found.max() == 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: t.Resize(0), "size is a whole number from 1"),
        (lambda: t.Resize((3, 2.5)), "size is a whole number from 1"),
        (lambda: t.Resize(4, "cubic"), "interpolation is one of nearest"),
        (lambda: t.CenterCrop((1, 2, 3)), "height and width"),
        (lambda: t.RandomCrop(4, padding=-1), "padding is a whole number from 0"),
        (lambda: t.RandomCrop(4, padding=(1, 2, 3)), "a pair or four"),
        (lambda: t.RandomCrop(4, fill=256), "from 0 to 255"),
        (lambda: t.RandomCrop(4, padding_mode="wrap"), "padding_mode is one of"),
        (lambda: t.RandomResizedCrop(4, scale=(0.5, 1.5)), "lies in"),
        (lambda: t.RandomHorizontalFlip(1.5), "p is a probability"),
        (lambda: t.RandomRotation(-5.0), "a number from 0 or a pair"),
        (lambda: t.RandomRotation(5.0, "lanczos"), "interpolation is one of"),
        (lambda: t.ColorJitter(brightness=-0.5), "brightness is a number from 0"),
        (lambda: t.ColorJitter(hue=0.6), "hue is in"),
        (lambda: t.Grayscale(2), "1 or 3"),
        (lambda: t.Normalize(0.5, 0.0), "std above 0"),
        (lambda: t.checked((t.Normalize(0.5, 0.5), t.Resize(3))), "Normalize comes last"),
        (lambda: t.checked((t.RandomHorizontalFlip,)), "is no transform"),
        (lambda: t.checked("Resize"), "is no transform"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


def test_deviations_of_other_channels_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit images of 1 channels"):
        t.apply((t.Normalize((0.1, 0.2, 0.3), 1.0),), Image.new("L", (2, 2)), np.random.default_rng(0))
