"""Images stream: every one once an epoch, the same for a seed, in bounded memory, and nothing from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

import lamina as la
from lamina import nn, optim
from lamina.data import ImageStream, Stream, read_images, transforms as t
from lamina.errors import DataError

AUGMENT = (t.RandomCrop(6, padding=2), t.RandomHorizontalFlip(), t.RandomRotation(20.0), t.ColorJitter(0.3, 0.3))
CLASSES, EACH = ("ant", "bee", "cat"), 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("animals")
    draw = np.random.default_rng(0)
    for kind in CLASSES:
        (root / kind).mkdir()
        for number in range(EACH):
            pixels = draw.integers(0, 256, (6, 6, 3), np.uint8)
            Image.fromarray(pixels).save(root / kind / f"{number}.png")
    return root


def dealt(stream: ImageStream, **options: int | None) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(stream.batches(**{"batch_size": 4, "seed": 1, "epoch": 0} | options))  # type: ignore[arg-type]


def test_images_come_as_read_images_reads_them(folder: Path) -> None:
    stream, expected = ImageStream(folder), read_images(folder)
    assert isinstance(stream, Stream)
    assert (len(stream), stream.classes, stream.input_shape) == (21, CLASSES, (3, 6, 6))
    batches = dealt(stream, seed=None)
    assert [len(inputs) for inputs, _ in batches] == [4] * 5 + [1]
    np.testing.assert_array_equal(np.concatenate([inputs for inputs, _ in batches]), expected.inputs)
    np.testing.assert_array_equal(np.concatenate([targets for _, targets in batches]), expected.targets)


def test_every_image_comes_once_an_epoch_with_its_class(folder: Path) -> None:
    whole = read_images(folder)
    known = {image.tobytes(): target for image, target in zip(*whole, strict=True)}
    found = [pair for inputs, targets in dealt(ImageStream(folder)) for pair in zip(inputs, targets, strict=True)]
    assert [known.pop(image.tobytes()) for image, _ in found] == [target for _, target in found]
    assert not known


@settings(deadline=None, max_examples=15)
@given(start=st.integers(0, 7), batch_size=st.integers(1, 25), epoch=st.integers(0, 3), seed=st.integers(0, 9))
def test_any_batch_is_found_without_those_before_it(
    folder: Path, start: int, batch_size: int, epoch: int, seed: int
) -> None:
    stream = ImageStream(folder, AUGMENT)
    whole = dealt(stream, batch_size=batch_size, epoch=epoch, seed=seed)
    rest = dealt(stream, batch_size=batch_size, epoch=epoch, seed=seed, start=start)
    assert len(rest) == max(0, len(whole) - start)
    for (inputs, targets), (expected, labels) in zip(rest, whole[start:], strict=True):
        np.testing.assert_array_equal(inputs, expected)
        np.testing.assert_array_equal(targets, labels)


def test_chance_depends_on_seed_epoch_and_image_only(folder: Path) -> None:
    def by_order(**options: int) -> np.ndarray:
        return np.concatenate([inputs for inputs, _ in dealt(ImageStream(folder, AUGMENT), **options)])

    first = by_order()
    np.testing.assert_array_equal(by_order(batch_size=9), first)
    threads = la.get_num_threads()
    try:
        la.set_num_threads(1)
        np.testing.assert_array_equal(by_order(), first)
    finally:
        la.set_num_threads(threads)
    for other in (by_order(seed=2), by_order(epoch=1)):
        assert not np.array_equal(other, first)
        # Not the same images in another order either: they are changed in another way.
        assert not {image.tobytes() for image in other} & {image.tobytes() for image in first}


def test_parts_have_every_class_and_share_no_image(folder: Path) -> None:
    rest, part = ImageStream(folder, AUGMENT).split(1 / 7, seed=3)
    assert (len(rest), len(part)) == (18, 3)
    assert sorted(part.targets.tolist()) == [0, 1, 2]
    plain = [stream.with_transforms(()) for stream in (rest, part)]
    seen = [{image.tobytes() for inputs, _ in dealt(stream) for image in inputs} for stream in plain]
    assert len(seen[0] | seen[1]) == 21
    assert rest.transforms == AUGMENT


def test_arrays_stream_as_their_files_would(folder: Path) -> None:
    whole = read_images(folder)
    arrays = ImageStream.from_arrays(whole.inputs, whole.targets, AUGMENT, classes=whole.classes)
    for (inputs, targets), (expected, labels) in zip(dealt(arrays), dealt(ImageStream(folder, AUGMENT)), strict=True):
        np.testing.assert_array_equal(inputs, expected)
        np.testing.assert_array_equal(targets, labels)


def test_folders_in_a_class_belong_to_it_and_hidden_ones_do_not(tmp_path: Path) -> None:
    for name in ("a/deep/er/1.png", "b/2.PNG", ".hidden/3.png", "a/._2.png", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 3)).save(tmp_path / name, "PNG")
    stream = ImageStream(tmp_path, grey=True)
    assert (len(stream), stream.classes, stream.input_shape) == (2, ("a", "b"), (1, 3, 3))


def test_a_model_learns_from_a_stream(folder: Path) -> None:
    la.random.seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4 * 4, 3))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    stream = ImageStream(folder, (t.RandomHorizontalFlip(), t.Normalize(0.5, 0.5)))
    history = la.fit(model, stream, loss=nn.cross_entropy, optimizer=optimizer, epochs=12, batch_size=7, seed=0)
    assert history["loss"][-1] < 0.5 * history["loss"][0]


# --- what is refused ---


def two_classes(root: Path) -> Path:
    for name in ("a/1.png", "b/1.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(root / name)
    return root


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\nno", "cut"])
def test_a_damaged_image_is_named(tmp_path: Path, content: bytes | str) -> None:
    bad = two_classes(tmp_path) / "b" / "2.png"
    whole = (tmp_path / "a/1.png").read_bytes()
    bad.write_bytes(whole[:-25] if isinstance(content, str) else content)
    with pytest.raises(DataError, match=r"b.2\.png: this image cannot be read"):
        dealt(ImageStream(tmp_path))


def test_an_image_of_another_size_is_named_with_the_remedy(tmp_path: Path) -> None:
    Image.new("L", (5, 4)).save(two_classes(tmp_path) / "b/2.png")
    with pytest.raises(DataError, match=r"b.2\.png: .* \[3, 4, 5\] .*\.Resize"):
        dealt(ImageStream(tmp_path))
    with pytest.raises(DataError, match=r"a.1\.png: RandomCrop: .* smaller"):
        ImageStream(tmp_path, (t.RandomCrop(6),))


def test_an_image_that_says_it_is_enormous_is_refused_unread(tmp_path: Path) -> None:
    Image.new("1", (10_000, 8_000)).save(two_classes(tmp_path) / "b/2.png")
    with pytest.raises(DataError, match=r"b.2\.png: 10,000 by 8,000 pixels are more than"):
        dealt(ImageStream(tmp_path, (t.Resize((4, 4)),)))


@pytest.mark.parametrize("reader", [ImageStream, read_images])
def test_links_out_of_the_folder_are_not_followed(tmp_path: Path, reader: type) -> None:
    outside = two_classes(tmp_path / "outside")
    inside = two_classes(tmp_path / "inside")
    (inside / "a/same.png").symlink_to(inside / "b/1.png")
    reader(inside)
    (inside / "b/link.png").symlink_to(outside / "a/1.png")
    with pytest.raises(DataError, match=r"link\.png: this is a link to outside"):
        reader(inside)
    (inside / "b/link.png").unlink()
    (inside / "c").symlink_to(outside / "a")
    with pytest.raises(DataError, match="c: this is a link to a folder"):
        reader(inside)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX's")
def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(two_classes(tmp_path) / "a/0.png")
    with pytest.raises(DataError, match=r"0\.png: this is not a file"):
        ImageStream(tmp_path)


def test_a_folder_without_two_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are none"):
        ImageStream(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        ImageStream(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (np.zeros((2, 3), np.uint8), [0, 1], "images have shape"),
        (np.zeros((2, 2, 3, 3), np.uint8), [0, 1], "1 or 3"),
        (np.full((2, 3, 3), np.nan), [0, 1], "from 0 to 1"),
        (np.zeros((2, 3, 3), np.int32), [0, 1], "bytes or numbers from 0 to 1"),
        (np.zeros((2, 3, 3), np.uint8), [0, 1, 1], "as many targets"),
        (np.zeros((2, 3, 3), np.uint8), [0.0, 1.0], "whole numbers"),
        (np.zeros((0, 3, 3), np.uint8), np.zeros(0, int), "at least one"),
        (np.zeros((2, 3, 3), np.uint8), [0, -1], "from 0"),
    ],
)
def test_arrays_that_are_no_images_are_refused(images: np.ndarray, targets: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageStream.from_arrays(images, targets)  # type: ignore[arg-type]


def test_leaving_in_the_middle_ends_the_threads(folder: Path) -> None:
    batches = ImageStream(folder, AUGMENT).batches(2, seed=0, epoch=0)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lamina-images")]


MEMORY = """
import resource, sys
import numpy as np
from lamina.data import ImageStream, transforms as t
stream = ImageStream(sys.argv[1], (t.Resize((128, 128)),))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for epoch in range(3):
    assert sum(len(y) for _, y in stream.batches(16, seed=0, epoch=epoch)) == len(stream)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_holds_two_batches_not_the_folder(tmp_path: Path) -> None:
    shades = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    content = Image.fromarray(shades).resize((128, 128))
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
        for number in range(256):
            content.save(tmp_path / kind / f"{number}.jpg")
    whole = 512 * 3 * 128 * 128 * 4 // 1024  # KiB decoded: 98,304
    grown = subprocess.run([sys.executable, "-c", MEMORY, tmp_path], capture_output=True, text=True, check=True)
    assert int(grown.stdout) < whole / 3
