"""For what a trace holds: shapes and types of arguments, values that are not traced, and settings."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from types import NoneType
from typing import Any

import numpy as np

from lamina.autodiff.trees import Path, branches, in_words
from lamina.dtypes import DType
from lamina.errors import DTypeError
from lamina.tensor import Tensor
from lamina.variable import Variable

Part = tuple[Path, Any]
Parts = tuple[Part, ...]

_PLAIN = (int, bool, str, bytes, NoneType, DType, complex, range)


class Same:
    """Something that is compared by identity; it lives as long as this, so that its identity stays its own."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __repr__(self) -> str:
        return f"{type(self.thing).__name__} at {id(self.thing):#x}"


def frozen(value: Any) -> Any:
    """Return a key that is equal for what a trace may take for the same value."""
    kind = value.__class__
    if kind in _PLAIN:
        return kind, value
    if kind is float:
        return kind, repr(value)  # tells 0.0 from -0.0, and finds NaN again
    if isinstance(value, np.generic):
        return kind, value.tobytes()
    if isinstance(value, Enum):
        return kind, value.name
    if kind is slice:
        return kind, frozen(value.start), frozen(value.stop), frozen(value.step)
    if kind in (tuple, frozenset):
        return kind, tuple(frozen(each) for each in value)
    if kind is Variable:
        return Same(value), value.trainable
    return Same(value)


class Arguments:
    """What a call passes, taken apart.

    Attributes
    ----------
    parts : tuple
        By place: the shape and type of what is traced, the values of what is not.
    leaves : list of Tensor or numpy.ndarray
        What is traced.
    objects : list
        What is not traced and is no plain value.
    """

    __slots__ = ("_parts", "leaves", "objects", "parts")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], static: frozenset[int | str]) -> None:
        self._parts: list[Part] = []
        self.leaves: list[Any] = []
        self.objects: list[Any] = []
        for name, value in (*enumerate(args), *kwargs.items()):
            self._take((name,), value, name in static)
        self.parts: Parts = tuple(self._parts)

    def _take(self, path: Path, value: Any, static: bool) -> None:
        if static:
            self._untraced(path, value)
        elif value.__class__ is Tensor:
            data = value._data
            self._parts.append((path, (value._backend.name, data.shape, data.dtype, value._node is not None)))
            self.leaves.append(value)
        elif isinstance(value, np.ndarray):
            self._parts.append((path, ("array", value.shape, value.dtype)))
            self.leaves.append(value)
        else:
            found = None if isinstance(value, Variable) else branches(value)
            if found is None:
                _refuse_foreign(value)
                self._untraced(path, value)
                return
            kind, children = found
            self._parts.append((path, (kind, len(children))))
            for name, child in children:
                self._take((*path, name), child, False)

    def _untraced(self, path: Path, value: Any) -> None:
        key = frozen(value)
        if isinstance(key, Same):
            self.objects.append(value)
        self._parts.append((path, key))


def _refuse_foreign(value: Any) -> None:
    """Refuse an array of another library: it would be a fixed part of the trace, whatever it holds by then."""
    kind = value.__class__
    if (hasattr(kind, "__dlpack__") or hasattr(kind, "__array__")) and not isinstance(value, Tensor | np.generic):
        raise DTypeError(
            f"la.compile: an argument is a {kind.__module__}.{kind.__qualname__}, which is not traced; pass it as "
            "la.asarray(x), or name its place in static_argnums if it stays what it is"
        )


def traced(value: Any, is_static: bool) -> bool:
    """Tell whether a leaf of an argument is traced."""
    return not is_static and (value.__class__ is Tensor or isinstance(value, np.ndarray))


def difference(before: Iterable[Parts], now: Parts, names: tuple[str, ...]) -> str:
    """Return in words what no earlier trace had as it is now: by comparison with the most similar one."""
    new = dict(now)
    closest: list[str] | None = None
    for parts in before:
        old = dict(parts)
        changes = [path for path in {**old, **new} if old.get(path, "nothing") != new.get(path, "nothing")]
        said = [f"{_place(path, names)}: {_said(old.get(path))} before, {_said(new.get(path))} now" for path in changes]
        if closest is None or 0 < len(said) <= len(closest):
            closest = said
    if not closest:
        return "nothing that it depends on by name"
    return closest[0] if len(closest) == 1 else f"{closest[0]} (and {len(closest) - 1} more)"


def _place(path: Path, names: tuple[str, ...]) -> str:
    first, *rest = path or ("settings",)
    if isinstance(first, int):
        first = names[first] if first < len(names) else f"argument {first}"
    return in_words(str(first), tuple(rest))


def _said(key: Any) -> str:
    if key is None:
        return "nothing"
    if isinstance(key, tuple) and len(key) == 4 and isinstance(key[0], str):
        return f"{key[2]}{list(key[1])}" + (" tracked" if key[3] else "")
    if isinstance(key, tuple) and len(key) == 3 and key[0] == "array":
        return f"an array {key[2]}{list(key[1])}"
    if isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], type):
        return key[1] if key[0] is float else repr(key[1])
    return repr(key)
