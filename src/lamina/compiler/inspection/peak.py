"""The machine: ticks of its clock, and the most arithmetic that one core does."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from lamina.compiler.codegen.clock import emit_clock
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import DOUBLE, FLOAT, I64, PTR, Value
from lamina.compiler.runtime.cache import Entry, program
from lamina.compiler.runtime.loading import Loaded
from lamina.compiler.runtime.machine_code import assemble
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import Target

_STEPS, _ROUNDS = 1_250, 8
"""Steps of the loop in which the peak is measured, and rounds in each: the loop itself takes a part of a cycle."""
_SECONDS = 0.05
"""How long a peak is looked for; the fastest run counts, as others disturb it by being slower only."""
_PAIRS = 4096


def _code(module: Module) -> Loaded:
    ir = str(module)
    return program(["inspection", ir, host()], lambda: Entry((assemble(ir, host()),), {})).code


# --- the clock ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clock:
    """The processor's clock.

    Attributes
    ----------
    inside : float
        Ticks that two readings in a row are apart, which is a part of every time measured.
    seconds : float
        How long the two readings take.
    """

    inside: float
    seconds: float
    _read: Any
    _code: Loaded

    def now(self) -> int:
        """Return the count of ticks."""
        place = ctypes.c_int64()
        self._read(ctypes.addressof(place))
        return place.value


@cache
def clock() -> Clock:
    """Return the clock, calibrated once."""
    module = Module(host())
    with module.function("now", [("into", PTR)], internal=False) as f:
        f.store(emit_clock(f), f.arguments["into"])
    with module.function("pairs", [("into", PTR)], internal=False) as f:
        _emit_pairs(f, f.arguments["into"])
    code = _code(module)
    read, pairs = (ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(code.address(name)) for name in ("now", "pairs"))
    found = np.zeros(5, np.int64)
    start = time.perf_counter()
    for at in range(found.size):
        pairs(found[at:].ctypes.data)
    seconds = (time.perf_counter() - start) / (found.size * _PAIRS)
    return Clock(float(np.median(found)) / _PAIRS, seconds, read, code)


def _emit_pairs(f: Emitter, total: Value) -> None:
    """Write what a profiled program does around a kernel, around nothing."""
    with f.loop(f.integer(0), f.integer(_PAIRS)):
        before = emit_clock(f)
        taken = f.binary("sub", emit_clock(f), before)
        f.store(f.binary("add", f.load(I64, total), taken), total)


# --- arithmetic -----------------------------------------------------------------------------------------------


@cache
def peak_flops(bits: int) -> float:
    """Return the floating-point operations that one core does in a second at most, measured once."""
    return measured_flops(bits)


def measured_flops(bits: int) -> float:
    """Return the floating-point operations that one core does in a second at most, measured now.

    Parameters
    ----------
    bits : {32, 64}
        Of the type.

    Notes
    -----
    Chains of fused multiplications and additions in registers, as many as hide how long each takes.
    """
    target = host()
    lanes, chains = target.lanes(bits), 14 if target.registers >= 32 else 10
    module = Module(target)
    with module.function("peak", [("into", PTR)], internal=False) as f:
        _emit_chains(f, target, bits, chains)
    code = _code(module)
    native = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("peak"))
    result = np.zeros(lanes, f"float{bits}")
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < _SECONDS:
        start = time.perf_counter()
        native(result.ctypes.data)
        best = min(best, time.perf_counter() - start)
    return 2.0 * lanes * chains * _ROUNDS * _STEPS / best


def _emit_chains(f: Emitter, target: Target, bits: int, chains: int) -> None:
    wide = (DOUBLE if bits == 64 else FLOAT).of(target.lanes(bits))
    start = f.load(wide, f.arguments["into"])
    totals = [f.variable(start) for _ in range(chains)]
    with f.loop(f.integer(0), f.integer(_STEPS)):
        for total in totals * _ROUNDS:
            f.set(total, f.multiply_add(f.get(total), f.floating(0.5, wide), start))
    result = f.get(totals[0])
    for total in totals[1:]:
        result = f.fadd(result, f.get(total))
    f.store(result, f.arguments["into"])
