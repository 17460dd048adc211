"""Writing HTML so that no text can become markup: what is not `Html` is escaped, always."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

# HTML cannot hold these characters, not even escaped; names in data files can.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Characters that turn the direction of the text after them; they can make a name read as another.
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")

EMPTY_ELEMENTS = frozenset({"meta", "br", "hr", "img", "link"})


class Html(str):
    """Text that is markup already."""


Child = str | Iterable[str]


def text(value: object) -> Html:
    """Return a value as HTML that shows it as it is."""
    if isinstance(value, Html):
        return value
    shown = TURNING.sub("\ufffd", UNPRINTABLE.sub("\ufffd", str(value)))
    return Html(html.escape(shown, quote=True))


def join(parts: Iterable[str]) -> Html:
    """Return pieces one after another, text among them escaped."""
    return Html("".join(text(part) for part in parts))


def tag(element: str, /, *children: Child, **attributes: object) -> Html:
    """Return an element.

    Parameters
    ----------
    element : str
        Its name, such as ``"td"``.
    *children : str or iterable of str
        Escaped unless they are `Html`.
    **attributes
        A trailing underscore is dropped (``class_``) and an underscore inside becomes a hyphen (``aria_label``);
        those that are None are left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if element in EMPTY_ELEMENTS:
        return Html(f"<{element}{written}>")
    inside = "".join(text(child) if isinstance(child, str) else join(child) for child in children)
    return Html(f"<{element}{written}>{inside}</{element}>")
