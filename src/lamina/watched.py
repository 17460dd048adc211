"""What compiled functions depend on beside their arguments: the settings of modules and optimisers.

A compiled function is traced again when a setting that it depends on has changed. To look at all of them at every
call would cost more than a small step, so each change is counted, and nothing is looked at while the count stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

_numbers = count(1)
_MISSING = object()


class Revision:
    """The number of the last change of any setting in this process."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


REVISION = Revision()


def changed() -> None:
    """Note that some setting has changed."""
    # Drawn, not added to: two threads that add at once could leave a number that has been seen.
    REVISION.number = next(_numbers)


class Watched:
    """The base of objects whose attributes are settings of what is computed with them."""

    __slots__ = ()

    def _settings(self) -> Iterable[tuple[str, Any]]:
        """Return the settings by name; what is found in lists, tuples, dicts and watched objects counts too."""
        return vars(self).items()

    def __setattr__(self, name: str, value: Any) -> None:
        # What stays as it is, as with `model.train()` before every step, is no change.
        if vars(self).get(name, _MISSING) is value:
            return
        super().__setattr__(name, value)
        changed()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        changed()
