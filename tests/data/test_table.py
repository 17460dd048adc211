"""Reading tables: what is understood, and what is refused with a message that says where and why."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from lamina.data import read_table
from lamina.data.cells import MISSING_MARKS
from lamina.data.dialect import Dialect
from lamina.data.reading import rectangle, separated
from lamina.data.reading.rectangle import row_lines
from lamina.data.reading.source import Source
from lamina.errors import DataError

Write = Callable[..., Path]

REFUSED = {
    "empty file": ("", "the file is empty"),
    "only blank lines": ("\n\n  \n", "the file is empty"),
    "header only": ("a,b\n", "no rows below it"),
    "row too short": ("a,b\n1,2\n3\n", "line 3 has 1 cell, but the header names 2 columns"),
    "row too long": ("a,b\n1,2\n3,4\n5,6,7\n", "line 4 has 3 cells, but the header names 2 columns"),
    "ragged after a cell of two lines": ('a,b\n"x\ny",2\n3\n', "line 4 has 1 cell, but"),
    "repeated column": ("a,b,a\n1,2,3\n", "names 'a' more than once"),
    "repeated column but for spaces": ("a, b,b\n1,2,3\n", "names 'b' more than once"),
    "open quotation mark": ('a,b\n1,"2\n', "check its quotation marks"),
    "Latin-1": ("a,b\n1,2\nKöln,3\n".encode("latin-1"), "line 3 holds the byte 0xf6, which is not UTF-8"),
    "zero byte far down": (b"a,b\n" + 2000 * b"1,2\n" + b"1\x00,2\n", "not a text file"),
    "zip archive": (b"PK\x03\x04\x00\x00\x00", "not a text file"),
}


@pytest.mark.parametrize("content", REFUSED)
def test_broken_table_is_refused_with_its_place(write: Write, content: str) -> None:
    text, message = REFUSED[content]
    path = write(text)
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="this is a folder"):
        read_table(tmp_path)


def test_damaged_parquet_is_refused(write: Write) -> None:
    with pytest.raises(DataError, match="not a Parquet file"):
        read_table(write("a,b\n1,2\n", "table.parquet"))


@pytest.mark.parametrize("mark", MISSING_MARKS)
def test_marks_of_missing_values_are_null(write: Write, mark: str) -> None:
    table = read_table(write(f"a,b\n{mark},x\n2,y\n"))
    assert table.frame["a"].to_list() == [None, "2"]
    assert table.is_numeric("a")


def test_cells_and_names_lose_the_spaces_around_them(write: Write) -> None:
    table = read_table(write(" a , b\n 1 , x y \n"))
    assert table.columns == ["a", "b"]
    assert table.frame.row(0) == ("1", "x y")


@pytest.mark.parametrize(
    ("text", "name"),
    [("a;b\n1,5;2\n", "t.csv"), ("a\tb\n1,5\t2\n", "t.csv"), ("a\tb\n1,5\t2\n", "t.tsv")],
)
def test_semicolons_and_tabs_separate_where_the_header_has_no_comma(write: Write, text: str, name: str) -> None:
    assert read_table(write(text, name)).frame.row(0) == ("1,5", "2")


def test_byte_order_mark_and_windows_line_ends_are_no_part_of_the_table(write: Write) -> None:
    table = read_table(write(b"\xef\xbb\xbfa,b\r\n1,2\r\n"))
    assert table.columns == ["a", "b"]
    assert table.frame.row(0) == ("1", "2")


def test_blank_lines_are_no_rows_and_lines_are_counted_as_in_an_editor(write: Write) -> None:
    table = read_table(write('a,b\n1,2\n\n"x\ny",4\n5,6\n'))
    assert table.lines.tolist() == [2, 4, 6]


def test_column_without_a_name_is_left_out_with_a_note(write: Write) -> None:
    table = read_table(write(",a\n0,5\n1,6\n"))
    assert table.columns == ["a"]
    assert table.notes == ("column 1 has no name and was left out",)


def test_text_in_a_numeric_column_is_named_with_its_line(write: Write) -> None:
    table = read_table(write("a,b\n1,x\n2,x\nold,x\n"))
    with pytest.raises(DataError, match="column 'a' is numeric, but line 4 holds 'old'"):
        table.numbers("a")


@pytest.mark.parametrize("cell", ["inf", "-inf", "1e999"])
def test_infinite_number_is_refused(write: Write, cell: str) -> None:
    table = read_table(write(f"a\n1\n{cell}\n"))
    with pytest.raises(DataError, match="line 3 holds"):
        table.numbers("a")


def test_absent_column_is_named_with_the_closest(write: Write) -> None:
    table = read_table(write("rooms,Price\n1,2\n"))
    with pytest.raises(DataError, match=r"no target column 'prise'; the columns are 'rooms', 'Price'; .* 'Price'\?"):
        table.require(["prise"], "target column")


def test_parquet_reads_as_the_same_table_as_text(tmp_path: Path, write: Write) -> None:
    frame = pl.DataFrame({"a": [1.5, float("nan"), 3.0], "b": ["x", None, "y"], "c": [True, False, None]})
    frame.write_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    text = read_table(write("a,b,c\n1.5,x,true\n,,false\n3.0,y,\n"))
    np.testing.assert_array_equal(table.numbers("a"), text.numbers("a"))
    assert all(table.texts(name).tolist() == text.texts(name).tolist() for name in "bc")


def test_parquet_column_of_lists_is_left_out_with_a_note(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1], "b": [[1, 2]]}).write_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.columns == ["a"]
    assert "column 'b' holds lists, objects or bytes and was left out" in table.notes


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_numbers_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("numbers") / "t.csv"
    path.write_text("a\n" + "\n".join(map(repr, values)) + "\n")
    np.testing.assert_array_equal(read_table(path).numbers("a"), values)


# Text that is not stripped, is not a mark of a missing value, and that a text file can hold.
CELLS = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=6).filter(
    lambda cell: cell not in MISSING_MARKS
)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_text_that_polars_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    path = tmp_path_factory.mktemp("text") / "t.csv"
    frame.write_csv(path)
    assert read_table(path).frame.equals(frame)


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters='\r\n,"\x00'), max_size=4)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(PLAIN, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_lines_without_quotation_marks_are_read_as_those_with_them(rows: list[list[str]], end: str) -> None:
    text = "".join(",".join(row) + end for row in rows)
    quoted = "".join(",".join(f'"{cell}"' for cell in row) + end for row in rows)
    with TemporaryDirectory() as folder:
        (Path(folder) / "a.csv").write_bytes(("a,b,c" + end + text).encode())
        (Path(folder) / "b.csv").write_bytes(("a,b,c" + end + quoted).encode())
        plain, reference = read_table(Path(folder) / "a.csv"), read_table(Path(folder) / "b.csv")
    assert plain.frame.equals(reference.frame)
    assert plain.lines.tolist() == reference.lines.tolist()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.text(max_size=4), min_size=2, max_size=2), min_size=1, max_size=8),
    st.sampled_from(["minimal", "all", "nonnumeric"]),
    st.sampled_from([7, 1 << 24]),
)
def test_quoted_cells_are_read_as_by_pythons_csv(rows: list[list[str]], quoting: str, piece: int) -> None:
    how = {"minimal": csv.QUOTE_MINIMAL, "all": csv.QUOTE_ALL, "nonnumeric": csv.QUOTE_NONNUMERIC}[quoting]
    file = io.StringIO()
    cells = [[re.sub("[\r\x00\ud800-\udfff]", "", cell) for cell in row] for row in rows]
    csv.writer(file, quoting=how, lineterminator="\n").writerows([["a", "b"], *cells])
    text = separated.Text(Source(Path("t.csv")), file.getvalue().encode(), Dialect())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rectangle, "PIECE", piece)
        fast, slow = separated._plain(text), separated._checked(text)
    assert fast is not None
    assert fast.frame.equals(slow.frame)
    assert fast.lines.tolist() == slow.lines.tolist()


BROKEN = ['a,b\n"x"y,1\n', 'a,b\nx"y",1\n', 'a,b\n"x,1\n', 'a,b\n"x" ,1\n', 'a,b\n1,""x\n', "a,b\n1,2\n\n3,4\n"]


@pytest.mark.parametrize("text", BROKEN)
def test_cells_quoted_in_part_are_not_split_without_looking(text: str) -> None:
    assert row_lines(text.partition("\n")[2].encode(), ",", 2) is None


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_counted_across_quoted_line_breaks(write: Write, end: str) -> None:
    text = end.join(["a,b", '"x', "", 'y",1', "z,2", "", ""])
    table = read_table(write(text))
    assert table.lines.tolist() == [2, 5]
    assert table.texts("a").tolist() == ["x\n\ny", "z"]


def test_ragged_row_far_down_is_found(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rectangle, "PIECE", 64)
    assert len(read_table(write("a,b\n" + "1,2\n" * 500))) == 500
    with pytest.raises(DataError, match="line 302 has 3 cells"):
        read_table(write("a,b\n" + "1,2\n" * 300 + "1,2,3\n" + "1\n" + "1,2\n" * 200))
