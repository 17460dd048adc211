"""The peak of one core in float32: generated register tiles of a matrix product, the fastest of several shapes.

A tile ``C[rows, vectors * lanes] += A[rows, depth] @ B[depth, vectors * lanes]`` keeps C in registers. Its panels of
A and B stay in the first cache, so nothing but the arithmetic units holds it up. As a process it answers each line
of its input with one measurement, ``{"gflops": rate}``.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.compiler.runtime.processor import host
from lamina.compiler.target import Target

DEPTH = 128
SHAPES = {32: ((14, 2), (12, 2), (9, 3), (8, 3), (6, 4)), 16: ((6, 2), (4, 3), (5, 2))}
"""Rows and vectors of tiles that fit, with a vector of B and a value of A, into so many vector registers."""


@dataclass(frozen=True)
class Tile:
    """The shape of a tile: ``rows`` of ``vectors`` registers with ``lanes`` numbers each."""

    rows: int
    vectors: int
    lanes: int

    @property
    def columns(self) -> int:
        """How many numbers are in a row."""
        return self.vectors * self.lanes

    @property
    def flops(self) -> int:
        """Floating-point operations of one run over the panels."""
        return 2 * self.rows * self.columns * DEPTH

    def llvm_ir(self) -> str:
        """Return ``run(A, B, C, times)``: A is packed [DEPTH, rows], B [DEPTH, columns], C [rows, columns].

        The pointers may alias as far as LLVM knows, so that it does not take repetitions for one.
        """
        vector, cells = f"<{self.lanes} x float>", [(i, j) for i in range(self.rows) for j in range(self.vectors)]
        return "\n".join(
            [
                f"declare {vector} @llvm.fmuladd.v{self.lanes}f32({vector}, {vector}, {vector})",
                "define void @run(ptr %A, ptr %B, ptr %C, i64 %times) {",
                "entry:",
                "  br label %again",
                "again:",
                "  %time = phi i64 [0, %entry], [%time.next, %store]",
                "  br label %depth",
                "depth:",
                "  %k = phi i64 [0, %again], [%k.next, %depth]",
                *(f"  %c{i}.{j} = phi {vector} [zeroinitializer, %again], [%s{i}.{j}, %depth]" for i, j in cells),
                *self._multiply(vector),
                "  %k.next = add i64 %k, 1",
                f"  %k.more = icmp slt i64 %k.next, {DEPTH}",
                "  br i1 %k.more, label %depth, label %store",
                "store:",
                *self._store(vector, cells),
                "  %time.next = add i64 %time, 1",
                "  %more = icmp slt i64 %time.next, %times",
                "  br i1 %more, label %again, label %done",
                "done:",
                "  ret void",
                "}",
            ]
        )

    def _multiply(self, vector: str) -> list[str]:
        """Return the instructions that add the product of a column of A and a row of B."""
        lines = [f"  %a.row = mul i64 %k, {self.rows}", f"  %b.row = mul i64 %k, {self.columns}"]
        for j in range(self.vectors):
            lines += [
                f"  %b.at{j} = add i64 %b.row, {j * self.lanes}",
                f"  %b.ptr{j} = getelementptr float, ptr %B, i64 %b.at{j}",
                f"  %b{j} = load {vector}, ptr %b.ptr{j}, align {4 * self.lanes}",
            ]
        for i in range(self.rows):
            lines += [
                f"  %a.at{i} = add i64 %a.row, {i}",
                f"  %a.ptr{i} = getelementptr float, ptr %A, i64 %a.at{i}",
                f"  %a.one{i} = load float, ptr %a.ptr{i}",
                f"  %a.put{i} = insertelement {vector} poison, float %a.one{i}, i32 0",
                f"  %a{i} = shufflevector {vector} %a.put{i}, {vector} poison, <{self.lanes} x i32> zeroinitializer",
            ]
            operands = (f"{vector} %a{i}, {vector} %b{j}, {vector} %c{i}.{j}" for j in range(self.vectors))
            function = f"{vector} @llvm.fmuladd.v{self.lanes}f32"
            lines += [f"  %s{i}.{j} = call {function}({each})" for j, each in enumerate(operands)]
        return lines

    def _store(self, vector: str, cells: list[tuple[int, int]]) -> list[str]:
        """Return the instructions that write the tile to memory."""
        lines = []
        for i, j in cells:
            lines += [
                f"  %c.ptr{i}.{j} = getelementptr float, ptr %C, i64 {i * self.columns + j * self.lanes}",
                f"  store {vector} %s{i}.{j}, ptr %c.ptr{i}.{j}, align {4 * self.lanes}",
            ]
        return lines


def tiles(target: Target) -> list[Tile]:
    """Return the tiles to try on a processor."""
    return [Tile(rows, vectors, target.lanes(32)) for rows, vectors in SHAPES[32 if target.registers >= 32 else 16]]


def native(tile: Tile, target: Target) -> Callable[..., None]:
    """Return the compiled ``run`` of a tile."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    options = {"cpu": target.cpu, "features": target.features, "opt": 3}
    machine = llvm.Target.from_triple(target.triple).create_target_machine(**options)
    module = llvm.parse_assembly(tile.llvm_ir())
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    run: Any = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(engine.get_function_address("run"))
    run.keeps = engine
    return run  # type: ignore[no-any-return]


class Bench:
    """A compiled tile with panels of its own; the result is checked against NumPy before any time counts."""

    def __init__(self, tile: Tile, target: Target) -> None:
        self.tile, self.run = tile, native(tile, target)
        rng = np.random.default_rng(3)
        a, b = (rng.random((DEPTH, columns), dtype=np.float32) for columns in (tile.rows, tile.columns))
        self.panels = [_aligned(a), _aligned(b), _aligned(np.zeros((tile.rows, tile.columns), np.float32))]
        self.times = 1
        self.rate(0.0)
        if not np.allclose(self.panels[2], a.T @ b, rtol=1e-4):
            raise ArithmeticError(f"the tile {tile} is wrong")

    def rate(self, seconds: float) -> float:
        """Return the GFLOP/s of a measurement that takes at least so long."""
        addresses = [panel.ctypes.data for panel in self.panels]
        while True:
            start = time.perf_counter()
            self.run(*addresses, self.times)
            taken = time.perf_counter() - start
            if taken >= seconds:
                return self.tile.flops * self.times / taken / 1e9
            self.times *= 2

    def best(self, tries: int) -> float:
        """Return the best of many short measurements: some fall between what else the machine does."""
        return max(self.rate(0.001) for _ in range(tries))


def _aligned(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a copy that begins at a multiple of 64 bytes."""
    room = np.zeros(values.size + 16, np.float32)
    begin = -room.ctypes.data % 64 // 4
    place = room[begin : begin + values.size].reshape(values.shape)
    place[:] = values
    return place


def main() -> None:
    """Answer each line of the input with the peak of one core."""
    target = host()
    benches = [Bench(tile, target) for tile in tiles(target)]
    fastest = max(benches, key=lambda bench: bench.best(20))
    for _ in sys.stdin:
        rate = fastest.best(50)
        print(json.dumps({"gflops": rate, "tile": [fastest.tile.rows, fastest.tile.columns]}), flush=True)


if __name__ == "__main__":
    main()
