"""Operations that a compiled program leaves to the eager backend: it calls back into Python.

The program makes the call in one thread, between barriers, by the code of `lamina.compiler.codegen.fallback`. An
exception stops the program before it writes a variable, and is raised by whoever called it. A signal such as Ctrl-C
stops it in the same way, but is handled outside: an exception that a handler raises before Python has come as far as
to catch it is printed and lost, and the program would go on with results that nobody computed.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.backends.registry import get_backend
from lamina.compiler.codegen.faults import FAULT_CALLBACK
from lamina.compiler.runtime.signals import uninterrupted
from lamina.forking import fork_safe
from lamina.primitives.table import TABLE
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.compiler.graph import ir
    from lamina.primitives.primitive import Spec

_Pointers = ctypes.POINTER(ctypes.c_void_p)
_Callback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, _Pointers, _Pointers)


class _Stopped(BaseException):
    """A signal is to be handled."""


class Fallback:
    """What a program may ask of the eager backend.

    Parameters
    ----------
    values : sequence of graph values
        The operations; the program names one by its place here.

    Attributes
    ----------
    callback : ctypes function ``int64(int64 number, void** operands, void** results)``
        Computes an operation on C-contiguous arrays; returns 0, or ``FAULT_CALLBACK`` when an exception was kept.
        Any thread may call it. It lives as long as this object.
    """

    def __init__(self, values: Sequence[ir.Value]) -> None:
        self._values = tuple(values)
        self._lock = fork_safe(Lock())
        self._pending: BaseException | None = None
        self._stopped = False
        self.callback = _Callback(self._run)

    def run(self, work: Callable[[], None], over: Callable[[], None], ends_early: bool) -> bool:
        """Run the program with handlers of signals called behind it.

        Parameters
        ----------
        work : callable
            Runs the program, and raises what stopped it.
        over : callable
            Is told that the program has ended, before handlers are called.
        ends_early : bool
            Whether a signal stops it at the next operation.

        Returns
        -------
        bool
            Whether the program has run to its end; not where handlers were called instead, which raised nothing.
        """
        with uninterrupted(self._stop if ends_early else lambda: None):
            try:
                work()
            except _Stopped:
                return False
            finally:
                self._stopped = False
                over()
        return True

    def _stop(self) -> None:
        self._stopped = True

    def raise_pending(self) -> None:
        """Raise the exception that stopped the program, if one did."""
        with self._lock:
            error, self._pending = self._pending, None
        if error is not None:
            raise error

    def _run(self, number: int, operands: Any, results: Any) -> int:
        # Everything is kept: an exception that leaves here is printed and lost.
        try:
            if self._stopped:
                raise _Stopped
            self._compute(self._values[number], operands, results)
        except BaseException as error:
            with self._lock:
                self._pending = self._pending or error
            return FAULT_CALLBACK
        return 0

    def _compute(self, value: ir.Value, operands: Any, results: Any) -> None:
        backend = get_backend("cpu")
        given = [Tensor(_array(operands[at], operand.spec), backend) for at, operand in enumerate(value.operands)]
        # The primitive rather than the backend's method: it explains failures as eager code does.
        found = TABLE[value.op](*given, **value.params)._data
        several = isinstance(value.spec, tuple)
        specs, arrays = (value.spec, found) if several else ((value.spec,), (found,))
        for at, (spec, array) in enumerate(zip(specs, arrays, strict=True)):
            np.copyto(_array(results[at], spec), array, casting="no")


def _array(address: int | None, spec: Spec) -> npt.NDArray[Any]:
    """Return memory as an array."""
    dtype = numpy_dtype(spec.dtype)
    size = math.prod(spec.shape)
    if not size or address is None:
        return np.empty(spec.shape, dtype)
    memory: Any = (ctypes.c_char * (size * dtype.itemsize)).from_address(address)
    return np.ndarray(spec.shape, dtype, memory)
