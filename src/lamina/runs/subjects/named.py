"""Tables by their names: files, embedded sets and generators, alike in every command."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lamina.data import Dataset, Table, embedded_names, generators, load_embedded, read_table
from lamina.data.decimals import Decimal
from lamina.errors import DataError
from lamina.runs.option_declaration import OptionError
from lamina.runs.option_kinds import nearest

GENERATORS = ("xor", "spirals", "moons", "circles", "approximation")


def is_embedded(name: str) -> bool:
    """Tell whether a name is that of an embedded set or a generator; a file of the name comes first."""
    return not Path(name).exists() and (name in embedded_names() or name in GENERATORS)


_OF_FILES = {
    "table": "it is one of a file",
    "decimal": "it is how a file writes numbers",
    "encoding": "it is how a file writes text",
    "no_header": "it is a file that has a header or none",
}


@dataclass(frozen=True)
class Reading:
    """How a file is read, beside its name.

    Attributes
    ----------
    table : str, optional
        Which table of a file that holds several.
    decimal : {".", ","}, optional
        How numbers in text are written; as in training when None.
    encoding : str, optional
        Of text; found by its first bytes when None.
    no_header : bool, default False
        Whether the first line is a row like the others.
    """

    table: str | None = None
    decimal: Decimal | None = None
    encoding: str | None = None
    no_header: bool = False

    @classmethod
    def of(cls, options: Any) -> Self:
        """Return what the options of a command say."""
        return cls(options.table, options.decimal, options.encoding, options.no_header)

    def refuse(self, why: str) -> None:
        """Refuse what is for files of tables only.

        Raises
        ------
        OptionError
        """
        for name, what in _OF_FILES.items():
            if getattr(self, name):
                raise OptionError(name, f"{what}, and {why}")


def named_table(name: str, how: Reading, settings: Mapping[str, Any] | None = None) -> tuple[Table, str]:
    """Return the table of a file, an embedded set or a generator, and what it is about if that is known.

    Parameters
    ----------
    name : str
    how : Reading
    settings : mapping, optional
        Of a generator.

    Raises
    ------
    DataError
        When there is none, or it cannot be read.
    """
    if settings and not (is_embedded(name) and name in GENERATORS):
        raise OptionError("settings", f"they are those of a generator; there are {', '.join(GENERATORS)}")
    if is_embedded(name):
        how.refuse(f"{name} is embedded")
        made = load_embedded(name) if name in embedded_names() else _generated(name, settings or {})
        return Table.of(made, name=name), made.description
    if not Path(name).exists() and not Path(name).suffix and Path(name).name == name:
        known = [*embedded_names(), *GENERATORS]
        raise DataError(f"{name}: there is no such file, embedded set or generator{nearest(name, known)}")
    table = read_table(name, name=how.table, decimal=how.decimal, encoding=how.encoding, header=not how.no_header)
    return table, ""


def _generated(name: str, settings: Mapping[str, Any]) -> Dataset:
    generator = getattr(generators, name)
    taken = list(inspect.signature(generator).parameters)
    for each in settings:
        if each not in taken:
            raise OptionError("settings", f"{name} has no {each!r}{nearest(each, taken)}; there are {', '.join(taken)}")
    try:
        made: Dataset = generator(**settings)
    except (TypeError, ValueError) as error:
        raise OptionError("settings", str(error)) from error
    return made
