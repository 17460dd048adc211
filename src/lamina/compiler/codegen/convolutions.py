"""Convolutions with what is made of them."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.compiler.codegen import convolution
from lamina.compiler.codegen.contractions import LONG, ask_for, finish, streamed
from lamina.compiler.codegen.convolution import Ask, Part
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import ZERO, Body, Step, element_type
from lamina.compiler.codegen.values import Value
from lamina.compiler.schedule.accesses import Read, expressions
from lamina.compiler.schedule.kernels import Convolution
from lamina.compiler.schedule.views import Affine
from lamina.compiler.target import Target


def convolution_scratch(kernel: Convolution, target: Target) -> int:
    """Return the bytes of scratch memory that one thread needs."""
    return convolution.scratch_bytes(problem_of(kernel), target)


def emit_convolution_kernel(body: Body, begin: Value, end: Value, scratch: Value) -> None:
    """Write a convolution for the units from ``begin`` to ``end``: images, or the channels of a single image."""
    kernel, f = body.kernel, body.f
    assert isinstance(kernel, Convolution)
    problem = problem_of(kernel)
    images, channels = (ZERO, f.integer(problem.images)), (ZERO, f.integer(problem.groups * problem.rows))
    if problem.images > 1:
        images = begin, end
    elif kernel.value.shape[1] > 1:
        channels = begin, end
    kept = [axis for axis, size in enumerate(kernel.value.shape) if size != 1]
    along = len(kept) - 1 if kept and kept[-1] == len(kernel.value.shape) - 1 else None

    def epilogue(f: Emitter, indices: Sequence[Value], value: Value) -> None:
        finish(Step(body, [indices[axis] for axis in kept], along, value.type.lanes), value)

    x, w = (
        f.at(body.pointers[view.base], f.integer(view.offset), element_type(view.base)) for view in (kernel.a, kernel.b)
    )
    convolution.emit_convolution(
        f, body.target, problem, x, w, Part(*images, *channels), epilogue, scratch, _asking(body, problem, kept)
    )


def _asking(body: Body, problem: convolution.Convolution, kept: Sequence[int]) -> Ask | None:
    """Return what asks for the memory of the epilogue, where it is not in cache and the sums take long enough."""
    arrays = streamed(body, expressions(body.kernel, body.fused), _line)
    if not arrays or problem.terms < LONG:
        return None

    def ask(f: Emitter, indices: Sequence[Value], elements: int) -> None:
        loops = [indices[axis] for axis in kept]
        for base, place in arrays:
            ask_for(f, body, base, place, loops, elements)

    return ask


def _line(read: Read) -> Affine | None:
    """Return where a read is, if it goes through neighbours, others for other rows."""
    place = read.place
    if place is None or read.reach or place[-2:-1] != (1,):
        return None
    return place if any(place[:-2]) else None


def problem_of(kernel: Convolution) -> convolution.Convolution:
    """Return the sizes of a kernel's convolution, and where its operands lie."""
    value, x, w = kernel.value, kernel.a, kernel.b
    images, channels, *places = value.shape
    groups, window = value.params["groups"], value.operands[1].shape
    stride, dilation = value.params["stride"], value.params["dilation"]
    # Without axes of space there is one place, and a window of one element.
    flat = () if places else (1,)
    return convolution.Convolution(
        images=images,
        groups=groups,
        rows=channels // groups,
        depth=window[1],
        places=(*places, *flat),
        window=(*window[2:], *flat),
        dtype=value.dtype,
        x_image=x.strides[0],
        x_channel=x.strides[1],
        x_place=(*(by * each for by, each in zip(stride, x.strides[2:], strict=True)), *flat),
        x_window=(*(by * each for by, each in zip(dilation, x.strides[2:], strict=True)), *flat),
        w_row=w.strides[0],
        w_channel=w.strides[1],
        w_window=(*w.strides[2:], *flat),
    )
