"""Reading files, writing them so that one is either the new one, whole, or what it was; and what JSON can hold."""

from __future__ import annotations

import math
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lamina.errors import CheckpointError, DTypeError

PathLike = str | os.PathLike[str]


def check_path(operation: str, path: Any) -> None:
    """Refuse what is no path."""
    if not isinstance(path, str | os.PathLike):
        raise DTypeError(f'{operation}: the path is {path!r}; give a text or a Path, such as "model.safetensors"')


def read_file(operation: str, path: PathLike) -> bytes:
    """Return the content of a file.

    Raises
    ------
    CheckpointError
        When it cannot be read.
    DTypeError
        When the path is no path.
    """
    check_path(operation, path)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{operation}: {path} cannot be read: {error.strerror}") from error


def replace_file(operation: str, path: PathLike, content: bytes) -> None:
    """Write ``content`` to a new file beside ``path``, bring it to the disk, and rename it to ``path``.

    Parameters
    ----------
    operation : str
        Named in errors.
    path : str or path
        A symbolic link stays one; the file it leads to is replaced. A device or a pipe, such as ``/dev/stdout``,
        cannot be replaced and is written to.
    content : bytes

    Raises
    ------
    CheckpointError
        When that cannot be done, as on a full disk; the new file is gone and the old one as it was.
    """
    check_path(operation, path)
    if _is_stream(path):
        _write_into(operation, path, content)
        return
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise CheckpointError(f"{operation}: {target} is a folder; name a file in it")
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        # Made by open, not by tempfile, so that the file has the permissions of any other new file.
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise CheckpointError(f"{operation}: cannot write in the folder {target.parent}: {error.strerror}") from error
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, target)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink()
        if not isinstance(error, OSError):
            raise
        raise CheckpointError(
            f"{operation}: {target} could not be written and is as it was: {error.strerror}"
        ) from error
    _sync_folder(target.parent)


def _is_stream(path: PathLike) -> bool:
    """Tell whether there is something other than a file or a folder: a device, a pipe, a socket."""
    try:
        kind = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def _write_into(operation: str, path: PathLike, content: bytes) -> None:
    try:
        with open(path, "wb") as stream:
            stream.write(content)
    except OSError as error:
        raise CheckpointError(f"{operation}: {os.fspath(path)} could not be written: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """Bring the renaming itself to the disk, where the system can; the content is safe without."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def finite_or_null(value: Any) -> Any:
    """Return the value with JSON's null for numbers that are not finite, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite_or_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_null(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
