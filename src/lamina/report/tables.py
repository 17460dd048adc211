"""Numbers and tables as a reader wants them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lamina.report.markup import Html, tag
from lamina.training.metrics import find_metric, title_of

ABSENT = "–"


def count(number: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{int(number):,}"


def percent(share: float) -> str:
    """Return a part of 1 in per cent."""
    return f"{100.0 * share:.1f} %" if math.isfinite(share) else ABSENT


def fixed(number: float) -> str:
    """Return a number with three decimals, as areas under curves are written."""
    return f"{number:.3f}" if math.isfinite(number) else ABSENT


def quantity(number: float) -> str:
    """Return any number with four figures."""
    if not math.isfinite(number):
        return ABSENT
    return f"{number:,.0f}" if 1e4 <= abs(number) < 1e12 else f"{number:,.4g}"


def metric_value(name: str, value: float | None) -> str:
    """Return the value of a metric: shares in per cent, others with four figures."""
    if value is None or not math.isfinite(value):
        return ABSENT
    known = find_metric(name)
    return f"{100.0 * value:.2f} %" if known is not None and known.share else quantity(value)


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
