"""The operators of a tensor: ``+``, ``@``, ``<``, ``x[i]`` and the rest of the array API's object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from lamina.errors import AssignmentError
from lamina.functions import comparisons, elementwise
from lamina.functions.operands import arithmetic, binary, floating_binary
from lamina.functions.products import matmul
from lamina.functions.subscripts import getitem
from lamina.primitives import elementwise as rows
from lamina.primitives.primitive import Primitive

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Unary = Callable[[Any], "Tensor"]
Binary = Callable[[Any, Any], "Tensor"]


def _reflected(apply: Callable[[Primitive, Any, Any], Tensor], primitive: Primitive) -> Binary:
    """Return the operator of a tensor that stands on the right."""
    return lambda self, other: apply(primitive, other, self)


class Operators:
    """Mixed into `lamina.Tensor`; each operator is the function of its name."""

    __slots__ = ()

    __add__: ClassVar[Binary] = elementwise.add
    __radd__: ClassVar[Binary] = _reflected(arithmetic, rows.add)
    __sub__: ClassVar[Binary] = elementwise.subtract
    __rsub__: ClassVar[Binary] = _reflected(arithmetic, rows.subtract)
    __mul__: ClassVar[Binary] = elementwise.multiply
    __rmul__: ClassVar[Binary] = _reflected(arithmetic, rows.multiply)
    __truediv__: ClassVar[Binary] = elementwise.divide
    __rtruediv__: ClassVar[Binary] = _reflected(floating_binary, rows.divide)
    __floordiv__: ClassVar[Binary] = elementwise.floor_divide
    __rfloordiv__: ClassVar[Binary] = _reflected(arithmetic, rows.floor_divide)
    __mod__: ClassVar[Binary] = elementwise.remainder
    __rmod__: ClassVar[Binary] = _reflected(arithmetic, rows.remainder)
    __pow__: ClassVar[Binary] = elementwise.pow
    __matmul__: ClassVar[Binary] = matmul
    __and__: ClassVar[Binary] = comparisons.bitwise_and
    __rand__: ClassVar[Binary] = _reflected(binary, rows.bitwise_and)
    __or__: ClassVar[Binary] = comparisons.bitwise_or
    __ror__: ClassVar[Binary] = _reflected(binary, rows.bitwise_or)
    __xor__: ClassVar[Binary] = comparisons.bitwise_xor
    __rxor__: ClassVar[Binary] = _reflected(binary, rows.bitwise_xor)
    __lshift__: ClassVar[Binary] = comparisons.bitwise_left_shift
    __rlshift__: ClassVar[Binary] = _reflected(arithmetic, rows.bitwise_left_shift)
    __rshift__: ClassVar[Binary] = comparisons.bitwise_right_shift
    __rrshift__: ClassVar[Binary] = _reflected(arithmetic, rows.bitwise_right_shift)
    __lt__: ClassVar[Binary] = comparisons.less
    __le__: ClassVar[Binary] = comparisons.less_equal
    __gt__: ClassVar[Binary] = comparisons.greater
    __ge__: ClassVar[Binary] = comparisons.greater_equal
    __neg__: ClassVar[Unary] = elementwise.negative
    __pos__: ClassVar[Unary] = elementwise.positive
    __abs__: ClassVar[Unary] = elementwise.abs
    __invert__: ClassVar[Unary] = comparisons.bitwise_invert

    def __rpow__(self, other: Any) -> Tensor:
        return elementwise.pow(other, self)  # type: ignore[arg-type]

    def __rmatmul__(self, other: Any) -> Tensor:
        return matmul(other, self)  # type: ignore[arg-type]

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        # Python then says that they differ: nothing is None, whatever its values.
        return NotImplemented if other is None else binary(rows.equal, self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return NotImplemented if other is None else binary(rows.not_equal, self, other)

    # Tensors compare elementwise, so equality cannot serve a hash; variables are told apart by identity.
    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, key: Any, /) -> Tensor:
        return getitem(self, key)  # type: ignore[arg-type]

    def __setitem__(self, key: Any, value: Any, /) -> NoReturn:
        raise AssignmentError(
            "assignment into a tensor: tensors are values and never change; x = x.replaced(key, value) makes a "
            "new one, la.where(mask, value, x) chooses by a condition, and variable.assign(x) stores it"
        )

    def __delitem__(self, key: Any, /) -> NoReturn:
        raise AssignmentError(
            "deletion from a tensor: tensors are values and never change; la.concat([x[:i], x[i + 1:]]) makes a new "
            "one without row i, and x[mask] one with the rows of a mask"
        )
