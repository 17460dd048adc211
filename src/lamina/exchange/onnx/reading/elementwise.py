"""What ONNX's operators on single elements mean here."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import lamina as la
from lamina.dtypes import DType, bool_
from lamina.errors import DataError
from lamina.exchange.onnx.reading.calls import Function
from lamina.exchange.onnx.reading.tensors import dtype_of
from lamina.tensor import Tensor


def unary(function: Callable[..., Tensor]) -> Function:
    """An operator of one operand and no attributes."""

    def row(x: Tensor, /) -> Tensor:
        return function(x)

    return row


def binary(function: Callable[..., Tensor]) -> Function:
    """An operator of two operands and no attributes."""

    def row(a: Tensor, b: Tensor, /) -> Tensor:
        return function(a, b)

    return row


def several(function: Callable[..., Tensor]) -> Function:
    """An operator of two operands taken to any number."""

    def row(first: Tensor, /, *more: Tensor) -> Tensor:
        return reduce(function, more, first)

    return row


# --- arithmetic -------------------------------------------------------------------------------------------


def _divide(a: Tensor, b: Tensor, /) -> Tensor:
    """Integers are divided towards zero."""
    if a.dtype.floating:
        return la.divide(a, b)
    if a.dtype.kind == "unsigned":
        return la.floor_divide(a, b)
    quotient = la.floor_divide(a, b)
    rounded = la.not_equal(la.remainder(a, b), 0) & la.logical_xor(a < 0, b < 0)
    return la.where(rounded, quotient + 1, quotient)


def _mod(a: Tensor, b: Tensor, /, *, fmod: int = 0) -> Tensor:
    if not fmod:
        return la.remainder(a, b)
    if a.dtype.kind == "unsigned":
        return la.remainder(a, b)
    # With the sign of the dividend.
    left = la.remainder(la.abs(a), la.abs(b))
    return la.where(a < 0, -left, left)


def _pow(a: Tensor, b: Tensor, /) -> Tensor:
    """The result has the type of the base."""
    if a.dtype.floating or not b.dtype.floating:
        return la.pow(a, b.astype(a.dtype))
    return la.pow(a.astype(b.dtype), b).astype(a.dtype)


def _mean(first: Tensor, /, *more: Tensor) -> Tensor:
    return reduce(la.add, more, first) / (1 + len(more))


def _clip(
    x: Tensor, low: Tensor | None = None, high: Tensor | None = None, /, *, min: float | None = None,
    max: float | None = None,
) -> Tensor:  # fmt: skip
    """Limits are operands, and were attributes before operator set 11."""
    below, above = min if low is None else low, max if high is None else high
    x = x if below is None else la.maximum(x, below)
    return x if above is None else la.minimum(x, above)


def _bit_shift(x: Tensor, by: Tensor, /, *, direction: str) -> Tensor:
    if direction not in ("LEFT", "RIGHT"):
        raise DataError(f"direction must be LEFT or RIGHT, got {direction!r}")
    return la.bitwise_left_shift(x, by) if direction == "LEFT" else la.bitwise_right_shift(x, by)


def _is_inf(x: Tensor, /, *, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    return (la.equal(x, math.inf) & bool(detect_positive)) | (la.equal(x, -math.inf) & bool(detect_negative))


def _cast(x: Tensor, /, *, to: int, saturate: int = 1) -> Tensor:
    return _as(x, dtype_of(to, "Cast"))


def _cast_like(x: Tensor, like: Tensor, /, *, saturate: int = 1) -> Tensor:
    return _as(x, like.dtype)


def _as(x: Tensor, dtype: DType) -> Tensor:
    return la.not_equal(x, 0) if dtype is bool_ and x.dtype is not bool_ else x.astype(dtype)


# --- activations ------------------------------------------------------------------------------------------


def _leaky_relu(x: Tensor, /, *, alpha: float = 0.01) -> Tensor:
    return la.leaky_relu(x, alpha)


def _prelu(x: Tensor, slope: Tensor, /) -> Tensor:
    return la.where(x < 0, slope * x, x)


def _elu(x: Tensor, /, *, alpha: float = 1.0) -> Tensor:
    return la.elu(x, alpha)


def _celu(x: Tensor, /, *, alpha: float = 1.0) -> Tensor:
    return la.nn.celu(x, alpha)


def _selu(x: Tensor, /, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Tensor:
    return gamma * la.elu(x, alpha)


def _gelu(x: Tensor, /, *, approximate: str = "none") -> Tensor:
    return la.gelu(x, approximate)  # type: ignore[arg-type]


def _hard_sigmoid(x: Tensor, /, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    return la.clip(alpha * x + beta, 0.0, 1.0)


def _hard_swish(x: Tensor, /) -> Tensor:
    return la.nn.hardswish(x)


def _swish(x: Tensor, /, *, alpha: float = 1.0) -> Tensor:
    return x * la.sigmoid(alpha * x)


def _thresholded_relu(x: Tensor, /, *, alpha: float = 1.0) -> Tensor:
    return la.where(x > alpha, x, 0.0)


def _softmax(x: Tensor, /, *, opset: int, axis: int | None = None) -> Tensor:
    return _over_last(la.softmax, x, opset, axis)


def _log_softmax(x: Tensor, /, *, opset: int, axis: int | None = None) -> Tensor:
    return _over_last(la.log_softmax, x, opset, axis)


def _over_last(function: Callable[..., Tensor], x: Tensor, opset: int, axis: int | None) -> Tensor:
    """Before operator set 13 all axes from this one on were one."""
    if opset >= 13:
        return function(x, -1 if axis is None else axis)
    start = 1 if axis is None else axis
    start += x.ndim if start < 0 else 0
    if not 0 <= start <= x.ndim:
        raise DataError(f"axis {axis} is out of range for {x.ndim} axes")
    rows = math.prod(x.shape[:start])
    return function(x.reshape((rows, math.prod(x.shape[start:]))), -1).reshape(x.shape)


def _dropout(
    x: Tensor, share: Tensor | None = None, training_mode: Tensor | None = None, /, *, outputs: int,
    ratio: float = 0.5, seed: int = 0,
) -> Any:  # fmt: skip
    """The identity, in evaluation."""
    if training_mode is not None and (not training_mode._backend.has_values or training_mode.item()):
        raise DataError("dropout in training is not supported; export the model in evaluation")
    return x if outputs == 1 else (x, la.ones(x.shape, dtype=bool_))


ELEMENTWISE: dict[str, Function] = {
    # --- arithmetic ---
    "Add": binary(la.add),
    "Sub": binary(la.subtract),
    "Mul": binary(la.multiply),
    "Div": _divide,
    "Mod": _mod,
    "Pow": _pow,
    "Max": several(la.maximum),
    "Min": several(la.minimum),
    "Sum": several(la.add),
    "Mean": _mean,
    "Neg": unary(la.negative),
    "Abs": unary(la.abs),
    "Sign": unary(la.sign),
    "Floor": unary(la.floor),
    "Ceil": unary(la.ceil),
    "Round": unary(la.round),
    "Reciprocal": unary(la.reciprocal),
    "Sqrt": unary(la.sqrt),
    "Clip": _clip,
    # --- exponentials and trigonometry ---
    "Exp": unary(la.exp),
    "Log": unary(la.log),
    "Sin": unary(la.sin),
    "Cos": unary(la.cos),
    "Tan": unary(la.tan),
    "Asin": unary(la.asin),
    "Acos": unary(la.acos),
    "Atan": unary(la.atan),
    "Sinh": unary(la.sinh),
    "Cosh": unary(la.cosh),
    "Tanh": unary(la.tanh),
    "Asinh": unary(la.asinh),
    "Acosh": unary(la.acosh),
    "Atanh": unary(la.atanh),
    "Erf": unary(la.erf),
    # --- comparisons, choice and bits ---
    "Equal": binary(la.equal),
    "Less": binary(la.less),
    "LessOrEqual": binary(la.less_equal),
    "Greater": binary(la.greater),
    "GreaterOrEqual": binary(la.greater_equal),
    "And": binary(la.logical_and),
    "Or": binary(la.logical_or),
    "Xor": binary(la.logical_xor),
    "Not": unary(la.logical_not),
    "IsNaN": unary(la.isnan),
    "IsInf": _is_inf,
    "Where": lambda condition, x, y, /: la.where(condition, x, y),
    "BitwiseAnd": binary(la.bitwise_and),
    "BitwiseOr": binary(la.bitwise_or),
    "BitwiseXor": binary(la.bitwise_xor),
    "BitwiseNot": unary(la.bitwise_invert),
    "BitShift": _bit_shift,
    # --- types ---
    "Cast": _cast,
    "CastLike": _cast_like,
    "Identity": lambda x, /: x,
    # --- activations ---
    "Relu": unary(la.relu),
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "Elu": _elu,
    "Celu": _celu,
    "Selu": _selu,
    "Gelu": _gelu,
    "Sigmoid": unary(la.sigmoid),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "ThresholdedRelu": _thresholded_relu,
    "Softplus": unary(la.softplus),
    "Softsign": unary(la.softsign),
    "Mish": unary(la.mish),
    "Swish": _swish,
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    # --- layers ---
    "Dropout": _dropout,
}
