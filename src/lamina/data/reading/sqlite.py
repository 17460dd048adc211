"""SQLite: the rows of one table, read with everything else that a database file can do switched off."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from lamina.data.reading.columns import series_of, table_from
from lamina.data.reading.source import Source
from lamina.data.table import Table, listed, shortened
from lamina.errors import DataError

# No cell is longer than this, whatever the file says.
LONGEST_CELL = 100_000_000
# What reading a table needs, beside the list of its columns; views, triggers, functions, virtual tables and
# attached files need more.
ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}


def read_sqlite(source: Source) -> Table:
    """Read the table called ``name``, or the only one.

    The file is opened for reading only. Views are refused and computed columns left out: they are SQL from the file.
    """
    path, name = source.path, source.name
    try:
        with closing(_opened(path)) as connection:
            name = _chosen(path, connection, name)
            names, notes = _stored(connection, name)
            chosen = ", ".join(map(_quoted, names))
            rows = connection.execute(f"SELECT {chosen} FROM {_quoted(name)}").fetchall()
    except (sqlite3.Error, sqlite3.Warning, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: this is not an SQLite database that can be read: {error}") from error
    if not rows:
        raise DataError(f"{path}: the table {name!r} has no rows")
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return table_from(f"{path}: {name}", [series_of(column, values) for column, values in columns], notes=notes)


def _opened(path: Path) -> sqlite3.Connection:
    # A database that another program has open keeps changes in files beside it. Without them it is immutable:
    # SQLite then writes nothing, not even a lock.
    beside = any(Path(f"{path}{end}").exists() for end in ("-wal", "-journal"))
    mode = "mode=ro" if beside else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?{mode}", uri=True)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_CELL)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _stored(connection: sqlite3.Connection, name: str) -> tuple[list[str], list[str]]:
    """Return the columns of a table that are stored, and notes on those that are computed when they are read."""
    found = connection.execute(f"PRAGMA table_xinfo({_quoted(name)})").fetchall()
    hidden = {str(column[1]): column[6] for column in found}
    notes = [
        f"column {shortened(title)} is computed by the file and was left out" for title in hidden if hidden[title] == 2
    ]
    return [title for title in hidden if hidden[title] in (0, 3)], notes


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _allowed(action: int, argument: str | None, *_: str | None) -> int:
    right = action in ALLOWED or (action == sqlite3.SQLITE_PRAGMA and argument == "table_xinfo")
    return sqlite3.SQLITE_OK if right else sqlite3.SQLITE_DENY


def _chosen(path: Path, connection: sqlite3.Connection, name: str | None) -> str:
    connection.set_authorizer(_allowed)
    found = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    tables = [
        str(title)
        for kind, title, sql in found
        if kind == "table" and not str(title).startswith("sqlite_") and "VIRTUAL" not in str(sql).upper().split("(")[0]
    ]
    views = [str(title) for kind, title, _ in found if kind == "view"]
    if name in views:
        raise DataError(f"{path}: {name!r} is a view, which is SQL from the file; the tables are {listed(tables)}")
    if not tables:
        raise DataError(f"{path}: there is no table in this database")
    if name is None:
        if len(tables) > 1:
            raise DataError(f"{path}: choose one of the {len(tables)} tables by its name: {listed(tables)}")
        return tables[0]
    if name not in tables:
        raise DataError(f"{path}: there is no table {name!r}; the tables are {listed(tables)}")
    return name
