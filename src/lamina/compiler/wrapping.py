"""What a compiled function shares with the function it stands for: its name, attributes, methods and copies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial, update_wrapper
from typing import Any, Self, cast

from lamina.errors import DTypeError


class Wrapper:
    """The base of compiled functions.

    Parameters
    ----------
    function : callable
    static : frozenset of int and str
        Positions and names of arguments of which nothing is traced.
    """

    def __init__(self, function: Callable[..., Any], static: frozenset[int | str]) -> None:
        super().__init__()
        if not callable(function):
            raise DTypeError(f"la.compile: expected a function, got {type(function).__name__}")
        self._static = static
        update_wrapper(cast(Any, self), function, updated=())
        self._function = function  # from here on attributes are the function's

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the function, such as ``parameters`` of a model."""
        function = vars(self).get("_function")
        if function is None or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(f"a compiled function has no attribute {name!r}", name=name, obj=self)
        return getattr(function, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the function, such as ``training`` of a model."""
        if self._is_own(name):
            object.__setattr__(self, name, value)
        else:
            setattr(self._function, name, value)

    def __delattr__(self, name: str) -> None:
        if self._is_own(name):
            object.__delattr__(self, name)
        else:
            delattr(self._function, name)

    def _is_own(self, name: str) -> bool:
        """Tell whether an attribute belongs to the compiled function rather than to what was compiled."""
        own = vars(self)
        if "_function" not in own or name in own or name == "_plans" or (name.startswith("__") and name.endswith("__")):
            return True
        if hasattr(type(self), name):
            raise AttributeError(
                f"{name!r} of a compiled function cannot be changed; set it on what was compiled", name=name, obj=self
            )
        return False

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else Method(cast(Any, self), instance)

    def __repr__(self) -> str:
        return f"<compiled {getattr(self._function, '__qualname__', repr(self._function))}>"

    # --- copies, which trace anew ---

    def __getstate__(self) -> tuple[Any, ...]:
        return self._function, self._static

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        type(self).__init__(self, *state)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = memo[id(self)] = self.__new__(type(self))
        made.__setstate__((deepcopy(self._function, memo), self._static))
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        # What decoration has made of a function is reached by its name, as functions are.
        found: Any = sys.modules.get(self.__module__)
        name = vars(self).get("__qualname__", "")
        for part in name.split("."):
            found = getattr(found, part, None)
        return name if found is self else super().__reduce_ex__(protocol)


class Method(partial[Any]):
    """A compiled function that was taken from an object, and is called with it."""

    # The instance's, so that it is described as the function is.
    __doc__ = property(lambda self: self.func.__doc__)

    def repeat(self, times: int, /, *args: Any, **kwargs: Any) -> Any:
        # The object comes behind the number of calls.
        return self.func.repeat(times, *self.args, *args, **kwargs)  # type: ignore[attr-defined]

    def __setattr__(self, name: str, value: Any) -> None:
        # As of Python's own methods: there is a new one each time it is asked for.
        raise AttributeError(f"a method has no attributes to set: {name!r}; set it on the object", name=name, obj=self)

    def __getattr__(self, name: str) -> Any:
        # Not what says how to copy, and no signature: that is a partial function's, without the object.
        if name.startswith("__") and name not in ("__name__", "__qualname__"):
            raise AttributeError(name)
        found = getattr(self.func, name)
        return partial(found, *self.args) if name in _ASKED else found


_ASKED = frozenset({"explain", "llvm_ir", "assembly", "profile"})
