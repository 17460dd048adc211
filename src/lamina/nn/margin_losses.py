"""Losses of scores against a margin, and of angles."""

from __future__ import annotations

from typing import Never

from lamina.errors import ShapeError
from lamina.functions.activations import relu
from lamina.functions.comparisons import clip, where
from lamina.functions.elementwise import sqrt
from lamina.functions.operands import cast, floating, one_axis, tensor
from lamina.functions.reductions import sum
from lamina.nn.distances import normalize
from lamina.nn.label_checks import check_signs
from lamina.nn.reduction import Reduction, reduced, same_shape
from lamina.other_names import unexpected
from lamina.primitives import specs
from lamina.tensor import Tensor


def hinge_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """Return the hinge loss of scores ``f``, ``max(0, margin - y * f)``: that of support vector machines.

    Parameters
    ----------
    input : Tensor
        Scores.
    target : Tensor
        Labels ``y``, 1 or -1, of the same shape.
    margin : float, default 1.0
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError
        When the shapes differ.
    DataError
        When a label is neither 1 nor -1.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.hinge_loss(la.asarray([2.0, 0.5, 0.5]), la.asarray([1, 1, -1]), reduction="none")
    Tensor([0. , 0.5, 1.5], shape=[3], dtype=float32)

    Source: C. Cortes, V. Vapnik, "Support-vector networks", Machine Learning 20, 1995.
    """
    input, target = same_shape("hinge_loss", input, target)
    check_signs("hinge_loss", target)
    return reduced("hinge_loss", relu(margin - cast(target, input.dtype) * input), reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """Return ``x`` for the label 1 and ``max(0, margin - x)`` for -1, of distances ``x`` between pairs.

    Parameters and errors are those of `hinge_loss`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.hinge_embedding_loss(la.asarray([0.2, 0.2, 3.0]), la.asarray([1, -1, -1]), reduction="none")
    Tensor([0.2, 0.8, 0. ], shape=[3], dtype=float32)

    Source: R. Hadsell, S. Chopra, Y. LeCun, CVPR 2006 (with squares there).
    """
    input, target = same_shape("hinge_embedding_loss", input, target)
    check_signs("hinge_embedding_loss", target)
    return reduced("hinge_embedding_loss", where(target > 0, input, clip(margin - input, 0.0)), reduction)


def cosine_similarity(x1: Tensor, x2: Tensor, axis: int = 1, eps: float = 1e-8, **elsewhere: Never) -> Tensor:
    """Return the cosine of the angle between vectors along ``axis``.

    ``sum(x1 * x2) / (max(|x1|, eps) * max(|x2|, eps))``; zero, with a finite gradient, for a vector of zeros.

    Parameters
    ----------
    x1, x2 : Tensor
        Shapes broadcast.
    axis : int, default 1
    eps : float, default 1e-8
        The least length that counts.

    Returns
    -------
    Tensor
        Of the broadcast shape without ``axis``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.cosine_similarity(la.asarray([[3.0, 4.0]]), la.asarray([[4.0, 3.0]]))
    Tensor([0.96], shape=[1], dtype=float32)
    """
    if elsewhere:
        raise unexpected("cosine_similarity", elsewhere)
    x1, x2 = floating("cosine_similarity", x1), floating("cosine_similarity", x2)
    shape = specs.broadcast_shapes("cosine_similarity", x1.shape, x2.shape)
    # Counted from the end, the axis is the same one in both before they are broadcast.
    at = one_axis("cosine_similarity", axis, len(shape)) - len(shape)
    if -at > x1.ndim or -at > x2.ndim:
        raise ShapeError(f"cosine_similarity: axis {axis} is not in both {list(x1.shape)} and {list(x2.shape)}")
    return sum(normalize(x1, 2.0, at, eps) * normalize(x2, 2.0, at, eps), axis=at)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor:
    """Return ``1 - c`` for the label 1 and ``max(0, c - margin)`` for -1, of the cosine ``c`` of two vectors.

    Parameters
    ----------
    input1, input2 : Tensor of shape [n, d] or [d]
        Vectors, of one shape.
    target : Tensor of shape [n] or []
        Labels, 1 or -1.
    margin : float, default 0.0
        In [-1, 1].
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError
        When the shapes do not fit together.
    DataError
        When a label is neither 1 nor -1.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> x, y = la.asarray([[3.0, 4.0], [3.0, 4.0]]), la.asarray([[4.0, 3.0], [4.0, 3.0]])
    >>> nn.cosine_embedding_loss(x, y, la.asarray([1, -1]), reduction="none")
    Tensor([0.04, 0.96], shape=[2], dtype=float32)
    """
    name = "cosine_embedding_loss"
    x1, x2 = same_shape(name, input1, input2)
    x2, target = floating(name, x2), tensor(name, target)
    if x1.ndim not in (1, 2) or target.shape != x1.shape[:-1]:
        raise ShapeError(
            f"{name}: expected vectors of shape [n, d] with labels [n], or [d] with []; "
            f"got {list(x1.shape)} with {list(target.shape)}"
        )
    check_signs(name, target)
    squares1, squares2 = sum(x1 * x1, axis=-1) + _TINY, sum(x2 * x2, axis=-1) + _TINY
    cosine = sum(x1 * x2, axis=-1) / sqrt(squares1 * squares2)
    return reduced(name, where(target > 0, 1.0 - cosine, clip(cosine - margin, 0.0)), reduction)


# Added to squared lengths, so that a vector of zeros has a cosine and a gradient.
_TINY = 1e-12
