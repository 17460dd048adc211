"""Functions about types: casting, promotion, limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.backends.registry import get_backend, usable_devices
from lamina.dtypes import (
    DTYPES,
    DType,
    DTypeLike,
    FloatInfo,
    IntegerInfo,
    as_dtype,
    float_info,
    integer_info,
    promote,
    promote_scalar,
    scalar_default,
)
from lamina.errors import DTypeError
from lamina.functions.operands import tensor
from lamina.tensor import Tensor


def astype(x: Tensor, dtype: DTypeLike, /, *, copy: bool = True, device: str | None = None) -> Tensor:
    """Return ``x`` in another type; floats become integers towards zero."""
    cast = tensor("astype", x).astype(dtype)
    return cast if device is None else cast.to(device)


def _type_of(x: Any) -> DType:
    return x.dtype if isinstance(x, Tensor) else as_dtype(x)


def can_cast(from_: DType | Tensor, to: DType, /) -> bool:
    """Return whether promotion with ``to`` gives ``to``, so that no value is lost."""
    source = _type_of(from_)
    wanted = as_dtype(to)
    try:
        return promote(source, wanted) is wanted and _same_family(source, wanted)
    except DTypeError:
        return False


def _same_family(source: DType, wanted: DType) -> bool:
    """Tell whether the standard's table has this pair; across its families only Lamina's own rule applies."""
    return source.floating == wanted.floating and (source.kind == "bool") == (wanted.kind == "bool")


def result_type(*arrays_and_dtypes: Tensor | DType | bool | int | float) -> DType:
    """Return the type that an operation on all of these has; Python scalars never widen it.

    Examples
    --------
    >>> import lamina as la
    >>> la.result_type(la.int8, la.uint8), la.result_type(la.float16, 1e300)
    (lamina.int16, lamina.float16)
    """
    if not arrays_and_dtypes:
        raise DTypeError("result_type: expected at least one tensor or type, got none")
    scalars = [x for x in arrays_and_dtypes if isinstance(x, bool | int | float | complex) and not isinstance(x, type)]
    typed = [_type_of(x) for x in arrays_and_dtypes if not isinstance(x, bool | int | float | complex)]
    if not typed:
        raise DTypeError("result_type: expected at least one tensor or type, got only Python numbers")
    result = typed[0]
    for dtype in typed[1:]:
        result = promote(result, dtype)
    for scalar in scalars:
        result = promote_scalar(scalar, result)
    return result


_KINDS: dict[str, Callable[[DType], bool]] = {
    "bool": lambda dtype: dtype.kind == "bool",
    "signed integer": lambda dtype: dtype.kind == "signed",
    "unsigned integer": lambda dtype: dtype.kind == "unsigned",
    "integral": lambda dtype: dtype.integral,
    "real floating": lambda dtype: dtype.floating,
    "complex floating": lambda dtype: False,
    "numeric": lambda dtype: dtype.kind != "bool",
}


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> bool:
    """Return whether a type is of a kind: a type, the name of a kind, or one of several.

    The kinds are "bool", "signed integer", "unsigned integer", "integral", "real floating",
    "complex floating" (which no type here is) and "numeric".
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, each) for each in kind)
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise DTypeError(f"isdtype: {kind!r} is no kind; the kinds are {', '.join(_KINDS)}")
        return _KINDS[kind](as_dtype(dtype))
    return as_dtype(dtype) is as_dtype(kind)


def finfo(type: DType | Tensor, /) -> FloatInfo:
    """Return the limits of a floating-point type: bits, eps, max, min, smallest_normal."""
    return float_info(_type_of(type))


def iinfo(type: DType | Tensor, /) -> IntegerInfo:
    """Return the limits of an integer type: bits, max, min."""
    return integer_info(_type_of(type))


class NamespaceInfo:
    """What `lamina` provides, in the form of the array API's inspection functions."""

    def capabilities(self) -> dict[str, Any]:
        """Return that masks and shapes that depend on data work (eagerly), and that axes are up to 64."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Return the device of new tensors."""
        return get_backend().name

    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType]:
        """Return the types of new tensors by kind; there is no complex one."""
        return {"real floating": scalar_default(0.0), "integral": scalar_default(0), "indexing": scalar_default(0)}

    def dtypes(self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None) -> dict[str, DType]:
        """Return the standard's types that are here, by name; float16 and bfloat16 are here besides."""
        standard = {name: dtype for name, dtype in DTYPES.items() if name not in ("float16", "bfloat16")}
        return standard if kind is None else {n: d for n, d in standard.items() if isdtype(d, kind)}

    def devices(self) -> list[str]:
        """Return the devices usable here."""
        return usable_devices()


def __array_namespace_info__() -> NamespaceInfo:  # noqa: N807
    """Return an object that tells what this namespace provides."""
    return NamespaceInfo()
