"""The checks before a call in machine code: arguments, variables, results, and their addresses for the program.

What is looked at are a few words of objects of CPython and NumPy: of each argument its class, whether it is tracked,
and its array's type and shape; of each variable which array it holds, and by its counts of references whether anybody
else holds it too.
"""

from __future__ import annotations

from lamina.compiler.calling.object_layout import (
    BASE,
    DATA,
    DTYPE,
    FLAGS,
    FUNCTIONS,
    LIST_ITEMS,
    NDIM,
    OWNS_DATA,
    READ,
    SHAPE,
    SIZE,
    WORD,
    Offsets,
)
from lamina.compiler.calling.plan import (
    ARRAY,
    ARRAYS,
    DICT,
    LIST,
    ONE_TENSOR,
    SAME,
    TENSOR,
    TUPLE,
    Argument,
    Cell,
    Plan,
)
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import I8, I32, I64, PTR, VOID, Type, Value

NULL = Value("null", PTR)


class Writer:
    """Writes functions that are given a plan."""

    def __init__(self, f: Emitter, found: Offsets, plan: Value) -> None:
        self.f, self.found, self.plan = f, found, plan
        self.zero = f.integer(0)

    def get(self, type: Type, word: int) -> Value:
        """Return a word of the plan."""
        return word_of(self.f, type, self.plan, word)

    def record(self, records: int, index: Value, words: int) -> Value:
        """Return a pointer to one of the plan's records."""
        f = self.f
        return f.at(self.get(PTR, records), f.mul(index, f.integer(words)), I64)

    def call(self, name: str, result: Type, *operands: Value) -> Value:
        """Call a function of CPython's or NumPy's."""
        table = self.f.load(PTR, self.f.module.cell("functions"))
        return self.f.call_address(word_of(self.f, PTR, table, FUNCTIONS.index(name)), result, *operands)

    def item(self, holder: Value, index: Value) -> Value:
        """Return an item of a tuple."""
        return self.f.load(PTR, self.f.at(self.f.offset(holder, self.found.items), index, I64))


def word_of(f: Emitter, type: Type, base: Value, word: int) -> Value:
    """Return a word of a record."""
    return f.load(type, f.offset(base, word * WORD))


# --- checks ---------------------------------------------------------------------------------------------


def emit_check(w: Writer, items: Value, number: Value, made: Value) -> None:
    """Write a function that puts the addresses of all memory into the table and returns 1, or 0 if anything differs."""
    f = w.f
    lock = w.get(PTR, Plan.LOCKED)
    with f.when(f.icmp("ne", lock, NULL)):
        f.leave(f.icmp("ne", f.load(I8, lock), f.integer(0, I8)), w.zero)
    root = w.get(PTR, Plan.ARGUMENT_RECORDS)
    # As if they stood in a tuple; most calls come without one.
    f.store(f.offset(items, -w.found.items), f.offset(root, Argument.VALUE * WORD))
    f.leave(f.icmp("ne", number, word_of(f, I64, root, Argument.SIZE)), w.zero)
    with f.loop(f.integer(1), w.get(I64, Plan.ARGUMENTS)) as i:
        _emit_argument(w, w.record(Plan.ARGUMENT_RECORDS, i, Argument.WORDS))
    with f.loop(w.zero, w.get(I64, Plan.VARIABLES)) as i:
        _emit_variable(w, w.record(Plan.VARIABLE_RECORDS, i, Cell.WORDS))
    table = w.get(PTR, Plan.INPUT_TABLE)
    with f.loop(w.zero, w.get(I64, Plan.CAPTURED)) as i:
        record = w.record(Plan.CAPTURED_RECORDS, i, 2)
        _put(f, word_of(f, PTR, record, 1), f.at(table, word_of(f, I64, record, 0), I64))
    _emit_outputs(w, made)
    f.returned = f.integer(1)


def _emit_argument(w: Writer, record: Value) -> None:
    f = w.f
    kind, wanted = word_of(f, I64, record, Argument.KIND), word_of(f, I64, record, Argument.OBJECT)
    value = _emit_child(w, record)
    same = f.icmp("eq", kind, f.integer(SAME))
    with f.when(same):
        f.leave(f.icmp("ne", f.convert("ptrtoint", value, "i64"), wanted), w.zero)
    with f.when(f.icmp("ne", kind, f.integer(SAME))):
        f.leave(f.icmp("ne", f.load(I64, f.offset(value, w.found.kind)), wanted), w.zero)
        with f.when(f.icmp("ule", kind, f.integer(ARRAY))):
            _emit_traced(w, record, kind, value)
        with f.when(f.icmp("ugt", kind, f.integer(ARRAY))):
            f.store(value, f.offset(record, Argument.VALUE * WORD))
            f.store(w.zero, f.offset(record, Argument.POSITION * WORD))
            size = f.variable(w.zero)
            is_dict = f.icmp("eq", kind, f.integer(DICT))
            with f.when(is_dict):
                f.set(size, w.call("PyDict_Size", I64, value))
            with f.when(f.icmp("ne", kind, f.integer(DICT))):
                f.set(size, word_of(f, I64, value, SIZE // WORD))
            f.leave(f.icmp("ne", f.get(size), word_of(f, I64, record, Argument.SIZE)), w.zero)


def _emit_child(w: Writer, record: Value) -> Value:
    """Return what an argument's holder has in its place."""
    f = w.f
    parent, index = word_of(f, PTR, record, Argument.PARENT), word_of(f, I64, record, Argument.AT)
    holder, kind = word_of(f, PTR, parent, Argument.VALUE), word_of(f, I64, parent, Argument.KIND)
    value = f.variable(NULL)
    with f.when(f.icmp("eq", kind, f.integer(TUPLE))):
        f.set(value, w.item(holder, index))
    with f.when(f.icmp("eq", kind, f.integer(LIST))):
        f.set(value, f.load(PTR, f.at(f.load(PTR, f.offset(holder, LIST_ITEMS)), index, I64)))
    with f.when(f.icmp("eq", kind, f.integer(DICT))):
        key, found = f.slot(PTR, align=WORD), f.slot(PTR, align=WORD)
        position = f.offset(parent, Argument.POSITION * WORD)
        more = w.call("PyDict_Next", I32, holder, position, key, found)
        f.leave(f.icmp("eq", more, f.integer(0, I32)), w.zero)
        f.leave(f.icmp("ne", f.load(I64, key), word_of(f, I64, record, Argument.KEY)), w.zero)
        f.set(value, f.load(PTR, found))
    return f.get(value)


def _emit_traced(w: Writer, record: Value, kind: Value, value: Value) -> None:
    f, found = w.f, w.found
    array = f.variable(value)
    with f.when(f.icmp("eq", kind, f.integer(TENSOR))):
        f.leave(f.icmp("ne", f.load(I64, f.offset(value, found.tensor_backend)), w.get(I64, Plan.BACKEND)), w.zero)
        f.leave(f.icmp("ne", f.load(I64, f.offset(value, found.tensor_node)), w.get(I64, Plan.NONE)), w.zero)
        f.set(array, f.load(PTR, f.offset(value, found.tensor_data)))
        f.leave(f.icmp("eq", f.get(array), NULL), w.zero)
    f.leave(f.icmp("ne", f.load(I64, f.offset(f.get(array), found.kind)), w.get(I64, Plan.ARRAY)), w.zero)
    _emit_array(w, f.get(array), record)
    f.store(f.get(array), f.offset(record, Argument.KEPT * WORD))
    place = f.at(w.get(PTR, Plan.INPUT_TABLE), word_of(f, I64, record, Argument.PLACE), I64)
    _put(f, f.load(PTR, f.offset(f.get(array), DATA)), place)


def _emit_array(w: Writer, array: Value, record: Value) -> None:
    f = w.f
    f.leave(f.icmp("ne", f.load(I64, f.offset(array, DTYPE)), word_of(f, I64, record, Argument.DTYPE)), w.zero)
    _emit_flags(w, array, f.integer(READ))
    ndim = f.convert("sext", f.load(I32, f.offset(array, NDIM)), "i64")
    f.leave(f.icmp("ne", ndim, word_of(f, I64, record, Argument.SIZE)), w.zero)
    shape, wanted = f.load(PTR, f.offset(array, SHAPE)), word_of(f, PTR, record, Argument.SHAPE)
    with f.loop(w.zero, ndim) as axis:
        f.leave(f.icmp("ne", f.load(I64, f.at(shape, axis, I64)), f.load(I64, f.at(wanted, axis, I64))), w.zero)


def _emit_variable(w: Writer, record: Value) -> None:
    f, found = w.f, w.found
    variable, first = word_of(f, PTR, record, Cell.OBJECT), word_of(f, PTR, record, Cell.FIRST)
    array = f.load(PTR, f.offset(variable, found.tensor_data))
    # Variables that were one input when traced must be so still.
    f.leave(f.icmp("ne", array, f.load(PTR, f.offset(first, found.tensor_data))), w.zero)
    f.leave(f.icmp("eq", array, NULL), w.zero)
    f.leave(f.icmp("ne", f.load(I64, f.offset(array, DTYPE)), word_of(f, I64, record, Cell.DTYPE)), w.zero)
    _emit_flags(w, array, word_of(f, I64, record, Cell.FLAGS))
    wanted = word_of(f, I64, record, Cell.ARRAY_COUNT)
    with f.when(f.icmp("ne", wanted, w.zero)):
        _emit_owned(w, array)
        value = f.load(PTR, f.offset(variable, found.variable_value))
        f.leave(f.icmp("eq", value, NULL), w.zero)
        f.leave(f.icmp("ne", f.convert("zext", f.load(I32, array), "i64"), wanted), w.zero)
        held = f.convert("zext", f.load(I32, value), "i64")
        f.leave(f.icmp("ne", held, word_of(f, I64, record, Cell.VALUE_COUNT)), w.zero)
    f.store(array, f.offset(record, Cell.KEPT * WORD))
    place = f.at(w.get(PTR, Plan.INPUT_TABLE), word_of(f, I64, record, Cell.PLACE), I64)
    data = f.load(PTR, f.offset(array, DATA))
    beside = f.binary("and", f.convert("ptrtoint", data, "i64"), word_of(f, I64, record, Cell.ALIGNMENT))
    f.leave(f.icmp("ne", beside, w.zero), w.zero)
    _put(f, data, place)


def _put(f: Emitter, address: Value, place: Value) -> None:
    """Write an address into the table where it is another: other threads read the table, and keep what stays."""
    with f.when(f.icmp("ne", f.load(PTR, place), address)):
        f.store(address, place)


def _emit_flags(w: Writer, array: Value, wanted: Value) -> None:
    f = w.f
    flags = f.convert("zext", f.load(I32, f.offset(array, FLAGS)), "i64")
    f.leave(f.icmp("ne", f.binary("and", flags, wanted), wanted), w.zero)


def _emit_owned(w: Writer, array: Value) -> None:
    """Write that an array must own its memory, or stand on memory made for it alone."""
    f = w.f
    owns = f.binary("and", f.load(I32, f.offset(array, FLAGS)), f.integer(OWNS_DATA, I32))
    with f.when(f.icmp("eq", owns, f.integer(0, I32))):
        base = f.load(PTR, f.offset(array, BASE))
        f.leave(f.icmp("eq", base, NULL), w.zero)
        f.leave(f.icmp("ne", f.load(I64, f.offset(base, w.found.kind)), w.get(I64, Plan.MEMORY)), w.zero)


def _emit_outputs(w: Writer, made: Value) -> None:
    """Write the addresses of the results' memory into the table."""
    f, table = w.f, w.get(PTR, Plan.OUTPUT_TABLE)
    result = w.get(I64, Plan.RESULT)
    with f.loop(w.zero, w.get(I64, Plan.OUTPUTS)) as i:
        array = f.variable(made)
        with f.when(f.icmp("ne", result, f.integer(ONE_TENSOR))):
            f.set(array, w.item(made, i))
        with f.when(f.icmp("ne", result, f.integer(ARRAYS))):
            f.set(array, f.load(PTR, f.offset(f.get(array), w.found.tensor_data)))
        f.store(f.load(PTR, f.offset(f.get(array), DATA)), f.at(table, i, I64))


# --- what is checked stays --------------------------------------------------------------------------------


def emit_for_arrays(w: Writer, function: str) -> None:
    """Write a function that calls one of CPython's for every array of an argument or a variable.

    ``Py_IncRef`` after the checks, and ``Py_DecRef`` after the program: while it runs another thread may assign a
    variable, or change a list of arguments, and nobody else would hold the memory that the program works on.
    """
    f = w.f
    with f.loop(w.zero, w.get(I64, Plan.ARGUMENTS)) as i:
        w.call(function, VOID, word_of(f, PTR, w.record(Plan.ARGUMENT_RECORDS, i, Argument.WORDS), Argument.KEPT))
    with f.loop(w.zero, w.get(I64, Plan.VARIABLES)) as i:
        w.call(function, VOID, word_of(f, PTR, w.record(Plan.VARIABLE_RECORDS, i, Cell.WORDS), Cell.KEPT))
