"""What is said of columns before a model is trained on them, and what is read as a number or as missing."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from lamina.data import Dataset, NumericColumn, Table, TablePreprocessing, examined_columns, infer_schema
from lamina.data.cells import BLANKS
from lamina.data.decimals import parsed
from lamina.data.findings import imbalance
from lamina.data.settling import settled
from lamina.errors import DataError

RANDOM = np.random.default_rng(0)
ROWS = 60
A = RANDOM.normal(size=ROWS).round(4).tolist()
VALUES = RANDOM.normal(size=ROWS).round(4).tolist()
CLASSES = ["yes", "no", "no"] * 20


def examined(column: Any, target: Any = VALUES, name: str = "c") -> tuple[list[str], list[str]]:
    """Return the columns and notes of a table with an innocent column ``a`` and one more."""
    frame = pl.DataFrame({"a": A, name: column, "y": target}, strict=False)
    return examined_columns(Table.of(frame), "y", target is CLASSES)


LEFT_OUT = {
    "the same text": (["x"] * ROWS, "column 'c' is 'x' in every row and was left out"),
    "the same number": ([5] * ROWS, "column 'c' is '5' in every row and was left out"),
    "nothing": ([None] * ROWS, "column 'c' has no values and was left out"),
    "another column": (A, "column 'c' repeats column 'a' and was left out"),
    "names of rows": (
        [f"u{i}" for i in range(ROWS)],
        "column 'c' holds 60 different texts in 60 rows and was left out",
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_columns_that_say_nothing_are_left_out_with_a_note(case: str) -> None:
    column, note = LEFT_OUT[case]
    assert examined(column) == (["a"], [note])


def test_many_constant_columns_are_one_note() -> None:
    table = Table.of({"a": A, "y": VALUES} | {f"c{i}": [1] * ROWS for i in range(100)})
    names, notes = examined_columns(table, "y", classes=False)
    assert names == ["a"]
    assert len(notes) == 1
    assert notes[0].startswith("100 columns are the same in every row and were left out: 'c0', 'c1'")


def test_a_constant_column_that_is_missing_somewhere_is_kept() -> None:
    assert examined([5, None] * (ROWS // 2)) == (["a", "c"], [])


def test_a_table_of_constant_columns_is_refused_with_the_reason() -> None:
    with pytest.raises(DataError, match="no column to predict 'y' from: column 'a' is '1' in every row"):
        examined_columns(Table.of({"a": [1] * 4, "y": [1.0, 2.0, 3.0, 4.0]}), "y", classes=False)


SUSPICIOUS: dict[str, tuple[Any, Any, str]] = {
    "the classes": (CLASSES, CLASSES, "column 'c' alone tells 'y'; if it is not known before 'y' is"),
    "the classes as numbers": ([int(y == "no") for y in CLASSES], CLASSES, "column 'c' alone tells 'y'"),
    "finer classes": (["yes", "no", "never"] * 20, CLASSES, "column 'c' alone tells 'y'"),
    "the values": ([3.0 * y + 7.0 for y in VALUES], VALUES, "column 'c' alone tells 'y'"),
    "the values, mostly": ([None, *[-y for y in VALUES[1:]]], VALUES, "column 'c' alone tells 'y'"),
    "row numbers": (list(range(ROWS)), VALUES, "column 'c' holds a different whole number in every row"),
    "row numbers in text": ([str(i) for i in range(ROWS)], VALUES, "holds a different whole number in every row"),
    "case": (["Ulm", "ulm", "Bonn"] * 20, VALUES, "column 'c' tells 'Ulm', 'ulm' apart; if they are the same"),
    "inner spaces": (["Bad  Tölz", "Bad Tölz"] * 30, VALUES, "column 'c' tells 'Bad  Tölz', 'Bad Tölz' apart"),
    "two orders": (["1/2/2024", "3/4/2024"] * 30, VALUES, "holds '1/2/2024', taken for month/day/year; day/month/year"),
    "money": ([f"${i % 7}.50" for i in range(ROWS)], VALUES, "column 'c' is read as numbers without '$': '$0.50'"),
    "numbers and few texts": (
        [*["1", "2", "x"], *["3"] * 57],
        VALUES,
        "all rows but 1: 'x' on line 3; it is",
    ),
}


@pytest.mark.parametrize("case", SUSPICIOUS)
def test_columns_that_are_not_what_they_seem_are_used_with_a_note(case: str) -> None:
    column, target, note = SUSPICIOUS[case]
    names, notes = examined(column, target)
    assert names == ["a", "c"]
    assert len(notes) == 1
    assert note in notes[0]


def test_a_key_is_known_by_its_name() -> None:
    numbers = RANDOM.permutation(ROWS * 3)[:ROWS].tolist()
    for name in ("id", "customer_id", "customerId", "Nr"):
        assert "holds a different whole number" in examined(numbers, name=name)[1][0]
    assert examined(numbers, name="paid")[1] == []


def test_innocent_columns_are_used_without_a_word() -> None:
    for column in (CLASSES, [i % 9 for i in range(ROWS)], [True, False] * 30, ["2024-05-31", "2024-06-01"] * 30):
        assert examined(column) == (["a", "c"], [])
    assert examined(["x", "y", "x"] * 20)[1] == []


def test_a_few_rows_prove_nothing() -> None:
    table = Table.of({"a": [1, 2, 3, 4], "y": ["x", "y", "x", "y"]})
    assert examined_columns(table, "y", classes=True) == (["a"], [])


def test_texts_left_out_that_are_mostly_numbers_are_named() -> None:
    column = [str(i) for i in range(ROWS)]
    column[4], column[9] = "abc", "?"
    names, notes = examined(column)
    assert names == ["a"]
    assert "column 'c' holds numbers in all rows but 1: 'abc' on line 5" in notes[0]


def test_a_data_set_warns_of_what_it_finds() -> None:
    with pytest.warns(UserWarning, match="column 'c' alone tells 'y'"):
        Dataset.of({"a": A, "c": VALUES, "y": VALUES}, "y")


def test_rare_classes_are_said() -> None:
    assert imbalance({"no": 500, "yes": 500}) == []
    assert imbalance({"no": 8, "yes": 1}) == []
    (note,) = imbalance({"no": 990, "yes": 10})
    assert note.startswith("1.0% of the rows are 'yes', and to say 'no' always is right in 99.0%")


# --- missing values among numbers ---


@pytest.mark.parametrize("mark", BLANKS)
def test_marks_among_numbers_and_dates_are_missing_values(mark: str) -> None:
    for others in (["1.5", "2"], ["2024-05-31", "2024-06-01"]):
        table = settled(Table.of({"x": [others[0], mark, others[1]]}))
        assert table.frame["x"].to_list() == [others[0], None, others[1]]
        assert table.notes == (f"column 'x' holds {mark!r} in 1 row, taken for missing values",)
        assert infer_schema(table).columns[0].missing == 1


def test_marks_among_texts_are_texts() -> None:
    table = Table.of({"grade": ["+", "-", "+"], "rank": ["a", "?", "b"]})
    assert settled(table).frame is table.frame
    assert settled(table).notes == ()


def test_a_single_row_to_predict_may_have_a_mark() -> None:
    preprocessing = TablePreprocessing((NumericColumn("x", 1.0, 2.0, missing=True),))
    assert preprocessing.encode(Table.of({"x": ["?"]})).tolist() == [[0.0, 1.0]]


def test_rows_whose_target_is_a_mark_are_left_out() -> None:
    data = Dataset.of({"a": A[:5], "y": ["1.5", "?", "2.5", "4", "-"]}, "y")
    assert len(data) == 3
    assert len(Dataset.of({"a": A[:2], "y": ["?", "1.0"]}, like=data)) == 1


# --- signs ---

SIGNED = [
    ("$1,234.50", ".", 1234.5),
    ("-$5", ".", -5.0),
    ("$-5", ".", -5.0),
    ("$ 5", ".", 5.0),
    ("($1,000)", ".", -1000.0),
    ("(5)", ".", -5.0),
    ("12%", ".", 12.0),
    ("12.5 %", ".", 12.5),
    ("\u22125.5", ".", -5.5),
    ("5 €", ",", 5.0),
    ("1.234,50 €", ",", 1234.5),
    ("€1.234", ",", 1234.0),
    ("12,5 %", ",", 12.5),
    ("$", ".", None),
    ("%", ".", None),
    ("5%%", ".", None),
    ("$$5", ".", None),
    ("5 kg", ".", None),
    ("(5", ".", None),
    ("(a)", ".", None),
]


@pytest.mark.parametrize(("text", "decimal", "value"), SIGNED)
def test_signs_of_currency_and_percent_are_passed_over(text: str, decimal: Any, value: float | None) -> None:
    assert parsed(pl.Series([text, None]), decimal).to_list() == [value, None]


def test_numbers_of_different_units_are_text() -> None:
    assert parsed(pl.Series(["$5", "€5"]), ".").to_list() == [None, None]
    names, notes = examined(["$5", "€5", "$6"] * 20)
    assert names == ["a", "c"]
    assert "column 'c' holds numbers of different units, '$', '€', and is taken for text" in notes


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text("0123456789.,-+()%$€ \u2212e", max_size=8), min_size=1, max_size=6), st.sampled_from(".,"))
def test_whatever_is_parsed_holds_a_digit(texts: list[str], decimal: Any) -> None:
    for text, value in zip(texts, parsed(pl.Series(texts, dtype=pl.String), decimal), strict=True):
        assert value is None or any(character.isdigit() for character in text)
