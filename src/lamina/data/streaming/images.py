"""`ImageStream`: folders of images larger than memory, changed at random as they are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from lamina.data.dataset import split_rows
from lamina.data.reading.image_files import class_files, opened, upright
from lamina.data.streaming.stream import Pair, addressed, check_counts
from lamina.data.transforms import Normalize, Transform, apply, checked
from lamina.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Rows = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.float32]

# Batches that are decoded while one is used.
AHEAD = 1


class ImageStream:
    """Images from a folder that has a folder for each class, decoded and transformed in batches as they are read.

    ``inputs`` are float32 of shape [images, channels, height, width], from 0 to 1 before `transforms.Normalize`;
    ``targets`` are int64. Each epoch takes the images in another order. What is drawn for an image depends on the seed,
    the epoch and the image only, not on the batch, nor on how many threads decode. Two batches are held in memory.

    Parameters
    ----------
    folder : str or Path
        ``folder/cats/1.png``, ``folder/dogs/a/2.jpg`` and so on. The folders' names, in their order, are the classes.
        PNG, JPEG, BMP, GIF (the first picture), WebP, TIFF and PPM are read. Links out of the folder, and links to
        folders, are not followed.
    transforms : sequence of transforms, default ()
        What is done to each image, from the first to the last: see `lamina.data.transforms`. All images must leave them
        with one shape.
    grey : bool, default False
        Whether images become grey (one channel) rather than coloured (three) before the transforms.
    name : str, optional
        What to call it in messages; the folder's path where it is None.

    Attributes
    ----------
    classes : tuple of str
    targets : int64 array of shape [images]
        The number of each image's class.
    transforms : tuple of transforms

    Raises
    ------
    DataError
        When there are no images or fewer than two classes, a link leads out of the folder, or something is no
        transform; and from `batches`, when an image is damaged, too large to be meant, or of another shape.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from lamina.data import ImageStream, transforms
    >>> with TemporaryDirectory() as folder:
    ...     for kind, colour in (("dark", 0), ("light", 255)):
    ...         (Path(folder) / kind).mkdir()
    ...         for number in range(3):
    ...             Image.new("RGB", (40, 30), (colour,) * 3).save(Path(folder) / kind / f"{number}.png")
    ...     stream = ImageStream(folder, (transforms.Resize(16), transforms.RandomCrop(16)))
    ...     inputs, targets = next(stream.batches(4, seed=0, epoch=0))
    >>> len(stream), stream.classes, inputs.shape, targets.shape
    (6, ('dark', 'light'), (4, 3, 16, 16), (4,))
    """

    name: str
    classes: tuple[str, ...]
    targets: Rows
    transforms: tuple[Transform | Normalize, ...]

    def __init__(
        self,
        folder: str | Path,
        transforms: Sequence[Transform | Normalize] = (),
        *,
        grey: bool = False,
        name: str | None = None,
    ) -> None:
        from PIL import Image

        # Every format is known before threads decode.
        Image.init()
        groups = class_files(Path(folder))
        self.classes = tuple(groups)
        self.targets = np.repeat(np.arange(len(groups)), [len(group) for group in groups.values()])
        self.name = str(folder) if name is None else name
        self._source: _Source = _Files(Path(folder), tuple(f for group in groups.values() for f in group), not grey)
        self._begin(transforms)

    @classmethod
    def from_arrays(
        cls,
        images: npt.ArrayLike,
        targets: npt.ArrayLike,
        transforms: Sequence[Transform | Normalize] = (),
        *,
        classes: Sequence[str] | None = None,
        name: str = "images",
    ) -> Self:
        """Return a stream of images that are in memory already.

        Parameters
        ----------
        images : array of shape [images, height, width] or [images, channels, height, width]
            With one channel or three: bytes, or numbers from 0 to 1, which become bytes.
        targets : array of int, shape [images]
            The number of each image's class.
        transforms : sequence of transforms, default ()
        classes : sequence of str, optional
            The names of the classes; their numbers when None.
        name : str, default "images"

        Raises
        ------
        DataError
            When shapes or values do not fit.

        Examples
        --------
        >>> import lamina as la
        >>> from lamina.data import ImageStream, transforms
        >>> digits = la.data.load_embedded("digits")
        >>> images = digits.inputs.reshape(-1, 8, 8)
        >>> stream = ImageStream.from_arrays(images, digits.targets, (transforms.RandomRotation(10.0),))
        >>> stream
        ImageStream('images', images=1797, input_shape=(1, 8, 8), classes=10)
        """
        stream = cls.__new__(cls)
        stream.name = name
        pixels, stream.targets = _bytes(np.asarray(images)), np.asarray(targets)
        labels = stream.targets
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(pixels) or not len(labels):
            raise DataError(
                f"ImageStream: {len(pixels)} images need as many targets, whole numbers in one axis, and at least one; "
                f"got {labels.dtype} of shape {list(labels.shape)}"
            )
        stream.targets = labels.astype(np.int64)
        stream.classes = tuple(classes or (str(n) for n in range(int(labels.max()) + 1)))
        if stream.targets.min() < 0 or stream.targets.max() >= len(stream.classes):
            raise DataError(f"ImageStream: targets are the numbers of {len(stream.classes)} classes, from 0")
        stream._source = _Bytes(pixels)
        stream._begin(transforms)
        return stream

    def _begin(self, transforms: Sequence[Transform | Normalize]) -> None:
        self._rows = np.arange(len(self.targets))
        self._use(transforms)

    def _use(self, transforms: Sequence[Transform | Normalize]) -> None:
        self.transforms = checked(transforms)
        # The first image is transformed to learn the shape that all of them must have.
        self._input_shape = self._pixels(int(self._rows[0]), None, 0).shape

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}, images={len(self)}, input_shape={self.input_shape}, "
            f"classes={len(self.classes)})"
        )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample's inputs: (channels, height, width)."""
        return self._input_shape

    def with_transforms(self, transforms: Sequence[Transform | Normalize]) -> Self:
        """Return a stream of the same images with other transforms, such as those without chance, to measure with."""
        other = copy(self)
        other._use(transforms)
        return other

    def split(self, share: float, *, seed: int = 0, least: int = 2) -> tuple[Self, Self]:
        """Return ``(the rest, the part)``, where the part holds a random ``share`` of the images, of each class alike.

        Both have the transforms of this stream; `with_transforms` changes them.

        Parameters
        ----------
        share : float
            Between 0 and 1, both excluded.
        seed : int, default 0
        least : int, default 2
            A class with fewer images stays in the rest.

        Raises
        ------
        DataError
            When the share leaves one side without images.
        """
        divided = []
        for places in split_rows(len(self), share, seed=seed, labels=self.targets, least=least, unit="image"):
            other = copy(self)
            other._rows, other.targets = self._rows[places], self.targets[places]
            divided.append(other)
        rest, part = divided
        return rest, part

    def batches(self, batch_size: int, *, seed: int | None, epoch: int, start: int = 0) -> Iterator[Pair]:
        """Yield ``(inputs, targets)``, as `Stream.batches` says; without a seed, chance is that of seed 0.

        Raises
        ------
        DataError
            When an image is damaged, too large to be meant, or of another shape than the first.
        """
        check_counts(batch_size, seed, epoch, start)
        places = np.arange(len(self)) if seed is None else addressed(seed, epoch, 0).permutation(len(self))
        coming: deque[tuple[Rows, Pixels, list[Future[None]]]] = deque()
        threads = _threads()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="lamina-images")
        try:
            for begin in range(start * batch_size, len(places), batch_size):
                coming.append(self._started(pool, threads, places[begin : begin + batch_size], seed, epoch))
                if len(coming) > AHEAD:
                    yield self._finished(*coming.popleft())
            while coming:
                yield self._finished(*coming.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _started(
        self, pool: ThreadPoolExecutor, threads: int, places: Rows, seed: int | None, epoch: int
    ) -> tuple[Rows, Pixels, list[Future[None]]]:
        """Return a batch that is being filled."""
        inputs = np.empty((len(places), *self._input_shape), np.float32)

        def fill(first: int) -> None:
            for at in range(first, len(places), threads):
                inputs[at] = self._expected(int(self._rows[places[at]]), seed, epoch)

        return places, inputs, [pool.submit(fill, first) for first in range(min(threads, len(places)))]

    def _finished(self, places: Rows, inputs: Pixels, jobs: list[Future[None]]) -> Pair:
        for job in jobs:
            job.result()
        return inputs, self.targets[places]

    def _pixels(self, row: int, seed: int | None, epoch: int) -> Pixels:
        draw = addressed(seed or 0, epoch, 0, row + 1)
        image = self._source.image(row)
        try:
            return apply(self.transforms, image, draw)
        except DataError as error:
            raise DataError(f"{self._source.called(row)}: {error}") from error

    def _expected(self, row: int, seed: int | None, epoch: int) -> Pixels:
        pixels = self._pixels(row, seed, epoch)
        if pixels.shape != self._input_shape:
            raise DataError(
                f"{self._source.called(row)}: this image has shape {list(pixels.shape)} after the transforms, but "
                f"{self._source.called(int(self._rows[0]))} has {list(self._input_shape)}; bring all to one size with "
                "transforms.Resize((height, width))"
            )
        return pixels


class _Source(Protocol):
    """Where images come from."""

    def image(self, row: int) -> Image: ...
    def called(self, row: int) -> str: ...


@dataclass(frozen=True, eq=False)
class _Files:
    """Images in files of a folder."""

    folder: Path
    files: tuple[str, ...]
    coloured: bool

    def image(self, row: int) -> Image:
        with opened(self.folder / self.files[row]) as image:
            return upright(image, self.coloured)

    def called(self, row: int) -> str:
        return str(self.folder / self.files[row])


@dataclass(frozen=True, eq=False)
class _Bytes:
    """Images in memory: [images, height, width], or with an axis of three colours at the end."""

    pixels: npt.NDArray[np.uint8]

    def image(self, row: int) -> Image:
        from PIL import Image

        return Image.fromarray(self.pixels[row])

    def called(self, row: int) -> str:
        return f"ImageStream: image {row}"


def _bytes(images: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return images as bytes, colours last, as Pillow takes them."""
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[1] not in (1, 3)) or 0 in images.shape[1:]:
        raise DataError(
            "ImageStream: images have shape [images, height, width] or [images, 1 or 3, height, width], got "
            f"{list(images.shape)}"
        )
    if images.dtype != np.uint8:
        # A comparison with NaN is false.
        if images.dtype.kind != "f" or not ((images >= 0.0) & (images <= 1.0)).all():
            raise DataError(f"ImageStream: images are bytes or numbers from 0 to 1; these are {images.dtype}")
        images = np.round(images * 255.0).astype(np.uint8)
    if images.ndim == 4:
        images = images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)
    return np.array(images, order="C")


def _threads() -> int:
    from lamina.compiler.runtime.threads import get_num_threads

    return get_num_threads()
