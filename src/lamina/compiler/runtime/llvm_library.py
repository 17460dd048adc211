"""LLVM, in the library that llvmlite brings: loaded when first used, and used by several threads at once.

Its functions are called directly. llvmlite's package in Python takes twice as long to import as the library to load,
and has all calls wait for one another, though LLVM needs that only where threads share a context: here each module has
its own.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import CDLL, POINTER, byref, c_bool, c_char_p, c_int, c_size_t, c_uint64, c_void_p
from functools import cache
from threading import Condition, Thread, get_ident
from typing import Any

from lamina.compiler.runtime.once import once
from lamina.errors import BackendError
from lamina.forking import forks_wait_for

_TEXT, _HANDLE, _OUT = c_char_p, c_void_p, POINTER(c_char_p)

FUNCTIONS: dict[str, tuple[Any, ...]] = {
    # name: what it returns, what it is given; the same in llvmlite 0.45 to 0.50
    "DisposeString": (None, _TEXT),
    # what this machine is
    "InitializeNativeTarget": (None,),
    "InitializeNativeAsmPrinter": (None,),
    "InitializeAllTargetInfos": (None,),
    "InitializeAllTargets": (None,),
    "InitializeAllTargetMCs": (None,),
    "InitializeAllAsmPrinters": (None,),
    "GetProcessTriple": (None, _OUT),
    "GetHostCPUName": (None, _OUT),
    "GetHostCPUFeatures": (c_int, _OUT),
    # machines: target, triple, processor, features, level, relocation, code model, comments, whether for a JIT, ABI
    "GetTargetFromTriple": (_HANDLE, _TEXT, _OUT),
    "CreateTargetMachine": (_HANDLE, _HANDLE, _TEXT, _TEXT, _TEXT, c_int, _TEXT, _TEXT, c_int, c_int, _TEXT),
    "DisposeTargetMachine": (None, _HANDLE),
    "CreateTargetMachineData": (_HANDLE, _HANDLE),
    "CopyStringRepOfTargetData": (None, _HANDLE, _OUT),
    "DisposeTargetData": (None, _HANDLE),
    # modules
    "ContextCreate": (_HANDLE,),
    "ContextDispose": (None, _HANDLE),
    "ParseAssembly": (_HANDLE, _HANDLE, _TEXT, _OUT),
    "SetTarget": (None, _HANDLE, _TEXT),
    "SetDataLayout": (None, _HANDLE, _TEXT),
    "VerifyModule": (c_bool, _HANDLE, _OUT),
    "PrintModuleToString": (None, _HANDLE, _OUT),
    "DisposeModule": (None, _HANDLE),
    # passes
    "CreatePipelineTuningOptions": (_HANDLE,),
    "DisposePipelineTuningOptions": (None, _HANDLE),
    "CreatePassBuilder": (_HANDLE, _HANDLE, _HANDLE),
    "DisposePassBuilder": (None, _HANDLE),
    "CreateNewModulePassManager": (_HANDLE,),
    "module_AddAlwaysInlinerPass": (None, _HANDLE),
    "module_AddSROAPass": (None, _HANDLE),
    "module_AddSCCPPass": (None, _HANDLE),
    "module_AddSimplifyCFGPass": (None, _HANDLE),
    "module_AddGlobalDCEPass": (None, _HANDLE),
    "RunNewModulePassManager": (None, _HANDLE, _HANDLE, _HANDLE),
    "DisposeNewModulePassManger": (None, _HANDLE),
    # code: machine, module, 1 for object code and 0 for assembly
    "TargetMachineEmitToMemory": (_HANDLE, _HANDLE, _HANDLE, c_int, _OUT),
    "GetBufferStart": (c_void_p, _HANDLE),
    "GetBufferSize": (c_size_t, _HANDLE),
    "DisposeMemoryBuffer": (None, _HANDLE),
    # linking; structures are given by their address
    "CreateLLJITCompiler": (_HANDLE, _HANDLE, c_bool, c_bool, _OUT),
    "LLJIT_Link": (_HANDLE, _HANDLE, _TEXT, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, _OUT),
    "LLJITLookup": (_HANDLE, _HANDLE, _TEXT, _TEXT, POINTER(c_uint64), _OUT),
    "LLJIT_Dylib_Tracker_Dispose": (c_bool, _HANDLE, _OUT),
}
"""The functions that are used, without ``LLVMPY_`` before their names. A handle is an address, None if it failed."""


def llvm(function: str, *arguments: Any) -> Any:
    """Call a function of LLVM's library, while other threads may call others on modules of their own."""
    called = _library()[function]
    with _inside.entered():
        return called(*arguments)


def llvm_with_text(function: str, *arguments: Any) -> tuple[Any, str]:
    """Call one whose last argument says where to put a text: what it was asked for, or what is wrong."""
    text = c_char_p()
    result = llvm(function, *arguments, byref(text))
    try:
        return result, (text.value or b"").decode()
    finally:
        if text:
            llvm("DisposeString", text)


@once
def load_meanwhile() -> None:
    """Have another thread load the library, if it has not been; who needs it first waits for it."""
    with suppress(RuntimeError):  # no more threads may be started
        Thread(target=_load_quietly, name="lamina llvm", daemon=True).start()


def _load_quietly() -> None:
    with suppress(BackendError):  # whoever needs it is told
        _library()


@once
def _library() -> dict[str, Any]:
    """Return the functions of the library, which is loaded now if it was not before."""
    folder, names = _files()
    path = os.path.join(folder, next((name for name in names if name.endswith(_ENDINGS)), ""))
    with _inside.entered():
        try:
            library = _opened(path)
            functions = {name: getattr(library, f"LLVMPY_{name}") for name in FUNCTIONS}
        except (OSError, AttributeError) as error:
            raise BackendError(f"la.compile cannot use this llvmlite: {error}") from None
        for name, (result, *arguments) in FUNCTIONS.items():
            functions[name].restype, functions[name].argtypes = result, arguments
        functions["InitializeNativeTarget"]()
        functions["InitializeNativeAsmPrinter"]()
    return functions


def _opened(path: str) -> CDLL:
    if os.name == "posix":
        # Loading takes a while, and CDLL keeps the interpreter's lock meanwhile; a function of C does not.
        load = CDLL(None).dlopen
        load.restype, load.argtypes = c_void_p, [c_char_p, c_int]
        load(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)
    return CDLL(path)


_ENDINGS = (".so", ".dylib", ".dll")


@cache
def llvm_identity() -> str:
    """Return a text that another version of LLVM does not have, without loading LLVM."""
    folder, names = _files()
    with open(os.path.join(os.path.dirname(folder), "_version.py"), encoding="utf-8") as file:
        version = file.read()
    return f"{version} {[(name, os.stat(os.path.join(folder, name)).st_size) for name in names]}"


def _files() -> tuple[str, list[str]]:
    """Return the folder of llvmlite's library, and the names of its files there."""
    found = importlib.util.find_spec("llvmlite")
    if found is None or found.origin is None:
        raise BackendError("la.compile needs llvmlite: pip install llvmlite")
    folder = os.path.join(os.path.dirname(found.origin), "binding")
    return folder, sorted(name for name in os.listdir(folder) if "llvmlite" in name)


class _Inside:
    """The threads that are inside LLVM. A fork waits until there are none, and all others for it.

    A fork while another thread is inside would leave LLVM's own locks held forever in the child.
    """

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
forks_wait_for(_inside)
