"""The files that commands write: checked before anything is computed, and tables in the format of their ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.data.dialect import Dialect
from lamina.errors import DataError
from lamina.runs.option_declaration import OptionError

if TYPE_CHECKING:
    import polars as pl


FRAME_WRITERS: dict[str, Callable[[pl.DataFrame, BytesIO], Any]] = {
    ".json": lambda frame, out: frame.write_json(out),
    ".ndjson": lambda frame, out: frame.write_ndjson(out),
    ".parquet": lambda frame, out: frame.write_parquet(out),
    ".arrow": lambda frame, out: frame.write_ipc(out),
}
WRITERS = (".csv", ".tsv", *FRAME_WRITERS)


def check_output(path: Path, endings: Sequence[str]) -> None:
    """Refuse a file that cannot be written before anything is computed.

    Raises
    ------
    DataError
        When it is a folder, lies in none, or ends like no format.
    """
    if str(path) == "-":
        return
    if path.is_dir():
        raise DataError(f"--output: {path} is a folder; give the file to write")
    if not path.parent.is_dir():
        raise DataError(f"--output: there is no folder {path.parent} to write {path.name} in; make it first")
    regular = not path.exists() or path.is_file()
    if regular and path.suffix.lower() not in endings:
        raise OptionError("output", f"{path.name} ends like no format; the endings are {', '.join(endings)}")


def frame_bytes(frame: pl.DataFrame, path: Path, dialect: Dialect | None = None) -> bytes:
    """Return a table in the format that a path's ending chooses; as text in a dialect for what has no other."""
    ending = path.suffix.lower()
    if ending not in FRAME_WRITERS:
        return (dialect or Dialect()).called(ending).write(frame)
    content = BytesIO()
    FRAME_WRITERS[ending](frame, content)
    return content.getvalue()
