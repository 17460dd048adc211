"""Convolutions of which a part is wanted: no more than that is computed."""

from __future__ import annotations

from lamina.compiler.graph.ir import Value
from lamina.compiler.graph.passes.rewriting import Builder, Pass
from lamina.compiler.graph.passes.views import sliced
from lamina.primitives.primitive import Spec


def slice_of_convolution(value: Value, builder: Builder) -> Value | None:
    """Some images, and some places of them: the convolution of what their windows reach.

    So the derivative by images that had been padded leaves the padding out.
    """
    whole = value.operands[0]
    if whole.op != "convolution" or value.shape[1] != whole.shape[1] or 0 in value.shape:
        return None
    if not builder.read_once(whole):
        return None
    x, w = whole.operands
    stride, dilation = whole.params["stride"], whole.params["dilation"]
    (image, _, *start), (by, _, *step) = value.params["start"], value.params["step"]
    images, _, *places = value.shape
    strides = tuple(a * b for a, b in zip(stride, step, strict=True))
    reach = [
        (size - 1) * apart + (taps - 1) * gap + 1
        for size, apart, taps, gap in zip(places, strides, w.shape[2:], dilation, strict=True)
    ]
    first = (image, 0, *(low * apart for low, apart in zip(start, stride, strict=True)))
    part = sliced(builder, x, first, (images, x.shape[1], *reach), (by, *(1 for _ in range(len(reach) + 1))))
    params = {**whole.params, "stride": strides}
    return builder.operation("convolution", (part, w), Spec(value.shape, value.dtype), params)


CONVOLVING = Pass(
    "convolutions",
    "what nobody asks for is not computed",
    {"slice": (slice_of_convolution,)},
)
