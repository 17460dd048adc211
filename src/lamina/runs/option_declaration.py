"""The mechanism of options: each is the field of a dataclass, declared once with its kind, bounds, default and help.

The command line, the keys of configuration files, the checks and the JSON of run folders all follow from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from lamina.errors import DataError
from lamina.runs.data_kinds import MODELS, models_of
from lamina.runs.option_kinds import Kind, Unfit, nearest
from lamina.runs.presets import presets_of

HEADINGS = {
    "data": "what to learn from",
    "model": "the network",
    "images": "of images",
    "text": "of text",
    "loss": "what is minimised",
    "optimizer": "how it is minimised",
    "training": "for how long",
    "search": "what is searched",
    "run": "where, and what is kept",
}
"""The sections of options, in their order in help and in configuration files."""


@dataclass(frozen=True)
class Option:
    """What there is to know about an option.

    Attributes
    ----------
    name : str
        In Python, in files and, with dashes, on the command line.
    kind : Kind
    help : str
    section : str
        Under which heading help and configuration files show it; "" for none.
    default : Any
        ``None`` where nothing is the default, or where it follows from other options.
    shown : str
        The default in words, where its value does not say it.
    flags : tuple of str
        Short forms on the command line, such as ``"-t"``.
    argument : bool
        Whether it is given by its position on the command line.
    required : bool
        Whether something must be given, on the command line or in a file.
    repeated : bool
        Whether it may be given several times on the command line, each adding to a mapping.
    of : tuple of str
        The kinds of data and the models that it is for; empty for all.
    """

    name: str
    kind: Kind
    help: str
    section: str
    default: Any = None
    shown: str = ""
    flags: tuple[str, ...] = ()
    argument: bool = False
    required: bool = False
    repeated: bool = False
    of: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return self.name.upper() if self.argument else "--" + self.name.replace("_", "-")

    @property
    def kinds(self) -> list[str]:
        """The kinds of data that it is for, be it for some of their models only."""
        return list(dict.fromkeys(kind for model, kind in MODELS.items() if self.serves(kind, model)))

    def serves(self, kind: str, model: str) -> bool:
        """Tell whether it is for a kind of data and a model."""
        return not self.of or kind in self.of or model in self.of

    def models(self, kind: str) -> list[str]:
        """Return the models of a kind of data that it is for."""
        return [model for model in models_of(kind) if self.serves(kind, model)]

    @property
    def default_text(self) -> str:
        """The default as help shows it; empty where there is none."""
        text = self.shown or default_text(self.default)
        embedded, kinds = presets_of(self.name)
        others = [f"{default_text(value)} for {kind}" for kind, value in kinds.items() if kind in self.kinds]
        own = ["embedded sets have their own"] if embedded and text and not self.shown else []
        return "; ".join(each for each in (text, ", ".join(others), *own) if each)


def default_text(value: Any) -> str:
    """Return a value as help shows it; nothing for switches and tables."""
    if value is None or isinstance(value, bool | Mapping):
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


class OptionError(DataError):
    """An option that cannot be: its name and why, apart, for those who know where it was written.

    Attributes
    ----------
    name : str
    reason : str
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


def option(kind: Kind, default: Any, help: str, section: str, **others: Any) -> Any:
    """Return the field of a dataclass that declares an option; what is given is described at `Option`."""
    row = Option("", kind, help, section, default, **others)
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata={"option": row})
    return field(default=default, metadata={"option": row})


def declared(table: type[Any]) -> dict[str, Option]:
    """Return the options that a dataclass declares, by name, section by section."""
    found = {each.name: each.metadata.get("option") for each in fields(table)}
    rows = {name: replace(row, name=name) for name, row in found.items() if row is not None}
    places = {section: place for place, section in enumerate(HEADINGS)}
    return dict(sorted(rows.items(), key=lambda item: places.get(item[1].section, -1)))


def checked(table: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values, as TOML and JSON have them, as those of the options a dataclass declares.

    Raises
    ------
    OptionError
        For the first value that does not fit, or name that is not declared.
    """
    known = declared(table)
    found = {}
    for name, value in given.items():
        if name not in known:
            raise OptionError(name, f"there is no option of this name{nearest(name, list(known))}")
        found[name] = accepted(known[name], value)
    return found


def accepted(row: Option, value: Any) -> Any:
    """Return a plain value as that of an option; ``None`` is one where it is the default."""
    if value is None and row.default is None:
        return None
    try:
        return row.kind.accept(value)
    except Unfit as error:
        raise OptionError(row.name, str(error)) from None


def plain(options: Any, only: type[Any] | None = None) -> dict[str, Any]:
    """Return the values of a dataclass of options, as TOML and JSON can hold them, by name."""
    values = {name: (row, getattr(options, name)) for name, row in declared(only or type(options)).items()}
    return {name: None if value is None else row.kind.plain(value) for name, (row, value) in values.items()}
