"""Files that are packed: gzip, bzip2, xz, and ZIP archives."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any

from lamina.data.table import listed
from lamina.errors import DataError

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
ARCHIVE = ".zip"
PACKED = (*OPENERS, ARCHIVE)
"""The ends of the names of packed files."""

# Tables of text become smaller by far less. What becomes larger than this share of its file, and than so many bytes,
# was made to fill the memory.
MOST_EXPANSION = 200
HARMLESS = 1 << 30
PIECE = 1 << 22
DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)


def inner_name(path: Path, name: str | None) -> str:
    """Return the name of what is packed in a file, in small letters: the file's own where nothing is."""
    lowered = path.name.lower()
    if lowered.endswith(ARCHIVE):
        with _archive(path) as archive:
            return _member(path, archive, name).filename.lower()
    return lowered.removesuffix(next((end for end in OPENERS if lowered.endswith(end)), ""))


def unpacked(path: Path, name: str | None) -> bytes:
    """Return the content of a file, unpacked if its name says that it is packed.

    Parameters
    ----------
    path : Path
    name : str, optional
        Which file of an archive; of one that holds a single file it need not be said.

    Raises
    ------
    DataError
        When it is damaged, or unpacks to far more than a table of its size does.
    """
    lowered = path.name.lower()
    size = path.stat().st_size
    if lowered.endswith(ARCHIVE):
        with _archive(path) as archive:
            member = _member(path, archive, name)
            try:
                with archive.open(member) as file:
                    return _read(path, file, size)
            except DAMAGE as error:
                raise DataError(f"{path}: {member.filename} cannot be unpacked: {error}") from error
    for end, opened in OPENERS.items():
        if lowered.endswith(end):
            try:
                with opened(path) as file:
                    return _read(path, file, size)
            except (*DAMAGE, OSError) as error:
                raise DataError(f"{path}: this is not a {end} file that can be unpacked: {error}") from error
    return path.read_bytes()


def _read(path: Path, file: IO[bytes], size: int) -> bytes:
    content = bytearray()
    while piece := file.read(PIECE):
        content += piece
        if len(content) > max(HARMLESS, size * MOST_EXPANSION):
            raise DataError(
                f"{path}: it unpacks to more than {MOST_EXPANSION} times its size, which tables do not; unpack it "
                "yourself if it is right"
            )
    return bytes(content)


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (*DAMAGE, ValueError) as error:
        raise DataError(f"{path}: this is not a ZIP archive that can be read: {error}") from error


def _member(path: Path, archive: zipfile.ZipFile, name: str | None) -> zipfile.ZipInfo:
    """Return the file of this name in an archive, or the only one; what macOS adds is none."""
    files = {
        each.filename: each
        for each in archive.infolist()
        if not each.is_dir()
        and not each.filename.startswith("__MACOSX/")
        and not PurePosixPath(each.filename).name.startswith(".")
    }
    if name is not None and name in files:
        return files[name]
    if not files:
        raise DataError(f"{path}: there is no file in this archive")
    if name is not None:
        raise DataError(f"{path}: there is no file {name!r:.60} in this archive; there are {listed(list(files))}")
    if len(files) > 1:
        raise DataError(
            f"{path}: choose one of the {len(files)} files by its name (--table NAME): {listed(list(files))}"
        )
    return next(iter(files.values()))
