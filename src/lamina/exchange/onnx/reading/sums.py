"""What ONNX's operators that add up, order or multiply matrices mean here."""

from __future__ import annotations

from collections.abc import Callable

import lamina as la
from lamina.errors import DataError
from lamina.exchange.onnx.reading.calls import Function
from lamina.exchange.onnx.reading.shapes import axis_of, either, numbers, put_off
from lamina.tensor import Tensor


def reduction(function: Callable[..., Tensor]) -> Function:
    """A reduction, whose axes are an operand, or were an attribute in older operator sets."""

    def row(
        x: Tensor, axes_operand: Tensor | None = None, /, *, axes: tuple[int, ...] | None = None, keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> Tensor:  # fmt: skip
        given = either("the axes", axes_operand, axes)
        if not given and noop_with_empty_axes:
            return x
        return function(x, axis=tuple(given) if given else None, keepdims=bool(keepdims))

    return row


def _l1(x: Tensor, **over: object) -> Tensor:
    return la.sum(la.abs(x), **over)  # type: ignore[arg-type]


def _l2(x: Tensor, **over: object) -> Tensor:
    return la.sqrt(la.sum(x * x, **over))  # type: ignore[arg-type]


def _sum(x: Tensor, **over: object) -> Tensor:
    return la.sum(x, dtype=x.dtype, **over)  # type: ignore[arg-type]


def _prod(x: Tensor, **over: object) -> Tensor:
    return la.prod(x, dtype=x.dtype, **over)  # type: ignore[arg-type]


def _sum_of_squares(x: Tensor, **over: object) -> Tensor:
    return _sum(x * x, **over)


def _log_sum(x: Tensor, **over: object) -> Tensor:
    return la.log(la.sum(x, **over))  # type: ignore[arg-type]


def position(function: Callable[..., Tensor]) -> Function:
    """The place of an extremum along one axis."""

    def row(x: Tensor, /, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
        at = axis_of(axis, x.ndim)
        if not select_last_index:
            return function(x, axis=at, keepdims=bool(keepdims))
        return x.shape[at] - 1 - function(la.flip(x, axis=at), axis=at, keepdims=bool(keepdims))

    return row


def _cumulative_sum(x: Tensor, axis: Tensor, /, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    at = axis_of(numbers("the axis", axis.reshape((-1,)))[0], x.ndim)
    ordered = la.flip(x, axis=at) if reverse else x
    sums = la.cumulative_sum(ordered, axis=at, dtype=x.dtype)
    sums = sums - ordered if exclusive else sums
    return la.flip(sums, axis=at) if reverse else sums


def _top_k(x: Tensor, k: Tensor, /, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> tuple[Tensor, Tensor]:
    at = axis_of(axis, x.ndim)
    count = numbers("the number of elements", k.reshape((-1,)))[0]
    if not 0 <= count <= x.shape[at]:
        raise DataError(f"{count} elements of the {x.shape[at]} along axis {at}")
    return la.topk(x, count, axis=at, largest=bool(largest))


def _gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, /, *, alpha: float = 1.0, beta: float = 1.0,
    transA: int = 0, transB: int = 0,
) -> Tensor:  # fmt: skip
    if a.ndim != 2 or b.ndim != 2:
        raise DataError(f"expected two matrices, got shapes {list(a.shape)} and {list(b.shape)}")
    product = (a.T if transA else a) @ (b.T if transB else b)
    product = product if alpha == 1.0 else product * alpha
    if c is None:
        return product
    total = product + (c if beta == 1.0 else c * beta)
    if total.shape != product.shape:
        raise DataError(f"the addend of shape {list(c.shape)} does not fit {list(product.shape)}")
    return total


def _einsum(first: Tensor, /, *more: Tensor, equation: str) -> Tensor:
    return la.einsum(equation, *put_off(first, *more))


SUMS: dict[str, Function] = {
    # --- reductions and scans ---
    "ReduceSum": reduction(_sum),
    "ReduceProd": reduction(_prod),
    "ReduceMean": reduction(la.mean),
    "ReduceMax": reduction(la.max),
    "ReduceMin": reduction(la.min),
    "ReduceL1": reduction(_l1),
    "ReduceL2": reduction(_l2),
    "ReduceSumSquare": reduction(_sum_of_squares),
    "ReduceLogSum": reduction(_log_sum),
    "ReduceLogSumExp": reduction(la.logsumexp),
    "ArgMax": position(la.argmax),
    "ArgMin": position(la.argmin),
    "CumSum": _cumulative_sum,
    "TopK": _top_k,
    # --- matrices ---
    "Gemm": _gemm,
    "MatMul": lambda a, b, /: la.matmul(a, b),
    "Einsum": _einsum,
    "Det": lambda x, /: la.linalg.det(x),
}
