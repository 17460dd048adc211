"""Running a program in several threads at once.

The workers are daemon threads of Python that stay in native code, without the interpreter lock. They are made when a
program first asks for them, look for work for a moment after each run, and then sleep without using the processor.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from lamina.compiler.codegen.barrier import LINE
from lamina.compiler.runtime import thread_pool_code
from lamina.compiler.runtime.cache import Entry, program
from lamina.compiler.runtime.loading import Loaded
from lamina.compiler.runtime.runtime_block import aligned_memory
from lamina.compiler.runtime.threads import Shared, shared
from lamina.forking import fork_safe, forks_wait

_ARGUMENTS = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_HOLDING = ctypes.PYFUNCTYPE(None, *_ARGUMENTS)
_RELEASING = ctypes.CFUNCTYPE(None, *_ARGUMENTS)


@lru_cache(maxsize=4096)
def entry_point(address: int, release: bool) -> Callable[[int, int, int], None]:
    """Return a program as a function of buffers, thread and threads, for calls that one thread makes on its own."""
    return (_RELEASING if release else _HOLDING)(address)


def run(address: int, buffers: int, threads: int, release: bool) -> None:
    """Call ``void program(ptr buffers, i64 thread, i64 threads)`` in several threads and return when all are done.

    The caller is thread 0. Where the workers are busy with another thread's program, this one runs alone; so a
    program must give the same results with fewer threads than asked for.

    Parameters
    ----------
    address : int
        Of the program.
    buffers : int
        Pointer to its buffers, the first of which is a `lamina.compiler.runtime.runtime_block.RuntimeBlock`.
    threads : int
        The most threads to use.
    release : bool
        Whether one thread gives up the interpreter lock; several always do. It costs well below a microsecond, and
        other threads of Python then run meanwhile.
    """
    if threads > 1:
        pool = _pool
        if pool is None or pool.wanted < threads:
            pool = _larger_pool(threads)
        pool.launch(pool.control, address, buffers, threads)
    else:
        entry_point(address, release)(buffers, 0, 1)


class _Pool:
    """Workers that wait for programs.

    Attributes
    ----------
    wanted : int
        How many threads were asked for, the caller of a launch included; the system may have given fewer.
    control : int
        Address of the control block, which stays: a launch that has just found it may look into it at any time.
    """

    def __init__(self, threads: int) -> None:
        code = _pool_code()
        self.wanted = threads
        self._memory, self.control = aligned_memory(thread_pool_code.control_size(threads))
        self._callbacks = _fill(self.control, code, threads)
        _kept.append((code, self._memory, self._callbacks))
        self.launch = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(code.address("launch"))
        self._end = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(code.address("end"))
        worker = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("worker"))
        self._workers: list[threading.Thread] = []
        for index in range(1, threads):
            thread = threading.Thread(target=worker, args=(self.control, index), name=f"lamina-{index}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads for this process
                break
            self._workers.append(thread)
        ctypes.c_int64.from_address(self.control + thread_pool_code.COUNT).value = len(self._workers) + 1
        shared[Shared.LAUNCH] = code.address("launch")
        shared[Shared.CONTROL], shared[Shared.WANTED] = self.control, threads

    def stop(self) -> bool:
        """End the workers, unless a launch uses them."""
        if not self._end(self.control):
            return False
        for worker in self._workers:
            worker.join()
        return True


def _larger_pool(threads: int) -> _Pool:
    """Return a pool for so many threads, made now if there is none."""
    global _pool
    with _making:
        if _pool is not None and _pool.wanted < threads:
            while not _pool.stop():
                time.sleep(_PATIENCE)
            _pool = None
        if _pool is None:
            _pool = _Pool(threads)
        return _pool


def _fill(control: int, code: Loaded, threads: int) -> list[Any]:
    """Write the addresses and numbers of a control block; return what they need to stay valid."""
    from lamina.compiler.runtime.processor import host
    from lamina.compiler.runtime.runtime_block import yield_address

    def put(offset: int, value: int) -> None:
        ctypes.c_int64.from_address(control + offset).value = value

    put(thread_pool_code.GIVE_WAY, yield_address())
    put(thread_pool_code.SPINS, _spins(code))
    if thread_pool_code.futex_number(host()) is None:
        wait, wake = _sleeping_in_python(control, threads)
        addresses = [ctypes.cast(each, ctypes.c_void_p).value or 0 for each in (wait, wake)]
        put(thread_pool_code.WAIT, addresses[0])
        put(thread_pool_code.WAKE, addresses[1])
        return [wait, wake]
    put(thread_pool_code.SYSCALL, ctypes.cast(ctypes.CDLL(None).syscall, ctypes.c_void_p).value or 0)
    put(thread_pool_code.WAIT, code.address("wait"))
    put(thread_pool_code.WAKE, code.address("wake"))
    return []


def _sleeping_in_python(control: int, threads: int) -> tuple[Any, Any]:
    """Return ``wait`` and ``wake`` for systems other than Linux: a semaphore for each worker."""
    first = control + thread_pool_code.STATES
    semaphores = [threading.Semaphore(0) for _ in range(threads)]
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)

    def wait(_: int, state: int) -> None:
        while ctypes.c_int32.from_address(state).value == 1:
            semaphores[(state - first) // LINE].acquire()

    def wake(_: int, state: int) -> None:
        semaphores[(state - first) // LINE].release()

    return kind(wait), kind(wake)


@cache
def _pool_code() -> Loaded:
    from lamina.compiler.runtime.processor import host

    ir = thread_pool_code.pool_ir(host())

    def compiled() -> Entry:
        with forks_wait():
            from lamina.compiler.runtime.machine_code import assemble

        return Entry((assemble(ir, host()),), {})

    return program(["thread pool", ir, host()], compiled).code


_SPINNING_SECONDS = 70e-6
_SAMPLE = 1000


@cache
def _spins(code: Loaded) -> int:
    """Return how often to look for work before sleeping: how long a look takes differs tenfold between processors."""
    memory, control = aligned_memory(LINE)
    spin = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("spin"))
    shortest = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        spin(control, _SAMPLE)
        shortest = min(shortest, time.perf_counter() - start)
    del memory
    return max(int(_SAMPLE * _SPINNING_SECONDS / max(shortest, 1e-9)), 1)


_PATIENCE = 50e-6
_pool: _Pool | None = None
_making = fork_safe(threading.Lock())
_kept: list[Any] = []
"""What the control blocks of all pools lie in and lead to."""


def _forget() -> None:
    """In a forked child there are no workers."""
    global _pool
    _pool = None
    shared[Shared.CONTROL] = shared[Shared.WANTED] = 0


def _stop() -> None:
    """End the workers before the interpreter goes; those that another daemon thread keeps busy end with the process."""
    pool = _pool
    _forget()
    if pool is not None:
        pool.stop()


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
