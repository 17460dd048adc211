"""Losses of distances between vectors: triplets, and pairs in an order."""

from __future__ import annotations

from collections.abc import Callable

from lamina.errors import DataError, ShapeError
from lamina.functions.comparisons import clip
from lamina.functions.elementwise import minimum
from lamina.functions.operands import cast, common, floating
from lamina.nn.distances import length
from lamina.nn.label_checks import check_signs
from lamina.nn.reduction import Reduction, reduced, same_shape
from lamina.primitives import specs
from lamina.tensor import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> Tensor:
    """Return the distance of vectors along the last axis, ``(Σ |x1 - x2 + eps|ᵖ)^(1/p)``.

    Parameters
    ----------
    x1, x2 : Tensor of shape [..., d]
        Shapes broadcast.
    p : float, default 2.0
        Positive; ``math.inf`` for the largest difference.
    eps : float, default 1e-6
        Keeps the derivative finite where vectors are equal.
    keepdims : bool, default False

    Raises
    ------
    DataError
        When ``p`` is not positive.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.pairwise_distance(la.asarray([[3.0, 0.0]]), la.asarray([[0.0, 4.0]]))
    Tensor([5.], shape=[1], dtype=float32)
    """
    if not p > 0.0:
        raise DataError(f"pairwise_distance: p is positive or math.inf, got {p}")
    x1, x2 = common("pairwise_distance", floating("pairwise_distance", x1), floating("pairwise_distance", x2))
    specs.broadcast_shapes("pairwise_distance", x1.shape, x2.shape)
    return length("pairwise_distance", x1 - x2 + eps, p, -1, keepdims=keepdims)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return ``max(0, d(a, p) - d(a, n) + margin)``: an anchor is to be nearer to its like than to another.

    Parameters
    ----------
    anchor, positive, negative : Tensor of shape [..., d]
        Vectors; shapes broadcast.
    margin : float, default 1.0
    p, eps : float
        As in `pairwise_distance`.
    swap : bool, default False
        Whether ``d(p, n)`` takes the place of ``d(a, n)`` where it is smaller.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError, DataError
        When shapes do not broadcast, or ``margin`` or ``p`` is not positive.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> a, p, n = la.asarray([[0.0]]), la.asarray([[2.0]]), la.asarray([[-1.5]])
    >>> nn.triplet_margin_loss(a, p, n)
    Tensor(1.5, shape=[], dtype=float32)

    Source: V. Balntas et al., "Learning local feature descriptors with triplets", BMVC 2016, section 3.
    """

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return _triplet("triplet_margin_loss", distance, (anchor, positive, negative), margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return `triplet_margin_loss` of another distance.

    Parameters
    ----------
    anchor, positive, negative : Tensor
        What the distance takes.
    distance_function : callable, optional
        From two tensors to their distances; `pairwise_distance` when not given.
    margin, swap, reduction
        As in `triplet_margin_loss`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> a, p, n = la.asarray([[0.0]]), la.asarray([[2.0]]), la.asarray([[-1.5]])
    >>> cosine = lambda x, y: 1.0 - nn.cosine_similarity(x, y)
    >>> nn.triplet_margin_with_distance_loss(a, p, n, distance_function=cosine)
    Tensor(1., shape=[], dtype=float32)
    """
    distance = pairwise_distance if distance_function is None else distance_function
    name = "triplet_margin_with_distance_loss"
    return _triplet(name, distance, (anchor, positive, negative), margin, swap, reduction)


def _triplet(
    name: str,
    distance: Distance,
    vectors: tuple[Tensor, Tensor, Tensor],
    margin: float,
    swap: bool,
    reduction: Reduction,
) -> Tensor:
    if not margin > 0.0:
        raise DataError(f"{name}: margin must be positive, got {margin}")
    anchor, positive, negative = (floating(name, each) for each in vectors)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            f"{name}: anchor, positive and negative have equally many axes, got shapes {list(anchor.shape)}, "
            f"{list(positive.shape)} and {list(negative.shape)}"
        )
    far = distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(name, clip(distance(anchor, positive) - far + margin, 0.0), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor:
    """Return ``max(0, margin - y (x1 - x2))``: the first is to be larger where ``y`` is 1, smaller where it is -1.

    Parameters
    ----------
    input1, input2 : Tensor
        Scores, of one shape.
    target : Tensor
        Labels, 1 or -1, of the same shape.
    margin : float, default 0.0
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError
        When shapes differ.
    DataError
        When a label is neither 1 nor -1.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.margin_ranking_loss(la.asarray([1.0, 1.0]), la.asarray([3.0, 3.0]), la.asarray([1, -1]), reduction="none")
    Tensor([2., 0.], shape=[2], dtype=float32)
    """
    name = "margin_ranking_loss"
    x1, x2 = same_shape(name, input1, input2)
    _, target = same_shape(name, x1, target)
    check_signs(name, target)
    return reduced(name, clip(margin - cast(target, x1.dtype) * (x1 - x2), 0.0), reduction)
