"""Runs of long programs that end early when a handler of a signal, such as that of Ctrl-C, raises an exception."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lamina.compiler.runtime.runtime_block import RuntimeBlock
from lamina.compiler.runtime.signals import uninterrupted

_SECONDS = 0.1
"""How long to wait at a time, where the system does not wake a thread that waits when a signal comes."""


def run_interruptibly(work: Callable[[], None], block: RuntimeBlock) -> None:
    """Run a program, in a thread of its own, while this one has signals handled.

    Python calls handlers of signals in the main thread and nowhere else. If one raises, the program is asked to end,
    and the exception goes on when it has. By then either nothing has been updated or everything.

    Parameters
    ----------
    work : callable
        Runs the program.
    block : RuntimeBlock
        Of the program.
    """
    if threading.current_thread() is not threading.main_thread():
        work()
        return
    run = _Run(work)
    try:
        with uninterrupted():
            started = run.start()
        if started:
            run.wait()
    except BaseException:
        block.interrupt()
        run.wait_until_done()
        block.clear_fault()
        block.clear_interrupt()
        raise
    if not started:
        work()
    elif run.error is not None:
        raise run.error


class _Run:
    """Work in a thread of its own, and the exception that it ended with, if any."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._work = work
        self._done = threading.Event()

    def start(self) -> bool:
        """Begin, or return False: the system has no more threads."""
        try:
            threading.Thread(target=self._run, name="lamina-run", daemon=True).start()
        except RuntimeError:
            self._done.set()
            return False
        return True

    def wait(self) -> None:
        """Wait until the work is done; what handlers of signals raise passes through."""
        while not self._done.wait(_SECONDS):
            pass

    def wait_until_done(self) -> None:
        """Wait until the work is done, whatever handlers of signals raise: it still uses the program's memory."""
        while not self._done.is_set():
            try:
                self.wait()
            except BaseException:  # the first is the one that goes on
                continue

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # raised again where it was asked for
            self.error = error
        finally:
            self._done.set()
