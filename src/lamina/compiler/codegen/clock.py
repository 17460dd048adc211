"""The processor's clock, as generated code reads it."""

from __future__ import annotations

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import I64, VOID, Value
from lamina.compiler.target import Target


def emit_clock(f: Emitter, target: Target) -> Value:
    """Return a count of ticks of constant length, which all cores share.

    It is read when all that comes before is done, and before anything that follows begins: processors look ahead by
    hundreds of instructions, which is more than a small kernel has.
    """
    _wait(f, target)
    if _is_arm(target):
        # Cycles are counted for the system alone there.
        found = f.call("llvm.read_volatile_register.i64", I64, extra='metadata !{!"CNTVCT_EL0"}')
    else:
        found = f.call("llvm.readcyclecounter", I64)
    _wait(f, target)
    return found


def _wait(f: Emitter, target: Target) -> None:
    """Let nothing that follows begin before all that comes before is done."""
    if _is_arm(target):
        f.call("llvm.aarch64.isb", VOID, extra="i32 15")
    elif target.triple.startswith(("x86_64", "amd64")):
        f.call("llvm.x86.sse2.lfence", VOID)


def _is_arm(target: Target) -> bool:
    return target.triple.startswith(("aarch64", "arm64"))
