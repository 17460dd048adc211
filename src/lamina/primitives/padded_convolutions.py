"""Convolutions with their padding, and transposed ones: the derivatives of each are the other's.

The primitives that they are made of have derivatives too, but those compute what the padding receives, which nobody
asks for, and what is between the elements of a transposed convolution's input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.primitives.composite import Composite
from lamina.primitives.convolutions import backwards, convolution, transposed, weight_rule, widened
from lamina.primitives.primitive import Shape

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def _padded(x: Tensor, w: Tensor, *, low: Shape, high: Shape, stride: Shape, dilation: Shape, groups: int) -> Tensor:
    return convolution(_wide(x, low, high), w, stride=stride, dilation=dilation, groups=groups)


def _wide(x: Tensor, low: Shape, high: Shape) -> Tensor:
    return widened(x, low, high, (0,) * len(low))


def _padded_input_rule(
    g: Tensor, y: Tensor, x: Tensor, w: Tensor,
    *, low: Shape, high: Shape, stride: Shape, dilation: Shape, groups: int,
) -> Tensor:  # fmt: skip
    return transposed(g, w, sizes=x.shape[2:], low=low, stride=stride, dilation=dilation, groups=groups)


def _padded_weight_rule(
    g: Tensor, y: Tensor, x: Tensor, w: Tensor,
    *, low: Shape, high: Shape, stride: Shape, dilation: Shape, groups: int,
) -> Tensor:  # fmt: skip
    return weight_rule(g, y, _wide(x, low, high), w, stride=stride, dilation=dilation, groups=groups)


padded_convolution: Composite = Composite("padded_convolution", _padded, _padded_input_rule, _padded_weight_rule)
"""The convolution of ``x`` with ``w``, with ``low`` and ``high`` zeros before and after each axis."""


def _spread(x: Tensor, w: Tensor, *, low: Shape, high: Shape, stride: Shape, dilation: Shape, groups: int) -> Tensor:
    """One convolution with zeros between the elements: what exported models know a transposed convolution by."""
    reach = [apart * (size - 1) for apart, size in zip(dilation, w.shape[2:], strict=True)]
    before, after = (tuple(far - gone for far, gone in zip(reach, end, strict=True)) for end in (low, high))
    wide = widened(x, before, after, tuple(step - 1 for step in stride))
    return convolution(wide, backwards(w, groups), stride=(1,) * len(stride), dilation=dilation, groups=groups)


def _transposed_input_rule(g: Tensor, y: Tensor, x: Tensor, w: Tensor, **settings: Any) -> Tensor:
    return padded_convolution(g, w, **settings)


def _transposed_weight_rule(g: Tensor, y: Tensor, x: Tensor, w: Tensor, **settings: Any) -> Tensor:
    return _padded_weight_rule(x, y, g, w, **settings)


transposed_convolution: Composite = Composite(
    "transposed_convolution", _spread, _transposed_input_rule, _transposed_weight_rule
)
"""The adjoint of `padded_convolution` by ``x``: a negative number in ``high`` lets the result be as much longer."""
