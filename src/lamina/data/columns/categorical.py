"""Categories, one input each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

import lamina.data.cells as cells
from lamina.data.columns.missing import Floats
from lamina.data.columns.unseen import warn_of_unseen
from lamina.data.record import Record
from lamina.data.table import Table
from lamina.errors import DataError

# More different values than this are not counted: such a column names rows and not groups.
MOST_DISTINCT = 100_000
# More inputs than this for one column are seldom worth their cost; the rarest categories share one.
MOST_CATEGORIES = 100


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of categories, one-hot encoded; ``None`` among them is a missing value, if training had any.

    Categories that were rare in training share one input. A category that training did not have is none of the known
    ones: all its inputs are 0, and a warning names it.

    It does what scikit-learn's ``OneHotEncoder`` does with ``handle_unknown="warn"`` but without its merging of unknown
    categories into the rare ones.

    Attributes
    ----------
    name : str
    categories : tuple of str or None
        Those with an input of their own, in their order.
    infrequent : tuple of str or None, default ()
        Those that share the last input.
    """

    name: str
    categories: tuple[str | None, ...]
    infrequent: tuple[str | None, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the inputs it becomes."""
        shared = (f"{self.name}=(other)",) if self.infrequent else ()
        return tuple(f"{self.name}={_shown(category)}" for category in self.categories) + shared

    def encode(self, table: Table) -> Floats:
        """Return the inputs, float64 of shape [rows, categories]."""
        import polars as pl

        place: dict[str | None, int] = {category: i for i, category in enumerate(self.categories)}
        place |= dict.fromkeys(self.infrequent, len(self.categories))
        texts = cells.texts(table.frame[self.name])
        known = [text for text in place if text is not None]
        numbers = texts.replace_strict(
            known, [place[text] for text in known], default=-1, return_dtype=pl.Int64
        ) if known else texts.is_null().cast(pl.Int64) - 2  # fmt: skip
        places = numbers.to_numpy().copy()
        places[texts.is_null().to_numpy()] = place.get(None, -1)
        unseen = np.flatnonzero(places < 0)
        if unseen.size:
            shown = [_shown(category) for category in place]
            warn_of_unseen(table, self.name, unseen, shown, "they are encoded as none of the known ones")
        inputs = np.zeros((len(table), len(self.feature_names)))
        seen = np.flatnonzero(places >= 0)
        inputs[seen, places[seen]] = 1.0
        return inputs

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {
            "kind": "categorical",
            "name": self.name,
            "categories": list(self.categories),
            "infrequent": list(self.infrequent),
        }

    @classmethod
    def from_json(cls, record: Record) -> CategoricalColumn:
        """Rebuild it from what `to_json` gave."""
        categories, infrequent = record.optional_texts("categories"), record.optional_texts("infrequent")
        if set(categories) & set(infrequent):
            raise record.wrong("infrequent", "none of the categories")
        return cls(record.text("name"), categories, infrequent)


class CategoricalFitting:
    """Counts the categories of rows that come in pieces.

    Parameters
    ----------
    name : str
    most : int
        With more categories, the rarest share one input, so that there are so many inputs.
    least : int
        Categories in fewer rows than this share one input.
    """

    def __init__(self, name: str, most: int = MOST_CATEGORIES, least: int = 1) -> None:
        self.name, self.most, self.least = name, most, least
        self.counts: Counter[str | None] = Counter()

    def add(self, table: Table) -> None:
        """Look at more rows."""
        self.counts.update(cells.counts(table.frame[self.name]))
        if len(self.counts) > MOST_DISTINCT:
            raise DataError(
                f"{table.name}: column {self.name!r} holds more than {MOST_DISTINCT:,} different texts, which are no "
                "categories; leave the column out"
            )

    def column(self) -> CategoricalColumn:
        """Return the column fitted to all rows seen."""
        # A missing value comes last.
        found = sorted(self.counts, key=lambda text: (text is None, text or ""))
        rare = {text for text in found if self.counts[text] < self.least}
        if len(found) - len(rare) + bool(rare) > self.most:
            by_count = sorted(found, key=lambda text: self.counts[text])
            rare = set(by_count[: len(found) - self.most + 1])
        return CategoricalColumn(
            self.name, tuple(text for text in found if text not in rare), tuple(text for text in found if text in rare)
        )


def _shown(category: str | None) -> str:
    return "(missing)" if category is None else category
