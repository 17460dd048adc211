"""Handlers of signals wait while LLVM is used, or a program that may end early runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any


@contextmanager
def uninterrupted(noticed: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Call handlers of signals in Python, such as that of Ctrl-C, after the block and not inside.

    ``noticed()`` is called at once.

    llvmlite gives memory back in two steps of Python, and an exception between the two gives it back again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # which runs no handlers
        return
    handlers: dict[int, Any] = {number: signal.getsignal(number) for number in signal.valid_signals()}
    held: list[tuple[Any, int, FrameType | None]] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append((handlers[number], number, frame))
        noticed()

    ours = [number for number, handler in handlers.items() if callable(handler)]
    try:
        for number in ours:
            signal.signal(number, hold)
        yield
    finally:
        for number in ours:
            signal.signal(number, handlers[number])
        with ExitStack() as all_of_them:  # whatever one of them raises
            for handler, *given in reversed(held):
                all_of_them.callback(handler, *given)
