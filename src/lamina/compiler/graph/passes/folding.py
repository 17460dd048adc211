"""Constant folding: what depends on known numbers only is computed now, exactly as the eager engine would."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.backends.registry import CPU
from lamina.compiler.graph.ir import Value, constant
from lamina.compiler.graph.passes.rewriting import Builder, Pass
from lamina.primitives import specs
from lamina.primitives.primitive import Spec
from lamina.primitives.table import TABLE

NDArray = npt.NDArray[Any]

LARGEST_RESULT = 4096
LARGEST_OPERANDS = 1 << 16

ELEMENTWISE = frozenset(
    name
    for name, primitive in TABLE.items()
    if primitive.spec
    in (
        specs.elementwise, specs.floating_elementwise, specs.numeric_elementwise, specs.bitwise, specs.shift,
        specs.comparison, specs.where, specs.astype,
    )
)  # fmt: skip


def fold(value: Value, builder: Builder) -> Value | None:
    """Compute an operation on constants; one that fails on its values is left to fail when it is run."""
    numbers_only = True
    for each in value.operands:
        if each.op == "full":
            continue
        if each.op != "constant":
            return None
        numbers_only = False
    if numbers_only and value.op in ELEMENTWISE:
        return _fold_numbers(value, builder)
    if (
        not isinstance(value.spec, Spec)
        or value.size > LARGEST_RESULT
        or sum(each.size for each in value.operands) > LARGEST_OPERANDS
    ):
        return None
    array = _computed(value)
    return None if array is None else builder.settle(constant(array, value.spec))


def _fold_numbers(value: Value, builder: Builder) -> Value | None:
    """An elementwise operation on numbers is one number, whatever its shape."""
    scalars = [Value("full", (), each.params, Spec((), each.dtype)) for each in value.operands]
    array = _computed(Value(value.op, tuple(scalars), value.params, value.spec))
    return None if array is None else builder.full(value.shape, value.dtype, _number(array))


def _computed(value: Value) -> NDArray | None:
    operands = [
        each.params["array"] if each.op == "constant" else CPU.full(each.shape, each.params["value"], each.dtype)
        for each in value.operands
    ]
    try:
        return np.asarray(getattr(CPU, value.op)(*operands, **value.params))
    except (ValueError, IndexError, ArithmeticError, np.linalg.LinAlgError):
        return None


def _number(array: NDArray) -> bool | int | float:
    number: bool | int | float = array.item()
    return number if isinstance(number, bool | int) else float(number)


def normal_number(value: Value, builder: Builder) -> Value | None:
    """A number is what it is in its type, so that later rules need not round it."""
    given = value.params["value"]
    number = _number(np.asarray(given, numpy_dtype(value.dtype)))
    if type(number) is type(given) and (number == given or number != number):
        return None
    return builder.full(value.shape, value.dtype, number)


def nothing(value: Value, builder: Builder) -> Value | None:
    """An array without elements needs no computing."""
    if isinstance(value.spec, Spec) and 0 in value.spec.shape:
        return builder.full(value.shape, value.dtype, 0)
    return None


def uniform(value: Value, builder: Builder) -> Value | None:
    """One number everywhere, moved, is the same number everywhere."""
    x = value.operands[0]
    return builder.full(value.shape, value.dtype, x.params["value"]) if x.op == "full" else None


_MOVING = ("reshape", "permute_dims", "slice", "flip", "take_along_axis", "sort")
# A broadcast constant stays a view of a smaller one; a result of several is no array.
_FOLDED = sorted(set(TABLE) - {"broadcast_to", "item", *_MOVING})

FOLDING = Pass(
    "constant folding",
    "what is known when the program is compiled costs nothing when it runs",
    {
        "full": (normal_number,),
        "constant": (nothing,),
        "item": (nothing,),
        "broadcast_to": (nothing, uniform),
        **dict.fromkeys(_MOVING, (nothing, uniform, fold)),
        **dict.fromkeys(_FOLDED, (nothing, fold)),
    },
)
