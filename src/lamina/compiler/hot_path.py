"""The shortest way through a call: the checks in machine code, the program, the results.

It stands for one specialisation, found by the calls before. Where anything is not as it was then, it misses, and
`CompiledFunction` goes the long way.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import CellType
from typing import Any, cast

import numpy as np

from lamina.backends.registry import CPU
from lamina.backends.thread_state import STATE
from lamina.compiler import guard
from lamina.compiler.differentiation import results
from lamina.compiler.guard import Argument, Cell, Plan
from lamina.compiler.signature import Same
from lamina.compiler.specialisation import Specialisation, updating
from lamina.compiler.tracing.environment import Environment
from lamina.compiler.tracing.trace import Result
from lamina.random import default_generator
from lamina.tensor import Tensor
from lamina.watched import REVISION

MISSED: Any = object()
"""What a hot path returns when it cannot serve a call."""

_NO_RECORDS = (ctypes.c_int64 * 1)()


class HotPath:
    """A call of one specialisation with arguments that are tensors, arrays, or the same objects as before.

    Parameters
    ----------
    specialisation : Specialisation
        Whose executable has a table of pointers.
    environment : Environment
    revision : int
    args : tuple
        Those of the call that found it.
    """

    def __init__(
        self, specialisation: Specialisation, environment: Environment, revision: int, args: tuple[Any, ...]
    ) -> None:
        self._environment, self._kinds = environment, _kinds(args)
        self._revision = revision
        self.call, self.repeat = _calls(specialisation, environment, revision, args)

    def alive(self) -> bool:
        """Tell whether it may serve again."""
        return self._revision == REVISION.number

    def is_for(self, environment: Environment, args: tuple[Any, ...]) -> bool:
        """Tell whether it is the one for this outside and these arguments, and has missed for another reason."""
        return self._environment is environment and self._kinds == _kinds(args)


_Call = Callable[[tuple[Any, ...]], Any]
_Repeat = Callable[[int, tuple[Any, ...]], Any]


def _calls(
    specialisation: Specialisation, environment: Environment, revision: int, args: tuple[Any, ...]
) -> tuple[_Call, _Repeat]:
    """Return the function of a call's arguments that gives what the compiled function returns, or `MISSED`.

    And the one for many calls in a row. All that they use are variables of their own, which Python reads faster than
    attributes.
    """
    trace, program = specialisation.trace, specialisation.program
    plan = _plan(specialisation, environment, revision, args)
    words, address, held = plan.words, ctypes.addressof(plan.words), guard.guard()
    assert held is not None
    check, execute = held[0], cast(Any, program.execute)
    state, recording, empty, make, backend = STATE, STATE.recording, np.empty, Tensor, CPU
    entries = environment.entries
    slots = [each for each in environment.slots if each[0].__class__ is not CellType]
    generator = default_generator() if specialisation.draws else None
    # Also keeps others from the table; what assigns nothing needs no more than that.
    lock = updating if specialisation.assigns else execute.lock
    shapes, dtypes = [shape for shape, _ in program.outputs], [dtype for _, dtype in program.outputs]
    operands_of = _Operands(specialisation, args) if trace.tracked else None
    run, replacements = execute.run, trace.replacements

    def unchanged() -> bool:
        for get, name, was in entries:
            if get(name) is not was:
                return False
        for owner, name, was in slots:
            if getattr(owner, name, MISSED) is not was:
                return False
        return generator is None or default_generator() is generator

    def call(args: tuple[Any, ...]) -> Any:
        if state.recording is not recording or (changeable and not unchanged()):
            return MISSED
        with lock:
            # Taken first: what is held is not written to.
            operands = None if operands_of is None else operands_of.now(args)
            outputs = tuple(map(empty, shapes, dtypes))
            check(address, id(args), id(outputs))
            if not words[0]:
                return MISSED
            run(1)
            for replacement in replacements:
                specialisation.replace(replacement, outputs)
        return specialisation.tree(outputs, [] if operands is None else results(program, operands, outputs))

    def call_for_one(args: tuple[Any, ...]) -> Any:
        if state.recording is not recording or (changeable and not unchanged()):
            return MISSED
        with lock:
            outputs = (empty(shape, dtype),)
            check(address, id(args), id(outputs))
            if not words[0]:
                return MISSED
            run(1)
        return make(outputs[0], backend)

    def call_often(times: int, args: tuple[Any, ...]) -> Any:
        if not specialisation.repeats or state.recording is not recording or (changeable and not unchanged()):
            return MISSED
        with lock:
            outputs = tuple([empty((times, *shape), dtype) for shape, dtype in program.outputs])
            check(address, id(args), id(outputs))
            if not words[0]:
                return MISSED
            run(times)
        return specialisation.tree(outputs, [], times)

    changeable = bool(entries or slots or generator is not None)
    # The code that `check` is in and the records it reads live as long as this.
    call.__dict__["held"] = call_for_one.__dict__["held"] = call_often.__dict__["held"] = (held, plan)
    if isinstance(trace.tree, Result) and len(shapes) == 1 and not trace.tracked and not replacements:
        ((shape, dtype),) = program.outputs
        return call_for_one, call_often
    return call, call_often


def serves(specialisation: Specialisation, args: tuple[Any, ...]) -> bool:
    """Tell whether a call like this one can go the short way."""
    table = getattr(specialisation.program.execute, "table", None)
    if table is None or guard.offsets() is None:
        return False
    traced = [each for each in args if _is_traced(each)]
    if len(traced) != specialisation.arguments or any(getattr(each, "_node", None) is not None for each in traced):
        return False
    return not specialisation.trace.tracked or all(each.__class__ is Tensor for each in traced)


def _is_traced(given: Any) -> bool:
    return given.__class__ is Tensor or given.__class__ is np.ndarray


def _kinds(args: tuple[Any, ...]) -> list[Any]:
    """Return what arguments must be again; it keeps the objects that must be the same, but no traced ones."""
    return [(each.__class__, each.shape, each.dtype) if _is_traced(each) else Same(each) for each in args]


class _Operands:
    """The tensors that the node of a tracked result holds, gathered for each call."""

    def __init__(self, specialisation: Specialisation, args: tuple[Any, ...]) -> None:
        positions = [at for at, each in enumerate(args) if each.__class__ is Tensor]
        self._fixed: list[Any] = []
        self._arguments: list[tuple[int, int]] = []
        self._variables: list[tuple[int, Any]] = []
        for place, source in enumerate(specialisation.trace.inputs):
            self._fixed.append(source.captured)
            if source.variables:
                self._variables.append((place, source.variables[0]))
            elif source.argument is not None:
                self._arguments.append((place, positions[source.argument]))
        for variable in specialisation.others:
            self._variables.append((len(self._fixed), variable))
            self._fixed.append(None)

    def now(self, args: tuple[Any, ...]) -> tuple[Tensor, ...]:
        """Return the operands as they are now."""
        operands = self._fixed.copy()
        for place, at in self._arguments:
            operands[place] = args[at]
        for place, variable in self._variables:
            operands[place] = variable._value
        return tuple(operands)


class _Plan:
    """The words of a plan, and what they point to."""

    def __init__(self, words: Any, held: tuple[Any, ...]) -> None:
        self.words = words
        self._held = held


def _plan(specialisation: Specialisation, environment: Environment, revision: int, args: tuple[Any, ...]) -> _Plan:
    execute = cast(Any, specialisation.program.execute)
    inputs, outputs = len(specialisation.trace.inputs), len(specialisation.program.outputs)
    # Inputs and outputs stand last, whatever the program has before them.
    first = len(execute.table) - inputs - outputs
    table = ctypes.addressof(execute.table) + 8 * first
    arguments, shapes = _argument_records(specialisation, args)
    variables = _variable_records(specialisation)
    watched = _watched_records(environment, revision)
    for place, source in enumerate(specialisation.trace.inputs):
        if source.captured is not None:
            execute.table[first + place] = source.captured._data.ctypes.data
    words = (ctypes.c_int64 * Plan.WORDS)()
    words[Plan.ARGUMENTS] = len(args)
    words[Plan.ARGUMENT_RECORDS] = ctypes.addressof(arguments)
    words[Plan.VARIABLES] = len(variables) // Cell.WORDS
    words[Plan.VARIABLE_RECORDS] = ctypes.addressof(variables)
    words[Plan.OUTPUTS] = outputs
    words[Plan.INPUT_TABLE] = table
    words[Plan.OUTPUT_TABLE] = table + 8 * inputs
    words[Plan.BACKEND], words[Plan.NONE], words[Plan.ARRAY] = id(CPU), id(None), id(np.ndarray)
    words[Plan.WATCHED] = len(watched) // 2
    words[Plan.WATCHED_RECORDS] = ctypes.addressof(watched)
    return _Plan(words, (arguments, shapes, variables, watched, revision, _kinds(args), environment))


def _argument_records(specialisation: Specialisation, args: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    records = (ctypes.c_int64 * (Argument.WORDS * max(1, len(args))))()
    place_of = {source.argument: place for place, source in enumerate(specialisation.trace.inputs)}
    shapes, leaf = [], 0
    for at, given in enumerate(args):
        first = at * Argument.WORDS
        tensor = given.__class__ is Tensor
        if not tensor and given.__class__ is not np.ndarray:
            records[first + Argument.KIND], records[first + Argument.OBJECT] = guard.SAME, id(given)
            continue
        array = given._data if tensor else given
        shape = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
        shapes.append((shape, array.dtype))
        records[first + Argument.KIND] = guard.TENSOR if tensor else guard.ARRAY
        records[first + Argument.OBJECT] = id(given.__class__)
        records[first + Argument.PLACE] = place_of[leaf]
        records[first + Argument.DTYPE] = id(array.dtype)
        records[first + Argument.NDIM] = array.ndim
        records[first + Argument.SHAPE] = ctypes.addressof(shape)
        leaf += 1
    return records, shapes


def _variable_records(specialisation: Specialisation) -> Any:
    alone = guard.counts()
    words: list[int] = []
    for place, source in enumerate(specialisation.trace.inputs):
        written = place in specialisation.updated
        # Each further variable of an input holds its array twice: itself, and by its tensor.
        held = alone[0] + 2 * (len(source.variables) - 1) if written else 0
        for variable in source.variables:
            flags = guard.WRITTEN if written else guard.READ
            words += [id(variable), id(source.variables[0]), place, flags, held, alone[1] if written else 0]
    return (ctypes.c_int64 * len(words))(*words) if words else _NO_RECORDS


def _watched_records(environment: Environment, revision: int) -> Any:
    """Return addresses, and the objects that they must name: what is in cells, and the number of the revision.

    An integer that is held is told by its identity: no other object with that number is ever put there.
    """
    found = guard.offsets()
    assert found is not None
    words = [id(REVISION) + found.revision, id(revision)]
    for owner, _, was in environment.slots:
        if owner.__class__ is CellType:
            words += [id(owner) + found.cell, id(was)]
    return (ctypes.c_int64 * len(words))(*words)
