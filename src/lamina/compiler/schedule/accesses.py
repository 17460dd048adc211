"""What a kernel reads, and where: the base of every dependence between kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lamina.compiler.graph.ir import Value
from lamina.compiler.schedule.fused import Fused
from lamina.compiler.schedule.kernels import Contraction, Convolution, Kernel, MatrixProduct, Reduction, Special
from lamina.compiler.schedule.views import Affine, Index, View, combined, renamed, walk, whole


class Read(NamedTuple):
    """Elements of a value that lies in memory.

    Attributes
    ----------
    base : Value
    place : tuple of int, or None
        Where, as an affine function of the kernel's loops; None for anywhere.
    reach : int
        How many elements further a step reads.
    """

    base: Value
    place: Affine | None
    reach: int = 0


def reads(kernel: Kernel, fused: Fused) -> list[Read]:
    """Return what a kernel reads from memory: what other kernels write, inputs and constants; each once."""
    if isinstance(kernel, Special):
        return list(dict.fromkeys(Read(fused.arrays[each], None) for each in kernel.value.operands))
    found: list[Read] = []
    if isinstance(kernel, MatrixProduct):
        found.extend(_product_reads(kernel))
    elif isinstance(kernel, Convolution):
        found.extend(_convolution_reads(kernel))
    found.extend(each for each in expressions(kernel, fused) if isinstance(each, Read))
    return list(dict.fromkeys(found))


def expressions(kernel: Kernel, fused: Fused) -> list[Value | Read]:
    """Return the operations written into a kernel, and what they read from memory.

    Whoever weighs, orders or writes kernels asks for them; they are found once, so fusion must be done.
    """
    if kernel not in fused.expressions:
        fused.expressions[kernel] = _expressions(kernel, fused)
    return fused.expressions[kernel]


def _expressions(kernel: Kernel, fused: Fused) -> list[Value | Read]:
    given = _given(kernel)
    found: list[Value | Read] = []

    def inside(value: Value, index: Index) -> bool:
        read = in_memory(kernel, fused, value, index)
        # What the kernel computes at its own place may be computed again at another.
        computed = read is None and value not in given
        if computed or read is not None:
            found.append(value if read is None else read)
        return computed

    walk(starts(kernel), len(kernel.dims), inside)
    return found


def _given(kernel: Kernel) -> Sequence[Value]:
    """Return what a kernel does not compute by expressions."""
    if isinstance(kernel, Reduction):
        return kernel.values
    return [kernel.value] if isinstance(kernel, Contraction) else []


def starts(kernel: Kernel) -> Iterator[tuple[Value, Index]]:
    """Yield what a kernel computes by expressions, with its place: not a product or a reduction themselves."""
    for value in kernel.computed:
        if isinstance(kernel, Contraction) and value is kernel.value:
            continue
        if isinstance(kernel, Reduction) and value in kernel.values:
            operand = value.operands[0]
            yield Value("alias", (operand,), {}, operand.spec), kernel.place_of(operand)
            continue
        yield value, kernel.place_of(value)


def in_memory(kernel: Kernel, fused: Fused, value: Value, index: Index) -> Read | None:
    """Return the read of a value that lies in memory; None for one that this kernel computes."""
    view = lies(kernel, fused, value)
    return None if view is None else Read(view.base, combined(index, view.strides, view.offset, len(kernel.dims)))


def lies(kernel: Kernel, fused: Fused, value: Value) -> View | None:
    """Return where a kernel finds a value in memory; None for one that it computes."""
    if value in kernel.inlined:
        return None
    view = fused.views.get(value)
    if view is None and value in fused.home and kernel not in fused.home[value]:
        view = whole(value)
    if view is None or (kernel in fused.home.get(view.base, ()) and (view.base is value or renamed(value))):
        return None
    return view


def _product_reads(kernel: MatrixProduct) -> Iterator[Read]:
    """The first operand's rows are read as the result's are written; the second is read everywhere."""
    shape, view = kernel.value.shape, kernel.a
    yield Read(kernel.b.base, None)
    dims = [axis for axis, size in enumerate(shape) if size != 1]
    added = len(shape) - len(view.strides)
    depth, reach = kernel.value.operands[0].shape[-1], view.strides[-1]
    if reach < 0:
        yield Read(view.base, None)
        return
    place = [view.strides[axis - added] if added <= axis < len(shape) - 1 else 0 for axis in dims]
    yield Read(view.base, (*place, view.offset), max(depth - 1, 0) * reach)


def _convolution_reads(kernel: Convolution) -> Iterator[Read]:
    """An image is read where the result's is written; the weights are read everywhere."""
    view, shape = kernel.a, kernel.value.operands[0].shape
    yield Read(kernel.b.base, None)
    if kernel.value.shape[0] == 1 or min(view.strides[1:], default=0) < 0 or 0 in shape:
        yield Read(view.base, None)
        return
    reach = sum((size - 1) * stride for size, stride in zip(shape[1:], view.strides[1:], strict=True))
    yield Read(view.base, (view.strides[0], *[0] * (len(kernel.dims) - 1), view.offset), reach)
