"""Layers of fractional pooling. The functions are in `lamina.functions.fractional_pooling`."""

from __future__ import annotations

from typing import Any, ClassVar

from lamina.functions.fractional_pooling import Ratio, fractional_max_pool, fractional_max_pool_with_indices
from lamina.functions.spatial import Sizes
from lamina.nn.module import Module
from lamina.tensor import Tensor


class _FractionalMaxPool(Module):
    """The largest elements in windows that begin at random; see `FractionalMaxPool2d`."""

    _axes: ClassVar[int]

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratio | None = None,
        return_indices: bool = False,
        samples: Tensor | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.output_size = output_size
        self.output_ratio = output_ratio
        self.return_indices = return_indices
        self.samples = samples

    def __call__(self, x: Tensor) -> Any:
        """Return the output, of shape [batch, channels, *output_size]; with ``return_indices`` the indices besides."""
        settings = (self.kernel_size, self.output_size, self.output_ratio, self.samples)
        pool = fractional_max_pool_with_indices if self.return_indices else fractional_max_pool
        return pool(type(self).__name__, self._axes, x, *settings)

    def extra_repr(self) -> str:
        wanted = "output_ratio" if self.output_size is None else "output_size"
        return f"kernel_size={self.kernel_size}, {wanted}={getattr(self, wanted)}"


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest elements in windows over two axes that begin at random; see `fractional_max_pool2d`.

    Parameters
    ----------
    kernel_size, return_indices
        As in `MaxPool2d`.
    output_size : int or tuple of int, optional
        How many windows along each axis; either this or ``output_ratio``.
    output_ratio : float or tuple of float, optional
        How many windows for each element of an axis, between 0 and 1.
    samples : Tensor of shape [batch, channels, 2], optional
        Where windows begin, in place of random numbers.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.FractionalMaxPool2d(2, output_ratio=0.7)(la.zeros((8, 3, 28, 28))).shape
    (8, 3, 19, 19)

    Source: B. Graham, "Fractional max-pooling", 2014, section 2.
    """

    _axes = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest elements in windows over three axes that begin at random; see `FractionalMaxPool2d`."""

    _axes = 3
