"""What is computed again on purpose: kept apart from what it is equal to, and put off until it is needed.

A function that runs once more in a trace, for `lamina.checkpoint`, makes operations equal to those of its first run.
Were they merged, the first results would be kept after all. So what it reads from before is read by an operation
``after``: the same memory, but a value of its own, read only once what the second run is wanted for has been computed.
"""

from __future__ import annotations

from collections.abc import Sequence

from lamina.compiler.graph import ir
from lamina.compiler.graph.fallbacks import FALLBACKS
from lamina.compiler.graph.indexing import INDEXED
from lamina.compiler.graph.ir import Value

_MAY_FAIL = INDEXED | FALLBACKS
_NUMBERS = frozenset({"full", "constant"})


class Recomputation:
    """A second run of a function, while it is traced.

    Parameters
    ----------
    wanted_for : sequence of Value
        After which it is to run.
    """

    def __init__(self, wanted_for: Sequence[Value]) -> None:
        self._wanted_for = tuple(wanted_for)
        self._start = ir.next_number()
        self._known: dict[Value, Value] = {}
        self._made: set[Value] = set()

    def operands(self, op: str, operands: Sequence[Value]) -> list[Value]:
        """Return what an operation reads, given what it would read in the first run."""
        if op in _MAY_FAIL:
            # If it does, so did the first run: `has_failed_before` knows it by these operands.
            return [self._put_off(each) for each in operands]
        return [self._put_off(each) if each.number < self._start else each for each in operands]

    def _put_off(self, value: Value) -> Value:
        if value.op in _NUMBERS or value in self._made:
            return value
        found = self._known.get(value)
        if found is None:
            found = self._known[value] = ir.after(value, self._wanted_for, again=True)
            self._made.add(found)
        return found


def has_failed_before(value: Value) -> bool:
    """Tell whether an operation that may fail on its values is computed again, and so has failed before if at all."""
    return any(each.op == ir.AFTER and each.params["again"] for each in value.operands)
