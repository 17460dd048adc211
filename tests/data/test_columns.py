"""Booleans, dates, rare categories and indicators of missing values, against scikit-learn and pandas."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given, settings, strategies as st
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import lamina.data.cells as cells
from lamina.data import BooleanColumn, DateColumn, Table, TablePreprocessing
from lamina.data.record import Record
from lamina.errors import DataError


def rebuilt(fitted: TablePreprocessing) -> TablePreprocessing:
    stored = json.loads(json.dumps(fitted.to_json(), allow_nan=False))
    return TablePreprocessing.from_json([Record.of(value, "config.json") for value in stored])


@settings(deadline=None, max_examples=25)
@given(st.lists(st.one_of(st.none(), st.integers(-1000, 1000)), min_size=3, max_size=20))
def test_missing_numbers_are_imputed_and_indicated_as_scikit_learn_does(values: list[int | None]) -> None:
    if len({value for value in values if value is not None}) < 2:
        return
    column = np.array([np.nan if value is None else value for value in values])[:, None]
    expected = make_pipeline(StandardScaler(), SimpleImputer(add_indicator=True)).fit_transform(column)
    found = TablePreprocessing.fit(Table.of({"a": values}), ["a"]).encode(Table.of({"a": values}))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(2, 6),
)
def test_rare_categories_share_an_input_as_in_scikit_learn(
    values: list[str], min_frequency: int, max_categories: int
) -> None:
    # Where there are just as many categories as inputs, scikit-learn merges two that had room.
    assume(len(set(values)) != max_categories or min(map(values.count, set(values))) < min_frequency)
    encoder = OneHotEncoder(
        sparse_output=False, min_frequency=min_frequency, max_categories=max_categories, handle_unknown="ignore"
    )
    expected = encoder.fit_transform(np.array(values, dtype=object)[:, None])
    table = Table.of({"a": values})
    fitted = TablePreprocessing.fit(
        table, ["a"], kinds={"a": "categorical"}, max_categories=max_categories, min_frequency=min_frequency
    )
    np.testing.assert_array_equal(rebuilt(fitted).encode(table), expected)


@pytest.mark.parametrize("values", [[True, False, None, True], ["yes", "no", None, "YES"], ["T", "F", None, "t"]])
def test_booleans_are_ones_and_zeros_and_missing_ones_the_more_frequent(values: list[object]) -> None:
    fitted = TablePreprocessing.fit(Table.of({"a": values}), ["a"])
    assert fitted.columns == (BooleanColumn("a", usual=True, missing=True),)
    assert fitted.feature_names == ("a", "a=(missing)")
    expected = [[1, 0], [0, 0], [1, 1], [1, 0]]
    np.testing.assert_array_equal(rebuilt(fitted).encode(Table.of({"a": values})), expected)


def test_boolean_of_other_words_is_missing_with_a_warning() -> None:
    fitted = TablePreprocessing.fit(Table.of({"a": ["yes", "no", "no"]}), ["a"])
    with pytest.warns(UserWarning, match="column 'a' holds 'maybe', which training did not have .* encoded as missing"):
        assert fitted.encode(Table.of({"a": ["maybe", "true"]})).tolist() == [[0.0], [1.0]]


DAYS = ["2023-12-31", "2024-02-29", None, "2024-07-04"]


def test_dates_become_their_parts_as_pandas_counts_them() -> None:
    fitted = TablePreprocessing.fit(Table.of({"day": DAYS}), ["day"])
    parts = ["year", "month", "day", "weekday", "days"]
    assert fitted.feature_names == (*(f"day:{part}" for part in parts), "day=(missing)")
    days = pd.to_datetime(pd.Series(DAYS)).dt
    epoch = (pd.to_datetime(pd.Series(DAYS)) - pd.Timestamp(0)).dt.days
    raw = np.stack([days.year, days.month, days.day, days.day_of_week + 1, epoch], axis=1).astype(float)
    expected = SimpleImputer(add_indicator=True).fit_transform(StandardScaler().fit_transform(raw))
    found = rebuilt(fitted).encode(Table.of({"day": DAYS}))
    np.testing.assert_allclose(found, expected[:, :6], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "same",
    [
        ["2023-12-31T00:00:00Z", "2024-02-29 00:00", None, "2024-07-04"],
        pd.to_datetime(pd.Series(DAYS)),
        pd.to_datetime(pd.Series(DAYS)).dt.date,
    ],
)
def test_dates_are_the_same_however_they_are_kept(same: object) -> None:
    fitted = TablePreprocessing.fit(Table.of({"day": DAYS}), ["day"])
    np.testing.assert_array_equal(fitted.encode(Table.of({"day": same})), fitted.encode(Table.of({"day": DAYS})))


WRITTEN = {
    "31.12.24": "2024-12-31",
    "1.1.99": "1999-01-01",
    "5/31/24 3:05 PM": "2024-05-31 15:05",
    "13/5/2024 11:05:30 am": "2024-05-13 11:05:30",
    "31-DEC-2024": "2024-12-31",
    "1 March 2024": "2024-03-01",
    "5 may 24": "2024-05-05",
    "March 1, 2024": "2024-03-01",
    "Mar 1 2024 9:05": "2024-03-01 09:05",
    "2024-01-01T10:00:00.5Z": "2024-01-01 10:00:00.5",
    "9:05": "1970-01-01 09:05",
    "9:05:30 PM": "1970-01-01 21:05:30",
}


@pytest.mark.parametrize("text", WRITTEN)
def test_dates_are_read_as_people_write_them(text: str) -> None:
    column = pl.Series([text, None])
    order = cells.date_order(column)
    assert order is not None
    assert cells.dates(column, order).to_list() == [pd.Timestamp(WRITTEN[text]).to_pydatetime(), None]


@pytest.mark.parametrize("text", ["2:1", "5-abc", "Ulm 5, 2", "1.2", "31/31/2024", "24", "1970-01-01 25:00"])
def test_other_texts_are_no_dates(text: str) -> None:
    assert cells.date_order(pl.Series([text])) is None


def test_dates_that_come_many_times_are_those_that_come_once() -> None:
    texts = ["31.12.24", None, "1.1.2024 9:05", "no date"]
    once = cells.dates(pl.Series(texts), "day.month.year").to_list()
    assert cells.dates(pl.Series(texts * 50), "day.month.year").to_list() == once * 50
    assert cells.dates(pl.Series([None] * 9, dtype=pl.String), "day.month.year").to_list() == [None] * 9


def test_times_alone_are_hours() -> None:
    fitted = TablePreprocessing.fit(Table.of({"at": ["6:00", "18:00"]}), ["at"])
    assert fitted.feature_names == ("at:hour", "at:days")
    assert fitted.encode(Table.of({"at": ["12:00"]})).tolist() == [[0.0, 0.0]]


def test_order_of_dates_is_that_of_training() -> None:
    fitted = TablePreprocessing.fit(Table.of({"day": ["13/1/2024", "1/2/2024"]}), ["day"])
    assert isinstance(fitted.columns[0], DateColumn)
    assert fitted.columns[0].order == "day/month/year"
    month = fitted.feature_names.index("day:month")
    assert fitted.encode(Table.of({"day": ["5/1/2024", "5/2/2024"]}))[:, month].tolist() == [-1.0, 1.0]
    with pytest.raises(
        DataError, match="column 'day' holds dates, but line 2 holds '1/31/2024'; write the date as day/"
    ):
        fitted.encode(Table.of({"day": [None, "1/31/2024"]}))


def test_dates_of_one_day_tell_nothing() -> None:
    fitted = TablePreprocessing.fit(Table.of({"day": ["2024-01-01"] * 3}), ["day"])
    assert fitted.encode(Table.of({"day": ["2025-06-07"]})).tolist() == [[0.0]]


def test_kind_can_be_declared() -> None:
    table = Table.of({"zip": [89073, 53111, 89073], "day": ["2024-01-01", "2024-01-02", "2024-01-01"]})
    fitted = TablePreprocessing.fit(table, ["zip", "day"], kinds={"zip": "categorical", "day": "categorical"})
    assert fitted.feature_names == ("zip=53111", "zip=89073", "day=2024-01-01", "day=2024-01-02")
    # Missing values turn whole numbers into floats in pandas; the categories stay the same.
    more = pd.DataFrame({"zip": [89073, None], "day": ["2024-01-01", "2024-01-01"]})
    with pytest.warns(UserWarning, match=r"'\(missing\)', which training did not have"):
        assert fitted.encode(Table.of(more)).tolist() == [[0, 1, 1, 0], [0, 0, 1, 0]]
    with pytest.raises(DataError, match="column 'day' is numeric, but line 1 holds '2024-01-01'"):
        TablePreprocessing.fit(table, ["day"], kinds={"day": "numeric"})
    with pytest.raises(DataError, match="column 'zip' is boolean, but line 1 holds '89073'"):
        TablePreprocessing.fit(table, ["zip"], kinds={"zip": "boolean"})


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_fitting_in_pieces_is_fitting_at_once(sizes: list[int]) -> None:
    rows = sum(sizes)
    random = np.random.default_rng(rows)
    table = Table.of(
        {
            "a": [None if i % 5 == 3 else value for i, value in enumerate(random.normal(size=rows).tolist())],
            "b": random.choice(["x", "y", "z"], rows),
            "c": random.choice([True, False], rows),
            "d": pd.Timestamp("2024-01-01") + pd.to_timedelta(pd.Series(random.integers(0, 900, rows)), "D"),
        }
    )
    ends = np.cumsum([0, *sizes])
    pieces = [table.take(np.arange(a, b)) for a, b in pairwise(ends)]
    kinds = {"a": "numeric", "b": "categorical", "c": "boolean", "d": "date"}
    whole = TablePreprocessing.fit(table, list(kinds), kinds=kinds)
    parts = TablePreprocessing.fit_pieces(pieces, kinds)
    assert parts.feature_names == whole.feature_names
    np.testing.assert_allclose(parts.encode(table), whole.encode(table), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["Int64", "UInt64"])
def test_whole_numbers_of_pandas_keep_their_digits_beside_missing_ones(dtype: str) -> None:
    series = pd.Series([2**53 + 1, None, 2**63 - 1], dtype=dtype)
    assert Table.of(pd.DataFrame({"id": series})).texts("id").tolist() == [str(2**53 + 1), None, str(2**63 - 1)]
