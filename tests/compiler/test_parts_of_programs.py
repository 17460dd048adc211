"""Long programs are compiled in parts: they are the same program, whichever threads compile them."""

from __future__ import annotations

import os
import re
import signal
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina.compiler.codegen import module
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.lowering import lower
from lamina.compiler.runtime import elf
from lamina.compiler.runtime.compilation import Compilation
from lamina.compiler.runtime.loading import load
from lamina.compiler.runtime.machine_code import Assembler
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import AARCH64, AVX2, BASELINE, Target
from lamina.errors import BackendError
from lamina_tests.compiling import CompiledGraph, interpreted, joined
from lamina_tests.graphs import same
from lamina_tests.random_graphs import Program, program_at_random, programs

GRAPH = joined([program_at_random(seed).graph for seed in range(12)])
DEFINED = re.compile(r"^define (?:(hidden|internal) )?\w+ @([\w.]+)", re.MULTILINE)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every function is long enough to be a part of its own."""
    monkeypatch.setattr(module, "PART", 1)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not helpers()


def helpers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "lamina assembler"]


def parts_of(target: Target | None = None) -> list[str]:
    """Return the parts of a program of many kernels."""
    found: list[str] = []
    lower(simplify(GRAPH), target or host(), ready=found.append)
    return found


def assembled(parts: list[str], target: Target, threads: int = 2) -> list[bytes]:
    with Assembler(target, threads) as assembler:
        for each in parts:
            assembler.add(each)
    return assembler.objects


# --- how a program is divided -------------------------------------------------------------------------------------


def test_every_function_is_in_one_part() -> None:
    found = [name for part in parts_of() for _, name in DEFINED.findall(part)]
    assert len(parts_of()) > 10
    assert sorted(found) == sorted(name for _, name in DEFINED.findall(lower(simplify(GRAPH), host()).ir))


def test_a_short_program_is_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 1 << 20)
    assert parts_of() == [lower(simplify(GRAPH), host()).ir]
    assert {linkage for linkage, name in DEFINED.findall(parts_of()[0]) if name != "program"} == {"internal"}


def test_parts_end_where_they_are_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for lines in (50, 400, 1600):
        monkeypatch.setattr(module, "PART", lines)
        bodies = [part.count("\n  ") for part in parts_of()]
        assert all(each >= 0.8 * lines for each in bodies[:-1])
        counts.append(len(bodies))
    assert counts == sorted(counts, reverse=True)


def test_a_function_has_the_same_code_in_a_part_as_in_the_whole() -> None:
    def code(parts: list[str]) -> dict[str, str]:
        found = {}
        for part in parts:
            with Compilation(part, host()) as compilation:
                compilation.optimise()
                text = re.sub(r"\.L\w+|# .*", "", compilation.assembly())
            found |= dict(re.findall(r"^(kernel[\w.]*):[^\n]*\n(.*?)^\s*\.size", text, re.MULTILINE | re.DOTALL))
        return found

    whole, parts = code([lower(simplify(GRAPH), host()).ir]), code(parts_of())
    assert len(whole) > 10
    assert whole == parts


# --- what is made of it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loader", ["by itself", "by LLVM"])
@settings(deadline=None, max_examples=10)
@given(batch=st.lists(programs(), min_size=2, max_size=6))
def test_parts_compute_what_eager_code_does(loader: str, batch: list[Program]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        if loader == "by LLVM":
            patched.setattr(elf, "_here", lambda: False)
        compiled = CompiledGraph(joined([each.graph for each in batch]))
        found = compiled([array for each in batch for array in each.inputs])
    outputs, after = iter(found.outputs), iter(found.inputs)
    for each in batch:
        eager = interpreted(each.graph, each.inputs)
        mine = [next(outputs) for _ in eager.outputs] + [next(after) for _ in eager.inputs]
        for a, b in zip(mine, eager.arrays, strict=True):
            assert same(a, b, zeros=each.kind != "whole")


@pytest.mark.parametrize("target", [host(), AVX2, BASELINE, AARCH64], ids=["host", "avx2", "baseline", "aarch64"])
def test_any_number_of_threads_makes_the_same_code(target: Target) -> None:
    parts = parts_of(target)
    wanted = assembled(parts, target, 1)
    assert len(wanted) == len(parts)
    for threads in (2, 5):
        assert assembled(parts, target, threads) == wanted


def test_loops_with_a_state_are_divided_too() -> None:
    @la.compile
    def run(x: la.Tensor, h: la.Tensor) -> la.Tensor:
        return la.scan(lambda h, x: ((h @ h + x).tanh(), (h - x).exp().sum()), h, x)[1]

    rng = np.random.default_rng(0)
    x, h = (la.asarray(rng.standard_normal(shape, np.float32)) for shape in ((5, 8, 8), (8, 8)))
    eager = la.scan(lambda h, x: ((h @ h + x).tanh(), (h - x).exp().sum()), h, x)[1]
    np.testing.assert_allclose(run(x, h).numpy(), eager.numpy(), rtol=1e-5)


def test_functions_of_one_file_are_found_from_another() -> None:
    one = "define hidden i32 @one() {\n  ret i32 1\n}"
    two = (
        "declare hidden i32 @one()\ndefine i32 @two() {\n  %a = call i32 @one()\n  %b = add i32 %a, %a\n  ret i32 %b\n}"
    )
    assert load(*assembled([one, two], host())).address("two")
    with pytest.raises(BackendError, match="needs one"):
        assembled([two], host())


# --- what may happen meanwhile ------------------------------------------------------------------------------------


def test_a_mistake_in_any_part_is_an_exception() -> None:
    good = parts_of()
    for at in (0, 3, len(good)):
        with pytest.raises(BackendError, match="expected"):
            assembled([*good[:at], "nonsense", *good[at:]], host())


def test_an_exception_while_parts_are_written_ends_it() -> None:
    with pytest.raises(ZeroDivisionError), Assembler(host(), 2) as assembler:
        for each in parts_of()[:5]:
            assembler.add(each)
        raise ZeroDivisionError
    assert assembler.objects == []


def test_ctrl_c_ends_it_at_the_next_part(monkeypatch: pytest.MonkeyPatch) -> None:
    original, begun = Compilation.assemble, []

    def interrupted(self: Compilation) -> None:
        if threading.current_thread() is threading.main_thread():
            begun.append(self)
            signal.raise_signal(signal.SIGINT)
        original(self)

    parts = parts_of()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Compilation, "assemble", interrupted)
        with pytest.raises(KeyboardInterrupt):
            assembled(parts, host())
    assert len(begun) == 1
    assert len(assembled(parts, host())) == len(parts)


def test_a_handler_that_returns_lets_it_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    original, heard = Compilation.assemble, []

    def signalled(self: Compilation) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGINT)
        original(self)

    parts = parts_of()
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        monkeypatch.setattr(Compilation, "assemble", signalled)
        assert len(assembled(parts, host())) == len(parts)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard


def test_without_more_threads_it_is_done_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    parts = parts_of()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert len(assembled(parts, host(), 8)) == len(parts)


def test_several_threads_of_python_compile_long_programs_at_once() -> None:
    parts = parts_of()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: assembled(parts, host()), range(4)))
    assert all(each == found[0] for each in found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_while_others_compile_compiles_itself() -> None:
    parts = parts_of()
    busy = threading.Thread(target=lambda: [assembled(parts, host()) for _ in range(3)])
    busy.start()
    children = []
    while busy.is_alive() and len(children) < 4:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is what is tested
            child = os.fork()
        if not child:
            signal.alarm(60)
            os._exit(len(assembled(parts[:6], host())) != 6)
        children.append(child)
    assert children
    assert [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children] == [0] * len(children)
    busy.join()
