"""Tables by their names: files, embedded sets and generators, alike in every command."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from lamina.data import Dataset, Table, embedded_names, generators, load_embedded, read_table
from lamina.data.decimals import Decimal
from lamina.data.reading.formats import format_of
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
    "header": "it is a file that has a header or none",
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
        Of text; as in training when None, or found by its first bytes.
    header : bool, optional
        Whether the first line names the columns; as in training when None, or it does.
    training : Reading, optional
        How the file that a model was trained on was read.
    """

    table: str | None = None
    decimal: Decimal | None = None
    encoding: str | None = None
    header: bool | None = None
    training: Reading | None = None

    @classmethod
    def of(cls, options: Any, training: Any = None) -> Self:
        """Return what the options of a command say, and those of a training that came before."""
        before = None if training is None else cls.of(training)
        return cls(options.table, options.decimal, options.encoding, options.header, before)

    def refuse(self, why: str) -> None:
        """Refuse what is for files of tables only.

        Raises
        ------
        OptionError
        """
        for name, what in _OF_FILES.items():
            if getattr(self, name) not in (None, True):
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
    return _of_file(Path(name), how), ""


def _of_file(path: Path, how: Reading) -> Table:
    """Return the table of a file; what is not said of it is as in training, where files of its format have that."""
    encoding, header, notes = how.encoding, how.header, []
    if how.training is not None:
        found = format_of(path, how.table)
        if encoding is None and found.text and how.training.encoding is not None:
            encoding = how.training.encoding
            notes = [f"the text is read as {encoding}, as in training; use --encoding for another"]
        if header is None and found.header:
            header = how.training.header
    table = read_table(path, name=how.table, decimal=how.decimal, encoding=encoding, header=header is not False)
    return replace(table, notes=(*notes, *table.notes))


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
