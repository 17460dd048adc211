"""Where CPython and NumPy keep what the machine code of a call reads and writes.

The words are found on objects made for that, and looked at: on an interpreter that keeps them elsewhere there is no
such code, and every call is made of Python.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import CellType
from typing import Any, NamedTuple

import numpy as np

from lamina.autodiff.node import Leaf
from lamina.backends.registry import CPU
from lamina.tensor import Tensor
from lamina.variable import Variable
from lamina.watched import REVISION

WORD = 8
_C_CONTIGUOUS, OWNS_DATA, _ALIGNED, _WRITEABLE = 0x1, 0x4, 0x100, 0x400
READ = _C_CONTIGUOUS | _ALIGNED
WRITTEN = READ | _WRITEABLE
"""Flags that the array of a variable has that is only read, or also written to."""

# Of NumPy's arrays, in bytes; part of its binary interface, and checked all the same.
DATA, NDIM, SHAPE, BASE, DTYPE, FLAGS = 16, 24, 32, 48, 56, 64
# Of lists and of all that has a number of items.
SIZE, LIST_ITEMS = 16, 24

_NEW_ARRAY = 94  # the place of PyArray_NewFromDescr in NumPy's table of functions
_VERSIONS = (0x01000009, 0x02000000)  # of that table: NumPy 1 and 2

FUNCTIONS = (
    "PyObject_GetAttr",
    "PyObject_CallNoArgs",
    "PyObject_CallOneArg",
    "PyObject_Vectorcall",
    "PyErr_Clear",
    "PyDict_GetItemWithError",
    "PyDict_Next",
    "PyDict_Size",
    "Py_IncRef",
    "Py_DecRef",
    "PyType_GenericAlloc",
    "PyTuple_New",
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
    "PyArray_NewFromDescr",
)
"""What the machine code calls, in the order of their addresses in `functions`."""


class Holder:
    """What the machine code of one call is given as ``self``.

    Attributes
    ----------
    words : array of int64
        The plan.
    held : object
        What must live as long.
    """

    __slots__ = ("held", "words")

    def __init__(self, words: Any, held: Any) -> None:
        self.words = words
        self.held = held


class Planned:
    """The base of what is called by plans.

    Attributes
    ----------
    _plans : tuple of Holder
        Each is tried, the first that does not miss returns the result.
    """

    __slots__ = ("_plans",)

    def __init__(self) -> None:
        self._plans: tuple[Holder, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do in Python what no plan does."""
        raise NotImplementedError


class Offsets(NamedTuple):
    """Where CPython keeps what is read, in bytes from the start of an object."""

    kind: int
    items: int
    tensor_data: int
    tensor_backend: int
    tensor_node: int
    variable_value: int
    cell: int
    revision: int
    plan: int
    plans: int


@cache
def offsets() -> Offsets | None:
    """Return where the words lie, or None where they are not where they are expected."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    if sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != WORD or functions() is None:
        return None
    array, node = np.zeros((3, 5), np.float32), Leaf()
    tensor = Tensor(array, CPU, node)
    variable = Variable(Tensor(array, CPU))
    marks, words = (object(), object()), np.zeros(2, np.int64)
    found = Offsets(
        kind=_find(tensor, type(tensor)),
        items=_find(marks, marks[0]),
        tensor_data=_find(tensor, array),
        tensor_backend=_find(tensor, CPU),
        tensor_node=_find(tensor, node),
        variable_value=_find(variable, variable._value),
        cell=_find(CellType(marks), marks),
        revision=_find(REVISION, REVISION.number),
        plan=_find(Holder(words, None), words),
        plans=_find(_planned(marks), marks),
    )
    if found.kind != WORD or min(found[1:]) < 2 * WORD:
        return None
    if not (_array_as_expected(array) and _counts_as_expected() and _sequences_as_expected(found)):
        return None
    as_in_variables = _find(variable, array) == found.tensor_data and word(id(array), WORD) == id(np.ndarray)
    return found if as_in_variables else None


@cache
def functions() -> ctypes.Array[ctypes.c_void_p] | None:
    """Return the addresses of what the machine code calls, or None where one of them is missing."""
    try:
        found = [_address(getattr(ctypes.pythonapi, name)) for name in FUNCTIONS[:-1]]
        new_array = _numpy_function(_NEW_ARRAY)
    except (AttributeError, ImportError):
        return None
    return (ctypes.c_void_p * len(FUNCTIONS))(*found, new_array) if new_array else None


def _numpy_function(place: int) -> int | None:
    """Return the address of a function of NumPy's binary interface, whose places stay; None for one of later times."""
    pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    capsule = import_module("numpy._core._multiarray_umath")._ARRAY_API
    table = pointer(("PyCapsule_GetPointer", ctypes.pythonapi))(capsule, None)
    version = ctypes.PYFUNCTYPE(ctypes.c_uint)(word(table, 0))()
    return word(table, place * WORD) if version in _VERSIONS else None


def _planned(plans: Any) -> Planned:
    made = Planned()
    made._plans = plans
    return made


def _address(function: Any) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value


def word(address: int, offset: int) -> int:
    """Return eight bytes of memory."""
    return ctypes.c_uint64.from_address(address + offset).value


def _find(holder: Any, held: Any) -> int:
    """Return where an object's memory names another one; -1 if nowhere."""
    size = type(holder).__basicsize__ + type(holder).__itemsize__
    places = range(0, size, WORD)
    return next((place for place in places if word(id(holder), place) == id(held)), -1)


def _array_as_expected(array: Any) -> bool:
    address, view = id(array), array[:]
    shape = word(address, SHAPE)
    return (
        word(address, DATA) == array.ctypes.data
        and ctypes.c_int32.from_address(address + NDIM).value == array.ndim
        and [word(shape, place * WORD) for place in range(array.ndim)] == list(array.shape)
        and word(address, BASE) == 0
        and word(id(view), BASE) == id(array)
        and word(address, DTYPE) == id(array.dtype)
        and ctypes.c_int32.from_address(address + FLAGS).value == array.flags.num
        and array.flags.num & (WRITTEN | OWNS_DATA) == WRITTEN | OWNS_DATA
        and view.flags.num & (WRITTEN | OWNS_DATA) == WRITTEN
    )


def _sequences_as_expected(found: Offsets) -> bool:
    marks = object(), object(), object()
    several = list(marks)
    items = word(id(several), LIST_ITEMS)
    return (
        [word(id(marks), found.items + WORD * place) for place in range(3)] == [id(mark) for mark in marks]
        and [word(items, WORD * place) for place in range(3)] == [id(mark) for mark in marks]
        and word(id(marks), SIZE) == word(id(several), SIZE) == 3
    )


def _count(thing: Any) -> int:
    return ctypes.c_uint32.from_address(id(thing)).value


def _counts_as_expected() -> bool:
    thing = object()
    alone = _count(thing)
    held = [thing] * 5
    return _count(thing) == alone + len(held)


def counts() -> tuple[int, int]:
    """Return the counts of references to the array and the value of a variable that nobody else holds anything of."""
    variable = Variable(Tensor(np.zeros(2), CPU), trainable=False)
    found = offsets()
    assert found is not None
    data, value = (word(id(variable), place) for place in (found.tensor_data, found.variable_value))
    return ctypes.c_uint32.from_address(data).value, ctypes.c_uint32.from_address(value).value


# --- locks ------------------------------------------------------------------------------------------------


def locked(lock: Any) -> int | None:
    """Return the address of a byte that is not 0 while somebody holds a lock; None where there is none."""
    kinds = {type(make()): make for make in (threading.Lock, threading.RLock)}
    place = _held_byte(kinds[type(lock)]) if type(lock) in kinds else None
    return None if place is None else id(lock) + place


@cache
def _held_byte(make: Callable[[], Any]) -> int | None:
    lock = make()
    size = type(lock).__basicsize__

    def content() -> bytes:
        return ctypes.string_at(id(lock) + 2 * WORD, size - 2 * WORD)

    states = [content()]
    for _ in range(2):
        with lock:
            states.append(content())
            if make is threading.RLock:
                # A byte of the holder's number may be 1 too, and 0 for another thread.
                with lock:
                    states.append(content())
        states.append(content())
    found = list(zip(*states, strict=True))
    for wanted in _WHILE_HELD[make]:
        if wanted in found:
            return found.index(wanted) + 2 * WORD
    return None


# A lock that its holder may take again counts how often, until Python 3.13 from 1; from 3.14 on it begins with the
# byte of a plain lock, before the holder's number.
_WHILE_HELD: dict[Callable[[], Any], list[tuple[int, ...]]] = {
    threading.Lock: [(0, 1, 0, 1, 0)],
    threading.RLock: [(0, 1, 2, 0, 1, 2, 0), (0, 1, 1, 0, 1, 1, 0)],
}
