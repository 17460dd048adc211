"""LLVM's library is used as llvmlite declares it, and only by a process that compiles something."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import llvmlite.binding as llvmlite
import pytest

from lamina.compiler.runtime import llvm_library
from lamina.compiler.runtime.llvm_library import FUNCTIONS, llvm
from lamina.errors import BackendError

COMPILE = """
import sys
import lamina as la
assert la.compile(lambda x: x * 2.0 + 1.0)(la.ones(3)).tolist() == [3.0] * 3
"""
LOADED = """
with open("/proc/self/maps") as maps:
    print("library" if "libllvmlite" in maps.read() else "no library")
print("package" if "llvmlite" in sys.modules else "no package")
"""
linux = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="not Linux")


def kind(given: Any) -> str:
    """Return how C passes an argument of a type."""
    pointer = given in (ctypes.c_char_p, ctypes.c_void_p) or issubclass(given, ctypes._Pointer)
    return "pointer" if pointer else given.__name__


def run(program: str, cache: Path) -> list[str]:
    """Return the lines that a new process prints."""
    environment = {**os.environ, "LAMINA_CACHE_DIR": str(cache), "LAMINA_CACHE": "1"}
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(
        command, env=environment, timeout=120, capture_output=True, text=True, check=True
    ).stdout.split("\n")[:-1]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_take_what_llvmlite_gives_them(name: str) -> None:
    declared = getattr(llvmlite.ffi.lib, f"LLVMPY_{name}")
    result, *arguments = FUNCTIONS[name]
    if declared.argtypes is not None:  # of some it says nothing
        assert [kind(each) for each in arguments] == [kind(each) for each in declared.argtypes]
    if result is not None:
        assert kind(result) == kind(declared.restype)


@linux
def test_a_first_start_loads_the_library_alone_and_a_second_start_nothing_of_llvm(tmp_path: Path) -> None:
    assert run(COMPILE + LOADED, tmp_path) == ["library", "no package"]
    assert run(COMPILE + LOADED, tmp_path) == ["no library", "no package"]


def test_without_another_thread_the_library_is_loaded_by_who_needs_it(tmp_path: Path) -> None:
    refuse = """
import threading
def start(thread):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
"""
    assert run(refuse + COMPILE + "print('done')", tmp_path) == ["done"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_forked_while_a_thread_loads_the_library_can_compile(tmp_path: Path) -> None:
    program = (
        """
import os, signal
import lamina.compiler.building
from lamina.compiler.runtime.llvm_library import load_meanwhile
load_meanwhile()
child = os.fork()
signal.alarm(60)
"""
        + COMPILE
        + """
if not child:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    assert run(program, tmp_path) == ["0"]


def test_a_library_without_a_function_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FUNCTIONS, "Nonsense", (None,))
    monkeypatch.setattr(llvm_library, "_library", llvm_library._library.__wrapped__)
    with pytest.raises(BackendError, match="LLVMPY_Nonsense"):
        llvm("ContextCreate")
