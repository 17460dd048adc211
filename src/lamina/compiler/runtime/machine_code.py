"""Machine code: from LLVM IR text to object code, and from object code to addresses that can be called.

Object code is position independent and stands alone: of the outside it may use only C's ``memcpy``, ``memmove`` and
``memset``, so it can be kept on disk and loaded by another process. LLVM is imported at the first use.
"""

from __future__ import annotations

import importlib.util
import os
import re
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import ref

from lamina.compiler.runtime.elf import ObjectFile, Placed
from lamina.compiler.runtime.once import once
from lamina.compiler.runtime.signals import uninterrupted
from lamina.errors import BackendError

if TYPE_CHECKING:
    from lamina.compiler.target import Target

# Measured on tiles of matrix products, polynomials and elementwise loops: code as fast as that of LLVM's -O3, in a
# fifth of its time. Everything is vectorised and unrolled already, code generation hoists out of loops itself, and it
# combines instructions: doing that here as well takes a tenth of the time again, and the code is 1 % shorter at best.
_PASSES = ("always_inliner", "sroa", "sccp", "simplify_cfg", "global_dead_code_eliminate")
_CODE_GENERATION_LEVEL = 2


@uninterrupted()
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
    with _Compilation(ir, target) as compilation:
        object_code = compilation.emit(True)
    parts = ObjectFile.of(object_code)
    if missing := (parts.foreign() - _ALLOWED if parts else set()):
        raise BackendError(
            f"this module needs {', '.join(sorted(missing))}, which not every machine has: "
            f"LLVM has no instruction of {target.cpu!r} for something that it does"
        )
    return object_code


@uninterrupted()
def assembly(ir: str, target: Target) -> str:
    """Return the assembler text of a module, after the same passes."""
    with _Compilation(ir, target) as compilation:
        return compilation.emit(False).decode()


@uninterrupted()
def optimised_ir(ir: str, target: Target) -> str:
    """Return the text of a module as code generation sees it."""
    with _Compilation(ir, target) as compilation:
        return str(compilation.module)


_ALLOWED = {"memcpy", "memmove", "memset", "_GLOBAL_OFFSET_TABLE_"}


class _Compilation:
    """A module that has been parsed, verified and optimised; its memory is given back at the end of the block."""

    def __init__(self, ir: str, target: Target) -> None:
        _refuse_what_ends_the_process(ir, target)
        self.machine = _machine(target)
        try:
            self.module = llvm().parse_assembly(ir)
            self.module.triple = target.triple
            self.module.data_layout = str(self.machine.target_data)
            self.module.verify()
        except RuntimeError as error:
            raise BackendError(f"LLVM does not accept this module for {target.triple}: {error}") from None
        self._optimise()

    def _optimise(self) -> None:
        library = llvm()
        options = library.create_pipeline_tuning_options(speed_level=1)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        with library.create_pass_builder(self.machine, options) as builder:
            passes = library.create_new_module_pass_manager()
            for name in _PASSES:
                getattr(passes, f"add_{name}_pass")()
            passes.run(self.module, builder)

    def emit(self, object_code: bool) -> bytes:
        try:
            if object_code:
                return self.machine.emit_object(self.module)  # type: ignore[no-any-return]
            return self.machine.emit_assembly(self.module).encode()  # type: ignore[no-any-return]
        except RuntimeError as error:
            raise BackendError(f"LLVM cannot make code from this module: {error}") from None

    def __enter__(self) -> _Compilation:
        return self

    def __exit__(self, *_: object) -> None:
        self.module.close()


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


class Loaded:
    """Machine code in memory, for as long as this object lives.

    Whoever calls an address keeps the `Loaded` that it came from: the code is unmapped some time after it.
    """

    def __init__(self, object_code: bytes) -> None:
        self._addresses: dict[str, int] = {}
        self._engine = None
        self._lifelines: list[Any] = []
        placed = Placed.of(object_code)
        if placed is None:
            self._link(object_code)
        else:
            self._lifelines.append(placed)
            self._addresses.update(placed.addresses)

    def _link(self, object_code: bytes) -> None:
        _let_go()
        _lifelines.append((ref(self), self._lifelines))
        self._engine = _engine()
        self._library = f"lamina.{next(_numbers)}"
        builder = llvm().JITLibraryBuilder().add_object_img(object_code)
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
def load(object_code: bytes) -> Loaded:
    """Put object code of this machine into memory, ready to be called."""
    return Loaded(object_code)


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


_numbers = count()
_engines: list[Any] = []  # at most one a process, but for a race that does no harm; never given back


@once
def llvm() -> Any:
    """Return LLVM, which is loaded now if it was not before."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if hasattr(os, "register_at_fork"):
        # A fork while another thread is inside LLVM would leave its lock held forever in the child.
        lock = llvm.ffi.lib._lock
        os.register_at_fork(before=lock.__enter__, after_in_parent=lock.__exit__, after_in_child=lock.__exit__)
    return llvm


@cache
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


def _engine() -> Any:
    if not _engines:
        # JITLink lays a module out in one block, so that code and constants stay within reach of one another.
        _engines.append(llvm().create_lljit_compiler(use_jit_link=True, suppress_errors=True))
    return _engines[0]
