"""What all losses share: the shapes they take, and from one number for each element to one for all."""

from __future__ import annotations

from typing import Literal

from lamina.errors import DataError, ShapeError
from lamina.functions.operands import floating, tensor
from lamina.functions.reductions import mean, sum
from lamina.primitives import specs
from lamina.tensor import Tensor

Reduction = Literal["mean", "sum", "none"]


def reduced(name: str, losses: Tensor, reduction: Reduction) -> Tensor:
    """Return the mean or the sum of the losses of all elements, or for ``"none"`` the losses."""
    if reduction == "mean":
        return mean(losses)
    check_reduction(name, reduction)
    return sum(losses) if reduction == "sum" else losses


def check_reduction(name: str, reduction: str, allowed: tuple[str, ...] = ("mean", "sum", "none")) -> None:
    """Raise a DataError when there is no such reduction."""
    if reduction not in allowed:
        raise DataError(f"{name}: reduction must be one of {', '.join(allowed)}, got {reduction!r}")


def same_shape(name: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two as tensors, the first floating-point; broadcasting [n, 1] against [n] would be a mistake."""
    input, target = floating(name, input), tensor(name, target)
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: the input has shape {list(input.shape)}, the target {list(target.shape)}; "
            "they must be equal, so reshape one"
        )
    return input, target


def weights(name: str, parameter: str, weight: Tensor, input: Tensor) -> Tensor:
    """Return weights of elements, if they broadcast to the shape of the input."""
    weight = tensor(name, weight)
    try:
        fits = specs.broadcast_shapes(name, weight.shape, input.shape) == input.shape
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{name}: {parameter} has shape {list(weight.shape)}, which does not broadcast to {list(input.shape)}"
        )
    return weight
