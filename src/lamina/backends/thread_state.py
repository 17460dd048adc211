"""What each thread keeps for itself: whether operations are recorded, NumPy's silence, and what is being traced.

Overflow, division by zero and invalid operations give infinities and NaN, as IEEE 754 says; they are values
here, not warnings. NumPy's own way to say so, ``errstate``, costs more than a small addition, so each thread
holds a context in which it has been said once and runs the array operations inside it.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

import numpy as np


class ThreadState(threading.local):
    """One instance, `STATE`; every thread sees its own attributes.

    Attributes
    ----------
    recording : bool
        Whether operations on tracked tensors are recorded.
    run : callable
        ``run(function, *args, **kwargs)`` calls the operation of a backend, with floating-point warnings off. While
        a function is traced it raises `Deferred` for every backend but the tracer's.
    silent : callable
        The same for any function, traced or not.
    tracer : Tracer or None
        What notes the operations of the function that is being traced.
    batching : BatchingBackend or None
        That of the mapped function that is running, see `lamina.vmap`; the innermost one.
    standing_for : dict or None
        What variables stand for while a model is called with other parameters.
    journal : dict or None
        What variables held before they were first assigned, while somebody keeps note of it.
    matmul_precision : str or None
        How precisely float32 products are computed inside a ``with`` block; None where the process says it.
    watch : Watch or None
        What is told of the operations while they are profiled or drawn. ``run`` raises `Deferred` then, so that
        operations that nobody watches pay nothing.
    """

    def __init__(self) -> None:
        self.recording = True
        context = contextvars.copy_context()
        context.run(np.seterr, all="ignore")
        self.run = self.silent = context.run
        self.tracer: Any = None
        self.batching: Any = None
        self.standing_for: dict[Any, Any] | None = None
        self.journal: dict[Any, Any] | None = None
        self.matmul_precision: Any = None
        self.watch: Any = None


STATE = ThreadState()


class Deferred(Exception):  # noqa: N818 - a signal to the engine, not an error
    """An operation met while tracing or watching: the tracer, or the watch, decides what becomes of it."""


def is_nested(error: Exception) -> bool:
    """Tell whether ``STATE.silent`` was called by what it is running, which a context refuses."""
    return isinstance(error, RuntimeError) and str(error).startswith("cannot enter context")


def quietly(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function with floating-point warnings off; inside another such call they are off already."""
    try:
        return STATE.silent(function, *args)
    except RuntimeError as error:
        if not is_nested(error):
            raise
    return function(*args)
