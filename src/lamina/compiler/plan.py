"""What the machine code of a call is told: the words of its plan, and those of the records that the plan leads to."""

from __future__ import annotations

from enum import IntEnum


class Plan(IntEnum):
    """The words of a plan."""

    FUNCTIONS = 0
    MISSED = 1
    NAMES = 2
    NAME_RECORDS = 3
    WATCHED = 4
    WATCHED_RECORDS = 5
    LOCKED = 6
    """Address of a byte that is 0 while nobody else runs the program; 0 where the caller holds the lock."""
    ARGUMENTS = 7
    ARGUMENT_RECORDS = 8
    VARIABLES = 9
    VARIABLE_RECORDS = 10
    CAPTURED = 11
    CAPTURED_RECORDS = 12
    """Places among the inputs, and the addresses of tensors from outside."""
    OUTPUTS = 13
    OUTPUT_RECORDS = 14
    RESULT = 15
    INPUT_TABLE = 16
    OUTPUT_TABLE = 17
    BACKEND = 18
    NONE = 19
    ARRAY = 20
    TENSOR = 21
    ENTRY = 22
    """Address of the program; 0 where the caller runs it."""
    TABLE = 23
    FAULT = 24
    FAILED = 25
    """A function that raises what the program's fault stands for."""
    RELEASES = 26
    """Whether the program gives up the interpreter lock."""
    WORDS = 27


ONE_TENSOR, TENSORS, ARRAYS = range(3)
"""What is returned: the tensor of the only output, or a tuple of the tensors or arrays of all."""


class Name(IntEnum):
    """The words that say where a name must lead."""

    KIND = 0
    OWNER = 1
    NAME = 2
    WAS = 3
    WORDS = 4


ITEM, ATTRIBUTE, CALLED = range(3)
"""Kinds of names: in a dict, of an object, and a function that returns what it did."""


class Argument(IntEnum):
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
    WORDS = 11


SAME, TENSOR, ARRAY, TUPLE, LIST, DICT = range(6)
"""Kinds of arguments: this very object, a tensor that is not tracked, an array of NumPy's, and what holds others."""


class Cell(IntEnum):
    """The words that say how a variable must be."""

    OBJECT = 0
    FIRST = 1
    PLACE = 2
    FLAGS = 3
    DTYPE = 4
    ARRAY_COUNT = 5
    VALUE_COUNT = 6
    WORDS = 7


class Output(IntEnum):
    """The words that say what an output is."""

    DTYPE = 0
    NDIM = 1
    SHAPE = 2
    WORDS = 3
