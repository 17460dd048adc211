"""What the machine code of a call is told: the words of its plan, and those of the records that the plan leads to.

These are plain numbers: to make an `enum.IntEnum` of them takes longer than to load a small program.
"""

from __future__ import annotations


class Plan:
    """The words of a plan."""

    MISSED = 0
    NAMES = 1
    NAME_RECORDS = 2
    WATCHED = 3
    WATCHED_RECORDS = 4
    LOCKED = 5
    """Address of a byte that is 0 while nobody else runs the program; 0 where the lock is held meanwhile."""
    ARGUMENTS = 6
    ARGUMENT_RECORDS = 7
    VARIABLES = 8
    VARIABLE_RECORDS = 9
    CAPTURED = 10
    CAPTURED_RECORDS = 11
    """Places among the inputs, and the addresses of tensors from outside."""
    OUTPUTS = 12
    OUTPUT_RECORDS = 13
    RESULT = 14
    INPUT_TABLE = 15
    OUTPUT_TABLE = 16
    BACKEND = 17
    NONE = 18
    ARRAY = 19
    TENSOR = 20
    ENTRY = 21
    """Address of the program; 0 where the caller runs it."""
    TABLE = 22
    FAULT = 23
    FAILED = 24
    """A function that raises what the program's fault stands for."""
    RELEASES = 25
    """Whether the program gives up the interpreter lock."""
    CHOICE = 26
    """Address of how many threads do best; 0 for a program of one. See `runtime.thread_choice.Choice`."""
    SHARED = 27
    """Address of what all programs know of threads. See `lamina.compiler.runtime.threads.shared`."""
    ACQUIRE = 28
    """A function that takes the lock and returns True, or False where somebody has it; 0 where the caller holds it."""
    RELEASE = 29
    """A function that gives the lock back."""
    TRUE = 30
    FALSE = 31
    MEMORY = 32
    """The class of what arrays may have for a base that others do not share."""
    HELD = 33
    """Address of a byte that is 0 while nobody has the lock that `ACQUIRE` takes, this thread included."""
    WORDS = 34


ONE_TENSOR, TENSORS, ARRAYS = range(3)
"""What is returned: the tensor of the only output, or a tuple of the tensors or arrays of all."""


class Name:
    """The words that say where a name must lead."""

    KIND, OWNER, NAME, WAS, WORDS = range(5)


ITEM, ATTRIBUTE, CALLED = range(3)
"""Kinds of names: in a dict, of an object, and a function that returns what it did."""


class Argument:
    """The words that say what an argument, or what holds arguments, must be."""

    KIND = 0
    OBJECT = 1
    PARENT = 2
    """Address of the record of what holds it."""
    AT = 3
    KEY = 4
    PLACE = 5
    DTYPE = 6
    SIZE = 7
    """Number of items or axes."""
    SHAPE = 8
    VALUE = 9
    """The object that this call has there."""
    POSITION = 10
    """How far a dict has been read."""
    KEPT = 11
    """The array that it was at the last check; there until the program has run."""
    WORDS = 12


SAME, TENSOR, ARRAY, TUPLE, LIST, DICT = range(6)
"""Kinds of arguments: this very object, a tensor that is not tracked, an array of NumPy's, and what holds others."""


class Cell:
    """The words that say how a variable must be."""

    OBJECT = 0
    FIRST = 1
    PLACE = 2
    FLAGS = 3
    DTYPE = 4
    ARRAY_COUNT = 5
    VALUE_COUNT = 6
    ALIGNMENT = 7
    """The bits that its address must not have."""
    KEPT = 8
    """As of an argument."""
    WORDS = 9


class Output:
    """The words that say what an output is."""

    DTYPE, NDIM, SHAPE, WORDS = range(4)
