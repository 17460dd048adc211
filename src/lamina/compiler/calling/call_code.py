"""The machine code of calls: names, results, checks, the program.

It looks whether names lead to what they led to, makes the results, checks arguments and variables
(`lamina.compiler.calling.checks`), and runs the program on their memory.

Whatever may run other code of Python comes first: looking up names, making objects, taking the lock. From the first
look at an argument to the end of the program nothing else happens in this process that holds the interpreter lock;
where the program gives that up, the lock keeps others from its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from lamina.compiler.calling.checks import NULL, Writer, emit_check, emit_for_arrays, word_of
from lamina.compiler.calling.object_layout import DATA, FUNCTIONS, SIZE, WORD, Offsets
from lamina.compiler.calling.plan import ARRAYS, ATTRIBUTE, CALLED, ITEM, ONE_TENSOR, Argument, Name, Output, Plan
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import I1, I8, I32, I64, PTR, VOID, Type, Value
from lamina.compiler.runtime.thread_choice import Choice
from lamina.compiler.runtime.threads import Shared

if TYPE_CHECKING:
    from lamina.compiler.target import Target


def module(found: Offsets, target: Target) -> str:
    """Return the LLVM IR of ``call`` and ``dispatch``, what CPython calls, and of ``connect``, which comes first."""
    module = Module(target)

    def write(name: str, parameters: list[tuple[str, Type]], emit: Callable[..., None], result: Type = VOID) -> None:
        with module.function(name, parameters, result=result) as f:
            plan, *rest = (f.arguments[each] for each, _ in parameters)
            emit(Writer(f, found, plan), *rest)

    write("names", _PLAN, _emit_names, I64)
    write("made", [*_PLAN, ("record", PTR)], _emit_made, PTR)
    write("results", _PLAN, _emit_results, PTR)
    write("check", [*_CALL, ("made", PTR)], emit_check, I64)
    write("threads", _PLAN, _emit_threads, I64)
    write("keep", _PLAN, partial(emit_for_arrays, function="Py_IncRef"))
    write("let_go", _PLAN, partial(emit_for_arrays, function="Py_DecRef"))
    write("carried_out", [*_CALL, ("made", PTR)], _emit_carried_out, I64)
    write("attempt", _CALL, _emit_attempt, PTR)
    with module.function("call", [("self", PTR), ("given", PTR)], internal=False, result=PTR) as f:
        _emit_call(Writer(f, found, _plan(f, found, f.arguments["self"])), f.arguments["given"])
    with module.function("drop", [("self", PTR), ("nothing", PTR)], internal=False, result=PTR) as f:
        w = Writer(f, found, _plan(f, found, f.arguments["self"]))
        f.call_here("let_go", [w.plan])
        f.returned = w.get(PTR, Plan.NONE)
        w.call("Py_IncRef", VOID, f.returned)
    parameters = [("self", PTR), ("items", PTR), ("number", I64), ("names", PTR)]
    with module.function("dispatch", parameters, internal=False, result=PTR) as f:
        _emit_dispatch(Writer(f, found, NULL))
    with module.function("connect", [("functions", PTR)], internal=False) as f:
        f.store(f.arguments["functions"], module.cell("functions"))
    return str(module)


_PLAN = [("plan", PTR)]
_CALL = [*_PLAN, ("items", PTR), ("number", I64)]


def _plan(f: Emitter, found: Offsets, holder: Value) -> Value:
    return f.load(PTR, f.offset(f.load(PTR, f.offset(holder, found.plan)), DATA))


MISS, DONE, FAULTY = range(3)
"""What may become of a run: nothing has happened, results are there, or the program has reported a fault."""


def _emit_attempt(w: Writer, items: Value, number: Value) -> None:
    """Write a function that returns what a call returns, null after an exception, or what stands for a miss."""
    f = w.f
    missed, zero = w.get(PTR, Plan.MISSED), w.zero
    f.leave(f.icmp("eq", f.call_here("names", [w.plan], I64), zero), missed)
    made = f.call_here("results", [w.plan], PTR)
    f.leave(f.icmp("eq", made, NULL), NULL)
    outcome = f.variable(zero)
    acquire = w.get(PTR, Plan.ACQUIRE)
    with f.when(f.icmp("eq", acquire, NULL)):
        f.set(outcome, f.call_here("carried_out", [w.plan, items, number, made], I64))
    with f.when(_is_free(w, acquire)):
        taken = w.call("PyObject_CallOneArg", PTR, acquire, w.get(PTR, Plan.FALSE))
        with f.when(f.icmp("eq", taken, NULL)):
            w.call("Py_DecRef", VOID, made)
            f.leave(f.integer(1, I1), NULL)
        w.call("Py_DecRef", VOID, taken)
        with f.when(f.icmp("eq", taken, w.get(PTR, Plan.TRUE))):
            f.set(outcome, f.call_here("carried_out", [w.plan, items, number, made], I64))
            w.call("Py_DecRef", VOID, w.call("PyObject_CallNoArgs", PTR, w.get(PTR, Plan.RELEASE)))
    f.leave(f.icmp("eq", f.get(outcome), f.integer(DONE)), made)
    w.call("Py_DecRef", VOID, made)
    with f.when(f.icmp("eq", f.get(outcome), f.integer(FAULTY))):
        # It raises, so there is nothing to give back.
        f.leave(f.integer(1, I1), w.call("PyObject_CallNoArgs", PTR, w.get(PTR, Plan.FAILED)))
    f.returned = missed


def _is_free(w: Writer, acquire: Value) -> Value:
    """Return whether there is a lock to take, and nobody has it: not this thread either, for which it would open."""
    f = w.f
    free = f.variable(f.integer(0, I1))
    with f.when(f.icmp("ne", acquire, NULL)):
        f.set(free, f.icmp("eq", f.load(I8, w.get(PTR, Plan.HELD)), f.integer(0, I8)))
    return f.get(free)


def _emit_carried_out(w: Writer, items: Value, number: Value, made: Value) -> None:
    """Write a function that checks everything, runs the program, and says what became of it."""
    f = w.f
    f.leave(f.icmp("eq", f.call_here("check", [w.plan, items, number, made], I64), w.zero), f.integer(MISS))
    entry = w.get(PTR, Plan.ENTRY)
    with f.when(f.icmp("eq", entry, NULL)):
        f.call_here("keep", [w.plan])
        f.leave(f.integer(1, I1), f.integer(DONE))
    threads = f.call_here("threads", [w.plan], I64)
    f.leave(f.icmp("eq", threads, w.zero), f.integer(MISS))
    _emit_run(w, entry, threads)
    f.leave(f.icmp("eq", f.load(I64, w.get(PTR, Plan.FAULT)), w.zero), f.integer(DONE))
    f.returned = f.integer(FAULTY)


def _emit_threads(w: Writer) -> None:
    """Write a function that returns in how many threads to run, or 0 where Python must see to them first."""
    f, zero, one = w.f, w.zero, w.f.integer(1)
    choice, shared = w.get(PTR, Plan.CHOICE), w.get(PTR, Plan.SHARED)
    f.leave(f.icmp("eq", choice, NULL), one)
    allowed = word_of(f, I64, shared, Shared.THREADS)
    f.leave(f.icmp("sle", allowed, one), allowed)
    left = word_of(f, I64, choice, Choice.LEFT)
    f.leave(f.icmp("sle", left, zero), zero)
    threads = f.intrinsic("smin", allowed, word_of(f, I64, choice, Choice.THREADS))
    f.leave(f.icmp("sgt", threads, word_of(f, I64, choice, Choice.RESERVED)), zero)
    with f.when(f.icmp("sgt", threads, one)):
        f.leave(f.icmp("sgt", threads, word_of(f, I64, shared, Shared.WANTED)), zero)
    f.store(f.sub(left, one), f.offset(choice, Choice.LEFT * WORD))
    f.returned = threads


def _emit_call(w: Writer, given: Value) -> None:
    f = w.f
    missed = w.get(PTR, Plan.MISSED)
    root = w.get(PTR, Plan.ARGUMENT_RECORDS)
    result = f.variable(missed)
    with f.when(f.icmp("eq", f.load(I64, f.offset(given, w.found.kind)), word_of(f, I64, root, Argument.OBJECT))):
        items, number = f.offset(given, w.found.items), word_of(f, I64, given, SIZE // WORD)
        f.set(result, f.call_here("attempt", [w.plan, items, number], PTR))
    f.returned = f.get(result)
    with f.when(f.icmp("eq", f.returned, missed)):
        w.call("Py_IncRef", VOID, missed)


def _emit_dispatch(w: Writer) -> None:
    """Write ``__call__``: one plan after the other, then Python."""
    f = w.f
    self, items, number, names = (f.arguments[name] for name in ("self", "items", "number", "names"))
    plans = f.load(PTR, f.offset(self, w.found.plans))
    usable = f.binary("and", f.icmp("ne", plans, NULL), f.icmp("eq", names, NULL))
    with f.when(usable):
        w.call("Py_IncRef", VOID, plans)  # another thread may put others in their place
        with f.loop(w.zero, word_of(f, I64, plans, SIZE // WORD)) as i:
            plan = _plan(f, w.found, w.item(plans, i))
            found = f.call_here("attempt", [plan, items, number], PTR)
            with f.when(f.icmp("ne", found, word_of(f, PTR, plan, Plan.MISSED))):
                w.call("Py_DecRef", VOID, plans)
                f.leave(f.integer(1, I1), found)
        w.call("Py_DecRef", VOID, plans)
    named = f.variable(w.zero)
    with f.when(f.icmp("ne", names, NULL)):
        f.set(named, word_of(f, I64, names, SIZE // WORD))
    every = f.add(number, f.get(named))
    copy = f.result(f"alloca ptr, i64 {f.add(every, f.integer(1)).text}, align {WORD}", PTR)
    f.store(self, copy)
    with f.loop(w.zero, every) as i:
        f.store(f.load(PTR, f.at(items, i, I64)), f.at(f.offset(copy, WORD), i, I64))
    function = word_of(f, PTR, f.load(PTR, f.module.cell("functions")), len(FUNCTIONS))
    given = f.add(number, f.integer(1))
    f.returned = w.call("PyObject_Vectorcall", PTR, function, copy, given, names)


def _emit_run(w: Writer, entry: Value, threads: Value) -> None:
    f = w.f
    table, shared = w.get(PTR, Plan.TABLE), w.get(PTR, Plan.SHARED)
    # Other threads may change the words of the pool as soon as they get the interpreter lock.
    launch, control = (word_of(f, PTR, shared, word) for word in (Shared.LAUNCH, Shared.CONTROL))
    releases = f.icmp("ne", w.get(I64, Plan.RELEASES), w.zero)
    state = f.variable(NULL)
    with f.when(releases):
        f.call_here("keep", [w.plan])
        f.set(state, w.call("PyEval_SaveThread", PTR))
    with f.when(f.icmp("eq", threads, f.integer(1))):
        f.call_address(entry, VOID, table, w.zero, threads)
    with f.when(f.icmp("ne", threads, f.integer(1))):
        f.call_address(launch, VOID, control, entry, table, threads)
    with f.when(releases):
        w.call("PyEval_RestoreThread", VOID, f.get(state))
        f.call_here("let_go", [w.plan])


def _emit_names(w: Writer) -> None:
    f = w.f
    with f.loop(w.zero, w.get(I64, Plan.NAMES)) as i:
        record = w.record(Plan.NAME_RECORDS, i, Name.WORDS)
        kind, owner, name = (word_of(f, type, record, at) for at, type in enumerate((I64, PTR, PTR)))
        leads_to = f.variable(NULL)
        borrowed = f.icmp("eq", kind, f.integer(ITEM))
        with f.when(borrowed):
            f.set(leads_to, w.call("PyDict_GetItemWithError", PTR, owner, name))
        with f.when(f.icmp("eq", kind, f.integer(ATTRIBUTE))):
            f.set(leads_to, w.call("PyObject_GetAttr", PTR, owner, name))
        with f.when(f.icmp("eq", kind, f.integer(CALLED))):
            f.set(leads_to, w.call("PyObject_CallNoArgs", PTR, owner))
        missing = f.icmp("eq", f.get(leads_to), NULL)
        with f.when(missing):
            w.call("PyErr_Clear", VOID)
            f.leave(f.integer(1, I1), w.zero)
        # What it was is held by the plan: an object that goes now cannot be that.
        with f.when(f.icmp("ne", kind, f.integer(ITEM))):
            w.call("Py_DecRef", VOID, f.get(leads_to))
        f.leave(f.icmp("ne", f.get(leads_to), word_of(f, PTR, record, Name.WAS)), w.zero)
    with f.loop(w.zero, w.get(I64, Plan.WATCHED)) as i:
        record = w.record(Plan.WATCHED_RECORDS, i, 2)
        f.leave(f.icmp("ne", f.load(I64, word_of(f, PTR, record, 0)), word_of(f, I64, record, 1)), w.zero)
    f.returned = f.integer(1)


# --- results ----------------------------------------------------------------------------------------------


def _emit_made(w: Writer, record: Value) -> None:
    """Write a function that returns a new array of an output, or a new tensor of one."""
    f = w.f
    dtype = word_of(f, PTR, record, Output.DTYPE)
    w.call("Py_IncRef", VOID, dtype)  # it is given away in the next line
    ndim = f.convert("trunc", word_of(f, I64, record, Output.NDIM), "i32")
    shape, plain = word_of(f, PTR, record, Output.SHAPE), f.integer(0, I32)
    array = w.call("PyArray_NewFromDescr", PTR, w.get(PTR, Plan.ARRAY), dtype, ndim, shape, NULL, NULL, plain, NULL)
    f.leave(f.icmp("eq", array, NULL), NULL)
    f.leave(f.icmp("eq", w.get(I64, Plan.RESULT), f.integer(ARRAYS)), array)
    tensor = w.call("PyType_GenericAlloc", PTR, w.get(PTR, Plan.TENSOR), w.zero)
    with f.when(f.icmp("eq", tensor, NULL)):
        w.call("Py_DecRef", VOID, array)
        f.leave(f.integer(1, I1), NULL)
    backend, none = w.get(PTR, Plan.BACKEND), w.get(PTR, Plan.NONE)
    f.store(array, f.offset(tensor, w.found.tensor_data))
    for value, place in ((backend, w.found.tensor_backend), (none, w.found.tensor_node)):
        w.call("Py_IncRef", VOID, value)
        f.store(value, f.offset(tensor, place))
    f.returned = tensor


def _emit_results(w: Writer) -> None:
    """Write a function that returns all that a call returns, still without values."""
    f = w.f
    outputs = w.get(I64, Plan.OUTPUTS)
    with f.when(f.icmp("eq", w.get(I64, Plan.RESULT), f.integer(ONE_TENSOR))):
        f.leave(f.integer(1, I1), f.call_here("made", [w.plan, w.get(PTR, Plan.OUTPUT_RECORDS)], PTR))
    several = w.call("PyTuple_New", PTR, outputs)
    f.leave(f.icmp("eq", several, NULL), NULL)
    with f.loop(w.zero, outputs) as i:
        one = f.call_here("made", [w.plan, w.record(Plan.OUTPUT_RECORDS, i, Output.WORDS)], PTR)
        with f.when(f.icmp("eq", one, NULL)):
            w.call("Py_DecRef", VOID, several)
            f.leave(f.integer(1, I1), NULL)
        f.store(one, f.at(f.offset(several, w.found.items), i, I64))
    f.returned = several
