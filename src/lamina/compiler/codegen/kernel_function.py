"""The function of a kernel: what it is called with, and its body."""

from __future__ import annotations

from lamina.compiler.codegen.expressions import ZERO, Body
from lamina.compiler.codegen.fallback import emit_fallback
from lamina.compiler.codegen.faults import FAULT_INDEX
from lamina.compiler.codegen.kernel_key import kernel_key
from lamina.compiler.codegen.loops import emit_loops
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.products import emit_matrix_product
from lamina.compiler.codegen.reductions import emit_reduction
from lamina.compiler.codegen.schedule import Numbered, Schedule, lanes_in, memory_of
from lamina.compiler.codegen.special.job import Job
from lamina.compiler.codegen.special.kernel import SPECIAL
from lamina.compiler.codegen.values import I64, PTR, Value
from lamina.compiler.graph.fallbacks import FALLBACKS
from lamina.compiler.graph.indexing import INDEXED, out_of_range
from lamina.compiler.schedule.kernels import Convolution, Kernel, Loops, MatrixProduct, Reduction, Special
from lamina.compiler.schedule.views import Affine
from lamina.forking import forks_wait


class KernelFunction:
    """The function of a kernel, and what it is called with.

    Attributes
    ----------
    name : str
        Of the function; kernels that do the same share one.
    places : list of Place
        What its first parameters point to. The others are ``begin``, ``end``, ``scratch``, ``fault`` and ``callback``.
    """

    together = False

    def __init__(self, module: Module, schedule: Schedule, kernel: Kernel, name: str, numbers: Numbered) -> None:
        self.kernel = kernel
        self._numbers = numbers
        self.share = schedule.ordered.shares[kernel]
        self.memory = memory_of(kernel, schedule)
        # One parameter for each place: a variable is read and written through one pointer.
        self.places = list(dict.fromkeys(self.memory.values()))
        self.name = self._found(module, schedule, name)

    def _found(self, module: Module, schedule: Schedule, name: str) -> str:
        """Return the function of an earlier kernel that does the same; else write one."""
        key = kernel_key(self.kernel, schedule.fused, self.memory)
        if key is None:
            return self._write(module, schedule, name)
        key = key, self.share, schedule.alone
        if key not in module.kernels:
            module.kernels[key] = self._write(module, schedule, name)
        return module.kernels[key]

    def _write(self, module: Module, schedule: Schedule, name: str) -> str:
        pointers = [(f"noalias p{at}", PTR) for at in range(len(self.places))]
        rest = [("begin", I64), ("end", I64), ("scratch", PTR), ("fault", PTR), ("callback", PTR)]
        with module.function(name, [*pointers, *rest], notes="noinline") as f:
            names = {place: f.arguments[f"p{at}"] for at, place in enumerate(self.places)}
            found = {value: names[place] for value, place in self.memory.items()}
            begin, end = f.arguments["begin"], f.arguments["end"]
            if schedule.alone:
                begin, end = ZERO, f.integer(self.share.units)
            body = Body(f, schedule.target, self.kernel, schedule.fused, found)
            self._emit(body, schedule, begin, end)
        # The same may have been written from something else.
        return module.shared(name)

    def _emit(self, body: Body, schedule: Schedule, begin: Value, end: Value) -> None:
        kernel, f = self.kernel, body.f
        match kernel:
            case MatrixProduct():
                emit_matrix_product(body, self.share, begin, end, f.arguments["scratch"])
            case Convolution():
                with forks_wait():
                    from lamina.compiler.codegen.convolutions import emit_convolution_kernel

                emit_convolution_kernel(body, begin, end, f.arguments["scratch"])
            case Reduction():
                lanes = lanes_in(kernel, schedule.fused, schedule.target)
                emit_reduction(body, self.share, lanes, begin, end, self._places(schedule))
            case Special():
                self._emit_special(body, begin, end)
            case Loops():
                lanes = lanes_in(kernel, schedule.fused, schedule.target)
                emit_loops(body, self.share, lanes, begin, end, self._places(schedule))

    def _places(self, schedule: Schedule) -> list[Affine]:
        """Return where the kernel reads."""
        return [read.place for read in schedule.ordered.reads[self.kernel] if read.place is not None]

    def _emit_special(self, body: Body, begin: Value, end: Value) -> None:
        kernel, f = self.kernel, body.f
        assert isinstance(kernel, Special)
        assert kernel.value is not None
        operands = tuple(body.pointers[body.fused.arrays[each]] for each in kernel.value.operands)
        results = tuple(body.pointers[each] for each in kernel.results)
        if kernel.value.op in FALLBACKS:
            number = self._numbers.fallbacks.index(kernel.value)
            emit_fallback(f, f.arguments["callback"], number, operands, results, f.arguments["fault"])
            return
        scratch, fault = f.arguments["scratch"], f.arguments["fault"]
        job = Job(f, body.target, kernel.value, operands, results, begin, end, scratch, fault)
        if kernel.value.op in INDEXED:
            number = self._numbers.index_faults.index(out_of_range(kernel.value))
            job = job._replace(outside=FAULT_INDEX - number)
        SPECIAL[kernel.value.op].emit(job)
