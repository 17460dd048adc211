"""LLVM, as llvmlite has it: loaded at the first use, and used by several threads at once.

Each function of llvmlite waits for all others, though LLVM needs that only where threads share a context. The two that
take long are called here without waiting.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Condition, get_ident
from typing import Any

from lamina.compiler.runtime.once import once
from lamina.errors import BackendError
from lamina.forking import forks_wait, forks_wait_for


@once
def llvm() -> Any:
    """Return LLVM, which is loaded now if it was not before."""
    with forks_wait():
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        # A fork while another thread is inside LLVM would leave its locks held forever in the child.
        forks_wait_for(llvm.ffi.lib._lock)
        forks_wait_for(_inside)
    return llvm


@cache
def llvm_identity() -> str:
    """Return a text that another version of LLVM does not have, without loading LLVM."""
    found = importlib.util.find_spec("llvmlite")
    if found is None or found.origin is None:
        raise BackendError("la.compile needs llvmlite: pip install llvmlite")
    folder = os.path.dirname(found.origin)
    with open(os.path.join(folder, "_version.py"), encoding="utf-8") as file:
        version = file.read()
    with os.scandir(os.path.join(folder, "binding")) as files:
        libraries = sorted((each.name, each.stat().st_size) for each in files if "llvmlite" in each.name)
    return f"{version} {libraries}"


def beside_others(name: str, *arguments: Any) -> Any:
    """Call a function of llvmlite's library while other threads call it on modules of other contexts.

    An llvmlite that keeps its functions in another way has them wait for one another, as is its habit.
    """
    function = getattr(_library(), name)
    with _inside.entered():
        return getattr(function, "_cfn", function)(*arguments)


def _library() -> Any:
    return llvm().ffi.lib


class _Inside:
    """The threads that are inside LLVM without its lock. A fork waits until there are none, and all others for it."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._threads: set[int] = set()
        self._closed = False

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Count this thread during the block."""
        thread = get_ident()
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._threads.add(thread)
        try:
            yield
        finally:
            with self._changed:
                self._threads.discard(thread)
                self._changed.notify_all()

    def __enter__(self) -> None:
        """Wait until no other thread is inside, and let none in."""
        self._changed.acquire()
        self._closed = True
        self._changed.wait_for(lambda: self._threads <= {get_ident()})

    def __exit__(self, *_: object) -> None:
        """Let threads in again."""
        self._closed = False
        self._changed.notify_all()
        self._changed.release()


_inside = _Inside()
