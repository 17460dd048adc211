"""Columns become numbers as scikit-learn makes them, and come back from JSON as they were."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lamina.data import Table, TablePreprocessing, read_table
from lamina.data.preprocessing import usable_columns
from lamina.data.record import Record
from lamina.errors import CheckpointError, DataError

Write = Callable[..., Path]


def table_of(**columns: list[Any]) -> Table:
    frame = pl.DataFrame({n: [None if v is None else str(v) for v in vs] for n, vs in columns.items()})
    return Table("here", frame.cast(pl.String), np.arange(2, frame.height + 2))


def rebuilt(fitted: TablePreprocessing) -> TablePreprocessing:
    stored = json.loads(json.dumps(fitted.to_json(), allow_nan=False))
    return TablePreprocessing.from_json([Record.of(value, "config.json") for value in stored])


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20).filter(lambda v: np.std(v) > 1e-3))
def test_numeric_column_is_standardised_as_scikit_learn_does(values: list[float]) -> None:
    table = table_of(a=values)
    expected = StandardScaler().fit_transform(np.array(values)[:, None])
    found = TablePreprocessing.fit(table, ["a"]).encode(table)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.one_of(st.none(), st.sampled_from(["red", "green", "blue", "ä"])), min_size=1, max_size=20))
def test_categorical_column_is_one_hot_as_scikit_learn_does(values: list[str | None]) -> None:
    table = table_of(a=values)
    expected = OneHotEncoder(sparse_output=False).fit_transform(np.array(values, dtype=object)[:, None])
    fitted = TablePreprocessing.fit(table, ["a"], kinds={"a": "categorical"})
    np.testing.assert_array_equal(fitted.encode(table), expected)


def test_encoding_is_the_same_after_json() -> None:
    table = table_of(a=[1.1, 2.7, None, 4], b=["x", "y", None, "x"], c=[1, 1, 1, 1])
    fitted = TablePreprocessing.fit(table, ["a", "b", "c"])
    assert rebuilt(fitted) == fitted
    np.testing.assert_array_equal(rebuilt(fitted).encode(table), fitted.encode(table))


def test_constant_column_is_zero_whatever_it_holds_later() -> None:
    fitted = TablePreprocessing.fit(table_of(a=[5, 5, 5]), ["a"])
    np.testing.assert_array_equal(fitted.encode(table_of(a=[5, 700, None])), np.zeros((3, 1)))


def test_missing_number_becomes_the_mean_and_is_indicated_if_training_had_missing_ones() -> None:
    fitted = TablePreprocessing.fit(table_of(a=[1, None, 3], b=[1, 2, 3]), ["a", "b"])
    assert fitted.feature_names == ("a", "a=(missing)", "b")
    np.testing.assert_array_equal(fitted.encode(table_of(a=[None, 2], b=[2, None])), [[0, 1, 0], [0, 0, 0]])


def test_missing_category_is_a_category_if_training_had_it() -> None:
    fitted = TablePreprocessing.fit(table_of(a=["x", None]), ["a"])
    assert fitted.feature_names == ("a=x", "a=(missing)")
    np.testing.assert_array_equal(fitted.encode(table_of(a=[None])), [[0.0, 1.0]])


def test_unseen_categories_are_none_of_the_known_and_named_in_a_warning() -> None:
    fitted = TablePreprocessing.fit(table_of(town=["Ulm", "Bonn"]), ["town"])
    with pytest.warns(UserWarning, match="which training did not have") as caught:
        inputs = fitted.encode(table_of(town=["Ulm", "Rome", None, "Rome"]))
    np.testing.assert_array_equal(inputs, [[0, 1], [0, 0], [0, 0], [0, 0]])
    for part in ("'town'", "'Rome', '(missing)'", "3 rows, first on line 3", "'Bonn', 'Ulm'"):
        assert part in str(caught[0].message)


def test_text_where_training_had_numbers_is_refused() -> None:
    fitted = TablePreprocessing.fit(table_of(age=[1, 2]), ["age"])
    with pytest.raises(DataError, match="column 'age' is numeric, but line 3 holds 'old'"):
        fitted.encode(table_of(age=[1, "old"]))


def test_missing_columns_are_all_named_and_extra_ones_ignored() -> None:
    fitted = TablePreprocessing.fit(table_of(a=[1, 2], b=[1, 2], c=[1, 2]), ["a", "b", "c"])
    with pytest.raises(DataError, match="no columns 'a', 'c', which the model was trained with; the columns are 'b'"):
        fitted.encode(table_of(b=[1]))
    assert fitted.encode(table_of(d=["?"], c=[1], b=[1], a=[1])).shape == (1, 3)


def test_numbers_too_large_to_standardise_are_refused() -> None:
    with pytest.raises(DataError, match="column 'a': -1e\\+308 is too large to standardise"):
        TablePreprocessing.fit(table_of(a=[1e308, -1e308]), ["a"])


def test_number_beyond_float32_once_standardised_is_refused() -> None:
    fitted = TablePreprocessing.fit(table_of(a=[1, 3]), ["a"])
    with pytest.raises(DataError, match="column 'a' holds 1e\\+300 on line 3, too far from the 2 ± 1"):
        fitted.encode(table_of(a=[1, 1e300]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"std": -1.0}, "std should be a finite number of at least 0"),
        ({"mean": None}, "mean should be a finite number, found None"),
        ({"mean": True}, "mean should be a finite number"),
        ({"name": 3}, "name should be a string"),
        ({"kind": "magic"}, "kind should be one of numeric, categorical, boolean, date"),
        ({"kind": "categorical", "categories": ["a", "a"]}, "categories should be a list of different strings"),
        ({"kind": "categorical", "categories": [1]}, "categories should be a list of different strings"),
        ({"kind": "categorical"}, "categories should be a list, found nothing"),
        ({"kind": "categorical", "categories": ["a"], "infrequent": ["a"]}, "infrequent should be none of the"),
        ({"kind": "boolean", "usual": 1}, "usual should be true or false"),
        ({"kind": "date", "order": "backwards"}, "order should be one of year-month-day"),
        ({"kind": "date", "order": "year-month-day", "parts": []}, "parts should be a list of different parts"),
    ],
)
def test_damaged_json_is_refused_with_its_place(change: dict[str, Any], message: str) -> None:
    value = {"kind": "numeric", "name": "a", "mean": 0.0, "std": 1.0, "missing": False} | change
    with pytest.raises(CheckpointError) as caught:
        TablePreprocessing.from_json([Record.of(value, "config.json: columns[0]")])
    assert str(caught.value).startswith(f"config.json: columns[0]: {message}")


def test_columns_that_name_rows_or_hold_nothing_are_left_out_with_notes(write: Write) -> None:
    rows = "\n".join(f"Name {i},{i % 3},,{'xy'[i % 2]},{i}" for i in range(30))
    table = read_table(write("name,a,nothing,kind,y\n" + rows + "\n"))
    names, notes = usable_columns(table, "y")
    assert names == ["a", "kind"]
    assert notes == [
        "column 'name' holds 30 different texts in 30 rows and was left out",
        "column 'nothing' has no values and was left out",
    ]


def test_table_without_usable_columns_is_refused_with_the_reasons(write: Write) -> None:
    table = read_table(write("nothing,y\n,1\n,2\n"))
    with pytest.raises(DataError, match="no column to predict 'y' from: column 'nothing' has no values"):
        usable_columns(table, "y")
    table = read_table(write("y\n1\n2\n"))
    with pytest.raises(DataError, match="there is no other column"):
        usable_columns(table, "y")
    table = Table.of({"a": [[1], [2]], "y": [1, 2]})
    with pytest.raises(DataError, match=r"no column to predict 'y' from: column 'a' .* was left out"):
        usable_columns(table, "y")


@pytest.mark.parametrize("cell", ["1e400", "inf"])
def test_decimal_commas_are_suggested_only_where_points_do_not_do(cell: str, write: Write) -> None:
    with pytest.raises(DataError, match=f"line 2 holds '{cell}'; give a finite number there"):
        read_table(write(f"a,y\n{cell},1\n2,2\n")).numbers("a")
