"""The processor of this machine, as a target to write code for."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lamina.compiler.runtime.cache import Entry, cached
from lamina.compiler.runtime.llvm_library import llvm_with_text, load_meanwhile
from lamina.compiler.runtime.signals import uninterrupted
from lamina.compiler.target import Target


def host(meanwhile: Callable[[], None] = lambda: None) -> Target:
    """Return the processor of this machine.

    LLVM knows it, and the system its caches. What they say is kept in the cache on disk, by what the system says of
    the processor, because LLVM takes longer to load than a program that was compiled earlier.

    Parameters
    ----------
    meanwhile : callable, optional
        Is called while LLVM is being loaded, if it has to be.
    """
    if not _found:
        _found.append(_known(meanwhile))
    return _found[0]


_found: list[Target] = []


def _known(meanwhile: Callable[[], None]) -> Target:
    def asked() -> dict[str, Any]:
        load_meanwhile()
        meanwhile()
        return _asked()

    described = _description()
    if described is None:
        return _made(asked())
    return _made(cached(["processor", described], lambda: Entry((), asked())).meta)


def _description() -> str | None:
    """Return what the system says of the kind of the first processor; None where it says nothing."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            first = file.read(_ENOUGH).partition("\n\n")[0]
    except (OSError, UnicodeDecodeError):
        return None
    said = dict(line.partition(":")[::2] for line in first.splitlines())
    kinds = {name.strip(): value for name, value in said.items() if name.strip().lower() in _KINDS}
    return repr(kinds) if kinds.keys() & {"flags", "Features"} else None


_ENOUGH = 65536
_KINDS = {
    *("vendor_id", "cpu family", "model", "model name", "stepping", "cache size", "flags"),  # x86
    *("cpu implementer", "cpu architecture", "cpu variant", "cpu part", "cpu revision", "features"),  # ARM
}


@uninterrupted()
def _asked() -> dict[str, Any]:
    """Return what LLVM says of the processor, and the system of its caches."""
    features = llvm_with_text("GetHostCPUFeatures")[1].split(",")
    return {
        "triple": llvm_with_text("GetProcessTriple")[1],
        "cpu": llvm_with_text("GetHostCPUName")[1],
        "features": {each[1:]: each.startswith("+") for each in features if each},
        "caches": _caches(),
    }


def _made(known: Any) -> Target:
    triple, cpu, found = known["triple"], known["cpu"], known["features"]
    if found.get("amx-tile") and not _may_use_tile_registers():
        found = {name: there and not name.startswith("amx-") for name, there in found.items()}
    features = ",".join(sorted(f"{'+' if there else '-'}{name}" for name, there in found.items()))
    target = Target(triple, cpu, features, 16, 16, bool(found.get("fma")), *known["caches"])
    if target.is_arm:
        return replace(target, registers=32, fma=True)
    if not target.is_x86:
        return replace(target, fma=False)
    if all(found.get(name) for name in ("avx512f", "avx512vl", "avx512bw", "avx512dq")):
        return replace(target, features=f"{features},-prefer-256-bit", vector_bytes=64, registers=32, fma=True)
    return replace(target, vector_bytes=32) if found.get("avx2") and target.fma else target


def _may_use_tile_registers() -> bool:
    """Ask for AMX's tile registers: Linux keeps them for the threads of a process that has asked, and no other.

    Source: Linux kernel documentation, "Using XSTATE features in user space applications".
    """
    if not sys.platform.startswith("linux"):
        return False
    syscall = ctypes.CDLL(None).syscall
    syscall.restype, syscall.argtypes = ctypes.c_long, [ctypes.c_long] * 3
    return bool(syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0)


_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18


def _caches() -> tuple[int, int]:
    """Return the bytes of a core's first and second data cache; cautious numbers where the system does not say."""
    found = {"1": 32 * 1024, "2": 512 * 1024}
    for index in range(_MOST):
        try:
            level, kind, size = (_text(f"index{index}/{name}") for name in ("level", "type", "size"))
        except (OSError, UnicodeDecodeError):
            break
        if level in found and kind != "Instruction" and size.endswith("K") and size[:-1].isdigit():
            found[level] = int(size[:-1]) * 1024
    return found["1"], found["2"]


_MOST = 8  # caches of one core


def _text(name: str) -> str:
    with open(f"/sys/devices/system/cpu/cpu0/cache/{name}", encoding="utf-8") as file:
        return file.read().strip()
