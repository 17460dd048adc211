"""The memory that the threads of a running program share."""

from __future__ import annotations

import ctypes
import os
from functools import cache

from lamina.compiler.codegen.barrier import AGREED, ARRIVED, CUT_SHORT, FAULT, INTERRUPT, LINE, SIZE, YIELD
from lamina.forking import fork_safe


class RuntimeBlock:
    """What one instance of a program needs beside its memory; the table of pointers leads to it.

    What lies where in it, `lamina.compiler.codegen.barrier` says. A block serves one run at a time, and lives as long
    as its `pointer` is in use.

    Attributes
    ----------
    pointer : int
        Its address, a multiple of 128.
    """

    def __init__(self) -> None:
        self._memory, self.pointer = aligned_memory(SIZE)
        _word(self.pointer + YIELD).value = yield_address()
        self._fault = _word(self.pointer + FAULT)
        fork_safe(self)

    def _at_fork_reinit(self) -> None:
        """Forget the threads that had arrived at a barrier in the parent."""
        _word(self.pointer + ARRIVED).value = 0
        self.clear_fault()
        self.clear_interrupt()

    @property
    def fault(self) -> int:
        """The number that a thread left; 0 for none."""
        return self._fault.value

    def clear_fault(self) -> None:
        """Forget a fault."""
        self._fault.value = 0

    def interrupt(self) -> None:
        """Let a run end early, where it is written to and has updated nothing yet."""
        _word(self.pointer + INTERRUPT).value = 1

    def clear_interrupt(self) -> bool:
        """Forget that a run was to end early, and tell whether it left work out."""
        short = bool(_word(self.pointer + CUT_SHORT).value)
        for place in (INTERRUPT, AGREED, CUT_SHORT):
            _word(self.pointer + place).value = 0
        return short


def aligned_memory(size: int) -> tuple[ctypes.Array[ctypes.c_char], int]:
    """Return memory full of zeros, which lives as long as the object, and its first address on a line of its own."""
    memory = ctypes.create_string_buffer(size + LINE)
    return memory, -(-ctypes.addressof(memory) // LINE) * LINE


def _word(address: int) -> ctypes.c_int64:
    return ctypes.c_int64.from_address(address)


@cache
def yield_address() -> int:
    """Return the address of the system's function that offers the processor to other threads."""
    if os.name == "nt":
        found = ctypes.CDLL("kernel32").SwitchToThread
    else:
        found = ctypes.CDLL(None).sched_yield
    return ctypes.cast(found, ctypes.c_void_p).value or 0
