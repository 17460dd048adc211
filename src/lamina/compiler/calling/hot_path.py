"""The shortest way through a call: one function in machine code that checks, runs the program and returns the results.

It stands for one specialisation, found by the calls before. Where anything is not as it was then, it misses, and
`CompiledFunction` goes the long way. Programs that call Python, or whose results are tracked, are run from here
instead, between the checks and the results.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import Any, cast

import numpy as np

from lamina.autodiff.trees import branches, mapped
from lamina.backends.registry import CPU
from lamina.compiler.calling import guard, object_layout
from lamina.compiler.calling.arguments import Given
from lamina.compiler.calling.object_layout import Holder, locked
from lamina.compiler.calling.plan import ARRAYS, ONE_TENSOR, TENSORS, Plan
from lamina.compiler.calling.records import (
    captured_records,
    name_records,
    output_records,
    variable_records,
    watched_records,
)
from lamina.compiler.differentiation import results
from lamina.compiler.runtime.threads import shared
from lamina.compiler.specialisation import Specialisation, updating
from lamina.compiler.tracing.environment import Environment
from lamina.compiler.tracing.trace import Result
from lamina.ownership import AlignedMemory
from lamina.tensor import Tensor
from lamina.watched import REVISION

MISSED: Any = object()
"""What a hot path returns when it cannot serve a call."""

_Call = Callable[[tuple[Any, ...]], Any]


class HotPath:
    """A call of one specialisation with arguments that are tensors, arrays, or the same objects as before.

    Parameters
    ----------
    specialisation : Specialisation
        Which it `serves`.
    environment : Environment
    revision : int
    given : Given
        The arguments of the call that found it.

    Attributes
    ----------
    call : callable
        Takes the tuple of the arguments, and returns what the compiled function returns, or `MISSED`.
    plan : Holder or None
        Of the machine code, where nothing is left to do outside of it.
    otherwise : callable or None
        What may still serve a call that the machine code has missed.
    """

    def __init__(self, specialisation: Specialisation, environment: Environment, revision: int, given: Given) -> None:
        self._specialisation, self._environment = specialisation, environment
        self._revision, self._given = revision, given
        self._execute = cast(Any, specialisation.program.execute)
        self._lock = updating if specialisation.assigns else self._execute.lock
        """Also keeps others from the table; what assigns nothing needs no more than that."""
        self._entry = getattr(self._execute, "entry", None)
        self._only_checks: tuple[_Call, Callable[[], None]] | None = None
        self.plan: Holder | None = None
        self.otherwise: _Call | None = None
        self.call = self._with_tree() if self._all_in_machine_code() else self._locked()

    def alive(self) -> bool:
        """Tell whether it may serve again."""
        return self._revision == REVISION.number

    def is_for(self, environment: Environment, given: Given) -> bool:
        """Tell whether it is the one for this outside and these arguments, and has missed for another reason."""
        return self._environment is environment and self._given.kinds == given.kinds

    def repeat(self, times: int, given: tuple[Any, ...]) -> Any:
        """Return how many calls in a row, of so many, have been made at once, and what they return; or `MISSED`."""
        specialisation, execute = self._specialisation, self._execute
        if not specialisation.repeats:
            return MISSED
        if self._only_checks is None:
            self._only_checks = guard.checked(self._made(ARRAYS))
        check, drop = self._only_checks
        portions = specialisation.program.portions
        times = portions.of(times)
        with self._lock:
            outputs = [np.empty((times, *shape), dtype) for shape, dtype in specialisation.program.outputs]
            if execute.busy:
                return MISSED
            try:
                for attempt in count():
                    execute.busy = True
                    if check(given) is MISSED:
                        return MISSED
                    try:
                        for place, output in enumerate(outputs, len(execute.table) - len(outputs)):
                            execute.table[place] = output.ctypes.data
                        began = perf_counter()
                        if execute.run(times, attempt):
                            break
                    finally:
                        drop()
            finally:
                execute.busy = False
            portions.took(perf_counter() - began, times)
        return times, specialisation.tree(outputs, [], times)

    # --- the ways ---

    def _all_in_machine_code(self) -> bool:
        """Tell whether nothing is left to do outside of the machine code, which must see who has the lock."""
        trace = self._specialisation.trace
        seen = self._entry is not None and locked(self._lock) is not None
        return seen and not trace.tracked and not trace.replacements

    def _with_tree(self) -> _Call:
        """Return what checks, runs and returns in machine code; where that misses, Python may still serve."""
        tree, outputs = self._specialisation.trace.tree, len(self._specialisation.program.outputs)
        single = tree.__class__ is Result and outputs == 1
        plan = self._made(ONE_TENSOR if single else TENSORS, runs=True)
        as_made = tree.__class__ is tuple and [getattr(each, "output", -1) for each in tree] == list(range(outputs))
        call, build = guard.builtin(plan), None if single or as_made else _builder(tree)
        if build is None:
            self.plan = plan
        # Another thread has the lock, or it is time to measure how many threads do best.
        otherwise = self.otherwise = self._locked() if self._takes_lock() else None

        def call_and_build(given: tuple[Any, ...]) -> Any:
            found = call(given)
            if found is MISSED:
                return MISSED if otherwise is None else otherwise(given)
            return found if build is None else build(found)

        return call_and_build

    def _takes_lock(self) -> bool:
        """Tell whether others may run while the machine code does."""
        entry = self._entry
        return entry is not None and (entry.releases or bool(entry.choice))

    def _locked(self) -> _Call:
        """Return what checks in machine code, and runs from here."""
        specialisation, lock = self._specialisation, self._lock
        program, replacements = specialisation.program, specialisation.trace.replacements
        operands_of = _Operands(specialisation, self._given) if specialisation.trace.tracked else None
        plain = operands_of is None and not replacements
        (call, drop), execute = guard.checked(self._made(TENSORS if plain else ARRAYS)), self._execute
        build = _builder(specialisation.trace.tree)

        def call_locked(given: tuple[Any, ...]) -> Any:
            with lock:
                if execute.busy:  # a handler of a signal calls it in the middle of a call
                    return MISSED
                try:
                    for attempt in count():
                        execute.busy = True
                        # Taken first: what is held is not written to.
                        operands = None if operands_of is None else operands_of.now(given)
                        outputs = call(given)
                        if outputs is MISSED:
                            return MISSED
                        try:
                            if execute.run(1, attempt):
                                break
                        finally:
                            drop()
                finally:
                    execute.busy = False
                for replacement in replacements:
                    specialisation.replace(replacement, outputs)
            if plain:
                return build(outputs)
            return specialisation.tree(outputs, [] if operands is None else results(program, operands, outputs))

        return call_locked

    def _made(self, result: int, runs: bool = False) -> Holder:
        """Return a plan of this call: of its checks, or with ``runs`` of all of it."""
        specialisation, environment, execute = self._specialisation, self._environment, self._execute
        inputs, outputs = len(specialisation.trace.inputs), len(specialisation.program.outputs)
        # Inputs and outputs stand last, whatever the program has before them.
        table = ctypes.addressof(execute.table) + 8 * (len(execute.table) - inputs - outputs)
        words = np.zeros(Plan.WORDS, np.int64)
        held: list[Any] = []
        for word, kept in (
            (Plan.NAMES, name_records(specialisation, environment)),
            (Plan.WATCHED, watched_records(environment, self._revision)),
            (Plan.ARGUMENTS, self._given.records(specialisation.trace.inputs)),
            (Plan.VARIABLES, variable_records(specialisation)),
            (Plan.CAPTURED, captured_records(specialisation)),
            (Plan.OUTPUTS, output_records(specialisation)),
        ):
            # Each number of records is followed by their address.
            words[word], words[word + 1] = kept.number, kept.address
            held.append(kept)
        words[Plan.RESULT] = result
        words[Plan.INPUT_TABLE], words[Plan.OUTPUT_TABLE] = table, table + 8 * inputs
        for word, thing in (
            (Plan.MISSED, MISSED),
            (Plan.BACKEND, CPU),
            (Plan.NONE, None),
            (Plan.ARRAY, np.ndarray),
            (Plan.TENSOR, Tensor),
            (Plan.TRUE, True),
            (Plan.FALSE, False),
            (Plan.MEMORY, AlignedMemory),
        ):
            words[word] = id(thing)
        entry = self._entry if runs else None
        if entry is not None:
            words[Plan.ENTRY], words[Plan.TABLE], words[Plan.FAULT] = entry.address, entry.table, entry.fault
            words[Plan.FAILED], words[Plan.RELEASES] = id(entry.failed), entry.releases
            words[Plan.CHOICE], words[Plan.SHARED] = entry.choice, ctypes.addressof(shared)
            seen = locked(self._lock) or 0
            if self._takes_lock():
                words[Plan.HELD] = seen
                held += [self._lock.acquire, self._lock.release]
                words[Plan.ACQUIRE], words[Plan.RELEASE] = id(held[-2]), id(held[-1])
            else:
                words[Plan.LOCKED] = seen
        return guard.holder(words, (held, entry, specialisation, environment, self._revision, self._given))


def serves(specialisation: Specialisation, environment: Environment, given: Given) -> bool:
    """Tell whether a call like this one can go the short way."""
    table = getattr(specialisation.program.execute, "table", None)
    if (
        table is None
        or object_layout.offsets() is None
        or not given.simple
        or len(given.traced) != specialisation.arguments
    ):
        return False
    if any(getattr(get, "__self__", None).__class__ is not dict for get, _, _ in environment.entries):
        return False
    # The node of a tracked result holds the very tensors.
    return not specialisation.trace.tracked or (given.flat and all(each is Tensor for each in given.traced))


class _Operands:
    """The tensors that the node of a tracked result holds, gathered for each call."""

    def __init__(self, specialisation: Specialisation, given: Given) -> None:
        self._fixed: list[Any] = []
        self._arguments: list[tuple[int, int]] = []
        self._variables: list[tuple[int, Any]] = []
        for place, source in enumerate(specialisation.trace.inputs):
            self._fixed.append(source.captured)
            if source.variables:
                self._variables.append((place, source.variables[0]))
            elif source.argument is not None:
                self._arguments.append((place, given.positions[source.argument]))
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


def _builder(tree: Any) -> Callable[[tuple[Any, ...]], Any]:
    """Return the function of a program's outputs that makes what the compiled function returns."""
    if tree.__class__ is Result:
        place = tree.output
        return lambda outputs: outputs[place]
    found = branches(tree)
    if found is None:
        return lambda outputs: tree
    kind, children = found
    parts = [_builder(child) for _, child in children]
    if kind is list:
        return lambda outputs: [part(outputs) for part in parts]
    if kind is tuple:
        return lambda outputs: tuple([part(outputs) for part in parts])
    if kind is dict:
        named = [(name, part) for (name, _), part in zip(children, parts, strict=True)]
        return lambda outputs: {name: part(outputs) for name, part in named}
    return lambda outputs: mapped(lambda leaf: outputs[leaf.output] if leaf.__class__ is Result else leaf, tree)
