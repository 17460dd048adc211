"""The kinds of values that options take: how each is read from a command line, from TOML or JSON, and written back."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from lamina.data.record import is_number

MOST_DIGITS = 9

Names = Sequence[str] | Callable[[], Sequence[str]]


class Unfit(ValueError):  # noqa: N818 - a finding, which becomes an error where it is known what it is about
    """A value that is not of its kind; the message says what would be, and what was found."""


def nearest(name: str, names: Sequence[str]) -> str:
    """Return `` (did you mean ...?)`` with the most similar name; nothing where none is similar."""
    folded = {each.casefold(): each for each in names}
    close = get_close_matches(name.casefold(), list(folded), n=1)
    return f" (did you mean {folded[close[0]]}?)" if close else ""


def shown(value: Any) -> str:
    """Return a value as an error message shows it: whole if short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of value: the base, and at once any text.

    Attributes
    ----------
    metavar : str
        What stands for a value in help.
    """

    metavar: str = "TEXT"

    # Whether it is a table in TOML.
    table: ClassVar[bool] = False

    def parse(self, text: str) -> Any:
        """Return the value that a text on the command line stands for.

        Raises
        ------
        Unfit
            When it stands for none.
        """
        return self.accept(text)

    def accept(self, value: Any) -> Any:
        """Return the value that was read from TOML or JSON, checked.

        Raises
        ------
        Unfit
            When it is of another kind or out of bounds.
        """
        if not isinstance(value, str):
            raise Unfit(f"give a text, got {shown(value)}")
        return value

    def plain(self, value: Any) -> Any:
        """Return what TOML and JSON can hold and `accept` takes back."""
        return value

    def names(self) -> Sequence[str]:
        """Return what can be completed while typing."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Whole(Kind):
    """A whole number.

    Attributes
    ----------
    wanted : str
        The start of the message for a value out of bounds, such as ``"train for at least 1 epoch"``.
    """

    wanted: str = "give a whole number of at least 0"
    least: int = 0
    below: int = 2**63
    metavar: str = "N"

    def parse(self, text: str) -> int:
        """Return the number in a text."""
        digits = text.strip().removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
            raise Unfit(f"give a whole number, got {shown(text)}")
        return self.accept(int(text))

    def accept(self, value: Any) -> int:
        """Return the number, if it is whole and in bounds."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit(f"give a whole number, got {shown(value)}")
        if not self.least <= value < self.below:
            raise Unfit(f"{self.wanted}, got {value}")
        return value


@dataclass(frozen=True, kw_only=True)
class Number(Kind):
    """A finite number.

    Attributes
    ----------
    wanted : str
        The start of the message for a value out of bounds.
    least, most : float
        Both allowed.
    above, below : float
        Both not allowed.
    """

    wanted: str = "the number must be finite"
    least: float = -math.inf
    above: float = -math.inf
    below: float = math.inf
    most: float = math.inf
    metavar: str = "NUMBER"

    def parse(self, text: str) -> float:
        """Return the number in a text."""
        try:
            value = float(text)
        except ValueError:
            raise Unfit(f"give a number, got {shown(text)}") from None
        return self.accept(value)

    def accept(self, value: Any) -> float:
        """Return the number, if it is in bounds."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unfit(f"give a number, got {shown(value)}")
        if not (self.least <= value <= self.most and self.above < value < self.below):
            raise Unfit(f"{self.wanted}, got {value}")
        return float(value)


def share(what: str = "the share") -> Number:
    """Return the kind of a share: at least 0 and below 1."""
    return Number(wanted=f"{what} must be at least 0 and below 1", least=0.0, below=1.0, metavar="SHARE")


def positive(wanted: str) -> Number:
    """Return the kind of a finite number above 0."""
    return Number(wanted=wanted, above=0.0)


@dataclass(frozen=True, kw_only=True)
class Flag(Kind):
    """True or false."""

    metavar: str = ""

    def accept(self, value: Any) -> bool:
        """Return the truth value."""
        if not isinstance(value, bool):
            raise Unfit(f"give true or false, got {shown(value)}")
        return value


@dataclass(frozen=True, kw_only=True)
class File(Kind):
    """A path."""

    metavar: str = "PATH"

    def accept(self, value: Any) -> Path:
        """Return the path."""
        if isinstance(value, Path):
            return value
        text = super().accept(value)
        if not text or "\x00" in text:
            raise Unfit(f"give the path of a file or folder, got {shown(value)}")
        return Path(text)

    def plain(self, value: Any) -> str:
        """Return the path as a text."""
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Choice(Kind):
    """One of some names.

    Attributes
    ----------
    among : sequence of str, or a function that returns one
        A function where loading what knows the names takes time.
    refused : mapping of str to str
        Names that exist but cannot be chosen here, with why.
    pattern : str
        Of names that are right, too.
    """

    among: Names = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    pattern: str = ""
    metavar: str = "NAME"

    def names(self) -> Sequence[str]:
        """Return the names."""
        return self.among() if callable(self.among) else self.among

    def accept(self, value: Any) -> str:
        """Return the name, if it is one of them."""
        name = super().accept(value)
        names = self.names()
        if name in names or (self.pattern and re.fullmatch(self.pattern, name)):
            return str(name)
        if name.lower() in self.refused:
            raise Unfit(f"{self.refused[name.lower()]}; there are {', '.join(names)}")
        raise Unfit(f"{shown(name)} is not known{nearest(name, names)}; there are {', '.join(names)}")


@dataclass(frozen=True, kw_only=True)
class Listed(Kind):
    """Some different texts, with commas between on the command line.

    Attributes
    ----------
    item : Kind
        What each must be.
    """

    item: Kind = field(default_factory=Kind)
    metavar: str = "NAME,..."

    def parse(self, text: str) -> tuple[str, ...]:
        """Return the names in a text."""
        return self.accept([part.strip() for part in text.split(",") if part.strip()])

    def accept(self, value: Any) -> tuple[str, ...]:
        """Return the names, each checked."""
        if isinstance(value, str):
            return self.parse(value)
        if not isinstance(value, list | tuple):
            raise Unfit(f"give a list of texts, got {shown(value)}")
        found = tuple(self.item.accept(each) for each in value)
        if len(set(found)) < len(found):
            raise Unfit(f"each may be named once, got {shown(list(found))}")
        return found

    def plain(self, value: Any) -> list[str]:
        """Return a list."""
        return list(value)

    def names(self) -> Sequence[str]:
        """Return what each can be."""
        return self.item.names()


@dataclass(frozen=True, kw_only=True)
class Widths(Kind):
    """The widths of layers: ``128,64``; an empty text or list for none.

    Attributes
    ----------
    most : int, optional
        How many there may be; at least one is needed then.
    """

    metavar: str = "N,..."
    most: int | None = None

    wanted = 'give whole numbers of at least 1 and below a billion with commas between, such as "128,64"'

    def parse(self, text: str) -> tuple[int, ...]:
        """Return the numbers in a text."""
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        if not all(part.isascii() and part.isdigit() and len(part) <= MOST_DIGITS for part in parts):
            raise Unfit(f"{self.wanted}, got {shown(text)}")
        return self._checked([int(part) for part in parts], text)

    def accept(self, value: Any) -> tuple[int, ...]:
        """Return the numbers of a list, of a text such as "128,64", or a single one."""
        if isinstance(value, str):
            return self.parse(value)
        return self._checked(value if isinstance(value, list | tuple) else [value], value)

    def plain(self, value: Any) -> list[int]:
        """Return a list."""
        return list(value)

    def _checked(self, numbers: Sequence[Any], given: Any) -> tuple[int, ...]:
        for each in numbers:
            if isinstance(each, bool) or not isinstance(each, int) or not 1 <= each < 10**MOST_DIGITS:
                raise Unfit(f"{self.wanted}, got {shown(given)}")
        if self.most is not None and not 1 <= len(numbers) <= self.most:
            raise Unfit(f"give 1 to {self.most} numbers, got {shown(given)}")
        return tuple(numbers)


@dataclass(frozen=True, kw_only=True)
class Settings(Kind):
    """Values by name: ``momentum=0.9, nesterov=true`` on the command line, a table in TOML, an object in JSON.

    Attributes
    ----------
    value : Kind, optional
        What each value must be; numbers, truth values, texts and lists of numbers when None.
    word : str
        A text that may stand in place of the values, such as ``"balanced"``; empty for none.
    """

    value: Kind | None = None
    word: str = ""
    metavar: str = "NAME=VALUE,..."

    table = True

    def parse(self, text: str) -> Mapping[str, Any] | str:
        """Return the values in a text, which has the form of TOML's inline tables without the braces."""
        if self.word and text.strip() == self.word:
            return self.word
        try:
            found = tomllib.loads(f"settings = {{{text}}}")
        except (tomllib.TOMLDecodeError, RecursionError):
            found = {}
        if set(found) != {"settings"} or "\n" in text:
            either = f"{self.word}, or " if self.word else ""
            raise Unfit(f'give {either}values by name such as "a=0.9, b=true", got {shown(text)}')
        return self.accept(found["settings"])

    def accept(self, value: Any) -> Mapping[str, Any] | str:
        """Return the values, each checked."""
        if self.word and value == self.word:
            return self.word
        if isinstance(value, str):
            return self.parse(value)
        if not isinstance(value, Mapping):
            raise Unfit(f"give values by name, got {shown(value)}")
        return {str(name): self._item(str(name), each) for name, each in value.items()}

    def plain(self, value: Any) -> Any:
        """Return a table, or the word."""
        if isinstance(value, str):
            return value
        return {name: list(each) if isinstance(each, tuple) else each for name, each in value.items()}

    def _item(self, name: str, value: Any) -> Any:
        if self.value is not None:
            try:
                return self.value.accept(value)
            except Unfit as error:
                raise Unfit(f"{name}: {error}") from None
        if isinstance(value, list | tuple) and value and all(is_number(each) for each in value):
            return tuple(value)
        if isinstance(value, bool | str) or is_number(value):
            return value
        raise Unfit(f"{name}: give a number, true, false, a text or a list of numbers, got {shown(value)}")
