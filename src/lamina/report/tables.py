"""Numbers and tables as a reader wants them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lamina.report.markup import Html, tag
from lamina.training.metrics import title_of
from lamina.training.metrics.table import ABSENT


def count(number: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{int(number):,}"


def percent(share: float) -> str:
    """Return a part of 1 in per cent."""
    return f"{100.0 * share:.1f} %" if math.isfinite(share) else ABSENT


def fixed(number: float) -> str:
    """Return a number with three decimals, as areas under curves are written."""
    return f"{number:.3f}" if math.isfinite(number) else ABSENT


def recorded_title(name: str) -> str:
    """Return how people write what a history records: ``"val_loss"`` is the validation loss."""
    if name == "lr":
        return "learning rate"
    return f"validation {title_of(name)}" if name.startswith("val_") else title_of(name)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], numeric: Iterable[int] = ()) -> Html:
    """Return a table with a caption; the first cell of a row is its head, numeric columns are set right."""
    right = dict.fromkeys(numeric, "number")
    return tag(
        "div",
        tag(
            "table",
            tag("caption", title),
            tag("thead", tag("tr", [tag("th", each, scope="col", class_=right.get(i)) for i, each in enumerate(head)])),
            tag("tbody", [_row(row, right) for row in rows]),
        ),
        class_="scroll",
    )


def _row(row: Sequence[str], right: dict[int, str]) -> Html:
    first, *rest = row
    return tag(
        "tr", tag("th", first, scope="row"), [tag("td", each, class_=right.get(i)) for i, each in enumerate(rest, 1)]
    )
