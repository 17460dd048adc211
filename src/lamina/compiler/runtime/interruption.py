"""Runs of long programs that end early for a signal such as that of Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lamina.compiler.runtime.runtime_block import RuntimeBlock
from lamina.compiler.runtime.signals import uninterrupted

_SECONDS = 0.1
"""How long to wait at a time, where the system does not wake a thread that waits when a signal comes."""


def run_interruptibly(work: Callable[[], None], block: RuntimeBlock, over: Callable[[], None]) -> bool:
    """Run a program, in a thread of its own, while this one notices signals.

    Python calls handlers of signals in the main thread and nowhere else. At a signal the program is asked to end, and
    its handler is called when it has: a handler may read variables, or call this very program. By then either nothing
    has been updated or everything.

    Parameters
    ----------
    work : callable
        Runs the program.
    block : RuntimeBlock
        Of the program.
    over : callable
        Is told that the program has ended, before handlers are called.

    Returns
    -------
    bool
        Whether the program left work out, and has updated nothing, for handlers that raised nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        work()
        return False
    run = _Run(work, block)
    with uninterrupted(run.interrupt):
        run.until_done()
        over()
    if run.error is not None and not run.short:
        raise run.error
    return run.short


class _Run:
    """Work in a thread of its own.

    Attributes
    ----------
    error : BaseException or None
        What it ended with.
    short : bool
        Whether it left something out.
    """

    def __init__(self, work: Callable[[], None], block: RuntimeBlock) -> None:
        self.error: BaseException | None = None
        self.short = False
        self._work, self._block = work, block
        self._done = threading.Event()
        self._over = False

    def interrupt(self) -> None:
        """Ask the program to end, unless it has."""
        if not self._over:
            self._block.interrupt()

    def until_done(self) -> None:
        """Begin, and wait until the work is done, whatever happens: it uses the program's memory."""
        try:
            threading.Thread(target=self._run, name="lamina-run", daemon=True).start()
        except (RuntimeError, MemoryError):  # the system has no more threads
            self._run()
        while not self._done.is_set():
            self._done.wait(_SECONDS)
        self._over = True
        self.short = self._block.clear_interrupt()
        if self.short:
            self._block.clear_fault()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # raised again where it was asked for
            self.error = error
        finally:
            self._done.set()
