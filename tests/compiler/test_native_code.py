"""LLVM IR becomes machine code that can be called, and a mistake in it becomes an exception."""

from __future__ import annotations

import ctypes
import gc
import signal
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from lamina.compiler.runtime import elf, loading, machine_code, processor
from lamina.compiler.runtime.elf import ObjectFile, Placed
from lamina.compiler.runtime.processor import host
from lamina.compiler.runtime.signals import uninterrupted
from lamina.compiler.target import AARCH64, AVX2, AVX512, BASELINE, Target
from lamina.errors import BackendError

TARGETS = {"avx512": AVX512, "avx2": AVX2, "baseline": BASELINE, "aarch64": AARCH64}

POLYNOMIAL = """
@coefficients = private unnamed_addr constant [3 x double] [double 1.0, double 2.0, double 3.0], align 64
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

define internal double @coefficient(i64 %i) alwaysinline {
  %p = getelementptr double, ptr @coefficients, i64 %i
  %v = load double, ptr %p
  ret double %v
}

define void @polynomial(ptr %result, ptr %x, i64 %n) nounwind {
entry:
  %bytes = mul i64 %n, 8
  call void @llvm.memset.p0.i64(ptr %result, i8 0, i64 %bytes, i1 false)
  %sum = alloca double
  store double 0.0, ptr %sum
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, 3
  br i1 %more, label %body, label %end
body:
  %c = call double @coefficient(i64 %i)
  %before = load double, ptr %sum
  %value = load double, ptr %x
  %scaled = fmul double %before, %value
  %after = fadd double %scaled, %c
  store double %after, ptr %sum
  %next = add i64 %i, 1
  br label %head
end:
  %total = load double, ptr %sum
  store double %total, ptr %result
  ret void
}
"""

SUM = """
define float @sum(ptr %x, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %s = phi i32 [ 0, %entry ], [ %t, %loop ]
  %p = getelementptr i32, ptr %x, i64 %i
  %v = load i32, ptr %p
  %t = add i32 %s, %v
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  %r = sitofp i32 %t to float
  ret float %r
}
"""

CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


def polynomial(loaded: loading.Loaded, x: float) -> float:
    result, argument = (ctypes.c_double * 4)(9, 9, 9, 9), ctypes.c_double(x)
    CALL(loaded.address("polynomial"))(ctypes.addressof(result), ctypes.addressof(argument), 4)
    assert list(result[1:]) == [0, 0, 0]
    return result[0]


@pytest.fixture(params=["by itself", "by LLVM"])
def both_loaders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load object code without LLVM, where that is possible, and with it, as everywhere else."""
    if request.param == "by LLVM":
        monkeypatch.setattr(elf, "_here", lambda: False)


def test_loaded_code_computes_what_the_ir_says(both_loaders: None) -> None:
    assert polynomial(loading.load(machine_code.assemble(POLYNOMIAL, host())), 10.0) == 123.0


# A jump table, a variable, a pointer to a constant, and calls between functions that are not inlined.
SWITCH = """
@calls = internal global i64 0
@numbers = internal constant [4 x i64] [i64 10, i64 20, i64 30, i64 40], align 32
@pointer = internal global ptr getelementptr ([4 x i64], ptr @numbers, i64 0, i64 2)

define internal i64 @counted() noinline {
  %before = load i64, ptr @calls
  %after = add i64 %before, 1
  store i64 %after, ptr @calls
  ret i64 %after
}

define void @switch(ptr %result, ptr %x, i64 %n) {
entry:
  %c = call i64 @counted()
  switch i64 %n, label %other [ i64 0, label %a  i64 1, label %b  i64 2, label %c1  i64 3, label %d  i64 4, label %e ]
a:
  br label %end
b:
  br label %end
c1:
  br label %end
d:
  %p = load ptr, ptr @pointer
  %pointed = load i64, ptr %p
  br label %end
e:
  %q = getelementptr i64, ptr @numbers, i64 %c
  %indexed = load i64, ptr %q
  br label %end
other:
  br label %end
end:
  %v = phi i64 [ 7, %a ], [ 1, %b ], [ 9, %c1 ], [ %pointed, %d ], [ %indexed, %e ], [ %c, %other ]
  store i64 %v, ptr %result
  ret void
}
"""


def test_code_finds_its_constants_variables_and_functions(both_loaders: None) -> None:
    loaded = loading.load(machine_code.assemble(SWITCH, host()))
    found = ctypes.c_int64()
    function, values = CALL(loaded.address("switch")), []
    for n in (0, 1, 2, 3, 9, 9):
        function(ctypes.addressof(found), None, n)
        values.append(found.value)
    assert values == [7, 1, 9, 30, 5, 6]


@pytest.mark.skipif(not elf._here(), reason="not Linux on x86_64")
def test_no_memory_is_both_written_and_executed() -> None:
    loaded = loading.load(machine_code.assemble(SWITCH, host()))
    address, kinds = loaded.address("switch"), []
    with open("/proc/self/maps") as maps:
        for line in maps:
            start, _, end = line.split()[0].partition("-")
            if int(start, 16) <= address < int(end, 16):
                kinds.append(line.split()[1])
    assert kinds in (["r-xp"], ["r-xs"])


@pytest.mark.skipif(not elf._here(), reason="not Linux on x86_64")
def test_what_llvm_writes_for_this_machine_is_loaded_without_it() -> None:
    assert all(Placed.of([machine_code.assemble(ir, host())]) is not None for ir in (POLYNOMIAL, SUM, SWITCH))
    assert Placed.of([machine_code.assemble(POLYNOMIAL, AARCH64)]) is None


def test_damaged_object_code_is_an_exception() -> None:
    code = machine_code.assemble(SWITCH, host())
    for length in range(0, len(code), 37):
        with pytest.raises(BackendError):
            loading.load(code[:length]).address("switch")


def test_the_same_module_gives_the_same_object_code() -> None:
    assert machine_code.assemble(POLYNOMIAL, host()) == machine_code.assemble(POLYNOMIAL, host())


def test_programs_loaded_side_by_side_do_not_disturb_one_another() -> None:
    codes = [machine_code.assemble(POLYNOMIAL.replace("double 3.0", f"double {k}.0"), host()) for k in range(4)]
    loaded = [loading.load(code) for code in codes for _ in range(5)]
    assert [polynomial(each, 10.0) for each in loaded] == [120.0 + k for k in range(4) for _ in range(5)]
    del loaded[::2]
    assert polynomial(loaded[-1], 10.0) == 123.0


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_is_assembled(name: str) -> None:
    code = machine_code.assemble(POLYNOMIAL, TARGETS[name])
    assert code[:4] == b"\x7fELF"
    parts = ObjectFile.of(code)
    assert parts is not None
    assert elf.foreign([parts]) <= {"memset"}
    assert "polynomial" in machine_code.assembly(POLYNOMIAL, TARGETS[name])


def test_variables_become_registers_and_small_functions_are_inlined() -> None:
    text = machine_code.optimised_ir(POLYNOMIAL, host())
    assert "alloca" not in text
    assert "@coefficient(" not in text


def test_loops_are_not_vectorised_behind_the_writer_s_back() -> None:
    assert "<" not in machine_code.optimised_ir(SUM, host()).split("define", 1)[1]


@pytest.mark.parametrize(
    ("ir", "part"),
    [
        ("define", "expected type"),
        ("define void @f() { ret i32 0 }", "result type"),
        ("define i32 @f() {\n %x = add i32 %y, 1\n %y = add i32 1, 1\n ret i32 %x }", "dominate"),
        ('define void @f() {\n call void asm sideeffect "nonsense", ""()\n ret void }', "inline assembly"),
        ('module asm "nonsense"', "inline assembly"),
        ("define double @f(double %x) { %y = frem double %x, 3.0\n ret double %y }", "fmod"),
        ("declare void @elsewhere()\ndefine void @f() { call void @elsewhere()\n ret void }", "elsewhere"),
        ("declare void @llvm.aarch64.hint(i32)", "aarch64"),
        ("declare void @llvm.x86.avx512.mask.store()", "avx512"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_ir_is_an_exception(ir: str, part: str) -> None:
    with pytest.raises(BackendError, match=part):
        machine_code.assemble(ir, BASELINE)


def test_an_unknown_machine_is_an_exception() -> None:
    with pytest.raises(BackendError, match="nowhere"):
        machine_code.assemble("", Target("nowhere-unknown-linux", "", "", 16, 16, False))


def test_the_name_of_an_older_processor_does_not_end_the_process() -> None:
    assert machine_code.assemble(POLYNOMIAL, replace(BASELINE, cpu="i386"))


@pytest.mark.parametrize("code", [b"", b"nonsense", bytes(64)])
def test_what_is_not_object_code_is_an_exception(code: bytes) -> None:
    with pytest.raises(BackendError):
        loading.load(code).address("f")


def test_a_function_that_does_not_exist_is_an_exception() -> None:
    loaded = loading.load(machine_code.assemble(POLYNOMIAL, host()))
    with pytest.raises(BackendError, match="elsewhere"):
        loaded.address("elsewhere")
    assert polynomial(loaded, 1.0) == 6.0


def test_many_python_threads_may_compile_at_once() -> None:
    def compiled(k: int) -> float:
        code = machine_code.assemble(POLYNOMIAL.replace("double 3.0", f"double {k}.0"), host())
        return polynomial(loading.load(code), 10.0)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(compiled, range(32))) == [120.0 + k for k in range(32)]


def test_ctrl_c_waits_until_llvm_has_finished() -> None:
    before, passed = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        passed.append("not interrupted")
    assert passed
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_use_llvm_without_handlers_of_signals() -> None:
    done = []

    def use() -> None:
        with uninterrupted():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGINT)]


@pytest.mark.skipif(not elf._here(), reason="not Linux on x86_64")
def test_code_is_unmapped_when_it_is_not_used_any_more() -> None:
    loaded = loading.load(machine_code.assemble(SWITCH, host()))
    placed = loaded._placed
    assert placed is not None
    memory = weakref.ref(placed._memory)
    del loaded, placed
    gc.collect()
    assert memory() is None


def test_code_that_llvm_has_loaded_is_unmapped_some_time_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elf, "_here", lambda: False)
    code = machine_code.assemble("define i32 @one() {\n  ret i32 1\n}", host())
    for _ in range(3):
        loading.load(code).address("one")
    gc.collect()
    kept = loading.load(code)
    assert all(loaded() is not None for loaded, _ in loading._lifelines)
    assert kept.address("one")


# --- tile registers ---------------------------------------------------------------------------------------

SAPPHIRE_RAPIDS = {
    "triple": "x86_64-unknown-linux-gnu",
    "cpu": "sapphirerapids",
    "features": dict.fromkeys(
        (
            "avx2",
            "fma",
            "avx512f",
            "avx512vl",
            "avx512bw",
            "avx512dq",
            "avx512bf16",
            "amx-tile",
            "amx-bf16",
            "amx-int8",
        ),
        True,
    ),
    "caches": (48 * 1024, 2048 * 1024),
}


@pytest.mark.parametrize("granted", [True, False])
def test_tile_registers_are_there_only_if_the_system_grants_them(
    granted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "_may_use_tile_registers", lambda: granted)
    target = processor._made(SAPPHIRE_RAPIDS)
    known = target.known
    assert {"avx2", "avx512bf16"} <= known
    assert ({"amx-tile", "amx-bf16"} <= known) == granted
    assert any(each.startswith("amx-") for each in known) == granted
    assert (target.l1, target.l2) == (48 * 1024, 2048 * 1024)


def test_caches_are_as_large_as_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"index0": ("1", "Data", "48K"), "index1": ("1", "Instruction", "64K"), "index2": ("2", "Unified", "2048K")}

    def text(name: str) -> str:
        folder, what = name.split("/")
        if folder not in said:
            raise FileNotFoundError(name)
        return said[folder][("level", "type", "size").index(what)]

    monkeypatch.setattr(processor, "_text", text)
    assert processor._caches() == (48 * 1024, 2048 * 1024)
    said.clear()
    assert processor._caches() == (32 * 1024, 512 * 1024)


@pytest.mark.skipif(not host().triple.startswith("x86_64"), reason="the number of the call is another one")
def test_the_system_is_asked_for_tile_registers() -> None:
    described = host().known
    assert processor._may_use_tile_registers() or "amx-tile" not in described


def test_tile_instructions_are_refused_for_processors_without_tile_registers() -> None:
    ir = "declare void @llvm.x86.tilerelease()\ndefine void @f() {\n  call void @llvm.x86.tilerelease()\n  ret void\n}"
    with pytest.raises(BackendError, match="tilerelease"):
        machine_code.assemble(ir, AVX512)
    with_tiles = replace(AVX512, features=f"{AVX512.features},+amx-tile")
    assert "tilerelease" in machine_code.assembly(ir, with_tiles)
