"""Lengths of vectors and distances between them."""

from __future__ import annotations

from typing import Never

import numpy as np

from lamina.dtypes import int64
from lamina.errors import DataError, ShapeError
from lamina.functions.elementwise import maximum
from lamina.functions.operands import floating
from lamina.linalg import vector_norm
from lamina.other_names import unexpected
from lamina.primitives import indexing
from lamina.tensor import Tensor


def normalize(x: Tensor, p: float = 2.0, axis: int = 1, eps: float = 1e-12, **elsewhere: Never) -> Tensor:
    """Return vectors along ``axis`` of length one, ``x / max(|x|ₚ, eps)``.

    Parameters
    ----------
    x : Tensor
    p : float, default 2.0
        Of the norm; 0 counts what is not zero, ``math.inf`` takes the largest.
    axis : int, default 1
    eps : float, default 1e-12
        The least length that counts; vectors of zeros stay zero.

    Raises
    ------
    DataError
        When ``p`` is negative.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.normalize(la.asarray([[3.0, 4.0]]))
    Tensor([[0.6, 0.8]], shape=[1, 2], dtype=float32)
    """
    if elsewhere:
        raise unexpected("normalize", elsewhere)
    x = floating("normalize", x)
    return x / maximum(length("normalize", x, p, axis, keepdims=True), eps)


def length(name: str, x: Tensor, p: float, axis: int, *, keepdims: bool = False) -> Tensor:
    """Return the p-norm along an axis, with a gradient of zero where the norm is zero."""
    if not p >= 0.0:
        raise DataError(f"{name}: p is zero, positive or math.inf, got {p}")
    return vector_norm(x, axis=axis, keepdims=keepdims, ord=p)


def pdist(x: Tensor, p: float = 2.0) -> Tensor:
    """Return the distances of all pairs of rows, ``|x[i] - x[j]|ₚ`` for ``i < j``, in the order of the upper triangle.

    Parameters
    ----------
    x : Tensor of shape [n, d]
    p : float, default 2.0
        Of the norm; 0 counts what differs, ``math.inf`` takes the largest difference.

    Returns
    -------
    Tensor of shape [n * (n - 1) / 2]

    Raises
    ------
    ShapeError
        When ``x`` has other than two axes.
    DataError
        When ``p`` is negative.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.pdist(la.asarray([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    Tensor([5.    , 1.    , 4.2426], shape=[3], dtype=float32)
    """
    x = floating("pdist", x)
    if x.ndim != 2:
        raise ShapeError(f"pdist: expected rows [n, d], got shape {list(x.shape)}")
    first, second = (x._constant(places, int64) for places in np.triu_indices(x.shape[0], 1))
    difference = indexing.take(x, first, axis=0) - indexing.take(x, second, axis=0)
    return length("pdist", difference, p, 1)
