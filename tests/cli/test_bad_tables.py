"""A table that cannot be used ends the command with one readable line and leaves no file behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

ROWS = "1,x,0.5\n2,y,1.5\n3,x,2.5\n4,y,0.1\n"
REFUSED = {
    "empty": ("", "the file is empty"),
    "header only": ("a,b,y\n", "no rows below it"),
    "ragged": (f"a,b,y\n{ROWS}5,x\n", "line 6 has 2 cells, but the header names 3 columns"),
    "repeated column": (f"a,a,y\n{ROWS}", "names 'a' more than once"),
    "no target column": (f"a,b,Y2\n{ROWS}", "no target column 'y'; the columns are 'a', 'b', 'Y2'; did you mean 'Y2'?"),
    "target all missing": ("a,y\n1,\n2,NA\n", "the target 'y' has no value in any of the 2 rows"),
    "constant target": ("a,y\n1,5.5\n2,5.5\n3,5.5\n", "5.5 in every row to train on (2); there is nothing to learn"),
    "varying where it is not trained on": ("a,y\n1,2.5\n2,3.5\n", "is 2.5 in every row to train on (1)"),
    "one class": ("a,y\n1,no\n2,no\n", "'no' in every row; there is nothing to learn"),
    "no features": ("y\n1\n2\n", "no column to predict 'y' from: there is no other column"),
    "nothing in the features": ("a,y\n,1\n,2\n", "column 'a' has no values"),
    "Latin-1": (b"a,y\nK\xf6ln,1\nUlm,2\n", "line 2 holds the byte 0xf6, which is not UTF-8"),
    "infinite": ("a,y\n1,1\ninf,2\n3,3\n", "line 3 holds 'inf'"),
    "one row": ("a,y\n1,2.5\n", "table.csv: a --validation of 0.2 leaves no row to train on; rows with a target: 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_table_is_refused_and_nothing_is_made(lamina: Run, tmp_path: Path, case: str) -> None:
    content, message = REFUSED[case]
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    ended = lamina("train", path, "--target", "y", *(["--task", "regression"] if case == "one row" else []))
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == [path]


def test_missing_table_is_refused(lamina: Run) -> None:
    ended = lamina("train", "nowhere.csv", "--target", "y")
    assert (ended.code, ended.err.strip()) == (1, "error: nowhere.csv: there is no such file")


def test_regression_of_text_is_refused(lamina: Run, houses: Callable[..., Path]) -> None:
    ended = lamina("train", houses(), "--target", "town", "--task", "regression")
    assert ended.code == 1
    assert "--task regression needs a target of numbers" in ended.err


def test_classification_of_a_quantity_is_refused(lamina: Run, houses: Callable[..., Path]) -> None:
    ended = lamina("train", houses(), "--target", "price", "--task", "classification")
    assert ended.code == 1
    assert "too many for classes; use --task regression" in ended.err
