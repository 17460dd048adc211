"""What the commands show: results, notes and errors, for people or for machines."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from lamina.files import finite_or_null

if TYPE_CHECKING:
    from lamina.training.units import Unit

# Of a table in a file.
WIDEST = 1000


@dataclass
class Screen:
    """Where a command shows what it found.

    Attributes
    ----------
    json : bool
        For machines: nothing but one JSON object on standard output, at the end.
    quiet : bool
        Results only: no notes and no progress.
    notes : list of str
        What the user should know but need not act on, so far.
    """

    json: bool = False
    quiet: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def talks(self) -> bool:
        """Whether to show what is not the result: introductions, progress, what to do next."""
        return not (self.json or self.quiet)

    def note(self, *texts: str) -> None:
        """Show notes; machines find them in the JSON object."""
        for text in texts:
            if text in self.notes:
                continue
            self.notes.append(text)
            if self.talks:
                output().print(f"[yellow]note:[/] {escape(text)}", soft_wrap=True)

    def say(self, text: str) -> None:
        """Show a line that is not the result."""
        if self.talks:
            output().print(text, soft_wrap=True, markup=False)

    def line(self, text: str, style: str | None = None) -> None:
        """Show a line of the result."""
        if not self.json:
            # Paths and names are to be copied, so lines are not broken.
            output().print(text, style=style, soft_wrap=True, markup=False)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
        """Show a table of the result; cells that begin with a digit or a sign stand to the right.

        A terminal that is too narrow for the words and numbers in it shows a list: no number is broken in two.
        """
        if self.json:
            return
        if title:
            # A line of its own: the title of a rich table is broken at the table's width.
            self.line(title, "bold")
        cells = [list(row) for row in rows]
        table = RichTable()
        for number, name in enumerate(columns):
            numeric = all(_numeric(row[number]) for row in cells)
            table.add_column(escape(name), justify="right" if numeric and number else "left", overflow="fold")
        for row in cells:
            table.add_row(*map(escape, row))
        console, wanted = output(), Console(width=WIDEST).measure(table)
        if not console.is_terminal:
            # A file has no width to keep to: nothing is folded there.
            console = Console(highlight=False, width=max(80, wanted.maximum))
        elif wanted.minimum > console.width:
            self._list(columns, cells)
            return
        console.print(table)

    def _list(self, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
        first, *others = columns
        room = max(map(len, others), default=0)
        for row in cells:
            self.line(f"{first} {row[0]}".strip(), "bold")
            for name, cell in zip(others, row[1:], strict=True):
                self.line(f"  {name:{room}}  {cell}")

    def result(self, values: Mapping[str, Any]) -> None:
        """Give machines the result, with the notes."""
        if self.json:
            found = {**values, "notes": self.notes} if self.notes else dict(values)
            print(json.dumps(finite_or_null(found), allow_nan=False, ensure_ascii=True, default=str))

    @contextmanager
    def warnings_as_notes(self) -> Iterator[None]:
        """Show warnings inside as notes, each once."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # What users should know; deprecations and the like are for developers.
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = lambda message, *_, **__: self.note(str(message))
            yield


def _numeric(text: str) -> bool:
    return not text or text[0].isdigit() or text[0] in "-+–"


def output() -> Console:
    """Return the console for results; it leaves colours out where nobody would see them."""
    return Console(highlight=False)


def show_error(message: str) -> None:
    """Show what went wrong on standard error."""
    Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)


def show_scores(
    screen: Screen, parts: Mapping[str, tuple[int, Mapping[str, float | None]]], title: str, unit: Unit
) -> None:
    """Show a table with a line for each part: its name, how much of the unit it has, its scores."""
    from lamina.training.metrics.table import title_of, value_text

    names = list(next(iter(parts.values()))[1])
    rows = (
        [part, f"{count:,}", *[value_text(name, scores[name]) for name in names]]
        for part, (count, scores) in parts.items()
    )
    screen.table(["part", unit.name, *map(title_of, names)], rows, title)
