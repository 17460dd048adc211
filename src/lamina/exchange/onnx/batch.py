"""What of a graph depends on the length of the batch, found by comparing traces at several lengths.

A trace knows one length. What is the same in every trace is fixed; what is ``scale * batch + offset`` in all of them,
or one over that, is written as such; anything else makes the model one that cannot have a batch of any length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.compiler.graph.ir import CHECK, Value
from lamina.dtypes import DType, float_info
from lamina.errors import TracingError

LENGTHS = (11, 14, 19, 1024)
"""Two to find the dependence and two to refuse what only looks like it, such as ``n // 2 * 2``; none divides another's
difference, and the last is large, for programs that take long batches in pieces."""


@dataclass(frozen=True, slots=True)
class OfBatch:
    """A number that depends on the length of the batch: ``scale * batch + offset``, or one over that.

    Attributes
    ----------
    scale, offset : int or float
    inverse : bool
        Whether it is one over that, as in a mean over the batch.
    """

    scale: int | float
    offset: int | float
    inverse: bool = False

    def __str__(self) -> str:
        scaled = "batch" if self.scale == 1 else f"{self.scale}*batch"
        return scaled + (f"{self.offset:+}" if self.offset else "")


Size = int | OfBatch
Sizes = tuple[Size, ...]


@dataclass(eq=False, slots=True)
class Operation:
    """A value of the graphs of several traces, which are alike but for the length of the batch.

    Attributes
    ----------
    op : str
        A primitive, or a leaf, as in `lamina.compiler.graph.ir.Value`.
    operands : tuple of Operation
    params : mapping
        The primitive's parameters, in which numbers may be `OfBatch`.
    shape : tuple of int and OfBatch
        Empty for a primitive with several results.
    dtype : DType or None
        None for a primitive with several results.
    """

    op: str
    operands: tuple[Operation, ...]
    params: Mapping[str, Any]
    shape: Sizes
    dtype: Any

    def written_as(self, op: str, operands: tuple[Operation, ...], params: Mapping[str, Any]) -> Operation:
        """Return another operation with the same result."""
        return Operation(op, operands, params, self.shape, self.dtype)


Reads = dict[Operation, int]
"""How often the result of each operation is read."""


def merged(graphs: Sequence[Sequence[Value]], lengths: Sequence[int]) -> dict[Value, Operation]:
    """Return what several traces have in common, by the values of the first.

    Parameters
    ----------
    graphs : sequence of sequence of Value
        The values of each trace, operands before results.
    lengths : sequence of int
        How long the batch was in each.

    Raises
    ------
    TracingError
        When they differ in more than numbers that depend on the length as `OfBatch` says.
    """
    if len({len(values) for values in graphs}) > 1:
        raise _differ("the forward pass takes other steps", lengths)
    places = [{value: place for place, value in enumerate(values)} for values in graphs]
    made: dict[Value, Operation] = {}
    for same in zip(*graphs, strict=True):
        first = same[0]
        wiring = {tuple(place[each] for each in value.operands) for value, place in zip(same, places, strict=True)}
        if len({value.op for value in same}) > 1 or len(wiring) > 1:
            raise _differ("the forward pass takes other steps", lengths)
        operands = tuple(made[each] for each in first.operands)
        params = {} if first.op == CHECK else _params(same, lengths)
        if isinstance(first.spec, tuple):
            made[first] = Operation(first.op, operands, params, (), None)
            continue
        shape = _combined([value.shape for value in same], lengths, f"the shape of {first.op}")
        made[first] = Operation(first.op, operands, params, shape, first.dtype)
    return made


def _params(same: Sequence[Value], lengths: Sequence[int]) -> dict[str, Any]:
    op, names, dtype = same[0].op, same[0].params, getattr(same[0].spec, "dtype", None)
    # A number that fills an array has been rounded to its type.
    rounding = float_info(dtype).eps if dtype is not None and dtype.floating else 0.0
    return {
        name: _combined([value.params[name] for value in same], lengths, f"{name} of {op}", rounding)
        for name in names
        if not (op == "input" and name == "index")
    }


def _combined(each: Sequence[Any], lengths: Sequence[int], what: str, rounding: float = 0.0) -> Any:
    """Return a value that is the same in all traces, or how it depends on the length of the batch."""
    first = each[0]
    if isinstance(first, tuple):
        if len({len(value) for value in each}) > 1:
            raise _differ(f"{what} has another length", lengths)
        return tuple(_combined(parts, lengths, what, rounding) for parts in zip(*each, strict=True))
    if isinstance(first, np.ndarray):
        if any(value.dtype != first.dtype or value.tobytes() != first.tobytes() for value in each):
            raise _differ(f"an array of constants ({what}) is another one", lengths)
        return first
    if isinstance(first, bool | str | DType | type(None)):
        if any(value != first for value in each):
            raise _differ(f"{what} is another one", lengths)
        return first
    found = fitted(each, lengths, rounding)
    if found is None:
        values = ", ".join(f"{value:g}" for value in each)
        raise _differ(f"{what} is {values} and depends on the length in no simple way", lengths)
    return found


def fitted(values: Sequence[int | float], lengths: Sequence[int], rounding: float) -> int | float | OfBatch | None:
    """Return the number that all are, or how they depend on the length of the batch; None if they do otherwise.

    Floating-point numbers have been rounded by up to ``rounding`` of their size.
    """
    first = values[0]
    if all(_same(value, first) for value in values):
        return first
    if not all(math.isfinite(value) for value in values):
        return None
    if all(isinstance(value, int) for value in values):
        line = _line(values, lengths, 0.0)
        return None if line is None else OfBatch(*line)
    line = _line(values, lengths, rounding)
    if line is not None:
        return OfBatch(*line)
    if 0.0 in values:
        return None
    line = _line([1.0 / value for value in values], lengths, rounding)
    return None if line is None else OfBatch(*line, inverse=True)


def _line(values: Sequence[int | float], lengths: Sequence[int], rounding: float) -> tuple[Any, Any] | None:
    """Return scale and offset of the line through all points, if there is one."""
    scale = (values[-1] - values[0]) / (lengths[-1] - lengths[0])
    offset = values[0] - scale * lengths[0]
    # Sizes and counts are whole; where the numbers are, rounding has not made them otherwise.
    error = 100.0 * rounding * max(1.0, abs(scale))
    if abs(scale - round(scale)) <= error and abs(offset - round(offset)) <= error * lengths[0]:
        scale, offset = round(scale), round(offset)
    elif not rounding:
        return None
    points = zip(values, lengths, strict=True)
    fits = all(abs(scale * length + offset - value) <= 4.0 * rounding * abs(value) for value, length in points)
    return (scale, offset) if fits else None


def _same(one: int | float, other: int | float) -> bool:
    return one == other or (one != one and other != other)


def _differ(what: str, lengths: Sequence[int]) -> TracingError:
    return TracingError(
        f"export_onnx: the model cannot have a batch of any length: {what} for batches of "
        f"length {', '.join(map(str, lengths))}; export it for the length of the example with "
        "dynamic_batch=False"
    )
