"""Which task a target column asks for, and how its values become numbers."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from lamina.data import ClassTarget, NumericTarget, Table, infer_task
from lamina.data.record import Record
from lamina.errors import CheckpointError, DataError


def table_of(values: list[Any]) -> Table:
    frame = pl.DataFrame({"y": [None if v is None else str(v) for v in values]}, schema={"y": pl.String})
    return Table("here", frame, np.arange(2, frame.height + 2))


def stored(target: ClassTarget | NumericTarget) -> Record:
    return Record.of(json.loads(json.dumps(target.to_json())), "config.json: target")


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["yes", "no"] * 4, "classification"),
        ([True, False] * 4, "classification"),
        ([0, 1] * 4, "classification"),
        ([0, None, 1, 1, 0], "classification"),
        (list(range(10)) * 2, "classification"),
        (["1.0", "2.0"] * 3, "classification"),
        (list(range(11)) * 5, "regression"),
        ([1, 2, 3, 4, 5], "regression"),
        ([0.5, 1.5] * 4, "regression"),
    ],
)
def test_task_follows_from_the_target(values: list[Any], task: str) -> None:
    assert infer_task(table_of(values), "y") == task


def test_numeric_classes_are_ordered_as_numbers_and_text_as_text() -> None:
    assert ClassTarget.fit(table_of([10, 9, 10, 9, 2, 2]), "y").classes == ("2", "9", "10")
    assert ClassTarget.fit(table_of(["b", "a", "b", "a"]), "y").classes == ("a", "b")


def test_a_class_is_the_same_with_and_without_decimals() -> None:
    target = ClassTarget.fit(table_of([0, 1, 0, 1]), "y")
    assert target.encode(table_of(["1.0", "0.0", "1"])).tolist() == [1, 0, 1]


@pytest.mark.parametrize("dtype", [pl.Int64, pl.String])
def test_classes_of_large_whole_numbers_are_told_apart_by_all_digits(dtype: Any) -> None:
    labels = [2**53 + 1, 2**53, 7, 2**63 - 1] * 2
    table = Table.of(pl.DataFrame({"y": pl.Series(labels).cast(dtype)}))
    target = ClassTarget.fit(table, "y")
    assert target.classes == ("7", str(2**53), str(2**53 + 1), str(2**63 - 1))
    assert target.encode(table).tolist() == [2, 1, 0, 3] * 2


def test_large_classes_with_thousands_marks_are_the_digits_between_them() -> None:
    table = table_of(["9.007.199.254.740.993", "9.007.199.254.740.992,0"] * 2)
    table = Table(table.name, table.frame, table.lines, decimal=",")
    assert ClassTarget.fit(table, "y").classes == ("9007199254740992.0", "9007199254740993")


@pytest.mark.parametrize("value", ["maybe", None])
@pytest.mark.parametrize("row", [0, 1])
def test_unknown_class_is_named_with_its_line_and_the_known_ones(value: str | None, row: int) -> None:
    target = ClassTarget.fit(table_of(["yes", "no"] * 3), "y")
    rows: list[str | None] = ["yes", "yes"]
    rows[row] = value
    said = rf"line {2 + row} has the class '{value or '.missing.'}' .* knows 'no', 'yes'"
    with pytest.raises(DataError, match=said):
        target.encode(table_of(rows))


def test_constant_target_is_refused() -> None:
    with pytest.raises(DataError, match="the target 'y' is 'a' in every row"):
        ClassTarget.fit(table_of(["a", "a"]), "y")
    with pytest.raises(DataError, match="the target 'y' is 2 in every row"):
        NumericTarget.fit(table_of([2, 2]), "y")


def test_classes_that_hardly_repeat_are_refused() -> None:
    with pytest.raises(DataError, match="9 different values in 10 rows, too many for classes; use --task regression"):
        ClassTarget.fit(table_of([0.1 * i for i in range(9)] + [0.0]), "y")


def test_values_come_back_in_their_units() -> None:
    values = [100.0, 250.0, 400.0]
    target = NumericTarget.fit(table_of(values), "y")
    encoded = target.encode(table_of(values))
    assert encoded.shape == (3, 1)
    np.testing.assert_allclose(encoded.std(), 1.0, rtol=1e-6)
    np.testing.assert_allclose(target.decode(encoded), values, rtol=1e-6)


def test_targets_come_back_from_json() -> None:
    classes = ClassTarget.fit(table_of([3, 1, 3, 1]), "y")
    assert ClassTarget.from_json(stored(classes)) == classes
    values = NumericTarget.fit(table_of([0.1, 0.7]), "y")
    assert NumericTarget.from_json(stored(values)) == values


def test_damaged_targets_are_refused() -> None:
    with pytest.raises(CheckpointError, match="std should be greater than zero"):
        NumericTarget.from_json(Record.of({"name": "y", "mean": 0, "std": 0}, "config.json"))
    with pytest.raises(CheckpointError, match="classes should be at least two classes"):
        ClassTarget.from_json(Record.of({"name": "y", "classes": ["a"], "numeric": False}, "config.json"))
