"""What NumPy's functions do with tensors: they compute with arrays of the values, and lose no gradient in silence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lamina.backends.thread_state import STATE
from lamina.errors import DTypeError, TracingError
from lamina.other_names import FUNCTIONS
from lamina.primitives.operand import Operand

_REFLECTED = {
    np.add: "__radd__",
    np.subtract: "__rsub__",
    np.multiply: "__rmul__",
    np.true_divide: "__rtruediv__",
    np.floor_divide: "__rfloordiv__",
    np.remainder: "__rmod__",
    np.power: "__rpow__",
    np.matmul: "__rmatmul__",
    np.bitwise_and: "__rand__",
    np.bitwise_or: "__ror__",
    np.bitwise_xor: "__rxor__",
    np.left_shift: "__rlshift__",
    np.right_shift: "__rrshift__",
    np.equal: "__eq__",
    np.not_equal: "__ne__",
    np.less: "__gt__",
    np.less_equal: "__ge__",
    np.greater: "__lt__",
    np.greater_equal: "__le__",
}
"""What Python's operators call of a number or an array of NumPy's that stands to the left of a tensor."""

_OF_SHAPES = frozenset({np.shape, np.ndim, np.size})


class NumPyProtocols:
    """Mixed into `lamina.Tensor`: NumPy's protocols for its universal functions (NEP 13) and all others (NEP 18)."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs and len(inputs) == 2 and not isinstance(inputs[0], Operand):
            reflected = _REFLECTED.get(ufunc)
            if reflected is not None:
                left = inputs[0]
                # NumPy makes an array of a number that it compares.
                return getattr(inputs[1], reflected)(
                    left[()] if isinstance(left, np.ndarray) and not left.ndim else left
                )
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        if any(isinstance(each, Operand) for each in kwargs.get("out", ())):
            raise DTypeError(f"np.{name}: a tensor never changes, so it cannot be given as out; leave out out")
        return _computed(name, getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if function in _OF_SHAPES:
            return _of_shape(function, *args, **kwargs)
        module = function.__module__.removeprefix("numpy").removeprefix(".")
        return _computed(f"{module}.{function.__name__}".removeprefix("."), function, args, kwargs)


def _of_shape(function: Any, a: Any, axis: int | None = None) -> Any:
    """Return what a shape alone tells; a tensor that is traced has no more than that."""
    stand_in = np.broadcast_to(np.int8(0), a.shape) if isinstance(a, Operand) else _converted(a, [])
    return function(stand_in) if axis is None else function(stand_in, axis)


def _computed(name: str, function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Any:
    """Return what a function of NumPy's makes of the values of tensors."""
    if STATE.tracer is not None:
        raise TracingError(
            f"np.{name}: NumPy computes with values, and while a function is compiled tensors have none: it is traced "
            f"once, and then runs for all values; {_remedy(name)}, or call np.{name} outside of the compiled function"
        )
    tensors: list[Any] = []
    args, kwargs = _converted((args, dict(kwargs)), tensors)
    result = function(*args, **kwargs)
    if STATE.recording and any(each.tracked for each in tensors) and _floating(result):
        raise DTypeError(
            f"np.{name}: NumPy computes without gradients, and a tensor that it was given is tracked; "
            f"{_remedy(name)}, or np.{name} of x.numpy() where no gradient is needed"
        )
    return result


def _converted(value: Any, tensors: list[Any]) -> Any:
    """Return arguments with arrays for tensors, which are noted."""
    if isinstance(value, Operand):
        tensors.append(value)
        return value.numpy()  # type: ignore[attr-defined]
    if value.__class__ in (list, tuple):
        return value.__class__(_converted(each, tensors) for each in value)
    if value.__class__ is dict:
        return {name: _converted(each, tensors) for name, each in value.items()}
    return value


def _floating(result: Any) -> bool:
    """Tell whether there are floating-point numbers, through which a gradient would have to flow."""
    if isinstance(result, list | tuple):
        return any(map(_floating, result))
    return isinstance(result, float) or getattr(getattr(result, "dtype", None), "kind", "") in _OF_FLOATS


_OF_FLOATS = frozenset({"f", "c", "V"})
"""Kinds of NumPy's types; "V" are those that other packages add, such as bfloat16."""


def _remedy(name: str) -> str:
    if name in FUNCTIONS:
        return f"write {FUNCTIONS[name]}"
    found = sys.modules["lamina"]  # not an import: the package stands above this module
    for part in name.split("."):
        found = getattr(found, part, None)  # type: ignore[assignment]
    return f"write la.{name}" if callable(found) else "compute with the functions of lamina"
