"""Handlers of signals wait while LLVM is used."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2")
_SIGNALS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


@contextmanager
def uninterrupted(noticed: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Call handlers of signals in Python, such as that of Ctrl-C, after the block and not inside.

    ``noticed()`` is called at once.

    llvmlite gives memory back in two steps of Python, and an exception between the two gives it back again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # which runs no handlers
        return
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    held: list[tuple[Any, int, FrameType | None]] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append((handlers[signal.Signals(number)], number, frame))
        noticed()

    ours = [number for number, handler in handlers.items() if callable(handler)]
    try:
        for number in ours:
            signal.signal(number, hold)
        yield
    finally:
        for number in ours:
            signal.signal(number, handlers[number])
        for handler, *given in held:
            handler(*given)
