"""The way of one module through LLVM: its text is parsed and verified, optimised, and becomes code."""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING

from lamina.compiler.runtime.llvm_library import llvm, llvm_with_text
from lamina.errors import BackendError

if TYPE_CHECKING:
    from lamina.compiler.target import Target

# Measured on tiles of matrix products, polynomials and elementwise loops: code as fast as that of LLVM's -O3, in a
# fifth of its time. Everything is vectorised and unrolled already, code generation hoists out of loops itself, and it
# combines instructions: doing that here as well takes a tenth of the time again, and the code is 1 % shorter at best.
_PASSES = ("AlwaysInliner", "SROA", "SCCP", "SimplifyCFG", "GlobalDCE")
_CODE_GENERATION_LEVEL = 2


class Compilation:
    """A module in a context of its own; its memory is given back when it is closed.

    Parameters
    ----------
    ir : str
        LLVM IR; a triple that it names is replaced.
    target : Target

    Attributes
    ----------
    length : int
        Of the text, by which LLVM's time can be told roughly.

    Raises
    ------
    BackendError
        The text is not a module for this target.
    """

    def __init__(self, ir: str, target: Target) -> None:
        _refuse_what_ends_the_process(ir, target)
        self.length = len(ir)
        self._owned: list[tuple[str, int]] = []
        self._buffer, self._error = None, ""
        try:
            self._machine = self._own(_machine(target), "DisposeTargetMachine")
            self._module = self._parsed(ir, target)
            self._passes = self._own(llvm("CreateNewModulePassManager"), "DisposeNewModulePassManger")
            options = self._own(llvm("CreatePipelineTuningOptions"), "DisposePipelineTuningOptions")
            self._builder = self._own(llvm("CreatePassBuilder", self._machine, options), "DisposePassBuilder")
        except BackendError:
            self.close()
            raise
        for name in _PASSES:
            llvm(f"module_Add{name}Pass", self._passes)

    def _parsed(self, ir: str, target: Target) -> int:
        context = self._own(llvm("ContextCreate"), "ContextDispose")
        module, mistake = llvm_with_text("ParseAssembly", context, ir.encode())
        if module:
            self._own(module, "DisposeModule")
            llvm("SetTarget", module, target.triple.encode())
            llvm("SetDataLayout", module, _data_layout(self._machine).encode())
            wrong, mistake = llvm_with_text("VerifyModule", module)
            if not wrong:
                return int(module)
        raise BackendError(f"LLVM does not accept this module for {target.triple}: {mistake}")

    def _own(self, handle: int, dispose: str) -> int:
        self._owned.append((dispose, handle))
        return handle

    def optimise(self) -> None:
        """Run LLVM's passes; other threads may do the same with other modules meanwhile, here and in `assemble`."""
        llvm("RunNewModulePassManager", self._passes, self._module, self._builder)

    def assemble(self) -> None:
        """Optimise the module and make object code of it."""
        self.optimise()
        self._emit(_OBJECT_CODE)

    def object_code(self) -> bytes:
        """Return the object code that has been made."""
        return self._emitted()

    def assembly(self) -> str:
        """Return the assembler text of the module."""
        self._emit(_ASSEMBLY)
        return self._emitted().decode()

    def ir(self) -> str:
        """Return the text of the module as it is now."""
        return llvm_with_text("PrintModuleToString", self._module)[1]

    def _emit(self, form: int) -> None:
        self._buffer, self._error = llvm_with_text("TargetMachineEmitToMemory", self._machine, self._module, form)
        if self._buffer:
            self._own(self._buffer, "DisposeMemoryBuffer")

    def _emitted(self) -> bytes:
        if not self._buffer:
            raise BackendError(f"LLVM cannot make code from this module: {self._error}")
        return ctypes.string_at(llvm("GetBufferStart", self._buffer), llvm("GetBufferSize", self._buffer))

    def close(self) -> None:
        """Give memory back, of what was made last first."""
        while self._owned:
            llvm(*self._owned.pop())

    def __enter__(self) -> Compilation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_OBJECT_CODE, _ASSEMBLY = 1, 0


def _refuse_what_ends_the_process(ir: str, target: Target) -> None:
    """LLVM does not return from a mistake in inline assembly, nor from an instruction that a processor lacks."""
    if "asm" in ir and re.search(r"\basm\b[^\n]*\"", ir):
        raise BackendError("inline assembly in LLVM IR is not supported: write intrinsics instead")
    if "@llvm.x86." not in ir and "@llvm.aarch64." not in ir:
        return
    for family, group in set(re.findall(r"@llvm\.(x86|aarch64)\.([a-z0-9]+)", ir)):
        needed = _NEEDED.get(group, group)
        if (family == "x86") != target.is_x86 or (needed in _EXTENSIONS and needed not in target.known):
            raise BackendError(f"{target.cpu!r} ({target.triple}) does not have the intrinsics llvm.{family}.{group}")


_NEEDED = {
    "avx512": "avx512f",
    **dict.fromkeys(("ldtilecfg", "tilerelease", "tilezero", "tileloadd64", "tilestored64"), "amx-tile"),
    "tdpbf16ps": "amx-bf16",
}
"""What intrinsics need that are not named after it."""
_EXTENSIONS = {
    *("sse3", "ssse3", "sse41", "sse42", "avx", "avx2", "avx512f", "avx512bf16", "amx-tile", "amx-bf16"),
    *("fma", "f16c", "bmi"),
}


def _machine(target: Target) -> int:
    triple = target.triple.encode()
    found, _ = llvm_with_text("GetTargetFromTriple", triple)
    if not found:
        for name in ("TargetInfos", "Targets", "TargetMCs", "AsmPrinters"):
            llvm(f"InitializeAll{name}")
        found, mistake = llvm_with_text("GetTargetFromTriple", triple)
        if not found:
            raise BackendError(f"LLVM knows no machine {target.triple!r}: {mistake}")
    # Every x86_64 has this; a name of an older processor would end the process without it.
    features = f"{target.features},+64bit".lstrip(",") if target.triple.startswith("x86_64") else target.features
    kind = triple, target.cpu.encode(), features.encode(), _CODE_GENERATION_LEVEL, b"pic", b"small"
    machine = llvm("CreateTargetMachine", found, *kind, False, False, b"")
    if not machine:
        raise BackendError(f"LLVM makes no code for {target.cpu!r} ({target.triple})")
    return int(machine)


def _data_layout(machine: int) -> str:
    data = llvm("CreateTargetMachineData", machine)
    try:
        return llvm_with_text("CopyStringRepOfTargetData", data)[1]
    finally:
        llvm("DisposeTargetData", data)
