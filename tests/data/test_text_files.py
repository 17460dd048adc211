"""Text as it comes: encodings, separators, packed files, files without a header."""

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.data import read_table
from lamina.data.dialect import Dialect
from lamina.data.reading import packed
from lamina.errors import DataError

Write = Callable[..., Path]
TEXT = "Ort,Größe\nKöln,1.5\nUlm,2.5\n"
GERMAN = "Ort;Größe\nKöln;1,5\nUlm;2,5\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_marks_tell_the_encoding(write: Write, name: str, encoding: str) -> None:
    text = TEXT if name == "t.csv" else '[{"Ort": "Köln", "Größe": 1.5}]'
    table = read_table(write(text.encode(encoding), name))
    assert table.columns == ["Ort", "Größe"]
    assert table.texts("Ort")[0] == "Köln"


def test_big_endian_text_is_told_by_its_mark(write: Write) -> None:
    assert read_table(write("\ufeff".encode("utf-16-be") + TEXT.encode("utf-16-be"))).columns == ["Ort", "Größe"]


@pytest.mark.parametrize("encoding", ["windows-1252", "latin-1", "utf-16-le", "utf-16-be", "cp850", "utf-8", "utf-16"])
def test_encodings_go_by_their_names(write: Write, encoding: str) -> None:
    assert read_table(write(TEXT.encode(encoding)), encoding=encoding).texts("Ort")[0] == "Köln"


UNREADABLE = {
    "Windows": (
        TEXT.encode("cp1252"),
        "line 1 holds the byte 0xf6, .* would be 'Ort,Größe': .*--encoding windows-1252",
    ),
    "Windows, below": (b"a,b\n1,2\n\xd6l,3\n", "line 3 holds the byte 0xd6.*would be 'Öl,3'"),
    "none": (b"a,b\n1,\x81\x8d\n", r"line 2 holds the byte 0x81, .* name its encoding"),
    "UTF-16": (TEXT.encode("utf-16-le"), 'looks like UTF-16: .*encoding="utf-16-le"'),
    "UTF-16, the other way": (TEXT.encode("utf-16-be"), 'looks like UTF-16: .*encoding="utf-16-be"'),
    "workbook": (b"PK\x03\x04\x14\x00\x06\x00", "begins like a ZIP archive or an Excel workbook"),
    "Parquet": (b"PAR1\x15\x04\x15\x00\x00", "begins like a Parquet file: call it .parquet"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_other_text_is_refused_with_what_to_do(write: Write, case: str) -> None:
    content, message = UNREADABLE[case]
    with pytest.raises(DataError, match=f"table.csv: .*{message}"):
        read_table(write(content))


@pytest.mark.parametrize("encoding", ["rot13", "base64", "klingon", "a\0b", ""])
def test_what_is_no_encoding_is_refused(write: Write, encoding: str) -> None:
    with pytest.raises(DataError, match="is no encoding of text; there are utf-8"):
        read_table(write(TEXT), encoding=encoding)


def test_an_encoding_that_does_not_fit_is_refused(write: Write) -> None:
    with pytest.raises(DataError, match="line 1 holds the byte 0xc3, which is not ascii"):
        read_table(write(TEXT), encoding="ascii")
    with pytest.raises(DataError, match="a Parquet is no text"):
        read_table(write(b"", "t.parquet"), encoding="utf-8")


@pytest.mark.parametrize("name", ["houses.xlsx", "HOUSES.XLS", "houses.ods"])
def test_workbooks_are_refused_with_a_way_out(write: Write, name: str) -> None:
    with pytest.raises(DataError, match=r"workbooks of spreadsheets are not read; save the sheet as CSV in UTF-8, or"):
        read_table(write(b"PK\x03\x04", name))


# --- separators ---

SEPARATED = {
    "a;b\n1,5;2,5\n": ";",
    "a\tb\n1,5\t2\n": "\t",
    "a|b\n1|2\n": "|",
    "1,5;2,5\n2,5;3\n": ";",
    "a;x,b\n1,2\n3,4\n": ",",
    '"a;b;c",d\n1,2\n': ",",
    "SEP=;\na;b\n1;2\n": ";",
    "sep=\t\na\tb,c\n1\t2\n": "\t",
    "a\n1\n": ",",
}


@pytest.mark.parametrize("text", SEPARATED)
def test_separators_are_found(write: Write, text: str) -> None:
    table = read_table(write(text))
    assert table.dialect == Dialect(SEPARATED[text])
    assert len(table.columns) == (1 if text == "a\n1\n" else 2)


def test_lines_count_from_the_beginning_of_the_file(write: Write) -> None:
    assert read_table(write("\n\nsep=;\na;b\n1;2\n3;4\n")).lines.tolist() == [5, 6]
    with pytest.raises(DataError, match="line 6 has 1 cell"):
        read_table(write("\n\nsep=;\na;b\n1;2\n3\n"))


# --- headers ---


def test_a_file_without_a_header_is_said_to_be_one(write: Write) -> None:
    path = write("5.1,3.5,setosa\n4.9,3.0,setosa\n")
    assert "taken for the names of the columns" in read_table(path).notes[-1]
    table = read_table(path, header=False)
    assert (table.columns, table.lines.tolist()) == (["column_1", "column_2", "column_3"], [1, 2])
    assert table.notes == ()


@pytest.mark.parametrize("header", ["0,1,2,3", "label,1,2,3", "year,1990,1995", "a,b", "x_0,1.5,y"])
def test_numbers_that_count_may_be_names(write: Write, header: str) -> None:
    columns = header.count(",") + 1
    assert read_table(write(f"{header}\n{','.join('7' * columns)}\n")).notes == ()


def test_names_repeated_by_a_row_of_values_are_told_apart_from_others(write: Write) -> None:
    with pytest.raises(DataError, match=r"'0.2' more than once; .*header=False"):
        read_table(write("0.2,0.2,1\n1,2,3\n"))
    with pytest.raises(DataError, match=r"give each column its own name$"):
        read_table(write("a,a,b\n1,2,3\n"))


def test_a_column_that_is_not_there_may_have_had_no_header(write: Write) -> None:
    with pytest.raises(DataError, match=r"no target column 'y'.*header=False"):
        read_table(write("5.1,3.5,setosa\n4.9,3.0,setosa\n")).require(["y"], "target column")


def test_only_separated_text_has_a_header(write: Write) -> None:
    with pytest.raises(DataError, match="only CSV and TSV have a header"):
        read_table(write('[{"a": 1}]', "t.json"), header=False)


@pytest.mark.parametrize("text", ["1,2\n3,4\n", '1,2\n"3","4"\n', '1,2\n3,"4\n5"\n', "7\n8\n"])
def test_first_rows_are_kept_without_a_header(write: Write, text: str) -> None:
    table = read_table(write(text), header=False)
    assert (len(table), table.lines.tolist()) == (2, [1, 2])


# --- packed files ---

PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("end", PACKED)
def test_packed_text_is_read(write: Write, end: str) -> None:
    assert read_table(write(PACKED[end](GERMAN.encode()), f"t.csv{end}")).columns == ["Ort", "Größe"]
    assert read_table(write(PACKED[end](b'{"a": 1}\n{"a": 2}\n'), f"t.jsonl{end}")).columns == ["a"]


@pytest.mark.parametrize("end", PACKED)
def test_damaged_packed_text_is_refused(write: Write, end: str) -> None:
    content = PACKED[end](TEXT.encode())
    for damaged in (content[:-6], b"no" + content, b""):
        with pytest.raises(DataError, match=r"t.csv"):
            read_table(write(damaged, f"t.csv{end}"))


def _zipped(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return path


def test_archives_are_read(tmp_path: Path) -> None:
    one = _zipped(tmp_path / "one.zip", t__csv=TEXT)
    assert read_table(one).columns == ["Ort", "Größe"]
    two = _zipped(tmp_path / "two.zip", a__csv=TEXT, b__tsv="x\ty\n1\t2\n")
    assert read_table(two, name="b.tsv").columns == ["x", "y"]
    with pytest.raises(DataError, match=r"choose one of the 2 files by its name \(--table NAME\): 'a.csv', 'b.tsv'"):
        read_table(two)
    with pytest.raises(DataError, match=r"no file 'c.csv' in this archive"):
        read_table(two, name="c.csv")
    with pytest.raises(DataError, match="no file in this archive"):
        read_table(_zipped(tmp_path / "none.zip"))


def test_what_is_no_text_is_not_unpacked(write: Write) -> None:
    with pytest.raises(DataError, match="a Parquet file is read as it is and not packed; unpack it first"):
        read_table(write(gzip.compress(b"PAR1"), "t.parquet.gz"))


def test_what_unpacks_to_far_more_than_a_table_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "HARMLESS", 1 << 16)
    with pytest.raises(DataError, match="unpacks to more than 200 times its size"):
        read_table(write(gzip.compress(b"\n" * (1 << 20)), "t.csv.gz"))
