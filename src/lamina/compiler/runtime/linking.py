"""LLVM's own linker, for object code that `lamina.compiler.runtime.elf` does not put into memory."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import Structure, byref, c_char_p, c_size_t, c_uint8, c_uint64
from itertools import count

from lamina.compiler.runtime.llvm_library import llvm_with_text
from lamina.compiler.runtime.once import once
from lamina.errors import BackendError


class _Element(Structure):
    """What is linked."""

    _fields_ = (("kind", c_uint8), ("content", c_char_p), ("length", c_size_t))


_OBJECT_CODE = 2


class Linked:
    """Object files in memory, until `close`; the process has one linker, which is never given back."""

    def __init__(self, objects: Sequence[bytes]) -> None:
        elements = (_Element * len(objects))(*(_Element(_OBJECT_CODE, each, len(each)) for each in objects))
        self._name = f"lamina.{next(_numbers)}".encode()
        linked, mistake = llvm_with_text(
            "LLJIT_Link", _linker(), self._name, byref(elements), len(objects), None, 0, None, 0
        )
        if not linked:
            raise BackendError(f"this object code cannot be loaded: {mistake}")
        self._trackers = [linked]

    def address(self, symbol: str) -> int:
        """Return where a function begins."""
        address = c_uint64()
        tracker, mistake = llvm_with_text("LLJITLookup", _linker(), self._name, symbol.encode(), byref(address))
        if not tracker:
            raise BackendError(f"no function {symbol!r} in this object code: {mistake}")
        self._trackers.append(tracker)
        return address.value

    def close(self) -> None:
        """Unmap the code."""
        while self._trackers:
            llvm_with_text("LLJIT_Dylib_Tracker_Dispose", self._trackers.pop())


@once
def _linker() -> int:
    # JITLink lays a module out in one block, so that code and constants stay within reach of one another.
    quiet = jit_link = True
    made, mistake = llvm_with_text("CreateLLJITCompiler", None, quiet, jit_link)
    if not made:
        raise BackendError(f"LLVM's linker cannot be used here: {mistake}")
    return int(made)


_numbers = count()
