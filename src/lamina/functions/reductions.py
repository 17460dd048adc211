"""Reductions and scans: functions that combine elements along axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Never

from lamina.dtypes import DTypeLike, as_dtype, bool_, int64, uint64
from lamina.functions.comparisons import isinf
from lamina.functions.operands import Axis, all_axes, cast, common, floating, one_axis, only_axis, tensor, wide
from lamina.other_names import unexpected
from lamina.primitives import elementwise as rows, indexing, reductions, shaping
from lamina.primitives.broadcasting import reshape, sum_

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def _accumulator(x: Tensor, dtype: DTypeLike | None) -> Tensor:
    """Return ``x`` in the type its sum is taken in: integers at least 64 bits wide, floats as they are."""
    if dtype is not None:
        return cast(x, as_dtype(dtype))
    if x.dtype.floating:
        return x
    return cast(x, uint64 if x.dtype.kind == "unsigned" else int64)


def sum(
    x: Tensor, /, axis: Axis = None, *, dtype: DTypeLike | None = None, keepdims: bool = False, **elsewhere: Never
) -> Tensor:
    """Return the sum over ``axis``; integers add up in 64 bits unless ``dtype`` says otherwise.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        The axes to go over, negative ones from the end; all when None.
    dtype : DType or str, optional
        The type to add up in, and of the result.
    keepdims : bool, default False
        Whether they stay, with length 1.

    Examples
    --------
    >>> import lamina as la
    >>> la.sum(la.asarray([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    Tensor([4., 6.], shape=[2], dtype=float32)
    """
    if elsewhere:
        raise unexpected("sum", elsewhere)
    x = _accumulator(tensor("sum", x), dtype)
    return sum_(x, axes=all_axes("sum", axis, x.ndim), keepdims=keepdims)


def prod(
    x: Tensor, /, axis: Axis = None, *, dtype: DTypeLike | None = None, keepdims: bool = False, **elsewhere: Never
) -> Tensor:
    """Return the product over ``axis``; its gradient is right where elements are zero."""
    if elsewhere:
        raise unexpected("prod", elsewhere)
    x = _accumulator(tensor("prod", x), dtype)
    return reductions.prod(x, axes=all_axes("prod", axis, x.ndim), keepdims=keepdims)


def max(x: Tensor, /, axis: Axis = None, *, keepdims: bool = False, **elsewhere: Never) -> Tensor:
    """Return the largest element over ``axis``; ties share the gradient equally.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        The axes to go over, negative ones from the end; all when None.
    keepdims : bool, default False
        Whether they stay, with length 1.

    Raises
    ------
    ShapeError
        When there is no element to go over.

    Examples
    --------
    >>> import lamina as la
    >>> la.max(la.asarray([[1.0, 5.0], [3.0, 4.0]]), axis=1, keepdims=True)
    Tensor([[5.],
            [4.]], shape=[2, 1], dtype=float32)
    """
    if elsewhere:
        raise unexpected("max", elsewhere)
    x = tensor("max", x)
    return reductions.max_(x, axes=all_axes("max", axis, x.ndim), keepdims=keepdims)


def min(x: Tensor, /, axis: Axis = None, *, keepdims: bool = False, **elsewhere: Never) -> Tensor:
    """Return the smallest element over ``axis``; ties share the gradient equally."""
    if elsewhere:
        raise unexpected("min", elsewhere)
    x = tensor("min", x)
    return reductions.min_(x, axes=all_axes("min", axis, x.ndim), keepdims=keepdims)


def _count(x: Tensor, axes: tuple[int, ...]) -> int:
    shape = x.shape
    return math.prod([shape[axis] for axis in axes])


def mean(x: Tensor, /, axis: Axis = None, *, keepdims: bool = False, **elsewhere: Never) -> Tensor:
    """Return the arithmetic mean over ``axis``, of narrow floats summed up in float32; NaN over an empty one.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        The axes to go over, negative ones from the end; all when None.
    keepdims : bool, default False
        Whether they stay, with length 1.

    Examples
    --------
    >>> import lamina as la
    >>> la.mean(la.asarray([[1.0, 2.0], [3.0, 4.0]]), axis=-1)
    Tensor([1.5, 3.5], shape=[2], dtype=float32)
    """
    if elsewhere:
        raise unexpected("mean", elsewhere)
    x = floating("mean", x)
    return cast(_mean(wide(x), all_axes("mean", axis, x.ndim), keepdims), x.dtype)


def _mean(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    count = _count(x, axes)
    # A product with the reciprocal, whose derivative is one product too.
    return sum_(x, axes=axes, keepdims=keepdims) * (1.0 / count if count else math.nan)


def var(
    x: Tensor, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False, **elsewhere: Never
) -> Tensor:
    """Return the variance over ``axis``: the sum of squared deviations over ``n - correction``.

    That of narrow floats is computed in float32 and rounded.

    Examples
    --------
    >>> import lamina as la
    >>> x = la.asarray([1.0, 3.0])
    >>> la.var(x).item(), la.var(x, correction=1).item()
    (1.0, 2.0)
    """
    if elsewhere:
        raise unexpected("var", elsewhere)
    x = floating("var", x)
    return cast(_variance(wide(x), all_axes("var", axis, x.ndim), correction, keepdims), x.dtype)


def _variance(x: Tensor, axes: tuple[int, ...], correction: float, keepdims: bool) -> Tensor:
    deviation = x - _mean(x, axes, keepdims=True)
    degrees = _count(x, axes) - float(correction)
    return sum_(deviation * deviation, axes=axes, keepdims=keepdims) / (degrees if degrees > 0 else 0.0)


def std(
    x: Tensor, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False, **elsewhere: Never
) -> Tensor:
    """Return the standard deviation, the root of `var`; its gradient where it is zero is zero."""
    if elsewhere:
        raise unexpected("std", elsewhere)
    x = floating("std", x)
    return cast(root(_variance(wide(x), all_axes("std", axis, x.ndim), correction, keepdims)), x.dtype)


def root(x: Tensor) -> Tensor:
    """Return the square root with a gradient of zero, not infinity, at zero: that of a norm."""
    flat = rows.equal(x, x._scalar(0.0))
    safe = rows.where(flat, x._scalar(1.0), x)
    return rows.where(flat, x._scalar(0.0), rows.sqrt(safe))


def all(x: Tensor, /, axis: Axis = None, *, keepdims: bool = False, **elsewhere: Never) -> Tensor:
    """Return whether every element over ``axis`` is true (not zero)."""
    if elsewhere:
        raise unexpected("all", elsewhere)
    x = tensor("all", x)
    return reductions.all_(x, axes=all_axes("all", axis, x.ndim), keepdims=keepdims)


def any(x: Tensor, /, axis: Axis = None, *, keepdims: bool = False, **elsewhere: Never) -> Tensor:
    """Return whether some element over ``axis`` is true (not zero)."""
    if elsewhere:
        raise unexpected("any", elsewhere)
    x = tensor("any", x)
    return reductions.any_(x, axes=all_axes("any", axis, x.ndim), keepdims=keepdims)


def count_nonzero(x: Tensor, /, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """Return how many elements over ``axis`` are not zero, as int64."""
    x = tensor("count_nonzero", x)
    hits = x if x.dtype is bool_ else rows.not_equal(x, x._scalar(0))
    return sum_(cast(hits, int64), axes=all_axes("count_nonzero", axis, x.ndim), keepdims=keepdims)


def logsumexp(x: Tensor, /, axis: Axis = None, *, keepdims: bool = False, **elsewhere: Never) -> Tensor:
    """Return ``log(sum(exp(x)))`` over ``axis``, computed from the largest element down.

    Examples
    --------
    >>> import lamina as la
    >>> la.logsumexp(la.asarray([1000.0, -1000.0]))
    Tensor(1000., shape=[], dtype=float32)
    """
    if elsewhere:
        raise unexpected("logsumexp", elsewhere)
    x = floating("logsumexp", x)
    axes = all_axes("logsumexp", axis, x.ndim)
    if _count(x, axes) == 0:
        return rows.log(sum_(x, axes=axes, keepdims=keepdims))
    top = reductions.max_(x._untracked, axes=axes, keepdims=True)
    base = rows.where(isinf(top), top._scalar(0.0), top)
    total = sum_(rows.exp(x - base), axes=axes, keepdims=True)
    result = rows.log(total) + base
    return result if keepdims else sum_(result, axes=axes, keepdims=False)


# --- along one axis ---------------------------------------------------------------------------------------


def cumulative_sum(
    x: Tensor, /, axis: int | None = None, *, dtype: DTypeLike | None = None, include_initial: bool = False
) -> Tensor:
    """Return running sums along ``axis``, beginning with zero if ``include_initial``."""
    x = _accumulator(tensor("cumulative_sum", x), dtype)
    along = only_axis("cumulative_sum", axis, x.shape)
    return _with_initial(reductions.cumulative_sum(x, axis=along), along, 0 if include_initial else None)


def cumulative_prod(
    x: Tensor, /, axis: int | None = None, *, dtype: DTypeLike | None = None, include_initial: bool = False
) -> Tensor:
    """Return running products along ``axis``, beginning with one if ``include_initial``."""
    x = _accumulator(tensor("cumulative_prod", x), dtype)
    along = only_axis("cumulative_prod", axis, x.shape)
    return _with_initial(reductions.cumulative_prod(x, axis=along), along, 1 if include_initial else None)


def _with_initial(x: Tensor, axis: int, value: int | None) -> Tensor:
    if value is None:
        return x
    none = (0,) * x.ndim
    low = tuple(int(at == axis) for at in range(x.ndim))
    return shaping.pad(x, low=low, high=none, interior=none, value=value)


def argmax(x: Tensor, /, axis: int | None = None, *, keepdims: bool = False, **elsewhere: Never) -> Tensor:
    """Return the first position of the largest element along ``axis``, in the flattened tensor for None."""
    if elsewhere:
        raise unexpected("argmax", elsewhere)
    return _position(indexing.argmax, tensor("argmax", x), axis, keepdims)


def argmin(x: Tensor, /, axis: int | None = None, *, keepdims: bool = False, **elsewhere: Never) -> Tensor:
    """Return the first position of the smallest element along ``axis``, in the flattened tensor for None."""
    if elsewhere:
        raise unexpected("argmin", elsewhere)
    return _position(indexing.argmin, tensor("argmin", x), axis, keepdims)


def _position(primitive: Any, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    if axis is not None:
        return primitive(x, axis=one_axis(primitive.name, axis, x.ndim), keepdims=keepdims)  # type: ignore[no-any-return]
    found = primitive(reshape(x, shape=(x.size,)), axis=0, keepdims=False)
    return reshape(found, shape=(1,) * x.ndim) if keepdims else found


def diff(
    x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Return the differences of neighbours along ``axis``, taken ``n`` times."""
    x = tensor("diff", x)
    at = one_axis("diff", axis, x.ndim)
    parts = [part for part in (prepend, x, append) if part is not None]
    if len(parts) > 1:
        x = shaping.concat(*common("diff", *parts), axis=at)
    for _ in range(n):
        length = x.shape[at]
        later = shaping.part(x, at, 1 if length else 0, length)
        earlier = shaping.part(x, at, 0, length - 1 if length else 0)
        x = later - earlier if x.dtype is not bool_ else rows.not_equal(later, earlier)
    return x
