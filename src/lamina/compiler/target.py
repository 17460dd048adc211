"""What belongs to a machine: how wide its vectors are, what its registers and caches hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from lamina.compiler.runtime.signals import uninterrupted


@dataclass(frozen=True)
class Target:
    """A processor to write code for.

    Attributes
    ----------
    triple, cpu, features : str
        As LLVM names them; ``features`` is a list such as ``"+avx2,+fma"``.
    vector_bytes : int
        Width of a vector register.
    registers : int
        How many vector registers there are.
    fma : bool
        Whether a multiplication and an addition are one instruction.
    l1, l2 : int
        Bytes of a core's own data caches.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fma: bool
    l1: int = 32 * 1024
    l2: int = 1024 * 1024

    def lanes(self, bits: int) -> int:
        """Return how many elements of so many bits a vector register holds."""
        return max(self.vector_bytes * 8 // bits, 1)

    @property
    def known(self) -> frozenset[str]:
        """The features that are there."""
        return frozenset(each[1:] for each in self.features.split(",") if each.startswith("+"))


X86 = "x86_64-unknown-linux-gnu"
AVX512 = Target(
    X86, "x86-64-v4", "+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx2,+fma,+f16c,+bmi2,-prefer-256-bit", 64, 32, True
)
AVX2 = Target(X86, "x86-64-v3", "+avx2,+fma,+f16c,+bmi2", 32, 16, True)
BASELINE = Target(X86, "x86-64", "", 16, 16, False)
AARCH64 = Target("aarch64-unknown-linux-gnu", "generic", "+neon", 16, 32, True)


@cache
@uninterrupted()
def host() -> Target:
    """Return the processor of this machine."""
    import llvmlite.binding as llvm

    triple: str = llvm.get_process_triple()
    cpu: str = llvm.get_host_cpu_name()
    found = llvm.get_host_cpu_features()
    features = ",".join(sorted(f"{'+' if there else '-'}{name}" for name, there in found.items()))
    if triple.startswith(("x86_64", "amd64")):
        if found.get("avx512f") and found.get("avx512vl") and found.get("avx512bw") and found.get("avx512dq"):
            return Target(triple, cpu, f"{features},-prefer-256-bit", 64, 32, True, *_caches())
        if found.get("avx2") and found.get("fma"):
            return Target(triple, cpu, features, 32, 16, True, *_caches())
        return Target(triple, cpu, features, 16, 16, bool(found.get("fma")), *_caches())
    if triple.startswith(("aarch64", "arm64")):
        return Target(triple, cpu, features, 16, 32, True, *_caches())
    return Target(triple, cpu, features, 16, 16, False, *_caches())


def _caches() -> tuple[int, int]:
    """Return the bytes of a core's first and second data cache; cautious numbers where the system does not say."""
    import os

    found = []
    for name, otherwise in (("SC_LEVEL1_DCACHE_SIZE", 32 * 1024), ("SC_LEVEL2_CACHE_SIZE", 512 * 1024)):
        try:
            found.append(os.sysconf(name) or otherwise)
        except (AttributeError, ValueError, OSError):
            found.append(otherwise)
    return found[0], found[1]
