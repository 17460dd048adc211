"""How many operands a primitive takes."""

from __future__ import annotations

from typing import get_args, get_type_hints

from lamina.backends.protocol import Backend
from lamina.errors import BackendError
from lamina.primitives.primitive import Primitive


def operand_count(primitive: Primitive) -> int:
    """Return the number of operands of an elementwise row: by its derivative rules, or by the protocol."""
    rules = primitive.derivatives
    if isinstance(rules, tuple):
        return len(rules)
    # Such as Callable[[Array, Array], Array], which the protocol calls Binary.
    declared = get_args(get_type_hints(Backend).get(primitive.name))
    if not declared:
        raise BackendError(
            f"check_primitive: the number of operands of {primitive.name!r} is not known; declare it in "
            "lamina.backends.protocol.Backend as Unary or Binary, or give the row a tuple of derivative rules"
        )
    return len(declared[0])
