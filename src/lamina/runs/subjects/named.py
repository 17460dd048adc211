"""Tables by their names: files, embedded sets and generators, alike in every command."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamina.data import Dataset, Table, embedded_names, generators, load_embedded, read_table
from lamina.errors import DataError
from lamina.runs.option_declaration import OptionError
from lamina.runs.option_kinds import nearest

GENERATORS = ("xor", "spirals", "moons", "circles", "approximation")


def is_embedded(name: str) -> bool:
    """Tell whether a name is that of an embedded set or a generator; a file of the name comes first."""
    return not Path(name).exists() and (name in embedded_names() or name in GENERATORS)


def named_table(name: str, part: str | None, settings: Mapping[str, Any] | None = None) -> tuple[Table, str]:
    """Return the table of a file, an embedded set or a generator, and what it is about if that is known.

    Parameters
    ----------
    name : str
    part : str, optional
        Which table of a file that holds several.
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
        if part is not None:
            raise OptionError("table", f"it is one of a file, and {name} is a single table")
        made = load_embedded(name) if name in embedded_names() else _generated(name, settings or {})
        return Table.of(made, name=name), made.description
    if not Path(name).exists() and not Path(name).suffix and Path(name).name == name:
        known = [*embedded_names(), *GENERATORS]
        raise DataError(f"{name}: there is no such file, embedded set or generator{nearest(name, known)}")
    return read_table(name, name=part), ""


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
