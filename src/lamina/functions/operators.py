"""The operators of a tensor: ``+``, ``@``, ``<``, ``x[i]`` and the rest of the array API's object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from lamina.errors import AssignmentError
from lamina.functions import comparisons, elementwise
from lamina.functions.operands import arithmetic, binary, floating_binary
from lamina.functions.products import matmul
from lamina.functions.subscripts import getitem
from lamina.primitives import elementwise as rows

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Other = Any


class Operators:
    """Mixed into `lamina.Tensor`; each method applies the function of its name."""

    __slots__ = ()

    def __add__(self, other: Other) -> Tensor:
        return arithmetic(rows.add, self, other)

    def __radd__(self, other: Other) -> Tensor:
        return arithmetic(rows.add, other, self)

    def __sub__(self, other: Other) -> Tensor:
        return arithmetic(rows.subtract, self, other)

    def __rsub__(self, other: Other) -> Tensor:
        return arithmetic(rows.subtract, other, self)

    def __mul__(self, other: Other) -> Tensor:
        return arithmetic(rows.multiply, self, other)

    def __rmul__(self, other: Other) -> Tensor:
        return arithmetic(rows.multiply, other, self)

    def __truediv__(self, other: Other) -> Tensor:
        return floating_binary(rows.divide, self, other)

    def __rtruediv__(self, other: Other) -> Tensor:
        return floating_binary(rows.divide, other, self)

    def __floordiv__(self, other: Other) -> Tensor:
        return arithmetic(rows.floor_divide, self, other)

    def __rfloordiv__(self, other: Other) -> Tensor:
        return arithmetic(rows.floor_divide, other, self)

    def __mod__(self, other: Other) -> Tensor:
        return arithmetic(rows.remainder, self, other)

    def __rmod__(self, other: Other) -> Tensor:
        return arithmetic(rows.remainder, other, self)

    def __pow__(self, other: Other) -> Tensor:
        return elementwise.pow(self, other)  # type: ignore[arg-type]

    def __rpow__(self, other: Other) -> Tensor:
        return elementwise.pow(other, self)  # type: ignore[arg-type]

    def __matmul__(self, other: Other) -> Tensor:
        return matmul(self, other)  # type: ignore[arg-type]

    def __rmatmul__(self, other: Other) -> Tensor:
        return matmul(other, self)  # type: ignore[arg-type]

    def __neg__(self) -> Tensor:
        return elementwise.negative(self)  # type: ignore[arg-type]

    def __pos__(self) -> Tensor:
        return elementwise.positive(self)  # type: ignore[arg-type]

    def __abs__(self) -> Tensor:
        return elementwise.abs(self)  # type: ignore[arg-type]

    def __invert__(self) -> Tensor:
        return comparisons.bitwise_invert(self)  # type: ignore[arg-type]

    def __and__(self, other: Other) -> Tensor:
        return binary(rows.bitwise_and, self, other)

    def __rand__(self, other: Other) -> Tensor:
        return binary(rows.bitwise_and, other, self)

    def __or__(self, other: Other) -> Tensor:
        return binary(rows.bitwise_or, self, other)

    def __ror__(self, other: Other) -> Tensor:
        return binary(rows.bitwise_or, other, self)

    def __xor__(self, other: Other) -> Tensor:
        return binary(rows.bitwise_xor, self, other)

    def __rxor__(self, other: Other) -> Tensor:
        return binary(rows.bitwise_xor, other, self)

    def __lshift__(self, other: Other) -> Tensor:
        return binary(rows.bitwise_left_shift, self, other)

    def __rlshift__(self, other: Other) -> Tensor:
        return binary(rows.bitwise_left_shift, other, self)

    def __rshift__(self, other: Other) -> Tensor:
        return binary(rows.bitwise_right_shift, self, other)

    def __rrshift__(self, other: Other) -> Tensor:
        return binary(rows.bitwise_right_shift, other, self)

    def __eq__(self, other: Other) -> Tensor:  # type: ignore[override]
        # Python then says that they differ: nothing is None, whatever its values.
        return NotImplemented if other is None else binary(rows.equal, self, other)

    def __ne__(self, other: Other) -> Tensor:  # type: ignore[override]
        return NotImplemented if other is None else binary(rows.not_equal, self, other)

    def __lt__(self, other: Other) -> Tensor:
        return binary(rows.less, self, other)

    def __le__(self, other: Other) -> Tensor:
        return binary(rows.less_equal, self, other)

    def __gt__(self, other: Other) -> Tensor:
        return binary(rows.less, other, self)

    def __ge__(self, other: Other) -> Tensor:
        return binary(rows.less_equal, other, self)

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
