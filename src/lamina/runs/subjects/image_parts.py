"""Images as training needs them: of one size, divided into parts class by class, their colours measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lamina.data import ClassTarget, ImageStream, transforms
from lamina.data.reading.image_files import class_files, opened
from lamina.data.reading.images import GREY
from lamina.errors import DataError
from lamina.runs.inference import STREAMED_BATCH
from lamina.runs.option_declaration import OptionError
from lamina.runs.options import TrainingOptions
from lamina.runs.sources import fingerprint, small_classes, test_share
from lamina.runs.subjects.images import ImageSubject
from lamina.runs.subjects.subject import Prepared

# Where images differ in size and nobody says which they should have.
USUAL_SIZE = (64, 64)


def prepare_images(options: TrainingOptions) -> Prepared:
    """Find the images of a folder, divide them class by class, and measure the colours of the training part.

    Raises
    ------
    DataError
        When the folder or an image cannot be used.
    """
    folder = Path(options.file or "")
    if options.task not in (None, "classification"):
        raise OptionError("task", f"{folder} is a folder of images, which are classified")
    size, grey, notes = _extent(folder, options)
    plain = [transforms.Resize(size)]
    stream = ImageStream(folder, plain, grey=grey)
    shares = {"test": test_share(options, embedded=False), "validation": options.validation}
    parts = 1 + sum(share > 0.0 for share in shares.values())
    rest, test = _divided(stream, "test", shares["test"], options.seed, parts)
    training, validation = _divided(rest, "validation", shares["validation"], options.seed, parts)
    notes += small_classes(stream.targets, stream.classes, parts, "images")
    mean, deviation = channel_statistics(training)
    subject = ImageSubject(size, grey, mean, deviation, ClassTarget("class", stream.classes, numeric=False))
    return Prepared(
        str(folder),
        False,
        subject,
        training,
        validation,
        test,
        notes,
        varied=training.with_transforms(subject.transforms(options.augment)) if options.augment else None,
        fingerprint=fingerprint(folder),
    )


def _extent(folder: Path, options: TrainingOptions) -> tuple[tuple[int, int], bool, list[str]]:
    """Return the size for all images, whether they are grey, and notes, from their headers."""
    sizes, grey = set(), True
    for files in class_files(folder).values():
        for name in files:
            with opened(folder / name) as image:
                sizes.add((image.height, image.width))
                grey = grey and image.mode in GREY
    if options.image_size is not None:
        return (options.image_size[0], options.image_size[-1]), grey, []
    if options.model == "lenet5":
        return (28, 28), grey, []
    if len(sizes) == 1:
        return sizes.pop(), grey, []
    scaled = f"{USUAL_SIZE[0]} by {USUAL_SIZE[1]}"
    return USUAL_SIZE, grey, [f"images of {len(sizes)} sizes are scaled to {scaled}; --image-size changes it"]


def _divided(
    stream: ImageStream, part: str, share: float, seed: int, parts: int
) -> tuple[ImageStream, ImageStream | None]:
    if not share:
        return stream, None
    try:
        return stream.split(share, seed=seed, least=parts)
    except DataError as error:
        raise OptionError(part, f"{error}, or another share (0 for none)") from error


def channel_statistics(stream: ImageStream) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel over all pixels; a channel without any has deviation 1."""
    count, total, squares = 0, 0.0, 0.0
    for inputs, _ in stream.batches(STREAMED_BATCH, seed=None, epoch=0):
        wide = inputs.astype(np.float64)
        count += wide.size // wide.shape[1]
        total = total + wide.sum(axis=(0, 2, 3))
        squares = squares + (wide * wide).sum(axis=(0, 2, 3))
    mean = np.asarray(total) / count
    deviation = np.sqrt(np.maximum(np.asarray(squares) / count - mean * mean, 0.0))
    return tuple(mean.tolist()), tuple(np.where(deviation > 1e-6, deviation, 1.0).tolist())
