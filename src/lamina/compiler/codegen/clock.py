"""The processor's clock, as generated code reads it."""

from __future__ import annotations

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import I64, VOID, Value


def emit_clock(f: Emitter) -> Value:
    """Return a count of ticks of constant length, which all cores share.

    It is read when all that comes before is done, and before anything that follows begins: processors look ahead by
    hundreds of instructions, which is more than a small kernel has.
    """
    _wait(f)
    if f.module.target.is_arm:
        # Cycles are counted for the system alone there.
        found = f.call("llvm.read_volatile_register.i64", I64, extra='metadata !{!"CNTVCT_EL0"}')
    else:
        found = f.call("llvm.readcyclecounter", I64)
    _wait(f)
    return found


def _wait(f: Emitter) -> None:
    """Let nothing that follows begin before all that comes before is done."""
    if f.module.target.is_arm:
        f.call("llvm.aarch64.isb", VOID, extra="i32 15")
    elif f.module.target.is_x86:
        f.call("llvm.x86.sse2.lfence", VOID)
