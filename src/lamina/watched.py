"""What compiled functions depend on beside their arguments: the settings of modules and optimisers.

A compiled function is traced again when a setting that it depends on has changed. To look at all of them at every
call would cost more than a small step, so each change is counted, and nothing is looked at while the count stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from lamina.errors import CheckpointError

_numbers = count(1)
_MISSING = object()


class Revision:
    """The number of the last change of any setting in this process."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


REVISION = Revision()


def changed() -> None:
    """Note that some setting has changed."""
    # Drawn, not added to: two threads that add at once could leave a number that has been seen.
    REVISION.number = next(_numbers)


class Watched:
    """The base of objects whose attributes are settings of what is computed with them."""

    __slots__ = ()

    def _settings(self) -> Iterable[tuple[str, Any]]:
        """Return the settings by name; what is found in lists, tuples, dicts and watched objects counts too."""
        return vars(self).items()

    def __setattr__(self, name: str, value: Any) -> None:
        # What stays as it is, as with `model.train()` before every step, is no change.
        if vars(self).get(name, _MISSING) is value:
            return
        super().__setattr__(name, value)
        changed()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        changed()


UNWATCHED = "_unwatched"
"""The attribute of a method that stands in for another while calls are profiled: the other one."""


def unwatched(method: Any) -> Any:
    """Return what a method is when its calls are not profiled, which is what a trace depends on."""
    return getattr(method, UNWATCHED, method)


class TraceCount:
    """How often the programs of a training were traced anew, counted on where another process goes on with it.

    Traced again and again, a program is given up, and what then runs operation by operation rounds otherwise. So a
    process that goes on has to count what the one before has, and not what it traces only because it has just begun:
    what is met with settings that were met before.
    """

    def __init__(self) -> None:
        self._met: list[str] = []
        self._before: set[str] = set()

    def is_new(self, name: str, *objects: Any) -> bool:
        """Count a trace of the program of this name, unless an earlier process has made it too."""
        key = f"{name} {_digest(objects)}"
        if key in self._before:
            self._before.remove(key)
            return False
        self._met.append(key)
        return True

    def __getitem__(self, name: str) -> int:
        return sum(each.rpartition(" ")[0] == name for each in self._met)

    def state_dict(self) -> dict[str, Any]:
        """Return what has been counted."""
        return {"traces": list(self._met)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        traces = state.get("traces")
        if not isinstance(traces, list) or not all(isinstance(each, str) for each in traces):
            raise CheckpointError(f"load_state_dict: traces is a list of texts, got {traces!r:.60}")
        self._met, self._before = list(traces), set(traces)


def _digest(objects: tuple[Any, ...]) -> str:
    """Return a short text that is the same for the same settings, in every process."""
    texts: list[str] = []
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [(str(place), each) for place, each in enumerate(objects)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Watched | list | tuple | dict):
            if id(value) in seen:
                continue
            seen.add(id(value))
            waiting += [(f"{path}.{name}", each) for name, each in _inside(value) if not str(name).startswith("_")]
            value = type(value).__name__
        plain = value is None or isinstance(value, bool | int | float | str)
        texts.append(f"{path}={value!r}" if plain else f"{path}:{type(value).__name__}")
    from hashlib import sha256  # which takes 4 ms to load

    return sha256("\n".join(texts).encode()).hexdigest()[:16]


def _inside(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Watched):
        return value._settings()
    return value.items() if isinstance(value, dict) else enumerate(value)
