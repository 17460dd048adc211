"""Expressions: elementwise operations and reads from memory, written where a kernel needs their value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lamina.compiler.codegen.elements import literal, load_strided, store_element
from lamina.compiler.codegen.elementwise import Types, emit_elementwise, emit_fault
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.faults import FAULT_OPERAND
from lamina.compiler.codegen.values import I1, I64, Type, Value
from lamina.compiler.graph import ir
from lamina.compiler.schedule.accesses import in_memory
from lamina.compiler.schedule.fused import COPY, Fused
from lamina.compiler.schedule.kernels import Kernel, Loops
from lamina.compiler.schedule.views import VIEWS, Affine, Index, combined, operand_index
from lamina.compiler.target import Target


@dataclass(eq=False)
class Body:
    """What a kernel's function is written with.

    Attributes
    ----------
    f : Emitter
    kernel : Kernel
    fused : Fused
    pointers : mapping of graph value to pointer
        The memory of every value that the kernel reads or writes.
    """

    f: Emitter
    kernel: Kernel
    fused: Fused
    pointers: Mapping[ir.Value, Value]

    @property
    def target(self) -> Target:
        """The processor."""
        return self.f.module.target

    @property
    def repeatable(self) -> bool:
        """Whether elements may be computed and stored twice, as the kernel overwrites nothing that it reads."""
        return len({pointer.text for pointer in self.pointers.values()}) == len(self.pointers)

    def stored(self, values: Iterable[ir.Value]) -> list[tuple[ir.Value, ir.Value, Affine]]:
        """Return those of the values computed that are stored, each with whose memory it goes to, and where in it."""
        kernel = self.kernel
        found = [(value, value, kernel.stored_at(value)) for value in values if value in self.pointers]
        if isinstance(kernel, Loops) and kernel.into is not None:
            part, into = kernel.computed[0], kernel.into
            place = combined(kernel.place_of(part), into.strides, into.offset, len(kernel.dims))
            found.append((part, into.base, place))
        return found


class Step:
    """The values of expressions at one step of a kernel's loops.

    Parameters
    ----------
    body : Body
    loops : sequence of Value
        The index of every loop; that of the vector loop is the index of the first lane.
    lane_loop : int or None
        The loop along which a vector runs.
    lanes : int
        How many elements at once; 0 is one, as a scalar.
    inner : (int, int), optional
        A short loop inside of that one, and its length: the vector runs through all of it at each step of the other.
    """

    def __init__(
        self,
        body: Body,
        loops: Sequence[Value],
        lane_loop: int | None,
        lanes: int,
        inner: tuple[int, int] | None = None,
    ) -> None:
        self.body = body
        self.inner = inner
        self.f = body.f
        self.loops = loops
        self.lane_loop = lane_loop if lanes else None
        self.lanes = lanes
        self._known: dict[tuple[ir.Value, Index], Value] = {}
        self._addresses: dict[tuple[ir.Value, Affine], Value] = {}

    def bind(self, value: ir.Value, found: Value) -> None:
        """Say what a value is that is not an expression: a sum, or an element of a product."""
        self._known[value, self.body.kernel.place_of(value)] = found

    def of(self, value: ir.Value, index: Index) -> Value:
        """Return a value: a vector, or a scalar where it is the same in every lane."""
        key = value, index
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._new(value, index)
        return found

    def compute(self, values: Iterable[ir.Value]) -> None:
        """Compute values that a kernel computes, each from those before it, so that no expression grows too deep."""
        for value in ir.in_order(values):
            self.of(value, self.body.kernel.place_of(value))

    def keep(self, values: Iterable[ir.Value]) -> None:
        """Store values that have been computed, all of them: what is overwritten has been read."""
        for value, base, place in self.body.stored(values):
            self.store(base, place, self.of(value, self.body.kernel.place_of(value)))

    def _new(self, value: ir.Value, index: Index) -> Value:
        body = self.body
        if value.op == "full":
            return literal(self.f, value.dtype, value.params["value"], 0)
        read = in_memory(body.kernel, body.fused, value, index)
        if read is not None:
            assert read.place is not None
            return self.load(read.base, read.place)
        dims = len(body.kernel.dims)
        if value.op in VIEWS or value.op == COPY:
            return self.of(value.operands[0], operand_index(value, 0, index, dims))
        operands = [self.of(each, operand_index(value, at, index, dims)) for at, each in enumerate(value.operands)]
        lanes = max([each.type.lanes for each in operands], default=0)
        if lanes:
            operands = [self.f.splat(each, lanes) for each in operands]
        types = Types(value.operands[-1].dtype, value.dtype)
        wrong = emit_fault(self.f, value.op, types, operands)
        if wrong is not None:
            self._fail(wrong)
        return emit_elementwise(self.f, value.op, types, operands)

    def _fail(self, wrong: Value) -> None:
        """Report a fault if an operand of some lane is an error."""
        f = self.f
        if wrong.type.lanes:
            wrong = f.call(f"llvm.vector.reduce.or.{wrong.type.suffix}", I1, wrong)
        with f.when(wrong):
            f.store_atomic(f.integer(FAULT_OPERAND), f.arguments["fault"], "monotonic")

    # --- memory ---

    def address(self, base: ir.Value, place: Affine) -> Value:
        """Return a pointer to an element of a value in memory, the first lane's."""
        key = base, place
        found = self._addresses.get(key)
        if found is None:
            f, pointer = self.f, self.body.pointers[base]
            number = offset(f, place, self.loops)
            found = self._addresses[key] = f.at(pointer, number, element_type(base))
        return found

    def load(self, base: ir.Value, place: Affine) -> Value:
        """Return an element in memory, or one for each lane."""
        f, pointer = self.f, self.address(base, place)
        if self.inner is None:
            stride = place[self.lane_loop] if self.lane_loop is not None else 0
            return load_strided(f, base.dtype, pointer, stride, self.lanes)
        (short, length), rounds = self.inner, self.lanes // self.inner[1]
        assert self.lane_loop is not None
        outer, inner = place[self.lane_loop], place[short]
        if outer == length * inner:
            return load_strided(f, base.dtype, pointer, inner, self.lanes)
        if not inner:
            return self._repeated(load_strided(f, base.dtype, pointer, outer, rounds if rounds > 1 else 0), length)
        if not outer:
            found = load_strided(f, base.dtype, pointer, inner, length)
            return f.shuffle(found, found, list(range(length)) * rounds)
        total = None
        for at in range(rounds):
            start = f.at(pointer, f.integer(at * outer), element_type(base))
            found = load_strided(f, base.dtype, start, inner, length)
            for lane in range(length):
                total = Value("poison", found.type.of(self.lanes)) if total is None else total
                total = f.insert(total, f.extract(found, lane), at * length + lane)
        assert total is not None
        return total

    def _repeated(self, found: Value, times: int) -> Value:
        """Return each lane of a vector several times in a row; a scalar as it is."""
        if not found.type.lanes:
            return found
        return self.f.shuffle(found, found, [lane for lane in range(found.type.lanes) for _ in range(times)])

    def store(self, base: ir.Value, place: Affine, value: Value) -> None:
        """Write an element, or one for each lane."""
        f, pointer = self.f, self.address(base, place)
        value = f.splat(value, self.lanes)
        offsets = [self._lane(place, lane) for lane in range(self.lanes)]
        if offsets == list(range(self.lanes)):
            store_element(f, base.dtype, value, pointer)
            return
        for lane, offset in enumerate(offsets):
            at = f.at(pointer, f.integer(offset), element_type(base))
            store_element(f, base.dtype, f.extract(value, lane), at)

    def _lane(self, place: Affine, lane: int) -> int:
        """Return how far from the first lane's element another's lies."""
        assert self.lane_loop is not None
        if self.inner is None:
            return lane * place[self.lane_loop]
        loop, length = self.inner
        return lane // length * place[self.lane_loop] + lane % length * place[loop]


def element_type(value: ir.Value) -> Type:
    """Return the type by which the memory of a value is counted."""
    return Type(f"i{value.dtype.itemsize * 8}")


def offset(f: Emitter, place: Affine, loops: Sequence[Value]) -> Value:
    """Return an affine function of the loops' indices."""
    total = f.integer(place[-1])
    for coefficient, index in zip(place, loops, strict=False):
        if coefficient:
            total = f.add(total, f.mul(index, f.integer(coefficient)))
    return total


def unravelled(f: Emitter, number: Value, sizes: Sequence[int]) -> list[Value]:
    """Return the index along each axis of an element counted through all of them."""
    indices: list[Value] = []
    for size in reversed(sizes[1:]):
        indices.append(f.binary("urem", number, f.integer(size)) if size > 1 else f.integer(0))
        number = f.binary("udiv", number, f.integer(size)) if size > 1 else number
    return [number, *reversed(indices)] if sizes else []


def folded(f: Emitter, vector: Value, combine: Callable[[Value, Value], Value]) -> Value:
    """Return what the lanes of a vector are together, halves first."""
    lanes = vector.type.lanes
    while lanes > 1:
        lanes //= 2
        vector = combine(*(f.shuffle(vector, vector, half) for half in (range(lanes), range(lanes, 2 * lanes))))
    return f.extract(vector, 0)


def pieces(count: int, lanes: int, repeatable: bool = False) -> Sequence[tuple[int, int]]:
    """Return where the rest of a loop begins and how many lanes it takes, by powers of two below ``lanes``.

    Where elements may be computed twice and that takes fewer steps, one vector ends with the loop and overlaps those
    before it.
    """
    found = []
    at, width = count - count % lanes, lanes // 2
    while at < count:
        if count - at >= width:
            found.append((at, width))
            at += width
        width = max(width // 2, 1)
    whole = lanes if count >= lanes else found[0][1] if found else 0
    before = 0 if count >= lanes else 1
    if repeatable and len(found) > before + 1:
        return [*found[:before], (count - whole, whole)]
    return found


@contextmanager
def nest(f: Emitter, sizes: Sequence[int]) -> Iterator[list[Value]]:
    """Open loops over sizes, one inside the other; one of length one is index 0."""
    if not sizes:
        yield []
        return
    with f.loop(f.integer(0), f.integer(sizes[0])) as index, nest(f, sizes[1:]) as rest:
        yield [index, *rest]


ZERO = Value("0", I64)
