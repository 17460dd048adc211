"""Decimal commas: decided where something is fitted to a table, and the same for every table after it."""

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from lamina.data import Dataset, NumericTarget, Table, TablePreprocessing, infer_schema, infer_task, read_table
from lamina.data.decimals import parsed
from lamina.data.record import Record
from lamina.data.settling import settled
from lamina.errors import CheckpointError, DataError

RANDOM = np.random.default_rng(0)
HOUSES = pd.DataFrame({
    "area": RANDOM.uniform(20.0, 300.0, 40).round(1),
    "rooms": RANDOM.integers(1, 9, 40),
    "town": RANDOM.choice(["Ulm", "Köln, Süd", "Jena"], 40),
    "price": RANDOM.uniform(50_000.0, 900_000.0, 40).round(2),
})  # fmt: skip


def written(path: Path, decimal: str, frame: pd.DataFrame = HOUSES) -> Path:
    """Write a table as a spreadsheet of this country would, by pandas."""
    frame.to_csv(path, index=False, sep=";" if decimal == "," else ",", decimal=decimal)
    return path


# --- one number ---

WRITTEN = [
    ("1,5", ",", 1.5),
    ("1.234,5", ",", 1234.5),
    ("1.234", ",", 1234.0),
    ("-12.345.678,90", ",", -12345678.9),
    ("1 234,5", ",", 1234.5),
    ("1\u202f234,5", ",", 1234.5),
    (",5", ",", 0.5),
    ("3", ",", 3.0),
    ("+2,5e-3", ",", 0.0025),
    ("1.5", ",", None),
    ("1.23,4", ",", None),
    ("1,2,3", ",", None),
    ("12345.678", ",", None),
    ("inf", ",", None),
    ("1.5", ".", 1.5),
    ("1,234.5", ".", 1234.5),
    ("1,234,567", ".", 1234567.0),
    ("1,234", ".", 1234.0),
    ("2.5e3", ".", 2500.0),
    ("1,5", ".", None),
    ("1,23.4", ".", None),
    ("12345,678", ".", None),
    ("", ".", None),
    ("Ulm", ",", None),
]


@pytest.mark.parametrize(("text", "decimal", "value"), WRITTEN)
def test_a_text_is_the_number_that_is_written_in_this_way_or_none(text, decimal, value):
    assert parsed(pl.Series([text, None]), decimal).to_list() == [value, None]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-1e9, 1e9).map(lambda value: round(value, 3)), min_size=1), st.sampled_from([".", ","]))
def test_what_pandas_writes_is_read_as_the_same_numbers(values, decimal):
    text = pd.DataFrame({"x": values}).to_csv(index=False, sep=";", decimal=decimal)
    cells = pl.read_csv(io.StringIO(text), separator=";", infer_schema=False)["x"]
    assert parsed(cells, decimal).to_list() == values


@settings(deadline=None, max_examples=25)
@given(st.floats(-1e9, 1e9).map(lambda value: round(value, 2)), st.booleans())
def test_groups_of_thousands_are_read_as_python_writes_them(value, commas):
    text = f"{value:,.2f}"
    swapped = text.translate(str.maketrans(",.", ".,"))
    assert parsed(pl.Series([swapped if commas else text]), "," if commas else ".").to_list() == [value]


# --- what a table is written with ---


def table(**columns):
    return Table.of({name: list(values) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("columns", "decimal"),
    [
        ({"a": ["1,5", "2"]}, ","),
        ({"a": ["1.234,5", "2"], "b": ["1.234", "7"]}, ","),
        ({"a": ["1,234", "7"], "b": ["0,5", "1"]}, ","),
        ({"a": ["1,234.5", "7"], "b": ["1,234", "7"]}, "."),
        ({"a": ["1.5", "7"], "b": ["1,234", "7"]}, "."),
        ({"a": ["1.234", "7"]}, "."),
        ({"a": ["Ulm, Süd", "Bonn"], "b": ["1.5", "2"]}, "."),
        ({"a": ["1,5", "x"]}, "."),
        ({"a": [1.5, 2.0]}, "."),
        ({"a": ["31.12.2024", "1.1.2025"], "b": ["1,5", "2"]}, ","),
    ],
)
def test_columns_that_can_be_read_in_one_way_only_decide(columns, decimal):
    assert settled(table(**columns)).decimal == decimal


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": ["1,234", "7"]}, "the comma of '1,234' in column 'a' may be a decimal comma or part thousands"),
        ({"a": ["1,5", "2"], "b": ["x", "y"], "c": ["1.5", "2"]}, "column 'a' holds '1,5', written with decimal commas "
         "and column 'c' holds '1.5', written with decimal points"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_an_error_that_says_what_to_do(columns, message):
    found = table(**columns, y=["u", "v"])
    for learn in (
        lambda: TablePreprocessing.fit(found, ["a"]),
        lambda: infer_task(found, "a"),
        lambda: NumericTarget.fit(found, "a"),
        lambda: Dataset.of(found, "y"),
    ):
        with pytest.raises(DataError, match=message + '.*decimal="," or decimal="." where the table is read'):
            learn()
    assert infer_schema(found)["a"].examples
    assert TablePreprocessing.fit(Table.of(found.frame, decimal=","), ["a"]).feature_names == ("a",)


def test_a_schema_shows_the_numbers_of_a_table_with_commas(tmp_path):
    schema = infer_schema(read_table(written(tmp_path / "t.csv", ",")))
    assert {column.name: column.kind for column in schema.columns} == {
        "area": "numeric", "rooms": "numeric", "town": "categorical", "price": "numeric",
    }  # fmt: skip
    least, greatest = HOUSES["area"].min(), HOUSES["area"].max()
    assert schema["area"].examples == (str(least).replace(".", ","), str(greatest).replace(".", ","))


# --- what is learnt from one table is what is said of another ---


def test_a_set_learnt_from_commas_is_the_one_learnt_from_points(tmp_path):
    commas = Dataset.of(written(tmp_path / "commas.csv", ","), "price")
    points = Dataset.of(written(tmp_path / "points.csv", "."), "price")
    np.testing.assert_array_equal(commas.inputs, points.inputs)
    np.testing.assert_array_equal(commas.targets, points.targets)
    assert commas.feature_names == points.feature_names


@pytest.mark.parametrize("column", ["area", "price"])
def test_a_table_whose_commas_say_nothing_is_read_as_the_one_learnt_from(tmp_path, column):
    known = Dataset.of(written(tmp_path / "t.csv", ","), "price")
    later = HOUSES.head(3).assign(**{column: ["1.234", "2.345,678", "3,456"]})
    found = Dataset.of(written(tmp_path / "later.csv", ",", later), like=known)
    plain = HOUSES.head(3).assign(**{column: [1234.0, 2345.678, 3.456]})
    wanted = Dataset.of(plain, like=known)
    np.testing.assert_array_equal(found.inputs, wanted.inputs)
    np.testing.assert_array_equal(found.targets, wanted.targets)


def test_a_table_written_in_the_other_way_is_an_error_unless_one_says_so(tmp_path):
    known = Dataset.of(written(tmp_path / "t.csv", ","), "price")
    other = written(tmp_path / "points.csv", ".")
    with pytest.raises(DataError, match=r"'area' is numeric.*numbers are read with decimal commas; .*decimal=\"\.\""):
        Dataset.of(other, like=known)
    np.testing.assert_array_equal(Dataset.of(read_table(other, decimal="."), like=known).inputs, known.inputs)


def test_what_was_fitted_remembers_it_in_json(tmp_path):
    read = read_table(written(tmp_path / "t.csv", ","))
    fitted, target = TablePreprocessing.fit(read, ["area", "town"]), NumericTarget.fit(read, "price")
    stored = json.loads(json.dumps([fitted.to_json(), target.to_json()]))
    again = TablePreprocessing.from_json([Record.of(each, "columns") for each in stored[0]])
    assert again == fitted
    assert NumericTarget.from_json(Record.of(stored[1], "target")) == target
    np.testing.assert_array_equal(again.encode(read), fitted.encode(read))
    with pytest.raises(CheckpointError, match="decimal should be"):
        NumericTarget.from_json(Record.of({**stored[1], "decimal": ";"}, "target"))


def test_numbers_of_classes_may_have_commas(tmp_path):
    frame = HOUSES.assign(grade=RANDOM.choice([1.0, 1.5, 2.0], 40))
    commas = Dataset.of(written(tmp_path / "t.csv", ",", frame), "grade", task="classification")
    points = Dataset.of(written(tmp_path / "p.csv", ".", frame), "grade", task="classification")
    assert commas.classes == points.classes
    np.testing.assert_array_equal(commas.targets, points.targets)


def test_a_column_that_is_written_otherwise_is_text_and_noted():
    found = Table.of(
        {"a": ["1,5", "1,5", "2,5", "2,5"], "b": ["1.5", "2.5", "3.5", "2"], "y": [0, 1, 0, 1]}, decimal="."
    )
    note = "column 'a' holds '1,5' and the like, which is text where numbers have decimal points; --decimal , reads"
    with pytest.warns(UserWarning, match=note):
        assert Dataset.of(found, "y").feature_names == ("a=1,5", "a=2,5", "b")


def test_a_table_of_points_is_read_without_a_word(tmp_path):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Dataset.of(written(tmp_path / "t.csv", "."), "price")
    assert not said


def test_only_two_marks_are_known(tmp_path):
    for read in (
        lambda: read_table(written(tmp_path / "t.csv", "."), decimal=";"),
        lambda: Table.of(HOUSES, decimal="x"),
    ):
        with pytest.raises(DataError, match=r"use \".\" for 1.5"):
            read()


@pytest.mark.parametrize("header", ["a;b;c", 'a;"b, in m";c', "a;b, in m;c", "a;b;c, in m"])
def test_the_separator_is_what_the_header_has_most_of(tmp_path, header):
    path = tmp_path / "t.csv"
    path.write_text(f"{header}\n1,5;2;3\n4,5;5;6\n")
    assert len(read_table(path).columns) == 3
    assert read_table(path, decimal=",").numbers("a").tolist() == [1.5, 4.5]
