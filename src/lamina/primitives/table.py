"""The whole table: every row of the family modules, by name."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import lamina.primitives as families
from lamina.primitives.primitive import Primitive


def _collect() -> dict[str, Primitive]:
    """Return the rows of every module of this package, so that a new row is in the table by being written."""
    table: dict[str, Primitive] = {}
    for module in iter_modules(families.__path__):
        if module.name == "table":
            continue
        for value in vars(import_module(f"{families.__name__}.{module.name}")).values():
            if not isinstance(value, Primitive):
                continue
            if table.setdefault(value.name, value) is not value:
                raise ValueError(f"two rows of the table are named {value.name!r}")
    return dict(sorted(table.items()))


TABLE: dict[str, Primitive] = _collect()
