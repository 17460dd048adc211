"""`ImageSubject`: images of one size, and a class for each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from lamina import models, nn
from lamina.data import ClassTarget, ImageStream, transforms
from lamina.data.reading.image_files import SUFFIXES, opened, upright
from lamina.data.record import Record
from lamina.errors import DataError
from lamina.functions.creation import asarray, zeros
from lamina.runs.applicable import chosen_model
from lamina.runs.data_kinds import IMAGES
from lamina.runs.inference import STREAMED_BATCH, outputs
from lamina.runs.option_declaration import OptionError
from lamina.runs.subjects.named import Reading
from lamina.runs.subjects.predicting import PredictingSubject, prediction_columns
from lamina.runs.subjects.subject import Data, Predicted
from lamina.tensor import Tensor
from lamina.training.units import Unit
from lamina.variable import Variable

if TYPE_CHECKING:
    from lamina.runs.options import TrainingOptions

Pixels = npt.NDArray[np.float32]

# Images up to this are small: a ResNet does not halve them at its beginning.
SMALL = 64
RESNETS = {"resnet18": models.resnet18, "resnet34": models.resnet34, "resnet50": models.resnet50}


@dataclass(frozen=True)
class ImageSubject(PredictingSubject):
    """Images with classes.

    Attributes
    ----------
    size : pair of int
        Height and width to which images are scaled.
    grey : bool
        Whether they have one channel rather than three colours.
    mean, deviation : tuple of float
        Of each channel of the training part, from 0 to 1.
    target : ClassTarget
    """

    size: tuple[int, int]
    grey: bool
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    target: ClassTarget

    kind = IMAGES
    file = "a folder of images"

    # --- what it is ---

    @property
    def unit(self) -> Unit:
        """Images."""
        return Unit("images")

    @property
    def title(self) -> str:
        """What the model does."""
        return "classification of images"

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for coloured ones."""
        return 1 if self.grey else 3

    def network(self, options: TrainingOptions) -> str:
        """Return what the network sees, and which it is."""
        what = f"{'grey' if self.grey else 'coloured'}, {self.size[0]} by {self.size[1]}"
        return f"({len(self.target.classes)} classes, {what}) by a {chosen_model(self.kind, options.model)}"

    def details(self) -> dict[str, str]:
        """Return the size of the images and their classes."""
        colour = "grey" if self.grey else "coloured"
        return {"images": f"{self.size[0]} by {self.size[1]}, {colour}", "classes": ", ".join(self.target.classes)}

    def facts(self) -> dict[str, Any]:
        """Return the same for machines."""
        return {"target": self.target.to_json(), "size": list(self.size), "channels": self.channels}

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {
            "target": self.target.to_json(),
            "size": list(self.size),
            "grey": self.grey,
            "mean": list(self.mean),
            "deviation": list(self.deviation),
        }

    @classmethod
    def from_json(cls, record: Record) -> Self:
        """Rebuild it from what `to_json` gave."""
        size, grey = record.wholes("size", least=1), record.truth("grey")
        if len(size) != 2:
            raise record.wrong("size", "height and width")
        mean, deviation = record.numbers("mean"), record.numbers("deviation")
        if len(mean) != len(deviation) or len(mean) != (1 if grey else 3) or min(deviation) <= 0.0:
            raise record.wrong("deviation", "a number above 0 for each channel, as mean has one")
        return cls((size[0], size[1]), grey, mean, deviation, ClassTarget.from_json(record.record("target")))

    # --- the model ---

    def build(self, options: TrainingOptions) -> nn.Module:
        """Return a convolutional network, behind what makes pixels standard."""
        return nn.Sequential(Standardize(self.mean, self.deviation), self._network(options))

    def _network(self, options: TrainingOptions) -> nn.Module:
        name, count, width = chosen_model(self.kind, options.model), len(self.target.classes), options.width or 32
        if name in RESNETS:
            small = max(self.size) <= SMALL
            return RESNETS[name](count, channels=self.channels, width=width, stem="small" if small else "imagenet")
        if name == "lenet5":
            if self.size != (28, 28):
                raise OptionError(
                    "image_size", f"lenet5 takes images of 28 by 28, not {self.size[0]} by {self.size[1]}"
                )
            return models.LeNet5(count, channels=self.channels)
        depth = options.depth or 2
        if min(self.size) < 2**depth:
            raise OptionError(
                "depth", f"{depth} stages halve images of {self.size[0]} by {self.size[1]} to nothing; give fewer"
            )
        return models.ConvNet(
            count, channels=self.channels, width=width, stages=depth, size=self.size, dropout=options.dropout
        )

    def example(self) -> Tensor:
        """Return a black image."""
        return zeros((1, self.channels, *self.size))

    # --- data ---

    def transforms(self, augment: Sequence[str] = ()) -> list[Any]:
        """Return what is done to an image before the network sees it; chance only where it is asked for."""
        return [transforms.Resize(self.size), *(change for name in augment for change in self._change(name))]

    def _change(self, name: str) -> list[Any]:
        changes: dict[str, list[Any]] = {
            "flip": [transforms.RandomHorizontalFlip()],
            "crop": [transforms.RandomCrop(self.size, padding=max(1, max(self.size) // 8))],
            "rotate": [transforms.RandomRotation(10.0, "bilinear")],
            "colour": [transforms.ColorJitter(0.2, 0.2, 0.2)],
        }
        return changes[name]

    def read(self, path: Path, how: Reading) -> tuple[Data, Sequence[str]]:
        """Read a folder with folders of the same names as in training."""
        how.refuse(f"{path} is a folder of images")
        stream = ImageStream(path, self.transforms(), grey=self.grey)
        unknown = [each for each in stream.classes if each not in self.target.classes]
        if unknown:
            known = ", ".join(self.target.classes)
            raise DataError(f"{path}: the folder {unknown[0]!r} is no class that the model knows; there are {known}")
        numbers = np.array([self.target.classes.index(each) for each in stream.classes])
        stream.targets = numbers[stream.targets]
        return stream, ()

    def predicted(self, model: nn.Module, path: Path, how: Reading, device: str) -> Predicted:
        """Return a table with each image of a file or folder, and what the model says of it."""
        import polars as pl

        how.refuse(f"{path} holds images")
        files = images_in(path)
        parts = []
        for first in range(0, len(files), STREAMED_BATCH):
            inputs = np.stack([self._pixels(file) for file in files[first : first + STREAMED_BATCH]])
            parts.append(outputs(model, inputs, device))
        columns = prediction_columns(self.target, np.concatenate(parts), ["file"])
        return Predicted(pl.DataFrame([pl.Series("file", [str(file) for file in files]), *columns]))

    def _pixels(self, file: Path) -> Pixels:
        with opened(file) as image:
            return transforms.apply(self.transforms(), upright(image, not self.grey), np.random.default_rng(0))

    def export_onnx(self, model: nn.Module, path: Path, metadata: Mapping[str, str]) -> str:
        """Write a model that takes pixels from 0 to 1."""
        from lamina.exchange import export_onnx

        export_onnx(model, path, self.example(), target=self.target, input_names=["image"], metadata=metadata)
        return f"the model, for images [batch, {self.channels}, {self.size[0]}, {self.size[1]}] from 0 to 1,"


class Standardize(nn.Module):
    """Each channel as it was in training: ``(x - mean) / deviation``; part of the model, so that it goes with it."""

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        self.mean, self.deviation = (
            Variable(asarray(each, dtype="float32").reshape(-1, 1, 1), name, trainable=False)
            for name, each in (("mean", list(mean)), ("deviation", list(deviation)))
        )

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


def images_in(path: Path) -> list[Path]:
    """Return an image, or all images in a folder and the folders in it, in order.

    Raises
    ------
    DataError
        When there are none.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    if path.is_file():
        return [path]
    found = sorted(
        Path(folder) / name
        for folder, _, names in os.walk(path)
        for name in names
        if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
    )
    if not found:
        raise DataError(f"{path}: there are no images; they end in {' '.join(SUFFIXES)}")
    return found
