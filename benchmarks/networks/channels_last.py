"""The form of JAX and Keras: linear weights are [in, out], those of convolutions [height, width, in, out]."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.architectures import Architecture, FeedForward, Floats


def inputs_last(architecture: Architecture, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the inputs; images with their channels last, in memory too."""
    images = isinstance(architecture, FeedForward) and architecture.image is not None
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if images else array


def weights_last(architecture: FeedForward, arrays: Iterable[tuple[str, Floats]]) -> Iterable[tuple[str, Floats]]:
    """Yield the weights of a network that is given such images."""
    stages = architecture.stages
    for name, array in arrays:
        if array.ndim == 4:
            yield name, array.transpose(2, 3, 1, 0)
            continue
        place = int(name.partition(".")[0])
        if array.ndim == 2 and place and stages[place - 1] == "flatten":
            # This layer sees the image with its channels last.
            channels = architecture.channels[-1]
            side = math.isqrt(array.shape[1] // channels)
            array = array.reshape(-1, channels, side, side).transpose(0, 2, 3, 1).reshape(array.shape)
        yield name, array.T
