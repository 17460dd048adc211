"""The checks before a call in machine code, for in Python they would take longer than a small step.

What is looked at are a few words of objects of CPython and NumPy: of each argument its class, whether it is tracked,
and its array's type and shape; of the function's closure, what it leads to; of each variable which array it holds,
and by its counts of references whether anybody else holds it too. The addresses of the memory go straight into the
program's table of pointers. Where the words lie is found out on objects made for that; on an interpreter that keeps
them elsewhere there is no guard, and the checks are those of `lamina.compiler.specialisation`.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass
from enum import IntEnum
from functools import cache
from types import CellType
from typing import Any

import numpy as np

from lamina.autodiff.node import Leaf
from lamina.backends.registry import CPU
from lamina.compiler.codegen.emitter import I8, I32, I64, PTR, Emitter, Module, Type, Value
from lamina.compiler.runtime.cache import Entry, program
from lamina.compiler.runtime.native import Loaded, assemble
from lamina.compiler.target import host
from lamina.tensor import Tensor, Variable
from lamina.watched import REVISION

_WORD = 8
_C_CONTIGUOUS, _OWNS_DATA, _ALIGNED, _WRITEABLE = 0x1, 0x4, 0x100, 0x400

# Of NumPy's arrays, in bytes; part of its binary interface, and checked all the same.
_DATA, _NDIM, _SHAPE, _DTYPE, _FLAGS = 16, 24, 32, 56, 64


READ = _C_CONTIGUOUS | _ALIGNED
WRITTEN = READ | _OWNS_DATA | _WRITEABLE
"""Flags that the array of a variable has that is only read, or also written to."""


class Plan(IntEnum):
    """The words of a plan."""

    PASSED = 0
    ARGUMENTS = 1
    ARGUMENT_RECORDS = 2
    VARIABLES = 3
    VARIABLE_RECORDS = 4
    OUTPUTS = 5
    INPUT_TABLE = 6
    OUTPUT_TABLE = 7
    BACKEND = 8
    NONE = 9
    ARRAY = 10
    WATCHED = 11
    WATCHED_RECORDS = 12
    WORDS = 13


class Argument(IntEnum):
    """The words that say what an argument must be."""

    KIND = 0
    OBJECT = 1
    PLACE = 2
    DTYPE = 3
    NDIM = 4
    SHAPE = 5
    WORDS = 6


SAME, TENSOR, ARRAY = range(3)
"""Kinds of arguments: this very object, a tensor that is not tracked, an array of NumPy's."""


class Cell(IntEnum):
    """The words that say how a variable must be."""

    OBJECT = 0
    FIRST = 1
    PLACE = 2
    FLAGS = 3
    ARRAY_COUNT = 4
    VALUE_COUNT = 5
    WORDS = 6


@dataclass(frozen=True)
class Offsets:
    """Where CPython keeps what is read, in bytes from the start of an object."""

    kind: int
    items: int
    tensor_data: int
    tensor_backend: int
    tensor_node: int
    variable_value: int
    cell: int
    revision: int


@cache
def offsets() -> Offsets | None:
    """Return where the words lie, or None where they are not where they are expected."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    if sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != _WORD:
        return None
    array, node = np.zeros((3, 5), np.float32), Leaf()
    tensor = Tensor(array, CPU, node)
    variable = Variable(Tensor(array, CPU))
    marks = object(), object()
    found = Offsets(
        kind=_find(tensor, type(tensor)),
        items=_find(marks, marks[0]),
        tensor_data=_find(tensor, array),
        tensor_backend=_find(tensor, CPU),
        tensor_node=_find(tensor, node),
        variable_value=_find(variable, variable._value),
        cell=_find(CellType(marks), marks),
        revision=_find(REVISION, REVISION.number),
    )
    places = astuple(found)[1:]
    if found.kind != _WORD or min(places) < 2 * _WORD or not _array_as_expected(array) or not _counts_as_expected():
        return None
    as_in_variables = _find(variable, array) == found.tensor_data and _word(id(array), 8) == id(np.ndarray)
    return found if as_in_variables and _word(id(marks), found.items + _WORD) == id(marks[1]) else None


def _word(address: int, offset: int) -> int:
    return ctypes.c_uint64.from_address(address + offset).value


def _find(holder: Any, held: Any) -> int:
    """Return where an object's memory names another one; -1 if nowhere."""
    size = type(holder).__basicsize__ + type(holder).__itemsize__
    places = range(0, size, _WORD)
    return next((place for place in places if _word(id(holder), place) == id(held)), -1)


def _array_as_expected(array: Any) -> bool:
    address = id(array)
    shape = _word(address, _SHAPE)
    return (
        _word(address, _DATA) == array.ctypes.data
        and ctypes.c_int32.from_address(address + _NDIM).value == array.ndim
        and [_word(shape, place * _WORD) for place in range(array.ndim)] == list(array.shape)
        and _word(address, _DTYPE) == id(array.dtype)
        and ctypes.c_int32.from_address(address + _FLAGS).value == array.flags.num
        and array.flags.num & WRITTEN == WRITTEN
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
    data, value = (_word(id(variable), place) for place in (found.tensor_data, found.variable_value))
    return ctypes.c_uint32.from_address(data).value, ctypes.c_uint32.from_address(value).value


# --- the code ---------------------------------------------------------------------------------------------


@cache
def guard() -> tuple[Callable[[int, int, int], None], Loaded] | None:
    """Return ``guard(plan, arguments, outputs)``, of addresses, and the code that it lives in."""
    found = offsets()
    if found is None:
        return None
    target = host()
    ir = _guard_ir(found)
    code = program(["guard", ir, target], lambda: Entry(assemble(ir, target), {})).code
    # It reads Python's objects, so it holds the interpreter lock.
    call = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    return call(code.address("guard")), code


def _guard_ir(found: Offsets) -> str:
    module = Module(target=host())
    with module.function("guard", [("plan", PTR), ("arguments", PTR), ("outputs", PTR)], internal=False) as f:
        plan, arguments, outputs = (f.arguments[name] for name in ("plan", "arguments", "outputs"))
        _put(f, f.integer(0), plan, Plan.PASSED)
        zero = f.integer(0)
        with f.loop(zero, _get(f, I64, plan, Plan.WATCHED)) as i:
            record = _record(f, plan, Plan.WATCHED_RECORDS, i, 2)
            f.leave(f.icmp("ne", f.load(I64, _get(f, PTR, record, 0)), _get(f, I64, record, 1)))
        with f.loop(zero, _get(f, I64, plan, Plan.ARGUMENTS)) as i:
            given = f.load(PTR, _element(f, arguments, found.items, i))
            _emit_argument(f, found, plan, _record(f, plan, Plan.ARGUMENT_RECORDS, i, Argument.WORDS), given)
        with f.loop(zero, _get(f, I64, plan, Plan.VARIABLES)) as i:
            _emit_variable(f, found, plan, _record(f, plan, Plan.VARIABLE_RECORDS, i, Cell.WORDS))
        table = _get(f, PTR, plan, Plan.OUTPUT_TABLE)
        with f.loop(zero, _get(f, I64, plan, Plan.OUTPUTS)) as i:
            made = f.load(PTR, _element(f, outputs, found.items, i))
            f.store(f.load(PTR, _at(f, made, _DATA)), f.at(table, i, I64))
        _put(f, f.integer(1), plan, Plan.PASSED)
    return str(module)


def _emit_argument(f: Emitter, found: Offsets, plan: Value, record: Value, given: Value) -> None:
    kind = _get(f, I64, record, Argument.KIND)
    wanted = _get(f, I64, record, Argument.OBJECT)
    with f.when(f.icmp("eq", kind, f.integer(SAME))):
        f.leave(f.icmp("ne", f.convert("ptrtoint", given, "i64"), wanted))
    with f.when(f.icmp("ne", kind, f.integer(SAME))):
        f.leave(f.icmp("ne", f.load(I64, _at(f, given, found.kind)), wanted))
        array = f.variable(given)
        with f.when(f.icmp("eq", kind, f.integer(TENSOR))):
            f.leave(f.icmp("ne", f.load(I64, _at(f, given, found.tensor_backend)), _get(f, I64, plan, Plan.BACKEND)))
            f.leave(f.icmp("ne", f.load(I64, _at(f, given, found.tensor_node)), _get(f, I64, plan, Plan.NONE)))
            f.set(array, f.load(PTR, _at(f, given, found.tensor_data)))
        f.leave(f.icmp("ne", f.load(I64, _at(f, f.get(array), found.kind)), _get(f, I64, plan, Plan.ARRAY)))
        _emit_array(f, f.get(array), record)
        place = f.at(_get(f, PTR, plan, Plan.INPUT_TABLE), _get(f, I64, record, Argument.PLACE), I64)
        f.store(f.load(PTR, _at(f, f.get(array), _DATA)), place)


def _emit_array(f: Emitter, array: Value, record: Value) -> None:
    f.leave(f.icmp("ne", f.load(I64, _at(f, array, _DTYPE)), _get(f, I64, record, Argument.DTYPE)))
    _emit_flags(f, array, f.integer(READ))
    ndim = f.convert("sext", f.load(I32, _at(f, array, _NDIM)), "i64")
    f.leave(f.icmp("ne", ndim, _get(f, I64, record, Argument.NDIM)))
    shape, wanted = f.load(PTR, _at(f, array, _SHAPE)), _get(f, PTR, record, Argument.SHAPE)
    with f.loop(f.integer(0), ndim) as axis:
        f.leave(f.icmp("ne", f.load(I64, f.at(shape, axis, I64)), f.load(I64, f.at(wanted, axis, I64))))


def _emit_variable(f: Emitter, found: Offsets, plan: Value, record: Value) -> None:
    variable, first = _get(f, PTR, record, Cell.OBJECT), _get(f, PTR, record, Cell.FIRST)
    array = f.load(PTR, _at(f, variable, found.tensor_data))
    # Variables that were one input when traced must be so still.
    f.leave(f.icmp("ne", array, f.load(PTR, _at(f, first, found.tensor_data))))
    _emit_flags(f, array, _get(f, I64, record, Cell.FLAGS))
    wanted = _get(f, I64, record, Cell.ARRAY_COUNT)
    with f.when(f.icmp("ne", wanted, f.integer(0))):
        value = f.load(PTR, _at(f, variable, found.variable_value))
        f.leave(f.icmp("ne", f.convert("zext", f.load(I32, array), "i64"), wanted))
        held = f.convert("zext", f.load(I32, value), "i64")
        f.leave(f.icmp("ne", held, _get(f, I64, record, Cell.VALUE_COUNT)))
    place = f.at(_get(f, PTR, plan, Plan.INPUT_TABLE), _get(f, I64, record, Cell.PLACE), I64)
    f.store(f.load(PTR, _at(f, array, _DATA)), place)


def _emit_flags(f: Emitter, array: Value, wanted: Value) -> None:
    flags = f.convert("zext", f.load(I32, _at(f, array, _FLAGS)), "i64")
    f.leave(f.icmp("ne", f.binary("and", flags, wanted), wanted))


def _at(f: Emitter, base: Value, distance: int) -> Value:
    return f.at(base, f.integer(distance), I8)


def _element(f: Emitter, base: Value, first: int, index: Value) -> Value:
    return f.at(_at(f, base, first), index, I64)


def _get(f: Emitter, type: Type, base: Value, word: int) -> Value:
    return f.load(type, _at(f, base, word * _WORD))


def _put(f: Emitter, value: Value, base: Value, word: int) -> None:
    f.store(value, _at(f, base, word * _WORD))


def _record(f: Emitter, plan: Value, records: int, index: Value, words: int) -> Value:
    return f.at(_get(f, PTR, plan, records), f.mul(index, f.integer(words)), I64)
