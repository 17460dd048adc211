"""`Record`: what was read from JSON, taken out with its type checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lamina.errors import CheckpointError

T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """A JSON object and where it stands, so that a damaged file is told apart from a mistake in the program.

    Every method raises `CheckpointError` with the place, what was expected there and what was found.
    """

    values: Mapping[str, Any]
    place: str

    @classmethod
    def of(cls, value: Any, place: str) -> Record:
        """Return the record of a value that must be a JSON object."""
        if not isinstance(value, dict):
            raise CheckpointError(f"{place}: expected an object, found {value!r:.60}")
        return cls(value, place)

    def text(self, key: str) -> str:
        """Return a string."""
        return str(self._take(key, "a string", lambda v: isinstance(v, str)))

    def whole(self, key: str, least: int = 0) -> int:
        """Return an integer that is at least ``least``."""
        wanted = f"a whole number of at least {least}"
        return int(self._take(key, wanted, lambda v: _is_whole(v) and v >= least))

    def number(self, key: str, least: float = -math.inf) -> float:
        """Return a finite number that is at least ``least``."""
        wanted = "a finite number" if least == -math.inf else f"a finite number of at least {least}"
        return float(self._take(key, wanted, lambda v: is_number(v) and v >= least))

    def any_number(self, key: str) -> float:
        """Return a number, which may be NaN or infinite where JSON has a mark for it."""
        return float(self._take(key, "a number", lambda v: isinstance(v, int | float) and not isinstance(v, bool)))

    def truth(self, key: str) -> bool:
        """Return true or false."""
        return bool(self._take(key, "true or false", lambda v: isinstance(v, bool)))

    def record(self, key: str) -> Record:
        """Return an object."""
        return Record(self._take(key, "an object", lambda v: isinstance(v, dict)), f"{self.place}: {key}")

    def records(self, key: str) -> list[Record]:
        """Return a list of objects."""
        return [Record.of(v, f"{self.place}: {key}[{i}]") for i, v in enumerate(self._list(key))]

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of different strings."""
        return self._distinct(key, "a list of different strings", lambda v: isinstance(v, str))

    def optional_texts(self, key: str) -> tuple[str | None, ...]:
        """Return a list of different strings, one of which may be null."""
        wanted = "a list of different strings, or null"
        return self._distinct(key, wanted, lambda v: v is None or isinstance(v, str))

    def wholes(self, key: str, least: int = 0) -> tuple[int, ...]:
        """Return a list of integers that are at least ``least``."""
        found = self._list(key)
        if not all(_is_whole(v) and v >= least for v in found):
            raise self.wrong(key, f"a list of whole numbers of at least {least}")
        return tuple(found)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a list of finite numbers, at least one."""
        found = self._list(key)
        if not found or not all(is_number(v) for v in found):
            raise self.wrong(key, "a list of finite numbers")
        return tuple(float(v) for v in found)

    def wrong(self, key: str, wanted: str) -> CheckpointError:
        """Return the error for a value that is not what it should be."""
        found = f"{self.values[key]!r:.60}" if key in self.values else "nothing"
        return CheckpointError(f"{self.place}: {key} should be {wanted}, found {found}")

    def _list(self, key: str) -> list[Any]:
        return self._take(key, "a list", lambda v: isinstance(v, list))  # type: ignore[no-any-return]

    def _distinct(self, key: str, wanted: str, fits: Callable[[Any], bool]) -> tuple[Any, ...]:
        found = self._list(key)
        if not all(fits(v) for v in found) or len(set(found)) < len(found):
            raise self.wrong(key, wanted)
        return tuple(found)

    def _take(self, key: str, wanted: str, fits: Callable[[Any], bool]) -> Any:
        value = self.values.get(key)
        if not fits(value):
            raise self.wrong(key, wanted)
        return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
