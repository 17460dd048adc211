"""A model is traced once when it is read: every shape and type is looked at, and nothing is computed.

What nodes compute from small integers, as shapes are computed, has values; everything else is a shape and a type, so
that a file cannot make arrays that are larger than it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lamina.backends.thread_state import quietly
from lamina.compiler.tracing.trace import trace
from lamina.compiler.tracing.tracer import Tracer
from lamina.errors import CheckpointError, DataError
from lamina.exchange.onnx.reading.calls import REHEARSING, Call
from lamina.exchange.onnx.reading.graph import Contents
from lamina.exchange.onnx.reading.shapes import MOST_KNOWN
from lamina.primitives.primitive import Spec
from lamina.tensor import Tensor
from lamina.variable import Variable

MOST_ELEMENTS = 2**28
"""Of any result, for batches of the lengths that are tried."""
MOST_FACTORS = 8
"""Numbers with a fraction that may say a shape, as factors that axes are made longer by."""
LENGTHS = (2, 24)
"""What an axis of any length is taken to be; the second, for models that need a longer one."""


def rehearse(contents: Contents, known: Mapping[str, Any], place: str) -> None:
    """Trace the calls of a file for the shapes that it says its inputs have.

    Parameters
    ----------
    contents : Contents
    known : mapping of str to Tensor
        Weights and constants.
    place : str
        The file, for errors.

    Raises
    ------
    CheckpointError
        When a node cannot work on what it is given; the message names it.
    """
    if any(each.sizes is None for each in contents.inputs):
        return
    free = any(size is None for each in contents.inputs for size in each.sizes or ())
    failures: list[CheckpointError] = []
    for length in LENGTHS if free else LENGTHS[:1]:
        try:
            quietly(_traced, contents, known, place, length)
            return
        except CheckpointError as error:
            failures.append(error)
    raise failures[0]


def _traced(contents: Contents, known: Mapping[str, Any], place: str, length: int) -> None:
    def run(tracer: Tracer) -> None:
        current: dict[str, Any] = {name: _without_values(tracer, value) for name, value in known.items()}
        for each in contents.inputs:
            shape = tuple(length if size is None else size for size in each.sizes or ())
            _check_size(f"{place}: the input {each.name!r}", shape)
            current[each.name] = tracer.argument(len(tracer.inputs), Spec(shape, each.dtype), tracked=False)
        for call in contents.calls:
            current.update(zip(call.outputs, _called(tracer, call, current), strict=False))

    token = REHEARSING.set(True)
    try:
        trace(run, recording=False)
    finally:
        REHEARSING.reset(token)


def _called(tracer: Tracer, call: Call, current: Mapping[str, Any]) -> list[Any]:
    try:
        results = call(current)
        for each in results:
            if not isinstance(each, Tensor):
                raise DataError("its result is no tensor")
            _check_size("its result", each.shape)
        return [_without_values(tracer, each) for each in results]
    # Whatever a row makes of operands that do not fit, the file is at fault.
    except Exception as error:
        text = str(error) or type(error).__name__
        raise CheckpointError(text if text.startswith(call.place) else f"{call.place}: {text}") from error


def _check_size(what: str, shape: tuple[int, ...]) -> None:
    if math.prod(shape) > MOST_ELEMENTS:
        raise CheckpointError(f"{what} has the shape {list(shape)}, which is too large")


def _without_values(tracer: Tracer, value: Any) -> Any:
    """Return a tensor without its values, but for those that may be a shape."""
    if not value._backend.has_values:
        return value
    known = MOST_FACTORS if value.dtype.floating else MOST_KNOWN
    # Widths of a padding may come in pairs.
    axes = 1 if value.dtype.floating else 2
    if not isinstance(value, Variable) and value.ndim <= axes and value.size <= known:
        return value
    return tracer.argument(len(tracer.inputs), Spec(value.shape, value.dtype), tracked=False)
