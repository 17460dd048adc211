"""Putting object code into memory, ready to be called."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any
from weakref import ref

from lamina.compiler.runtime.elf import Placed
from lamina.compiler.runtime.llvm_library import llvm
from lamina.compiler.runtime.signals import uninterrupted
from lamina.errors import BackendError


class Loaded:
    """Machine code in memory, for as long as this object lives.

    Whoever calls an address keeps the `Loaded` that it came from: the code is unmapped some time after it.

    Parameters
    ----------
    objects : sequence of bytes
        Object files of this machine; functions of one may call those of another.
    """

    def __init__(self, objects: Sequence[bytes]) -> None:
        self._addresses: dict[str, int] = {}
        self._engine = None
        self._lifelines: list[Any] = []
        placed = Placed.of(objects)
        if placed is None:
            self._link(objects)
        else:
            self._lifelines.append(placed)
            self._addresses.update(placed.addresses)

    def _link(self, objects: Sequence[bytes]) -> None:
        _let_go()
        _lifelines.append((ref(self), self._lifelines))
        self._engine = _engine()
        self._library = f"lamina.{next(_numbers)}"
        builder = llvm().JITLibraryBuilder()
        for each in objects:
            builder.add_object_img(each)
        try:
            self._lifelines.append(builder.link(self._engine, self._library))
        except RuntimeError as error:
            raise BackendError(f"this object code cannot be loaded: {error}") from None

    def address(self, symbol: str) -> int:
        """Return where a function begins.

        Raises
        ------
        BackendError
            There is no such function, or the code refers to something that does not exist.
        """
        if symbol not in self._addresses:
            self._find(symbol)
        return self._addresses[symbol]

    @uninterrupted()
    def _find(self, symbol: str) -> None:
        if self._engine is None:
            raise BackendError(f"no function {symbol!r} in this object code")
        try:
            found = self._engine.lookup(self._library, symbol)
        except RuntimeError as error:
            raise BackendError(f"no function {symbol!r} in this object code: {error}") from None
        self._lifelines.append(found)
        self._addresses[symbol] = found[symbol]


def _let_go() -> None:
    """Unmap the code whose `Loaded` is gone: not when that happens, for then Ctrl-C may come in between."""
    _lifelines[:] = [each for each in _lifelines if each[0]() is not None]


_lifelines: list[tuple[ref[Loaded], list[Any]]] = []


@uninterrupted()
def load(*objects: bytes) -> Loaded:
    """Put object code of this machine into memory, ready to be called; files of one program together."""
    return Loaded(objects)


_numbers = count()
_engines: list[Any] = []  # at most one a process, but for a race that does no harm; never given back


def _engine() -> Any:
    if not _engines:
        # JITLink lays a module out in one block, so that code and constants stay within reach of one another.
        _engines.append(llvm().create_lljit_compiler(use_jit_link=True, suppress_errors=True))
    return _engines[0]
