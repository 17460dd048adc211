"""Configuration files: TOML with the names and values of options, read with every mistake named, and written."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from lamina.errors import DataError
from lamina.runs.option_declaration import HEADINGS, Option, OptionError, accepted, declared, plain
from lamina.runs.option_kinds import nearest

# Larger files are no configuration.
MOST_BYTES = 1_000_000


class ConfigurationError(DataError):
    """A configuration file that cannot be used; the message names the file, the line where known, and the key."""


def read_configuration(path: Path, *tables: type[Any], unused: tuple[type[Any], ...] = ()) -> dict[str, Any]:
    """Return the values in a TOML file for the options that some dataclasses declare.

    Parameters
    ----------
    path : Path
    *tables : dataclass
        Of the options that may be set.
    unused : tuple of dataclass
        Of options that may stand in the file, and are checked, but are not returned: another command's.

    Raises
    ------
    ConfigurationError
        When the file cannot be read or is no TOML, or a name or value in it cannot be.
    """
    text, values = _parsed(path)
    known = {name: row for table in tables for name, row in declared(table).items()}
    other = {name: row for table in unused for name, row in declared(table).items() if name not in known}
    found = {}
    for name, value in values.items():
        row = known.get(name) or other.get(name)
        if row is None:
            raise _unknown(path, text, name, value, {**known, **other})
        try:
            accepted_value = accepted(row, value)
        except OptionError as error:
            raise ConfigurationError(f"{place(path, text, name)}: {name}: {error.reason}") from None
        if name in known:
            found[name] = accepted_value
    return found


def place(path: Path, text: str, name: str) -> str:
    """Return the file and, if the key stands at the start of a line, the number of that line."""
    key = re.escape(name)
    line = re.search(rf"""(?m)^[ \t]*(?:\[[ \t]*)?["']?{key}["']?[ \t]*(?:[=.\]])""", text)
    return str(path) if line is None else f"{path}, line {text.count(chr(10), 0, line.start()) + 1}"


def _parsed(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: the configuration cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise ConfigurationError(f"{path}: {len(content):,} bytes are too many for a configuration file")
    try:
        text = content.decode("utf-8-sig")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}, line {line}: this is not UTF-8; save the file as UTF-8") from error
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: this is not TOML: {error}") from error


def _unknown(path: Path, text: str, name: str, value: Any, known: Mapping[str, Option]) -> ConfigurationError:
    where = place(path, text, name)
    if isinstance(value, Mapping) and not nearest(name, list(known)):
        tables = ", ".join(f"[{each}]" for each, row in known.items() if row.kind.table)
        reason = f"there is no table of this name; options stand at the top of the file, and the tables are {tables}"
        return ConfigurationError(f"{where}: [{name}]: {reason}")
    if name.replace("-", "_") in known:
        return ConfigurationError(f"{where}: {name}: write it as {name.replace('-', '_')}")
    return ConfigurationError(f"{where}: {name}: there is no option of this name{nearest(name, list(known))}")


# --- writing ---


def configuration_text(options: Any, title: str, only: Container[str] | None = None) -> str:
    """Return the options of a dataclass as a configuration file, under headings; those without a value as comments.

    With ``only``, others are left out.
    """
    rows, values = declared(type(options)), plain(options)
    rows = {name: row for name, row in rows.items() if only is None or name in only}
    lines = [f"# {each}" for each in title.splitlines()]
    tables: dict[str, Mapping[str, Any]] = {}
    for section in dict.fromkeys(row.section for row in rows.values()):
        lines += ["", f"# --- {HEADINGS.get(section, section)} ---"]
        for name, row in rows.items():
            if row.section != section:
                continue
            value = values[name]
            if isinstance(value, Mapping):
                tables |= {name: value} if value else {}
            else:
                lines.append(f"# {name} =" if value is None else f"{name} = {toml_value(value)}")
    for name, table in tables.items():
        lines += ["", f"[{name}]"]
        lines += [f"{_key(key)} = {toml_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Return a value in TOML's notation."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return repr(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    # JSON's strings are TOML's basic strings, but for one control character that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
