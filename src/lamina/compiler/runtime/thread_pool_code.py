"""The generated code of the thread pool: how a program is handed to the workers, and how a worker waits for one.

The pool's control block, 8 bytes each but for the states:

======  ==================================================================================
offset  content
======  ==================================================================================
0       the order: bits 48 to 63 say how many threads, the rest counts the orders
8       address of the program
16      its buffers
24      how often a worker looks for an order before it sleeps
32      how many threads the pool has, the caller of a launch included
128     not 0 when workers are to end after this order
136     not 0 while a launch uses the pool
264     address of a function that offers the processor to others
272     address of ``wait(control, state)``: sleep while the state is 1; may return early
280     address of ``wake(control, state)``: end such a sleep
288     address of C's ``syscall``, where the two above use it
384 +   for each worker, 128 bytes apart: its state, 4 bytes, 1 while it sleeps
392 +   the last order that it carried out
======  ==================================================================================

A launch that finds the pool in use runs its program in the caller alone.

The order is one word so that a worker that is not needed never reads the other fields, which the next order may be
changing. A worker that goes to sleep first says so and then looks for an order once more; the launch first gives the
order and then looks who sleeps: in the one order that sequentially consistent instructions have, one of them notices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.compiler.codegen.barrier import LINE, YIELD, emit_pause, emit_pauses, emit_wait
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import I1, I8, I32, I64, PTR, VOID, Value

if TYPE_CHECKING:
    from lamina.compiler.target import Target

PROGRAM, BUFFERS, SPINS, COUNT = 8, 16, 24, 32
STOPPING, IN_USE = LINE, LINE + 8
WAIT, WAKE, SYSCALL = 2 * LINE + 16, 2 * LINE + 24, 2 * LINE + 32
STATES = 3 * LINE
_DONE = 8  # behind the state
_THREADS_SHIFT = 48
_FUTEX_WAIT, _FUTEX_WAKE = 128, 129  # among the threads of this process
_FUTEX = {"x86_64": 202, "aarch64": 98}  # system calls of Linux

# The control block offers the processor by the same field as a program's runtime block.
GIVE_WAY = YIELD


def control_size(threads: int) -> int:
    """Return the bytes of the control block of a pool of so many threads, the caller included."""
    return STATES + threads * LINE


def futex_number(target: Target) -> int | None:
    """Return the system call by which threads sleep and wake; None where another way is needed."""
    architecture, _, system = target.triple.partition("-")
    return _FUTEX.get(architecture) if "linux" in system else None


def pool_ir(target: Target) -> str:
    """Return the module with ``launch``, ``end``, ``worker``, ``spin`` and, on Linux, ``wait`` and ``wake``."""
    module = Module(target)
    with module.function("nothing", [("buffers", PTR), ("thread", I64), ("threads", I64)]):
        pass
    _emit_order(module)
    _emit_launch(module)
    _emit_end(module)
    _emit_worker(module)
    with module.function("spin", [("control", PTR), ("count", I64)], internal=False) as f:
        order = f.load_atomic(f.arguments["control"])
        with f.loop(f.integer(0), f.arguments["count"]):
            emit_pause(f)
            f.leave(f.icmp("ne", f.load_atomic(f.arguments["control"]), order))
    number = futex_number(target)
    if number is not None:
        _emit_futex(module, "wait", number, _FUTEX_WAIT)
        _emit_futex(module, "wake", number, _FUTEX_WAKE)
    return str(module)


_ORDER = [("control", PTR), ("program", PTR), ("buffers", PTR), ("threads", I64)]


def _emit_order(module: Module) -> None:
    """Run a program in several threads, the caller being thread 0, and return when all have finished."""
    with module.function("order", _ORDER) as f:
        control, program, buffers, threads = (f.arguments[name] for name, _ in _ORDER)
        f.store(program, f.offset(control, PROGRAM))
        f.store(buffers, f.offset(control, BUFFERS))
        count = f.add(f.load_atomic(control, "monotonic"), f.integer(1))
        count = f.binary("and", count, f.integer((1 << _THREADS_SHIFT) - 1))
        order = f.binary("or", count, f.binary("shl", threads, f.integer(_THREADS_SHIFT)))
        f.store_atomic(order, control, "seq_cst")
        with f.loop(f.integer(1), threads) as worker:
            state = _state(f, control, worker)
            with f.when(_sleeps(f, f.result(f"load atomic i32, ptr {state.text} seq_cst, align 4", I32))):
                before = f.result(f"atomicrmw xchg ptr {state.text}, i32 0 seq_cst, align 4", I32)
                with f.when(_sleeps(f, before)):
                    f.call_address(f.load(PTR, f.offset(control, WAKE)), VOID, control, state)
        f.call_address(program, VOID, buffers, f.integer(0), threads)
        with f.loop(f.integer(1), threads) as worker:
            done = f.offset(_state(f, control, worker), _DONE)
            emit_wait(f, control, lambda: f.icmp("ne", f.load_atomic(done), order))


def _emit_launch(module: Module) -> None:
    """Run a program in as many threads as there are, or in the caller alone if another launch uses the pool."""
    with module.function("launch", _ORDER, internal=False) as f:
        control, program, buffers, threads = (f.arguments[name] for name, _ in _ORDER)
        threads = f.intrinsic("smin", threads, f.load(I64, f.offset(control, COUNT)))
        taken = _take(f, control)
        with f.when(taken):
            f.call_here("order", [control, program, buffers, threads])
            f.store_atomic(f.integer(0), f.offset(control, IN_USE))
        with f.when(f.icmp("eq", taken, f.integer(0, I1))):
            f.call_address(program, VOID, buffers, f.integer(0), f.integer(1))


def _emit_end(module: Module) -> None:
    """End the workers, and return 1; 0 if a launch uses the pool. Nothing uses it afterwards."""
    with module.function("end", [("control", PTR)], internal=False, result=I64) as f:
        control = f.arguments["control"]
        f.leave(f.icmp("eq", _take(f, control), f.integer(0, I1)), f.integer(0))
        f.store(f.integer(1), f.offset(control, STOPPING))
        f.call_here("order", [control, Value("@nothing", PTR), control, f.load(I64, f.offset(control, COUNT))])
        f.returned = f.integer(1)


def _take(f: Emitter, control: Value) -> Value:
    """Take the pool, if nobody has."""
    place = f.offset(control, IN_USE)
    before = f.result(f"atomicrmw xchg ptr {place.text}, i64 1 acquire, align 8", I64)
    return f.icmp("eq", before, f.integer(0))


def _emit_worker(module: Module) -> None:
    """Carry out orders until told to end: look for one for a while, then sleep."""
    with module.function("worker", [("control", PTR), ("index", I64)], internal=False) as f:
        control, index = f.arguments["control"], f.arguments["index"]
        state = _state(f, control, index)
        limit = f.load(I64, f.offset(control, SPINS))
        seen, spins = f.variable(f.integer(0)), f.variable(f.integer(0))
        with f.while_():
            order = f.load_atomic(control)
            idle = f.icmp("eq", order, f.get(seen))
            with f.when(idle):
                tired = f.icmp("sge", f.get(spins), limit)
                with f.when(tired):
                    _emit_sleep(f, control, state, f.get(seen))
                f.set(spins, f.add(f.get(spins), f.integer(1)))
                emit_pauses(f, control, f.get(spins))
            with f.when(f.icmp("ne", order, f.get(seen))):
                f.set(seen, order)
                threads = f.binary("lshr", order, f.integer(_THREADS_SHIFT))
                with f.when(f.icmp("ult", index, threads)):
                    _emit_share(f, control, index, order)
                    f.set(spins, f.integer(0))


def _emit_share(f: Emitter, control: Value, index: Value, order: Value) -> None:
    program, buffers = (f.load(PTR, f.offset(control, place)) for place in (PROGRAM, BUFFERS))
    f.call_address(program, VOID, buffers, index, f.binary("lshr", order, f.integer(_THREADS_SHIFT)))
    # Read before finishing: afterwards the launch returns, and what it wrote may change.
    stopping = f.load(I64, f.offset(control, STOPPING))
    f.store_atomic(order, f.offset(_state(f, control, index), _DONE))
    f.leave(f.icmp("ne", stopping, f.integer(0)))


def _emit_sleep(f: Emitter, control: Value, state: Value, seen: Value) -> None:
    f.store_atomic(f.integer(1, I32), state, "seq_cst")
    with f.when(f.icmp("eq", f.load_atomic(control, "seq_cst"), seen)):
        f.call_address(f.load(PTR, f.offset(control, WAIT)), VOID, control, state)
    f.store_atomic(f.integer(0, I32), state, "seq_cst")


def _emit_futex(module: Module, name: str, number: int, operation: int) -> None:
    with module.function(name, [("control", PTR), ("state", PTR)], internal=False) as f:
        syscall = f.load(PTR, f.offset(f.arguments["control"], SYSCALL))
        f.write(
            f"call i64 (i64, ...) {syscall.text}(i64 {number}, ptr {f.arguments['state'].text}, "
            f"i64 {operation}, i64 1, ptr null, ptr null, i64 0)"
        )


def _state(f: Emitter, control: Value, worker: Value) -> Value:
    return f.offset(f.at(control, f.mul(worker, f.integer(LINE)), I8), STATES)


def _sleeps(f: Emitter, state: Value) -> Value:
    return f.icmp("eq", state, f.integer(1, I32))
