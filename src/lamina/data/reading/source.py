"""`Source`: the file that a table is read from, with what was said about it, as bytes and as text."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from lamina.data.reading.packed import ARCHIVE, unpacked
from lamina.errors import DataError

# The marks that text may begin with, the longer ones first: that of UTF-16 is the beginning of that of UTF-32.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# How files begin that are no text, and what to do about them.
SIGNATURES = (
    (b"PAR1", "it begins like a Parquet file: call it .parquet"),
    (b"ARROW1", "it begins like an Arrow file: call it .arrow"),
    (b"SQLite format 3", "it begins like a SQLite database: call it .sqlite"),
    (b"PK\x03\x04", "it begins like a ZIP archive or an Excel workbook: call it .zip, or save its sheet as .csv"),
    (b"\x1f\x8b", "it begins like a file packed by gzip: call it .gz"),
    (b"BZh", "it begins like a file packed by bzip2: call it .bz2"),
    (b"\xfd7zXZ\x00", "it begins like a file packed by xz: call it .xz"),
    (b"\x28\xb5\x2f\xfd", "it begins like a file packed by zstd: unpack it first"),
    (b"\xd0\xcf\x11\xe0", "it begins like an old Excel workbook: save its sheet as .csv"),
    (b"%PDF", "it begins like a PDF document: save its table as .csv"),
)
# What text on Windows was written in before UTF-8; it has all characters of Latin-1.
WINDOWS = "windows-1252"


@dataclass(frozen=True)
class Source:
    """A file to read a table from, and what is known about it.

    Attributes
    ----------
    path : Path
    name : str, optional
        Which table, where the file holds several.
    encoding : str, optional
        Of text that does not begin with a mark; UTF-8 when None.
    header : bool, default True
        Whether the first line names the columns.
    """

    path: Path
    name: str | None = None
    encoding: str | None = None
    header: bool = True

    @property
    def part(self) -> str | None:
        """Which table of a file that is not packed; of an archive, the name has chosen the file."""
        return None if self.path.name.lower().endswith(ARCHIVE) else self.name

    def content(self) -> bytes:
        """Return the bytes of the file, unpacked where it is packed."""
        return unpacked(self.path, self.name)

    def utf8(self) -> tuple[bytes, str]:
        """Return the text in UTF-8, which was checked, without a mark in front, and the encoding it was written in.

        Raises
        ------
        DataError
            When it is not text in this encoding; the message names the line, and the encoding that would do.
        """
        data = self.content()
        mark, marked = next(((mark, name) for mark, name in MARKS if data.startswith(mark)), (b"", "utf-8"))
        known = marked if self.encoding is None else known_encoding("read_table", self.encoding)
        encoding = marked if mark else known
        if encoding in ("utf-8", "utf-8-sig"):
            data = data.removeprefix(codecs.BOM_UTF8)
            if b"\x00" in data:
                raise DataError(f"{self.path}: this is not a text file in UTF-8; {_advice(data)}")
            _decoded(self.path, data, "utf-8")
            return data, marked if mark == codecs.BOM_UTF8 else "utf-8"
        text = _decoded(self.path, data, encoding).removeprefix("\ufeff")
        if "\x00" in text:
            raise DataError(f"{self.path}: this is not text in {encoding}; {_advice(data)}")
        try:
            return text.encode(), encoding
        except UnicodeEncodeError as error:
            raise DataError(f"{self.path}: this is not text in {encoding}: {error.reason}") from error

    def text(self) -> str:
        """Return the text."""
        return self.utf8()[0].decode()


def known_encoding(operation: str, name: str) -> str:
    """Return the name of an encoding of text as Python has it.

    Raises
    ------
    DataError
        When there is none of this name.
    """
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError, UnicodeError) as error:
        raise DataError(
            f"{operation}: {name!r:.40} is no encoding of text; there are utf-8, utf-16, windows-1252, latin-1, "
            "shift_jis, gb18030 and the others that Python knows"
        ) from error


def _decoded(path: Path, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(_undecodable(path, data, encoding, error)) from error
    except (ValueError, UnicodeError) as error:
        raise DataError(f"{path}: this is not text in {encoding}: {error}") from error


def _undecodable(path: Path, data: bytes, encoding: str, error: UnicodeDecodeError) -> str:
    line = data.count(b"\n", 0, error.start) + 1
    name = "UTF-8" if encoding == "utf-8" else encoding
    found = f"{path}: line {line} holds the byte 0x{data[error.start]:02x}, which is not {name}"
    if encoding != "utf-8":
        return f"{found}; the file may be in another encoding: {error.reason}"
    start, end = max(data.rfind(b"\n", 0, error.start) + 1, error.start - 20), error.start + 20
    shown = data[start:end].splitlines()[0] if data[start:end] else b""
    try:
        guessed = shown.decode(WINDOWS)
    except UnicodeDecodeError:
        return f'{found}; save the file as UTF-8, or name its encoding: encoding="..." (--encoding ...)'
    return (
        f'{found}; in {WINDOWS} it would be {guessed!r}: where that is right, read it with encoding="{WINDOWS}" '
        f"(--encoding {WINDOWS}); else name another encoding, or save the file as UTF-8"
    )


def _advice(data: bytes) -> str:
    """Return what to do about data with bytes of zero, which text does not have."""
    for signature, advice in SIGNATURES:
        if data.startswith(signature):
            return advice
    first = data[:4096]
    for place, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(first) > 3 and first[place::2].count(0) > len(first) // 4 and not first[1 - place :: 2].count(0):
            return f'it looks like UTF-16: read it with encoding="{name}" (--encoding {name})'
    return "give a table as .csv or .tsv, or as .parquet; name the encoding of text that is not in UTF-8 (--encoding)"
