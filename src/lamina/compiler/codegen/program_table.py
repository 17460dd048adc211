"""The table of pointers that a program is called with."""

from __future__ import annotations

from enum import IntEnum


class Slot(IntEnum):
    """What the table of pointers holds first; the inputs follow, then the outputs."""

    RUNTIME = 0
    """The block that threads share; see `lamina.compiler.runtime.runtime_block`."""
    ARENA = 1
    """Memory of the values that live inside the program."""
    SCRATCH = 2
    """Memory of each thread's own, one after the other."""
    CALLBACK = 3
    """The function that computes what falls back to Python."""
    REPEAT = 4
    """No pointer: how many times to run."""
    PROFILE = 5
    """Where a program that was written to be profiled adds up the ticks of each kernel, thread by thread."""
    FIRST = 6
    """The first input."""
