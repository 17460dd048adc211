"""What a table's columns are taken for, and how that is shown."""

import json
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from lamina.data import Schema, Table, infer_schema
from lamina.data.record import Record
from lamina.errors import CheckpointError, DataError

COLUMNS: dict[str, tuple[list[Any], str]] = {
    "whole numbers": ([1, 2, 3], "numeric"),
    "numbers as text": (["1", "2.5e3", None], "numeric"),
    "zeros and ones": ([0, 1, 1], "numeric"),
    "truth values": ([True, False, None], "boolean"),
    "yes and no": (["yes", "No", "YES"], "boolean"),
    "t and f": (["t", "f", None], "boolean"),
    "sexes": (["m", "f", "f"], "categorical"),
    "days": (["2024-01-31", "2024-02-29", None], "date"),
    "moments": (["2024-01-31T12:30:00Z", "2024-02-29T01:00:00.5Z", "2024-02-29"], "date"),
    "days of Germany": (["31.1.2024", "29.02.2024", "1.1.1999"], "date"),
    "days of America": (["1/31/2024", "02/29/2024", None], "date"),
    "a day that is none": (["2024-02-30", "2024-01-01", None], "categorical"),
    "versions": (["1.5.2", "1.10.33", "2.0.1"], "categorical"),
    "towns": (["Ulm", "Bonn", "Ulm"], "categorical"),
    "names": ([f"name {i}" for i in range(30)], "text"),
    "nothing": ([None, None, None], "empty"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_kind_is_found_by_looking_at_all_values(name: str) -> None:
    values, kind = COLUMNS[name]
    assert infer_schema(Table.of({"a": values}))["a"].kind == kind


def test_column_tells_what_is_missing_how_many_differ_and_examples() -> None:
    table = Table.of({"a": [3, None, 1, 3], "b": ["x", "y", "x", "z"], "c": ["2024-05-01", None, "2023-01-01", None]})
    schema = infer_schema(table)
    assert (schema["a"].missing, schema["a"].distinct, schema["a"].examples) == (1, 2, ("1", "3"))
    assert (schema["b"].missing, schema["b"].distinct, schema["b"].examples) == (0, 3, ("x", "y", "z"))
    assert schema["c"].examples == ("2023-01-01", "2024-05-01")
    with pytest.raises(DataError, match="no column 'd'"):
        schema["d"]


def test_examples_of_up_to_24_letters_are_whole_and_longer_ones_end_in_dots() -> None:
    schema = infer_schema(Table.of({"a": ["x" * 24, "y" * 25]}))
    assert schema["a"].examples == ("x" * 24, "y" * 23 + "…")


def test_schema_is_the_same_after_json() -> None:
    schema = infer_schema(Table.of({name: (values * 10)[:30] for name, (values, _) in COLUMNS.items()}))
    stored = json.loads(json.dumps(schema.to_json(), allow_nan=False))
    assert Schema.from_json(Record.of(stored, "schema.json")) == schema
    stored["columns"][0]["kind"] = "magic"
    with pytest.raises(CheckpointError, match=r"schema.json: columns\[0\]: kind should be one of numeric"):
        Schema.from_json(Record.of(stored, "schema.json"))


def test_schema_is_shown_as_text_and_as_a_table_of_the_terminal() -> None:
    schema = infer_schema(Table.of({"area": [1.5, 2.5], "[red]": ["a\nb", "x" * 50]}, name="houses"))
    assert str(schema).splitlines() == [
        "houses: 2 rows, 2 columns",
        "column  kind         missing  distinct  examples",
        "area    numeric                      2  1.5 … 2.5",
        "[red]   categorical                  2  a b, xxxxxxxxxxxxxxxxxxxxxxx…",
    ]
    console = Console(width=100, file=None, record=True, quiet=False)
    with console.capture() as captured:
        console.print(schema)
    for text in ("houses: 2 rows", "[red]", "categorical", "1.5 … 2.5"):
        assert text in captured.get()


def test_schema_of_many_rows_counts_every_one() -> None:
    values = np.arange(50_000) % 1_000
    column = infer_schema(Table.of({"a": values.astype(str)}))["a"]
    assert (column.kind, column.distinct, column.examples) == ("numeric", 1_000, ("0", "999"))
