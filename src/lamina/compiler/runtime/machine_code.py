"""Machine code: from LLVM IR text to object code.

Object code is position independent and stands alone: of the outside it may use only C's ``memcpy``, ``memmove`` and
``memset``, so it can be kept on disk and loaded by another process. The modules of a program are assembled in several
threads at once, the first while the next is written. What is made does not depend on how many threads there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from lamina.compiler.runtime.compilation import Compilation
from lamina.compiler.runtime.elf import ObjectFile, foreign
from lamina.compiler.runtime.signals import uninterrupted
from lamina.errors import BackendError

if TYPE_CHECKING:
    from lamina.compiler.target import Target


class Assembler:
    """Makes object code of modules that are added inside a ``with`` block; it is there when the block is left.

    Parameters
    ----------
    target : Target
    threads : int, default 1
        How many make it; one of them is that which adds the modules, when it has added the last.

    Attributes
    ----------
    objects : list of bytes
        An object file as the target's system has them for each module.
    """

    def __init__(self, target: Target, threads: int = 1) -> None:
        self.objects: list[bytes] = []
        self._target, self._threads = target, threads
        self._modules: list[Compilation] = []
        self._waiting: SimpleQueue[Compilation | None] = SimpleQueue()
        self._helpers: list[Thread] = []

    @uninterrupted()
    def add(self, ir: str) -> None:
        """Take a module.

        Raises
        ------
        BackendError
            The text is not a module for the target.
        """
        module = Compilation(ir, self._target)
        self._modules.append(module)
        self._waiting.put(module)
        # The only module of a small program is not worth a thread.
        if len(self._helpers) + 1 < min(self._threads, len(self._modules)):
            with suppress(RuntimeError):  # no more threads may be started
                helper = Thread(target=self._help, name="lamina assembler", daemon=True)
                helper.start()
                self._helpers.append(helper)

    def _help(self) -> None:
        while (module := self._waiting.get()) is not None:
            module.assemble()

    def __enter__(self) -> Assembler:
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        """Finish, or give up what has not been begun.

        Raises
        ------
        BackendError
            The modules need a function of a library on this target.
        """
        try:
            if failure is None:
                self._finish()
        finally:
            self._close()

    def _finish(self) -> None:
        # The longest first, so that all threads have done at the same time.
        for each in sorted(self._taken_back(), key=lambda module: module.length, reverse=True):
            self._waiting.put(each)
        with suppress(Empty):
            while True:
                # Handlers of signals are called between two modules, and may end this here.
                with uninterrupted():
                    module = self._waiting.get_nowait()
                    assert module is not None
                    module.assemble()
        self._dismiss()
        with uninterrupted():
            self.objects = [each.object_code() for each in self._modules]
        _refuse_what_others_lack(self.objects, self._target)

    def _taken_back(self) -> list[Compilation]:
        """Return the modules that no thread has begun with."""
        found: list[Compilation] = []
        with suppress(Empty):
            while (module := self._waiting.get_nowait()) is not None:
                found.append(module)
        return found

    @uninterrupted()
    def _dismiss(self) -> None:
        """Let the helpers end when they have done what they are at."""
        self._taken_back()
        for _ in self._helpers:
            self._waiting.put(None)
        for helper in self._helpers:
            helper.join()
        self._helpers.clear()

    @uninterrupted()
    def _close(self) -> None:
        self._dismiss()
        for module in self._modules:
            module.close()
        self._modules.clear()


def assemble(ir: str, target: Target) -> bytes:
    """Return the object code of a module.

    Parameters
    ----------
    ir : str
        LLVM IR; a triple that it names is replaced.
    target : Target

    Returns
    -------
    bytes
        An object file as the target's system has them.

    Raises
    ------
    BackendError
        The text is not a module, or it needs a function of a library on this target.
    """
    with Assembler(target) as assembler:
        assembler.add(ir)
    (object_code,) = assembler.objects
    return object_code


@uninterrupted()
def assembly(ir: str, target: Target) -> str:
    """Return the assembler text of a module, after the same passes."""
    with Compilation(ir, target) as compilation:
        compilation.optimise()
        return compilation.assembly()


@uninterrupted()
def optimised_ir(ir: str, target: Target) -> str:
    """Return the text of a module as code generation sees it."""
    with Compilation(ir, target) as compilation:
        compilation.optimise()
        return compilation.ir()


def _refuse_what_others_lack(objects: Sequence[bytes], target: Target) -> None:
    """Refuse object code that not every machine can load; only of Linux's files is it known here."""
    files = [ObjectFile.of(each) for each in objects]
    if missing := foreign([each for each in files if each is not None]) - _ALLOWED:
        raise BackendError(
            f"this module needs {', '.join(sorted(missing))}, which not every machine has: "
            f"LLVM has no instruction of {target.cpu!r} for something that it does"
        )


_ALLOWED = {"memcpy", "memmove", "memset", "_GLOBAL_OFFSET_TABLE_"}
