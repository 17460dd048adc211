"""``sort`` and ``argsort``: lines of an array in order, with NaN as the largest of numbers."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.special.job import Job, Split, bytes_at, divide, split
from lamina.compiler.codegen.special.keys import Keys
from lamina.compiler.codegen.special.merging import Arrays, emit_sort, runs_of
from lamina.compiler.codegen.values import I32, I64, Type, Value, Variable
from lamina.compiler.graph import ir
from lamina.dtypes import DType


def sort_units(value: ir.Value) -> int:
    """One unit is a line."""
    lines = split(value.shape, value.params["axis"])
    return lines.outer * lines.inner


def sort_scratch(value: ir.Value) -> int:
    """The keys of a line, and the indices they carry, twice."""
    return 2 * sum(_room(value, kind) for kind in _types(value))


def _room(value: ir.Value, kind: Type) -> int:
    """Return the bytes of one array of scratch, rounded to lines of the cache."""
    capacity = runs_of(value.shape[value.params["axis"]]).capacity
    return -(-capacity * kind.bits // 8 // 64) * 64


def _types(value: ir.Value) -> Sequence[Type]:
    """Return the types of the arrays to sort: keys, and for long keys of ``argsort`` indices.

    A key of up to 32 bits and its index are one integer: comparing it compares the key, then the index.
    """
    dtype: DType = value.operands[0].dtype
    if value.op == "sort":
        return (Type(f"i{dtype.bits}"),)
    if _packed(value):
        return (I64,)
    return (I64, I32 if value.shape[value.params["axis"]] < 1 << 31 else I64)


def _packed(value: ir.Value) -> bool:
    dtype: DType = value.operands[0].dtype
    return dtype.bits <= 32 and value.shape[value.params["axis"]] < 1 << 32


def _scratch(job: Job) -> tuple[Arrays, Arrays]:
    """Return two sets of arrays in the scratch memory."""
    f, types, offset = job.f, _types(job.value), 0
    sets = []
    for _ in range(2):
        pointers = []
        for kind in types:
            pointers.append(bytes_at(f, job.scratch, f.integer(offset), 1))
            offset += _room(job.value, kind)
        sets.append(Arrays(f, types, pointers))
    return sets[0], sets[1]


def emit_sorted(job: Job) -> None:
    """The elements of every line in order; descending is the same order read backwards."""
    f, value = job.f, job.value
    lines, keys = split(value.shape, value.params["axis"]), Keys(f, value.dtype)
    if not lines.length:
        return
    first, second = _scratch(job)
    runs = runs_of(lines.length)
    with f.loop(job.begin, job.end) as unit:
        start = _start(f, unit, lines)
        negative, odd = f.variable(f.integer(0)), f.variable(f.integer(0))
        with f.loop(f.integer(0), f.integer(lines.length)) as at:
            bits = f.load(keys.type, _place(job, job.operands[0], keys, lines, start, at))
            key = keys.of(bits)
            first.put(at, [key])
            if value.dtype.floating:
                _count(f, negative, f.icmp("slt", key, f.integer(0, keys.type)))
                _count(f, odd, keys.is_negative_zero(bits))
        _fill(first, lines.length, runs.size, keys.largest)
        ordered = emit_sort(first, second, runs)
        with f.loop(f.integer(0), f.integer(lines.length)) as at:
            to = _place(job, job.results[0], keys, lines, start, _turned(job, lines, at))
            f.store(keys.element(ordered.key(at)), to)
        if value.dtype.floating:
            with f.when(f.icmp("ne", f.get(odd), f.integer(0))):
                _restore_zeros(job, keys, lines, start, negative)


def _restore_zeros(job: Job, keys: Keys, lines: Split, start: Value, position: Variable) -> None:
    """Write the zeros again, behind the negative numbers, with their signs in the order they came in."""
    f = job.f
    with f.loop(f.integer(0), f.integer(lines.length)) as at:
        bits = f.load(keys.type, _place(job, job.operands[0], keys, lines, start, at))
        with f.when(keys.is_zero(bits)):
            to = _turned(job, lines, f.get(position))
            f.store(bits, _place(job, job.results[0], keys, lines, start, to))
            f.set(position, f.add(f.get(position), f.integer(1)))


def emit_argsorted(job: Job) -> None:
    """The positions of the elements in order; of equals the first comes first, in both directions."""
    f, value = job.f, job.value
    x = value.operands[0]
    lines, keys, packed = split(x.shape, value.params["axis"]), Keys(f, x.dtype), _packed(value)
    if not lines.length:
        return
    first, second = _scratch(job)
    runs = runs_of(lines.length)
    with f.loop(job.begin, job.end) as unit:
        start = _start(f, unit, lines)
        with f.loop(f.integer(0), f.integer(lines.length)) as at:
            key = keys.of(f.load(keys.type, _place(job, job.operands[0], keys, lines, start, at)))
            if value.params["descending"]:
                key = f.binary("xor", key, f.integer(-1, key.type))
            first.put(at, _with_index(f, key, at, first.types))
        _fill(first, lines.length, runs.size, (1 << 63) - 1)
        ordered = emit_sort(first, second, runs)
        with f.loop(f.integer(0), f.integer(lines.length)) as at:
            index = ordered.get(at)[-1]
            index = f.binary("and", index, f.integer(0xFFFFFFFF)) if packed else f.convert("zext", index, "i64")
            to = f.add(start, f.mul(at, f.integer(lines.inner)))
            f.store(index, f.at(job.results[0], to, I64))


def _with_index(f: Emitter, key: Value, index: Value, types: Sequence[Type]) -> list[Value]:
    if len(types) == 2:
        return [key, f.convert("trunc", index, types[1].scalar)]
    upper = f.binary("shl", f.convert("sext", key, "i64"), f.integer(32))
    return [f.binary("or", upper, index)]


def _fill(arrays: Arrays, length: int, size: int, largest: int) -> None:
    """Put keys behind a line that stay behind it."""
    f = arrays.f
    if length < size:
        with f.loop(f.integer(length), f.integer(size)) as at:
            arrays.put(at, [f.integer(largest, arrays.types[0]), *(f.integer(0, kind) for kind in arrays.types[1:])])


def _start(f: Emitter, unit: Value, lines: Split) -> Value:
    """Return the number of a line's first element."""
    outer, inner = divide(f, unit, lines.inner)
    return f.add(f.mul(outer, f.integer(lines.length * lines.inner)), inner)


def _place(job: Job, base: Value, keys: Keys, lines: Split, start: Value, at: Value) -> Value:
    """Return a pointer to an element of a line."""
    f = job.f
    return bytes_at(f, base, f.add(start, f.mul(at, f.integer(lines.inner))), keys.type.bits // 8)


def _turned(job: Job, lines: Split, at: Value) -> Value:
    """Return where an element of the ascending order goes."""
    return job.f.sub(job.f.integer(lines.length - 1), at) if job.value.params["descending"] else at


def _count(f: Emitter, counter: Variable, condition: Value) -> None:
    f.set(counter, f.add(f.get(counter), f.convert("zext", condition, "i64")))
