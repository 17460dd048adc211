"""The way of one module through LLVM: its text is parsed and verified, optimised, and becomes code."""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING, Any

from lamina.compiler.runtime.llvm_library import beside_others, llvm
from lamina.errors import BackendError

if TYPE_CHECKING:
    from lamina.compiler.target import Target

# Measured on tiles of matrix products, polynomials and elementwise loops: code as fast as that of LLVM's -O3, in a
# fifth of its time. Everything is vectorised and unrolled already, code generation hoists out of loops itself, and it
# combines instructions: doing that here as well takes a tenth of the time again, and the code is 1 % shorter at best.
_PASSES = ("always_inliner", "sroa", "sccp", "simplify_cfg", "global_dead_code_eliminate")
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
        library = llvm()
        self.length = len(ir)
        self._machine = _machine(target)
        try:
            self.module = library.parse_assembly(ir, library.create_context())
            self.module.triple = target.triple
            self.module.data_layout = str(self._machine.target_data)
            self.module.verify()
        except RuntimeError as error:
            raise BackendError(f"LLVM does not accept this module for {target.triple}: {error}") from None
        options = library.create_pipeline_tuning_options(speed_level=1)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        self._builder = library.create_pass_builder(self._machine, options)
        self._passes = library.create_new_module_pass_manager()
        for name in _PASSES:
            getattr(self._passes, f"add_{name}_pass")()
        self._error = library.ffi.OutputString()
        self._buffer: Any = None

    def optimise(self) -> None:
        """Run LLVM's passes; other threads may do the same with other modules meanwhile, here and in `assemble`."""
        beside_others("LLVMPY_RunNewModulePassManager", self._passes, self.module, self._builder)

    def assemble(self) -> None:
        """Optimise the module and make object code of it."""
        self.optimise()
        self._buffer = beside_others("LLVMPY_TargetMachineEmitToMemory", self._machine, self.module, 1, self._error)

    def object_code(self) -> bytes:
        """Return the object code that has been made."""
        if not self._buffer:
            raise BackendError(f"LLVM cannot make code from this module: {self._error}")
        library = llvm().ffi.lib
        start, size = library.LLVMPY_GetBufferStart(self._buffer), library.LLVMPY_GetBufferSize(self._buffer)
        return ctypes.string_at(start, size)

    def assembly(self) -> str:
        """Return the assembler text of the module."""
        try:
            return str(self._machine.emit_assembly(self.module))
        except RuntimeError as error:
            raise BackendError(f"LLVM cannot make code from this module: {error}") from None

    def close(self) -> None:
        """Give memory back."""
        if self._buffer:
            llvm().ffi.lib.LLVMPY_DisposeMemoryBuffer(self._buffer)
        for each in (self._error, self._passes, self._builder, self.module, self._machine):
            each.close()

    def __enter__(self) -> Compilation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _refuse_what_ends_the_process(ir: str, target: Target) -> None:
    """LLVM does not return from a mistake in inline assembly, nor from an instruction that a processor lacks."""
    if "asm" in ir and re.search(r"\basm\b[^\n]*\"", ir):
        raise BackendError("inline assembly in LLVM IR is not supported: write intrinsics instead")
    if "@llvm.x86." not in ir and "@llvm.aarch64." not in ir:
        return
    x86 = target.triple.startswith(("x86_64", "amd64"))
    for family, group in set(re.findall(r"@llvm\.(x86|aarch64)\.([a-z0-9]+)", ir)):
        needed = _NEEDED.get(group, group)
        if (family == "x86") != x86 or (needed in _EXTENSIONS and needed not in target.known):
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


def _machine(target: Target) -> Any:
    library = llvm()
    try:
        found = library.Target.from_triple(target.triple)
    except RuntimeError:
        library.initialize_all_targets()
        library.initialize_all_asmprinters()
        try:
            found = library.Target.from_triple(target.triple)
        except RuntimeError as error:
            raise BackendError(f"LLVM knows no machine {target.triple!r}: {error}") from None
    # Every x86_64 has this; a name of an older processor would end the process without it.
    features = f"{target.features},+64bit".lstrip(",") if target.triple.startswith("x86_64") else target.features
    return found.create_target_machine(
        cpu=target.cpu, features=features, opt=_CODE_GENERATION_LEVEL, reloc="pic", codemodel="small"
    )
