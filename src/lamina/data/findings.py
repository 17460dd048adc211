"""What a careful reader would notice in the columns of a table before a model is trained on them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

import lamina.data.cells as cells
from lamina.data.decimals import POINT, Decimal, parsed, units
from lamina.data.schema import Kind
from lamina.data.table import Table, counted_name, listed, shortened

if TYPE_CHECKING:
    import polars as pl

# A column tells the target if each of its values goes with one class, and each comes so often that it is no accident.
ROWS_OF_A_VALUE = 5
# A correlation of 0.9999 leaves a hundredth of the deviation.
SAME = 0.9999
MOSTLY = 0.8
KEY_NAMES = re.compile(r"(^|[_ .-])(?i:id|uuid|guid|key|index|idx|row|nr|no|number)$|[a-z](ID|Id|Nr|No)$")


def without_useless(table: Table, names: list[str]) -> tuple[list[str], list[str]]:
    """Return the columns that say something of their own, and notes on the others.

    Left out are columns with the same value in every row, and those that repeat another one.
    """
    notes: list[str] = []
    constant = {name: text for name in names if (text := _constant(table.frame[name])) is not None}
    if len(constant) > 3:
        notes.append(f"{len(constant)} columns are the same in every row and were left out: {listed([*constant])}")
    else:
        notes += [f"column {name!r} is {shortened(constant[name])} in every row and was left out" for name in constant]
    kept = [name for name in names if name not in constant]
    repeated = _repeated(table, kept)
    notes += [f"column {name!r} repeats column {first!r} and was left out" for name, first in repeated[:5]]
    if len(repeated) > 5:
        notes.append(f"{len(repeated) - 5} more columns repeat others and were left out")
    away = {name for name, _ in repeated}
    return [name for name in kept if name not in away], notes


def suspicions(table: Table, target: str, kinds: dict[str, Kind], classes: bool) -> list[str]:
    """Return notes on columns that are used and may not be what they seem.

    They may hold the target itself, number the rows, be numbers but for a few cells, tell texts apart that differ in
    case alone, or hold dates that two orders fit.

    Parameters
    ----------
    table : Table
        Settled, with a target in every row.
    target : str
    kinds : dict of str to str
        The kinds of the columns that are used.
    classes : bool
        Whether the target is classes.
    """
    telling = [name for name, kind in kinds.items() if _tells(table, name, kind, target, classes)]
    counting = [
        name
        for name, kind in kinds.items()
        if kind == "numeric" and name not in telling and _numbers_rows(table.frame[name])
    ]
    why = f"alone tells {target!r}; if it is not known before {target!r} is, leave it out"
    return [
        *_said_of(telling, why),
        *_said_of(counting, "holds a different whole number in every row; if they are identifiers, leave it out"),
        *[note for name, kind in kinds.items() for note in _of_column(table, table.frame[name], kind)],
    ]


def _said_of(names: list[str], what: str) -> list[str]:
    """Return a note on each of the first columns, and one on all others."""
    said = [f"column {name!r} {what} (--ignore {quote(name)})" for name in names[:3]]
    more = [f"so it is with {len(names) - 3} more columns: {listed(names[3:], most=10)}"] if len(names) > 3 else []
    return [*said, *more]


def mostly_numbers(table: Table, name: str) -> list[str]:
    """Return a note on a column of text that would be numbers but for a few of its cells."""
    import polars as pl

    column, decimal = cells.blanked(table.frame[name]), table.decimal or POINT
    if column.dtype != pl.String or cells.are_numbers(column, decimal):
        return []
    present = column.drop_nulls()
    sample = present.head(1000)
    if not len(sample) or parsed(sample, decimal).null_count() > (1.0 - MOSTLY) * len(sample) + 1:
        return _of_several_units(column, decimal)
    found = parsed(column, decimal)
    odd = np.flatnonzero((found.is_null() & column.is_not_null()).to_numpy())
    if not odd.size or odd.size > (1.0 - MOSTLY) * len(present) or cells.date_order(column) is not None:
        return []
    row = int(odd[0])
    return [
        f"column {name!r} holds numbers in all rows but {odd.size}: {shortened(column[row])} on line {table.lines[row]}"
        f"{'' if odd.size == 1 else ' is the first'}; it is taken for text until such cells are corrected or emptied"
    ]


def _of_several_units(column: pl.Series, decimal: Decimal) -> list[str]:
    found = units(column.head(1000))
    if len(found) < 2:
        return []
    plain = column.str.replace_all(r"[\p{Sc}%]", "")
    if not cells.are_numbers(plain, decimal):
        return []
    return [f"column {column.name!r} holds numbers of different units, {listed(found)}, and is taken for text"]


def imbalance(counts: dict[str, int]) -> list[str]:
    """Return a note on classes of which one has hardly any rows."""
    rows, rarest = sum(counts.values()), min(counts, key=lambda label: counts[label])
    if counts[rarest] * 20 * len(counts) >= rows * 2 or rows < 100:
        return []
    usual = max(counts, key=lambda label: counts[label])
    return [
        f"{counts[rarest] / rows:.1%} of the rows are {rarest!r}, and to say {usual!r} always is right in "
        f"{counts[usual] / rows:.1%}: look at the balanced accuracy, and see --class-weight balanced"
    ]


def _constant(column: pl.Series) -> str | None:
    """Return the only value of a column that has no missing ones."""
    if len(column) < 2 or column.null_count() or not (column == column[0]).all():
        return None
    return str(cells.texts(column.head(1))[0])


def _repeated(table: Table, names: list[str]) -> list[tuple[str, str]]:
    """Return columns whose cells are those of an earlier one, with its name."""
    seen: dict[tuple[str, int], list[str]] = defaultdict(list)
    found = []
    for name in names:
        column = table.frame[name]
        places = seen[str(column.dtype), int(column.hash().sum() or 0)]
        first = next((each for each in places if table.frame[each].equals(column, null_equal=True)), None)
        if first is None:
            places.append(name)
        else:
            found.append((name, first))
    return found


def _tells(table: Table, name: str, kind: Kind, target: str, classes: bool) -> bool:
    """Say whether a column alone says what the target is in every row."""
    column = table.frame[name]
    if len(column) < 2 * ROWS_OF_A_VALUE:
        return False
    if not classes:
        if kind != "numeric":
            return False
        x, y = table.numbers(name), table.numbers(target)
        both = np.isfinite(x)
        if both.sum() < max(2 * ROWS_OF_A_VALUE, len(x) / 2) or not x[both].std() or not y[both].std():
            return False
        with np.errstate(all="ignore"):
            return bool(abs(np.corrcoef(x[both], y[both])[0, 1]) > SAME)
    if kind == "numeric" and column.head(1000).n_unique() > 1000 / ROWS_OF_A_VALUE:
        return False
    if column.n_unique() * ROWS_OF_A_VALUE > len(column):
        return False
    pairs = table.frame.select(column.alias("x"), table.frame[target].alias("y")).n_unique()
    return pairs == column.n_unique()


def _numbers_rows(column: pl.Series) -> bool:
    """Say whether a column of whole numbers counts the rows, or is called as keys are and never repeats."""
    import polars as pl

    whole = column.cast(pl.Int64, strict=False) if column.dtype == pl.String else column
    if not whole.dtype.is_integer() or whole.null_count() or len(whole) < 2 * ROWS_OF_A_VALUE:
        return False
    if whole.n_unique() < len(whole):
        return False
    steps = whole.cast(pl.Int64, strict=False).diff().drop_nulls()
    return bool((steps == 1).all()) or KEY_NAMES.search(column.name) is not None


def _of_column(table: Table, column: pl.Series, kind: Kind) -> Iterator[str]:
    import polars as pl

    if column.dtype != pl.String:
        return
    if kind == "numeric" and (found := units(column.head(1000))):
        cell = column.filter(column.str.contains(r"[\p{Sc}%]"))[0]
        yield f"column {column.name!r} is read as numbers without {listed(found)}: {shortened(cell)}"
    elif kind == "categorical":
        yield from mostly_numbers(table, column.name)
        texts = column.drop_nulls().unique().sort()
        folded = texts.str.to_lowercase().str.replace_all(r"\s+", " ")
        alike = texts.filter(folded.is_duplicated()).to_list()
        if alike:
            same = [text for text in alike if " ".join(text.lower().split()) == " ".join(alike[0].lower().split())]
            more = f", and {len(alike) - len(same)} more {counted_name(len(alike) - len(same), 'text')}"
            yield (
                f"column {column.name!r} tells {listed(same)} apart{more if len(alike) > len(same) else ''}; if they "
                "are the same, write them alike"
            )
    elif kind == "date":
        yield from _of_dates(column)


def _of_dates(column: pl.Series) -> Iterator[str]:
    orders = list(cells.date_orders(column))
    if len(orders) > 1:
        cell = column.drop_nulls()[0]
        yield (
            f"column {column.name!r} holds {cell!r}, taken for {orders[0]}; {' or '.join(orders[1:])} would do too; "
            "write year-month-day to be sure"
        )
