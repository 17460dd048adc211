"""`Table`: named columns of cells, and what every reader and every encoding may ask of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import lamina.data.cells as cells
from lamina.data.decimals import POINT, WORDS, Decimal, check_decimal, other
from lamina.data.dialect import Dialect
from lamina.data.header import remedy
from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class Table:
    """The named columns of a file or of objects in memory; missing cells are null.

    Cells of text files stay the text they were written in, because only the model's encoding knows whether a column
    is numeric: the same column of the next file must be read in the same way, whatever that file happens to hold.
    Where a format keeps types, numbers, truth values, dates and times keep theirs.

    Attributes
    ----------
    name : str
        The file's path, for messages.
    frame : polars.DataFrame
        Columns of String, of numbers, of Boolean, Date or Datetime.
    lines : array of int, shape [rows]
        The line of the file each row begins on, or its number, from 1, where the file has no lines.
    notes : tuple of str
        What was left out on reading.
    decimal : {".", ","}, optional
        How numbers in text are written, where that is known. Where it is None, what looks at all of the table to
        learn from it finds out, and what was learnt earlier says how it was then.
    dialect : Dialect, optional
        How a file of separated text was written.
    settled : bool, default False
        Whether all of it was looked at, for ``decimal`` and for what its cells say of missing values.

    Examples
    --------
    >>> from lamina.data import Table
    >>> table = Table.of({"rooms": [3, 4], "town": ["Ulm", None]})
    >>> table.columns, len(table)
    (['rooms', 'town'], 2)
    >>> table.texts("town").tolist()
    ['Ulm', None]
    """

    name: str
    frame: pl.DataFrame
    lines: npt.NDArray[np.int64]
    notes: tuple[str, ...] = ()
    decimal: Decimal | None = None
    dialect: Dialect | None = None
    settled: bool = False

    @classmethod
    def of(cls, source: Any, *, name: str = "table", decimal: Decimal | None = None) -> Table:
        """Return the table of objects in memory.

        Parameters
        ----------
        source : data frame, mapping, array or Dataset
            A pandas or polars data frame; a mapping from names to columns (lists, arrays, or arrays of two axes,
            which become several columns); an array of shape [rows, ...], whose columns are called ``x_0``, ``x_1``
            and so on; a NumPy array with named fields; or a `Dataset`, whose targets become the column ``target``.
            A `Table` is returned as it is.
        name : str, default "table"
            What to call it in messages.
        decimal : {".", ","}, optional
            How numbers in text are written, as in `read_table`.

        Raises
        ------
        DataError
            When it has no rows or no columns, names a column twice, has columns of different lengths, or is
            something else.

        Examples
        --------
        >>> import numpy as np
        >>> from lamina.data import Table
        >>> Table.of(np.zeros((4, 3)), name="zeros").columns
        ['x_0', 'x_1', 'x_2']
        """
        from lamina.data.reading.memory import table_of

        table = table_of(source, name)
        return table if decimal is None else replace(table, decimal=check_decimal("Table.of", decimal))

    def __len__(self) -> int:
        return self.frame.height

    def __repr__(self) -> str:
        return f"Table({self.name!r}, rows={len(self)}, columns={len(self.columns)})"

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in the file's order."""
        return self.frame.columns

    def require(self, columns: Sequence[str], kind: str, use: str = "") -> None:
        """Raise `DataError` unless there are all these columns; the message suggests the closest to the first missing.

        Parameters
        ----------
        columns : sequence of str
        kind : str
            What the columns are, in the singular, such as ``"target column"``.
        use : str
            What they are needed for, such as ``", which the model was trained with"``.
        """
        missing = [column for column in columns if column not in self.columns]
        if not missing:
            return
        column = missing[0]
        by_folded_name = {name.casefold(): name for name in self.columns}
        close = get_close_matches(column.casefold(), by_folded_name, n=1, cutoff=0.6)
        hint = f"; did you mean {by_folded_name[close[0]]!r}?" if close else ""
        raise DataError(
            f"{self.name}: there {'is no' if len(missing) == 1 else 'are no'} {counted_name(len(missing), kind)} "
            f"{listed(missing)}{use}; the columns are {listed(self.columns)}{hint}"
            f"{remedy(self.columns)}"
        )

    def take(self, rows: npt.NDArray[np.int64]) -> Table:
        """Return the table of the given rows, in the order given."""
        return replace(self, frame=self.frame[rows], lines=self.lines[rows])

    def split(self, share: float, *, by: str | None = None, seed: int = 0) -> tuple[Table, Table]:
        """Return ``(the rest, the part)``, where the part holds a random ``share`` of the rows.

        Parameters
        ----------
        share : float
            Between 0 and 1, both excluded.
        by : str, optional
            A column whose values keep their proportions in both parts, where each has enough rows.
        seed : int, default 0
            The same seed gives the same division.

        Raises
        ------
        DataError
            When the share leaves one side without rows, or there is no such column.

        Examples
        --------
        >>> from lamina.data import Table
        >>> rest, part = Table.of({"a": list(range(10))}).split(0.3)
        >>> len(rest), len(part)
        (7, 3)
        """
        from lamina.data.dataset import split_rows

        labels = None
        if by is not None:
            self.require([by], "column")
            labels = self.frame[by].rank("dense").fill_null(0).to_numpy()
        rest, part = split_rows(len(self), share, seed=seed, labels=labels)
        return self.take(rest), self.take(part)

    def texts(self, column: str) -> npt.NDArray[np.object_]:
        """Return a column as strings, ``None`` where a value is missing."""
        return np.array(cells.texts(self.frame[column]).to_list(), dtype=object)

    def without_blanks(self, column: str) -> Table:
        """Return the table with `cells.BLANKS` such as ``?`` as missing values of a column of numbers or dates."""
        if self.settled:
            return self
        found = self.frame[column]
        left = cells.blanked(found)
        return self if left is found else replace(self, frame=self.frame.with_columns(left))

    def is_numeric(self, column: str, decimal: Decimal = POINT) -> bool:
        """Say whether every value present is a number; a column with no values is not numeric."""
        return cells.are_numbers(self.frame[column], self.decimal or decimal)

    def numbers(self, column: str, decimal: Decimal = POINT) -> npt.NDArray[np.float64]:
        """Return a numeric column as float64, NaN where a value is missing.

        Parameters
        ----------
        column : str
        decimal : {".", ","}, default "."
            How numbers in text are written, where the table does not know.

        Raises
        ------
        DataError
            When a cell is not a finite number; the message names the line and the cell.
        """
        decimal = self.decimal or decimal
        values = cells.numbers(self.frame[column], decimal)
        if not np.isfinite(values).all():
            wanted = "give a finite number there, or leave the cell empty if the value is missing"
            if cells.are_numbers(self.frame[column], other(decimal)) and not self.is_numeric(column, decimal):
                wanted = (
                    f"numbers are read with {WORDS[decimal]}; where a file has {WORDS[other(decimal)]}, read it with "
                    f'decimal="{other(decimal)}" (--decimal {other(decimal)})'
                )
            self.check(column, ~np.isfinite(values), "is numeric", wanted)
        return values

    def check(self, column: str, suspect: npt.NDArray[np.bool_], kind: str, wanted: str) -> None:
        """Raise `DataError` at the first suspect cell that is not missing."""
        found = self.frame[column]
        wrong = np.flatnonzero(suspect & found.is_not_null().to_numpy())
        if not wrong.size:
            return
        row = int(wrong[0])
        more = f" (and {wrong.size - 1} more {counted_name(wrong.size - 1, 'row')})" if wrong.size > 1 else ""
        cell = cells.texts(found[row : row + 1])[0]
        raise DataError(
            f"{self.name}: column {column!r} {kind}, but line {self.lines[row]} holds {shortened(cell)}{more}; {wanted}"
        )


def listed(names: Sequence[str], most: int = 20) -> str:
    """Return names in quotes with commas between, shortened when there are many."""
    shown = ", ".join(shortened(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"


def shortened(text: str, most: int = 80) -> str:
    """Return a text in quotes, its end left out where it is long."""
    return repr(text if len(text) <= most else f"{text[: most - 1]}…")


def counted_name(count: int, name: str) -> str:
    """Return a noun in the singular or the plural."""
    return name if count == 1 else f"{name}s"
