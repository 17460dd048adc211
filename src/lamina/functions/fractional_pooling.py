"""Pooling over windows that begin at random, so that sizes shrink by a factor that is no whole number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lamina import random
from lamina.dtypes import bool_, int64
from lamina.errors import ShapeError
from lamina.functions.manipulation import concat
from lamina.functions.operands import floating, tensor
from lamina.functions.pooling_places import first_largest
from lamina.functions.pooling_windows import largest
from lamina.functions.spatial import Sizes, sizes_of, spatial
from lamina.primitives import indexing
from lamina.primitives.broadcasting import broadcast_to, reshape
from lamina.primitives.elementwise import astype, where
from lamina.primitives.shaping import part

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Shape = tuple[int, ...]
Ratio = float | Sequence[float]


def fractional_max_pool2d(
    x: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratio | None = None,
    samples: Tensor | None = None,
) -> Tensor:
    """Return the largest elements of ``x`` [batch, channels, height, width] in windows that begin at random.

    Along an axis of ``size``, with ``a = (size - kernel_size) / (output_size - 1)``, window ``i`` begins at
    ``floor((i + u) a) - floor(u a)``, and the last one ends at the end; ``u``, uniform on [0, 1), is another number for
    each channel of each sample.

    Parameters
    ----------
    x : Tensor of shape [batch, channels, height, width] or [channels, height, width]
    kernel_size : int or tuple of int
        Of the window.
    output_size : int or tuple of int, optional
        How many windows along each axis; either this or ``output_ratio``.
    output_ratio : float or tuple of float, optional
        How many windows for each element of an axis, between 0 and 1.
    samples : Tensor of shape [batch, channels, 2], optional
        The numbers ``u``, of the width first; by default drawn from the default generator of `lamina.random`.

    Returns
    -------
    Tensor of shape [batch, channels, *output_size]

    Raises
    ------
    ShapeError
        When both or none of ``output_size`` and ``output_ratio`` are given, or the windows do not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.fractional_max_pool2d(la.reshape(la.arange(9.0), (1, 3, 3)), 2, output_size=2)
    Tensor([[[4., 5.],
             [7., 8.]]], shape=[1, 2, 2], dtype=float32)

    Source: B. Graham, "Fractional max-pooling", 2014, section 2.
    """
    return fractional_max_pool("fractional_max_pool2d", 2, x, kernel_size, output_size, output_ratio, samples)


def fractional_max_pool3d(
    x: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratio | None = None,
    samples: Tensor | None = None,
) -> Tensor:
    """Return the largest elements of ``x`` [batch, channels, depth, height, width]; see `fractional_max_pool2d`.

    ``samples`` [batch, channels, 3] are of the depth first.
    """
    return fractional_max_pool("fractional_max_pool3d", 3, x, kernel_size, output_size, output_ratio, samples)


def fractional_max_pool2d_with_indices(
    x: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratio | None = None,
    samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return what `fractional_max_pool2d` does, and the place of each element as `max_pool2d_with_indices` does."""
    return fractional_max_pool_with_indices(
        "fractional_max_pool2d", 2, x, kernel_size, output_size, output_ratio, samples
    )


def fractional_max_pool3d_with_indices(
    x: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratio | None = None,
    samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return what `fractional_max_pool3d` does, and the place of each element as `max_pool3d_with_indices` does."""
    return fractional_max_pool_with_indices(
        "fractional_max_pool3d", 3, x, kernel_size, output_size, output_ratio, samples
    )


def fractional_max_pool(
    name: str,
    axes: int,
    x: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None,
    output_ratio: Ratio | None,
    samples: Tensor | None,
) -> Tensor:
    """Return the largest element of every window over the last axes of ``x``."""
    return largest(_windows(name, axes, x, kernel_size, output_size, output_ratio, samples)[0], axes=axes)


def fractional_max_pool_with_indices(
    name: str,
    axes: int,
    x: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None,
    output_ratio: Ratio | None,
    samples: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return the largest element of every window over the last axes of ``x``, and its place within them."""
    seen, places = _windows(name, axes, x, kernel_size, output_size, output_ratio, samples)
    values = largest(seen, axes=axes)
    return values, first_largest(seen, values, places, axes, math.prod(x.shape[-axes:]))


def _windows(
    name: str,
    axes: int,
    x: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None,
    output_ratio: Ratio | None,
    samples: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return the elements of every window, [*before, *counts, *size], and their places in the last axes of ``x``."""
    x = floating(name, spatial(name, x, axes))
    size, sizes, before = sizes_of(name, "kernel_size", kernel_size, axes), x.shape[-axes:], x.shape[:-axes]
    counts = _counts(name, sizes, output_size, output_ratio)
    if any(count + window - 1 > length for count, window, length in zip(counts, size, sizes, strict=True)):
        raise ShapeError(f"{name}: {list(counts)} windows {list(size)} do not fit into an input of sizes {list(sizes)}")
    places = _places(x, size, counts, _drawn(name, axes, x, samples))
    planes = reshape(x, shape=(*before, math.prod(sizes)))
    flat = reshape(places, shape=(*before, math.prod((*counts, *size))))
    seen = reshape(indexing.take_along_axis(planes, flat, axis=len(before)), shape=(*before, *counts, *size))
    return seen, places


def _counts(name: str, sizes: Shape, output_size: Sizes | None, output_ratio: Ratio | None) -> Shape:
    if (output_size is None) == (output_ratio is None):
        raise ShapeError(
            f"{name}: give output_size or output_ratio, one of them; got {output_size!r} and {output_ratio!r}"
        )
    if output_ratio is None:
        return sizes_of(name, "output_size", output_size, len(sizes))
    ratios = tuple(output_ratio) if isinstance(output_ratio, Sequence) else (output_ratio,) * len(sizes)
    if len(ratios) != len(sizes) or not all(0.0 < each < 1.0 for each in ratios):
        raise ShapeError(f"{name}: output_ratio is between 0 and 1, one or {len(sizes)} of them; got {output_ratio!r}")
    return sizes_of(name, "output_size", tuple(int(n * by) for n, by in zip(sizes, ratios, strict=True)), len(sizes))


def _drawn(name: str, axes: int, x: Tensor, samples: Tensor | None) -> Tensor:
    """Return a number for each channel and axis, in the order of the axes."""
    shape = (*x.shape[:-axes], axes)
    if samples is None:
        u = random.uniform(shape, dtype=x.dtype, device=x.device)
    else:
        u = tensor(name, samples)
        if u.shape not in (shape, (1, *shape)[: u.ndim]):
            raise ShapeError(
                f"{name}: an input of shape {list(x.shape)} takes samples {list(shape)}, got {list(u.shape)}"
            )
        u = reshape(u._untracked, shape=shape)
    # In images PyTorch's first number is of the width.
    return concat([part(u, u.ndim - 1, at, at + 1) for at in (1, 0)], axis=-1) if axes == 2 else u


def _places(x: Tensor, size: Shape, counts: Shape, samples: Tensor) -> Tensor:
    """Return the place of every element of every window, [*before, *counts, *size]."""
    axes = len(size)
    sizes, before = x.shape[-axes:], x.shape[:-axes]
    whole = (*before, *counts, *size)
    places: Tensor | None = None
    for axis, (length, count, window) in enumerate(zip(sizes, counts, size, strict=True)):
        u = part(samples, samples.ndim - 1, axis, axis + 1)
        step = (length - window) / (count - 1) if count > 1 else 0.0
        numbers = u._constant(np.arange(count), u.dtype)
        start = astype((numbers + u) * step, dtype=int64) - astype(u * step, dtype=int64)
        last = start._constant(np.arange(count) == count - 1, bool_)
        start = where(last, start._scalar(length - window), start)
        shape = [*before, *[1] * (2 * axes)]
        shape[len(before) + axis] = count
        inside = [1] * (2 * axes)
        inside[axes + axis] = window
        along = reshape(start, shape=tuple(shape)) + start._constant(np.arange(window).reshape(inside), int64)
        places = along if places is None else places * length + along
    assert places is not None
    return broadcast_to(places, shape=whole)
