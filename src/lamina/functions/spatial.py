"""The arguments that layers over space share: one number for every axis, or one for each."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina.errors import ShapeError
from lamina.functions.operands import tensor
from lamina.primitives.broadcasting import reshape

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Sizes = int | Sequence[int]

NAMES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def sizes_of(name: str, what: str, given: Any, axes: int, least: int = 1) -> tuple[int, ...]:
    """Return one integer, or one for each axis, as a tuple of as many as there are axes.

    Raises
    ------
    ShapeError
        When there are more or fewer, or one is no integer or below ``least``.
    """
    try:
        numbers = tuple(map(operator.index, given)) if isinstance(given, Sequence) else (operator.index(given),) * axes
    except TypeError:
        numbers = ()
    if len(numbers) != axes or min(numbers, default=least) < least:
        each = f" or {axes} of them" if axes > 1 else ""
        raise ShapeError(f"{name}: {what} must be an integer of at least {least}{each}, got {given!r}")
    return numbers


def spatial(name: str, x: Any, axes: int) -> Tensor:
    """Return ``x`` if it is a tensor [batch, channels, *sizes] or [channels, *sizes] with as many axes in space."""
    x = tensor(name, x)
    if x.ndim not in (axes + 1, axes + 2):
        raise ShapeError(
            f"{name}: expected an input [batch, channels, {NAMES[axes]}] or [channels, {NAMES[axes]}], "
            f"got shape {list(x.shape)}"
        )
    return x  # type: ignore[no-any-return]


def batched(x: Tensor, axes: int) -> Tensor:
    """Return an input with a batch axis, of one where it has none."""
    return reshape(x, shape=(1, *x.shape)) if x.ndim == axes + 1 else x
