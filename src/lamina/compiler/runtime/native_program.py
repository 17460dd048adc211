"""A program that can be run: machine code with the memory it works in."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lamina.compiler.codegen.barrier import FAULT
from lamina.compiler.codegen.faults import FAULT_CALLBACK, FAULT_CHECK, FAULT_INDEX, FAULT_OPERAND
from lamina.compiler.codegen.program_table import Slot
from lamina.compiler.graph.ir import NO_PARAMS, Line
from lamina.compiler.runtime.fallback import Fallback
from lamina.compiler.runtime.interruption import run_interruptibly
from lamina.compiler.runtime.loading import Loaded
from lamina.compiler.runtime.runtime_block import RuntimeBlock
from lamina.compiler.runtime.thread_choice import Choice, ThreadChoice
from lamina.compiler.runtime.thread_pool import entry_point, run
from lamina.compiler.runtime.threads import get_num_threads
from lamina.errors import BackendError, DataError, SubscriptError
from lamina.forking import fork_safe

RELEASED = 3000.0
"""Nanoseconds from which a program gives up the interpreter lock."""
SHORT = 300_000.0
"""Nanoseconds below which a program may do better with one thread, where other processors are busy."""
SIGNALS = 2
"""How many times a long program begins anew at most: the first Ctrl-C asks training to end, and the second ends it."""
_LINE = 64


class Entry(NamedTuple):
    """What a caller in machine code needs to run a program once.

    Attributes
    ----------
    address : int
        Of ``void program(ptr table, i64 thread, i64 threads)``.
    table : int
        Address of the table of pointers.
    fault : int
        Address of an int64, not 0 after a run that failed.
    failed : callable
        Raises what the fault stands for, and clears it.
    releases : bool
        Whether the run is long enough to give up the interpreter lock.
    choice : int
        Address of the words of a `lamina.compiler.runtime.thread_choice.Choice`; 0 for a program of one thread.
    """

    address: int
    table: int
    fault: int
    failed: Callable[[], None]
    releases: bool
    choice: int


class NativeProgram:
    """Machine code, the table of pointers it is given, and the memory of its values.

    Runs of one program follow one another; `lock` sees to it.

    Parameters
    ----------
    code : Loaded
    layout : mapping
        `lamina.compiler.lowering.Layout` as a dict.
    inputs, outputs : int
        How many there are.
    fallback : Fallback or None
        What Python computes for it.
    errors : sequence of Exception
        What the program's checks raise, in their order.
    lines : mapping of str to list of Line
        Where the operations stand that may be given an index out of range, by what is said then.

    Attributes
    ----------
    table : ctypes array of pointers
        See `lamina.compiler.codegen.program_table.Slot`; inputs and outputs are for the caller to fill in.
    lock : RLock
        Handlers of signals that are called while a call is prepared may call this program.
    busy : bool
        Whether the thread that has the lock has put pointers into the table, or runs the program, and does not expect
        others there.
    nanoseconds : float
        How long a run should take one thread, roughly.
    """

    def __init__(
        self,
        code: Loaded,
        layout: dict[str, Any],
        inputs: int,
        outputs: int,
        fallback: Fallback | None = None,
        errors: Sequence[Exception] = (),
        lines: Mapping[str, Sequence[Line]] = NO_PARAMS,
    ) -> None:
        self.code = code
        self.layout = layout
        self.lock = fork_safe(RLock())
        self.busy = False
        self._spare: NativeProgram | None = None
        self.inputs, self.outputs = inputs, outputs
        self._address = code.address("program")
        self._fallback = fallback
        self._errors, self._lines = errors, lines
        self._block = RuntimeBlock()
        self.table = (ctypes.c_void_p * (Slot.FIRST + inputs + outputs))()
        self._table = ctypes.addressof(self.table)
        self._most_threads, self._faults = layout["threads"], layout["faults"]
        self._interruptible: bool = layout["interruptible"]
        self.nanoseconds: float = layout["nanoseconds"]
        self._alone = entry_point(self._address, self.nanoseconds > RELEASED)
        self._thread_choice = ThreadChoice(self._most_threads, self.nanoseconds < SHORT)
        self._arena = _memory(layout["arena"])
        self.table[Slot.RUNTIME] = self._block.pointer
        self.table[Slot.ARENA] = _start(self._arena)
        self.table[Slot.REPEAT] = 1
        self._reserve(1)
        if fallback is not None:
            self.table[Slot.CALLBACK] = ctypes.cast(fallback.callback, ctypes.c_void_p).value

    def __call__(
        self, inputs: Sequence[npt.NDArray[Any]], outputs: Sequence[npt.NDArray[Any]], repeat: int, attempt: int = 0
    ) -> bool:
        """Run on arrays, and return whether that is done; see `run`.

        Parameters
        ----------
        inputs : sequence of array
            In the order of the graph's inputs, C-contiguous; updates are written into them.
        outputs : sequence of array
            C-contiguous, with an axis of length ``repeat`` before the others if that is not 1.
        repeat : int
            How many times to run, each on what the one before left in the inputs.
        """
        with self.lock:
            if self.busy:
                return self._with_other_memory()(inputs, outputs, repeat, attempt)
            try:
                self.busy = True
                for place, array in enumerate([*inputs, *outputs], Slot.FIRST):
                    self.table[place] = array.ctypes.data
                return self.run(repeat, attempt)
            finally:
                self.busy = False

    def _with_other_memory(self) -> NativeProgram:
        """Return the same program for a call in the middle of a call, as a handler of a signal makes."""
        if self._spare is None:
            memory = self.inputs, self.outputs, self._fallback, self._errors, self._lines
            self._spare = NativeProgram(self.code, self.layout, *memory)
        return self._spare

    def run(self, repeat: int = 1, attempt: int = 0) -> bool:
        """Run on what the table points to; the caller holds the lock.

        Returns
        -------
        bool
            False where handlers of signals were called instead, and nothing has been updated. The caller fills the
            table again, since handlers may assign variables or call this program, and tries once more; after a few
            attempts no signal ends it.

        Raises
        ------
        SubscriptError
            An index was out of range; nothing has been updated by the run that met it.
        LaminaError
            What a fallback raised.
        """
        if repeat != 1:
            self.table[Slot.REPEAT] = repeat
        try:
            ends_early = repeat == 1 and attempt < SIGNALS
            if self._fallback is not None:
                return self._fallback.run(lambda: self._once_or_more(repeat), self._over, ends_early)
            if self._interruptible and ends_early:
                return not run_interruptibly(lambda: self._once_or_more(1), self._block, self._over)
            self._once_or_more(repeat)
            return True
        finally:
            self.table[Slot.REPEAT] = 1

    @property
    def entry(self) -> Entry | None:
        """How machine code runs it; None for a program that calls Python, or that a signal may end."""
        if self._fallback is not None or self._interruptible:
            return None
        fault, releases = self._block.pointer + FAULT, self.nanoseconds > RELEASED
        choice = ctypes.addressof(self._thread_choice.words) if self._most_threads > 1 else 0
        return Entry(self._address, self._table, fault, self._raise, releases, choice)

    def _once_or_more(self, repeat: int) -> None:
        if self._most_threads == 1:
            alone = self._alone if repeat == 1 else entry_point(self._address, repeat * self.nanoseconds > RELEASED)
            alone(self._table, 0, 1)
        else:
            self._in_threads(min(self._most_threads, get_num_threads()), repeat)
        if self._faults and self._block.fault:
            self._raise()

    def _over(self) -> None:
        """Note that handlers of signals may use the table from now on."""
        self.busy = False

    def use_all_threads(self) -> None:
        """Never choose one thread because others are slow at the moment: for measuring."""
        self._thread_choice.always()

    def _in_threads(self, threads: int, repeat: int) -> None:
        if threads > self._threads:
            self._reserve(threads)
        release = repeat * self.nanoseconds > RELEASED
        if threads == 1:
            run(self._address, self._table, 1, release)
            return
        run(self._address, self._table, self._thread_choice.begin(threads), release)
        self._thread_choice.end(repeat)

    def _reserve(self, threads: int) -> None:
        """Make the memory that each thread has for itself."""
        self._scratch = _memory(self.layout["scratch"] * threads)
        self.table[Slot.SCRATCH] = _start(self._scratch)
        self._threads = self._thread_choice.words[Choice.RESERVED] = threads

    def _raise(self) -> None:
        code = self._block.fault
        self._block.clear_fault()
        if code <= FAULT_INDEX:
            wrong = self.layout["index_faults"][FAULT_INDEX - code]
            lines = dict.fromkeys(self._lines.get(wrong, ()))
            raise SubscriptError(f"{wrong}; nothing was updated{''.join(map(str, lines))}")
        if code == FAULT_OPERAND:
            raise DataError(
                "pow: a negative power of an integer is no integer; cast the base to a floating-point type with astype"
            )
        if code >= FAULT_CHECK:
            error = self._errors[code - FAULT_CHECK]
            raise type(error)(*error.args)
        if code == FAULT_CALLBACK and self._fallback is not None:
            self._fallback.raise_pending()
        raise BackendError(f"a compiled function failed with code {code}")


def _memory(size: int) -> npt.NDArray[np.uint8]:
    return np.empty(size + _LINE, np.uint8)


def _start(memory: npt.NDArray[np.uint8]) -> int:
    """Return the first address on a cache line of its own."""
    return -(-memory.ctypes.data // _LINE) * _LINE
