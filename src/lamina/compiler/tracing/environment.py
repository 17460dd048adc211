"""What a function reads from outside: globals, closures and attributes, and the settings of what it finds there.

A trace holds for the objects that were found when it was made. `Environment.unchanged` tells quickly whether the
names still lead to the same objects; their settings are looked at again when some setting has changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dis import get_instructions
from functools import cache, partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from lamina.compiler.signature import Part, frozen
from lamina.primitives.operand import Operand
from lamina.watched import Watched, unwatched

_MISSING = object()
_LONGEST = 1000
"""Longer lists hold data, not layers."""
_SETTINGS = 100
"""Longer dicts hold data, not settings."""
_NAMESPACES = ("argparse", "types")
"""Modules of Python's own whose objects are made to hold settings."""


class Environment:
    """The outside of a function, as it is now.

    Parameters
    ----------
    roots : iterable
        The function, and the arguments that are not traced.
    own : dict of (int, str) to dict
        Items of dicts that the functions found store themselves, by the dict's identity and their name: they are no
        reason to trace again. What `forget_own` finds is added.

    Attributes
    ----------
    stores : dict of str to str
        What the functions found store outside of themselves, globals, names of enclosing functions and attributes,
        with the function that does. It happens only while they are traced.
    """

    def __init__(self, roots: Iterable[Any], own: dict[tuple[int, str], Any] | None = None) -> None:
        self._own = {} if own is None else own
        self._items: set[tuple[int, str]] = set()
        self._internal: set[int] = set()
        self.entries: list[tuple[Callable[[str], Any], str, Any]] = []
        self.slots: list[tuple[Any, str, Any]] = []
        self._watched: dict[int, Watched] = {}
        self._objects: dict[int, Any] = {}
        # By these the framework calls what a user's class defines.
        self._names: set[str] = {"__call__", "forward", "step", "update", "factors"}
        # What the functions themselves store, such as a count of calls, is no reason to trace them again.
        self._stored: set[str] = set()
        self.stores: dict[str, str] = {}
        self._seen: set[Any] = set()
        self._waiting = list(roots)
        self._discover()

    def unchanged(self) -> bool:
        """Tell whether every name leads to the object it led to."""
        for get, name, was in self.entries:
            if get(name) is not was:
                return False
        return all(getattr(owner, name, _MISSING) is was for owner, name, was in self.slots)

    def forget_own(self) -> None:
        """Leave out the items of dicts that are no longer what they were: called after a trace, which changed them."""
        kept = []
        for get, name, was in self.entries:
            holder = getattr(get, "__self__", None)
            if (id(holder), name) in self._items and get(name) is not was:
                self._own[id(holder), name] = holder
            else:
                kept.append((get, name, was))
        self.entries = kept

    def parts(self) -> Iterator[Part]:
        """Yield what a trace depends on: plain values and identities by name, and all settings."""
        for _, name, value in (*self.entries, *self.slots):
            yield (name,), frozen(value)
        seen: set[int] = set()
        for watched in self._watched.values():
            yield from settings((), watched, seen)

    # --- finding ---

    def _discover(self) -> None:
        """Follow everything; an object is looked at again when a function that was found names more attributes."""
        while self._waiting:
            while self._waiting:
                self._visit(self._waiting.pop())
            for thing in list(self._objects.values()):
                self._attributes(thing)

    def _visit(self, value: Any) -> None:
        if value is None or isinstance(value, Operand | str | bytes | int | float | type) or id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, MethodType):
            self._waiting += [value.__func__, value.__self__]
        elif isinstance(value, partial):
            self._waiting += [value.func, *value.args, *value.keywords.values()]
        elif isinstance(value, dict | list | tuple | set):
            if type(value) is dict and len(value) <= _SETTINGS and id(value) not in self._internal:
                for name, each in value.items():
                    if isinstance(name, str) and (id(value), name) not in self._own:
                        self._items.add((id(value), name))
                        self._entry(value.get, name, each)
            if len(value) <= _LONGEST:
                self._waiting += value.values() if isinstance(value, dict) else value
            if isinstance(value, Watched):
                self._watched[id(value)] = value
        elif isinstance(value, ModuleType):
            if not _foreign(value.__name__):
                self._objects[id(value)] = value
        else:
            self._instance(value)

    def _instance(self, value: Any) -> None:
        if isinstance(value, Watched):
            self._watched[id(value)] = value
            # Members may be of the user's classes, whose methods read globals.
            members = [each for _, each in value._settings()]
            self._waiting += members
            if _foreign(type(value).__module__):
                # What an optimiser or layer of the framework keeps in dicts is not for users to change there.
                self._internal |= {id(each) for each in members if type(each) is dict}
        if hasattr(value, "__wrapped__"):
            self._waiting.append(value.__wrapped__)
        if type(value).__module__ in _NAMESPACES or not _foreign(type(value).__module__):
            self._objects[id(value)] = value

    def _function(self, function: FunctionType) -> None:
        if _foreign(function.__module__):
            return
        names, stored = _names(function.__code__)
        self._names |= names
        self._stored |= stored
        self.stores |= dict.fromkeys(sorted(_stored_outside(function.__code__)), function.__qualname__)
        space = function.__globals__
        for name in names & space.keys():
            self._entry(space.get, name, space[name])
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                self._slot(cell, "cell_contents", cell.cell_contents, name)
            except ValueError:  # not filled yet
                continue
        self._waiting += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]

    def _attributes(self, thing: Any) -> None:
        held = getattr(thing, "__dict__", {})
        for name in self._names:
            if name in held:
                if not isinstance(thing, Watched):  # whose attributes are settings
                    self._entry(held.get, name, held[name])
            elif isinstance(thing, ModuleType):
                continue
            else:
                found = unwatched(getattr(type(thing), name, None))
                if isinstance(found, FunctionType | property):
                    self._push(found.fget if isinstance(found, property) else found)
                elif found is not None and name in getattr(type(thing), "__slots__", ()):
                    self._slot(thing, name, getattr(thing, name, _MISSING), name)
                elif not hasattr(found, "__get__") and any(name in vars(kind) for kind in type(thing).__mro__):
                    # Of the class, until the object has one of its own.
                    self._slot(thing, name, found, name)

    def _push(self, value: Any) -> None:
        if id(value) not in self._seen:
            self._waiting.append(value)

    def _entry(self, get: Callable[..., Any], name: str, value: Any) -> None:
        key = id(getattr(get, "__self__", get)), name
        if key not in self._seen:
            self._seen.add(key)
            if not isinstance(value, ModuleType) and name not in self._stored:
                self.entries.append((get, name, value))
            self._push(value)

    def _slot(self, owner: Any, name: str, value: Any, label: str) -> None:
        key = id(owner), name
        if key not in self._seen:
            self._seen.add(key)
            if label not in self._stored:
                self.slots.append((owner, name, value))
            self._push(value)


def settings(path: tuple[Any, ...], value: Any, seen: set[int]) -> Iterator[Part]:
    """Yield the settings of a watched object, and of what it holds."""
    if isinstance(value, Watched):
        if id(value) in seen:
            yield path, frozen(value)
            return
        seen.add(id(value))
        yield path, frozen(value)
        for name, each in value._settings():
            yield from settings((*path, type(value).__name__, name), each, seen)
    elif isinstance(value, list | tuple | dict):
        yield (*path, "length"), len(value)
        if len(value) <= _LONGEST:
            named: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
            for name, each in named:
                yield from settings((*path, name), each, seen)
    else:
        yield path, frozen(value)


@cache
def _names(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of globals and attributes in a function and in those inside it, and those that are stored."""
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    stored = [each.argval for each in get_instructions(code) if each.opname in _STORES]
    return (
        frozenset(code.co_names).union(*(names for names, _ in inner)),
        frozenset(stored).union(*(names for _, names in inner)),
    )


@cache
def _stored_outside(code: CodeType) -> frozenset[str]:
    """Return what a function, or one inside it, stores where others see it."""
    inner = [_stored_outside(each) for each in code.co_consts if isinstance(each, CodeType)]
    own = [each.argval for each in get_instructions(code) if each.opname in _STORES]
    return frozenset(own).union(*inner) - frozenset(code.co_cellvars)


_STORES = ("STORE_ATTR", "STORE_GLOBAL", "STORE_DEREF", "DELETE_ATTR", "DELETE_GLOBAL", "DELETE_DEREF")


@cache
def _foreign(module: str | None) -> bool:
    """Tell whether a module is not the user's own, so that nobody changes its globals between two calls."""
    top = (module or "").partition(".")[0]
    if top in sys.stdlib_module_names or top in ("lamina", ""):
        return True
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file
