"""How many operands a primitive takes."""

from __future__ import annotations

from inspect import signature

from lamina.backends.elementwise import Elementwise
from lamina.errors import BackendError
from lamina.primitives.primitive import Primitive


def operand_count(primitive: Primitive) -> int:
    """Return the number of operands of an elementwise row: by its derivative rules, or by the protocol."""
    rules = primitive.derivatives
    if isinstance(rules, tuple):
        return len(rules)
    declared = getattr(Elementwise, primitive.name, None)
    if declared is None:
        raise BackendError(
            f"check_primitive: the number of operands of {primitive.name!r} is not known; declare it in "
            "lamina.backends.elementwise.Elementwise, or give the row a tuple of derivative rules"
        )
    return len(signature(declared).parameters) - 1
