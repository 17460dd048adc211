"""What the code of a kernel is written from, without what tells one layer of a network from the next.

Writing code takes ten times as long as finding out that the same has been written before.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from lamina.compiler.graph.ir import Value
from lamina.compiler.schedule.accesses import lies
from lamina.compiler.schedule.fused import Fused
from lamina.compiler.schedule.kernels import Contraction, Kernel, Special
from lamina.compiler.schedule.memory import Place
from lamina.compiler.schedule.views import View
from lamina.dtypes import DType

_PLAIN = (int, float, str, type(None), np.generic)


def kernel_key(kernel: Kernel, fused: Fused, memory: Mapping[Value, Place]) -> Hashable | None:
    """Return what two kernels have in common whose code is the same but for where they are called.

    Values are told by how they are computed or where they lie, in the order of reading; memory by its order.

    Parameters
    ----------
    kernel : Kernel
    fused : Fused
    memory : mapping of Value to Place
        Where in memory the kernel reads and writes.

    Returns
    -------
    hashable or None
        None for a kernel that is written from something else besides.
    """
    if isinstance(kernel, Special):
        return None
    places = {place: number for number, place in enumerate(dict.fromkeys(memory.values()))}
    values = _values(kernel, fused, memory)
    numbers = {value: number for number, value in enumerate(values)}
    # Expressions are computed in the order in which they were traced.
    order = tuple(sorted(range(len(kernel.computed)), key=lambda at: kernel.computed[at].number))
    try:
        told = [_told(getattr(kernel, each.name), numbers) for each in fields(kernel)]
        made = [_made(value, kernel, fused, numbers) for value in values]
    except _OtherError:
        return None
    where = [places[memory[value]] if value in memory else -1 for value in values]
    return type(kernel), order, tuple(told), tuple(made), tuple(where)


class _OtherError(Exception):
    """There is something that this module does not know how to tell apart."""


def _values(kernel: Kernel, fused: Fused, memory: Mapping[Value, Place]) -> list[Value]:
    """Return the values that a kernel computes or reads, with all that it computes on the way, in order of reading."""
    waiting = [*memory, *kernel.computed]
    waiting += [each.base for each in vars(kernel).values() if isinstance(each, View)]
    seen: dict[Value, None] = {}
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen[value] = None
        view = lies(kernel, fused, value)
        if view is not None:
            waiting.append(view.base)
        elif not _given(kernel, value):
            waiting += value.operands
    return list(seen)


def _given(kernel: Kernel, value: Value) -> bool:
    """Tell whether a value's operands are read as the kernel says, not as an expression."""
    return not value.operands or (isinstance(kernel, Contraction) and value is kernel.value)


def _made(value: Value, kernel: Kernel, fused: Fused, numbers: Mapping[Value, int]) -> Hashable:
    """Return where a value lies, or how it is computed."""
    view = lies(kernel, fused, value)
    spec = value.shape, value.dtype
    if view is not None:
        return spec, _told(view, numbers)
    if value.op in ("input", "constant"):
        return spec
    params = tuple([(name, _told(each, numbers)) for name, each in value.params.items()])
    if _given(kernel, value):
        return spec, value.op, params, tuple([(each.shape, each.dtype) for each in value.operands])
    return spec, value.op, params, tuple([numbers[each] for each in value.operands])


def _told(field: Any, numbers: Mapping[Value, int]) -> Hashable:
    """Return a field of a kernel, or a parameter of an operation, with values told by their numbers."""
    if isinstance(field, Value):
        return "value", numbers[field]
    if isinstance(field, View):
        return "view", numbers[field.base], field.strides, field.offset
    if isinstance(field, DType):
        return field
    if isinstance(field, _PLAIN):
        return repr(field)  # Zeros of either sign are equal, and one is True.
    if isinstance(field, tuple | list):
        return tuple([_told(each, numbers) for each in field])
    if isinstance(field, Mapping):
        return tuple([(_told(key, numbers), _told(each, numbers)) for key, each in field.items()])
    if isinstance(field, set | frozenset):
        # A value that is inlined may be a part of what lies in memory after all.
        return frozenset([_told(each, numbers) for each in field if not isinstance(each, Value) or each in numbers])
    raise _OtherError
