"""`Dialect`: how a text file writes its table, so that another is written in the same way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lamina.data.decimals import COMMA, POINT, WORDS, Decimal

if TYPE_CHECKING:
    import polars as pl

NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Dialect:
    """How a table is written as text.

    Attributes
    ----------
    separator : str, default ","
        What stands between cells.
    encoding : str, default "utf-8"
        As Python calls it; ``"utf-8-sig"`` is UTF-8 with the mark in front that spreadsheets look for.
    decimal : {".", ","}, default "."
        How numbers are written that are not text already.
    """

    separator: str = ","
    encoding: str = "utf-8"
    decimal: Decimal = POINT

    def called(self, ending: str) -> Dialect:
        """Return the dialect of a file whose name has this ending: one of ``.tsv`` has tabs, another none."""
        if (ending == ".tsv") == (self.separator == "\t"):
            return self
        commas = ";" if self.decimal == COMMA else ","
        return replace(self, separator="\t" if ending == ".tsv" else commas)

    def text(self, frame: pl.DataFrame) -> str:
        """Return a data frame as text."""
        return frame.write_csv(separator=self.separator, decimal_comma=self.decimal == COMMA)

    def write(self, frame: pl.DataFrame) -> bytes:
        """Return the bytes of a data frame as text, in UTF-8 where the encoding lacks a character."""
        text = self.text(frame)
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError:
            return text.encode()

    def __str__(self) -> str:
        parts = [NAMES.get(self.separator, repr(self.separator)), WORDS[self.decimal]]
        return " and ".join(parts) + ("" if self.encoding == "utf-8" else f" in {self.encoding}")
