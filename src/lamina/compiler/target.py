"""What belongs to a machine: how wide its vectors are, what its registers and caches hold."""

from __future__ import annotations

from dataclasses import dataclass


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
    def is_x86(self) -> bool:
        """Whether it has the instructions of x86 with 64 bits."""
        return self.triple.startswith(("x86_64", "amd64"))

    @property
    def is_arm(self) -> bool:
        """Whether it has the instructions of ARM with 64 bits."""
        return self.triple.startswith(("aarch64", "arm64"))

    @property
    def embeds_elements(self) -> bool:
        """Whether an element of memory, in all lanes, may be an operand of each multiplication at no cost of its own.

        That takes a load for each. AMD's Zen 4 loads two a cycle and multiplies one vector of 512 bits; processors that
        multiply two would wait for loads.
        """
        return self.cpu == "znver4" and self.vector_bytes == 64

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
