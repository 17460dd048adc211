"""Numbers in text, written with a decimal point or a decimal comma: which of them a table has, and what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from lamina.data.record import Record
from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Decimal = Literal[".", ","]
DECIMALS: tuple[Decimal, ...] = get_args(Decimal)
POINT: Decimal = "."
COMMA: Decimal = ","

WORDS: dict[Decimal, str] = {POINT: "decimal points", COMMA: "decimal commas"}

# Thousands may stand in groups of three, parted by the other mark; where commas are decimal, also by spaces.
GROUPED = r"^[-+]?\d{1,3}(,\d{3})+(\.\d*)?$"
WITH_COMMAS = r"^[-+]?(\d{1,3}([. \u{a0}\u{202f}]\d{3})+|\d+)(,\d*)?([eE][-+]?\d+)?$|^[-+]?,\d+$"
BETWEEN_GROUPS = r"[. \u{a0}\u{202f}]"


def other(decimal: Decimal) -> Decimal:
    """Return the mark that is not the decimal one."""
    return COMMA if decimal == POINT else POINT


def check_decimal(operation: str, decimal: Any) -> Decimal | None:
    """Return how numbers are written as it was given, None where that was left open.

    Raises
    ------
    DataError
    """
    if decimal is None or decimal in DECIMALS:
        return decimal  # type: ignore[no-any-return]
    raise DataError(f'{operation}: decimal is {decimal!r}; use "." for 1.5, "," for 1,5, or None to find out')


def decimal_of(record: Record) -> Decimal:
    """Return how numbers are written from what was stored."""
    for decimal in DECIMALS:
        if record.text("decimal") == decimal:
            return decimal
    raise record.wrong("decimal", '"." or ","')


# A sign of currency or percent may stand before or behind a number, and a negative amount in parentheses.
MINUS = "\u2212"
SIGNED = r"^([-+]?)\p{Sc}\s*([-+]?)([\d.,].*)$"
UNIT_BEHIND = r"^(.*\d[.,]?)\s*[%\p{Sc}]$"
IN_PARENTHESES = r"^\((\D{0,3}[\d.,].*)\)$"
WITH_UNIT = r"[\p{Sc}%()\u{2212}]"


def parsed(cells: pl.Series, decimal: Decimal) -> pl.Series:
    """Return text as Float64, null where there is no number written in this way.

    Signs of currency and percent are passed over: ``$1,234.50`` and ``12 %`` are 1234.5 and 12. ``(5)`` is -5, as
    accountants write it.
    """
    import polars as pl

    if decimal == POINT:
        found = cells.cast(pl.Float64, strict=False)
        if found.null_count() == cells.null_count():
            return found
    plain = _without_units(cells)
    if decimal == COMMA:
        numbers = plain.str.replace_all(BETWEEN_GROUPS, "").str.replace(",", ".", literal=True)
        return numbers.cast(pl.Float64, strict=False).set(~plain.str.contains(WITH_COMMAS), None)
    found = plain.cast(pl.Float64, strict=False)
    if found.null_count() == cells.null_count():
        return found
    grouped = plain.str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False)
    return grouped.zip_with(plain.str.contains(GROUPED).fill_null(False), found)


def _without_units(cells: pl.Series) -> pl.Series:
    """Return text without what numbers carry besides digits, as it is where it has more than one kind of it."""
    has = cells.str.contains(WITH_UNIT).fill_null(False)
    if not has.any() or len(units(cells)) > 1:
        return cells
    plain = cells.str.replace_all(MINUS, "-", literal=True).str.replace(IN_PARENTHESES, "-$1")
    return plain.str.replace(SIGNED, "$1$2$3").str.replace(UNIT_BEHIND, "$1")


def units(cells: pl.Series) -> list[str]:
    """Return the signs of currencies and percent in text."""
    found: list[str] = cells.str.extract(r"([\p{Sc}%])").drop_nulls().unique().sort().to_list()
    return found


def are_parsed(cells: pl.Series, decimal: Decimal) -> bool:
    """Say whether all text present is numbers written in this way, and there is some."""
    present = cells.drop_nulls()
    first = present.head(100)
    if not len(present) or parsed(first, decimal).null_count():
        return False
    return not parsed(present, decimal).null_count()
