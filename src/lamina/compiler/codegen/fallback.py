"""The call by which a program leaves an operation to the eager backend; see `lamina.compiler.runtime.fallback`."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import I64, PTR, Value


def emit_fallback(
    f: Emitter, callback: Value, number: int, operands: Sequence[Value], results: Sequence[Value], fault: Value
) -> None:
    """Write the call of a fallback, for a single thread.

    Parameters
    ----------
    f : Emitter
    callback : Value
        The address that `Fallback.callback` has.
    number : int
        Which of the fallback's values.
    operands, results : sequence of Value
        Pointers to C-contiguous arrays.
    fault : Value
        Pointer to an int64, which becomes ``FAULT_CALLBACK`` when the operation failed.
    """
    tables = []
    for pointers in (operands, results):
        table = f.slot(PTR, max(len(pointers), 1))
        for at, pointer in enumerate(pointers):
            f.store(pointer, f.at(table, f.integer(at), PTR))
        tables.append(table)
    code = f.call_address(callback, I64, f.integer(number), *tables)
    with f.when(f.icmp("ne", code, f.integer(0))):
        f.store_atomic(code, fault, "monotonic")
