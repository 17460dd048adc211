"""Finding what a model is made of: modules and variables, by walking attributes, lists, tuples and dicts.

What wraps a module, as a compiled function may, and says so by ``__wrapped__``, counts as that module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lamina.variable import Variable

if TYPE_CHECKING:
    from lamina.nn.module import Module


class Branch:
    """The base of what holds others under names; `Module` is the only one."""

    def _members(self) -> Iterable[tuple[str, Any]]:
        return vars(self).items()


def unwrapped(value: Any) -> Any:
    """Return the module inside of wrappers; what wraps no module as it is."""
    inner, seen = value, set()
    while not isinstance(inner, Branch) and id(inner) not in seen:
        seen.add(id(inner))
        inner = getattr(inner, "__dict__", {}).get("__wrapped__", inner)
    return inner if isinstance(inner, Branch) else value


def members(holder: Any) -> Iterable[tuple[str, Any]]:
    """Return the names and values directly inside a module, list, tuple or dict; nothing inside anything else."""
    holder = unwrapped(holder)
    if isinstance(holder, Branch):
        return holder._members()
    if isinstance(holder, list | tuple):
        return ((str(index), value) for index, value in enumerate(holder))
    if isinstance(holder, dict):
        return ((str(key), value) for key, value in holder.items())
    return ()


def walk(root: Module) -> Iterator[tuple[str, Module | Variable]]:
    """Yield the model and every module and variable in it, each once, under the first name that leads to it.

    Depth first, in the order in which attributes were set. What is shared is met once and cycles end.
    """
    return _walk([("", root)], into_modules=True)


def children(root: Module) -> Iterator[tuple[str, Module | Variable]]:
    """Yield what belongs to a module itself, not to a module inside it; a shared member under each of its names."""
    return _walk([(name, value) for name, value in root._members() if value is not root], into_modules=False)


def _walk(start: list[tuple[str, Any]], *, into_modules: bool) -> Iterator[tuple[str, Module | Variable]]:
    seen: set[int] = set()
    waiting = start[::-1]
    while waiting:
        name, value = waiting.pop()
        value = unwrapped(value)
        if not isinstance(value, Branch | Variable | list | tuple | dict) or id(value) in seen:
            continue
        if isinstance(value, Branch | Variable):
            yield name, value  # type: ignore[misc]
            if not into_modules:
                continue
        seen.add(id(value))
        prefix = f"{name}." if name else ""
        waiting += [(prefix + inner, each) for inner, each in members(value)][::-1]


def find(holder: Any, name: str) -> Variable | None:
    """Return the variable that a dotted name leads to, by whatever path; None if there is none.

    A shared variable has several names, of which `walk` gives the first; this accepts each of them.
    """
    for inner, value in members(holder):
        if inner == name:
            if isinstance(value, Variable):
                return value
        elif name.startswith(f"{inner}."):
            found = find(value, name[len(inner) + 1 :])
            if found is not None:
                return found
    return None
