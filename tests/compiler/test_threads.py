"""Programs run in several threads at once, wait for one another, and leave an idle process idle."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lamina.compiler.codegen.barrier import ARRIVED, FAULT, emit_barrier
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import I64, PTR, Value
from lamina.compiler.runtime import cache, thread_pool, thread_pool_code, threads
from lamina.compiler.runtime.loading import Loaded, load
from lamina.compiler.runtime.machine_code import assemble
from lamina.compiler.runtime.processor import host
from lamina.compiler.runtime.runtime_block import RuntimeBlock
from lamina.compiler.runtime.thread_pool import run
from lamina.compiler.runtime.threads import Shared, get_num_threads, num_threads, set_num_threads
from lamina.compiler.target import AARCH64, AVX2, BASELINE, Target
from lamina.errors import DataError, DTypeError
from lamina.forking import fork_safe, renew

Body = Callable[[Emitter, Value, Value, Value], None]
ROUNDS = 300


def program(body: Body, target: Target | None = None) -> str:
    module = Module(target or host())
    with module.function("program", [("buffers", PTR), ("thread", I64), ("threads", I64)], internal=False) as f:
        body(f, f.arguments["buffers"], f.arguments["thread"], f.arguments["threads"])
    return str(module)


def which_threads(f: Emitter, buffers: Value, thread: Value, threads: Value) -> None:
    """buffers[1 + thread] = threads"""
    f.store(threads, f.at(buffers, f.add(thread, f.integer(1)), I64))


def many_barriers(f: Emitter, buffers: Value, thread: Value, threads: Value) -> None:
    """In each round every thread counts in a word of its own, waits, and looks at its neighbour's word, which must
    say the same; buffers[100 + thread] counts the rounds in which it did."""
    runtime = f.load(PTR, buffers)
    mine = f.at(buffers, f.add(thread, f.integer(1)), I64)
    neighbour = f.binary("urem", f.add(thread, f.integer(1)), threads)
    other = f.at(buffers, f.add(neighbour, f.integer(1)), I64)
    right = f.at(buffers, f.add(thread, f.integer(100)), I64)
    with f.loop(f.integer(1), f.integer(ROUNDS + 1)) as number:
        f.store(number, mine)
        emit_barrier(f, runtime, threads)
        agrees = f.convert("zext", f.icmp("eq", f.load(I64, other), number), "i64")
        f.store(f.add(f.load(I64, right), agrees), right)
        emit_barrier(f, runtime, threads)


def faults(f: Emitter, buffers: Value, thread: Value, threads: Value) -> None:
    runtime = f.load(PTR, buffers)
    f.store_atomic(f.integer(7), f.offset(runtime, FAULT), "monotonic")


class Instance:
    """A loaded program with memory of its own."""

    def __init__(self, code: Loaded) -> None:
        self.code = code
        self.block = RuntimeBlock()
        self.words = (ctypes.c_int64 * 256)(self.block.pointer)

    def run(self, threads: int, *, release: bool = True) -> list[int]:
        for number in range(1, 256):
            self.words[number] = 0
        run(self.code.address("program"), ctypes.addressof(self.words), threads, release)
        return list(self.words)


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The pool's code is kept in a folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMINA_CACHE_DIR", str(tmp_path_factory.mktemp("cache") / "programs"))
        yield


@pytest.fixture(scope="module")
def which() -> Loaded:
    return load(assemble(program(which_threads), host()))


@pytest.fixture(scope="module")
def barriers() -> Loaded:
    return load(assemble(program(many_barriers), host()))


@pytest.fixture(params=["kernel", "python"])
def pool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers that sleep in the kernel, where it is Linux, and in Python, as everywhere else."""
    if request.param == "python":
        thread_pool._stop()
        thread_pool._pool_code.cache_clear()
        monkeypatch.setattr(thread_pool_code, "futex_number", lambda target: None)
    yield
    if request.param == "python":
        thread_pool._stop()
        thread_pool._pool_code.cache_clear()


@pytest.fixture
def unasked() -> Iterator[None]:
    """Nobody has asked yet how many threads there are."""
    before = threads.shared[Shared.THREADS]
    threads.shared[Shared.THREADS] = 0
    yield
    threads.shared[Shared.THREADS] = before


# --- how many ---------------------------------------------------------------------------------------------


def test_the_number_of_threads_is_what_was_set() -> None:
    before = get_num_threads()
    with num_threads(3):
        assert get_num_threads() == 3
        with pytest.raises(ZeroDivisionError), num_threads(5):
            raise ZeroDivisionError
        assert get_num_threads() == 3
        set_num_threads(2)
    assert get_num_threads() == before


@pytest.mark.parametrize(
    ("number", "error"),
    [(0, DataError), (-1, DataError), (1025, DataError), (2.0, DTypeError), ("2", DTypeError), (True, DTypeError)],
)
def test_what_is_no_number_of_threads_is_an_exception(number: Any, error: type[Exception]) -> None:
    before = get_num_threads()
    with pytest.raises(error, match="number of threads"):
        set_num_threads(number)
    assert get_num_threads() == before


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not say")
@pytest.mark.usefixtures("unasked")
def test_at_first_there_are_as_many_threads_as_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    assert get_num_threads() == len(os.sched_getaffinity(0))


@pytest.mark.usefixtures("unasked")
def test_the_environment_says_how_many_threads_there_are_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("many", "0", "2.5"):
        monkeypatch.setenv(threads.VARIABLE, wrong)
        with pytest.raises(DataError, match=threads.VARIABLE):
            get_num_threads()
    monkeypatch.setenv(threads.VARIABLE, "7")
    assert get_num_threads() == 7


# --- running ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("release", [False, True])
def test_every_thread_runs_once(count: int, release: bool, which: Loaded, pool: None) -> None:
    instance = Instance(which)
    for _ in range(50):
        assert instance.run(count, release=release)[1:20] == [count] * count + [0] * (19 - count)


def test_the_number_of_threads_may_change_from_run_to_run(which: Loaded, pool: None) -> None:
    instance = Instance(which)
    for turn in range(300):
        count = 1 + turn * 7 % 5
        assert sum(instance.run(count)[1:20]) == count * count


def test_workers_that_fell_asleep_are_woken(which: Loaded, pool: None) -> None:
    instance = Instance(which)
    for turn in range(30):
        time.sleep(0.003 * (turn % 3))
        assert sum(instance.run(3)[1:20]) == 9


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_a_barrier_holds_every_thread_until_all_have_come(count: int, barriers: Loaded, pool: None) -> None:
    instance = Instance(barriers)
    for _ in range(3):
        assert instance.run(count)[100 : 100 + count] == [ROUNDS] * count


def test_a_fault_is_kept_until_it_is_cleared() -> None:
    instance = Instance(load(assemble(program(faults), host())))
    assert instance.block.fault == 0
    instance.run(2)
    assert instance.block.fault == 7
    instance.block.clear_fault()
    assert instance.block.fault == 0


@pytest.mark.parametrize("target", [AVX2, BASELINE, AARCH64], ids=lambda target: target.cpu)
def test_every_target_has_the_barrier_and_the_pool(target: Any) -> None:
    assert assemble(program(many_barriers, target), target)
    assert assemble(thread_pool_code.pool_ir(target), target)


def test_many_python_threads_may_run_programs_at_once(barriers: Loaded, pool: None) -> None:
    def work(_: int) -> bool:
        instance = Instance(barriers)
        results = [instance.run(2) for _ in range(5)]
        # Where another had the workers, the program ran alone.
        return all(result[100:102] in ([ROUNDS, ROUNDS], [ROUNDS, 0]) for result in results)

    with ThreadPoolExecutor(8) as executor:
        assert all(executor.map(work, range(24)))


def test_other_python_threads_run_while_a_program_does(barriers: Loaded) -> None:
    instance = Instance(barriers)
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    for _ in range(40):
        instance.run(2)
    done.set()
    thread.join()
    assert ticks > 1


@pytest.mark.parametrize("count", [2, 4])
def test_an_idle_process_uses_no_processor_time(count: int, which: Loaded, pool: None) -> None:
    Instance(which).run(count)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.05


def test_a_system_without_more_threads_makes_do_with_fewer(which: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    thread_pool._stop()
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def limited(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    instance = Instance(which)
    assert [sum(instance.run(4)[1:20]) for _ in range(3)] == [4, 4, 4]
    thread_pool._stop()


def test_the_pool_s_code_is_on_disk_after_the_first_run(
    which: Loaded, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    thread_pool._stop()
    thread_pool._pool_code.cache_clear()
    cache._programs.clear()
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    Instance(which).run(2)
    assert cache.size() > 0


def test_a_forked_child_gets_its_locks_and_barriers_as_new(barriers: Loaded) -> None:
    instance, lock, held = Instance(barriers), fork_safe(threading.Lock()), fork_safe(threading.RLock())
    ctypes.c_int64.from_address(instance.block.pointer + ARRIVED).value = 1
    lock.acquire()
    threading.Thread(target=held.acquire).start()
    renew()
    assert lock.acquire(blocking=False)
    assert held.acquire(blocking=False)
    assert instance.run(2)[100:102] == [ROUNDS, ROUNDS]


# --- whole processes --------------------------------------------------------------------------------------

_PREPARED = """
import ctypes, os, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is what is tested
from lamina.compiler.runtime.runtime_block import RuntimeBlock
from lamina.compiler.runtime.loading import load
from lamina.compiler.runtime.machine_code import assemble
from lamina.compiler.runtime.thread_pool import run
from lamina.compiler.runtime.processor import host
code = load(assemble(os.environ["PROGRAM"], host()))

def once(threads=3):
    block = RuntimeBlock()
    words = (ctypes.c_int64 * 256)(block.pointer)
    run(code.address("program"), ctypes.addressof(words), threads, True)
    return list(words)

def endless():
    while True:
        once()
"""

_FORKING = """
child = os.fork()
if child == 0:
    assert len(os.listdir("/proc/self/task")) == 1 if sys.platform == "linux" else True
    for _ in range(3):
        assert once()[100] == 300
    assert load(assemble("define void @f() { ret void }", host())).address("f")
    os._exit(0)
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid:
        break
    time.sleep(0.01)
else:
    os.kill(child, 9)
    sys.exit("the child hangs")
assert status == 0
assert once()[100] == 300
"""

SCRIPTS = {
    "leaving without a run": "",
    "leaving after a run": "once()",
    "leaving while workers look for work": "for _ in range(5): once()",
    "leaving while another thread runs programs": "threading.Thread(target=endless, daemon=True).start()\n"
    "time.sleep(0.05)",
    "forking before a run": _FORKING,
    "forking after a run": "once()" + _FORKING,
    "forking while another thread runs programs": "threading.Thread(target=endless, daemon=True).start()\n"
    "time.sleep(0.02)" + _FORKING,
    "forking while another thread compiles": "def compiling():\n"
    "    while True:\n"
    "        load(assemble(os.environ['PROGRAM'], host()))\n"
    "        time.sleep(0.0002)\n"
    "threading.Thread(target=compiling, daemon=True).start()\n"
    "time.sleep(0.02)" + _FORKING,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_process_ends_well(name: str) -> None:
    if name.startswith("forking") and not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    environment = {**os.environ, "PROGRAM": program(many_barriers)}
    script = _PREPARED + SCRIPTS[name]
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
